"""What is remembered of the embeddings, against scikit-learn."""

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf

from waymark.errors import ShapeError
from waymark.evaluation import statistics as module
from waymark.evaluation.statistics import (
    centroids,
    class_statistics,
    shared_covariance,
    shared_variance,
)


def clouds(seed=0, n=120, width=12, classes=4):
    """Embeddings of `classes` Gaussian clouds, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    means = rng.normal(0, 3, (classes, width))
    return (means[labels] + rng.normal(0, 1, (n, width))).astype(np.float32), labels


@pytest.mark.parametrize(("n", "width"), [(200, 8), (30, 12), (15, 40)])
def test_covariance_is_scikit_learns_ledoit_wolf(n, width):
    """The shrunk covariance is scikit-learn's, corrected for the means that were taken."""
    x = np.random.default_rng(0).normal(0, 1, (n, width)) * np.linspace(1, 3, width)
    x -= x.mean(axis=0)

    expected, _ = ledoit_wolf(x, assume_centered=True)

    assert np.allclose(shared_covariance(x, 1), expected * n / (n - 1), rtol=1e-3, atol=1e-4)


def test_variances_are_numpys():
    """Of each feature about its class mean, corrected for the means that were taken."""
    x, labels = clouds(n=400)
    means = np.stack([x[labels == i].mean(axis=0) for i in range(4)])

    expected = sum((x[labels == i].var(axis=0) * 100) for i in range(4)) / (400 - 4)

    assert np.allclose(shared_variance(x - means[labels], 4), expected, rtol=1e-3)
    assert (shared_variance(np.zeros((5, 3)), 2) == 1).all()


def test_a_wide_embedding_has_variances_only(monkeypatch):
    """From the stated width on there is no matrix, and everything else is as it was."""
    embedding, labels = clouds()
    full = class_statistics(embedding, labels, 4)
    monkeypatch.setattr(module, "WIDE", 11)

    found = class_statistics(embedding, labels, 4)

    assert found["covariance"].shape == (12,)
    assert (found["means"] == full["means"]).all()


def test_means_and_counts_are_those_of_each_class():
    """Counts and means are per class; the covariance can be inverted."""
    embedding, labels = clouds()

    found = class_statistics(embedding, labels, 4)

    assert (found["counts"] == 30).all()
    assert np.allclose(found["means"][2], embedding[labels == 2].mean(axis=0), atol=1e-5)
    assert np.linalg.eigvalsh(found["covariance"]).min() > 0
    assert "negative_means" not in found
    assert all(array.dtype == np.float32 for array in found.values())


def test_views_of_one_photo_count_once():
    """Rows that are views of one photo make one photo."""
    embedding, labels = clouds()

    found = class_statistics(
        np.repeat(embedding, 2, axis=0),
        np.repeat(labels, 2),
        4,
        groups=np.repeat(np.arange(120), 2),
    )

    assert (found["counts"] == 30).all()


def test_one_photo_a_class_still_has_a_covariance():
    """Where nothing varies within a class the covariance is the identity."""
    embedding, labels = clouds(n=4)

    assert (class_statistics(embedding, labels, 4)["covariance"] == np.eye(12)).all()


@pytest.mark.parametrize("n", [10, 19, 45, 400])
def test_each_centroid_stands_for_ten_photos_or_more(n):
    """No centroid is nearly a photo, and together they stand for all photos."""
    rng = np.random.default_rng(n)
    x = rng.normal(0, 1, (n, 6)) * rng.choice([1, 20], (n, 1), p=[0.9, 0.1])

    means, counts = centroids(x)

    assert counts.min() >= 10
    assert counts.sum() == n
    assert np.allclose((means * counts[:, None]).sum(axis=0) / n, x.mean(axis=0), atol=1e-4)


def test_few_negatives_have_no_centroid():
    """Nine negatives are too few to sum up without showing one."""
    embedding, labels = clouds()

    assert "negative_means" not in class_statistics(embedding, labels, 4, embedding[:9])


def test_arrays_that_do_not_fit_are_refused():
    """A class without photos, or labels of another length, are a ShapeError."""
    embedding, labels = clouds()
    with pytest.raises(ShapeError):
        class_statistics(embedding, labels, 5)
    with pytest.raises(ShapeError):
        class_statistics(embedding, labels[:5], 4)
    with pytest.raises(ShapeError):
        class_statistics(embedding, labels, 3)
