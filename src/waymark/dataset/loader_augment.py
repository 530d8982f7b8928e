"""Change a photo at random, the way photos differ in the wild.

In:  an upright RGB PIL image of any size, and a NumPy generator.
Out: an RGB image of (size, size).

Photos of one dataset often share a look that has nothing to do with what they show: how
they were shrunk, sharpened and compressed. `strong` takes that clue away by resampling,
blurring, sharpening and compressing at random, before and after the resize to the
network's input, so that a network has to look at the landmark.

Every choice comes from the generator that is passed in, so a photo's n-th view is the
same whatever the number of processes.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import numpy as np
from PIL import Image, ImageFilter
from torchvision.transforms.v2 import InterpolationMode, functional

Augmenter = Callable[[Image.Image, np.random.Generator, int], Image.Image]

_SMOOTH = (
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
    Image.Resampling.BOX,
    Image.Resampling.HAMMING,
)

_SIDEWAYS = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270)


VIEWS = {"none": 1, "flip": 2, "five": 5}
"""The changes that give a photo only so many views, each the same every time it is drawn."""

TURN, GRAIN = 30.0, 12.0  # degrees; standard deviation of the noise, of 255


def pick_view(augment: str, rng: np.random.Generator, draw: int) -> int:
    """Say which of its views a photo shows when it is drawn for the `draw`-th time."""
    return int(rng.random() < 0.5) if augment == "flip" else draw % VIEWS[augment]


def show_view(
    square: Image.Image, view: int, rng: np.random.Generator, augment: str
) -> Image.Image:
    """Return one of the views of a photo that `VIEWS` counts.

    Args:
        square: the photo as prediction sees it.
        view: 0 is the photo as it is; of `flip`, 1 is its mirror image; of `five`, 1 is
            turned by up to 30 degrees, 2 mirrored, 3 upside down, 4 with noise.
        rng: of the angle and the noise.
        augment: `none`, `flip` or `five`.
    """
    if view == 0:
        return square
    turned: Image.Image
    if augment == "flip" or view == 2:
        turned = functional.horizontal_flip(square)
        return turned
    if view == 1:
        angle = float(rng.uniform(-TURN, TURN))
        turned = functional.rotate(square, angle, InterpolationMode.BILINEAR)
        return turned
    if view == 3:
        turned = functional.vertical_flip(square)
        return turned
    pixels = np.asarray(square, dtype=np.float32)
    noisy = pixels + rng.normal(0, GRAIN, pixels.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def light(image: Image.Image, rng: np.random.Generator, size: int) -> Image.Image:
    """Crop, mirror and change the colours a little."""
    image = _crop(image, rng, size, smallest=0.6)
    return _colours(_mirror(image, rng), rng, 0.2)


def strong(image: Image.Image, rng: np.random.Generator, size: int) -> Image.Image:
    """Crop, turn, tilt, resample, soften, sharpen, compress, darken and cover at random."""
    native = min(max(image.size), 2 * size)
    if rng.random() < 0.12:
        image = _step_back(image, rng)
    if rng.random() < 0.03:  # a phone's photo that lost its EXIF orientation lies on its side
        image = image.transpose(_SIDEWAYS[rng.integers(2)])
    if rng.random() < 0.5:  # as a small or re-saved photo: spoiled before it is enlarged
        image = _crop(image, rng, native, smallest=0.4)
        image = _degrade(image, rng)
        image = _resize(image, rng, size)
    else:
        image = _degrade(_crop(image, rng, size, smallest=0.4), rng)
    image = _mirror(image, rng)
    if rng.random() < 0.3:
        image = _tilt(image, rng)
    if rng.random() < 0.8:
        image = _colours(image, rng, 0.4)
    if rng.random() < 0.1:
        image = _night(image, rng)
    if rng.random() < 0.25:
        image = _cover(image, rng)
    if rng.random() < 0.25:
        image = _noise(image, rng)
    return image


AUGMENTERS: dict[str, Augmenter] = {"light": light, "strong": strong}
"""The changes that never give a photo the same view twice."""


def _crop(image: Image.Image, rng: np.random.Generator, size: int, smallest: float) -> Image.Image:
    """Keep a part of at least `smallest` of the area, of any aspect from 3:5 to 5:3."""
    width, height = image.size
    if rng.random() < 0.15:  # the whole photo, as prediction sees it
        return _resize(image, rng, size)
    area = rng.uniform(smallest, 1.0)
    aspect = np.exp(rng.uniform(np.log(0.6), np.log(1 / 0.6)))
    w = min(1.0, np.sqrt(area * aspect))
    h = min(1.0, np.sqrt(area / aspect))
    left, top = rng.uniform(0, 1 - w), rng.uniform(0, 1 - h)
    box = (left * width, top * height, (left + w) * width, (top + h) * height)
    method = _SMOOTH[rng.integers(len(_SMOOTH))]
    return image.resize((size, size), method, box=box, reducing_gap=3.0)


def _step_back(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Show the photo smaller, its surroundings mirrored on, as from farther away."""
    width, height = image.size
    edges = [(int(rng.uniform(0, 0.5) * side), int(rng.uniform(0, 0.5) * side)) for side in
             (height, width)]  # fmt: skip
    return Image.fromarray(np.pad(np.asarray(image), (*edges, (0, 0)), mode="reflect"))


def _resize(image: Image.Image, rng: np.random.Generator, size: int) -> Image.Image:
    """Resize with one of Pillow's filters, or as OpenCV does without anti-aliasing."""
    kind = rng.integers(len(_SMOOTH) + 2)
    if kind < len(_SMOOTH):
        return image.resize((size, size), _SMOOTH[kind], reducing_gap=3.0)
    width, height = image.size
    if kind == len(_SMOOTH):
        return image.resize((size, size), Image.Resampling.NEAREST)
    scale = (width / size, 0.0, 0.0, 0.0, height / size, 0.0)  # bilinear at the sample points
    return image.transform((size, size), Image.Transform.AFFINE, scale, Image.Resampling.BILINEAR)


def _degrade(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Soften, sharpen, resample and compress, in any order."""
    side = image.size[0]
    for step in rng.permutation(4):
        if step == 0 and rng.random() < 0.35:
            radius = float(rng.uniform(0.2, 1.4)) * side / 112
            image = image.filter(ImageFilter.GaussianBlur(radius))
        elif step == 1 and rng.random() < 0.25:
            amount = int(rng.integers(40, 220))
            image = image.filter(ImageFilter.UnsharpMask(float(rng.uniform(0.5, 2)), amount, 0))
        elif step == 2 and rng.random() < 0.35:
            smaller = max(24, int(side * rng.uniform(0.45, 1.0)))
            image = _resize(_resize(image, rng, smaller), rng, side)
        elif step == 3 and rng.random() < 0.5:
            image = _compress(image, int(rng.integers(15, 95)))
    return image


def _compress(image: Image.Image, quality: int) -> Image.Image:
    with BytesIO() as buffer:
        image.save(buffer, "JPEG", quality=quality)
        with Image.open(buffer) as again:
            again.load()
            return again


def _mirror(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return functional.horizontal_flip(image) if rng.random() < 0.5 else image


def _tilt(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Turn by up to 12 degrees, or look from below or aside."""
    if rng.random() < 0.5:
        angle = float(rng.uniform(-12, 12))
        turned: Image.Image = functional.rotate(image, angle, InterpolationMode.BILINEAR)
        return turned
    w, h = image.size
    corners = [[0, 0], [w - 1, 0], [w - 1, h - 1], [0, h - 1]]
    shift = rng.uniform(0, 0.18, (4, 2)) * [w, h] * [[1, 1], [-1, 1], [-1, -1], [1, -1]]
    moved = (np.asarray(corners) + shift).round().astype(int).tolist()
    # the moved corners become the photo's corners: nothing outside the photo is seen
    tilted: Image.Image = functional.perspective(image, moved, corners, InterpolationMode.BILINEAR)
    return tilted


def _colours(image: Image.Image, rng: np.random.Generator, strength: float) -> Image.Image:
    low, high = 1 - strength, 1 + strength
    image = functional.adjust_brightness(image, float(rng.uniform(low, high)))
    image = functional.adjust_contrast(image, float(rng.uniform(low, high)))
    image = functional.adjust_saturation(image, float(rng.uniform(low, high)))
    if rng.random() < 0.3:
        image = functional.adjust_hue(image, float(rng.uniform(-0.05, 0.05)))
    if rng.random() < 0.05:
        image = functional.rgb_to_grayscale(image, num_output_channels=3)
    return image


def _night(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Darken as a night exposure: steep gamma, a blue or orange cast."""
    pixels = np.asarray(image, dtype=np.float32) / 255
    cast = rng.uniform(0.5, 1.0, 3)
    dark = pixels ** rng.uniform(1.2, 2.6) * rng.uniform(0.5, 1.0) * cast
    return Image.fromarray((dark * 255).clip(0, 255).astype(np.uint8))


def _cover(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Put a patch of the photo itself, or of one colour, in front, mostly low down."""
    w, h = image.size
    pw, ph = (int(rng.uniform(0.12, 0.5) * side) for side in (w, h))
    left, top = int(rng.integers(0, w - pw)), int(np.sqrt(rng.random()) * (h - ph))
    image = image.copy()
    if rng.random() < 0.5:
        x, y = int(rng.integers(0, w - pw)), int(rng.integers(0, h - ph))
        image.paste(image.crop((x, y, x + pw, y + ph)), (left, top))
    else:
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        image.paste(colour, (left, top, left + pw, top + ph))
    return image


def _noise(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    pixels = np.asarray(image, dtype=np.float32)
    noisy = pixels + rng.standard_normal(pixels.shape, dtype=np.float32) * rng.uniform(2, 14)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
