"""Find photos that do not belong: of another class, or of none.

In:  embeddings (N, D) with their labels.
Out: `Doubts`, a severity a photo for each of the two.

A photo under a label has to look like its class, which is more than to look like some
class. One that does not, but looks like another class, is labelled wrongly; one that looks
like none is off topic. What looks like what, heads say that have not seen the photo.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from waymark.curate.check_labels_fit import ALIEN, ALIKE, Fit, held_out_fit
from waymark.errors import MissingExtra, ShapeError
from waymark.evaluation.calibration import fit_temperature
from waymark.evaluation.statistics import MOST_CENTROIDS, centroids
from waymark.recognise.decision import softmax

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]


class Doubts(NamedTuple):
    """What is doubted of each photo; no photo is doubted for both reasons.

    Attributes:
        off_topic: (N,) float32, 0 to 1: how sure it is that it shows no class; 0: not doubted.
        wrong: (N,) float32, 0 to 1: how sure it is that it shows another class; 0: not doubted.
        suggested: (N,), the class that fits better where `wrong` is above 0, else -1.
    """

    off_topic: NDArray[np.float32]
    wrong: NDArray[np.float32]
    suggested: NDArray[np.intp]


def doubt_labels(
    embeddings: NDArray[np.float32],
    labels: Ints,
    *,
    classes: int,
    groups: Ints,
    negatives: NDArray[np.float32] | None = None,
    wrong_labels: bool = True,
    seed: int = 0,
) -> Doubts:
    """Find photos that are off topic or labelled wrongly.

    Args:
        embeddings: (N, D), of photos that can be recognised: blank and blurred ones fit no
            class, and are better left out.
        labels: (N,), 0 to `classes` - 1.
        classes: C. Classes with fewer than `FEWEST` different photos are not doubted.
        groups: (N,), near-duplicates share a number: they are judged together.
        negatives: (M, D), photos of none of the classes, or centroids of such. The fewer
            classes there are, the more they matter; with one class and none of them nothing
            is doubted, for a photo that is merely far from its class is mostly a good one.
        wrong_labels: whether to look for wrong labels too, which needs cleanlab.
        seed: of the folds.

    Raises:
        MissingExtra: if wrong labels are asked for and cleanlab is not installed.
        ShapeError: if the arrays do not fit each other.

    Source: for wrong labels Northcutt et al. 2021, https://arxiv.org/abs/1911.00068
    """
    _check(embeddings, labels, groups, classes)
    if wrong_labels:
        check_cleanlab()
    count = len(labels)
    nothing = Doubts(
        np.zeros(count, np.float32), np.zeros(count, np.float32), np.full(count, -1, np.intp)
    )
    if not count:
        return nothing
    background = _background(negatives, embeddings.shape[1], seed)
    fit = held_out_fit(
        embeddings, labels, groups, classes=classes, background=background, seed=seed
    )
    off_topic = _off_topic(fit)
    if not wrong_labels:
        return nothing._replace(off_topic=off_topic)
    wrong, suggested = _wrong(fit, labels)
    return Doubts(off_topic, wrong, suggested)


def check_cleanlab() -> None:
    """Refuse to look for wrong labels where cleanlab is not installed.

    Raises:
        MissingExtra: says how to install it.
    """
    try:
        absent = find_spec("cleanlab") is None
    except ValueError:  # an import that was blocked
        absent = True
    if absent:
        raise MissingExtra(
            "wrong labels are found by cleanlab, which is not installed. "
            'Install it with: pip install "waymark[clean]"'
        )


def _check(embeddings: Floats, labels: Ints, groups: Ints, classes: int) -> None:
    fits = embeddings.ndim == 2 and labels.shape == groups.shape == embeddings.shape[:1]
    if not fits or (len(labels) and not 0 <= labels.min() <= labels.max() < classes):
        raise ShapeError(
            f"embeddings are {embeddings.shape}, labels {labels.shape} and groups "
            f"{groups.shape}; they must be (N, D), (N,) and (N,), labels 0 to {classes - 1}."
        )


def _background(
    negatives: NDArray[np.float32] | None, width: int, seed: int
) -> NDArray[np.float32]:
    """Return (K, D) means of what is no class, at most as many as a bundle keeps."""
    if negatives is None:
        return np.zeros((0, width), np.float32)
    if len(negatives) <= MOST_CENTROIDS:
        return negatives
    return centroids(negatives, seed=seed)[0].astype(np.float32)


def _off_topic(fit: Fit) -> NDArray[np.float32]:
    surer = np.minimum((ALIEN - fit.own) / (2 * ALIEN), (ALIKE - fit.other) / ALIKE)
    severity = np.clip(0.5 + surer / 2, 0.5, 1)
    return np.where(fit.off_topic, severity, 0).astype(np.float32)


def _wrong(fit: Fit, labels: Ints) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Let cleanlab say which labels are wrong; see `Doubts`."""
    severity = np.zeros(len(labels), np.float32)
    suggested = np.full(len(labels), -1, np.intp)
    known = np.flatnonzero(fit.known)
    judged = np.flatnonzero(fit.known[labels] & ~fit.off_topic)
    if len(known) < 2 or not len(judged):
        return severity, suggested
    from cleanlab.filter import find_label_issues  # type: ignore[import-untyped]

    logits, truth = fit.logits[np.ix_(judged, known)], np.searchsorted(known, labels[judged])
    probs = softmax(logits, fit_temperature(logits, truth))
    rows, best = np.arange(len(judged)), probs.argmax(axis=1)
    # Of cleanlab's filters this one is right most often; photos as bad as those that are off
    # topic, were they not like another class, add a tenth to what it finds.
    issues = find_label_issues(truth, probs, filter_by="low_self_confidence", n_jobs=1)
    flagged = (issues | (fit.own[judged] < ALIEN)) & (best != truth)
    severity[judged] = np.where(flagged, np.clip(1 - probs[rows, truth], 0.01, 1), 0)
    suggested[judged] = np.where(flagged, known[best], -1)
    return severity, suggested
