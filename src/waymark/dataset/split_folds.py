"""Part a dataset into k folds, each of which is the validation split once.

In:  a `Dataset`, and which photos belong together.
Out: `Folds`: a fold for every photo and negative that is not put aside for the test; and for
     each fold the dataset with the splits train, val and, where there is one, test.

Folds are of like size and like landmarks; near-duplicates and photos of one `group` stay in
one fold. The same seed gives the same folds on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from waymark.dataset.index import Dataset
from waymark.dataset.split import deal, groups_of, items_of, joined_groups, split_dataset
from waymark.errors import ConfigError
from waymark.progress import Progress


@dataclass(frozen=True, kw_only=True)
class Folds:
    """A dataset in k parts.

    Attributes:
        dataset: with a split for every photo: `test` or `train`; groups are named.
        numbers: (N,) fold of each photo, then of each negative, 0 to k-1; -1 where it is
            put aside for the test.
        k: number of folds.
    """

    dataset: Dataset
    numbers: NDArray[np.int64]
    k: int

    def part(self, fold: int) -> Dataset:
        """Return the dataset whose validation split is one fold.

        Args:
            fold: 0 to k-1.

        Raises:
            ConfigError: there is no such fold.
        """
        if not 0 <= fold < self.k:
            raise ConfigError(f"there are {self.k} folds, 1 to {self.k}; there is no {fold + 1}.")
        splits = np.where(self.numbers == fold, "val", "train")
        splits[self.numbers < 0] = "test"
        known = len(self.dataset.photos)
        photos = zip(self.dataset.photos, splits[:known].tolist(), strict=True)
        return replace(
            self.dataset,
            photos=tuple(replace(photo, split=split) for photo, split in photos),
            negative_splits=tuple(splits[known:].tolist()),
        )


def fold_dataset(
    dataset: Dataset,
    *,
    k: int = 5,
    test: float = 0.0,
    seed: int = 0,
    groups: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> Folds:
    """Part a dataset into folds; a test split is kept apart from all of them.

    Args:
        dataset: what to part; a validation split that it has joins the training photos.
        k: number of folds, at least 2, and at most the number of photos.
        test: see `split_dataset`.
        seed: of the shuffle.
        groups: see `split_dataset`.
        progress: told how the reading goes, where `groups` are not given.

    Raises:
        ConfigError: k or `test` is out of range, or `groups` has another length.
    """
    numbers = groups_of(dataset, groups, progress)
    pooled = _without_val(dataset)
    parted = split_dataset(pooled, val=0.0, test=test, seed=seed, groups=numbers)
    items = items_of(parted)
    pool = np.array([i for i, item in enumerate(items) if item.split != "test"], np.intp)
    photos = int((pool < len(parted.photos)).sum())
    if not 2 <= k <= photos:
        raise ConfigError(
            f"k is {k}; {dataset.name} has {photos} photos that are not for the test: use 2 up "
            "to that many folds."
        )
    together = joined_groups(items, numbers)
    found = np.full(len(items), -1, np.int64)
    found[pool] = deal([items[i].label for i in pool], together[pool], k=k, seed=seed)
    return Folds(dataset=parted, numbers=found, k=k)


def _without_val(dataset: Dataset) -> Dataset:
    def pooled(split: str | None) -> str | None:
        return "train" if split == "val" else split

    return replace(
        dataset,
        photos=tuple(replace(photo, split=pooled(photo.split)) for photo in dataset.photos),
        negative_splits=tuple(map(pooled, dataset.negative_splits)),
    )
