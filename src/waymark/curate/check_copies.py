"""Tell what to say of copies: photos that are the same, or nearly, within and between classes.

In:  a `Reading`, and the class that each photo counts as.
Out: `Copies`, who is a copy of whom, and findings: exact-duplicate, near-duplicate, leakage.

Of each group of copies one photo is kept, the last of a finding's paths. All findings agree
on it: what one finding would keep, none drops for the sake of a worse one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from waymark.curate.check_read import Reading
from waymark.curate.finding import Finding, Suggestion
from waymark.dataset.alike import find_alike
from waymark.dataset.index import SPLITS, UNKNOWN

SURE = 0.1  # difference of cosines at which the better of two labels is taken for the right one
_SHOWN = 12  # photos of a group of the dataset's own that crosses splits

Rows = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class Copies:
    """Who is a copy of whom, among the R photos that can be read.

    Attributes:
        exact: (R,), number of the group of the same pixels.
        near: (R,), number of the group of pictures that are nearly the same, or the same.
        best: the photo to keep of each exact group.
        likeness: for each near group with more than one picture, 0 to 1; mean of its pairs.
        mirrored: numbers of the near groups in which a picture is mirrored.
        rank: (R,), 0 for the photo to keep before all others.
    """

    exact: Rows
    near: Rows
    best: Rows
    likeness: dict[int, float]
    mirrored: frozenset[int]
    rank: Rows


def find_copies(reading: Reading, fitting: NDArray[np.float32]) -> Copies:
    """Group copies.

    Args:
        reading: R readable photos.
        fitting: (R,), how well each photo fits its own class; see `fit_of_classes`.
    """
    count = len(reading.rows)
    if not count:
        none = np.zeros(0, np.intp)
        return Copies(
            exact=none, near=none, best=none, likeness={}, mirrored=frozenset(), rank=none
        )
    rank = _ranks(reading, fitting)
    numbers: dict[bytes, int] = {}
    exact = np.array([numbers.setdefault(_key(reading, r), len(numbers)) for r in range(count)])
    order = np.lexsort((rank, exact))
    best = order[np.searchsorted(exact[order], np.arange(len(numbers)))]
    pairs = find_alike(reading.looks[best])
    near = joined(len(numbers), pairs.one, pairs.two)
    likeness = np.bincount(near[pairs.one], pairs.likeness, minlength=len(numbers))
    sizes = np.bincount(near[pairs.one], minlength=len(numbers))
    return Copies(
        exact=exact,
        near=near[exact],
        best=best,
        likeness={int(g): float(min(1.0, likeness[g] / sizes[g])) for g in np.flatnonzero(sizes)},
        mirrored=frozenset(int(g) for g in near[pairs.one[pairs.mirrored]]),
        rank=rank,
    )


def fit_of_classes(
    embeddings: NDArray[np.float32] | None, classes: Rows, count: int
) -> NDArray[np.float32]:
    """Return how well each photo fits its class: cosine with the mean of the class's others.

    Args:
        embeddings: (R, D); where None, all fit equally.
        classes: (R,), -1 for negatives, which fit nothing.
        count: number of classes.

    Returns:
        (R,), -1 to 1; -1 for a negative, 0 for the only photo of its class.
    """
    if embeddings is None:
        return np.where(classes < 0, -1, 0).astype(np.float32)
    lengths = np.linalg.norm(embeddings, axis=1)
    lengths[lengths == 0] = 1
    sums = np.zeros((count, embeddings.shape[1]), np.float32)
    for number in range(count):
        mine = classes == number
        sums[number] = (embeddings[mine] / lengths[mine, None]).sum(axis=0)
    fits = np.full(len(classes), -1, np.float32)
    for number in range(count):
        mine = np.flatnonzero(classes == number)
        units = embeddings[mine] / lengths[mine, None]
        others = sums[number] - units
        size = np.linalg.norm(others, axis=1)
        products = np.einsum("nd,nd->n", units, others)
        fits[mine] = np.divide(products, size, out=np.zeros_like(products), where=size > 1e-6)
    return fits


def copy_findings(
    reading: Reading, copies: Copies, classes: Rows, fitting: NDArray[np.float32]
) -> Iterator[Finding]:
    """Yield the exact and near duplicates.

    Args:
        reading: R readable photos.
        copies: who is a copy of whom.
        classes: (R,), what each counts as; two names of one landmark are one class.
        fitting: (R,), how well each photo fits its own class.
    """
    for rows in _groups(copies.exact, copies.rank):
        one_class = len({classes[r] for r in rows}) == 1
        files = {reading.seen(r).digest for r in rows}
        what = "the same file" if len(files) == 1 else "the same picture in different files"
        yield Finding(
            kind="exact-duplicate",
            paths=_paths(reading, rows),
            severity=0.7 if one_class else 1.0,
            suggest="drop" if one_class else _of_two_classes(rows, classes, fitting),
            reason=f"{what}, {_where(reading, rows, one_class=one_class)}",
        )
    alone = copies.best[np.argsort(copies.rank[copies.best])]
    for places in _groups(copies.near[alone], np.arange(len(alone))):
        rows = alone[places].tolist()
        group = int(copies.near[rows[0]])
        one_class = len({classes[r] for r in rows}) == 1
        likeness = copies.likeness[group]
        turned = ", one of them mirrored" if group in copies.mirrored else ""
        yield Finding(
            kind="near-duplicate",
            paths=_paths(reading, rows),
            severity=(0.6 if one_class else 0.9) * likeness,
            suggest="drop" if one_class else "review",
            reason=f"nearly the same picture{turned}, {_where(reading, rows, one_class=one_class)}",
        )


def leakage_findings(reading: Reading, copies: Copies) -> Iterator[Finding]:
    """Yield the copies, and the groups of the dataset's own, on both sides of a split.

    What stays is the photo of test, or of val where there is none of test.
    """
    splits = [reading.entry(r).split for r in range(len(reading.rows))]
    if len({split for split in splits if split}) < 2:
        return
    for rows in _groups(copies.near, copies.rank):
        kept = rows[-1]
        across = [r for r in rows if splits[r] and splits[r] != splits[kept]]
        if across and splits[kept]:
            same = {copies.exact[r] for r in (*across, kept)}
            how = "the same picture" if len(same) == 1 else "nearly the same picture"
            yield Finding(
                kind="leakage",
                paths=_paths(reading, [*across, kept]),
                severity=1.0 if len(same) == 1 else 0.9 * copies.likeness[int(copies.near[kept])],
                suggest="drop",
                reason=f"{how} in {_listed(splits[r] for r in [*across, kept])}",
            )
    named: dict[str, list[int]] = {}
    for row in range(len(reading.rows)):
        group = reading.entry(row).group
        if group and splits[row]:
            named.setdefault(group, []).append(row)
    for group, members in named.items():
        counts = Counter(splits[row] for row in members)
        if len(counts) > 1:
            shown = sorted(members, key=lambda row: SPLITS.index(splits[row] or "train"))
            yield Finding(
                kind="leakage",
                paths=_paths(reading, shown[:_SHOWN]),
                severity=0.5,
                suggest="review",
                reason=f"the group {group!a:.60} is in "
                + _listed(f"{split} ({count} photos)" for split, count in counts.items()),
            )


def _ranks(reading: Reading, fitting: NDArray[np.float32]) -> Rows:
    """Rank photos: those of test first, then what fits, is large, sharp and simply named.

    A file comes before a link to it, which would be lost with the file.
    """

    def key(row: int) -> tuple[int, float, int, float, bool, bool, int, str]:
        entry, seen = reading.entry(row), reading.seen(row)
        return (
            -SPLITS.index(entry.split) if entry.split in SPLITS else 0,
            -round(float(fitting[row]) / SURE),
            -seen.size[0] * seen.size[1],
            -round(seen.sharpness, 1),
            entry.path.is_symlink(),
            any(fault.kind == "wrong-extension" for fault in seen.faults),
            len(entry.name),
            entry.name,
        )

    ranks = np.empty(len(reading.rows), np.intp)
    ranks[sorted(range(len(reading.rows)), key=key)] = np.arange(len(reading.rows))
    return ranks


def _key(reading: Reading, row: int) -> bytes:
    """What two photos share if they are the same; of blank ones, all would share their pixels."""
    seen = reading.seen(row)
    blank = any(fault.kind == "blank" for fault in seen.faults)
    return seen.digest if blank else seen.pixels


def joined(count: int, one: Rows, two: Rows) -> Rows:
    """Number the connected components of `count` things and the pairs among them."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(one), bool), (one, two)), shape=(count, count))
    _, components = connected_components(graph, directed=False)
    return np.asarray(components, np.intp)


def _groups(numbers: Rows, rank: Rows) -> Iterator[list[int]]:
    """Yield the members of each group of several, the best ranked last, in order of the best."""
    order = np.lexsort((-rank, numbers))
    cuts = np.flatnonzero(np.diff(numbers[order])) + 1
    groups = [part.tolist() for part in np.split(order, cuts) if len(part) > 1]
    yield from sorted(groups, key=lambda rows: rank[rows[-1]])


def _of_two_classes(rows: Sequence[int], classes: Rows, fitting: NDArray[np.float32]) -> Suggestion:
    """Drop the copies under the label that fits less, where that is plain.

    A negative fits nothing, so it takes a look to say which is right.
    """
    kept = rows[-1]
    if any(classes[r] < 0 for r in rows):
        return "review"
    others = [fitting[r] for r in rows if classes[r] != classes[kept]]
    return "drop" if fitting[kept] - max(others) >= SURE else "review"


def _paths(reading: Reading, rows: Sequence[int]) -> tuple[str, ...]:
    return tuple(reading.entry(row).name for row in rows)


def _where(reading: Reading, rows: Sequence[int], *, one_class: bool) -> str:
    labels = sorted({reading.entry(row).label or UNKNOWN for row in rows})
    if len(labels) == 1:
        return f"{len(rows)} times in {labels[0]}"
    under = _listed(labels)
    return f"under two names of one landmark: {under}" if one_class else f"in {under}"


def _listed(words: Iterator[str | None] | Sequence[str]) -> str:
    *first, last = list(dict.fromkeys(word or "" for word in words))
    return f"{', '.join(first)} and {last}" if first else last
