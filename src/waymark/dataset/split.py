"""Part a dataset into train, val and test, or into folds, without leaking.

In:  a `Dataset`, and which photos belong together (near-duplicates, one visit).
Out: the same dataset with a split for each photo, or a fold number for each photo.

Every landmark is parted in the same proportion. Near-duplicates and photos of one `group`
stay on one side. The same seed gives the same split on every machine.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from waymark.dataset.duplicates import near_duplicate_groups
from waymark.dataset.index import UNKNOWN, Dataset, Photo
from waymark.dataset.manifest import escaped, table_rows
from waymark.errors import ConfigError, DatasetError
from waymark.progress import Progress

_ALWAYS_ONE = 5
"""A landmark with this many photos has at least one in each part that is made by share."""

_STATED = ("category", "place", "source", "licence", "author", "url")
"""Columns of a split file that are there only where a photo states them."""


def split_dataset(
    dataset: Dataset,
    *,
    val: float = 0.1,
    test: float = 0.0,
    seed: int = 0,
    groups: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Return the dataset with a split for every photo and negative.

    Splits that the dataset comes with are kept: only what is missing is made, `val` out of
    the photos for training, and `test` only where no photo has a split. A landmark always
    keeps a photo for training; where numbers are asked for, one of four photos or more keeps
    at least half of them.

    Args:
        dataset: what to part.
        val: for choosing: a share of each landmark, 0 to below 1; or, from 1 on, a number of
            photos of each landmark. Negatives are parted in the same proportion as all photos.
        test: for the final measurement, likewise.
        seed: of the shuffle.
        groups: a number for each photo, then perhaps for each negative: equal numbers stay
            together, besides equal `Photo.group`. Default: near-duplicates, found by
            reading every photo.
        progress: told how the reading goes.

    Raises:
        ConfigError: `val` or `test` is out of range, or `groups` has another length.
    """
    parts = (val, test)
    if not all(0 <= part < 1 or _is_number(part) for part in parts) or (
        sum(part for part in parts if part < 1) >= 1
    ):
        raise ConfigError(
            f"val is {val} and test is {test}; each is a share from 0 to below 1 or a whole "
            "number of photos of each landmark, and together they must leave something for train."
        )
    items = items_of(dataset)
    together = joined_groups(items, groups_of(dataset, groups, progress))
    shares = {"val": 0.0 if "val" in dataset.splits else val, "test": 0.0}
    if not dataset.splits:
        shares["test"] = test
    pool = np.array([i for i, item in enumerate(items) if item.split in (None, "train")], np.intp)
    splits = [item.split or "train" for item in items]
    labels = [items[i].label for i in pool]
    for i, split in zip(pool, _assign(labels, together[pool], shares, seed), strict=True):
        splits[i] = split
    names = _group_names(items, together)
    done = tuple(
        replace(item, split=split, group=name)
        for item, split, name in zip(items, splits, names, strict=True)
    )
    known = len(dataset.photos)
    return replace(dataset, photos=done[:known], negative_splits=tuple(splits[known:]))


def unsplit(dataset: Dataset) -> Dataset:
    """Return the dataset without the splits that it came with; groups stay."""
    photos = tuple(replace(photo, split=None) for photo in dataset.photos)
    return replace(dataset, photos=photos, negative_splits=())


def folds(
    dataset: Dataset,
    *,
    k: int = 5,
    seed: int = 0,
    groups: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> NDArray[np.int64]:
    """Part the photos into k folds of like size and like landmarks, groups kept whole.

    Args:
        dataset: its photos are parted, its negatives are not.
        k: number of folds, at least 2 and at most the number of photos.
        seed: of the shuffle.
        groups: see `split_dataset`.
        progress: told how the reading goes, where `groups` are not given.

    Returns:
        (N,) fold of each photo, 0 to k-1.

    Raises:
        ConfigError: k is out of range, or `groups` has another length.
    """
    photos = dataset.photos
    if not 2 <= k <= len(photos):
        raise ConfigError(
            f"k is {k}; {dataset.name} has {len(photos)} photos: use 2 up to that many folds."
        )
    together = joined_groups(photos, groups_of(dataset, groups, progress)[: len(photos)])
    return deal([photo.label for photo in photos], together, k=k, seed=seed)


def deal(
    labels: Sequence[str], groups: NDArray[np.int64], *, k: int, seed: int
) -> NDArray[np.int64]:
    """Deal groups out to k folds, large ones first, each to where its labels are fewest.

    Args:
        labels: (N,) of each photo.
        groups: (N,) group of each photo; groups stay whole.
        k: number of folds.
        seed: of the shuffle.

    Returns:
        (N,) fold of each photo, 0 to k-1.
    """
    _, shown_as = np.unique(list(labels), return_inverse=True)
    load = np.zeros((k, int(shown_as.max(initial=-1)) + 1))
    total = np.zeros(k)
    found = np.zeros(len(labels), np.int64)
    for members in sorted(_shuffled(groups, seed), key=len, reverse=True):
        shown = shown_as[members]
        crowding = load[:, shown].sum(axis=1) + total / (len(labels) + 1)
        best = int(np.argmin(crowding))
        np.add.at(load[best], shown, 1)
        total[best] += len(members)
        found[members] = best
    return found


def joined_groups(photos: Sequence[Photo], groups: Sequence[int]) -> NDArray[np.int64]:
    """Join groups by number with groups by `Photo.group`: a chain of either is one group.

    Returns:
        (N,) group number of each photo.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    _, numbers = np.unique(np.asarray(groups, np.int64), return_inverse=True)
    named = [i for i, photo in enumerate(photos) if photo.group is not None]
    _, names = np.unique([str(photos[i].group) for i in named], return_inverse=True)
    size = len(photos) + len(named)  # no more groups of either kind than that
    links = np.ones(len(named)), (numbers[named], len(photos) + names)
    _, joined = connected_components(coo_array(links, shape=(size, size)), directed=False)
    return np.asarray(joined[numbers], np.int64)


def write_split(path: Path, dataset: Dataset, *, folds: Sequence[int] | None = None) -> None:
    """Write the split as a CSV with the columns `path,label,split,group[,fold]`.

    Beside the photos (in the dataset's root) the file is a manifest of the dataset; what else
    the dataset states of its photos is therefore written too. Paths are relative to the
    dataset's root; negatives from elsewhere have an absolute one.

    Args:
        path: the file; one that is there is replaced.
        dataset: what `split_dataset` returns.
        folds: fold of each photo, then of each negative, 0 to k-1 and written as 1 to k; a
            negative number is left empty.

    Raises:
        OSError: the file cannot be written; one that was there before is left as it was.
    """
    items = items_of(dataset)
    columns = ["path", "label", "split", "group"]
    columns += [c for c in _STATED if any(getattr(item, c) for item in items)]
    dealt = () if folds is None else [str(fold + 1) if fold >= 0 else "" for fold in folds]
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns + (["fold"] if dealt else []))
        for i, item in enumerate(items):
            cells = [getattr(item, column) or "" for column in columns[1:]]
            row = [escaped(cell) for cell in (_key(dataset.root, item.path), *cells)]
            writer.writerow([*row, *dealt[i : i + 1]])
    part.replace(path)


def read_split(path: Path, dataset: Dataset) -> Dataset:
    """Return the dataset with the splits and groups of a file by `write_split`.

    Raises:
        DatasetError: the file is not a split of these photos: one is missing, or has
            another label there.
    """
    rows = {str(row["path"]): row for _, row in table_rows(path)}

    def with_split(photo: Photo) -> Photo:
        row = rows.get(_key(dataset.root, photo.path).strip())
        if row is None or row["label"] != photo.label:
            fault = "not listed" if row is None else f"listed as {row['label']!r}"
            raise DatasetError(
                f"{path} is the split of another dataset: {photo.path} ({photo.label!r}) is "
                f"{fault}. Make a new split of {dataset.name}."
            )
        return replace(photo, split=row.get("split"), group=row.get("group"))

    items = [with_split(item) for item in items_of(dataset)]
    known = len(dataset.photos)
    return replace(
        dataset,
        photos=tuple(items[:known]),
        negative_splits=tuple(item.split for item in items[known:]),
    )


def split_hash(dataset: Dataset) -> str:
    """Return the SHA-256 (hex) of which photo has which label and is on which side."""
    rows = sorted(
        f"{_key(dataset.root, photo.path)}\t{photo.label}\t{photo.split}"
        for photo in dataset.photos
    )
    return hashlib.sha256("\n".join(rows).encode("utf-8", "surrogateescape")).hexdigest()


def items_of(dataset: Dataset) -> list[Photo]:
    """Photos, then negatives as photos of `unknown`."""
    splits = dataset.negative_splits or (None,) * len(dataset.negatives)
    negatives = zip(dataset.negatives, splits, strict=True)
    return [
        *dataset.photos,
        *(Photo(path=path, label=UNKNOWN, split=split) for path, split in negatives),
    ]


def _key(root: Path, path: Path) -> str:
    """Return the name of a photo in a split file: its way from the dataset's root."""
    if path.is_relative_to(root):
        return path.relative_to(root).as_posix()
    return Path(os.path.relpath(path, root)).as_posix()


def groups_of(
    dataset: Dataset, groups: Sequence[int] | None, progress: Progress | None
) -> Sequence[int]:
    """Return a group for each photo and each negative."""
    known, unknown = len(dataset.photos), len(dataset.negatives)
    if groups is None:
        return near_duplicate_groups([item.path for item in items_of(dataset)], progress=progress)
    if len(groups) not in (known, known + unknown):
        raise ConfigError(
            f"groups has {len(groups)} numbers; {dataset.name} has {known} photos and {unknown} "
            "negatives: give a number for each photo, or for both."
        )
    fresh = range(max(groups, default=0) + 1, max(groups, default=0) + 1 + unknown)
    return [*groups, *fresh][: known + unknown]


def _assign(
    labels: Sequence[str], groups: NDArray[np.int64], shares: dict[str, float], seed: int
) -> list[str]:
    """Choose train or one of `shares` for each photo; groups stay whole."""
    assigned = ["train"] * len(labels)
    sizes = Counter(labels)
    parts = [(members, Counter(labels[i] for i in members)) for members in _shuffled(groups, seed)]
    left = Counter(label for _, shown in parts for label in shown)  # groups still in train
    quotas = _quotas(sizes, shares)
    for split, share in shares.items():
        quota = quotas[split]
        if share > 0 and not any(quota[label] for label in quota if label != UNKNOWN):
            quota |= {label: 1 for label in quota if label != UNKNOWN}  # all are tiny
        wanted = Counter(quota)

        def take(members: NDArray[np.intp], shown: Counter[str], split: str = split) -> None:
            if assigned[members[0]] == "train" and all(left[label] > 1 for label in shown):
                for i in members:
                    assigned[i] = split
                wanted.subtract(shown)  # noqa: B023  # called within this turn of the loop
                left.subtract(shown.keys())

        for members, shown in parts:
            if all(n <= wanted[label] for label, n in shown.items()):
                take(members, shown)
        for members, shown in sorted(parts, key=lambda part: len(part[0])):
            if any(wanted[label] == quota[label] > 0 for label in shown):
                take(members, shown)
    return assigned


def _quotas(sizes: Counter[str], parts: dict[str, float]) -> dict[str, dict[str, int]]:
    """Return for each part how many photos of each label to put aside."""
    numbers = sum(part for part in parts.values() if part >= 1)
    quotas = {}
    for split, part in parts.items():
        if part < 1:
            quotas[split] = {label: _share_of(size, part) for label, size in sizes.items()}
            continue
        # of a small landmark, half of the photos stay for training
        quota = {
            label: min(int(part), int(part * (size // 2) / numbers))
            for label, size in sizes.items()
        }
        known = sum(size for label, size in sizes.items() if label != UNKNOWN)
        if UNKNOWN in quota and known:
            taken = sum(n for label, n in quota.items() if label != UNKNOWN)
            quota[UNKNOWN] = int(sizes[UNKNOWN] * taken / known + 0.5)
        quotas[split] = quota
    return quotas


def _share_of(size: int, share: float) -> int:
    """Number of a landmark's photos that are a share of them."""
    rounded = int(share * size + 0.5)
    return max(1, rounded) if share > 0 and size >= _ALWAYS_ONE else rounded


def _is_number(part: float) -> bool:
    return part >= 1 and part < 1e9 and part == int(part)


def _shuffled(groups: NDArray[np.int64], seed: int) -> list[NDArray[np.intp]]:
    """Return the members of each group, the groups in random order."""
    if not len(groups):
        return []
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order])) + 1
    parts = np.split(order, starts)
    return [parts[i] for i in np.random.default_rng(seed).permutation(len(parts))]


def _group_names(items: Sequence[Photo], together: NDArray[np.int64]) -> Iterator[str | None]:
    """Keep given names; name other groups of two or more after one of theirs, or a number."""
    sizes = Counter(together.tolist())
    given = {
        int(group): item.group for item, group in zip(items, together, strict=True) if item.group
    }
    for item, group in zip(items, together.tolist(), strict=True):
        several = given.get(group, f"near-{group}") if sizes[group] > 1 else None
        yield item.group or several
