"""Near-duplicates are found, different photos are kept apart, and the work stays small."""

from __future__ import annotations

import time
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from waymark import samples
from waymark.dataset.alike import LOOK_SIDE, look
from waymark.dataset.duplicates import group_looks, near_duplicate_groups


def grouped(*images: Image.Image) -> list[int]:
    """Group images by their looks."""
    return group_looks(np.stack([look(image) for image in images])).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_copies_of_a_photo_are_one_group(draw, seed: int) -> None:
    """Recompressed, shrunk, brightened, squashed, grey or mirrored, it is the same photo."""
    photo = draw(seed, (320, 240))
    packed = BytesIO()
    photo.save(packed, "JPEG", quality=20)
    copies = [
        Image.open(packed).convert("RGB"),
        photo.resize((80, 60)),
        photo.resize((96, 96)),
        ImageEnhance.Brightness(photo).enhance(1.2),
        photo.convert("L").convert("RGB"),
        ImageOps.mirror(photo),
    ]

    assert grouped(photo, *copies) == [0] * 7


def test_different_photos_stay_apart(draw) -> None:
    """Views of sample landmarks, and random pictures, do not merge into large groups."""
    views = [
        samples.render(name, seed=seed, size=(96, 72))
        for name in samples.SAMPLES
        for seed in range(6)
    ]
    groups = grouped(*views, *(draw(seed) for seed in range(200)))

    assert np.bincount(groups).max() <= 2
    assert len(set(groups)) >= 0.95 * len(groups)


def test_flat_pictures_stay_apart() -> None:
    """Black, white and grey pictures, which show nothing, are no giant group."""
    flat = [Image.new("RGB", (50, 50), (value,) * 3) for value in (0, 0, 0, 128, 255, 255)]

    assert grouped(*flat) == [0, 1, 2, 3, 4, 5]


def test_groups_count_from_the_first(draw) -> None:
    """Numbers follow the order of first appearance."""
    one, two, three = (draw(seed) for seed in range(3))

    assert grouped(one, two, one, three, two) == [0, 1, 0, 2, 1]
    assert group_looks(np.zeros((0, LOOK_SIDE, LOOK_SIDE), np.uint8)).tolist() == []


def test_broken_photos_are_their_own_groups(save, draw, tmp_path: Path) -> None:
    """What cannot be read is like nothing; progress counts it all the same."""
    photo = draw(1)
    paths = [save("1.jpg", photo), save("2.png", photo)]
    for name in ("3.jpg", "4.jpg"):
        (tmp_path / name).write_bytes(b"\xff\xd8\xff broken")
        paths.append(tmp_path / name)
    calls = []

    groups = near_duplicate_groups(paths, progress=lambda *call: calls.append(call))

    assert groups == [0, 0, 1, 2]
    assert calls[-1] == (4, 4, "comparing photos")


def test_many_copies_of_one_photo_are_quick() -> None:
    """Thousands of identical photos take time in proportion, not with their square."""
    one = np.random.default_rng(0).integers(0, 256, (1, LOOK_SIDE, LOOK_SIDE), dtype=np.uint8)
    few, many = one.repeat(500, axis=0), one.repeat(10_000, axis=0)
    spent = []
    for looks in (few, many):
        started = time.process_time()
        assert not group_looks(looks).any()
        spent.append(time.process_time() - started)

    assert spent[1] < 20 * 10 * max(spent[0], 0.02)


@pytest.mark.shared
def test_a_dirty_set_has_many_and_a_clean_one_few(shared: Path) -> None:
    """The augmented copies of `pakistan` are found; `provence` keeps nearly all apart."""
    dirty = sorted((shared / "data/pakistan").rglob("*.jpg"))
    clean = sorted((shared / "data/provence").rglob("*.jpg"))

    assert len(set(near_duplicate_groups(dirty))) < 0.85 * len(dirty)
    assert len(set(near_duplicate_groups(clean))) > 0.95 * len(clean)
