"""How well each photo fits each class, said by heads that have not seen the photo.

In:  embeddings (N, D) with their labels, and what is known to be no class.
Out: `Fit`. A photo that fits badly does not teach its class the second time round.

The head is the fast path's, in closed form; near-duplicates are judged together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from waymark.training.ridge import SCALE, Moments, ridge_heads, unit

FOLDS = 5
PENALTY = 0.3  # 0.1 and 1 find as many
FEWEST = 5  # different photos: a class with fewer is not known well enough
AGREE = 0.3  # of the fit that is usual in other classes: in one with less, photos disagree
ALIEN = 0.18  # of the fit that is usual in its class: a photo with less may not be of it
ALIKE = 0.55  # of the fit that is usual in another class: a photo with more may be of it
STRANGE = 0.2  # share of the class of misfits from which a photo may be one of them ...
RATHER = 0.85  # ... although it fits another class up to this share

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What heads that had not seen a photo said of it.

    A share is a logit in units of what is usual: 1 for the middle photo of a class, about
    0 for a photo of anything else.

    Attributes:
        logits: (N, C), of a class without a photo in the other folds the least there is.
        own: (N,), share of the photo's class; 1 where the class is not known.
        other: (N,), share of the best other class that is known; below 0 where none is.
        best: (N,), that class.
        strange: (N,), share of the class that the first round's misfits make.
        known: (C,), whether enough photos of a class, that agree, are known to judge by it.
    """

    logits: NDArray[np.float32]
    own: Floats
    other: Floats
    best: Ints
    strange: Floats
    known: Bools

    @property
    def off_topic(self) -> Bools:
        """(N,): photos that fit no class, or fit the misfits."""
        misfit = (self.strange > STRANGE) & (self.other < RATHER)
        return (self.own < ALIEN) & ((self.other < ALIKE) | misfit)


def held_out_fit(
    embeddings: NDArray[np.float32],
    labels: Ints,
    groups: Ints,
    *,
    classes: int,
    background: NDArray[np.float32],
    seed: int,
) -> Fit:
    """Let the heads of the other folds judge each photo, twice.

    The second time, photos that seemed to fit no class are a class of their own, and those
    that seemed to fit another teach nothing. So a class with wrong photos in it does not
    learn to like them, and many off-topic photos of one kind betray each other.

    Args:
        embeddings: (N, D), N at least 1.
        labels: (N,), 0 to `classes` - 1.
        groups: (N,), photos of one number are judged together.
        classes: C, at least 1; some may have no photo.
        background: (K, D), means of what is no class; K may be 0.
        seed: of the folds.
    """
    vectors = np.asarray(unit(embeddings), np.float32)
    fold = deal(labels, groups, seed=seed)
    pairs = np.unique(np.stack([labels, groups], axis=1), axis=0)
    size = np.bincount(pairs[:, 0], minlength=classes)
    taught = np.array(labels, np.intp)
    parts = [
        Moments.of(vectors[fold == k], taught[fold == k], classes + 1)
        for k in range(int(fold.max()) + 1)
    ]
    first = _fit(_judge(vectors, fold, parts, background), labels, size)
    taught[first.own < ALIEN] = -1
    taught[first.off_topic] = classes
    for k, part in enumerate(parts):
        moved = (taught != labels) & (fold == k)
        none = moved & (taught == classes)
        parts[k] = (
            part
            - Moments.of(vectors[moved], labels[moved], classes + 1)
            + Moments.of(vectors[none], taught[none], classes + 1)
        )
    return _fit(_judge(vectors, fold, parts, background), labels, size)


def deal(labels: Ints, groups: Ints, *, seed: int, folds: int = FOLDS) -> Ints:
    """Deal groups to folds, so that each fold has as many of each class as can be.

    Returns:
        (N,) fold of each photo, 0 to `folds` - 1.
    """
    _, first, number = np.unique(groups, return_index=True, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(first))
    by_class = order[np.argsort(np.asarray(labels)[first][order], kind="stable")]
    fold = np.empty(len(first), np.intp)
    fold[by_class] = np.arange(len(first)) % folds
    dealt: Ints = fold[number]
    return dealt


def _judge(
    vectors: NDArray[np.float32],
    fold: Ints,
    parts: list[Moments],
    background: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return (N, C + 1) logits of the other folds' heads, minus what anything would get.

    Args:
        vectors: (N, D), of length 1.
        fold: (N,).
        parts: of each fold; the last class is of photos that fit none.
        background: (K, D).
    """
    beside = np.asarray(unit(background), np.float64)
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    logits = np.full((len(vectors), len(total.counts)), -SCALE, np.float32)
    for k, part in enumerate(parts):
        seen = total - part
        known = np.flatnonzero(seen.counts > 0)
        if not len(known):
            continue
        ((weight, bias),) = ridge_heads(
            seen.means[known], seen.covariance, [PENALTY], background=beside
        )
        level = SCALE / (len(known) + len(beside))
        inside = np.flatnonzero(fold == k)
        head = np.asarray(weight.T, np.float32)
        logits[np.ix_(inside, known)] = vectors[inside] @ head + (bias - level)
    return logits


def _fit(logits: NDArray[np.float32], labels: Ints, size: Ints) -> Fit:
    logits, misfits = logits[:, :-1], logits[:, -1]
    rows, classes = np.arange(len(labels)), len(size)
    mine = logits[rows, labels]
    usual = np.array([np.median(mine[labels == c]) if size[c] else 0.0 for c in range(classes)])
    enough = size >= FEWEST
    least = AGREE * float(np.median(usual[enough])) if enough.any() else 0.0
    known = enough & (usual > max(least, 0.0))
    share = np.where(known, logits / np.where(known, usual, 1), -1.0)
    own = np.where(known[labels], share[rows, labels], 1.0)
    share[rows, labels] = -1.0
    best = share.argmax(axis=1)
    middle = float(np.median(usual[known])) if known.any() else 1.0
    return Fit(
        logits=logits,
        own=own,
        other=share[rows, best],
        best=best,
        strange=misfits / middle,
        known=known,
    )
