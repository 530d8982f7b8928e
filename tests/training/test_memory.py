"""Old and new photos together are what all of them at once would have been."""

from __future__ import annotations

import numpy as np
import pytest

from waymark.bundle.tiny import tiny_bundle
from waymark.training.examples import Examples
from waymark.training.features import Features
from waymark.training.memory import Memory, imagine, moments_of, remember


def examples(vectors: np.ndarray, labels: list[int]) -> Examples:
    """Wrap embeddings (N, D) of photos."""
    nobody = Features(vectors=np.zeros((0, 1, 16), np.float32), rows=np.zeros(0, np.intp))
    return Examples(
        photos=(),
        features=Features(vectors=vectors[:, None], rows=np.arange(len(vectors))),
        names=(),
        labels=np.array(labels),
        fold=np.arange(len(vectors)) % 2,
        has_val=False,
        negatives=nobody,
        skipped=(),
    )


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(0).random((6, 16), np.float32)


@pytest.fixture
def memory(vectors) -> Memory:
    """Three known landmarks of 20 photos; two photos more of the second, four of a fourth."""
    labels = [1, 1, 3, 3, 3, 3]
    return remember(tiny_bundle(3), examples(vectors, labels), np.array(labels), 1)


def test_means_are_those_of_old_and_new_photos(memory, vectors):
    """Photos count alike, whenever they came."""
    counts, means, _ = memory.together(memory.new)

    assert counts.tolist() == [20, 22, 20, 4]
    old = tiny_bundle(3).statistics["means"]
    np.testing.assert_allclose(means[1], (20 * old[1] + vectors[:2].sum(0)) / 22, atol=1e-6)
    np.testing.assert_allclose(means[3], vectors[2:].mean(0), atol=1e-6)


def test_the_covariance_lies_between_that_of_old_and_of_new_photos(memory):
    """It is their mean, weighted by photos."""
    _, _, covariance = memory.together(memory.new)
    share = (1 + 3) / (3 * 19 + 1 + 3)

    expected = (1 - share) * memory.covariance + share * memory.new.covariance
    np.testing.assert_allclose(covariance, expected, atol=1e-9)


def test_a_landmark_that_a_fold_leaves_without_photos_keeps_its_mean(memory, vectors):
    """It stays in the race, for the photos of others."""
    labels = np.array([1, 1, 3, 3, 3, 3])
    fold = moments_of(examples(vectors, labels.tolist()), labels, 4, labels == 3)

    counts, means, _ = memory.together(memory.new - fold)

    assert counts[3] == 0
    np.testing.assert_allclose(means[3], vectors[2:].mean(0), atol=1e-6)


def test_imagined_photos_lie_about_what_is_remembered(memory):
    """Known landmarks and negatives are drawn, new landmarks never."""
    drawn, labels = imagine(memory)

    assert set(labels.tolist()) == {-1, 0, 1, 2}
    assert np.isfinite(drawn).all()
    near = drawn[labels == 0].mean(0) - tiny_bundle(3).statistics["means"][0]
    assert np.abs(near).max() < 1.5


def test_imagining_twice_gives_the_same(memory):
    """The seed decides."""
    np.testing.assert_array_equal(imagine(memory, seed=3)[0], imagine(memory, seed=3)[0])
