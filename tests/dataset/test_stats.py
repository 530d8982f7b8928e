"""The figures of a dataset are those that NumPy finds on the whole photos."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from waymark.dataset.index import read_dataset
from waymark.dataset.stats import colour_shares, counts_by_split, dataset_stats


def test_figures_equal_numpys(save, draw, tmp_path: Path) -> None:
    """Mean, deviation and histogram of equal-sized photos are those of all their pixels."""
    images = [draw(seed) for seed in range(6)]
    for number, image in enumerate(images):
        save(f"mill/{number}.png", image)
    pixels = np.stack([np.asarray(image) for image in images]).reshape(-1, 3) / 255

    stats = dataset_stats(read_dataset(tmp_path))

    np.testing.assert_allclose(stats.mean, pixels.mean(axis=0))
    np.testing.assert_allclose(stats.std, pixels.std(axis=0))
    for channel in range(3):
        counts, _ = np.histogram(pixels[:, channel] * 255, bins=64, range=(0, 256))
        np.testing.assert_allclose(stats.histograms[channel], counts / len(pixels))


def test_each_photo_weighs_the_same(save, tmp_path: Path) -> None:
    """A large black photo and a small white one are grey together."""
    save("mill/1.png", Image.new("RGB", (400, 400), "black"))
    save("mill/2.png", Image.new("RGB", (4, 4), "white"))

    stats = dataset_stats(read_dataset(tmp_path))

    np.testing.assert_allclose(stats.mean, 0.5)
    np.testing.assert_allclose(stats.std, 0.5)
    assert stats.sizes.tolist() == [[400, 400], [4, 4]]


def test_counts_sizes_and_splits(save, draw, tmp_path: Path) -> None:
    """Labels, splits and negatives are counted; sizes are those of the upright photo."""
    turned = Image.Exif()
    turned[0x0112] = 6
    save("train/mill/1.jpg", draw(1, (1200, 800)), exif=turned)
    save("train/tower/1.jpg", draw(2, (40, 30)))
    save("test/mill/2.jpg", draw(3, (60, 50)))
    save("train/unknown/1.jpg")

    facts = dataset_stats(read_dataset(tmp_path)).to_dict()

    assert (facts["photos"], facts["negatives"]) == (3, 1)
    assert facts["counts"] == {"mill": 2, "tower": 1}
    assert facts["splits"] == {"train": 2, "test": 1}
    assert facts["sizes"] == {"least": [40, 30], "median": [60, 50], "largest": [800, 1200]}
    assert json.loads(json.dumps(facts)) == facts


def test_broken_photos_are_skipped(save, tmp_path: Path) -> None:
    """They are listed with a reason and change no figure; progress counts them."""
    save("mill/1.png", Image.new("RGB", (8, 8), "white"))
    (tmp_path / "mill/2.jpg").write_bytes(b"\xff\xd8\xff broken")
    calls = []

    stats = dataset_stats(read_dataset(tmp_path), lambda *call: calls.append(call))

    assert stats.photos == 1
    assert stats.mean.tolist() == pytest.approx([1, 1, 1])
    assert [Path(row.path).name for row in stats.skipped] == ["2.jpg"]
    assert calls[-1] == (2, 2, "measuring photos")


def test_only_broken_photos(tmp_path: Path) -> None:
    """Nothing to measure gives zeros and no sizes, not a division by zero."""
    (tmp_path / "mill").mkdir()
    (tmp_path / "mill/1.jpg").write_bytes(b"\xff\xd8\xff broken")

    facts = dataset_stats(read_dataset(tmp_path)).to_dict()

    assert (facts["photos"], facts["sizes"]["median"]) == (0, None)


def test_shares_sum_to_one(draw) -> None:
    """Each channel's shares are a distribution over 256 values."""
    shares = colour_shares(draw(0))

    assert shares.shape == (3, 256)
    np.testing.assert_allclose(shares.sum(axis=1), 1)


def test_normalising_is_what_a_network_sees(save, draw, tmp_path: Path) -> None:
    """Mean, deviation and range are those of NumPy on the normalised pixels."""
    images = [draw(seed) for seed in range(3)]
    for number, image in enumerate(images):
        save(f"mill/{number}.png", image)
    mean, std = np.array([0.5, 0.4, 0.3]), np.array([0.2, 0.25, 0.3])
    pixels = (np.stack([np.asarray(image) for image in images]).reshape(-1, 3) / 255 - mean) / std

    facts = dataset_stats(read_dataset(tmp_path)).normalised(mean, std)

    np.testing.assert_allclose(facts["mean"], pixels.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(facts["std"], pixels.std(axis=0), atol=1e-6)
    ends = np.stack([-mean / std, (1 - mean) / std], axis=1)
    np.testing.assert_allclose(facts["range"], ends, atol=1e-6)
    assert json.loads(json.dumps(facts)) == facts


def test_counts_of_each_split(save, tmp_path: Path) -> None:
    """A number for each label in each split that has photos, 0 included."""
    save("train/mill/1.jpg")
    save("train/mill/2.jpg")
    save("test/tower/1.jpg")

    assert counts_by_split(read_dataset(tmp_path)) == {"train": [2, 0], "test": [0, 1]}
