"""From a network's outputs to honest scores: temperature and the unknown rule.

In:  logits (N, C) and embeddings (N, D), with a bundle's manifest and statistics.
Out: scores (N, C), rows of which sum to 1, and unknown scores (N,), 0 to 1.

What this module applies, `evaluation/calibration.py` and `evaluation/unknown.py` fit.
NumPy only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from waymark.bundle.manifest import Manifest
from waymark.bundle.statistics import Statistics, whiten
from waymark.errors import BundleError, ShapeError

Floats = NDArray[np.float32]

# What the unknown rule may look at, in the order of `unknown_features`.
FEATURES = (
    "max_logit",  # largest logit: Hendrycks et al. 2022, https://arxiv.org/abs/1911.11132
    "logsumexp",  # minus the energy: Liu et al. 2020, https://arxiv.org/abs/2010.03759
    # max_logit - logsumexp is the log of the maximum probability:
    # Hendrycks and Gimpel 2017, https://arxiv.org/abs/1610.02136
    "margin",  # largest logit minus the second
    "entropy",  # of the probabilities, in nats
    "length",  # log of the embedding's norm: Dhamija et al. 2018, arxiv.org/abs/1811.04110
    "distance",  # Mahalanobis, to the nearest landmark: Lee et al. 2018, arxiv.org/abs/1807.03888
    "relative_distance",  # less that to all photos: Ren et al. 2021, arxiv.org/abs/2106.09022
    "cosine",  # of the angle to the nearest landmark's mean, seen from the mean of all photos
    "negative_cosine",  # the same to the nearest centroid of negatives, minus `cosine`
)


_FEW = 64  # rows


def softmax(logits: NDArray[np.floating], temperature: float = 1.0) -> Floats:
    """Turn logits into probabilities.

    Args:
        logits: (N, C).
        temperature: what logits are divided by; above 1 makes scores more modest.

    Returns:
        (N, C) float32, each row sums to 1.

    Source: Guo et al. 2017, section 4.2, https://arxiv.org/abs/1706.04599
    """
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    weights = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


def unknown_features(
    logits: NDArray[np.floating], embedding: NDArray[np.floating], statistics: Statistics
) -> Floats:
    """Measure what tells photos of known landmarks from all others.

    Args:
        logits: (N, C), before any temperature.
        embedding: (N, D).
        statistics: of the bundle; see `bundle/statistics.py`.

    Returns:
        (N, F) float32, a column for each name in `FEATURES`.

    Raises:
        ShapeError: if the arrays do not fit each other.
    """
    return Surroundings(statistics).features(logits, embedding)


class Surroundings:
    """The statistics of a bundle, made ready for measuring many photos against them."""

    def __init__(self, statistics: Statistics) -> None:
        means = statistics["means"]
        share = np.maximum(statistics["counts"], 1e-6)
        share = share / share.sum()
        self._middle = share @ means
        self._means = _unit(means - self._middle)
        negatives = statistics.get("negative_means")
        self._negatives = None if negatives is None else _unit(negatives - self._middle)
        given = statistics.get("whitening")
        self._whitening = whiten(means, statistics["covariance"]) if given is None else given
        self._white = (means - self._middle) @ self._whitening
        between = (self._white * share[:, None]).T @ self._white
        self._total = np.linalg.inv(np.eye(len(between)) + between).astype(np.float32)

    def features(self, logits: NDArray[np.floating], embedding: NDArray[np.floating]) -> Floats:
        """Return the (N, F) features; see `unknown_features`."""
        count, width = self._means.shape
        fits = logits.ndim == 2 and embedding.shape == (len(logits), width)
        if not fits or logits.shape[1] != count:
            raise ShapeError(
                f"logits {logits.shape} and embedding {embedding.shape} do not fit a bundle of "
                f"{count} landmarks and {width} features."
            )
        columns: list[NDArray[np.floating]] = [*_of_logits(np.asarray(logits, dtype=np.float64))]
        columns += self._of_embedding(np.asarray(embedding, dtype=np.float32))
        return np.stack(columns, axis=1).astype(np.float32)

    def _of_embedding(self, embedding: Floats) -> list[NDArray[np.floating]]:
        centred = embedding - self._middle
        white = _product(centred, self._whitening)
        to_all = (_product(white, self._total) * white).sum(axis=1)
        squared = (white**2).sum(axis=1, keepdims=True) + (self._white**2).sum(axis=1)
        nearest = (squared - 2 * _product(white, self._white.T)).min(axis=1)
        unit = _unit(centred)
        cosine = _product(unit, self._means.T).max(axis=1)
        negative = np.zeros_like(cosine)
        if self._negatives is not None and len(self._negatives):
            negative = _product(unit, self._negatives.T).max(axis=1) - cosine
        rank = white.shape[1]
        return [
            np.log(np.linalg.norm(embedding, axis=1) + 1e-6),
            np.sqrt(np.maximum(nearest, 0) / rank),
            (nearest - to_all) / rank,
            cosine,
            negative,
        ]


class Decision:
    """What a bundle makes of its network's outputs."""

    def __init__(self, manifest: Manifest, statistics: Statistics) -> None:
        rule = manifest.unknown
        if strange := sorted(set(rule.features) - set(FEATURES)):
            raise BundleError(
                f"the bundle's unknown rule looks at {', '.join(map(ascii, strange))}, which this "
                "waymark cannot measure; install a newer waymark."
            )
        self.temperature = manifest.temperature
        self.threshold = rule.threshold
        self._columns = [FEATURES.index(name) for name in rule.features]
        self._weights = np.asarray(rule.weights) / np.asarray(rule.scale)
        self._bias = rule.bias - float(self._weights @ np.asarray(rule.centre))
        self._surroundings = Surroundings(statistics)

    def scores(self, logits: NDArray[np.floating]) -> Floats:
        """Return the calibrated probability of each landmark, given that one is in the photo.

        Args:
            logits: (N, C).

        Returns:
            (N, C) float32, each row sums to 1.
        """
        return softmax(logits, self.temperature)

    def unknown(self, logits: NDArray[np.floating], embedding: NDArray[np.floating]) -> Floats:
        """Return how sure it is that none of the landmarks is in the photo.

        Args:
            logits: (N, C), before any temperature.
            embedding: (N, D).

        Returns:
            (N,) float32, 0 to 1; high means unknown.
        """
        features = self._surroundings.features(logits, embedding)[:, self._columns]
        raised = self._bias + features.astype(np.float64) @ self._weights
        return np.asarray(1 / (1 + np.exp(-np.clip(raised, -60, 60))), dtype=np.float32)


def _of_logits(logits: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    ordered = np.sort(logits, axis=1)
    top = ordered[:, -1]
    second = ordered[:, -2] if logits.shape[1] > 1 else top
    shifted = logits - top[:, None]
    total = np.log(np.exp(shifted).sum(axis=1))
    probs = np.exp(shifted - total[:, None])
    return [top, top + total, top - second, total - (probs * shifted).sum(axis=1)]


def _product(rows: NDArray[np.floating], matrix: NDArray[np.floating]) -> Floats:
    """Multiply (N, D) by (D, K); a few rows without BLAS.

    For a few rows BLAS wakes threads that then spin for milliseconds on the cores that are
    decoding the next photos: predictions of a folder were a sixth slower for it.
    """
    if len(rows) > _FEW:
        return np.asarray(rows @ matrix, dtype=np.float32)
    return np.asarray(np.einsum("nd,dk->nk", rows, matrix), dtype=np.float32)


def _unit(rows: NDArray[np.floating]) -> Floats:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-6), dtype=np.float32)
