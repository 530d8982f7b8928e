"""Tell from the pixels of one photo whether it is blank, too dark, blurred or a drawing.

In:  an upright RGB image.
Out: `Measures`, a few numbers, and the `Fault`s that they mean.

NumPy and Pillow only; a fraction of a millisecond for a small photo.

Source of the limits: `BLURRED` was set between 1,000 photos of provence and 2,500 of
world/train as they are (the softest has -1.1) and the same photos after a Gaussian blur of
2-4 px at 96 px, saved as JPEG of quality 75-95 (99 in 100 are below -1.6). The weights of
`drawn` are a logistic regression of 60 charts, pages of text and logos, of 330 and of 96 px,
against 6,584 photos of provence, pakistan, world/train and negatives/train; of halves that it
was not fitted on it finds 80 %. `DRAWN`, `DARK` and `BLANK` were set by eye: of 20,029 photos
of world/train 3 are called drawings (2 are, 1 has a frame) and 15 dark (all are).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

    from waymark.curate.finding import Kind, Suggestion

SIDE = 96  # px, of the shorter side at which sharpness is measured
TINY = 32  # px: a quarter of the side of what the world bundle's network sees
BLANK = 10  # grey levels between the darkest and the lightest 1 % of the pixels
DARK = 40  # grey level that 95 % of the pixels do not reach
BLURRED = -1.25  # logarithm of a ratio of energies; see `sharpness`
DRAWN = -0.75  # log-odds; see `drawn`
_DRAWN_WEIGHTS, _DRAWN_BIAS = (3.73, 4.67, 2.27, -5.94, 10.08), -12.51
_SAME = 3  # grey levels
_GREY = 3.0  # grey levels between red and blue, on average, of a picture without colour
_TILE = 16  # px
_NOISE = 2.0  # grey levels squared: what a JPEG of a plain surface has
_BUSY = 20.0  # grey levels squared: less in a tile is hardly above the noise
_FEWEST = 3  # tiles
_WHOLE = 8  # steps up to which a photo is small enough to be copied whole
_GRID = 192  # px, of the longer side at which colours are counted


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """What is wrong with one photo.

    Attributes:
        kind: as in a `Finding`.
        severity: 0 to 1.
        suggest: what to do.
        reason: what was seen, in words.
    """

    kind: Kind
    severity: float
    suggest: Suggestion
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Measures:
    """Numbers of one photo's pixels.

    Attributes:
        spread: grey levels between the darkest and the lightest 1 % of the pixels, of the
            colour that differs most.
        light: grey level that 95 % of the pixels do not reach.
        sharpness: see `sharpness`.
        drawn: see `drawn`.
    """

    spread: float
    light: float
    sharpness: float
    drawn: float


def measure(image: Image) -> Measures:
    """Measure an RGB image of any size."""
    from PIL.Image import Resampling

    grey = whole = image.convert("L")
    scale = SIDE / min(grey.size)
    if scale < 1:
        size = (max(SIDE, round(grey.width * scale)), max(SIDE, round(grey.height * scale)))
        grey = grey.resize(size, Resampling.BOX, reducing_gap=2.0)
    step = -(-max(image.size) // _GRID)
    pixels = _every(image, step)
    spread, light = _levels(image, whole)
    return Measures(
        spread=spread,
        light=light,
        sharpness=sharpness(np.asarray(grey, np.float32)),
        drawn=drawn(pixels),
    )


def _every(image: Image, step: int) -> NDArray[np.uint8]:
    """Return every `step`-th pixel of every `step`-th row; of large photos no whole copy."""
    if step <= _WHOLE:
        return np.asarray(image)[::step, ::step]
    rows = (image.crop((0, top, image.width, top + 1)) for top in range(0, image.height, step))
    return np.concatenate([np.asarray(row)[:, ::step] for row in rows])


def faults_of(measures: Measures, size: tuple[int, int]) -> list[Fault]:
    """Say what is wrong with a photo.

    A blank or dark photo is not also called blurred or a drawing.

    Args:
        measures: of its pixels.
        size: width and height of the file's photo, in pixels.
    """
    found = []
    if min(size) < TINY:
        found.append(
            Fault(
                kind="tiny",
                severity=1 - min(size) / TINY,
                suggest="review",
                reason=f"{size[0]} x {size[1]} px; sides under {TINY} px show too little",
            )
        )
    if measures.spread <= BLANK:
        reason = f"one plain colour: all but 2 % of it within {measures.spread:.0f} grey levels"
        severity = 1 - 0.5 * measures.spread / BLANK
        found.append(Fault(kind="blank", severity=severity, suggest="drop", reason=reason))
    elif measures.light <= DARK:
        reason = f"95 % of it is darker than grey level {measures.light:.0f} of 255"
        severity = 1 - 0.7 * measures.light / DARK
        found.append(Fault(kind="dark", severity=severity, suggest="review", reason=reason))
    else:
        if measures.sharpness < BLURRED:
            severity = min(1.0, 0.3 + 0.7 * (BLURRED - measures.sharpness))
            reason = (
                "no fine detail even where it is busiest: as if out of focus, moved or enlarged"
            )
            found.append(Fault(kind="blurred", severity=severity, suggest="review", reason=reason))
        if measures.drawn > DRAWN:
            found.append(
                Fault(
                    kind="drawing",
                    severity=min(0.8, 0.4 + 0.1 * (measures.drawn - DRAWN)),
                    suggest="review",
                    reason="plain ground, few colours, little texture: a drawing, a logo, a "
                    "screenshot or a cut-out?",
                )
            )
    return found


def sharpness(grey: NDArray[np.float32]) -> float:
    """Compare fine with coarser detail where a photo is busiest.

    Second differences at half and at a quarter of the size are compared tile by tile, among
    those of the third of the tiles with most of the latter that have more than noise; of
    these the sharpest fifth counts, so that a sky or a background out of focus do not. Fog,
    in which no tile has more than noise, is near 0 as well.

    Args:
        grey: (H, W), 0-255, whose shorter side is `SIDE` or less.

    Returns:
        Natural logarithm of the ratio of energies; about 0 for a sharp photo, below
        `BLURRED` for a blurred one. 0 where a side is shorter than two tiles.
    """
    height, width = (length // _TILE * _TILE for length in grey.shape)
    if min(height, width) < 2 * _TILE:
        return 0.0
    top, left = (grey.shape[0] - height) // 2, (grey.shape[1] - width) // 2
    half = _halved(grey[top : top + height, left : left + width])
    fine, coarse = _energies(half, _TILE // 2), _energies(_halved(half), _TILE // 4)
    busy = np.argsort(-coarse)[: max(_FEWEST, len(coarse) // 3)]
    busy = busy[: max(_FEWEST, np.count_nonzero(coarse > _BUSY))]
    ratios = np.log(fine[busy] + _NOISE) - np.log(coarse[busy] + _NOISE)
    return float(np.quantile(ratios, 0.8))


def _halved(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    rows = grey[0::2] + grey[1::2]
    mean: NDArray[np.float32] = (rows[:, 0::2] + rows[:, 1::2]) * np.float32(0.25)
    return mean


def _energies(grey: NDArray[np.float32], tile: int) -> NDArray[np.float32]:
    """Mean square of the second differences along both axes in each tile, as one row."""
    height, width = grey.shape
    across, down = np.zeros_like(grey), np.zeros_like(grey)
    across[:, 1:-1] = grey[:, :-2] - 2 * grey[:, 1:-1] + grey[:, 2:]
    down[1:-1] = grey[:-2] - 2 * grey[1:-1] + grey[2:]
    energy = across * across + down * down
    tiles = energy.reshape(height // tile, tile, width // tile, tile).mean(axis=(1, 3))
    flat: NDArray[np.float32] = tiles.ravel()
    return flat


def _levels(image: Image, grey: Image) -> tuple[float, float]:
    """Return how far apart the 1st and 99th percentile are, and the 95th of the greys."""
    counts = np.array(image.histogram(), np.int64).reshape(3, 256).cumsum(axis=1)
    total = counts[0, -1]
    low = (counts <= 0.01 * total).sum(axis=1)
    high = (counts < 0.99 * total).sum(axis=1)
    greys = np.array(grey.histogram(), np.int64).cumsum()
    return float((high - low).max()), float((greys < 0.95 * total).sum())


def drawn(pixels: NDArray[np.uint8]) -> float:
    """Score how much a picture is like a drawing: plain ground, few colours, no texture.

    Five shares in a fixed sum. The ground is the most frequent colour: how much of the
    picture it covers, how much of the second-least and second-most of its four sides, and
    how light it is; how much of the rest changes softly, as only photos do; and how much of
    the rest has one of eleven colours.

    Args:
        pixels: (H, W, 3), of at most some 200 px a side.

    Returns:
        Log-odds; above `DRAWN` for a drawing, a chart, a logo or a screenshot.
    """
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1)).astype(np.int16)
    red, green, blue = planes >> 4
    index = (red << 8) | (green << 4) | blue
    if np.abs(planes[0] - planes[2]).mean() < _GREY:
        index = planes[1] >> 2  # greys would have 16 colours in all
    counts = np.bincount(index.ravel(), minlength=4096)
    most = index == counts.argmax()
    colour = np.array([plane[most].mean() for plane in planes]).round().astype(np.int16)
    ground = np.maximum.reduce(np.abs(planes - colour[:, None, None])) <= _SAME
    sides = np.median([ground[0].mean(), ground[-1].mean(), *ground[:, [0, -1]].mean(axis=0)])
    steps = np.maximum.reduce(np.abs(planes[:, :, 1:] - planes[:, :, :-1]))
    steps = steps[~(ground[:, 1:] | ground[:, :-1])]
    soft = ((steps > 3) & (steps < 24)).mean() if steps.size else 0.0
    ranked = np.sort(np.partition(counts, -12)[-12:])
    few = ranked[:-1].sum() / max(1, index.size - ranked[-1])
    shares = (ground.mean(), sides, colour.mean() / 255, soft, few)
    return float(np.dot(_DRAWN_WEIGHTS, shares) + _DRAWN_BIAS)
