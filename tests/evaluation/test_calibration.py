"""Temperature fitting against SciPy and a known truth."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from waymark.errors import ShapeError
from waymark.evaluation.calibration import fit_temperature


def sample(n, scale, seed=0):
    """Logits `scale` times too sharp for the labels drawn from them."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, 5))
    probs = np.exp(log_softmax(logits, axis=1))
    labels = np.array([rng.choice(5, p=row) for row in probs])
    return (logits * scale).astype(np.float32), labels


@pytest.mark.parametrize("scale", [0.4, 1.0, 3.0])
def test_temperature_undoes_a_known_sharpening(scale):
    """Logits made `scale` times too sharp need a temperature of `scale`."""
    logits, labels = sample(4000, scale)

    assert fit_temperature(logits, labels) == pytest.approx(scale, rel=0.08)


@pytest.mark.parametrize("seed", range(4))
def test_temperature_is_the_minimum_that_scipy_finds(seed):
    """Without the prior the answer minimises the negative log-likelihood."""
    logits, labels = sample(200, 2.0, seed)

    def loss(t):
        return -log_softmax(logits / t, axis=1)[np.arange(200), labels].mean()

    expected = minimize_scalar(loss, bounds=(0.05, 20), method="bounded").x

    assert fit_temperature(logits, labels, prior=0) == pytest.approx(expected, rel=1e-3)


def test_all_right_is_no_certainty():
    """Ten photos, all right, do not promise that the eleventh is."""
    logits = np.eye(3, dtype=np.float32)[[0, 1, 2] * 3 + [0]]

    temperature = fit_temperature(logits, logits.argmax(axis=1))
    score = np.exp(log_softmax(logits[0] / temperature))[0]

    assert 0.85 < score < 0.99


def test_shapes_that_do_not_fit_are_refused():
    """No photos, or labels of another length, are a ShapeError."""
    with pytest.raises(ShapeError):
        fit_temperature(np.zeros((0, 3)), np.zeros(0, int))
    with pytest.raises(ShapeError):
        fit_temperature(np.zeros((2, 3)), np.zeros(3, int))
