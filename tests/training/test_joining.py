"""New rows stand beside trained ones, and the logits are those of the rows."""

from __future__ import annotations

import numpy as np
import pytest

from waymark.training.joining import Joint, fit_numbers, matching_scale, say, together
from waymark.training.ridge import SCALE, ridge_heads

NUMBERS = np.array([1.2, 0.3, -0.2, 0.4])


@pytest.fixture
def means() -> np.ndarray:
    return 3 * np.eye(6)[:5] + 0.2


@pytest.fixture
def joint(means) -> Joint:
    """Three trained landmarks, at 0, 2 and 3, and two new ones; a background besides."""
    closed = ridge_heads(means, np.eye(6), [0.1], background=means[:1] * 0 + 1)[0]
    base = np.array([True, False, True, True, False])
    return Joint(trained=(2 * means[base], -np.ones(3)), closed=closed, base=base)


def test_what_is_said_is_what_the_rows_say(joint):
    """The short way over four numbers gives the logits of the rows that they stand for."""
    features = np.random.default_rng(0).normal(size=(7, 6))
    said = say(joint, features, np.zeros(7, int), np.ones(7))
    weight, bias = joint.rows(NUMBERS)

    logits = said.logits(NUMBERS)

    np.testing.assert_allclose(logits[:, :3], features @ joint.trained[0].T + joint.trained[1])
    np.testing.assert_allclose(logits[:, 3:], features @ weight.T + bias, atol=1e-9)


def test_without_background_nothing_is_left_over(means):
    """The closed form's rows then share out everything among the landmarks."""
    base = np.array([True, True, True, False, False])
    joint = Joint(
        trained=(means[:3], np.zeros(3)), closed=ridge_heads(means, np.eye(6), [0.1])[0], base=base
    )

    said = say(joint, means, np.arange(5), np.ones(5))

    np.testing.assert_allclose(said.nothing, 0, atol=1e-4 * SCALE)


def test_the_fit_tells_old_from_new_from_none(joint, means):
    """After the fit, photos of new landmarks go to their rows, and all others stay away."""
    rng = np.random.default_rng(1)
    order = np.array([0, 2, 3, 1, 4])  # base landmarks first

    def photos(places, labels):
        features = np.repeat(places, 30, axis=0) + 0.5 * rng.normal(size=(30 * len(places), 6))
        return say(joint, features, np.repeat(labels, 30), np.full(len(features), 1 / 30))

    known = photos(means[order], np.arange(5))
    nothing = photos(np.ones((1, 6)), [-1])

    numbers = fit_numbers(together([known, nothing]), temperature=1.0)

    assert (known.logits(numbers).argmax(axis=1) == known.labels).mean() > 0.95
    assert (nothing.logits(numbers).argmax(axis=1) < 3).mean() > 0.9


def test_the_scale_that_matches_is_found(joint, means):
    """Where the trained rows are a multiple of the closed form, it is that multiple."""
    weight, bias = joint.closed
    twice = Joint(
        trained=(2.5 * weight[joint.base], 2.5 * bias[joint.base]),
        closed=joint.closed,
        base=joint.base,
    )

    assert matching_scale(twice, means) == pytest.approx(2.5)


def test_strengthened_rows_of_the_same_heads_are_the_trained_ones(joint):
    """At the matching scale the closed form of a trained row is that row, up to what all share."""
    weight, bias = joint.closed
    same = Joint(
        trained=(weight[joint.base], bias[joint.base]), closed=joint.closed, base=joint.base
    )

    found, shift = same.strengthened(np.array([0, 2]), 1.0)

    np.testing.assert_allclose(found, same.trained[0][[0, 2]])
    np.testing.assert_allclose(shift, same.trained[1][[0, 2]])
