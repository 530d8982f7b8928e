"""What a bundle remembers, with new photos added: all that a taught head is made of.

In:  a bundle's statistics and the embeddings of new photos.
Out: a `Memory`. Sums of old and new photos add up, so it does not matter which came first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from waymark.bundle.format import Bundle
from waymark.bundle.statistics import MIN_CENTROID
from waymark.evaluation.statistics import centroids
from waymark.training.examples import Examples
from waymark.training.joining import Joint
from waymark.training.ridge import Head, Moments, ridge_heads, unit

PENALTY = 0.1
SPREAD = 2.0  # imagined photos lie wider than a Gaussian: what is hard in real ones is rare
IMAGINED = 20  # photos a landmark, where its own are not at hand
MOST_IMAGINED = 4000

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]


@dataclass(frozen=True, kw_only=True)
class Memory:
    """All that a head is made of.

    Attributes:
        moments: of old and new photos, in the space of embeddings.
        noise: (D, D), a square root of their covariance within landmarks.
        negatives: (K, D) centroids.
        negative_counts: (K,) photos of each.
        trained: the rows that were trained.
        base: (C,), which landmarks have one.
        normalise: whether the head scales embeddings to length 1.
        temperature: at which the trained rows are calibrated.
    """

    moments: Moments
    noise: Floats
    negatives: Floats
    negative_counts: Floats
    trained: Head
    base: NDArray[np.bool_]
    normalise: bool
    temperature: float

    def joint(self, moments: Moments) -> Joint:
        """Return the closed form over `moments` beside the trained rows."""
        means, covariance, negatives = moments.means, moments.covariance, self.negatives
        if self.normalise:
            # E[x / |x|] is close to mean / sqrt(|mean|^2 + trace(covariance)).
            noise = np.trace(covariance)
            scales = 1 / np.sqrt((means**2).sum(axis=1) + noise)
            means = means * scales[:, None]
            negatives = negatives / np.sqrt((negatives**2).sum(axis=1) + noise)[:, None]
            covariance = covariance * np.mean(scales**2)
        background = negatives if len(negatives) else None
        closed = ridge_heads(means, covariance, [PENALTY], background=background)[0]
        return Joint(trained=self.trained, closed=closed, base=self.base)

    def seen(self, embedding: Floats) -> Floats:
        """Return embeddings as the head sees them."""
        return unit(embedding) if self.normalise else embedding


def remember(bundle: Bundle, examples: Examples, labels: Ints, added: int, seed: int) -> Memory:
    """Add the sums of the new photos to those of the old ones.

    Args:
        bundle: what is known already.
        examples: the new photos.
        labels: (N,), index of each photo's landmark among the old and then the new ones.
        added: how many landmarks are new.
        seed: of the clustering of new negatives.
    """
    statistics, manifest = bundle.statistics, bundle.manifest
    width = statistics["means"].shape[1]
    old = Moments.from_statistics(
        np.concatenate([statistics["counts"], np.zeros(added)]),
        np.concatenate([statistics["means"], np.zeros((added, width))]),
        statistics["covariance"],
    )
    means = [statistics.get("negative_means", np.zeros((0, width), np.float32))]
    counts = [statistics.get("negative_counts", np.zeros(0, np.float32))]
    if len(examples.negatives.rows) >= MIN_CENTROID:
        found = centroids(examples.negatives.whole, seed=seed)
        means, counts = [*means, found[0]], [*counts, found[1]]
    moments = old + moments_of(examples, labels, len(old.counts), examples.learns)
    level = max(float(np.trace(moments.covariance)) / width, 1e-12)
    taught = set(manifest.provenance.get("taught") or ())
    trained = np.array([name not in taught for name in manifest.tasks[0].ids])
    return Memory(
        moments=moments,
        # On disk the covariance is rounded, which can cost it its last positive directions.
        noise=np.linalg.cholesky(moments.covariance + 1e-2 * level * np.eye(width)).astype(
            np.float32
        ),
        negatives=np.concatenate(means),
        negative_counts=np.concatenate(counts),
        trained=(
            statistics["head_weight"][trained].astype(np.float64),
            statistics["head_bias"][trained].astype(np.float64),
        ),
        base=np.concatenate([trained, np.zeros(added, bool)]),
        normalise=bool(manifest.head["normalise"]),
        temperature=manifest.temperature,
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


def imagine(memory: Memory, which: Ints, seed: int) -> tuple[Ints, Floats]:
    """Draw embeddings of landmarks `which`; return the landmark of each, and the embeddings."""
    each = max(2, min(IMAGINED, MOST_IMAGINED // len(which)))
    return np.repeat(which, each), cloud(memory, memory.moments.means[which], each, seed)


def cloud(memory: Memory, means: Floats, each: int, seed: int) -> Floats:
    """Draw `each` embeddings about each of (K, D) means."""
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((len(means) * each, means.shape[1]), np.float32)
    wide: Floats = np.repeat(means, each, axis=0) + SPREAD * (drawn @ memory.noise.T)
    return wide
