"""Sum up the embeddings a bundle learnt from: what `teach` and the unknown rule need later.

In:  embeddings (N, D) with their classes, and those of negatives (M, D).
Out: the arrays of `bundle/statistics.py`, heads aside: counts, means, covariance and the
     centroids of the negatives. Aggregates only; no single photo can be told from them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from waymark.bundle.statistics import MIN_CENTROID, WIDE, Statistics
from waymark.errors import ShapeError

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]
PER_CENTROID, MOST_CENTROIDS = 20, 32


def class_statistics(
    embedding: Floats,
    labels: Ints,
    n_classes: int,
    negatives: Floats | None = None,
    groups: Ints | None = None,
    *,
    seed: int = 0,
) -> Statistics:
    """Mean of each class, shared covariance about it, and centroids of the negatives.

    Args:
        embedding: (N, D).
        labels: (N,), class indices, 0 to `n_classes` - 1; each class has a row.
        n_classes: C.
        negatives: (M, D), photos of no landmark.
        groups: (N,), photo number of each row, where some rows are views of one photo.
        seed: of the clustering.

    Returns:
        `counts` (C,) in photos, `means` (C, D), `covariance` (D, D), of embeddings wider
        than `WIDE` its diagonal (D,) only, and, of 10 negatives or more, `negative_means`
        (K, D) and `negative_counts` (K,). All float32.

    Raises:
        ShapeError: if the shapes do not fit or a class has no row.
    """
    if embedding.ndim != 2 or labels.shape != embedding.shape[:1]:
        raise ShapeError(
            f"embedding is {embedding.shape} and labels {labels.shape}; expected (N, D) and (N,)."
        )
    rows = np.bincount(labels, minlength=n_classes)
    if len(rows) > n_classes or (rows == 0).any():
        raise ShapeError(f"labels must be 0 to {n_classes - 1}, and each class needs a row.")
    means = np.zeros((n_classes, embedding.shape[1]))
    np.add.at(means, labels, embedding)
    means /= rows[:, None]
    counts = rows
    if groups is not None:
        photos = np.unique(np.stack([labels, groups], axis=1), axis=0)
        counts = np.bincount(photos[:, 0], minlength=n_classes)
    spread = shared_covariance if embedding.shape[1] <= WIDE else shared_variance
    found: Statistics = {
        "counts": counts.astype(np.float32),
        "means": means.astype(np.float32),
        "covariance": spread(embedding - means.astype(np.float32)[labels], n_classes),
    }
    if negatives is not None and len(negatives) >= MIN_CENTROID:
        found["negative_means"], found["negative_counts"] = centroids(negatives, seed=seed)
    return found


def shared_covariance(centred: Floats, n_classes: int) -> NDArray[np.float32]:
    """Covariance within classes, shrunk so far that it can be inverted.

    Args:
        centred: (N, D), each row minus the mean of its class.
        n_classes: how many means were taken from the same rows.

    Returns:
        (D, D) float32, positive definite. The identity where every row is its class's mean.

    Source: Ledoit and Wolf 2004, https://doi.org/10.1016/S0047-259X(03)00096-4
    """
    n, width = centred.shape
    x = np.asarray(centred, np.float32)
    sample = (x.T @ x).astype(np.float64) / n
    mean = np.trace(sample) / width
    if mean <= 1e-12:
        return np.eye(width, dtype=np.float32)
    size = (sample**2).sum()
    spread = size - width * mean**2
    noise = ((np.einsum("nd,nd->n", x, x, dtype=np.float64) ** 2).sum() / n - size) / n
    shrink = min(max(noise / spread, 0.0), 1.0) if spread > 0 else 1.0
    shrunk = (1 - shrink) * sample + shrink * mean * np.eye(width)
    covariance: NDArray[np.float64] = shrunk * (n / max(n - n_classes, 1))
    return covariance.astype(np.float32)


def shared_variance(centred: Floats, n_classes: int) -> NDArray[np.float32]:
    """Variance within classes of each feature: the diagonal of what would be too large whole.

    Args:
        centred: (N, D), each row minus the mean of its class.
        n_classes: how many means were taken from the same rows.

    Returns:
        (D,) float32. Ones where every row is its class's mean.
    """
    n, width = centred.shape
    x = np.asarray(centred, np.float32)
    variance = np.einsum("nd,nd->d", x, x, dtype=np.float64) / max(n - n_classes, 1)
    if variance.mean() <= 1e-12:
        return np.ones(width, np.float32)
    return np.asarray(variance, np.float32)


def centroids(embedding: Floats, *, seed: int = 0) -> tuple[Floats, Floats]:
    """Cluster photos by k-means until each centroid stands for at least 10 of them.

    Args:
        embedding: (M, D), M at least 10, one row a photo.
        seed: of the first centroids.

    Returns:
        Means (K, D) and counts (K,), float32.
    """
    from sklearn.cluster import KMeans

    wanted = min(max(len(embedding) // PER_CENTROID, 1), MOST_CENTROIDS)
    x = np.asarray(embedding, np.float32)
    wanted = min(wanted, len(np.unique(x, axis=0)))
    places = KMeans(wanted, n_init=2, random_state=seed).fit_predict(x)
    while True:
        names, places, counts = np.unique(places, return_inverse=True, return_counts=True)
        means = np.stack([x[places == k].mean(axis=0) for k in range(len(names))])
        smallest = int(counts.argmin())
        if counts[smallest] >= MIN_CENTROID or len(names) == 1:
            return means.astype(np.float32), counts.astype(np.float32)
        homeless = x[places == smallest]
        others = np.delete(np.arange(len(names)), smallest)
        distance = ((homeless[:, None] - means[None, others]) ** 2).sum(axis=2)
        places[places == smallest] = others[distance.argmin(axis=1)]
