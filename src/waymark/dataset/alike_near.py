"""Find photos whose edges are laid out alike, in the same or in mirror image.

In:  looks, small grey pictures.
Out: for each its nearest few others: a list that same pictures are on, and others too.

A layout says how much edge there is in which direction in each of 6 x 6 blurred cells: it
hardly changes under a new encoding, other colours or a crop of a tenth, and its mirror image
is got by exchanging numbers. Search goes through an inverted file: each photo looks for its
neighbours in the few cells of about N^0.5 whose centres are nearest.

Source: histograms of oriented gradients, Dalal and Triggs 2005; inverted file, Sivic and
Zisserman 2003.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

LOOK_SIDE = 48
"""Side of a look in pixels: 230 MB for 100,000 photos."""
CELLS, DIRECTIONS = 6, 8
WIDTH = CELLS * CELLS * DIRECTIONS
BRUTE = 3000  # photos up to which everything is compared with everything
PROBES = 8
_ROUNDS = 2  # of k-means: cells need be even, not best
_ROWS_AT_ONCE = 1024
_NUMBERS_AT_ONCE = 1 << 22

Vectors = NDArray[np.float32]
Rows = NDArray[np.intp]


def edge_layouts(looks: NDArray[np.uint8 | np.float32]) -> Vectors:
    """Describe (N, S, S) looks, S even, by (N, 288) layouts with mean 0 and length 1.

    The layout of a flat look is all 0.
    """
    out = np.zeros((len(looks), WIDTH), np.float32)
    for start in range(0, len(looks), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        out[part] = _layouts(looks[part])
    return out


def cells_of(looks: NDArray[np.uint8 | np.float32]) -> Vectors:
    """Describe (N, S, S) looks by (N, 36, 8): how much edge, in 8 directions, in each cell."""
    grid = edge_layouts(looks).reshape(-1, DIRECTIONS, CELLS * CELLS)
    return grid.transpose(0, 2, 1)


def halved(pictures: Vectors) -> Vectors:
    """Return (N, S / 2, S / 2) means over blocks of 2 x 2 of (N, S, S)."""
    tall = pictures[:, ::2] + pictures[:, 1::2]
    small = tall[:, :, ::2] + tall[:, :, 1::2]
    small *= np.float32(0.25)
    return small


def mirrored_layouts(layouts: Vectors) -> Vectors:
    """Return the layouts of the mirror images, (N, 288)."""
    grid = layouts.reshape(-1, DIRECTIONS, CELLS, CELLS)
    turned = (DIRECTIONS // 2 - np.arange(DIRECTIONS)) % DIRECTIONS
    return grid[:, turned, :, ::-1].reshape(-1, WIDTH)


def near_pairs(
    layouts: Vectors, *, count: int, at_least: float
) -> tuple[Rows, Rows, NDArray[np.bool_], Vectors]:
    """Pair each photo with its nearest others, and its mirror image with its nearest.

    Args:
        layouts: (N, 288), from `edge_layouts`.
        count: neighbours of each, at most.
        at_least: cosine of a pair's layouts below which they are not near.

    Returns:
        one < two, mirrored and cosine, (P,) each; no pair twice in the same sense.
    """
    total = len(layouts)
    cells = _Cells(layouts)
    found = []
    for mirrored in (False, True):
        queries = mirrored_layouts(layouts) if mirrored else layouts
        one, two, cosine = _first_few(cells.meet(queries, count, at_least), count)
        low, high = np.minimum(one, two), np.maximum(one, two)
        _, once = np.unique(low * total + high, return_index=True)
        found.append((low[once], high[once], np.full(len(once), mirrored), cosine[once]))
    one, two, flags, cosine = (np.concatenate(part) for part in zip(*found, strict=True))
    return one, two, flags, cosine


def _layouts(looks: NDArray[np.uint8 | np.float32]) -> Vectors:
    small = halved(looks.astype(np.float32))
    count, side = small.shape[:2]
    down, right = np.zeros_like(small), np.zeros_like(small)
    down[:, 1:-1] = small[:, 2:] - small[:, :-2]
    right[:, :, 1:-1] = small[:, :, 2:] - small[:, :, :-2]
    root = np.sqrt(np.hypot(down, right))  # or a strong edge would say it all
    down /= np.maximum(root, 0.1)
    right /= np.maximum(root, 0.1)
    pool = _pool(side)
    out = np.empty((count, DIRECTIONS, CELLS, CELLS), np.float32)
    for i, angle in enumerate(np.arange(DIRECTIONS) * 2 * np.pi / DIRECTIONS):
        towards = right * np.float32(np.cos(angle)) + down * np.float32(np.sin(angle))
        towards -= root * np.float32(np.cos(2 * np.pi / DIRECTIONS))
        out[:, i] = pool @ np.maximum(towards, 0, out=towards) @ pool.T
    layouts = out.reshape(count, WIDTH)
    layouts -= layouts.mean(axis=1, keepdims=True)
    length = np.linalg.norm(layouts, axis=1, keepdims=True)
    layouts /= np.where(length > 1e-3, length, np.float32(np.inf))
    return layouts


def _pool(side: int) -> Vectors:
    """Return (6, side) weights of overlapping cells: triangles, two cells wide."""
    width = side / CELLS
    centre = (np.arange(CELLS)[:, None] + 0.5) * width
    away = np.abs(np.arange(side) + 0.5 - centre) / width
    weights: Vectors = np.maximum(1 - away, 0).astype(np.float32)
    return weights


class _Cells:
    """An inverted file: which layouts lie nearest to which of about N^0.5 centres."""

    def __init__(self, layouts: Vectors) -> None:
        total = len(layouts)
        number = 1 if total <= BRUTE else round(total**0.5)
        self.layouts = layouts
        self.centres = layouts[np.linspace(0, total - 1, number).astype(np.intp)]
        for _ in range(_ROUNDS if number > 1 else 0):
            home = self._nearest_centres(layouts, 1)[:, 0]
            sums = np.zeros_like(self.centres)
            np.add.at(sums, home, layouts)
            self.centres = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-6)
        home = self._nearest_centres(layouts, 1)[:, 0]
        self.members = _by_cell(home[:, None], number)

    def meet(
        self, queries: Vectors, count: int, at_least: float
    ) -> Iterator[tuple[Rows, Rows, Vectors]]:
        """Yield queries, the members near them in one cell, and their cosines."""
        probed = self._nearest_centres(queries, PROBES)
        for members, asking in zip(self.members, _by_cell(probed, len(self.centres)), strict=True):
            if len(members) == 0:
                continue
            here = self.layouts[members]
            step = max(1, _NUMBERS_AT_ONCE // len(members))
            for start in range(0, len(asking), step):
                rows = asking[start : start + step]
                cosine = queries[rows] @ here.T
                cosine[rows[:, None] == members] = -1  # no photo is its own neighbour
                if len(members) > count:
                    few = np.argpartition(cosine, -count, axis=1)[:, -count:]
                    cosine = np.take_along_axis(cosine, few, axis=1)
                    others = members[few]
                else:
                    others = np.broadcast_to(members, cosine.shape)
                i, j = np.nonzero(cosine >= at_least)
                yield rows[i], others[i, j], cosine[i, j]

    def _nearest_centres(self, vectors: Vectors, count: int) -> Rows:
        """Return (N, count) cells."""
        number = len(self.centres)
        if number <= count:
            return np.tile(np.arange(number), (len(vectors), 1))
        parts = [
            np.argpartition(vectors[start : start + _ROWS_AT_ONCE] @ self.centres.T, -count, 1)
            for start in range(0, len(vectors), _ROWS_AT_ONCE)
        ]
        return np.concatenate(parts)[:, -count:]


def _by_cell(cells: Rows, number: int) -> list[Rows]:
    """Turn (N, K) cells of photos into the photos of each cell, ascending."""
    order = np.argsort(cells.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(cells.ravel(), minlength=number))
    return np.split(order // max(1, cells.shape[1]), ends[:-1])


def _first_few(
    found: Iterator[tuple[Rows, Rows, Vectors]], count: int
) -> tuple[Rows, Rows, Vectors]:
    """Keep the `count` nearest of each query."""
    parts = list(found)
    if not parts:
        return np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0, np.float32)
    one, two, cosine = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.lexsort((two, -cosine, one))
    one, two, cosine = one[order], two[order], cosine[order]
    place = np.arange(len(one)) - np.searchsorted(one, one, "left")
    kept = place < count
    return one[kept], two[kept], cosine[kept]
