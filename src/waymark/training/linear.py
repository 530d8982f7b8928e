"""The fast path: a linear head on the embedding of a bundle. Seconds, no torch.

In:  a dataset and a parent bundle.
Out: a bundle that knows the dataset's landmarks, and what cross-validation says of it.

The head comes in closed form (`ridge.py`), so judging a penalty by folds, with
near-duplicates on one side, costs little more than fitting once. Temperature and unknown
rule are fitted on what the folds said of photos they had not seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waymark.bundle.format import Bundle
from waymark.bundle.graph import FIRST_TASK, drop_head, replace_head, tasks_of
from waymark.bundle.manifest import Task, UnknownRule
from waymark.bundle.statistics import Statistics
from waymark.dataset.index import Dataset
from waymark.errors import DatasetError
from waymark.evaluation.calibration import fit_temperature
from waymark.evaluation.metrics import calibration_error, top_k_accuracy, wilson_interval
from waymark.evaluation.statistics import class_statistics
from waymark.evaluation.unknown import fit_unknown_rule
from waymark.progress import Progress, silent
from waymark.recognise.decision import softmax
from waymark.training.examples import Examples, gather_examples
from waymark.training.ridge import SCALE, Head, Moments, ridge_heads, unit

PENALTIES = (0.03, 0.1, 0.3, 1.0)
DEFAULT_PENALTY = 0.3  # where there is nothing to choose it by
NORMALISE = True  # length 1 is worth half a point with all photos, one with five a landmark

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """What heads that had not seen a photo said of it.

    Attributes:
        logits: (N, C).
        judged: (N,), whether there was such a head, and it knew the photo's landmark.
    """

    logits: Floats
    judged: Bools


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What the fast path gives back.

    Attributes:
        bundle: the result, not saved yet.
        metrics: figures of the held-out photos, the same as in the bundle.
        candidates: a row for each penalty that was judged, with its figures.
        examples: the photos it was made of.
        held_out: what was said of each while it was held out.
    """

    bundle: Bundle
    metrics: dict[str, Any]
    candidates: tuple[dict[str, Any], ...]
    examples: Examples
    held_out: HeldOut


def fit_linear(
    dataset: Dataset,
    parent: Bundle,
    *,
    views: int = 2,
    seed: int = 0,
    cached: bool = True,
    slim: bool = False,
    provenance: dict[str, Any] | None = None,
    progress: Progress = silent,
) -> Fitted:
    """Fit a head on a bundle's embedding.

    Where the dataset has a val split, the penalty is chosen on it and the head learns from
    train; otherwise by five folds of everything but test, which is never read.

    Args:
        dataset: at least two landmarks; one photo each will do, though not well.
        parent: gives the network and, where the dataset has no negatives, its own.
        views: of each photo that the head learns from; see `embed_photos`.
        seed: of folds and clusters.
        cached: whether embeddings are kept on disk.
        slim: leave out the weights that deep training starts from.
        provenance: added to what the bundle says of its origin.
        progress: told of embedding and comparing.

    Returns:
        The bundle, with `cv_top1` (or `val_top1`) among its metrics.

    Raises:
        DatasetError: if fewer than two landmarks have a photo that can be read.
    """
    examples = gather_examples(
        dataset, parent, views=views, seed=seed, cached=cached, progress=progress
    )
    if len(examples.names) < 2:
        raise DatasetError(
            f"{dataset.name} has one landmark with photos that can be read; training needs at "
            "least two. `waymark teach` adds a single one to a bundle."
        )
    candidates = _held_out(examples)
    rows = [_row(penalty, held, examples.labels) for penalty, held in candidates.items()]
    judged = [row for row in rows if row["n"]]
    chosen = min(judged, key=lambda row: row["loss"])["penalty"] if judged else DEFAULT_PENALTY
    held = candidates[chosen]
    moments = _moments(examples, examples.learns)
    head = ridge_heads(moments.means, moments.covariance, [chosen])[0]

    statistics = _statistics(examples, head, parent, seed)
    temperature = _temperature(held, examples.labels)
    metrics = _figures(held, examples, temperature)
    landmarks = tuple(dataset.landmarks[name] for name in examples.names)
    origin = {
        "recipe": "linear",
        "penalty": chosen,
        "views": views,
        "seed": seed,
        "data": dataset.name,
        "photos": int(examples.learns.sum()),
        "negatives": len(examples.negatives.rows),
        "parent": parent.sha256,
        "parent_provenance": parent.manifest.provenance,
    }
    manifest = replace(
        parent.manifest,
        tasks=(Task(name=FIRST_TASK, classes=landmarks),),
        temperature=temperature,
        unknown=_unknown_rule(examples, held, statistics, parent, seed),
        head={"normalise": NORMALISE},
        metrics=metrics,
        provenance=origin | (provenance or {}),
    )
    model = replace_head(parent.model, *head, normalise=NORMALISE)
    for task in tasks_of(model)[1:]:
        model = drop_head(model, task)
    bundle = Bundle(
        manifest=manifest,
        model=model,
        statistics=statistics,
        backbone=None if slim else parent.backbone,
        notice=parent.notice,
    )
    return Fitted(
        bundle=bundle,
        metrics=metrics,
        candidates=tuple(rows),
        examples=examples,
        held_out=held,
    )


def _moments(examples: Examples, chosen: Bools) -> Moments:
    vectors = unit(examples.features.vectors[chosen])
    views = vectors.shape[1]
    return Moments.of(
        vectors.reshape(-1, vectors.shape[-1]),
        np.repeat(examples.labels[chosen], views),
        len(examples.names),
        views=views,
    )


def _held_out(examples: Examples) -> dict[float, HeldOut]:
    """Let the heads of the other folds judge each fold, for every penalty."""
    count, classes = len(examples.labels), len(examples.names)
    logits = np.full((len(PENALTIES), count, classes), -SCALE)
    judged = np.zeros(count, bool)
    parts = {int(fold): _moments(examples, examples.fold == fold) for fold in set(examples.fold)}
    everything = _total(list(parts.values()))
    whole = unit(examples.features.whole)
    for fold, part in parts.items():
        if fold < 0:
            continue
        seen = everything - part
        known = np.flatnonzero(seen.counts > 0)
        if not len(known):
            continue
        rows = np.flatnonzero(examples.fold == fold)
        judged[rows] = np.isin(examples.labels[rows], known)
        heads = ridge_heads(seen.means[known], seen.covariance, PENALTIES)
        for i, (weight, bias) in enumerate(heads):
            logits[i][np.ix_(rows, known)] = whole[rows] @ weight.T + bias
    return {
        penalty: HeldOut(logits=logits[i], judged=judged) for i, penalty in enumerate(PENALTIES)
    }


def _total(parts: list[Moments]) -> Moments:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _temperature(held: HeldOut, labels: Ints) -> float:
    if not held.judged.any():
        return 1.0
    return fit_temperature(held.logits[held.judged], labels[held.judged])


def _row(penalty: float, held: HeldOut, labels: Ints) -> dict[str, Any]:
    """Return top-1, and the log loss at the best temperature, of one penalty."""
    logits, truth = held.logits[held.judged], labels[held.judged]
    if not len(truth):
        return {"penalty": penalty, "n": 0, "top1": None, "loss": None}
    probs = softmax(logits, _temperature(held, labels))
    loss = -np.log(np.maximum(probs[np.arange(len(truth)), truth], 1e-9)).mean()
    top1 = top_k_accuracy(logits, truth)
    return {"penalty": penalty, "n": len(truth), "top1": top1, "loss": float(loss)}


def _figures(held: HeldOut, examples: Examples, temperature: float) -> dict[str, Any]:
    """Return `cv_top1`, its interval and more, or `val_...` where there was a val split."""
    prefix = "val" if examples.has_val else "cv"
    logits, labels = held.logits[held.judged], examples.labels[held.judged]
    n = len(labels)
    if not n:
        return {f"{prefix}_n": 0, f"{prefix}_top1": None}
    top1 = top_k_accuracy(logits, labels)
    return {
        f"{prefix}_n": n,
        f"{prefix}_top1": top1,
        f"{prefix}_top1_interval": list(wilson_interval(round(top1 * n), n)),
        f"{prefix}_top3": top_k_accuracy(logits, labels, min(3, logits.shape[1])),
        f"{prefix}_ece": calibration_error(softmax(logits, temperature), labels),
    }


def _statistics(examples: Examples, head: Head, parent: Bundle, seed: int) -> Statistics:
    """Sum up what was learnt from; where there are no negatives the parent's stay."""
    learns = examples.learns
    vectors = examples.features.vectors[learns]
    views = vectors.shape[1]
    statistics = class_statistics(
        vectors.reshape(-1, vectors.shape[-1]),
        np.repeat(examples.labels[learns], views),
        len(examples.names),
        examples.negatives.whole,
        np.repeat(np.arange(len(vectors)), views),
        seed=seed,
    )
    for name in ("negative_means", "negative_counts"):
        if name not in statistics and name in parent.statistics:
            statistics[name] = parent.statistics[name]
    statistics["head_weight"], statistics["head_bias"] = (a.astype(np.float32) for a in head)
    return statistics


def _unknown_rule(
    examples: Examples,
    held: HeldOut,
    statistics: Statistics,
    parent: Bundle,
    seed: int,
) -> UnknownRule:
    """Fit the rule on held-out photos, and on negatives or on what the parent knows of them."""
    seen = held.judged if held.judged.sum() >= 2 else np.ones(len(held.judged), bool)
    whole = examples.features.whole
    weight, bias = statistics["head_weight"], statistics["head_bias"]
    logits = held.logits if seen is held.judged else unit(whole) @ weight.T + bias
    negatives = examples.negatives.whole
    here = set(examples.names)
    others = [i for i, known in enumerate(parent.manifest.landmarks) if known.id not in here]
    rows = np.flatnonzero(seen)

    def refit(kept: Bools) -> Statistics:
        return _without(examples, statistics, rows[~kept])

    nothing = np.zeros((0, whole.shape[1]), np.float32)
    means = parent.statistics.get("means")  # a network without landmarks has none
    outsiders = np.concatenate(
        [
            nothing if means is None else means[others],
            parent.statistics.get("negative_means", nothing),
        ]
    )
    return fit_unknown_rule(
        logits[seen],
        whole[seen],
        examples.labels[seen],
        unit(negatives) @ weight.T + bias if len(negatives) else None,
        negatives if len(negatives) else None,
        statistics=statistics,
        normalise=NORMALISE,
        outsiders=outsiders if len(outsiders) else None,
        refit=refit,
        seed=seed,
    )


def _without(examples: Examples, statistics: Statistics, left_out: Ints) -> Statistics:
    """Return the statistics as they would be without some of the photos.

    A landmark all of whose photos are left out keeps its mean.
    """
    kept = examples.learns.copy()
    kept[left_out] = False
    vectors, labels = examples.features.vectors[kept], examples.labels[kept]
    present, index = np.unique(labels, return_inverse=True)
    if len(present) < 2:
        return statistics
    views = vectors.shape[1]
    found = class_statistics(
        vectors.reshape(-1, vectors.shape[-1]),
        np.repeat(index, views),
        len(present),
        groups=np.repeat(np.arange(len(vectors)), views),
    )
    means = statistics["means"].copy()
    means[present] = found["means"]
    rest = {name: array for name, array in statistics.items() if name != "whitening"}
    return {**rest, "means": means, "covariance": found["covariance"]}


def unseen(examples: Examples, statistics: Statistics) -> Floats:
    """Return (N, D) embeddings as far from the mean of their landmark as from one without them.

    The mean of the other n - 1 photos is n / (n - 1) times as far away as that of all n.
    """
    means = statistics["means"][examples.labels]
    counts = statistics["counts"][examples.labels]
    stretch = np.where(examples.learns, counts / np.maximum(counts - 1, 1), 1.0)
    moved: Floats = means + (examples.features.whole - means) * stretch[:, None]
    return moved.astype(np.float32)
