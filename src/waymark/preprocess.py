"""Turn a photo into model input.

In:  an upright RGB PIL image of any size.
Out: (3, size, size) float32, normalised; the array the network sees.

Training, evaluation, prediction and the bundle all use this one module, so a photo
is prepared the same way everywhere. NumPy and Pillow only.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from waymark.errors import ConfigError

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Fit = Literal["squash", "crop", "pad"]
Filter = Literal["bilinear", "bicubic", "lanczos", "box", "hamming"]


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """How photos are prepared. Saved inside every bundle.

    Attributes:
        size: side of the square the network sees, in pixels; a multiple of 32.
        fit: how a photo of any aspect becomes a square: `squash` ignores the aspect,
            `crop` keeps the centre, `pad` adds grey.
        filter: Pillow's resampling filter, always with anti-aliasing.
        mean: what is subtracted from each channel, in the 0-1 range.
        std: what each channel is divided by, in the 0-1 range.
        decode: a JPEG may be decoded at a reduced scale as long as its shorter side
            stays at least `decode` times `size`.
    """

    size: int = 128
    fit: Fit = "squash"
    filter: Filter = "bicubic"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    decode: float = 2.0

    def __post_init__(self) -> None:
        """Refuse values that no network could be fed with."""
        if type(self.size) is not int or not 32 <= self.size <= 1024 or self.size % 32:
            raise ConfigError(
                f"size is {self.size} px; it must be a multiple of 32 between 32 and 1024."
            )
        if self.fit not in ("squash", "crop", "pad"):
            raise ConfigError(f"fit is {self.fit!r}; use squash, crop or pad.")
        if self.filter not in ("bilinear", "bicubic", "lanczos", "box", "hamming"):
            raise ConfigError(
                f"filter is {self.filter!r}; use bilinear, bicubic, lanczos, box or hamming."
            )
        if len(self.mean) != 3 or len(self.std) != 3 or not all(s > 0 for s in self.std):
            raise ConfigError("mean and std need three values each, and std must be positive.")
        if not 1 <= self.decode <= 64:
            raise ConfigError(f"decode is {self.decode}; it must be between 1 and 64.")

    @property
    def min_side(self) -> int:
        """Shorter side, in pixels, below which a JPEG must not be reduced while decoding."""
        return round(self.size * self.decode)

    def at(self, size: int) -> Preprocess:
        """Return the same preparation for another input size."""
        return replace(self, size=size)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for `bundle.json`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preprocess:
        """Read what `to_dict` wrote.

        Raises:
            ConfigError: if a field is unknown or its value impossible.
        """
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ConfigError(
                f"preprocess has unknown fields {unknown}; known are {sorted(known)}."
            )
        values = dict(values)
        for name in ("mean", "std"):
            if name in values:
                values[name] = tuple(float(v) for v in values[name])
        return cls(**values)


def fit_square(image: Image, preprocess: Preprocess) -> Image:
    """Resize an upright RGB photo to the (size, size) square that the network sees."""
    from PIL import Image as PilImage
    from PIL import ImageOps

    size = (preprocess.size, preprocess.size)
    method = PilImage.Resampling[preprocess.filter.upper()]
    if preprocess.fit == "crop":
        return ImageOps.fit(image, size, method)
    if preprocess.fit == "pad":
        return ImageOps.pad(image, size, method, color=(124, 116, 104))
    return image.resize(size, method, reducing_gap=3.0)


def to_array(square: Image, preprocess: Preprocess) -> NDArray[np.float32]:
    """Normalise an RGB image.

    Returns:
        (3, height, width) float32; (value / 255 - mean) / std for each channel.
    """
    pixels = np.asarray(square, dtype=np.float32).transpose(2, 0, 1)
    std = np.asarray(preprocess.std, dtype=np.float32)[:, None, None]
    mean = np.asarray(preprocess.mean, dtype=np.float32)[:, None, None]
    return np.ascontiguousarray((pixels / np.float32(255) - mean) / std)


def prepare(image: Image, preprocess: Preprocess) -> NDArray[np.float32]:
    """Turn an upright RGB photo of any size into the network's input.

    Returns:
        (3, size, size) float32, normalised.
    """
    return to_array(fit_square(image, preprocess), preprocess)
