"""Find class names that look like the same landmark, spelt twice.

In:  names of classes; where there are photos, their embeddings.
Out: pairs, the surest first, each with how sure it is and why.

Names make a pair; photos say how far to trust it. Photos alone make a weak one, so that
nobody joins two bridges because they look alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from waymark.curate.check_names_words import CONTRASTS, FILLERS, KINDS
from waymark.gazetteer_search import plain, ratio
from waymark.training.ridge import unit

SAME = 0.5  # severity from which two names may be counted as one landmark
CONFUSED = 0.3  # share of photos that fit the other class as well: more is said, weakly
_SHARED = 0.4  # pairs of letters that two names must share to be compared at all
_NEAR = 0.82  # letters in common, of names that differ by a slip
_SHORTEST = 4  # letters: a shorter word is too short to find in another, or to misspell
_INSIDE = sorted(
    ((word, kind) for word, kind in KINDS.items() if len(word) >= _SHORTEST),
    key=lambda known: -len(known[0]),
)
_FEWEST = 3  # photos of a class, for its photos to say anything

Ints = NDArray[np.integer]


class Alike(NamedTuple):
    """Two classes that may be one.

    Attributes:
        one: index of a class.
        two: index of another, above `one`.
        severity: 0 to 1; below `SAME` the names differ, and only the photos are confused.
        reason: what is alike, in words.
    """

    one: int
    two: int
    severity: float
    reason: str


def similar_classes(
    names: Sequence[str],
    embeddings: NDArray[np.float32] | None = None,
    labels: Ints | None = None,
) -> list[Alike]:
    """Find names that look like the same landmark, or whose photos are often confused.

    Args:
        names: C names, as folders have them.
        embeddings: (N, D), of photos; without them the names alone are judged.
        labels: (N,), 0 to C - 1; negative ones are passed over.

    Returns:
        Pairs, the surest first. From `SAME` on the names say the same; below, they do not,
        but the photos are hard to tell apart.
    """
    if len(names) < 2:
        return []
    words = [_parted(name) for name in names]
    photos = _Photos.of(len(names), embeddings, labels)
    found = {}
    for one, two in _candidates(words):
        spelt, why = _spelt_alike(words[one], words[two])
        if not spelt:
            continue
        seen, and_photos = photos.say(one, two)
        severity = float(np.clip(spelt + seen, 0, 1))
        if severity >= SAME:
            found[one, two] = Alike(one, two, severity, f"{why}{and_photos}")
    for one, two, share in photos.confused():
        if (one, two) not in found:
            why = f"{share:.0%} of their photos look as much like the other's; the names differ"
            found[one, two] = Alike(one, two, min(share, SAME * 0.8), why)
    return sorted(found.values(), key=lambda pair: (-pair.severity, pair.one, pair.two))


@dataclass(frozen=True, kw_only=True)
class _Words:
    """A name, taken apart.

    Attributes:
        joined: its letters, plain, without spaces.
        own: the words that are its own.
        kinds: kinds of building that it names, such as "mosque" for masjid.
    """

    joined: str
    own: tuple[str, ...]
    kinds: frozenset[str]

    @property
    def core(self) -> str:
        """Its own words as one, in order."""
        return "".join(self.own)

    @property
    def sorted_core(self) -> str:
        """Its own words as one, sorted."""
        return " ".join(sorted(self.own))


def _parted(name: str) -> _Words:
    """Take a name apart; a number in front, as in 09.Golden_Gate_Bridge, goes."""
    words = plain(name).split()
    while len(words) > 1 and words[0].isdecimal():
        words = words[1:]
    own: list[str] = []
    kinds = set()
    for word in words:
        rest, kind = _split(word)
        if kind:
            kinds.add(kind)
        if rest and rest not in FILLERS:
            own.append(rest)
    if not own:  # "The Bridge": what is left is all there is
        own, kinds = words, set()
    return _Words(joined="".join(words), own=tuple(own), kinds=frozenset(kinds))


def _split(word: str) -> tuple[str, str]:
    """Part a word from the kind of building that it is, or begins or ends with."""
    if word in KINDS:
        return "", KINDS[word]
    for known, kind in _INSIDE:
        if len(word) - len(known) >= _SHORTEST:
            if word.endswith(known):
                return word[: -len(known)], kind
            if word.startswith(known):
                return word[len(known) :], kind
    return word, ""


def _candidates(words: Sequence[_Words]) -> Iterator[tuple[int, int]]:
    """Yield the pairs that share enough pairs of letters, without comparing each with each."""
    from scipy.sparse import csr_array

    texts = ["".join(sorted(each.own)) for each in words]
    grams = [{f" {text} "[i : i + 2] for i in range(len(text) + 1)} for text in texts]
    numbers = {gram: i for i, gram in enumerate(sorted(set().union(*grams)))}
    columns = [numbers[gram] for each in grams for gram in sorted(each)]
    sizes = np.array([len(each) for each in grams])
    if not columns:
        return
    table = csr_array(
        (
            np.ones(len(columns), np.float32),
            np.array(columns),
            np.concatenate([[0], np.cumsum(sizes)]),
        ),
        shape=(len(grams), len(numbers)),
    )
    shared = (table @ table.T).tocoo()
    one, two = (np.asarray(axis) for axis in shared.coords)
    enough = shared.data >= _SHARED * np.minimum(sizes[one], sizes[two])
    for i in np.flatnonzero(enough & (one < two)):
        yield int(one[i]), int(two[i])


def _spelt_alike(one: _Words, two: _Words) -> tuple[float, str]:
    """Score 0 to 1 how surely two names are one, and say why; 0 if they are not."""
    if not one.joined or not two.joined:
        return 0.0, ""
    if one.joined == two.joined:
        return 0.95, "the names differ only in spaces, marks or capitals"
    other_kind = bool(one.kinds and two.kinds and not one.kinds & two.kinds)
    if other_kind or _contrast(one, two):
        return 0.0, ""
    if one.core == two.core:
        return 0.9, "the names differ only in words such as 'mosque' or 'the'"
    if one.sorted_core == two.sorted_core:
        return 0.85, "the names have the same words in another order"
    return _nearly(one, two)


def _nearly(one: _Words, two: _Words) -> tuple[float, str]:
    short, long = sorted((one, two), key=lambda each: len(each.own))
    if set(short.own) < set(long.own) and len(short.core) >= _SHORTEST:
        return 0.45, "one name is part of the other"
    if min(len(one.core), len(two.core)) > _SHORTEST:
        alike = max(
            ratio(one.core, two.core, least=_NEAR),
            ratio(one.sorted_core, two.sorted_core, least=_NEAR),
        )
        if alike:
            return 0.4 + 0.4 * (alike - _NEAR) / (1 - _NEAR), "the names differ by a few letters"
    return 0.0, ""


def _contrast(one: _Words, two: _Words) -> bool:
    """Whether what parts two names is a number, or words such as north and south."""
    mine, others = set(one.own) - set(two.own), set(two.own) - set(one.own)
    if {w for w in mine if not w.isalpha()} != {w for w in others if not w.isalpha()}:
        return True
    return any(mine & group and others & group for group in CONTRASTS)


class _Photos:
    """What the photos of the classes say of whether two classes are one."""

    def __init__(
        self, means: NDArray[np.float32], counts: Ints, mixed: dict[tuple[int, int], float]
    ) -> None:
        self._counts, self._mixed = counts, mixed
        self._nearest = _nearest(means, counts)

    @classmethod
    def of(
        cls, classes: int, embeddings: NDArray[np.float32] | None, labels: Ints | None
    ) -> _Photos:
        """Compare the photos of each class with the means of the others."""
        if embeddings is None or labels is None or not (labels >= 0).any():
            return cls(np.zeros((classes, 1), np.float32), np.zeros(classes, np.intp), {})
        rows = np.flatnonzero(labels >= 0)
        vectors, labels = np.asarray(unit(embeddings[rows]), np.float32), labels[rows]
        counts = np.bincount(labels, minlength=classes)
        means = np.zeros((classes, vectors.shape[1]), np.float32)
        np.add.at(means, labels, vectors)
        means /= np.maximum(counts, 1)[:, None]
        centre = means[counts > 0].mean(axis=0)
        means -= centre
        vectors -= centre
        return cls(means, counts, _mixed(vectors, labels, means, counts))

    def say(self, one: int, two: int) -> tuple[float, str]:
        """Return what to add to a severity, and the words to add to a reason."""
        if min(self._counts[one], self._counts[two]) < _FEWEST:
            return 0.0, ""
        if self._nearest[one] == two or self._nearest[two] == one:
            return 0.15, "; their photos look alike"
        return -0.15, "; their photos do not look alike"

    def confused(self) -> list[tuple[int, int, float]]:
        """Return pairs of classes of whose photos many fit the other class better."""
        return [(*pair, share) for pair, share in self._mixed.items() if share >= CONFUSED]


def _nearest(means: NDArray[np.float32], counts: Ints) -> Ints:
    """Return (C,) for each class the one whose mean is nearest in direction, or -1."""
    directions = unit(means)
    likeness = directions @ directions.T
    likeness[:, counts < _FEWEST] = -np.inf
    np.fill_diagonal(likeness, -np.inf)
    nearest: Ints = np.where(np.isfinite(likeness.max(axis=1)), likeness.argmax(axis=1), -1)
    return nearest


def _mixed(
    vectors: NDArray[np.float32], labels: Ints, means: NDArray[np.float32], counts: Ints
) -> dict[tuple[int, int], float]:
    """Return, of pairs of classes, the share of their photos that are nearer to the other.

    A photo is compared with the mean of the others of its class. Where a pair is missing,
    the share is 0.
    """
    directions = unit(means)
    nearer = np.zeros((len(means), len(means)), np.float32)
    for number in np.flatnonzero(counts >= _FEWEST):
        mine, count = vectors[labels == number], counts[number]
        along, length = mine @ means[number], (mine**2).sum(axis=1)
        others = count**2 * (means[number] ** 2).sum() - 2 * count * along + length
        own = (count * along - length) / np.sqrt(np.maximum(others, 1e-12))
        nearer[number] = (mine @ directions.T > own[:, None]).mean(axis=0)
    nearer[:, counts < _FEWEST] = 0
    np.fill_diagonal(nearer, 0)
    both = np.minimum(nearer, nearer.T)
    return {
        (int(one), int(two)): float(both[one, two]) for one, two in np.argwhere(np.triu(both) > 0)
    }
