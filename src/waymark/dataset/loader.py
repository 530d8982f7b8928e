"""Stream photos to a training, changed at random on the way.

Nothing is kept: a photo is read, changed and handed on each time that it is drawn, so
memory does not grow with the number of photos or epochs. The n-th epoch's view of a
photo depends on seed, epoch and photo alone, so neither the number of processes nor a
resumed run changes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from waymark.dataset.loader_augment import AUGMENTERS, VIEWS, pick_view, show_view
from waymark.errors import PhotoError
from waymark.photo import read_photo
from waymark.preprocess import Preprocess, fit_square

if TYPE_CHECKING:
    from PIL.Image import Image

NEGATIVE = -1
"""Label of a photo that shows no landmark."""

NEGATIVE_SHARE = 1 / 12
"""Part of the photos drawn in an epoch that are negatives, where there are any."""


class Batch(NamedTuple):
    """Photos on their way to the network.

    Attributes:
        photos: (N, 3, size, size) uint8, RGB; where the backbone is frozen and its features
            are kept, (N, F, h, w) float16 feature maps.
        labels: (N,) int64; -1 for a negative.
        items: (N,) int64, which item of the source each one is.
    """

    photos: Tensor
    labels: Tensor
    items: Tensor


@dataclass(frozen=True, kw_only=True)
class Source:
    """Paths and labels of one split, in index order.

    Attributes:
        paths: N photos.
        labels: (N,) class index; -1 for a negative.
    """

    paths: tuple[Path, ...]
    labels: tuple[int, ...]


class PhotoStream(Dataset[tuple[Tensor, int, int]]):
    """Reads one photo at a time; drawn by (item, draw), or by item for validation."""

    def __init__(self, source: Source, preprocess: Preprocess, augment: str, seed: int) -> None:
        self.names = np.array([str(path) for path in source.paths], dtype=np.str_)
        self.labels = np.array(source.labels, dtype=np.int64)
        self.preprocess = preprocess
        self.augment = augment
        self.seed = seed

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, key: int | tuple[int, int]) -> tuple[Tensor, int, int]:
        item, draw = key if isinstance(key, tuple) else (key, 0)
        if self.augment not in VIEWS:
            return self._changed(item, draw)
        rng = np.random.default_rng((self.seed, draw, item))
        return self.view(item, pick_view(self.augment, rng, draw))

    def view(self, item: int, view: int) -> tuple[Tensor, int, int]:
        """Return one of the few views that a photo has; see `VIEWS`."""
        image = self._read(item)
        if image is None:
            return self._nothing(item)
        rng = np.random.default_rng((self.seed, view, item))
        square = show_view(fit_square(image, self.preprocess), view, rng, self.augment)
        return _pixels(square), int(self.labels[item]), item

    def _changed(self, item: int, draw: int) -> tuple[Tensor, int, int]:
        image = self._read(item)
        if image is None:
            return self._nothing(item)
        rng = np.random.default_rng((self.seed, draw, item))
        square = AUGMENTERS[self.augment](image, rng, self.preprocess.size)
        return _pixels(square), int(self.labels[item]), item

    def _read(self, item: int) -> Image | None:
        try:
            return read_photo(str(self.names[item]), min_side=self.preprocess.min_side)
        except PhotoError:  # it was readable when the dataset was read: gone since
            return None

    def _nothing(self, item: int) -> tuple[Tensor, int, int]:
        return torch.zeros(3, *(self.preprocess.size,) * 2, dtype=torch.uint8), NEGATIVE, item


class EpochSampler(Sampler[tuple[int, int]]):
    """Draws the photos of an epoch: in turn, or by class weight, with a share of negatives.

    Each photo that is drawn is drawn `copies` times. The draw depends on seed and epoch
    only; set `epoch` before each pass.
    """

    def __init__(
        self,
        labels: Sequence[int],
        *,
        balance: float,
        negatives: bool,
        seed: int,
        copies: int = 1,
    ):
        given = np.asarray(labels)
        self.known = np.flatnonzero(given != NEGATIVE)
        self.negatives = np.flatnonzero(given == NEGATIVE) if negatives else self.known[:0]
        counts = np.bincount(given[self.known])
        weights = counts[given[self.known]].astype(np.float64) ** -balance
        self.weights = weights / weights.sum()
        self.balance = balance
        self.seed = seed
        self.copies = copies
        self.epoch = 0
        share = round(len(self.known) * NEGATIVE_SHARE) if len(self.negatives) else 0
        self.size = len(self.known) + share

    def __len__(self) -> int:
        return self.size * self.copies

    def __iter__(self) -> Iterator[tuple[int, int]]:
        rng = np.random.default_rng((self.seed, self.epoch))
        if self.balance:  # systematic sampling: each photo drawn floor or ceil of its share
            edges = np.cumsum(self.weights) * len(self.known)
            picks = np.searchsorted(edges, np.arange(len(self.known)) + rng.random())
            drawn = self.known[np.minimum(picks, len(self.known) - 1)]
        else:
            drawn = self.known
        extra = self.size - len(drawn)
        if extra:
            drawn = np.concatenate([drawn, rng.choice(self.negatives, extra)])
        for place in rng.permutation(len(drawn) * self.copies):
            copy, which = divmod(int(place), len(drawn))
            yield int(drawn[which]), self.epoch * self.copies + copy


def _pixels(square: Image) -> Tensor:
    return torch.from_numpy(np.array(square).transpose(2, 0, 1).copy())


def collate(items: list[tuple[Tensor, int, int]]) -> Batch:
    """Put items of a stream together."""
    photos, labels, index = zip(*items, strict=True)
    return Batch(torch.stack(photos), torch.tensor(labels), torch.tensor(index))


def training_loader(
    source: Source,
    preprocess: Preprocess,
    *,
    augment: str,
    batch: int,
    balance: float,
    negatives: bool,
    workers: int,
    seed: int,
    copies: int = 1,
) -> tuple[DataLoader[Batch], EpochSampler]:
    """Return a loader of augmented batches and the sampler whose `epoch` is to be set."""
    sampler = EpochSampler(
        source.labels, balance=balance, negatives=negatives, seed=seed, copies=copies
    )
    loader: DataLoader[Batch] = DataLoader(
        PhotoStream(source, preprocess, augment, seed),  # type: ignore[arg-type]
        batch_size=min(batch, len(sampler)),
        sampler=sampler,
        num_workers=workers,
        collate_fn=collate,
        drop_last=True,
        prefetch_factor=3 if workers else None,
        persistent_workers=workers > 0,
    )
    return loader, sampler


def plain_loader(
    source: Source, preprocess: Preprocess, *, batch: int, workers: int
) -> DataLoader[Batch]:
    """Return a loader of photos as prediction sees them, each once, in order."""
    return DataLoader(
        PhotoStream(source, preprocess, "none", 0),  # type: ignore[arg-type]
        batch_size=batch,
        num_workers=workers,
        collate_fn=collate,
        prefetch_factor=3 if workers else None,
    )
