"""Show where in a photo the network saw the landmark.

In:  the feature map of a photo and the head's weights for one landmark.
Out: a heatmap, and the photo with the heatmap over it.

Class activation mapping; NumPy and Pillow only.
Source: Zhou et al. 2016, https://arxiv.org/abs/1512.04150
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from waymark.errors import ShapeError
from waymark.preprocess import Fit

if TYPE_CHECKING:
    from PIL.Image import Image

LONGEST = 1024  # px: side of the largest picture drawn
OPACITY = 0.75  # of the heatmap where it is hottest
# Colours from cold to hot, evenly spaced; between them, straight lines.
# Source: YlOrRd of https://colorbrewer2.org
_COLOURS = ((255, 237, 160), (254, 178, 76), (240, 59, 32), (189, 0, 38))


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
