"""Measure a dataset: how many photos, how large, how bright, in which colours.

In:  a `Dataset`.
Out: `Stats`, of plain numbers and small arrays; photos are read one after the other, so
     memory does not grow with their number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from waymark.dataset.index import SPLITS, Dataset, Skipped, printable
from waymark.errors import PhotoError
from waymark.progress import Progress, silent

if TYPE_CHECKING:
    from PIL.Image import Image

BINS = 64
"""Number of bars in a histogram."""
DECODE_SIDE = 256
"""Large JPEGs are decoded at a reduced scale, down to this shorter side in pixels."""


@dataclass(frozen=True, kw_only=True)
class Stats:
    """What a dataset is like.

    Attributes:
        photos: number of photos that could be read, N.
        negatives: number of negatives; they count in no other figure.
        skipped: what could not be used, from the index and from reading.
        counts: photos for each label, as listed.
        splits: photos for each split, as listed; `none` where there is none.
        sizes: (N, 2) width and height of each upright photo, in pixels.
        mean: (3,) mean of red, green and blue, 0-1; each photo weighs the same.
        std: (3,) standard deviation of red, green and blue, 0-1.
        histograms: (3, 64) share of values in each of 64 equal bins of 0-1; rows sum to 1.
    """

    photos: int
    negatives: int
    skipped: tuple[Skipped, ...]
    counts: dict[str, int]
    splits: dict[str, int]
    sizes: NDArray[np.int64]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    histograms: NDArray[np.float64]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; of the sizes, least, median and largest."""
        low, middle, high = (
            ([int(side) for side in np.quantile(self.sizes, q, axis=0)] for q in (0, 0.5, 1))
            if self.photos
            else (None, None, None)
        )
        return {
            "photos": self.photos,
            "negatives": self.negatives,
            "skipped": [{"path": row.path, "reason": row.reason} for row in self.skipped],
            "counts": self.counts,
            "splits": self.splits,
            "sizes": {"least": low, "median": middle, "largest": high},
            "mean": [round(value, 6) for value in self.mean.tolist()],
            "std": [round(value, 6) for value in self.std.tolist()],
            "histograms": [[round(v, 6) for v in row] for row in self.histograms.tolist()],
        }

    def normalised(self, mean: Sequence[float], std: Sequence[float]) -> dict[str, Any]:
        """Return what a network sees of these photos, as plain JSON values.

        Args:
            mean: what is subtracted from each channel, in the 0-1 range.
            std: what each channel is divided by, in the 0-1 range.

        Returns:
            `with` (the two given), `mean` and `std` of the normalised values, and the `range`
            [low, high] of each channel over which its 64 bins of `histograms` then lie.
        """
        by, over = np.asarray(mean, np.float64), np.asarray(std, np.float64)
        spans = np.stack([(0 - by) / over, (1 - by) / over], axis=1)
        return {
            "with": {"mean": by.tolist(), "std": over.tolist()},
            "mean": [round(value, 6) for value in ((self.mean - by) / over).tolist()],
            "std": [round(value, 6) for value in (self.std / over).tolist()],
            "range": [[round(value, 6) for value in span] for span in spans.tolist()],
        }


def counts_by_split(dataset: Dataset) -> dict[str, list[int]]:
    """Return for each split, `none` where there is none, the photos of each of `labels`."""
    found = Counter((photo.split or "none", photo.label) for photo in dataset.photos)
    splits = [name for name in (*SPLITS, "none") if any(split == name for split, _ in found)]
    return {split: [found[split, label] for label in dataset.labels] for split in splits}


def dataset_stats(dataset: Dataset, progress: Progress | None = None) -> Stats:
    """Read every photo once and measure it; photos that cannot be read are skipped."""
    from waymark.photo import decode_many, read_facts

    report = progress or silent
    paths = [photo.path for photo in dataset.photos]
    shares = np.zeros((3, 256))
    sizes: list[tuple[int, int]] = []
    skipped = list(dataset.skipped)
    read = decode_many(paths, colour_shares, min_side=DECODE_SIDE)
    for done, (path, result) in enumerate(zip(paths, read, strict=True), start=1):
        try:
            if isinstance(result, PhotoError):
                raise result
            facts = read_facts(path)
        except PhotoError as error:
            skipped.append(Skipped(printable(path), str(error)))
        else:
            shares += result
            sizes.append((facts.width, facts.height))
        report(done, len(paths), "measuring photos")

    shares /= max(1, len(sizes))
    values = np.arange(256) / 255
    mean = shares @ values
    return Stats(
        photos=len(sizes),
        negatives=len(dataset.negatives),
        skipped=tuple(skipped),
        counts=dataset.counts(),
        splits=dict(Counter(photo.split or "none" for photo in dataset.photos)),
        sizes=np.array(sizes, np.int64).reshape(-1, 2),
        mean=mean,
        std=np.sqrt(np.maximum(0, shares @ values**2 - mean**2)),
        histograms=shares.reshape(3, BINS, -1).sum(axis=2),
    )


def colour_shares(photo: Image) -> NDArray[np.float64]:
    """Return (3, 256): the share of pixels with each value of red, green and blue."""
    counts = np.array(photo.histogram(), np.float64).reshape(3, 256)
    return counts / (photo.width * photo.height)
