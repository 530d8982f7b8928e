"""What of a photo the network sees: the whole of it, or four views.

In:  an upright RGB image.
Out: (V, 3, size, size) float32, as `preprocess` makes each view.

By itself it loads neither a bundle nor ONNX Runtime: a process that only decodes uses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from waymark.preprocess import Preprocess, prepare

if TYPE_CHECKING:
    from PIL.Image import Image

_ASPECT_CROP = 0.875  # of the shorter side: the second view of `tta`


def photo_views(image: Image, preprocess: Preprocess, *, tta: bool = False) -> NDArray[np.float32]:
    """Return one view of a photo, or the four of `tta`: whole and centre, each also mirrored."""
    views = [prepare(image, preprocess)]
    if tta:
        side = _ASPECT_CROP * min(image.size)
        left, top = ((length - side) / 2 for length in image.size)
        centre = image.crop((round(left), round(top), round(left + side), round(top + side)))
        views.append(prepare(centre, preprocess))
        views += [view[:, :, ::-1] for view in views]
    return np.stack(views)
