"""Show where in a photo the network saw the landmark.

In:  the feature map of a photo and the head's weights for one landmark; or, where the
     head does not see an average of the feature map, a network to ask again and again.
Out: a heatmap, and the photo with the heatmap over it.

Class activation mapping, and occlusion for the other networks; NumPy and Pillow only.
Source: Zhou et al. 2016, https://arxiv.org/abs/1512.04150 (activation);
    Zeiler and Fergus 2014, section 4.2, https://arxiv.org/abs/1311.2901 (occlusion)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from waymark.errors import ShapeError
from waymark.preprocess import Fit

if TYPE_CHECKING:
    from PIL.Image import Image

LONGEST = 1024  # px: side of the largest picture drawn
OPACITY = 0.75  # of the heatmap where it is hottest
CELLS = 7  # a side of an occlusion map
_BATCH = 8
_AVERAGED = ("mean", "gem")
# Colours from cold to hot, evenly spaced; between them, straight lines.
# Source: YlOrRd of https://colorbrewer2.org
_COLOURS = ((255, 237, 160), (254, 178, 76), (240, 59, 32), (189, 0, 38))


def is_averaged(backbone: Mapping[str, Any]) -> bool:
    """Say whether a network's head sees an average of its feature map, and nothing between.

    Only then do the head's weights tell where in the photo the evidence lies.

    Args:
        backbone: that of a bundle's manifest; without a `design` it is such a network.
    """
    design = backbone.get("design")
    if not isinstance(design, Mapping):
        return True
    return design.get("pool", "mean") in _AVERAGED and not design.get("hidden")


def heatmap(feature_map: NDArray[np.floating], weight: NDArray[np.floating]) -> NDArray[np.float32]:
    """Weigh each place of the feature map by what it says for one landmark.

    Args:
        feature_map: (D, h, w), whose average over h and w is the embedding.
        weight: (D,), the head's weights of the landmark.

    Returns:
        (h, w) float32, 0 (nothing here) to 1 (most of the evidence).

    Raises:
        ShapeError: if the shapes do not fit each other.
    """
    if feature_map.ndim != 3 or weight.shape != feature_map.shape[:1]:
        raise ShapeError(
            f"feature map {feature_map.shape} and weight {weight.shape} do not fit: "
            "expected (D, h, w) and (D,)."
        )
    heat = np.maximum(np.tensordot(weight, feature_map, axes=1), 0).astype(np.float32)
    return heat / max(float(heat.max()), 1e-12)


def occlusion(
    logits_of: Callable[[NDArray[np.float32]], NDArray[np.floating]],
    photo: NDArray[np.float32],
    index: int,
    *,
    cells: int = CELLS,
) -> NDArray[np.float32]:
    """Cover one place of a photo after the other, and see how much less likely it makes a class.

    A cover is two cells wide and of the mean colour, which is 0 once a photo is normalised.

    Args:
        logits_of: the network: (N, 3, H, W) -> (N, C).
        photo: (3, H, W), normalised.
        index: of the class.
        cells: places along each side.

    Returns:
        (cells, cells) float32, 0 (it does not matter) to 1 (it matters most): how much the
        logarithm of the class's score falls.
    """
    height, width = photo.shape[1:]
    tops, lefts = (np.linspace(0, side, cells + 1) for side in (height, width))
    views = [photo]
    said: list[NDArray[np.floating]] = []
    for row in range(cells):
        for column in range(cells):
            covered = photo.copy()
            middle_y, middle_x = tops[row : row + 2].mean(), lefts[column : column + 2].mean()
            top, bottom = (max(0, round(middle_y + d * height / cells)) for d in (-1, 1))
            left, right = (max(0, round(middle_x + d * width / cells)) for d in (-1, 1))
            covered[:, top:bottom, left:right] = 0
            views.append(covered)
            if len(views) == _BATCH:
                said.append(logits_of(np.stack(views)))
                views.clear()
    if views:
        said.append(logits_of(np.stack(views)))
    logits = np.concatenate(said).astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    sure = logits[:, index] - np.log(np.exp(logits).sum(axis=1))
    fall: NDArray[np.float32] = np.maximum(sure[0] - sure[1:], 0).astype(np.float32)
    fall = fall.reshape(cells, cells)
    return fall / max(float(fall.max()), 1e-12)


def overlay(image: Image, heat: NDArray[np.floating], *, fit: Fit = "squash") -> Image:
    """Lay a heatmap over the photo that it is of.

    Args:
        image: the upright RGB photo, of any size.
        heat: (h, w), 0 to 1.
        fit: how the photo was made a square, so that the heat lies where it belongs.

    Returns:
        An RGB picture in the photo's aspect, at most `LONGEST` pixels on its longer side.
    """
    import PIL.Image

    picture = image.copy()
    picture.thumbnail((LONGEST, LONGEST), PIL.Image.Resampling.LANCZOS, reducing_gap=2.0)
    width, height = picture.size
    side = {"squash": None, "crop": min(width, height), "pad": max(width, height)}[fit]
    cells = PIL.Image.fromarray(np.asarray(heat, dtype=np.float32))
    smooth = cells.resize((side or width, side or height), PIL.Image.Resampling.BICUBIC)
    if side:  # the square shares its centre with the photo; what it does not cover is cold
        left, top = (side - width) // 2, (side - height) // 2
        smooth = smooth.crop((left, top, left + width, top + height))
    strength = np.clip(np.asarray(smooth), 0, 1)[..., None]
    photo = np.asarray(picture, dtype=np.float32)
    mixed = photo + OPACITY * strength * (_coloured(strength[..., 0]) - photo)
    return PIL.Image.fromarray(np.clip(np.rint(mixed), 0, 255).astype(np.uint8))


def _coloured(heat: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return (h, w, 3) colours 0 to 255 of a heatmap 0 to 1."""
    stops = np.linspace(0, 1, len(_COLOURS))
    channels = [np.interp(heat, stops, levels) for levels in zip(*_COLOURS, strict=True)]
    return np.stack(channels, axis=-1).astype(np.float32)
