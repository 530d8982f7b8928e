"""Scores are probabilities, and the unknown rule is what the bundle says it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from waymark.bundle.statistics import Statistics, whiten
from waymark.bundle.tiny import tiny_bundle
from waymark.errors import BundleError, ShapeError
from waymark.recognise.decision import FEATURES, Decision, softmax, unknown_features


def clusters(
    classes: int = 4, width: int = 12, photos: int = 200, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, Statistics]:
    """Return embeddings of `classes` landmarks, their labels, and the statistics of them."""
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(classes, width)).astype(np.float32) * 3
    labels = rng.integers(0, classes, photos)
    mixing = rng.normal(size=(width, width)).astype(np.float32) / np.sqrt(width)
    noise = rng.normal(size=(photos, width)).astype(np.float32) @ mixing
    covariance = (mixing.T @ mixing).astype(np.float32)
    statistics: Statistics = {
        "counts": np.bincount(labels, minlength=classes).astype(np.float32),
        "means": means,
        "covariance": covariance,
        "whitening": whiten(means, covariance),
        "negative_means": np.zeros((1, width), np.float32),
        "negative_counts": np.full(1, 10, np.float32),
    }
    return means[labels] + noise, labels, statistics


def column(features: np.ndarray, name: str) -> np.ndarray:
    """Return one feature by its name."""
    return features[:, FEATURES.index(name)]


@given(arrays(np.float32, (3, 5), elements=st.floats(-1e4, 1e4, width=32)), st.floats(0.1, 10))
def test_scores_are_probabilities(logits: np.ndarray, temperature: float):
    """Rows sum to 1 and keep the order of the logits, at any temperature."""
    probs = softmax(logits, temperature)

    np.testing.assert_allclose(probs.sum(axis=1), 1, rtol=1e-5)
    assert (probs >= 0).all()
    best = logits[np.arange(3), probs.argmax(axis=1)]
    np.testing.assert_allclose(best, logits.max(axis=1), rtol=1e-4, atol=1e-4)


def test_a_higher_temperature_is_more_modest():
    """The largest score falls as the temperature rises."""
    logits = np.array([[4.0, 1.0, 0.0]])

    tops = [float(softmax(logits, t).max()) for t in (0.5, 1, 2, 10)]

    assert tops == sorted(tops, reverse=True)


def test_features_of_logits_are_what_they_say():
    """Checked against the formulas, written out."""
    embedding, _, statistics = clusters()
    logits = np.random.default_rng(1).normal(size=(len(embedding), 4)).astype(np.float32)

    features = unknown_features(logits, embedding, statistics)

    probs = softmax(logits)
    np.testing.assert_allclose(column(features, "max_logit"), logits.max(axis=1), rtol=1e-5)
    total = np.log(np.exp(logits.astype(np.float64)).sum(axis=1))
    np.testing.assert_allclose(column(features, "logsumexp"), total, rtol=1e-4)
    entropy = -(probs * np.log(probs)).sum(axis=1)
    np.testing.assert_allclose(column(features, "entropy"), entropy, rtol=1e-3, atol=1e-4)
    ordered = np.sort(logits, axis=1)
    np.testing.assert_allclose(
        column(features, "margin"), ordered[:, -1] - ordered[:, -2], rtol=1e-3, atol=1e-5
    )


def test_the_distance_is_that_of_mahalanobis():
    """With all directions kept, it is that of the inverse covariance, an independent way."""
    embedding, _, statistics = clusters()
    statistics["whitening"] = whiten(statistics["means"], statistics["covariance"], shrink=0)
    logits = np.zeros((len(embedding), 4), np.float32)

    distance = column(unknown_features(logits, embedding, statistics), "distance")

    inverse = np.linalg.inv(statistics["covariance"].astype(np.float64))
    apart = embedding[:, None] - statistics["means"]
    squared = np.einsum("ncd,de,nce->nc", apart, inverse, apart).min(axis=1)
    np.testing.assert_allclose(distance, np.sqrt(squared / 12), rtol=0.05)


def test_photos_of_landmarks_are_told_from_others():
    """Each feature of the embedding is on the right side for nearly all of the others."""
    embedding, _, statistics = clusters()
    others = np.random.default_rng(2).normal(size=embedding.shape).astype(np.float32)
    logits = np.zeros((len(embedding), 4), np.float32)

    known = unknown_features(logits, embedding, statistics)
    unknown = unknown_features(logits, others, statistics)

    for name, sign in (("distance", 1), ("relative_distance", 1), ("cosine", -1)):
        middle = np.median(column(known, name))
        assert (sign * (column(unknown, name) - middle) > 0).mean() > 0.9, name


def test_a_photo_counts_the_same_alone_and_among_others():
    """Features do not depend on the batch."""
    embedding, _, statistics = clusters(photos=20)
    logits = np.random.default_rng(1).normal(size=(20, 4)).astype(np.float32)

    together = unknown_features(logits, embedding, statistics)
    alone = [
        unknown_features(logits[i : i + 1], embedding[i : i + 1], statistics)[0] for i in range(20)
    ]

    np.testing.assert_allclose(together, np.stack(alone), atol=1e-4)


def test_a_stored_whitening_gives_what_a_fresh_one_does():
    """A bundle just made and the same bundle read back agree."""
    embedding, _, statistics = clusters()
    logits = np.zeros((len(embedding), 4), np.float32)
    bare = {name: array for name, array in statistics.items() if name != "whitening"}

    np.testing.assert_array_equal(
        unknown_features(logits, embedding, statistics),
        unknown_features(logits, embedding, bare),
    )


def test_one_landmark_and_no_negatives_are_enough():
    """Everything stays finite at the smallest."""
    features = unknown_features(
        np.zeros((2, 1), np.float32),
        np.zeros((2, 12), np.float32),
        {
            "counts": np.zeros(1, np.float32),
            "means": np.zeros((1, 12), np.float32),
            "covariance": np.zeros((12, 12), np.float32),
        },
    )

    assert np.isfinite(features).all()


def test_the_unknown_score_is_the_rule_written_out():
    """A logistic of the features, centred, scaled and weighted."""
    bundle = tiny_bundle(4, features=12)
    embedding, _, statistics = clusters()
    logits = np.random.default_rng(1).normal(size=(len(embedding), 4)).astype(np.float32)
    rule = bundle.manifest.unknown

    scores = Decision(bundle.manifest, statistics).unknown(logits, embedding)

    features = unknown_features(logits, embedding, statistics).astype(np.float64)
    chosen = features[:, [FEATURES.index(name) for name in rule.features]]
    raised = rule.bias + ((chosen - rule.centre) / rule.scale) @ rule.weights
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-raised)), rtol=1e-4, atol=1e-6)


def test_a_rule_with_features_of_the_future_is_refused():
    """The message says to install a newer waymark."""
    bundle = tiny_bundle()
    rule = replace(bundle.manifest.unknown, features=("logsumexp", "mood", "cosine"))

    with pytest.raises(BundleError, match="'mood', which this waymark cannot measure"):
        Decision(replace(bundle.manifest, unknown=rule), bundle.statistics)


@pytest.mark.parametrize(("logits", "embedding"), [((2, 3), (2, 12)), ((2, 4), (3, 12))])
def test_arrays_that_do_not_fit_are_refused(logits: tuple[int, int], embedding: tuple[int, int]):
    """Wrong number of classes, or of photos."""
    _, _, statistics = clusters()

    with pytest.raises(ShapeError, match="do not fit a bundle of 4 landmarks"):
        unknown_features(np.zeros(logits), np.zeros(embedding), statistics)
