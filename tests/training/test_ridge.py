"""The closed form is ridge regression, and sums over photos add up."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from waymark.training.ridge import SCALE, Moments, ridge_heads, unit


@pytest.fixture
def photos() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [30, 5, 12])
    return rng.normal(size=(3, 6))[labels] + rng.normal(size=(47, 6)), labels


def test_the_head_is_ridge_regression_with_balanced_classes():
    """scikit-learn, on as many photos of each class, finds the same weights and bias."""
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(4), 10)
    features = rng.normal(size=(4, 5))[labels] + rng.normal(size=(40, 5))
    moments = Moments.of(features, labels, 4)
    within = moments.covariance * (40 - 4) / 40
    spread = np.cov(features.T, bias=True)
    penalty = 0.2

    weight, bias = ridge_heads(moments.means, within, [penalty])[0]

    oracle = Ridge(alpha=penalty * np.trace(spread) / 5 * 40).fit(features, np.eye(4)[labels])
    np.testing.assert_allclose(weight / SCALE, oracle.coef_, atol=1e-4)
    np.testing.assert_allclose(bias / SCALE, oracle.intercept_, atol=1e-4)


def test_sums_of_parts_are_the_sums_of_the_whole(photos):
    """Adding two halves, and taking one away again, gives what was there."""
    features, labels = photos
    whole = Moments.of(features, labels, 3)
    half = Moments.of(features[::2], labels[::2], 3)
    rest = Moments.of(features[1::2], labels[1::2], 3)

    for found, expected in ((half + rest, whole), (whole - rest, half)):
        np.testing.assert_allclose(found.counts, expected.counts)
        np.testing.assert_allclose(found.means, expected.means, atol=1e-6)
        np.testing.assert_allclose(found.covariance, expected.covariance, atol=1e-5)


def test_views_of_a_photo_count_once(photos):
    """Twice the same rows as two views are the photos themselves."""
    features, labels = photos
    once = Moments.of(features, labels, 3)
    twice = Moments.of(features.repeat(2, axis=0), labels.repeat(2), 3, views=2)

    np.testing.assert_allclose(twice.counts, once.counts)
    np.testing.assert_allclose(twice.second, once.second, rtol=1e-5)


def test_taking_all_photos_of_a_class_away_leaves_none():
    """No rounding is left where a class was."""
    features = np.random.default_rng(0).normal(size=(6, 4)) + 1 / 3
    labels = np.array([0, 0, 0, 1, 1, 1])
    gone = Moments.of(features[:3], labels[:3], 2)

    left = Moments.of(features, labels, 2) - gone

    assert left.counts.tolist() == [0, 3]
    np.testing.assert_array_equal(left.means[0], 0)


def test_one_photo_a_class_gives_a_finite_head_that_is_right_about_them():
    """Nothing within a class to learn from is no reason to fail."""
    features = np.random.default_rng(0).normal(size=(3, 5))
    moments = Moments.of(features, np.arange(3), 3)

    weight, bias = ridge_heads(moments.means, moments.covariance, [0.3])[0]

    assert (features @ weight.T + bias).argmax(axis=1).tolist() == [0, 1, 2]


def test_a_background_mean_is_nobodys():
    """What lies on the background is less like every class than without it."""
    means = np.eye(3)[:2]
    covariance = 0.1 * np.eye(3)
    elsewhere = np.array([[0.0, 0.0, 1.0]])

    def best(**given):
        weight, bias = ridge_heads(means, covariance, [0.1], **given)[0]
        return (elsewhere @ weight.T + bias).max()

    assert best(background=elsewhere) < best()


def test_unit_vectors_have_length_one_and_nothing_stays_nothing():
    """A vector of zeros is not divided by zero."""
    rows = unit(np.array([[3.0, 4.0], [0.0, 0.0]]))

    np.testing.assert_allclose(rows, [[0.6, 0.8], [0.0, 0.0]])
