"""How good predictions are. NumPy only; every figure is held to scikit-learn in the tests.

Two kinds of photo: *known* ones show a landmark of the bundle and have a label, *unknown*
ones do not. Top-k, F1 and calibration are over known photos; `auroc` and `fpr_at_recall`
tell the two kinds apart by `unknown_score`; `gap` ranks all of them together.
Ties are broken for no one: the result never depends on the order of the photos.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from waymark.errors import ShapeError

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]
Bools = NDArray[np.bool_]
Interval = tuple[float, float]


class ClassFigures(NamedTuple):
    """Precision, recall and F1 of each class, all (C,) float64; `n` is (C,) int photos."""

    precision: Floats
    recall: Floats
    f1: Floats
    n: Ints


class Bins(NamedTuple):
    """Photos grouped by confidence; all (B,): mean confidence, accuracy, number of photos."""

    confidence: Floats
    accuracy: Floats
    n: Ints


def ranking(scores: Floats, k: int) -> Ints:
    """Return the `k` best classes of each photo, best first; of equals the lower index.

    Args:
        scores: (N, C), higher is better.
        k: how many, at most C are returned.
    """
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def top_k_accuracy(scores: Floats, labels: Ints, k: int = 1) -> float:
    """Share of photos whose true class is among the `k` best.

    Args:
        scores: (N, C), higher is better.
        labels: (N,), true class indices, 0 to C-1.
        k: how many guesses count.

    Raises:
        ShapeError: if the shapes do not fit, or N is 0.
    """
    _check(scores, labels)
    return float((ranking(scores, k) == labels[:, None]).any(axis=1).mean())


def wilson_interval(successes: float, n: int, *, confidence: float = 0.95) -> Interval:
    """Interval of a share, honest for few photos and near 0 and 1.

    Returns:
        (low, high), within 0 to 1; (0, 1) where `n` is 0.

    Source: Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953
    """
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return low, high


def confusion_counts(labels: Ints, guesses: Ints, n_classes: int) -> NDArray[np.int64]:
    """Count photos of each class by what they were guessed as.

    Args:
        labels: (N,), true class indices.
        guesses: (N,), guessed class indices.
        n_classes: C.

    Returns:
        (C, C); rows are truth, columns are guesses.
    """
    if labels.shape != guesses.shape or labels.ndim != 1:
        raise ShapeError(
            f"labels are {labels.shape} and guesses {guesses.shape}; both must be (N,)."
        )
    pairs = labels.astype(np.int64) * n_classes + guesses
    return np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes)


def class_figures(counts: Ints) -> ClassFigures:
    """Precision, recall and F1 of each class; 0 where there is nothing to divide by.

    Args:
        counts: (C, C), what `confusion_counts` returns.
    """
    right = np.diag(counts).astype(float)
    n, guessed = counts.sum(axis=1), counts.sum(axis=0)
    return ClassFigures(
        precision=_divide(right, guessed),
        recall=_divide(right, n),
        f1=_divide(2 * right, n + guessed),
        n=n,
    )


def macro_f1(counts: Ints) -> float:
    """Mean F1 of the classes that are present, which is to say have a photo.

    Args:
        counts: (C, C), what `confusion_counts` returns.
    """
    figures = class_figures(counts)
    present = figures.n > 0
    if not present.any():
        raise ShapeError("there is no photo to count; macro F1 needs at least one.")
    return float(figures.f1[present].mean())


def log_loss(probs: Floats, labels: Ints) -> float:
    """Mean negative log-likelihood of the true classes, in nats.

    Args:
        probs: (N, C), each row sums to 1; a true class of probability 0 counts as the
            smallest float32.
        labels: (N,), true class indices, 0 to C-1.

    Raises:
        ShapeError: if the shapes do not fit, or N is 0.
    """
    _check(probs, labels)
    true = np.asarray(probs, float)[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(true, np.finfo(np.float32).tiny)).mean())


def most_confused(counts: Ints, k: int) -> list[tuple[int, int]]:
    """List the pairs of different classes with the most photos, most first.

    Args:
        counts: (C, C), what `confusion_counts` returns.
        k: at most so many; pairs without a photo are left out.

    Returns:
        (truth, guess) indices.
    """
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:k]
    pairs = [divmod(int(place), len(counts)) for place in order]
    return [pair for pair in pairs if wrong[pair]]


def reliability(confidence: Floats, correct: Bools, *, bins: int = 15) -> Bins:
    """Group photos by how sure the model was of its first guess.

    Args:
        confidence: (N,), 0 to 1.
        correct: (N,), whether the first guess was right.
        bins: number of equal-width bins; each includes its upper edge.
    """
    if confidence.shape != correct.shape or confidence.ndim != 1 or not len(confidence):
        raise ShapeError(
            f"confidence is {confidence.shape} and correct {correct.shape}; "
            "both must be (N,) with N at least 1."
        )
    edges = np.linspace(0, 1, bins + 1)
    place = np.searchsorted(edges[1:-1], confidence)
    n = np.bincount(place, minlength=bins)
    return Bins(
        confidence=_divide(np.bincount(place, confidence, minlength=bins), n),
        accuracy=_divide(np.bincount(place, correct, minlength=bins), n),
        n=n,
    )


def calibration_error(probs: Floats, labels: Ints, *, bins: int = 15) -> float:
    """Average gap between how sure the model is and how often it is right.

    Args:
        probs: (N, C), each row sums to 1.
        labels: (N,), true class indices, 0 to C-1.
        bins: number of equal-width confidence bins.

    Returns:
        Expected calibration error, 0 (perfect) to 1.

    Raises:
        ShapeError: if `probs` is not (N, C) or `labels` not (N,), or N is 0.

    Source: Guo et al. 2017, section 2, https://arxiv.org/abs/1706.04599
    """
    _check(probs, labels)
    groups = reliability(probs.max(axis=1), probs.argmax(axis=1) == labels, bins=bins)
    gaps = np.abs(groups.confidence - groups.accuracy)
    return float((gaps * groups.n).sum() / len(labels))


def auroc(known: Floats, unknown: Floats) -> float:
    """Chance that an unknown photo has a higher unknown score than a known one.

    Args:
        known: (N,), unknown scores of photos of known landmarks.
        unknown: (M,), unknown scores of the others.

    Returns:
        0 to 1; 0.5 is chance, and ties count half.
    """
    _check_both(known, unknown)
    order = np.sort(known)
    below = np.searchsorted(order, unknown, side="left")
    not_above = np.searchsorted(order, unknown, side="right")
    return float((below + not_above).sum() / (2 * len(known) * len(unknown)))


def auroc_interval(area: float, n: int, m: int, *, confidence: float = 0.95) -> Interval:
    """Score interval of an AUROC; like Wilson's it does not collapse where `area` is 1.

    Args:
        area: the AUROC, 0 to 1.
        n: known photos.
        m: unknown photos.

    Source: Newcombe 2006, method 5, https://doi.org/10.1002/sim.2324, on the variance of
        Hanley and McNeil 1982, https://doi.org/10.1148/radiology.143.1.7063747
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    mean_n = max((n + m) / 2 - 1, 0.0)

    def distance(theta: float) -> float:
        pairs = (1 - theta) / (2 - theta) + theta / (1 + theta)
        variance = theta * (1 - theta) * (1 + mean_n * pairs) / (n * m)
        return abs(area - theta) - z * math.sqrt(variance)

    def edge(inside: float, outside: float) -> float:
        for _ in range(60):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if distance(middle) < 0 else (inside, middle)
        return (inside + outside) / 2

    return (edge(area, 0.0) if area > 0 else 0.0, edge(area, 1.0) if area < 1 else 1.0)


def fpr_at_recall(known: Floats, unknown: Floats, *, recall: float = 0.95) -> float:
    """Share of unknown photos taken for known where `recall` of the known ones are accepted.

    Args:
        known: (N,), unknown scores of photos of known landmarks: the positives.
        unknown: (M,), unknown scores of the others.
        recall: 0 to 1.

    Source: Hendrycks and Gimpel 2017, https://arxiv.org/abs/1610.02136
    """
    return float((unknown <= recall_threshold(known, recall=recall)).mean())


def recall_threshold(known: Floats, *, recall: float = 0.95) -> float:
    """Lowest unknown score that still accepts at least `recall` of the known photos."""
    if not len(known):
        raise ShapeError("there is no photo of a known landmark; a threshold needs at least one.")
    wanted = max(1, math.ceil(recall * len(known) - 1e-9))
    return float(np.partition(known, wanted - 1)[wanted - 1])


def gap(confidence: Floats, correct: Bools, n_known: int) -> float:
    """Global average precision: one guess a photo, all photos ranked together.

    Photos of equal confidence enter together.

    Args:
        confidence: (N,), of the first guess of every photo, known or not.
        correct: (N,), whether that guess is right; never, for an unknown photo.
        n_known: photos that show a known landmark.

    Returns:
        0 to 1, micro average precision of the first guesses.

    Raises:
        ShapeError: if the shapes differ or `n_known` is less than the number correct.

    Source: Weyand et al. 2020, section 5.1, https://arxiv.org/abs/2004.01804
    """
    if confidence.shape != correct.shape or confidence.ndim != 1:
        raise ShapeError(
            f"confidence is {confidence.shape} and correct {correct.shape}; both must be (N,)."
        )
    if n_known < max(1, int(correct.sum())):
        raise ShapeError(f"n_known is {n_known}; it must be at least 1 and the number correct.")
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    right = np.cumsum(correct[order])[last]
    precision = right / (last + 1)
    return float((np.diff(right, prepend=0) * precision).sum() / n_known)


def bootstrap_interval(
    figure: Callable[[Ints], float],
    n: int,
    *,
    rounds: int = 300,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile interval of `figure` over photos drawn again with replacement.

    Args:
        figure: takes (n,) photo indices, returns a value.
        n: number of photos.
    """
    rng = np.random.default_rng(seed)
    values = [figure(rng.integers(0, n, n)) for _ in range(rounds)]
    low, high = np.quantile(values, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return float(low), float(high)


def _divide(above: ArrayLike, below: ArrayLike) -> Floats:
    """Divide element by element; 0 where `below` is 0."""
    above, below = np.asarray(above, float), np.asarray(below, float)
    ratio: Floats = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    return ratio


def _check(scores: Floats, labels: Ints) -> None:
    """Refuse anything but (N, C) scores with (N,) labels, N at least 1."""
    if scores.ndim != 2 or labels.shape != scores.shape[:1] or not len(labels):
        raise ShapeError(
            f"scores are {scores.shape} and labels {labels.shape}; "
            "they must be (N, C) and (N,) with N at least 1."
        )


def _check_both(known: Floats, unknown: Floats) -> None:
    """Refuse to compare where one kind of photo is missing."""
    if known.ndim != 1 or unknown.ndim != 1 or not len(known) or not len(unknown):
        raise ShapeError(
            f"there are {known.shape} known and {unknown.shape} unknown scores; "
            "both must be (N,) with N at least 1."
        )
