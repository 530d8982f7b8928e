"""Teach a bundle more landmarks, or more of those it knows, in seconds and without torch.

In:  a bundle, and a dataset of landmarks that may be new to it or not.
Out: another bundle that knows all of them.

None of the photos that the bundle learnt from are needed: their counts, means and shared
covariance are in its statistics. Sums of old and new photos add up, rows of new landmarks
follow from the sums (`ridge.py`) and from how the trained rows behave (`joining.py`), and
so it hardly matters what was taught first. The rows that were trained stay.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waymark.bundle.format import Bundle, write_bundle
from waymark.bundle.graph import replace_head
from waymark.bundle.manifest import Manifest, Task
from waymark.bundle.statistics import Statistics
from waymark.dataset.index import Dataset
from waymark.dataset.places import estimate_places
from waymark.errors import RunError
from waymark.evaluation.metrics import top_k_accuracy, wilson_interval
from waymark.gazetteer import Landmark
from waymark.progress import Progress, silent
from waymark.training.card import model_card
from waymark.training.examples import Examples, gather_examples
from waymark.training.joining import Joint, Said, fit_numbers, matching_scale, say, together
from waymark.training.memory import IMAGINED, Memory, cloud, imagine, moments_of, remember
from waymark.training.ridge import Head

MEMORY = 40  # photos of a trained row count as no more than this beside new examples
NEGATIVES = 10.0  # how many landmarks all negatives together weigh as much as

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
    memory = remember(bundle, examples, labels, len(added), seed)
    head, said, numbers = _join(memory, examples, labels, seed)
    metrics = _figures(said, numbers)

    statistics = _statistics(bundle, memory, head)
    strengthened = tuple(name for name in examples.names if name in old_ids)
    manifest = replace(
        bundle.manifest,
        tasks=(
            Task(name="landmark", classes=_landmarks(bundle, dataset, added)),
            *bundle.manifest.tasks[1:],
        ),
        metrics=metrics,
        provenance={
            "recipe": "teach",
            "command": command,
            "data": f"{bundle.manifest.provenance.get('data')}, then {dataset.name}",
            "photos": len(examples.photos),
            "negatives": len(examples.negatives.rows),
            "views": views,
            "seed": seed,
            "taught": sorted(np.array(ids)[~memory.base].tolist()),
            "numbers": [float(number) for number in numbers],
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
            model=replace_head(bundle.model, *head, normalise=memory.normalise),
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


def save_taught(path: Path, taught: Taught) -> Taught:
    """Write the bundle to a file that does not exist yet.

    Raises:
        RunError: if `path` exists.
    """
    vacant(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return replace(taught, bundle=write_bundle(path, taught.bundle))


def _join(
    memory: Memory, examples: Examples, labels: Ints, seed: int
) -> tuple[Head, Said | None, Floats]:
    """Return the head of all landmarks, what was said of held-out photos, and the numbers."""
    joint = memory.joint(memory.moments)
    position = np.concatenate([np.flatnonzero(memory.base), np.flatnonzero(~memory.base)])
    place = np.argsort(position)  # of each landmark among base rows first, new ones after
    old, dream = imagine(memory, np.flatnonzero(memory.base), seed)
    real = _held_out(memory, examples, labels, place)
    weight = np.zeros((len(place), memory.moments.sums.shape[1]))
    bias = np.zeros(len(place))
    weight[memory.base], bias[memory.base] = memory.trained
    numbers: Floats = np.zeros(4)
    if memory.base.all():
        numbers[0] = matching_scale(joint, memory.seen(dream))
    else:
        held = set() if real is None else set(position[real.labels].tolist())
        absent = np.array([i for i in np.flatnonzero(~memory.base) if i not in held], np.intp)
        parts = [say(joint, memory.seen(dream), place[old], _even(old))]
        if len(absent):
            which, drawn = imagine(memory, absent, seed + 1)
            parts.append(say(joint, memory.seen(drawn), place[which], _even(which)))
        if real is not None:
            important = np.where(real.labels >= memory.base.sum(), _even(real.labels), 0.0)
            parts.append(replace(real, weights=important))
        if len(memory.negatives):
            drawn = cloud(memory, memory.negatives, 3 * IMAGINED // 2, seed + 2)
            nobody = np.full(len(drawn), -1)
            parts.append(
                say(joint, memory.seen(drawn), nobody, np.full(len(drawn), NEGATIVES / len(drawn)))
            )
        numbers = fit_numbers(together(parts), memory.temperature)
        weight[~memory.base], bias[~memory.base] = joint.rows(numbers)
    _strengthen((weight, bias), memory, joint, labels[examples.learns], float(numbers[0]))
    return (weight, bias), real, numbers


def _strengthen(head: Head, memory: Memory, joint: Joint, labels: Ints, scale: float) -> None:
    """Blend the trained rows of landmarks that got examples with the closed form, in place."""
    gained = np.bincount(labels, minlength=len(memory.base)) * memory.base  # photos
    which = np.flatnonzero(gained)
    if not len(which):
        return
    before = np.minimum(memory.moments.counts[which] - gained[which], MEMORY)
    share = gained[which] / (before + gained[which])
    weight, bias = joint.strengthened(np.cumsum(memory.base)[which] - 1, scale)
    head[0][which] += share[:, None] * (weight - head[0][which])
    head[1][which] += share * (bias - head[1][which])


def _held_out(memory: Memory, examples: Examples, labels: Ints, place: Ints) -> Said | None:
    """Judge each fold by rows that were made without it; None where no photo can be judged."""
    parts = []
    for fold in sorted(set(examples.fold.tolist()) - {-1}):
        rows = examples.fold == fold
        left = memory.moments - moments_of(examples, labels, len(place), rows & examples.learns)
        judged = rows & (left.counts[labels] > 0)
        if judged.any():
            joint = memory.joint(left.filled(memory.moments.means))
            features = memory.seen(examples.features.whole[judged])
            truth = place[labels[judged]]
            parts.append(say(joint, features, truth, np.ones(len(truth))))
    return together(parts) if parts else None


def _even(labels: Ints) -> Floats:
    """Return weights under which every class sums to 1."""
    weights: Floats = 1 / np.bincount(labels)[labels]
    return weights


def _figures(said: Said | None, numbers: Floats) -> dict[str, Any]:
    """Return top-1 of the held-out photos among all landmarks, with its interval.

    Known landmarks are judged by the rows they had before they got more examples.
    """
    if said is None:
        return {"taught_n": 0, "taught_top1": None, "taught_top1_interval": None}
    n = len(said.labels)
    top1 = top_k_accuracy(said.logits(numbers), said.labels)
    low, high = wilson_interval(round(top1 * n), n)
    return {"taught_n": n, "taught_top1": top1, "taught_top1_interval": [low, high]}


def _statistics(bundle: Bundle, memory: Memory, head: Head) -> Statistics:
    """Return the old statistics with the new photos added; what is not told of stays."""
    statistics: dict[str, Floats] = {
        **{name: array for name, array in bundle.statistics.items() if name != "whitening"},
        "counts": memory.moments.counts,
        "means": memory.moments.means,
        "covariance": memory.moments.covariance,
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
