"""Photos of a few imaginary landmarks, each of its own colour, for the fast path."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

COLOURS = {
    "brick": (190, 70, 50),
    "copper": (70, 160, 130),
    "sky": (90, 130, 220),
    "sand": (220, 190, 120),
    "night": (25, 25, 60),
}


def draw(path: Path, name: str, seed: int) -> Path:
    """Draw noise around the colour of a landmark."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([seed, *name.encode()])
    noise = rng.normal(0, 25, (8, 8, 3)).repeat(9, axis=0).repeat(9, axis=1)
    pixels = np.clip(np.array(COLOURS[name]) + noise, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def draw_folder(root: Path, first: int = 0, **counts: int) -> Path:
    """Draw so many photos of each landmark; other `first` seeds give other photos."""
    for name, count in counts.items():
        for i in range(first, first + count):
            draw(root / name / f"{i}.png", name, i)
    return root


@pytest.fixture
def photo():
    """Return the function that draws one photo."""
    return draw


@pytest.fixture
def folder():
    """Return the function that draws a dataset."""
    return draw_folder


@pytest.fixture
def own_cache(tmp_path, monkeypatch) -> Path:
    """Keep embeddings in a folder of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "waymark" / "embeddings.sqlite"
