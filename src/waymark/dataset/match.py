"""Say which landmarks of a gazetteer the labels of a dataset may be.

In:  labels, as folders are called, with their places where the dataset states any.
Out: a `Match` for each label: landmarks with a score from 0 to 1, the best first. Nothing is
     decided here: what is taken over, the user writes into a landmarks file.

The score: 1 for the very id; 0.99 for a name as it is written there or in English, 0.97 but for
spaces; else up to 0.95, by the words that both have, rare words weighing more and letters
allowed to differ, or by the letters that both have. A place that the dataset states and the
gazetteer contradicts halves it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from waymark.dataset.index import Dataset
from waymark.errors import ConfigError, UnknownName
from waymark.gazetteer import Gazetteer, Landmark, display_name
from waymark.gazetteer_search import plain, ratio

SURE = 0.95
"""Score from which a match is taken over, if the user asks for it and says no other."""
_LEAST = 0.5  # what is less alike is not mentioned
_LEAD = 0.03  # by which the best must be ahead to be clear
_SAME_NAME = 0.85  # letters that two names share to be one name, misspelt
_SAME_WORD = 0.8  # letters that two words share to be one word, misspelt
_SHORT, _SAME_SHORT = 5, 0.86  # in words of so few letters


@dataclass(frozen=True, kw_only=True)
class Match:
    """What one label may be.

    Attributes:
        label: of the dataset.
        photos: how many it has.
        found: landmarks and scores, the best first; empty where none is like it.
    """

    label: str
    photos: int
    found: tuple[tuple[Landmark, float], ...]

    @property
    def score(self) -> float:
        """Score of the best; 0 where there is none."""
        return self.found[0][1] if self.found else 0.0

    @property
    def is_clear(self) -> bool:
        """Whether the best is ahead of the next."""
        return len(self.found) < 2 or self.score - self.found[1][1] >= _LEAD

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "label": self.label,
            "photos": self.photos,
            "landmark": self.found[0][0].id if self.found else None,
            "score": round(self.score, 3),
            "clear": self.is_clear,
            "alternatives": [
                {"landmark": landmark.id, "score": round(score, 3)}
                for landmark, score in self.found[1:]
            ],
        }


def match_labels(dataset: Dataset, gazetteer: Gazetteer, *, most: int = 3) -> list[Match]:
    """Match every label of a dataset, in the order of `labels`.

    Args:
        dataset: whose labels.
        gazetteer: where to look.
        most: landmarks for a label.
    """
    names = [_names(landmark) for landmark in gazetteer.landmarks]
    weights = _Weights(names)
    places = _places(dataset)
    counts = dataset.counts()
    matches = []
    for label in dataset.labels:
        scored = [
            (landmark, _score(landmark, forms, label, weights=weights, place=places.get(label)))
            for landmark, forms in zip(gazetteer.landmarks, names, strict=True)
        ]
        best = sorted((pair for pair in scored if pair[1] >= _LEAST), key=lambda pair: -pair[1])
        matches.append(Match(label=label, photos=counts[label], found=tuple(best[:most])))
    return matches


def taken(
    matches: Iterable[Match],
    gazetteer: Gazetteer,
    *,
    least: float = SURE,
    picks: Mapping[str, str] | None = None,
) -> dict[str, tuple[Landmark, float]]:
    """Choose the matches to take over: those that were picked, and those that are sure.

    Args:
        matches: from `match_labels`.
        gazetteer: where the ids of `picks` come from.
        least: score from which a clear match is taken.
        picks: label -> id of a landmark, or "" to leave the label out.

    Returns:
        For each label the landmark, and the score of the match; 1 where it was picked.

    Raises:
        ConfigError: `least` is out of range, or a label is not one of the matches'.
        UnknownName: the gazetteer has no such landmark.
    """
    if not 0 < least <= 1:
        raise ConfigError(f"--min-score is {least}; a score is above 0 and at most 1.")
    rows, picks = {match.label: match for match in matches}, picks or {}
    for label in picks:
        if label not in rows:
            raise UnknownName(f"--pick {label}=...: the dataset has no label {label!r}.")
    chosen = {}
    for label, match in rows.items():
        if label in picks:
            if picks[label]:
                chosen[label] = (gazetteer.find(picks[label]), 1.0)
        elif match.score >= least and match.is_clear:
            chosen[label] = match.found[0]
    return chosen


class _Weights:
    """How much a word says: the fewer landmarks have it in a name, the more."""

    def __init__(self, names: list[list[str]]) -> None:
        self._total = len(names) + 1
        self._having = Counter(
            word for forms in names for word in {w for form in forms for w in form.split()}
        )

    def of(self, word: str) -> float:
        return math.log(self._total / (self._having[word] + 0.5)) + 0.2


def _names(landmark: Landmark) -> list[str]:
    """Return the names of a landmark in plain form, each part of a double name as well."""
    names = []
    for name in (landmark.name, landmark.local_name, landmark.id):
        if name:
            names += [name, re.sub(r"\([^)]*\)", " ", name), *name.split("/")]
            names += re.findall(r"\(([^)]*)\)", name)
    found = [plain(name.replace("_", " ")) for name in names]
    return list(dict.fromkeys(name for name in found if name))


def _score(
    landmark: Landmark, names: list[str], label: str, *, weights: _Weights, place: str | None
) -> float:
    if label == landmark.id:
        return 1.0
    around = {
        word for text in (landmark.place, landmark.category) if text for word in plain(text).split()
    }
    score = max(
        (
            share * _likeness(own, name, around, weights)
            for own, share in _readings(label).items()
            for name in names
        ),
        default=0.0,
    )
    there = landmark.place and plain(landmark.place)
    if place and there and not {*place.split()} & {*there.split()}:
        score /= 2
    return score


def _readings(label: str) -> dict[str, float]:
    """Return what a label may mean, in plain form, and how far each reading is to be trusted."""
    folder = label.rpartition("/")[2].replace("_", " ")
    # a leading number is an index, or part of the name
    found = dict.fromkeys((plain(display_name(folder)), plain(folder)), 1.0)
    # what stands in brackets is another name, or which of several it is
    for part in (re.sub(r"\([^)]*\)", " ", folder), *re.findall(r"\(([^)]*)\)", folder)):
        found.setdefault(plain(display_name(part)), 0.9)
    return {name: share for name, share in found.items() if name}


def _likeness(own: str, name: str, around: set[str], weights: _Weights) -> float:
    """Score a label against one name; words of place and kind beside it do no harm."""
    if own == name:
        return 0.99
    joined, other = own.replace(" ", ""), name.replace(" ", "")
    if joined == other:
        return 0.97
    by_letters = 0.0
    if 2 * min(len(joined), len(other)) >= _SAME_NAME * (len(joined) + len(other)):
        by_letters = ratio(joined, other, least=_SAME_NAME)
    words, wanted = own.split(), name.split()
    both = [max(_same(word, want) for want in wanted) * weights.of(word) for word in words]
    back = [max(_same(want, word) for word in words) * weights.of(want) for want in wanted]
    said = sum(
        weights.of(word)
        for word, found in zip(words, both, strict=True)
        if found or word not in around
    )
    precision = sum(both) / said if said else 0.0
    recall = sum(back) / sum(map(weights.of, wanted))
    by_words = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return 0.95 * max(by_letters, by_words)


@lru_cache(maxsize=1 << 16)
def _same(one: str, two: str) -> float:
    if one == two:
        return 1.0
    shorter = min(len(one), len(two))
    least = _SAME_SHORT if shorter <= _SHORT else _SAME_WORD
    return ratio(one, two, least=least) if shorter > 3 else 0.0


def _places(dataset: Dataset) -> dict[str, str]:
    """Return the place that the dataset states for a label, in plain form."""
    return {photo.label: plain(photo.place) for photo in dataset.photos if photo.place}
