"""Make scores mean what they say: one temperature, fitted on validation.

In:  logits (N, C) of photos of known landmarks, and their labels.
Out: the temperature by which `recognise.decision` divides logits before the softmax.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from waymark.errors import ShapeError

LOWEST, HIGHEST = 0.05, 20.0


def fit_temperature(
    logits: NDArray[np.floating], labels: NDArray[np.integer], *, prior: float = 1.0
) -> float:
    """Find the temperature with the least negative log-likelihood.

    The loss is convex in 1 / temperature, so its slope is bisected: no step size, no
    starting point, the same answer every time.

    Args:
        logits: (N, C).
        labels: (N,), true class indices.
        prior: how many imagined photos say that every class is as likely. It keeps few
            photos, all of them right, from promising certainty (as Platt's targets do).

    Returns:
        Between 0.05 and 20; above 1 where the network is too sure.

    Raises:
        ShapeError: if `logits` is not (N, C) or `labels` not (N,), or N is 0.

    Source: Guo et al. 2017, section 4.2, https://arxiv.org/abs/1706.04599
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or not len(labels):
        raise ShapeError(
            f"logits are {logits.shape} and labels {labels.shape}; "
            "they must be (N, C) and (N,) with N at least 1."
        )
    z = np.asarray(logits, np.float64)
    z = z - z.max(axis=1, keepdims=True)
    n = len(labels)
    target = z[np.arange(n), labels].sum() + prior * z.mean()

    def slope(sharpness: float) -> float:
        weights = np.exp(z * sharpness)
        expected = (weights * z).sum(axis=1) / weights.sum(axis=1)
        return float(expected.sum() + prior * expected.mean() - target)

    low, high = np.log(1 / HIGHEST), np.log(1 / LOWEST)
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(float(np.exp(middle))) < 0 else (low, middle)
    return float(np.exp(-(low + high) / 2))
