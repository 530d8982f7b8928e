"""A linear head in closed form, from sums over photos alone.

In:  features (N, D) with their classes, in as many parts as one likes.
Out: weight (C, D) and bias (C,) of the head that ridge regression on one-hot targets
     gives, every class weighing the same, however many photos it has.

The sums of two sets of photos add up to those of both. So folds cost one pass, and what
was learnt in two steps is what would have been learnt in one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]
Head = tuple[NDArray[np.float64], NDArray[np.float64]]

SCALE = 16.0  # from targets 0 and 1 to logits; brings the temperature near 1


@dataclass(frozen=True)
class Moments:
    """Sums over the features of photos.

    Attributes:
        counts: (C,), photos of each class; 0 where there is none.
        sums: (C, D), sum of their features.
        second: (D, D), sum over all photos of feature times feature, transposed.
    """

    counts: NDArray[np.float64]
    sums: NDArray[np.float64]
    second: NDArray[np.float64]

    @classmethod
    def of(cls, features: Floats, labels: Ints, n_classes: int, *, views: int = 1) -> Self:
        """Sum up features (N, D) of classes `labels` (N,); `views` rows count as one photo."""
        width = features.shape[1]
        sums = np.zeros((n_classes, width))
        np.add.at(sums, labels, features)
        # float32 is twice as fast; the sums are small enough for it in blocks.
        second = np.zeros((width, width))
        for start in range(0, len(features), 4096):
            block = np.asarray(features[start : start + 4096], np.float32)
            second += block.T @ block
        counts = np.bincount(labels, minlength=n_classes).astype(np.float64)
        return cls(counts / views, sums / views, second / views)

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            self.counts + other.counts, self.sums + other.sums, self.second + other.second
        )

    def __sub__(self, other: Moments) -> Moments:
        # Subtraction leaves rounding where no photo is left.
        left = np.maximum(np.round(self.counts - other.counts, 6), 0)
        sums = np.where(left[:, None] > 0, self.sums - other.sums, 0)
        return Moments(left, sums, self.second - other.second)

    @property
    def means(self) -> NDArray[np.float64]:
        """(C, D) mean of each class; 0 for a class without photos."""
        return self.sums / np.maximum(self.counts, 1e-9)[:, None]

    @property
    def covariance(self) -> NDArray[np.float64]:
        """(D, D) covariance about the class means, not shrunk."""
        freedom = max(self.counts.sum() - (self.counts > 0).sum(), 1.0)
        within: NDArray[np.float64] = (self.second - self.sums.T @ self.means) / freedom
        return within


def ridge_heads(
    means: Floats,
    covariance: Floats,
    penalties: Sequence[float],
    *,
    background: Floats | None = None,
) -> list[Head]:
    """Solve ridge regression on one-hot targets for several penalties.

    Args:
        means: (C, D), mean features of each class.
        covariance: (D, D), shared covariance about the means.
        penalties: each times the features' mean variance is added to the diagonal.
        background: (K, D), means of what is none of the classes; each weighs like a class
            and pulls no class towards it.

    Returns:
        (C, D) weight and (C,) bias for each penalty.

    Source: Hastie, Tibshirani, Friedman 2009, sections 3.4.1 and 4.2; with balanced classes
        it is linear discriminant analysis up to the scale of each direction.
    """
    middles = means if background is None else np.concatenate([means, background])
    total = len(middles)
    centre = middles.mean(axis=0)
    offsets = np.asarray(middles - centre, np.float64)
    spread = np.asarray(covariance + offsets.T @ offsets / total, np.float32)
    level = max(float(np.trace(spread)) / len(spread), 1e-12)
    targets = np.asarray(offsets[: len(means)] / total, np.float32)
    heads = []
    for penalty in penalties:
        ridged = spread + np.float32(penalty * level) * np.eye(len(spread), dtype=np.float32)
        weight = np.linalg.solve(ridged, targets.T).T.astype(np.float64) * SCALE
        heads.append((weight, SCALE / total - weight @ centre))
    return heads


def unit(vectors: Floats) -> Floats:
    """Scale (..., D) vectors to length 1, as a bundle's normalising head does."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: Floats = vectors / np.maximum(lengths, 1e-12)
    return scaled
