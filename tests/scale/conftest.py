"""Photos to tag at scale: good ones, a damaged one, a cut one, odd names, and no photos."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from waymark.samples import SAMPLES, write_samples


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of 24 photos, two of them damaged; never changed by a test."""
    root = tmp_path_factory.mktemp("scale") / "photos"
    write_samples(root, per_landmark=5, names=SAMPLES[:4])
    good = sorted(root.rglob("*.jpg"))
    trip = root / "2019" / "50% = Île, #1"
    trip.mkdir(parents=True)
    shutil.copy(good[0], trip / "no suffix")
    shutil.copy(good[1], trip / "line\nbreak.jpg")
    (root / "bad.jpg").write_bytes(b"no photo at all")
    (root / "cut.jpg").write_bytes(good[2].read_bytes()[:3000])
    (root / "notes.txt").write_text("no photo, and not named like one", encoding="utf-8")
    (root / "thing").write_bytes(b"\0\1\2")
    (trip / ".hidden.jpg").write_bytes(good[0].read_bytes())
    return root


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory, world_path: Path) -> Path:
    """Return the world bundle under a path of its own, as a user's bundle would lie."""
    target = tmp_path_factory.mktemp("bundle") / "mine.waymark"
    shutil.copy(world_path, target)
    return target
