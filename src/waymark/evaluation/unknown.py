"""Learn when to say "no landmark I know".

In:  logits and embeddings of photos of known landmarks and of negatives; none of them
     photos that the network learnt from, nor the class means, unless `refit` can make
     these again without them.
Out: the `UnknownRule` that `recognise/decision.py` applies: a regularised logistic
     regression on few features, with a threshold that calls at most a stated share of
     known photos unknown.

The centroids of the negatives are a feature, so a negative is only ever measured against
centroids of others: everything here is cross-fitted, fold by fold. Where there are no
negatives they are imagined: the spread of the known photos about their landmark, moved to
what a parent bundle knows to be something else, or to points between the landmarks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from waymark.bundle.manifest import SMALLEST, UnknownRule
from waymark.bundle.statistics import Statistics, whiten
from waymark.errors import ShapeError
from waymark.evaluation.metrics import auroc, recall_threshold
from waymark.evaluation.statistics import centroids
from waymark.recognise.decision import FEATURES, unknown_features

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]
Refit = Callable[[NDArray[np.bool_]], Statistics]
FOLDS = 5
FEWEST = 10  # negatives; fewer say nothing
WORTH = 0.001  # AUROC that a further feature has to add
REJECTED = 0.05
IMAGINED = 1000


class _Photos(NamedTuple):
    """Outputs of the network; rows of one group are never on both sides of a fold."""

    logits: Floats
    embedding: Floats
    groups: Ints


def fit_unknown_rule(
    known_logits: Floats,
    known_embedding: Floats,
    known_labels: Ints,
    negative_logits: Floats | None,
    negative_embedding: Floats | None,
    *,
    statistics: Statistics,
    rejected: float = REJECTED,
    normalise: bool = False,
    outsiders: Floats | None = None,
    refit: Refit | None = None,
    seed: int = 0,
) -> UnknownRule:
    """Fit and cross-validate the rule that tells unknown photos from known ones.

    Args:
        known_logits: (N, C), of validation photos, as the model gives them.
        known_embedding: (N, D), of the same photos.
        known_labels: (N,), their classes; rare ones weigh as much as common ones.
        negative_logits: (M, C); None where there are no negatives.
        negative_embedding: (M, D); None where there are none. Fewer than 10 count as none.
        statistics: `counts`, `means`, `covariance`, and the `negative_means` that the
            bundle will hold, if any. Without negatives, `head_weight` and `head_bias` too.
        rejected: at most this share of the known photos may be called unknown, 0 to 1.
        normalise: whether the head scales embeddings to length 1; used without negatives.
        outsiders: (K, D), mean embeddings that are none of the classes, such as a parent
            bundle's negative centroids and those of its landmarks that are not in this
            bundle; used without negatives.
        refit: gives the statistics without some of the known photos, for where the
            statistics were made of these very photos: each is then measured against
            those of the others, as a new photo will be.
        seed: of the folds and the imagined negatives.

    Returns:
        A rule whose `fpr`, the share of negatives it takes for a landmark, was measured
        on held-out folds; None without negatives.

    Raises:
        ShapeError: if the lengths differ or there are fewer than 2 known photos.
    """
    n = len(known_labels)
    if n < 2 or not len(known_logits) == len(known_embedding) == n:
        raise ShapeError(
            f"there are {n} labels, {len(known_logits)} logits and {len(known_embedding)} "
            "embeddings of known photos; expected as many of each, at least 2."
        )
    if "whitening" not in statistics:
        whitening = whiten(statistics["means"], statistics["covariance"])
        statistics = {**statistics, "whitening": whitening}
    rng = np.random.default_rng(seed)
    known = _Photos(known_logits, known_embedding, np.arange(n))
    real = negative_logits is not None and len(negative_logits) >= FEWEST
    if real and negative_logits is not None and negative_embedding is not None:
        negatives = _Photos(negative_logits, negative_embedding, np.arange(len(negative_logits)))
        origin = f"{len(negative_logits)} negatives"
    else:
        spread = known_embedding - statistics["means"][known_labels]
        negatives = _imagine(spread, statistics, outsiders, normalise, rng)
        few = outsiders is None or len(outsiders) < FOLDS
        where = "between the landmarks" if few else "about what the parent knows"
        origin = f"{IMAGINED} imagined negatives {where}"
    table = _measure(known, negatives, known_labels, refit or (lambda _: statistics), rng)
    columns = _choose(table)
    scores = table.held_out(columns)
    threshold = _threshold(scores[~table.negative], scores[table.negative], rejected)
    line = table.fit(columns, np.ones(len(scores), bool))
    return UnknownRule(
        features=tuple(FEATURES[i] for i in columns),
        weights=tuple(line.weights.tolist()),
        bias=line.bias,
        centre=tuple(line.centre.tolist()),
        scale=tuple(line.scale.tolist()),
        threshold=threshold,
        fpr=float((scores[table.negative] <= threshold).mean()) if real else None,
        source=f"{n} photos of known landmarks and {origin}, cross-validated; "
        f"at most {rejected:.0%} of the known ones called unknown",
    )


class _Line(NamedTuple):
    """A logistic regression on standardised features."""

    weights: Floats
    bias: float
    centre: Floats
    scale: Floats

    def scores(self, features: Floats) -> Floats:
        raised = self.bias + ((features - self.centre) / self.scale) @ self.weights
        scores: Floats = 1 / (1 + np.exp(-np.clip(raised, -60, 60)))
        return scores


@dataclass(frozen=True)
class _Table:
    """Features of all photos, each measured against the negatives of other folds.

    Attributes:
        features: (N + M, F).
        negative: (N + M,), bool.
        folds: (N + M,), fold number.
        weights: (N + M,), how much a photo counts in a fit; mean 1.
    """

    features: Floats
    negative: NDArray[np.bool_]
    folds: Ints
    weights: Floats

    def fit(self, columns: list[int], rows: NDArray[np.bool_]) -> _Line:
        """Fit on some rows and columns."""
        from sklearn.linear_model import LogisticRegression

        x, weights = self.features[rows][:, columns].astype(np.float64), self.weights[rows]
        centre = np.average(x, axis=0, weights=weights)
        scale = np.sqrt(np.average((x - centre) ** 2, axis=0, weights=weights))
        scale = np.where(scale > SMALLEST, scale, 1.0)  # one that never varies says nothing
        model = LogisticRegression(max_iter=1000)
        model.fit((x - centre) / scale, self.negative[rows], sample_weight=weights)
        return _Line(model.coef_[0], float(model.intercept_[0]), centre, scale)

    def held_out(self, columns: list[int]) -> Floats:
        """Return the unknown score of each photo from a fit that never saw its fold."""
        scores = np.zeros(len(self.folds))
        for fold in np.unique(self.folds):
            inside = self.folds == fold
            line = self.fit(columns, ~inside)
            scores[inside] = line.scores(self.features[inside][:, columns])
        return scores


def _measure(
    known: _Photos,
    negatives: _Photos,
    labels: Ints,
    statistics_of: Refit,
    rng: np.random.Generator,
) -> _Table:
    """Measure every photo against statistics and centroids of negatives of other folds."""
    folds = min(FOLDS, len(known.groups), len(np.unique(negatives.groups)))
    known_fold, negative_fold = (_folds(p.groups, folds, rng) for p in (known, negatives))
    features = np.zeros((len(known_fold) + len(negative_fold), len(FEATURES)))
    fold_of = np.concatenate([known_fold, negative_fold])
    logits = np.concatenate([known.logits, negatives.logits])
    embedding = np.concatenate([known.embedding, negatives.embedding])
    for fold in range(folds):
        around = dict(statistics_of(known_fold != fold))
        if "negative_means" in around:
            others = negatives.embedding[negative_fold != fold]
            around["negative_means"], around["negative_counts"] = centroids(others)
        inside = fold_of == fold
        features[inside] = unknown_features(logits[inside], embedding[inside], around)
    share = 1 / np.bincount(labels)[labels]
    half = len(fold_of) / 2
    weights = np.concatenate(
        [share / share.sum() * half, np.full(len(negative_fold), half / len(negative_fold))]
    )
    return _Table(features, np.arange(len(fold_of)) >= len(labels), fold_of, weights)


def _choose(table: _Table) -> list[int]:
    """Add features one by one as long as held-out AUROC rises by what is worth it."""

    def area(columns: list[int]) -> float:
        scores = table.held_out(columns)
        return auroc(scores[~table.negative], scores[table.negative])

    columns: list[int] = []
    best = 0.0
    while left := [i for i in range(len(FEATURES)) if i not in columns]:
        areas = [area([*columns, i]) for i in left]
        if max(areas) < best + WORTH and columns:
            break
        best = max(areas)
        columns.append(left[int(np.argmax(areas))])
    return sorted(columns)


def _threshold(known: Floats, unknown: Floats, rejected: float) -> float:
    """Find the threshold of fewest errors among those that reject at most `rejected`."""
    lowest = recall_threshold(known, recall=1 - rejected)
    candidates = np.unique(np.concatenate([[lowest], known[known >= lowest]]))
    wrong = [(known > t).mean() + (unknown <= t).mean() for t in candidates]
    best = candidates[int(np.argmin(wrong))]
    above = np.concatenate([known[known > best], unknown[unknown > best], [1.0]])
    return float((best + above.min()) / 2)


def _imagine(
    spread: Floats,
    statistics: Statistics,
    outsiders: Floats | None,
    normalise: bool,
    rng: np.random.Generator,
) -> _Photos:
    """Draw embeddings about what is no class, as wide as known photos are about theirs."""
    if outsiders is None or len(outsiders) < FOLDS:
        means = statistics["means"]
        pairs = rng.integers(0, len(means), (max(len(means), 2 * FOLDS), 2))
        between = (means[pairs[:, 0]] + means[pairs[:, 1]]) / 2
        between[pairs[:, 0] == pairs[:, 1]] = means.mean(axis=0)
        outsiders = between if outsiders is None else np.concatenate([outsiders, between])
    groups = np.arange(IMAGINED) % len(outsiders)
    embedding = outsiders[groups] + spread[rng.integers(0, len(spread), IMAGINED)]
    lengths = np.linalg.norm(embedding, axis=1, keepdims=True) if normalise else 1.0
    logits = embedding / lengths @ statistics["head_weight"].T + statistics["head_bias"]
    return _Photos(logits, embedding, groups)


def _folds(groups: Ints, folds: int, rng: np.random.Generator) -> Ints:
    """Deal groups to folds at random, as evenly as they go."""
    names, places = np.unique(groups, return_inverse=True)
    dealt: Ints = rng.permutation(len(names))[places] % folds
    return dealt
