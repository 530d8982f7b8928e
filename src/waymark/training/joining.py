"""Rows for new landmarks that live beside a head which was trained without them.

In:  the trained (base) rows; closed-form rows for all landmarks from joint statistics
     (`ridge.py`); what both say of old, new and no landmarks.
Out: rows for the new landmarks on the scale of the base rows, which stay as they are.

A new row says: the mean of the base rows, plus `scale` times how much more the closed form
likes this landmark than the base ones, plus a gate, the same for all new rows. The gate is
linear in how much the closed form likes the new landmarks as a whole, and nothing at all.
So the order among base landmarks never changes, that among new ones is the closed form's,
and four numbers decide between the two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from waymark.training.ridge import SCALE, Head

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]

START = (1.3, 0.3, -0.15, -0.5)  # what the fit mostly finds
BOUNDS = ((0.2, 5.0), (0.0, 5.0), (-5.0, 5.0), (-10.0, 10.0))


@dataclass(frozen=True)
class Joint:
    """Two heads over the same C landmarks: the trained one, and the closed form.

    Attributes:
        trained: weight and bias of the B base rows.
        closed: weight (C, D) and bias (C,) of all rows.
        base: (C,), which rows have a trained one; B are true.
    """

    trained: Head
    closed: Head
    base: NDArray[np.bool_]

    def rows(self, numbers: Floats) -> Head:
        """Return weight and bias of the C - B new rows, given the four numbers."""
        scale, newness, nothing, shift = (float(number) for number in numbers)
        trained, closed = _affine(self.trained), _affine(self.closed)
        old, new = closed[self.base], closed[~self.base]
        everything = np.zeros(closed.shape[1])
        everything[-1] = SCALE
        background = everything - closed.sum(axis=0)
        common = trained.mean(axis=0) - scale * old.mean(axis=0)
        common = common + newness * new.sum(axis=0) + nothing * background
        joined = scale * new + common
        joined[:, -1] += shift
        return joined[:, :-1], joined[:, -1]

    def strengthened(self, which: Ints, scale: float) -> Head:
        """Return the closed form of base rows `which` (of B), on the scale of the trained."""
        trained, closed = _affine(self.trained), _affine(self.closed)[self.base]
        joined = scale * (closed[which] - closed.mean(axis=0)) + trained.mean(axis=0)
        return joined[:, :-1], joined[:, -1]


@dataclass(frozen=True)
class Said:
    """What a `Joint` says of N photos, real or imagined.

    Attributes:
        trained: (N, B) logits of the base rows.
        new: (N, C - B), the closed form's new rows less the mean of its base rows.
        newness: (N,), sum of the closed form's new rows.
        nothing: (N,), what the closed form leaves for the background.
        labels: (N,): 0 to B-1 a base landmark, B to C-1 a new one, -1 none.
        weights: (N,), sum to the importance of the set.
    """

    trained: Floats
    new: Floats
    newness: Floats
    nothing: Floats
    labels: Ints
    weights: Floats

    def logits(self, numbers: Floats) -> Floats:
        """Return (N, C) logits, base landmarks first."""
        scale, newness, nothing, shift = (float(number) for number in numbers)
        gate = self.trained.mean(axis=1) + newness * self.newness + nothing * self.nothing + shift
        return np.concatenate([self.trained, scale * self.new + gate[:, None]], axis=1)


def say(joint: Joint, features: Floats, labels: Ints, weights: Floats) -> Said:
    """Run both heads over features (N, D) in the head's own space."""
    weight, bias = joint.closed
    closed = features @ weight.T + bias
    old, new = closed[:, joint.base], closed[:, ~joint.base]
    return Said(
        trained=features @ joint.trained[0].T + joint.trained[1],
        new=new - old.mean(axis=1, keepdims=True),
        newness=new.sum(axis=1),
        nothing=SCALE - closed.sum(axis=1),
        labels=labels,
        weights=weights,
    )


def together(parts: list[Said]) -> Said:
    """Join what was said of several sets of photos."""
    names = ("trained", "new", "newness", "nothing", "labels", "weights")
    return Said(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def fit_numbers(said: Said, temperature: float) -> Floats:
    """Find the four numbers under which the photos are likeliest.

    A photo of a base landmark, or of none, only has to stay away from the new ones: how
    the base rows share it out is their own business.

    Args:
        said: old, new and no landmarks together.
        temperature: at which the base rows are calibrated.

    Returns:
        scale, newness, nothing and shift.
    """
    from scipy.optimize import minimize

    base = said.trained.shape[1]
    is_new = said.labels >= base
    rows, truth = np.flatnonzero(is_new), said.labels[is_new]
    weights = said.weights / said.weights.sum()

    def loss(numbers: Floats) -> float:
        logits = said.logits(numbers) / temperature
        total = _logsumexp(logits)
        likely = _logsumexp(logits[:, :base])
        likely[rows] = logits[rows, truth]
        return float((weights * (total - likely)).sum())

    found = minimize(loss, np.array(START), method="L-BFGS-B", bounds=BOUNDS)
    numbers: Floats = found.x
    return numbers


def matching_scale(joint: Joint, features: Floats) -> float:
    """Return how much larger the trained rows' differences are than the closed form's."""
    trained = features @ joint.trained[0].T + joint.trained[1]
    closed = (features @ joint.closed[0].T + joint.closed[1])[:, joint.base]
    trained = trained - trained.mean(axis=1, keepdims=True)
    closed = closed - closed.mean(axis=1, keepdims=True)
    return float((trained * closed).sum() / max(float((closed**2).sum()), 1e-12))


def _affine(head: Head) -> NDArray[np.float64]:
    """Return a head as (C, D + 1), the bias last."""
    return np.concatenate([head[0], np.asarray(head[1])[:, None]], axis=1).astype(np.float64)


def _logsumexp(logits: Floats) -> Floats:
    top = logits.max(axis=1)
    total: Floats = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return total
