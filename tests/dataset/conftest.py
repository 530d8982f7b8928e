"""Tiny photos to make datasets of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

Save = Callable[..., Path]


def picture(seed: int, size: tuple[int, int] = (96, 72)) -> Image.Image:
    """Draw soft random blotches: unlike for unlike seeds, and plain enough to be compared."""
    noise = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def draw() -> Callable[..., Image.Image]:
    """Return `picture`."""
    return picture


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Return a function that saves a picture, by default one that goes with the path."""

    def write(name: str, image: Image.Image | None = None, **options: object) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (image or picture(crc32(name.encode()))).save(path, **options)
        return path

    return write
