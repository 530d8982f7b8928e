"""Find photos that are the same picture: re-encoded, rescaled, cropped, recoloured, mirrored.

In:  a look of each photo, a small grey picture of it.
Out: pairs of photos whose looks fit on each other.

Distinct photos of one landmark from one viewpoint are no pair. Photos whose edges are laid
out alike (`alike_near`) are laid over each other, at any small crop and stretch
(`alike_fit`), and must then agree in detail: stones, clouds and people, not silhouettes.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from waymark.dataset.alike_fit import (
    agreement,
    fit,
    overlap,
    shared,
    trimmed_cosine,
    unmoved,
)
from waymark.dataset.alike_near import LOOK_SIDE, cells_of, edge_layouts, halved, near_pairs

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["LOOK_SIDE", "Pairs", "find_alike", "look"]

NEIGHBOURS = 5  # of each photo, and as many of its mirror image
MIN_LAYOUT = 0.68  # cosine of two edge layouts below which they are not laid over each other
SECOND_LOOK = 0.8  # cosine from which the first is laid over the second too
MIN_COARSEST, MIN_COARSE = 0.3, 0.4  # agreement at 12 and 24 px, below which nobody looks closer
MIN_LIKENESS = 0.95  # all chosen by planted copies, and by eye on pairs just below and above
LAYOUT_WEIGHT = 3.6  # against 1 for the agreement in detail
MARKED = 6  # of 36 cells that may differ: a watermark, a date, a strip of text
MIN_OVERLAP = 0.6  # of the first picture
MIN_CONTRAST = 3.0  # standard deviation of a look, of 255; below it a photo shows nothing
_PAIRS_AT_ONCE = 512

Looks = NDArray[np.uint8]
Rows = NDArray[np.intp]


class Pairs(NamedTuple):
    """Pairs of photos that are the same picture.

    Attributes:
        one: (P,) places in the looks; ascending.
        two: (P,), each above its `one`.
        mirrored: (P,), whether one is the mirror image of the other.
        likeness: (P,), 0 to 1: how well they agree in detail once laid over each other.
    """

    one: Rows
    two: Rows
    mirrored: NDArray[np.bool_]
    likeness: NDArray[np.float32]


def look(photo: Image) -> Looks:
    """Return the (48, 48) grey picture, 0-255, by which a photo is compared.

    The aspect is ignored: a crop is then a stretch, which the comparison undoes.
    """
    from PIL.Image import Resampling

    small = photo.resize((LOOK_SIDE, LOOK_SIDE), Resampling.LANCZOS, reducing_gap=3.0)
    return np.asarray(small.convert("L"))


def find_alike(looks: Looks) -> Pairs:
    """Find the pairs that are the same picture.

    Of many copies of one picture not every two are paired, but each is with its likest. The
    work grows with N^1.5. The order of the photos changes nothing but which of identical
    looks stands for them all.

    Args:
        looks: (N, 48, 48), 0-255, from `look`; of a photo that cannot be read all 0.

    Returns:
        Pairs by `one`, then `two`. A flat look is in none.
    """
    rows, copies, originals = _distinct(looks)
    one, two, mirrored, likeness = _alike(looks[rows])
    one, two = rows[one], rows[two]
    low = np.concatenate([originals, np.minimum(one, two)])
    high = np.concatenate([copies, np.maximum(one, two)])
    flags = np.concatenate([np.zeros(len(copies), bool), mirrored])
    values = np.concatenate([np.ones(len(copies), np.float32), likeness])
    order = np.lexsort((-values, high, low))
    pair = low[order] * np.intp(len(looks)) + high[order]
    first = order[np.diff(pair, prepend=-1) != 0]  # a symmetric picture: the better sense
    return Pairs(low[first], high[first], flags[first], values[first])


def _distinct(looks: Looks) -> tuple[Rows, Rows, Rows]:
    """Sort out identical looks, and flat ones.

    Returns:
        one row of each look that is not flat, in an order that depends on the looks only;
        the rows of all others that are not flat; for each of these its row in the first.
    """
    shown = np.array([row for row, one in enumerate(looks) if one.std() >= MIN_CONTRAST], np.intp)
    digests = [hashlib.blake2b(looks[row].tobytes(), digest_size=8).digest() for row in shown]
    keys = np.frombuffer(b"".join(digests), np.uint64)
    _, first, same = np.unique(keys, return_index=True, return_inverse=True)
    again = first[same] != np.arange(len(shown))
    return shown[first], shown[again], shown[first[same[again]]]


def _alike(looks: Looks) -> tuple[Rows, Rows, NDArray[np.bool_], NDArray[np.float32]]:
    """Pair distinct looks: one, two, mirrored, likeness."""
    if len(looks) < 2:
        return _NONE, _NONE, np.zeros(0, bool), np.zeros(0, np.float32)
    one, two, mirrored, cosine = near_pairs(
        edge_layouts(looks), count=NEIGHBOURS, at_least=MIN_LAYOUT
    )
    likeness = _compare(looks, one, two, mirrored)
    again = np.flatnonzero((likeness < MIN_LIKENESS) & (cosine >= SECOND_LOOK))
    likeness[again] = np.maximum(
        likeness[again], _compare(looks, two[again], one[again], mirrored[again])
    )
    kept = likeness >= MIN_LIKENESS
    return one[kept], two[kept], mirrored[kept], np.minimum(likeness[kept], 1)


def _compare(
    looks: Looks, one: Rows, two: Rows, mirrored: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return the likeness of pairs, laying the second, mirrored or not, over the first."""
    likeness = np.zeros(len(one), np.float32)
    for start in range(0, len(one), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        twos = looks[two[part]]
        twos[mirrored[part]] = twos[mirrored[part], :, ::-1]
        likeness[part] = _likeness(looks[one[part]], twos)
    return likeness


def _likeness(ones: Looks, twos: Looks) -> NDArray[np.float32]:
    """Lay (P, 48, 48) pictures over each other, coarse to fine; 0 where there is no hope."""
    fine = np.stack([ones, twos]).astype(np.float32)
    half = np.stack([halved(pictures) for pictures in fine])
    quarter = np.stack([halved(pictures) for pictures in half])
    rows, placements = np.arange(len(ones)), unmoved(len(ones))
    for level, steps, least in ((quarter, 8, MIN_COARSEST), (half, 6, MIN_COARSE)):
        one, two = level[:, rows]
        placements = fit(one, two, placements, steps=steps)
        hopeful = agreement(*shared(one, two, placements), blurs=1) >= least
        rows, placements = rows[hopeful], placements[hopeful]
    one, two = fine[:, rows]
    placements = fit(one, two, placements, steps=3)
    one, two = shared(one, two, placements)
    detail = agreement(one, two, blurs=4, dropped=MARKED)
    layout = trimmed_cosine(cells_of(one), cells_of(two), dropped=MARKED)
    likeness = (detail + LAYOUT_WEIGHT * layout) / (1 + LAYOUT_WEIGHT)
    out = np.zeros(len(ones), np.float32)
    out[rows] = np.where(overlap(placements) >= MIN_OVERLAP, likeness, 0)
    return out


_NONE = np.zeros(0, np.intp)
