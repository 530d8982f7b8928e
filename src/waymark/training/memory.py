"""What a bundle remembers, with new photos beside it: all that a taught head is made of.

In:  a bundle's statistics and the embeddings of new photos.
Out: a `Memory`. Sums of old and new photos add up, so it hardly matters which came first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from waymark.bundle.format import Bundle
from waymark.bundle.statistics import MIN_CENTROID, dense
from waymark.evaluation.statistics import centroids
from waymark.training.examples import Examples
from waymark.training.joining import Joint
from waymark.training.ridge import Head, Moments, ridge_heads, unit

PENALTY = 0.03
FREEDOM = 60.0  # photos of a landmark that count towards the shared covariance, at most
SPREAD = (1.0, 2.0, 3.0)  # imagined photos lie wider than a Gaussian: real ones are harder
IMAGINED = 20  # photos a landmark
MOST_IMAGINED = 4000

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Old and new photos of C landmarks, the B known ones first.

    Attributes:
        counts: (C,) photos in the bundle; 0 for the new landmarks.
        means: (C, D) their mean embeddings; 0 for the new landmarks.
        covariance: (D, D) of embeddings within the known landmarks.
        new: sums over the new photos.
        negatives: (K, D) centroids.
        negative_counts: (K,) photos of each.
        known: the rows of the known landmarks.
        normalise: whether the head scales embeddings to length 1.
    """

    counts: Floats
    means: Floats
    covariance: Floats
    new: Moments
    negatives: Floats
    negative_counts: Floats
    known: Head
    normalise: bool

    def together(self, new: Moments) -> tuple[Floats, Floats, Floats]:
        """Return counts (C,), means (C, D) and covariance (D, D) of old photos and `new`.

        A landmark without any photo, in a fold, keeps the mean of all its photos.
        """
        counts = self.counts + new.counts
        sums = self.means * self.counts[:, None] + new.sums
        means = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1e-9)[:, None], 0.0)
        if (counts == 0).any():
            means[counts == 0] = self.new.means[counts == 0]
        old = np.clip(self.counts - 1, 0, FREEDOM).sum()
        fresh = np.clip(new.counts - 1, 0, FREEDOM).sum()
        covariance = (old * self.covariance + fresh * new.covariance) / max(old + fresh, 1e-9)
        return counts, means, covariance if old + fresh > 0 else self.covariance

    def joint(self, new: Moments) -> Joint:
        """Return the closed form over old photos and `new`, beside the known rows."""
        _, means, covariance = self.together(new)
        negatives = self.negatives
        if self.normalise:
            # E[x / |x|] is close to mean / sqrt(|mean|^2 + trace(covariance)).
            noise = float(np.trace(covariance))
            scales = 1 / np.sqrt((means**2).sum(axis=1) + noise)
            means = means * scales[:, None]
            negatives = negatives / np.sqrt((negatives**2).sum(axis=1) + noise)[:, None]
            covariance = covariance * np.mean(scales**2)
        background = negatives if len(negatives) else None
        closed = ridge_heads(means, covariance, [PENALTY], background=background)[0]
        return Joint(known=self.known, closed=closed)

    def seen(self, embedding: Floats) -> Floats:
        """Return embeddings as the head sees them."""
        return unit(embedding) if self.normalise else embedding


def remember(
    bundle: Bundle, examples: Examples, labels: Ints, added: int, *, seed: int = 0
) -> Memory:
    """Put the new photos beside what the bundle knows.

    Args:
        bundle: what is known already.
        examples: the new photos.
        labels: (N,), index of each photo's landmark among the known and then the new ones.
        added: how many landmarks are new.
        seed: of the clustering of new negatives.
    """
    statistics = bundle.statistics
    counts = np.append(statistics["counts"], np.zeros(added)).astype(np.float64)
    width = statistics["means"].shape[1]
    means = [statistics.get("negative_means", np.zeros((0, width), np.float32))]
    photos = [statistics.get("negative_counts", np.zeros(0, np.float32))]
    if len(examples.negatives.rows) >= MIN_CENTROID:
        found = centroids(examples.negatives.whole, seed=seed)
        means, photos = [*means, found[0]], [*photos, found[1]]
    return Memory(
        counts=counts,
        means=np.concatenate([statistics["means"], np.zeros((added, width))]),
        covariance=dense(statistics["covariance"]).astype(np.float64),
        new=moments_of(examples, labels, len(counts), examples.learns),
        negatives=np.concatenate(means),
        negative_counts=np.concatenate(photos),
        known=(
            statistics["head_weight"].astype(np.float64),
            statistics["head_bias"].astype(np.float64),
        ),
        normalise=bool(bundle.manifest.head["normalise"]),
    )


def moments_of(
    examples: Examples, labels: Ints, classes: int, chosen: NDArray[np.bool_]
) -> Moments:
    """Sum up the `chosen` (N,) photos, all their views, over `classes` landmarks."""
    vectors = examples.features.vectors[chosen]
    views = vectors.shape[1]
    return Moments.of(
        vectors.reshape(-1, vectors.shape[-1]),
        np.repeat(labels[chosen], views),
        classes,
        views=views,
    )


def imagine(memory: Memory, *, seed: int = 0) -> tuple[Floats, Ints]:
    """Draw embeddings of known landmarks and of none.

    Returns:
        (N, D) embeddings, and (N,) the landmark of each, -1 for none.
    """
    rng = np.random.default_rng(seed)
    known = len(memory.known[0])
    _, means, covariance = memory.together(memory.new)
    width = len(covariance)
    level = max(float(np.trace(covariance)) / width, 1e-12)
    # On disk the covariance is rounded, which can cost it its last positive directions.
    noise = np.linalg.cholesky(covariance + 1e-2 * level * np.eye(width)).astype(np.float32)
    middles = np.concatenate([means[:known], memory.negatives]).astype(np.float32)
    labels = np.concatenate([np.arange(known), np.full(len(memory.negatives), -1)])
    each = max(2, min(IMAGINED, MOST_IMAGINED // len(middles)))
    spread = rng.choice(np.array(SPREAD, np.float32), (len(middles) * each, 1))
    drawn = rng.standard_normal((len(middles) * each, width), np.float32) @ noise.T
    return np.repeat(middles, each, axis=0) + spread * drawn, np.repeat(labels, each)
