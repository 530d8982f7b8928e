"""New rows stand beside known ones, and the logits are those of the rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from waymark.training import joining
from waymark.training.joining import Gate, Joint, fit_gate, matching_scale, say, together
from waymark.training.ridge import SCALE, ridge_heads

GATE = Gate(scale=1.2, newness=0.3, nothing=-0.2, shift=0.4, direction=np.linspace(-1, 1, 6))


@pytest.fixture
def means() -> np.ndarray:
    return 3 * np.eye(6)[:5] + 0.2


@pytest.fixture
def joint(means) -> Joint:
    """Three known landmarks and two new ones; a background besides."""
    closed = ridge_heads(means, np.eye(6), [0.1], background=np.ones((1, 6)))[0]
    return Joint(known=(2 * means[:3], -np.ones(3)), closed=closed)


def photos(joint, places, labels, each=30):
    rng = np.random.default_rng(1)
    features = np.repeat(places, each, axis=0)
    return say(joint, features + 0.5 * rng.normal(size=features.shape), np.repeat(labels, each))


def test_what_is_said_is_what_the_rows_say(joint):
    """The short way over a gate gives the logits of the rows that it stands for."""
    features = np.random.default_rng(0).normal(size=(7, 6))
    said = say(joint, features, np.zeros(7, int))
    weight, bias = joint.rows(GATE)

    logits = said.logits(GATE)

    np.testing.assert_allclose(
        logits[:, :3], features @ joint.known[0].T + joint.known[1], atol=1e-4
    )
    np.testing.assert_allclose(logits[:, 3:], features @ weight.T + bias, atol=1e-4)


def test_without_background_nothing_is_left_over(means):
    """The closed form's rows then share out everything among the landmarks."""
    closed = ridge_heads(means, np.eye(6), [0.1])[0]

    said = say(Joint(known=(means[:3], np.zeros(3)), closed=closed), means, np.arange(5))

    np.testing.assert_allclose(said.nothing, 0, atol=1e-4 * SCALE)


def test_the_gate_tells_known_from_new_from_none(joint, means):
    """Photos of new landmarks go to their rows, and all others stay away."""
    known = photos(joint, means, np.arange(5))
    nothing = photos(joint, np.ones((1, 6)), [-1])

    gate = fit_gate(together([known, nothing]), temperature=1.0)

    assert (known.logits(gate).argmax(axis=1) == known.labels).mean() > 0.95
    assert (nothing.logits(gate).argmax(axis=1) < 3).mean() > 0.9


def test_known_landmarks_keep_their_order(joint, means):
    """Whatever the gate, the best known row is the best as it was."""
    said = photos(joint, means, np.arange(5))

    guesses = said.logits(GATE)[:, :3].argmax(axis=1)

    np.testing.assert_array_equal(guesses, said.known.argmax(axis=1))


def test_the_gradient_is_that_of_the_loss(joint, means, monkeypatch):
    """Finite differences agree with what the solver is told."""
    said = together([photos(joint, means, np.arange(5), 4), photos(joint, np.ones((1, 6)), [-1])])
    asked = {}

    def spy(loss, start, **options):
        asked.update(loss=loss, start=start)
        raise InterruptedError

    monkeypatch.setattr("scipy.optimize.minimize", spy)
    with pytest.raises(InterruptedError):
        fit_gate(said, temperature=0.7)
    place = asked["start"] + np.random.default_rng(0).normal(0, 0.1, len(asked["start"]))

    found = approx_fprime(place, lambda numbers: asked["loss"](numbers)[0], 1e-4)

    np.testing.assert_allclose(asked["loss"](place)[1], found, atol=2e-3)


def test_kinds_weigh_as_stated_and_their_landmarks_alike(joint, means):
    """Many photos of one landmark weigh no more than few of another."""
    said = together([photos(joint, means[:4], np.arange(4), 3), photos(joint, means[4:], [4], 60)])

    weights = joining._weights(said)

    of = [weights[said.labels == label].sum() for label in range(5)]
    np.testing.assert_allclose(of[:3], joining.KNOWN / 3 / (joining.KNOWN + joining.NEW))
    np.testing.assert_allclose(of[3:], joining.NEW / 2 / (joining.KNOWN + joining.NEW))


def test_the_scale_that_matches_is_found(joint, means):
    """Where the known rows are a multiple of the closed form, it is that multiple."""
    weight, bias = joint.closed
    twice = Joint(known=(2.5 * weight[:3], 2.5 * bias[:3]), closed=joint.closed)

    assert matching_scale(twice, means) == pytest.approx(2.5)


def test_strengthened_rows_of_the_same_head_are_those_rows(joint):
    """At the matching scale the closed form of a known row is the row itself."""
    weight, bias = joint.closed
    same = Joint(known=(weight[:3], bias[:3]), closed=joint.closed)

    found, shift = same.strengthened(np.array([0, 2]), 1.0)

    np.testing.assert_allclose(found, weight[[0, 2]])
    np.testing.assert_allclose(shift, bias[[0, 2]])
