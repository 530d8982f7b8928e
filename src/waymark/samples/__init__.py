"""Rendered sample landmarks: licence-free photos for the demo and the tests.

Simple shaded solids from changing viewpoints, in changing light, weather and clutter; what
a name and a seed give is always the same picture. NumPy and Pillow only.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

from waymark.errors import ConfigError, UnknownName
from waymark.samples.landmarks import LANDMARKS
from waymark.samples.others import OTHERS
from waymark.samples.scene import Scene

if TYPE_CHECKING:
    from PIL.Image import Image

SAMPLES: tuple[str, ...] = tuple(LANDMARKS)
DISTRACTORS: tuple[str, ...] = tuple(OTHERS)


def render(name: str, *, seed: int, size: tuple[int, int] = (320, 240)) -> Image:
    """Render one photo of a sample landmark, or of a scene that is none.

    Args:
        name: one of `SAMPLES` or `DISTRACTORS`.
        seed: which photo; 0 or more.
        size: width and height, pixels; any aspect.

    Returns:
        An RGB image of `size`; always the same for the same arguments.

    Raises:
        UnknownName: if there is no sample of that name.
        ConfigError: if the seed is negative or a side is under 16 or over 4096 pixels.
    """
    import numpy as np

    from waymark.samples.paint import paint

    if name not in LANDMARKS and name not in OTHERS:
        near = get_close_matches(name, (*SAMPLES, *DISTRACTORS), n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UnknownName(f"no sample named {name!r}; {hint}There are {', '.join(SAMPLES)}.")
    if seed < 0 or not all(16 <= side <= 4096 for side in size):
        raise ConfigError(
            f"seed is {seed} and size is {size}; seed must be 0 or more, sides 16 to 4096 pixels."
        )
    rng = np.random.default_rng([seed, crc32(name.encode())])
    scene = _landmark(name) if name in LANDMARKS else OTHERS[name](rng)
    return paint(scene, rng, size)


@cache
def _landmark(name: str) -> Scene:
    """Build a landmark once."""
    return LANDMARKS[name]()


def write_samples(
    folder: str | os.PathLike[str],
    *,
    per_landmark: int,
    seed: int = 0,
    size: tuple[int, int] = (320, 240),
    names: Sequence[str] = SAMPLES,
) -> Path:
    """Write `label/NNN.jpg`: a dataset of samples.

    Args:
        folder: made if missing.
        per_landmark: photos of each name.
        seed: photo number i of a name is `render(name, seed=seed + i)`.
        size: width and height, pixels; every fourth photo is turned upright.
        names: what to render.

    Returns:
        The folder.
    """
    root = Path(folder)
    for name in names:
        target = root / name
        target.mkdir(parents=True, exist_ok=True)
        for number in range(per_landmark):
            shape = size if number % 4 else (size[1], size[0])
            photo = render(name, seed=seed + number, size=shape)
            photo.save(target / f"{number:03d}.jpg", quality=90)
    return root
