"""What a bundle remembers of the photos it learnt from: aggregates, never a photo.

    counts (C,)            photos of each landmark
    means (C, D)           mean embedding of each landmark
    covariance (D, D)      shared covariance of embeddings about their landmark's mean; of
                           very wide embeddings its diagonal (D,) alone
    whitening (D, R)       the directions in which landmarks differ most beside chance
    head_weight (C, D)     the head, as it stands in the model
    head_bias (C,)
    negative_means (M, D)  centroids of photos without a landmark; may be absent
    negative_counts (M,)   photos of each centroid, at least 10
    head_weight_<task>, head_bias_<task>   heads of further tasks

All are float32 in memory. On disk (safetensors) the two large ones are float16.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from waymark.errors import BundleError

Statistics = dict[str, NDArray[np.float32]]

REQUIRED = ("counts", "means", "covariance", "head_weight", "head_bias")
HALF = ("covariance", "whitening")
RANK = 256
SHRINK = 0.1  # share of the covariance replaced by its mean variance
MIN_CENTROID = 10
WIDE = 4096  # a longer embedding keeps variances only: its covariance would fill the bundle
LARGEST = 1e6  # no embedding, logit or weight comes near it; squares of it stay finite
_LEAST_VARIANCE = 1e-9
_AGAIN = "Make the bundle again with `waymark train` or `waymark teach`."


def whiten(
    means: NDArray[np.floating],
    covariance: NDArray[np.floating],
    *,
    rank: int = RANK,
    shrink: float = SHRINK,
) -> NDArray[np.float32]:
    """Find the projection in which the noise within a landmark has unit variance.

    Of all such directions the `rank` are kept along which the landmarks' means, and then
    the photos, spread the most: those that a distance to a landmark should be measured in.

    Args:
        means: (C, D), mean embedding of each landmark.
        covariance: (D, D), shared covariance within landmarks, or its diagonal (D,).
        rank: number of directions to keep; at most D.
        shrink: 0 to 1, how far the covariance is pulled to a multiple of the identity.

    Returns:
        (D, min(rank, D)) float32, already rounded as on disk.

    Source: Fisher's discriminant by whitening, Hastie et al. 2009, section 4.3.3; shrinkage
        as in Ledoit and Wolf 2004, https://doi.org/10.1016/S0047-259X(03)00096-4
    """
    cov = np.asarray(covariance, dtype=np.float64)
    whitener, within = _axes(cov, rank, shrink) if cov.ndim == 1 else _directions(cov, rank, shrink)
    centred = np.asarray(means, dtype=np.float64) - np.mean(means, axis=0, dtype=np.float64)
    in_white = centred * whitener if cov.ndim == 1 else centred @ whitener
    _, spread, rows = np.linalg.svd(in_white, full_matrices=False)
    between = rows[spread > 1e-6 * max(spread[0], 1e-12)].T
    basis, _ = np.linalg.qr(np.hstack([between, within]))
    kept = basis[:, :rank]
    projection = whitener[:, None] * kept if cov.ndim == 1 else whitener @ kept
    return np.asarray(_packed("whitening", projection), dtype=np.float32)


def dense(covariance: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return a covariance as (D, D), also where only its diagonal was kept."""
    return np.diag(covariance) if covariance.ndim == 1 else covariance


def _directions(
    cov: NDArray[np.float64], rank: int, shrink: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what whitens (D, D), and (D, R) the axes of largest variance, seen through it."""
    width = len(cov)
    cov = (cov + cov.T) / 2
    cov = (1 - shrink) * cov + shrink * max(np.trace(cov) / width, _LEAST_VARIANCE) * np.eye(width)
    values, vectors = np.linalg.eigh(cov)
    whitener = vectors / np.sqrt(np.maximum(values, max(values[-1] * 1e-6, _LEAST_VARIANCE)))
    return whitener, np.eye(width)[:, ::-1][:, :rank]  # eigh puts the largest last


def _axes(
    variance: NDArray[np.float64], rank: int, shrink: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return `_directions` where the axes are those of the embedding; what whitens is (D,)."""
    variance = (1 - shrink) * variance + shrink * max(float(variance.mean()), _LEAST_VARIANCE)
    largest = np.argsort(-variance, kind="stable")[:rank]
    within = np.zeros((len(variance), len(largest)))
    within[largest, np.arange(len(largest))] = 1
    floor = max(float(variance.max()) * 1e-6, _LEAST_VARIANCE)
    return 1 / np.sqrt(np.maximum(variance, floor)), within


def encode(statistics: Statistics) -> bytes:
    """Return the safetensors file of the statistics, with the whitening filled in."""
    from safetensors.numpy import save

    full = dict(statistics)
    if full["covariance"].ndim > 1 and len(full["covariance"]) > WIDE:
        full["covariance"] = np.diag(full["covariance"])
    if "whitening" not in full:
        full["whitening"] = whiten(full["means"], full["covariance"])
    return save({name: _packed(name, array) for name, array in sorted(full.items())})


def decode(data: bytes, *, classes: dict[str, int], width: int) -> Statistics:
    """Read and check the statistics of a bundle.

    Args:
        data: a safetensors file.
        classes: number of classes of each task, `landmark` among them.
        width: D, the length of an embedding.

    Raises:
        BundleError: if the file is damaged, or an array is missing, of another shape, no
            float, or not finite.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(data)
    except (SafetensorError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise BundleError(f"statistics.safetensors is damaged ({error}). {_AGAIN}") from error
    statistics: Statistics = {}
    for name, array in arrays.items():
        if array.dtype not in (np.float16, np.float32):
            raise BundleError(f"statistics has {name!a} of type {array.dtype}. {_AGAIN}")
        statistics[name] = array.astype(np.float32)
    check(statistics, classes=classes, width=width)
    return statistics


def check(statistics: Statistics, *, classes: dict[str, int], width: int) -> None:
    """Refuse statistics that do not fit their bundle; see `decode` for arguments and errors."""
    if missing := [name for name in REQUIRED if name not in statistics]:
        raise BundleError(f"statistics lacks {', '.join(missing)}. {_AGAIN}")
    count = classes["landmark"]
    found = statistics.get("negative_means")
    clusters = len(found) if found is not None and found.ndim else 0
    shapes: dict[str, tuple[int, ...]] = {
        "counts": (count,),
        "means": (count, width),
        "covariance": (width, width),
        "negative_means": (clusters, width),
        "negative_counts": (clusters,),
    }
    for task, number in classes.items():
        end = "" if task == "landmark" else f"_{task}"
        shapes |= {f"head_weight{end}": (number, width), f"head_bias{end}": (number,)}
    for name, array in statistics.items():
        if name == "whitening":
            fits = array.ndim == 2 and array.shape[0] == width and 1 <= array.shape[1] <= width
        elif name in shapes:
            fits = array.shape == shapes[name]
            fits = fits or (name == "covariance" and array.shape == (width,))
        else:
            raise BundleError(f"statistics has {name!a}, which no bundle has. {_AGAIN}")
        if not fits:
            raise BundleError(
                f"{name} in the statistics has shape {array.shape}, which does not fit "
                f"{count} landmarks and embeddings of {width} numbers. {_AGAIN}"
            )
        if not (np.abs(array) <= (1e9 if name.endswith("counts") else LARGEST)).all():
            raise BundleError(f"{name} in the statistics has numbers that cannot be. {_AGAIN}")
    if ("negative_means" in statistics) != ("negative_counts" in statistics):
        raise BundleError(f"negative_means and negative_counts belong together. {_AGAIN}")
    if (statistics["counts"] < 0).any() or (
        clusters and (statistics["negative_counts"] < MIN_CENTROID).any()
    ):
        raise BundleError(
            f"counts must not be negative, and each centroid of negatives must stand for "
            f"at least {MIN_CENTROID} photos. {_AGAIN}"
        )


def _packed(name: str, array: NDArray[np.floating]) -> NDArray[np.floating]:
    fits = array.size == 0 or float(np.abs(array).max()) < float(np.finfo(np.float16).max)
    dtype = np.float16 if name in HALF and fits else np.float32
    return np.ascontiguousarray(array, dtype=dtype)
