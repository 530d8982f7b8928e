"""Group photos that are the same picture: copies, rescaled, recompressed, cropped, mirrored.

In:  paths of photos.
Out: a group number for each; photos of one group must stay on one side of a split.

What is the same picture, `alike` says, here as in `data check`: so a split that is made with
these groups has no leakage that the check could find, but for copies of blank photos.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from waymark.dataset.alike import LOOK_SIDE, find_alike, look
from waymark.errors import PhotoError
from waymark.progress import Progress, silent


def near_duplicate_groups(
    paths: Sequence[Path], *, workers: int | None = None, progress: Progress | None = None
) -> list[int]:
    """Return a group number for each photo, counted from 0 in order of first appearance.

    A photo that cannot be read is a group of its own.
    """
    from waymark.photo import decode_many

    report = progress or silent
    looks = np.zeros((len(paths), LOOK_SIDE, LOOK_SIDE), np.uint8)
    decoded = decode_many(paths, look, min_side=2 * LOOK_SIDE, workers=workers)
    for done, seen in enumerate(decoded):
        if not isinstance(seen, PhotoError):
            looks[done] = seen
        report(done + 1, len(paths), "comparing photos")
    return [int(group) for group in group_looks(looks)]


def group_looks(looks: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Group photos by their looks.

    Args:
        looks: (N, 48, 48), 0-255, from `alike.look`; all 0 where a photo cannot be read.

    Returns:
        (N,) group numbers, counted from 0 in order of first appearance. A flat look is a
        group of its own.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(looks)
    if count == 0:
        return np.zeros(0, np.int64)
    pairs = find_alike(looks)
    graph = coo_array((np.ones(len(pairs.one), bool), (pairs.one, pairs.two)), shape=(count, count))
    _, groups = connected_components(graph, directed=False)
    _, start, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(start))[inverse].astype(np.int64)
