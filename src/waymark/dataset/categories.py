"""The kinds of landmark in a dataset: bridge, tower, palace ...

In:  a dataset whose photos or landmarks say what kind they are of.
Out: the K categories and the category of each label: the classes of the second task.

Where a category comes from is decided in `dataset/places.py`: a manifest's column or a
folder level first, then a landmarks file, then the gazetteer.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from waymark.dataset.index import Dataset, Photo, printable
from waymark.errors import DatasetError

_NAMED = 10  # labels in a message
_MAX_TEXT = 1_000  # characters; no bundle holds a longer name


def category_id(text: str) -> str | None:
    """Return a category as it is written everywhere; None where nothing is left of it."""
    return printable(text).strip() or None


def stated_category(label: str, photos: Iterable[Photo]) -> str | None:
    """Return the category that the photos of a label state, None where none does.

    Raises:
        DatasetError: if they state two; names the label and both.
    """
    stated = {category for p in photos if p.category and (category := category_id(p.category))}
    if len(stated) > 1:
        first, second, *_ = sorted(stated)
        raise DatasetError(
            f"photos of {label!r} are of two categories, {first!r} and {second!r}; a landmark "
            "has one. Correct the category column, or give the two landmarks labels of their own."
        )
    return stated.pop() if stated else None


def categories_of(dataset: Dataset) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the classes of the category task, and the class of each label.

    Returns:
        The K category ids, sorted; and (C,) int64, for each of `dataset.labels` the index
        of its category.

    Raises:
        DatasetError: if a label has no category (lists them, and how to give them one), or
            all have the same.
    """
    of = [dataset.landmarks[label].category for label in dataset.labels]
    if lacking := [label for label, kind in zip(dataset.labels, of, strict=True) if not kind]:
        more = f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
        raise DatasetError(
            f"{dataset.name} has {len(lacking)} labels without a category: "
            f"{', '.join(map(repr, lacking[:_NAMED]))}{more}. A recipe that learns categories "
            "needs one for each: a column category in a manifest, folders category/landmark "
            "with --levels category,landmark, or a landmarks.csv with the columns id,category "
            "in the dataset's folder."
        )
    names = tuple(sorted({kind for kind in of if kind}))
    if long := [name for name in names if len(name) > _MAX_TEXT]:
        raise DatasetError(
            f"a category of {dataset.name} is {len(long[0]):,} characters long "
            f"({long[0][:40]!r} ...); at most {_MAX_TEXT:,} are kept. Shorten it."
        )
    if len(names) < 2:
        raise DatasetError(
            f"all landmarks of {dataset.name} are of one category, {names[0]!r}; learning "
            "categories needs at least two. Leave the task at landmark, or part the category."
        )
    return names, np.array([names.index(str(kind)) for kind in of], np.int64)
