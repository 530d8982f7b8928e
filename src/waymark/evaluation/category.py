"""What a bundle with two tasks said of the kind of landmark in each photo.

In:  a dataset, the bundle's landmarks and categories, and the scores of categories.
Out: a `CategoryEvaluation`, beside the `Evaluation` of the landmarks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waymark.bundle.manifest import Manifest
from waymark.dataset.categories import category_id
from waymark.dataset.index import Dataset, Photo
from waymark.evaluation import metrics
from waymark.evaluation.figures import rounded, task_figures


@dataclass(frozen=True, kw_only=True)
class CategoryEvaluation:
    """What a bundle said of the category of every photo of a dataset.

    Attributes:
        names: the K categories, in index order.
        labels: (N,) int64, index of the true category; -1 where the photo shows no landmark
            of the bundle, or one whose category the bundle lacks.
        scores: (N, K) float32; each row sums to 1.
    """

    names: tuple[str, ...]
    labels: NDArray[np.int64]
    scores: NDArray[np.float32]

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """(N,), whether the category of a photo is one of the bundle's."""
        return self.labels >= 0

    @cached_property
    def guesses(self) -> NDArray[np.int64]:
        """(N,), index of the first guess."""
        best: NDArray[np.int64] = self.scores.argmax(axis=1)
        return best

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """(K, K), confusion counts of the known photos; rows are truth."""
        return metrics.confusion_counts(
            self.labels[self.known], self.guesses[self.known], len(self.names)
        )

    @cached_property
    def figures(self) -> dict[str, Any]:
        """All figures, unrounded; see `figures.task_figures`."""
        return task_figures(self.labels[self.known], self.scores[self.known], self.names)

    def to_dict(self) -> dict[str, Any]:
        """Return what stands under `category` in the JSON of an evaluation."""
        plain: dict[str, Any] = rounded(self.figures)
        return plain


def true_categories(photos: Sequence[Photo], dataset: Dataset, manifest: Manifest) -> list[int]:
    """Return the index of each photo's true category, -1 where the bundle lacks it.

    What the dataset states (a manifest's column or a folder level) counts most, then what
    the bundle itself says of the landmark, then what else is known of the label. A photo
    of no landmark of the bundle has no true category.
    """
    index = {kind.id: number for number, kind in enumerate(manifest.categories)}
    own = {landmark.id: landmark.category for landmark in manifest.landmarks}
    stated = {p.label: category_id(p.category) for p in dataset.photos if p.category}

    def kind(label: str) -> str:
        known = dataset.landmarks.get(label)
        return stated.get(label) or own[label] or (known and known.category) or ""

    of = {label: index.get(kind(label), -1) for label in {p.label for p in photos} & own.keys()}
    return [of.get(photo.label, -1) for photo in photos]
