"""Rows for new landmarks beside a head that was trained without them.

In:  the known rows; closed-form rows for all landmarks from joint statistics (`ridge.py`);
     features of photos, real or imagined, of new, of known and of no landmarks.
Out: rows for the new landmarks on the scale of the known ones, which stay as they are.

A new row says: the mean of the known rows, plus `scale` times how much more the closed form
likes this landmark than the known ones, plus a gate, the same for all new rows. The gate
is linear in the features. So the order among known landmarks never changes, that among new
ones is the closed form's, and the gate alone decides between the two.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from waymark.training.ridge import SCALE, Head

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]

START = (1.2, 0.3, -0.15, -1.0)  # what the fit mostly finds
PULL = 0.1  # towards a gate without a direction of its own
STEPS = 60
KNOWN, NEW, NOTHING = 4.5, 1.0, 0.2  # what each kind of photo weighs in the fit


@dataclass(frozen=True)
class Gate:
    """What decides between known and new landmarks.

    Attributes:
        scale: of the closed form's differences.
        newness: per unit of what the closed form gives to all new landmarks together.
        nothing: per unit of what it leaves to the background.
        shift: constant.
        direction: (D,), per unit of the features.
    """

    scale: float
    newness: float
    nothing: float
    shift: float
    direction: Floats


@dataclass(frozen=True)
class Joint:
    """Two heads: the known rows, and the closed form for the known and the new ones.

    Attributes:
        known: weight (B, D) and bias (B,).
        closed: weight (C, D) and bias (C,); the first B rows are of the known landmarks.
    """

    known: Head
    closed: Head

    def rows(self, gate: Gate) -> Head:
        """Return weight and bias of the C - B new rows."""
        known, closed = _affine(self.known), _affine(self.closed)
        old, new = closed[: len(known)], closed[len(known) :]
        background = -closed.sum(axis=0)
        background[-1] += SCALE
        common = known.mean(axis=0) - gate.scale * old.mean(axis=0)
        common += gate.newness * new.sum(axis=0) + gate.nothing * background
        common += np.append(gate.direction, gate.shift)
        joined = gate.scale * new + common
        return joined[:, :-1], joined[:, -1]

    def strengthened(self, which: Ints, scale: float) -> Head:
        """Return the closed form of known rows `which`, on the scale of the known ones."""
        known, closed = _affine(self.known), _affine(self.closed)
        old = closed[: len(known)]
        joined = scale * (old[which] - old.mean(axis=0)) + known.mean(axis=0)
        return joined[:, :-1], joined[:, -1]


@dataclass(frozen=True)
class Said:
    """What a `Joint` says of N photos, real or imagined.

    Attributes:
        features: (N, D), as the head sees them.
        known: (N, B) logits of the known rows.
        new: (N, C - B), the closed form's new rows less the mean of its known ones.
        newness: (N,), sum of the closed form's new rows.
        nothing: (N,), what the closed form leaves to the background.
        labels: (N,): 0 to B-1 a known landmark, B to C-1 a new one, -1 none.
    """

    features: Floats
    known: Floats
    new: Floats
    newness: Floats
    nothing: Floats
    labels: Ints

    def logits(self, gate: Gate) -> Floats:
        """Return (N, C) logits."""
        opened = self.known.mean(axis=1) + gate.newness * self.newness
        opened = opened + gate.nothing * self.nothing + gate.shift + self.features @ gate.direction
        return np.concatenate([self.known, gate.scale * self.new + opened[:, None]], axis=1)

    def take(self, rows: NDArray[np.bool_]) -> Said:
        """Return some of the photos."""
        return Said(*(getattr(self, field.name)[rows] for field in fields(self)))

    @property
    def is_new(self) -> NDArray[np.bool_]:
        """(N,): which photos show a new landmark."""
        return np.asarray(self.labels >= self.known.shape[1])


def say(joint: Joint, features: Floats, labels: Ints) -> Said:
    """Run both heads over features (N, D)."""
    features = np.asarray(features, np.float32)
    weight, bias = (np.asarray(array, np.float32) for array in joint.closed)
    closed = (features @ weight.T + bias).astype(np.float64)
    count = len(joint.known[0])
    old, new = closed[:, :count], closed[:, count:]
    return Said(
        features=features,
        known=(features @ np.asarray(joint.known[0], np.float32).T + joint.known[1]),
        new=new - old.mean(axis=1, keepdims=True),
        newness=new.sum(axis=1),
        nothing=SCALE - closed.sum(axis=1),
        labels=labels,
    )


def together(parts: list[Said]) -> Said:
    """Join what was said of several sets of photos."""
    return Said(
        *(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Said))
    )


def fit_gate(said: Said, temperature: float) -> Gate:
    """Find the gate under which the photos are likeliest.

    A photo of a known landmark, or of none, only has to stay away from the new ones: how
    the known rows share it out is their own business.

    Args:
        said: known, new and no landmarks together; landmarks of a kind weigh the same.
        temperature: at which the known rows are calibrated.
    """
    from scipy.optimize import minimize

    centre = said.features.mean(axis=0)
    spread = float(said.features.std(axis=0).mean()) or 1.0
    features = (said.features - centre) / np.float32(spread)
    weights = _weights(said)
    rows, truth = np.flatnonzero(said.is_new), said.labels[said.is_new]
    count = said.known.shape[1]
    old = _logsumexp(said.known / temperature)
    parts = np.stack([said.newness, said.nothing, np.ones(len(old))])
    mean = said.known.mean(axis=1)

    def loss(numbers: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        direction = numbers[4:].astype(np.float32)
        opened = mean + numbers[1:4] @ parts + features @ direction
        new = (numbers[0] * said.new + opened[:, None]) / temperature
        total = np.logaddexp(old, _logsumexp(new))
        likely = old.copy()
        likely[rows] = new[rows, truth - count]
        slope = np.exp(new - total[:, None])
        slope[rows, truth - count] -= 1
        slope *= (weights / temperature)[:, None]
        each = slope.sum(axis=1)
        value = weights @ (total - likely) + PULL / 2 * direction @ direction
        gradient = np.concatenate(
            [
                [(slope * said.new).sum()],
                parts @ each,
                features.T @ each.astype(np.float32) + PULL * direction,
            ]
        )
        return float(value), gradient

    start = np.concatenate([START, np.zeros(features.shape[1])])
    least = [(0.1, None), (0.0, None)] + [(None, None)] * (len(start) - 2)
    options = {"maxiter": STEPS}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=least, options=options).x
    direction = found[4:] / spread
    return Gate(
        scale=float(found[0]),
        newness=float(found[1]),
        nothing=float(found[2]),
        shift=float(found[3] - centre @ direction),
        direction=direction,
    )


def matching_scale(joint: Joint, features: Floats) -> float:
    """Return how much larger the known rows' differences are than the closed form's."""
    known = features @ joint.known[0].T + joint.known[1]
    closed = (features @ joint.closed[0].T + joint.closed[1])[:, : known.shape[1]]
    known = known - known.mean(axis=1, keepdims=True)
    closed = closed - closed.mean(axis=1, keepdims=True)
    return float((known * closed).sum() / max(float((closed**2).sum()), 1e-12))


def _weights(said: Said) -> Floats:
    """Return (N,) weights: each kind its share, evenly over the landmarks of the kind."""
    weights = np.zeros(len(said.labels))
    kinds = ((said.labels >= 0) & ~said.is_new, said.is_new, said.labels < 0)
    for rows, share in zip(kinds, (KNOWN, NEW, NOTHING), strict=True):
        if rows.any():
            _, places, counts = np.unique(
                said.labels[rows], return_inverse=True, return_counts=True
            )
            weights[rows] = share / len(counts) / counts[places]
    return np.asarray(weights / weights.sum())


def _affine(head: Head) -> NDArray[np.float64]:
    """Return a head as (C, D + 1), the bias last."""
    return np.concatenate([head[0], np.asarray(head[1])[:, None]], axis=1).astype(np.float64)


def _logsumexp(logits: Floats) -> Floats:
    top = logits.max(axis=1)
    total: Floats = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return total
