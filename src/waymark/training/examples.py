"""A dataset as the fast path sees it: embeddings, labels, and who judges whom.

In:  a dataset and a bundle.
Out: `Examples`. Photos of the test split are never read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from waymark.bundle.format import Bundle
from waymark.dataset.duplicates import near_duplicate_groups
from waymark.dataset.index import Dataset, Photo, Skipped
from waymark.dataset.split import folds
from waymark.errors import DatasetError
from waymark.progress import Progress, silent
from waymark.training.features import Features, embed_photos

FOLDS = 5


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Photos that can be read, with what the network makes of them.

    Attributes:
        photos: N photos.
        features: their embeddings (N, V, D).
        names: the C landmarks that have a photo, sorted.
        labels: (N,), index of each photo's landmark in `names`.
        fold: (N,), the fold that judges each photo, -1 for one that only trains. The
            photos of val are fold 0, where the dataset has them, and train the only others.
        has_val: whether the dataset brought a val split.
        negatives: (M, V, D) embeddings of the negatives; M may be 0.
        skipped: the photos that cannot be read.
    """

    photos: tuple[Photo, ...]
    features: Features
    names: tuple[str, ...]
    labels: NDArray[np.intp]
    fold: NDArray[np.int64]
    has_val: bool
    negatives: Features
    skipped: tuple[Skipped, ...]

    @property
    def learns(self) -> NDArray[np.bool_]:
        """(N,): which photos the final head learns from: all, or all but those of val."""
        return self.fold != 0 if self.has_val else np.ones(len(self.fold), bool)


def gather_examples(
    dataset: Dataset,
    bundle: Bundle,
    *,
    views: int = 2,
    seed: int = 0,
    cached: bool = True,
    progress: Progress = silent,
) -> Examples:
    """Embed a dataset and deal its photos to folds, near-duplicates to the same one.

    Args:
        dataset: what to learn from; its test split, if any, is left out.
        bundle: whose network to embed with.
        views: of each photo; see `embed_photos`.
        seed: of the folds.
        cached: whether embeddings are kept on disk.
        progress: told of embedding and comparing.

    Raises:
        DatasetError: if no photo can be read.
    """
    splits = dataset.negative_splits or (None,) * len(dataset.negatives)
    photos = [photo for photo in dataset.photos if photo.split != "test"]
    unknown = [
        path for path, split in zip(dataset.negatives, splits, strict=True) if split != "test"
    ]
    paths = [photo.path for photo in photos] + unknown
    found = embed_photos(bundle, paths, views=views, cached=cached, progress=progress)
    known = found.rows < len(photos)
    features, negatives = found.take(np.flatnonzero(known)), found.take(np.flatnonzero(~known))
    kept = tuple(photos[row] for row in features.rows)
    learnt_from = {photo.label for photo in kept if photo.split != "val"}
    used = [i for i, photo in enumerate(kept) if photo.label in learnt_from]
    kept, features = tuple(kept[i] for i in used), features.take(np.array(used, np.intp))
    if not kept:
        raise DatasetError(
            f"{dataset.name} has no photo to learn from ({len(found.skipped)} cannot be read); "
            "expected label/photo.jpg with at least one good photo a landmark."
        )
    names = tuple(sorted(learnt_from))
    has_val = any(photo.split == "val" for photo in kept)
    return Examples(
        photos=kept,
        features=features,
        names=names,
        labels=np.searchsorted(names, [photo.label for photo in kept]),
        fold=_deal(dataset.with_photos(kept), has_val, seed, progress),
        has_val=has_val,
        negatives=negatives,
        skipped=dataset.skipped + found.skipped,
    )


def _deal(dataset: Dataset, has_val: bool, seed: int, progress: Progress) -> NDArray[np.int64]:
    photos = dataset.photos
    if has_val:
        return np.array([0 if photo.split == "val" else -1 for photo in photos])
    if len(photos) < 2:
        return np.full(len(photos), -1)
    groups = near_duplicate_groups([photo.path for photo in photos], progress=progress)
    k = min(FOLDS, len(photos))
    return folds(dataset, k=k, seed=seed, groups=groups)
