"""Statistics are small on disk, the same in memory, and whiten what they should."""

from __future__ import annotations

import numpy as np
import pytest

from waymark.bundle import statistics as module
from waymark.bundle.statistics import Statistics, decode, dense, encode, whiten
from waymark.bundle.tiny import tiny_bundle
from waymark.errors import BundleError

CLASSES = {"landmark": 3}


@pytest.fixture
def statistics() -> Statistics:
    """Return the statistics of a tiny bundle: 3 landmarks, 16 features."""
    return tiny_bundle().statistics


def clusters(width: int = 12, photos: int = 5000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the means of four landmarks, a covariance, and noise that has it."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(width, width)) / np.sqrt(width)
    noise = rng.normal(size=(photos, width)) @ mixing
    return rng.normal(size=(4, width)) * 3, mixing.T @ mixing, noise


def test_whitened_noise_has_unit_variance():
    """In as many directions as were asked for."""
    means, covariance, noise = clusters()

    projection = whiten(means, covariance, rank=3, shrink=0)

    assert projection.shape == (12, 3)
    np.testing.assert_allclose(np.cov((noise @ projection).T), np.eye(3), atol=0.1)


def test_the_first_directions_hold_all_that_tells_landmarks_apart():
    """Distances between means are those of Mahalanobis already at rank C - 1."""
    means, covariance, _ = clusters()

    few = means @ whiten(means, covariance, rank=3, shrink=0)

    apart = means[0] - means[1]
    expected = apart @ np.linalg.inv(covariance) @ apart
    assert ((few[0] - few[1]) ** 2).sum() == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("scale", [0.0, 1e-12, 1.0, 1e4])
def test_whitening_is_finite_at_any_scale(scale: float):
    """Even where every photo of a landmark is the same."""
    means, covariance, _ = clusters()

    assert np.isfinite(whiten(means * scale, covariance * scale**2)).all()


@pytest.mark.parametrize("rank", [2, 5, 12])
def test_variances_alone_whiten_as_the_matrix_that_has_them(rank: int):
    """Distances between landmarks are the same, and what is kept of the noise too."""
    means, _, noise = clusters()
    variance = np.linspace(0.5, 4, 12) ** 2

    one, other = whiten(means, variance, rank=rank), whiten(means, np.diag(variance), rank=rank)

    assert one.shape == other.shape
    for rows in (means, noise[:50]):
        mine, theirs = rows @ one, rows @ other
        np.testing.assert_allclose(mine @ mine.T, theirs @ theirs.T, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("scale", [0.0, 1e-12, 1.0, 1e4])
def test_whitening_by_variances_is_finite_at_any_scale(scale: float):
    """Even where every photo of a landmark is the same."""
    means, covariance, _ = clusters()

    assert np.isfinite(whiten(means * scale, np.diag(covariance) * scale**2)).all()


def test_of_a_wide_embedding_variances_are_kept(statistics: Statistics, monkeypatch):
    """A full matrix is cut to its diagonal when it is written; `dense` makes it whole again."""
    full = statistics | {"covariance": statistics["covariance"] + np.float32(0.01)}
    monkeypatch.setattr(module, "WIDE", 15)

    written = decode(encode(full), classes=CLASSES, width=16)

    np.testing.assert_allclose(written["covariance"], np.diag(full["covariance"]), rtol=1e-3)
    assert (dense(written["covariance"]) == np.diag(written["covariance"])).all()
    assert dense(full["covariance"]) is full["covariance"]


def test_the_whitening_is_filled_in_once_and_kept(statistics: Statistics):
    """`teach` keeps its parent's, so that unknown scores stay comparable."""
    written = decode(encode(statistics), classes=CLASSES, width=16)

    again = decode(
        encode({**written, "covariance": written["covariance"] * 2}), classes=CLASSES, width=16
    )

    np.testing.assert_array_equal(again["whitening"], written["whitening"])


def test_numbers_too_large_for_float16_are_kept_as_float32(statistics: Statistics):
    """Nothing becomes infinite on the way through the disk."""
    statistics = {**statistics, "covariance": np.eye(16, dtype=np.float32) * 2e5}

    read = decode(encode(statistics), classes=CLASSES, width=16)

    np.testing.assert_array_equal(read["covariance"], statistics["covariance"])


def test_arrays_of_another_type_are_refused(statistics: Statistics):
    """Only floats are written, so anything else was not written by waymark."""
    from safetensors.numpy import save

    arrays = {name: array.astype(np.float64) for name, array in statistics.items()}

    with pytest.raises(BundleError, match="of type float64"):
        decode(save(arrays), classes=CLASSES, width=16)


def test_damaged_files_are_refused():
    """A header that promises more than there is."""
    with pytest.raises(BundleError, match="damaged"):
        decode(b"\xff" * 100, classes=CLASSES, width=16)
