"""Teach a bundle more landmarks, or more of those it knows, in seconds and without torch.

In:  a bundle, and a dataset of landmarks that may be new to it or not.
Out: another bundle that knows all of them.

None of the photos that the bundle learnt from are needed: their counts, means and shared
covariance are in its statistics. Sums of old and new photos add up, rows of new landmarks
follow from the sums (`ridge.py`) and from how the trained rows behave (`joining.py`), and
so it hardly matters what was taught first. Known rows stay as they are, unless their
landmark gets examples.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waymark.bundle.format import Bundle, write_bundle
from waymark.bundle.graph import drop_head, replace_head
from waymark.bundle.manifest import Manifest, Task
from waymark.bundle.statistics import Statistics
from waymark.dataset.index import Dataset
from waymark.dataset.places import count_places, estimate_places
from waymark.errors import RunError
from waymark.evaluation.metrics import wilson_interval
from waymark.gazetteer import Landmark
from waymark.progress import Progress, silent
from waymark.training.card import model_card
from waymark.training.examples import Examples, gather_examples
from waymark.training.index import index_examples, read_index
from waymark.training.joining import Joint, Said, fit_gate, matching_scale, say, together
from waymark.training.memory import Memory, imagine, moments_of, remember
from waymark.training.ridge import Head

MEMORY = 40  # the photos behind a known row count as no more than this beside new ones

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]


@dataclass(frozen=True, kw_only=True)
class Taught:
    """What teaching gives back.

    Attributes:
        bundle: the result; saved by `save_taught`.
        added: ids of the landmarks that are new.
        strengthened: ids of those that were known and got more examples.
        metrics: figures of the taught photos, each held out in its turn.
        examples: the photos that were learnt from.
    """

    bundle: Bundle
    added: tuple[str, ...]
    strengthened: tuple[str, ...]
    metrics: dict[str, Any]
    examples: Examples


def teach(
    bundle: Bundle,
    dataset: Dataset,
    *,
    views: int = 2,
    seed: int = 0,
    cached: bool = True,
    slim: bool = False,
    command: str = "",
    progress: Progress = silent,
) -> Taught:
    """Add landmarks, or examples of known ones, to a bundle.

    A label that is the id of a landmark of the bundle adds examples to it.

    Args:
        bundle: what is taught; it stays as it is.
        dataset: photos of at least one landmark; its test split is not read.
        views: of each photo; see `embed_photos`.
        seed: of folds and imagined photos.
        cached: whether embeddings are kept on disk.
        slim: leave out the weights that deep training starts from.
        command: the command line, for the card.
        progress: told of embedding and comparing.

    Raises:
        DatasetError: if no photo can be read.
    """
    examples = gather_examples(
        dataset, bundle, views=views, seed=seed, cached=cached, progress=progress
    )
    dataset = estimate_places(dataset.with_photos(examples.photos), progress=progress)
    old_ids = bundle.manifest.tasks[0].ids
    added = tuple(name for name in examples.names if name not in old_ids)
    ids = old_ids + added
    labels = np.array([ids.index(name) for name in examples.names], np.intp)[examples.labels]
    memory = remember(bundle, examples, labels, len(added), seed=seed)
    head, held_out = _join(
        memory, examples, labels, temperature=bundle.manifest.temperature, seed=seed
    )
    metrics = _figures(*held_out)

    landmarks = _landmarks(bundle, dataset, added)
    model = replace_head(bundle.model, *head, normalise=memory.normalise)
    statistics = _statistics(bundle, memory, head)
    others = bundle.manifest.tasks[1:]
    if others and _new_categories(
        bundle, landmarks[len(old_ids) :]
    ):  # it would have to lie about these
        others = ()
        model = drop_head(model, "category")
        for name in ("head_weight_category", "head_bias_category"):
            statistics.pop(name, None)
    strengthened = tuple(name for name in examples.names if name in old_ids)
    manifest = replace(
        bundle.manifest,
        tasks=(
            Task(name="landmark", classes=landmarks),
            *others,
        ),
        metrics=metrics,
        provenance={
            "recipe": "teach",
            "command": command,
            "data": f"{bundle.manifest.provenance.get('data')}, then {dataset.name}",
            "photos": len(examples.photos),
            "negatives": len(examples.negatives.rows),
            "places": count_places(dataset, added),
            "views": views,
            "seed": seed,
            "parent": bundle.sha256,
            "parent_provenance": {
                key: value
                for key, value in bundle.manifest.provenance.items()
                if key != "parent_provenance"
            },
            "parent_metrics": bundle.manifest.metrics,
        },
    )
    return Taught(
        bundle=Bundle(
            manifest=manifest,
            model=model,
            statistics=statistics,
            backbone=None if slim else bundle.backbone,
            card=_card(manifest, metrics),
            notice=bundle.notice,
        ),
        added=added,
        strengthened=strengthened,
        metrics=metrics,
        examples=examples,
    )


def vacant(path: Path) -> None:
    """Refuse to write where something is.

    Raises:
        RunError: if `path` exists.
    """
    if path.exists() or path.is_symlink():
        raise RunError(f"{path} exists; teaching writes a new bundle. Give another --out.")


def save_taught(path: Path, taught: Taught, *, parent: Path | None = None) -> Taught:
    """Write the bundle to a file that does not exist yet, and beside it the index of its photos.

    Args:
        path: where to.
        taught: what to write.
        parent: file of the bundle that was taught; the photos in its index are kept.

    Raises:
        RunError: if `path` exists.
    """
    vacant(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    saved = replace(taught, bundle=write_bundle(path, taught.bundle))
    index = index_examples(saved.bundle, taught.examples)
    if parent is not None and (known := read_index(parent, saved.bundle)) is not None:
        index.include(known)
    index.write(path)
    return saved


def _join(
    memory: Memory, examples: Examples, labels: Ints, *, temperature: float, seed: int
) -> tuple[Head, tuple[Ints, Ints]]:
    """Return the head of all landmarks; and guesses for held-out photos, and their labels."""
    joint = memory.joint(memory.new)
    dream, of = imagine(memory, seed=seed)
    said = say(joint, memory.seen(dream), of)
    real, fold = _held_out(memory, examples, labels)
    weight, bias = memory.known
    if len(joint.closed[0]) == len(weight):
        scale = matching_scale(joint, memory.seen(dream[of >= 0]))
        guesses = real.known.argmax(axis=1)
    else:
        guesses = real.labels.copy()
        # A landmark that cannot be held out is learnt from as it is.
        rest = examples.learns & ~np.isin(labels, real.labels)
        alone = say(joint, memory.seen(examples.features.whole[rest]), labels[rest])
        for number in np.unique(fold):
            others = together([said, alone, real.take(real.is_new & (fold != number))])
            judged = real.take(fold == number)
            if others.is_new.any():
                guesses[fold == number] = judged.logits(fit_gate(others, temperature)).argmax(
                    axis=1
                )
        gate = fit_gate(together([said, alone, real.take(real.is_new)]), temperature)
        new = joint.rows(gate)
        weight, bias = np.concatenate([weight, new[0]]), np.concatenate([bias, new[1]])
        scale = gate.scale
    head = _strengthened((weight, bias), memory, joint, scale)
    return head, (guesses, real.labels)


def _strengthened(head: Head, memory: Memory, joint: Joint, scale: float) -> Head:
    """Blend the rows of known landmarks that got examples with the closed form."""
    known = len(memory.known[0])
    which = np.flatnonzero(memory.new.counts[:known])
    weight, bias = head[0].copy(), head[1].copy()
    gained = memory.new.counts[which]
    share = gained / (np.minimum(memory.counts[which], MEMORY) + gained)
    closed = joint.strengthened(which, scale)
    weight[which] += share[:, None] * (closed[0] - weight[which])
    bias[which] += share * (closed[1] - bias[which])
    return weight, bias


def _held_out(memory: Memory, examples: Examples, labels: Ints) -> tuple[Said, Ints]:
    """Return what rows made without a fold say of it, and the fold of each such photo."""
    classes = len(memory.counts)
    nobody = np.zeros(len(labels), bool)
    parts = [
        say(memory.joint(memory.new), memory.seen(examples.features.whole[nobody]), labels[nobody])
    ]
    folds = [examples.fold[nobody]]
    for fold in sorted(set(examples.fold.tolist()) - {-1}):
        rows = examples.fold == fold
        left = memory.new - moments_of(examples, labels, classes, rows & examples.learns)
        judged = rows & ((memory.counts + left.counts)[labels] > 0)
        features = memory.seen(examples.features.whole[judged])
        parts.append(say(memory.joint(left), features, labels[judged]))
        folds.append(examples.fold[judged])
    return together(parts), np.concatenate(folds)


def _figures(guesses: Ints, labels: Ints) -> dict[str, Any]:
    """Return top-1 of the held-out photos among all landmarks, with its interval.

    Known landmarks are judged by the rows they had before they got more examples.
    """
    n = len(labels)
    if not n:
        return {"taught_n": 0, "taught_top1": None, "taught_top1_interval": None}
    right = int((guesses == labels).sum())
    low, high = wilson_interval(right, n)
    return {"taught_n": n, "taught_top1": right / n, "taught_top1_interval": [low, high]}


def _statistics(bundle: Bundle, memory: Memory, head: Head) -> Statistics:
    """Return the old statistics with the new photos added; what is not told of stays."""
    counts, means, covariance = memory.together(memory.new)
    statistics: dict[str, Floats] = {
        **{name: array for name, array in bundle.statistics.items() if name != "whitening"},
        "counts": counts,
        "means": means,
        "covariance": covariance,
        "head_weight": head[0],
        "head_bias": head[1],
    }
    if memory.negative_counts.size:
        statistics["negative_means"] = memory.negatives
        statistics["negative_counts"] = memory.negative_counts
    return {name: np.asarray(array, np.float32) for name, array in statistics.items()}


def _landmarks(bundle: Bundle, dataset: Dataset, added: tuple[str, ...]) -> tuple[Landmark, ...]:
    """Return the old landmarks, with what the dataset knows and they did not, and the new."""
    old = (
        _completed(known, dataset.landmarks.get(known.id)) for known in bundle.manifest.landmarks
    )
    return (*old, *(dataset.landmarks[name] for name in added))


def _completed(known: Landmark, given: Landmark | None) -> Landmark:
    """Fill what is not known of a landmark with what is given."""
    if given is None:
        return known
    missing = [field.name for field in fields(known) if getattr(known, field.name) is None]
    news = {name: getattr(given, name) for name in missing}
    return replace(known, **news, estimated=given.estimated if "lat" in news else known.estimated)


def _new_categories(bundle: Bundle, landmarks: tuple[Landmark, ...]) -> set[str]:
    """Return the categories of landmarks that the bundle cannot tell."""
    told = {category.id for category in bundle.manifest.categories}
    return {landmark.category for landmark in landmarks if landmark.category} - told


def _card(manifest: Manifest, metrics: dict[str, Any]) -> str:
    figures = {
        "n": metrics["taught_n"],
        "top1": metrics["taught_top1"],
        "top1_interval": metrics["taught_top1_interval"],
    }
    return model_card(
        str(manifest.provenance["data"]),
        manifest,
        figures,
        measured_on="taught photos, held out in turn, among all landmarks",
    )
