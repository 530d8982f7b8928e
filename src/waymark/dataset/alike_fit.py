"""Lay one small grey picture over another, and say how well they agree.

In:  pairs of pictures.
Out: for each pair the crop and stretch that fits best, and the agreement in detail there.

A placement has 4 numbers: scale and shift, down and across, in units of half the side. It
is found by Gauss-Newton steps on the difference of the two pictures, brightness and contrast
taken out, with the mean of both pictures' slopes (efficient second-order minimisation), at
12, then 24, then 48 pixels.

Source: Malis 2004, "Improving vision-based control using efficient second-order minimization
techniques".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from waymark.dataset.alike_near import CELLS, LOOK_SIDE

NOISE = 0.25  # variance of a look's pixels, in squared grey levels, that agrees with nothing
MAX_SCALE, MAX_SHIFT = 1.35, 0.3

Stack = NDArray[np.float32]


def unmoved(count: int) -> Stack:
    """Return (count, 4) placements of one picture straight over the other."""
    return np.tile(np.array([1, 0, 1, 0], np.float32), (count, 1))


def fit(ones: Stack, twos: Stack, placements: Stack, *, steps: int) -> Stack:
    """Improve the placements of pictures `twos` over `ones`.

    Args:
        ones: (P, S, S), any range.
        twos: (P, S, S).
        placements: (P, 4) to begin with: scale and shift down, scale and shift across.
        steps: Gauss-Newton steps.

    Returns:
        (P, 4), of those tried the one with the least difference: `ones` at u shows what
        `twos` shows at scale * u + shift, with u from -1 to 1 across the picture.
    """
    count, side = ones.shape[:2]
    at = _positions(side)
    slopes = _slopes(ones)
    best, least = placements, np.full(count, np.inf, np.float32)
    for step in range(steps + 1):
        placed, mask = place(twos, placements)
        one, one_size = _standard(ones, mask)
        two, two_size = _standard(placed, mask)
        apart = (one - two).reshape(count, side * side, 1)
        loss = np.square(apart).sum(axis=(1, 2))
        better = loss < least
        best, least = np.where(better[:, None], placements, best), np.minimum(loss, least)
        if step == steps:
            break
        half = mask * np.float32(side / 4)  # the mean of two slopes, per half side
        down, across = (
            (mine / one_size + theirs / two_size) * half
            for mine, theirs in zip(slopes, _slopes(placed), strict=True)
        )
        ways = np.stack([down * at[:, None], down, across * at, across], axis=1)
        ways = ways.reshape(count, 4, side * side)
        ways -= ways.mean(axis=2, keepdims=True)
        bend = ways @ ways.transpose(0, 2, 1)
        damping = np.float32(1e-3) * np.trace(bend, axis1=1, axis2=2) + np.float32(1e-6)
        bend += damping[:, None, None] * np.eye(4, dtype=np.float32)
        move = np.linalg.solve(bend, ways @ apart)[:, :, 0]
        placements = placements + np.clip(move, -0.15, 0.15)
        placements[:, ::2] = np.clip(placements[:, ::2], 1 / MAX_SCALE, MAX_SCALE)
        placements[:, 1::2] = np.clip(placements[:, 1::2], -MAX_SHIFT, MAX_SHIFT)
    return best


def place(pictures: Stack, placements: Stack) -> tuple[Stack, Stack]:
    """Return the pictures as placed, (P, S, S), and where there is any: 1, else 0."""
    side = pictures.shape[1]
    rows, rows_seen = _sampling(placements[:, 0], placements[:, 1], side)
    columns, columns_seen = _sampling(placements[:, 2], placements[:, 3], side)
    placed: Stack = np.matmul(rows @ pictures, columns.transpose(0, 2, 1), dtype=np.float32)
    return placed, rows_seen[:, :, None] * columns_seen[:, None, :]


def shared(ones: Stack, twos: Stack, placements: Stack) -> tuple[Stack, Stack]:
    """Cut out what both pictures show, (P, S, S) each: a pixel of one lies on the other's."""
    scale, shift = placements[:, ::2], placements[:, 1::2]
    low, high = _ends(scale, shift)
    mine, theirs = np.empty_like(placements), np.empty_like(placements)
    mine[:, ::2], mine[:, 1::2] = (high - low) / 2, (high + low) / 2
    theirs[:, ::2], theirs[:, 1::2] = scale * mine[:, ::2], scale * mine[:, 1::2] + shift
    return place(ones, mine)[0], place(twos, theirs)[0]


def agreement(ones: Stack, twos: Stack, *, blurs: int, dropped: int = 0) -> Stack:
    """Correlate what is finer than `blurs` small blurs of two pictures that lie on each other.

    Two photos of one tower before the sky correlate as they are; in detail they do not.

    Args:
        ones: (P, S, S), S a multiple of 6.
        twos: (P, S, S).
        blurs: number of blurs.
        dropped: of the 6 x 6 cells, how many of those that agree least do not count.

    Returns:
        (P,), at most 1; noise agrees with nothing, so flat pictures get about 0.
    """
    one, two = (_in_cells(pictures - _blurred(pictures, blurs)) for pictures in (ones, twos))
    noise = NOISE * (ones.shape[1] / LOOK_SIDE) ** 2  # means of more pixels have less
    return trimmed_cosine(one, two, dropped=dropped, noise=noise * one.shape[2])


def trimmed_cosine(ones: Stack, twos: Stack, *, dropped: int, noise: float = 0.0) -> Stack:
    """Return the cosine of vectors, without the parts in which they differ most.

    Args:
        ones: (P, C, K), a vector in C parts.
        twos: (P, C, K).
        dropped: how many parts to leave out.
        noise: squared length to add to each part, which agrees with nothing.

    Returns:
        (P,), -1 to 1; 0 for vectors of length 0.
    """
    both, first, second = (
        np.einsum("pck,pck->pc", a, b) for a, b in ((ones, twos), (ones, ones), (twos, twos))
    )
    first, second = first + np.float32(noise + 1e-12), second + np.float32(noise + 1e-12)
    if dropped:
        one, two = (parts.sum(axis=1, keepdims=True) for parts in (first, second))
        apart = first / one + second / two - 2 * both / np.sqrt(one * two)
        least = np.argpartition(apart, -dropped, axis=1)[:, :-dropped]
        both, first, second = (
            np.take_along_axis(parts, least, axis=1) for parts in (both, first, second)
        )
    cosine: Stack = both.sum(axis=1) / np.sqrt(first.sum(axis=1) * second.sum(axis=1))
    return cosine


def overlap(placements: Stack) -> Stack:
    """Return the share (P,) of the first pictures that the second ones cover as placed."""
    low, high = _ends(placements[:, ::2], placements[:, 1::2])
    share: Stack = np.prod(high - low, axis=1) / 4
    return share


def _ends(scale: Stack, shift: Stack) -> tuple[Stack, Stack]:
    """Return where on the first picture, -1 to 1, the second begins and ends."""
    low = np.clip((-1 - shift) / scale, -1, 1)
    return low, np.clip((1 - shift) / scale, low, 1)


def _in_cells(pictures: Stack) -> Stack:
    """Return (P, 36, S * S / 36) pixels, the mean taken out, in 6 x 6 cells."""
    count, side = len(pictures), pictures.shape[1] // CELLS
    cells = (pictures - pictures.mean(axis=(1, 2), keepdims=True)).reshape(
        count, CELLS, side, CELLS, side
    )
    apart: Stack = cells.transpose(0, 1, 3, 2, 4).reshape(count, CELLS * CELLS, side * side)
    return apart


def _positions(side: int) -> NDArray[np.float32]:
    """Return where the pixels' centres are, -1 to 1."""
    return ((np.arange(side) + 0.5) * 2 / side - 1).astype(np.float32)


def _sampling(scale: Stack, shift: Stack, side: int) -> tuple[Stack, Stack]:
    """Return (P, S, S) weights of linear interpolation along one axis, and (P, S) seen."""
    at: Stack = (scale[:, None] * _positions(side) + shift[:, None] + 1) * np.float32(side / 2)
    at -= np.float32(0.5)
    away = np.abs(at[:, :, None] - np.arange(side, dtype=np.float32))
    seen = (at > -0.51) & (at < side - 0.49)
    return np.maximum(1 - away, np.float32(0)), seen.astype(np.float32)


def _standard(pictures: Stack, mask: Stack) -> tuple[Stack, Stack]:
    """Return pictures with mean 0 and length 1 under the mask, and their lengths (P, 1, 1)."""
    number = np.maximum(mask.sum(axis=(1, 2), keepdims=True), 1)
    rest = (pictures - (pictures * mask).sum(axis=(1, 2), keepdims=True) / number) * mask
    size = np.sqrt(np.square(rest).sum(axis=(1, 2), keepdims=True)) + np.float32(1e-3)
    return rest / size, size


def _slopes(pictures: Stack) -> tuple[Stack, Stack]:
    """Return slopes down and across, per pixel; 0 at the border."""
    down, across = np.zeros_like(pictures), np.zeros_like(pictures)
    down[:, 1:-1] = (pictures[:, 2:] - pictures[:, :-2]) / 2
    across[:, :, 1:-1] = (pictures[:, :, 2:] - pictures[:, :, :-2]) / 2
    return down, across


def _blurred(pictures: Stack, times: int) -> Stack:
    """Blur with weights 1, 2, 1 down and across, several times."""
    for _ in range(times):
        padded = np.pad(pictures, ((0, 0), (1, 1), (1, 1)), mode="edge")
        tall = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
        pictures = tall[:, :, :-2] + 2 * tall[:, :, 1:-1] + tall[:, :, 2:]
        pictures *= np.float32(1 / 16)
    return pictures
