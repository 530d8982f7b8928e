"""Near-duplicates are found, different photos are kept apart, and the work stays small."""

from __future__ import annotations

import time
from io import BytesIO
from pathlib import Path

import imagehash
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from waymark import samples
from waymark.dataset.duplicates import (
    group_thumbnails,
    near_duplicate_groups,
    perceptual_hashes,
    thumbnail,
)


def grouped(*images: Image.Image) -> list[int]:
    """Group images by their thumbnails."""
    return group_thumbnails(np.stack([thumbnail(image) for image in images])).tolist()


def test_the_hash_is_that_of_imagehash(draw) -> None:
    """Vectorised over many photos, bit for bit, also for the mirrored photo."""
    images = [samples.render(name, seed=3, size=(160, 90)) for name in samples.SAMPLES]
    images += [draw(seed, (200, 100)) for seed in range(50)]
    hashes = perceptual_hashes(np.stack([thumbnail(image) for image in images]))

    assert [int(str(imagehash.phash(image)), 16) for image in images] == hashes.tolist()


def test_the_mirrored_hash_is_the_hash_of_the_mirrored(draw) -> None:
    """Flipping in the spectrum equals flipping the pixels."""
    thumbs = np.stack([thumbnail(draw(seed)) for seed in range(50)])

    np.testing.assert_array_equal(
        perceptual_hashes(thumbs, mirrored=True), perceptual_hashes(thumbs[:, :, ::-1])
    )


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
    """Black, white and grey pictures, whose hash is noise, are no giant group."""
    flat = [Image.new("RGB", (50, 50), (value,) * 3) for value in (0, 0, 0, 128, 255, 255)]

    assert grouped(*flat) == [0, 1, 2, 3, 4, 5]


def test_groups_count_from_the_first(draw) -> None:
    """Numbers follow the order of first appearance."""
    one, two, three = (draw(seed) for seed in range(3))

    assert grouped(one, two, one, three, two) == [0, 1, 0, 2, 1]
    assert group_thumbnails(np.zeros((0, 32, 32), np.uint8)).tolist() == []


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


def test_the_index_misses_no_pair() -> None:
    """Everything that all-with-all comparison finds ends in one group."""
    rng = np.random.default_rng(0)
    base = np.stack([thumbnail(Image.fromarray(p)) for p in
                     rng.integers(0, 256, (60, 8, 8), dtype=np.uint8)])  # fmt: skip
    noisy = np.concatenate([base + rng.normal(0, sigma, base.shape) for sigma in (0, 8, 16, 24)])
    thumbs = np.clip(noisy, 0, 255).astype(np.uint8)
    hashes, groups = perceptual_hashes(thumbs), group_thumbnails(thumbs)
    looks = thumbs.reshape(len(thumbs), -1).astype(float)

    close = np.bitwise_count(hashes[:, None] ^ hashes[None]) <= 6
    alike = np.corrcoef(looks) > 0.95  # well above what is asked for
    one, two = np.nonzero(close & alike)
    assert len(one) > 2 * len(thumbs)
    assert (groups[one] == groups[two]).all()


def test_many_copies_of_one_photo_are_quick() -> None:
    """Thousands of identical photos take time in proportion, not with their square."""
    one = np.random.default_rng(0).integers(0, 256, (1, 32, 32), dtype=np.uint8)
    few, many = one.repeat(500, axis=0), one.repeat(10_000, axis=0)
    spent = []
    for thumbs in (few, many):
        started = time.process_time()
        assert not group_thumbnails(thumbs).any()
        spent.append(time.process_time() - started)

    assert spent[1] < 20 * 10 * max(spent[0], 0.02)


@pytest.mark.shared
def test_a_dirty_set_has_many_and_a_clean_one_few(shared: Path) -> None:
    """The augmented copies of `pakistan` are found; `provence` keeps nearly all apart."""
    dirty = sorted((shared / "data/pakistan").rglob("*.jpg"))
    clean = sorted((shared / "data/provence").rglob("*.jpg"))

    assert len(set(near_duplicate_groups(dirty))) < 0.85 * len(dirty)
    assert len(set(near_duplicate_groups(clean))) > 0.95 * len(clean)
