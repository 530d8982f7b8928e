"""Make a bundle of a trained network: what its photos looked like to it, and its scores.

In:  the exported network, what it is built of, and the dataset that it was trained on, with
     its split.
Out: a `Bundle`. Temperature and unknown rule come from validation photos and from
     negatives that the training has not seen. Of categories the model says all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waymark.bundle.format import Bundle
from waymark.bundle.manifest import CATEGORY, LANDMARK, Manifest, Task, UnknownRule
from waymark.bundle.quantise import HALF_MAX
from waymark.bundle.statistics import Statistics, whiten
from waymark.dataset.index import Dataset, Photo
from waymark.errors import DatasetError, RunError
from waymark.evaluation.calibration import fit_temperature
from waymark.evaluation.statistics import class_statistics
from waymark.evaluation.unknown import fit_unknown_rule
from waymark.gazetteer import Landmark
from waymark.models.design import Design
from waymark.preprocess import Preprocess
from waymark.progress import Progress, silent
from waymark.training.features import embed_photos
from waymark.training.ridge import unit

Floats = NDArray[np.float32]
CHUNK = 2048
SAMPLE = 6000
"""Photos that the covariance is estimated from, evenly over the landmarks."""


def _forget(_photos: Sequence[Photo], _embeddings: Floats) -> None: ...


def assemble(
    model: bytes,
    head: tuple[Floats, Floats],
    dataset: Dataset,
    *,
    backbone: bytes | None,
    design: Design,
    normalise: bool = False,
    categories: Sequence[str] = (),
    parameters: int = 0,
    preprocess: Preprocess,
    fast_size: int = 0,
    provenance: dict[str, Any],
    notice: str = "",
    seed: int = 0,
    note: Callable[[Sequence[Photo], Floats], None] = _forget,
    progress: Progress = silent,
) -> Bundle:
    """Make a bundle of a trained network.

    Args:
        model: the exported network; see `Bundle.model`.
        head: weight (C, D) and bias (C,) of the landmark head.
        dataset: with a split for every photo and negative.
        backbone: its weights for further deep training.
        design: what the network is built of.
        normalise: whether the head sees embeddings at unit length.
        categories: ids of the K categories in the order of `logits_category`; empty where
            the network has no such output.
        parameters: number of weights of the network; 0 leaves it unsaid.
        preprocess: how photos are to be prepared.
        fast_size: input side in pixels of `--fast`; 0 for none.
        provenance: where it comes from.
        notice: what the licences of its parts ask for.
        seed: of the clustering and of the folds of the unknown rule.
        note: told of training photos and their embeddings (N, D), a part at a time.
        progress: told of each photo.

    Raises:
        DatasetError: if a landmark has no photo to learn from that can be read.
        RunError: if the network went astray.
    """
    weight, bias = head
    draft = Bundle(
        manifest=Manifest(
            tasks=_tasks(dataset, categories),
            preprocess=preprocess,
            temperature=1.0,
            unknown=no_rule(),
            backbone={
                "timm_name": design.backbone,
                "num_features": weight.shape[1],
                "input_size": preprocess.size,
                "design": design.to_dict(),
            },
            head={"normalise": normalise},
            sizes={"fast": fast_size} if fast_size else {},
            metrics={"parameters": parameters} if parameters else {},
            provenance=provenance,
        ),
        model=model,
        statistics={},
        backbone=backbone,
        notice=notice,
    )
    train, val = dataset.of_split("train"), dataset.of_split("val")
    means, counts, sample, labels = _sums(draft, train, note, progress)
    if missing := [name for name, n in zip(dataset.labels, counts, strict=True) if not n]:
        raise DatasetError(
            f"no training photo of {', '.join(missing)} can be read. "
            "Remove the folder, or mend its photos."
        )
    seen = embed_photos(draft, train.negatives, views=1, cached=False, progress=progress).whole
    statistics: Statistics = class_statistics(
        sample, labels, len(dataset.labels), seen if len(seen) else None, seed=seed
    )
    statistics |= {"means": means, "counts": counts, "head_weight": weight, "head_bias": bias}
    statistics["whitening"] = whiten(means, statistics["covariance"])  # once: it can take long
    known, truth, _ = _embed(draft, val, progress)
    unseen = embed_photos(draft, val.negatives, views=1, cached=False, progress=progress).whole
    logits = _logits(known, head, normalise)
    return replace(
        draft,
        statistics=statistics,
        manifest=replace(
            draft.manifest,
            temperature=fit_temperature(logits, truth),
            unknown=fit_unknown_rule(
                logits,
                known,
                truth,
                _logits(unseen, head, normalise) if len(unseen) else None,
                unseen if len(unseen) else None,
                statistics=statistics,
                normalise=normalise,
                seed=seed,
            ),
        ),
    )


def _sums(
    bundle: Bundle,
    dataset: Dataset,
    note: Callable[[Sequence[Photo], Floats], None],
    progress: Progress,
) -> tuple[Floats, Floats, Floats, NDArray[np.intp]]:
    """Embed the training photos a few at a time, so that memory does not grow with them.

    Returns:
        Mean embedding (C, D) and number (C,) of every landmark's photos, and of an even
        sample of at most `SAMPLE` photos, for the covariance, embeddings and labels.
    """
    classes, width = len(dataset.labels), int(bundle.manifest.backbone["num_features"])
    sums, counts = np.zeros((classes, width)), np.zeros(classes)
    most = max(1, SAMPLE // classes)
    kept: list[tuple[Floats, NDArray[np.intp]]] = []
    for start in range(0, len(dataset.photos), CHUNK):
        part = replace(dataset, photos=dataset.photos[start : start + CHUNK])
        embedded, labels, photos = _embed(bundle, part, silent)
        note(photos, embedded)
        np.add.at(sums, labels, embedded)
        chosen = counts[labels] + _place_in_class(labels) < most
        kept.append((embedded[chosen], labels[chosen]))
        counts += np.bincount(labels, minlength=classes)
        done = min(start + CHUNK, len(dataset.photos))
        progress(done, len(dataset.photos), "embedding photos")
    means = (sums / np.maximum(counts, 1)[:, None]).astype(np.float32)
    if not np.abs(means).max() < HALF_MAX:
        raise RunError(
            "the training went astray: the network's features are too large to be kept. Lower "
            "the learning rate (--set stages.0.lr=...), or clip gradients (--set clip=1)."
        )
    sample = np.concatenate([rows for rows, _ in kept])
    return means, counts.astype(np.float32), sample, np.concatenate([of for _, of in kept])


def _place_in_class(labels: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return how many earlier photos have the same label, for each photo."""
    seen: dict[int, int] = {}
    places = np.zeros(len(labels), np.intp)
    for i, label in enumerate(labels.tolist()):
        places[i] = seen.get(label, 0)
        seen[label] = places[i] + 1
    return places


def _embed(
    bundle: Bundle, dataset: Dataset, progress: Progress
) -> tuple[Floats, NDArray[np.intp], list[Photo]]:
    """Return embeddings (N, D), class indices (N,) and the N photos that can be read."""
    found = embed_photos(
        bundle, [p.path for p in dataset.photos], views=1, cached=False, progress=progress
    )
    index = {label: number for number, label in enumerate(dataset.labels)}
    labels = np.array([index[p.label] for p in dataset.photos], dtype=np.intp)
    return found.whole, labels[found.rows], [dataset.photos[row] for row in found.rows]


def _logits(embedding: Floats, head: tuple[Floats, Floats], normalise: bool) -> Floats:
    """Return the (N, C) logits that the model gives for embeddings (N, D)."""
    seen = unit(embedding) if normalise else embedding
    return np.asarray(seen @ head[0].T + head[1], np.float32)


def _tasks(dataset: Dataset, categories: Sequence[str]) -> tuple[Task, ...]:
    landmarks = tuple(dataset.landmarks[label] for label in dataset.labels)
    tasks = (Task(name=LANDMARK, classes=landmarks),)
    if not categories:
        return tasks
    kinds = tuple(Landmark(id=name, name=name) for name in categories)
    return (*tasks, Task(name=CATEGORY, classes=kinds))


def no_rule() -> UnknownRule:
    """Return the rule of a bundle that has none yet: it calls nothing unknown."""
    return UnknownRule(
        features=(), weights=(), bias=0.0, centre=(), scale=(), threshold=1.0, fpr=None, source=""
    )
