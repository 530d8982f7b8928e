"""Group photos that are nearly the same picture: copies, rescaled, recompressed, mirrored.

In:  paths of photos.
Out: a group number for each; photos of one group must stay on one side of a split.

Two photos are near-duplicates where few of the 64 bits of their perceptual hashes differ
and their thumbnails correlate. The hash alone would merge different photos of one
silhouette, and flat pictures, whose hash is noise. Candidates come from a multi-index, so
that the work grows nearly in proportion to the number of photos.

Source: perceptual hash as in imagehash.phash; multi-index hashing, Norouzi et al. 2012,
https://arxiv.org/abs/1307.2982. Limits chosen by eye on the pairs found in 20,000 photos
of 54 landmarks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from waymark.errors import PhotoError
from waymark.progress import Progress, silent

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 32
"""Side of the thumbnail that is hashed, in pixels."""
MAX_BITS = 6
"""Bits that may differ; at most 7, or the four-part index would miss pairs."""
MAX_BITS_MIRRORED = 4
_PAIRS_AT_ONCE = 1 << 21

Pairs = tuple[NDArray[np.intp], NDArray[np.intp]]


def near_duplicate_groups(
    paths: Sequence[Path], *, workers: int | None = None, progress: Progress | None = None
) -> list[int]:
    """Return a group number for each photo, counted from 0 in order of first appearance.

    A photo that cannot be read is a group of its own.
    """
    from waymark.photo import decode_many

    report = progress or silent
    thumbs = np.zeros((len(paths), SIDE, SIDE), np.uint8)
    decoded = decode_many(paths, thumbnail, min_side=2 * SIDE, workers=workers)
    for done, thumb in enumerate(decoded):
        if not isinstance(thumb, PhotoError):
            thumbs[done] = thumb
        report(done + 1, len(paths), "comparing photos")
    return [int(group) for group in group_thumbnails(thumbs)]


def thumbnail(photo: Image) -> NDArray[np.uint8]:
    """Return the (32, 32) grey thumbnail, 0-255, that is hashed."""
    from PIL.Image import Resampling

    return np.asarray(photo.convert("L").resize((SIDE, SIDE), Resampling.LANCZOS))


def perceptual_hashes(thumbs: NDArray[np.uint8], *, mirrored: bool = False) -> NDArray[np.uint64]:
    """Hash thumbnails: each bit says whether a low frequency is above their median.

    Args:
        thumbs: (N, 32, 32), 0-255.
        mirrored: hash the thumbnails as if flipped left to right.

    Returns:
        (N,), 64 bits each, the same as `imagehash.phash` of the photo.
    """
    cosines = _cosines()
    spectrum = cosines @ thumbs.astype(np.float64) @ cosines.T
    if mirrored:
        spectrum[:, :, 1::2] *= -1
    low = spectrum.reshape(len(thumbs), 64)
    bits = low > np.median(low, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8")[:, 0].astype(np.uint64)


def group_thumbnails(thumbs: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Group near-duplicates among (N, 32, 32) thumbnails, 0-255.

    Returns:
        (N,) group numbers, counted from 0 in order of first appearance. A flat thumbnail
        is a group of its own.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(thumbs)
    if count == 0:
        return np.zeros(0, np.int64)
    hashes = perceptual_hashes(thumbs)
    looks = _normalised(thumbs)
    _, first, same = np.unique(hashes, return_index=True, return_inverse=True)
    copies = np.arange(count), first[same]
    edges = [_alike(*copies, np.zeros(count), looks, looks)]

    unique = np.sort(first)
    hashes = hashes[unique]
    mirror_hashes = perceptual_hashes(thumbs[unique], mirrored=True)
    mirror_looks = looks.reshape(-1, SIDE // 2, SIDE // 2)[:, :, ::-1].reshape(count, -1)
    for others, other_looks, limit in (
        (hashes, looks, MAX_BITS),
        (mirror_hashes, mirror_looks, MAX_BITS_MIRRORED),
    ):
        for one, two in _candidates(hashes, others):
            bits = np.bitwise_count(hashes[one] ^ others[two])
            close = bits <= limit
            pair = unique[one[close]], unique[two[close]]
            edges.append(_alike(*pair, bits[close], looks, other_looks))

    rows = np.concatenate([one for one, _ in edges])
    columns = np.concatenate([two for _, two in edges])
    graph = coo_array((np.ones(len(rows), bool), (rows, columns)), shape=(count, count))
    _, groups = connected_components(graph, directed=False)
    _, start, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(start))[inverse].astype(np.int64)


def _cosines() -> NDArray[np.float64]:
    """First 8 rows of the (unscaled) discrete cosine transform of 32 samples."""
    return 2 * np.cos(np.pi * np.outer(np.arange(8), 2 * np.arange(SIDE) + 1) / (2 * SIDE))


def _normalised(thumbs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (N, 256) thumbnails of 16 px with mean 0 and length 1; flat ones are all 0."""
    half = SIDE // 2
    looks: NDArray[np.float32] = thumbs.reshape(-1, half, 2, half, 2).mean(
        axis=(2, 4), dtype=np.float32
    )
    looks = looks.reshape(len(thumbs), half * half)
    looks -= looks.mean(axis=1, keepdims=True)
    length = np.sqrt(np.square(looks).sum(axis=1, keepdims=True))
    looks /= np.where(length > 1e-3, length, np.inf)
    return looks


def _alike(
    one: NDArray[np.intp],
    two: NDArray[np.intp],
    bits: NDArray[np.generic],
    looks: NDArray[np.float32],
    other_looks: NDArray[np.float32],
) -> Pairs:
    """Keep the pairs that correlate: the more bits differ, the more they must."""
    likeness = np.einsum("nd,nd->n", looks[one], other_looks[two])
    kept = likeness >= 0.75 + 0.02 * bits.astype(np.float32)
    return one[kept], two[kept]


def _candidates(hashes: NDArray[np.uint64], others: NDArray[np.uint64]) -> Iterator[Pairs]:
    """Yield pairs i < j that agree, but for one bit, in one of four 16-bit parts.

    Any two hashes with at most 7 different bits are among them.
    """
    for shift in np.arange(0, 64, 16, dtype=np.uint64):
        keys = (hashes >> shift).astype(np.uint16)
        other_keys = (others >> shift).astype(np.uint16)
        order = np.argsort(other_keys, kind="stable")
        sorted_keys = other_keys[order]
        for flipped in (0, *(1 << bit for bit in range(16))):
            wanted = keys ^ np.uint16(flipped)
            start = np.searchsorted(sorted_keys, wanted, "left")
            counts = np.searchsorted(sorted_keys, wanted, "right") - start
            total = np.cumsum(counts)
            cuts = np.searchsorted(total, np.arange(_PAIRS_AT_ONCE, total[-1], _PAIRS_AT_ONCE))
            for part in np.split(np.arange(len(keys)), cuts):
                size = counts[part]
                one = np.repeat(part, size)
                before = np.repeat(np.cumsum(size) - size, size)
                two = order[np.repeat(start[part], size) + np.arange(len(one)) - before]
                kept = one < two
                yield one[kept], two[kept]
