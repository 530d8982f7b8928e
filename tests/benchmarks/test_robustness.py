"""The changes that the robustness table is made of are what their names say."""

from __future__ import annotations

import importlib
import io
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFilter

from waymark.bundle.tiny import tiny_bundle
from waymark.dataset.index import Dataset, read_dataset
from waymark.evaluation.evaluate import evaluate
from waymark.recognise.recogniser import Recogniser
from waymark.samples import SAMPLES, render

SIZE = 64


@pytest.fixture
def robustness(monkeypatch: pytest.MonkeyPatch, root: Path) -> ModuleType:
    """Return the benchmark as a module."""
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    return importlib.import_module("robustness")


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    """Return a rendered photo, squashed and small as those of world."""
    return render(SAMPLES[0], seed=1, size=(96, 96))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Return 12 rendered photos of the landmarks of the tiny bundle."""
    root = tmp_path_factory.mktemp("photos")
    for number in range(12):
        folder = root / f"landmark-{number % 3}"
        folder.mkdir(exist_ok=True)
        render(SAMPLES[number % 3], seed=number, size=(96, 96)).save(folder / f"{number}.jpg")
    return read_dataset(root)


def opened(data: bytes) -> np.ndarray:
    """Return the pixels of a file."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_every_change_gives_a_photo(robustness: ModuleType, photo: Image.Image) -> None:
    """What is shrunk has the network's size, what is enlarged 800 px, the rest its own."""
    for name, change in robustness.changes(SIZE).items():
        height, width, _ = opened(change(photo, robustness.enlarged(photo))).shape
        wanted = SIZE if f"to {SIZE} px" in name else 800 if name.startswith("800 px") else 96
        assert (height, width) == (wanted, wanted), name


def test_blur_and_sharpening_are_as_named(robustness: ModuleType, photo: Image.Image) -> None:
    """Radius and strength are those of the names, and the clean photo keeps every pixel."""
    made = robustness.changes(SIZE)
    wanted = {
        robustness.CLEAN: photo,
        "softened, radius 0.5": photo.filter(ImageFilter.GaussianBlur(0.5)),
        "softened, radius 1": photo.filter(ImageFilter.GaussianBlur(1)),
        "sharpened, unsharp 1/150/0": photo.filter(ImageFilter.UnsharpMask(1, 150, 0)),
    }
    for name, expected in wanted.items():
        assert np.array_equal(opened(made[name](photo, photo)), np.asarray(expected)), name


def test_more_compression_is_further_from_the_photo(
    robustness: ModuleType, photo: Image.Image
) -> None:
    """JPEG 30 is a JPEG, smaller than JPEG 75 and further from the original."""
    made = robustness.changes(SIZE)
    files = [made[f"JPEG {quality}"](photo, photo) for quality in (30, 50, 75)]
    off = [np.abs(opened(f).astype(int) - np.asarray(photo)).mean() for f in files]
    assert all(file.startswith(b"\xff\xd8\xff") for file in files)
    assert len(files[0]) < len(files[1]) < len(files[2])
    assert off[0] > off[1] > off[2]


def test_filters_shrink_as_their_libraries_do(robustness: ModuleType, photo: Image.Image) -> None:
    """OpenCV's linear filter aliases where Pillow's does not; area is Pillow's box."""
    made = robustness.changes(SIZE)
    stripes = np.zeros((800, 800, 3), np.uint8)
    stripes[:, ::2] = 255
    large = Image.fromarray(stripes)
    linear = opened(made[f"800 to {SIZE} px, OpenCV linear"](photo, large))
    smooth = opened(made[f"800 to {SIZE} px, Pillow bilinear"](photo, large))
    assert smooth[:, 4:-4].std() < 1
    assert linear[:, 4:-4].std() > 50
    big = robustness.enlarged(photo)
    area = opened(made[f"800 to {SIZE} px, OpenCV area"](photo, big)).astype(int)
    box = opened(made[f"800 to {SIZE} px, Pillow box"](photo, big)).astype(int)
    assert np.abs(area - box).max() <= 12
    cubic = cv2.resize(np.asarray(big), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    assert np.array_equal(opened(made[f"800 to {SIZE} px, OpenCV cubic"](photo, big)), cubic)


@pytest.mark.parametrize("options", [{}, {"tta": True}, {"fast": True}])
def test_clean_photos_are_counted_as_evaluate_does(
    robustness: ModuleType, dataset: Dataset, options: dict[str, bool]
) -> None:
    """Without a change, the benchmark's count is `evaluate`'s top-1, whatever the options."""
    recogniser = Recogniser.from_bundle(tiny_bundle(3), **options)
    clean = {robustness.CLEAN: robustness.changes(recogniser.preprocess.size)[robustness.CLEAN]}
    right, n = robustness.count_right(recogniser, dataset.photos, clean)
    figures = evaluate(recogniser, dataset).to_dict()
    assert n == figures["n"] == 12
    assert right[robustness.CLEAN] / n == pytest.approx(figures["top1"], abs=1e-6)


def test_a_photo_that_cannot_be_read_is_left_out(
    robustness: ModuleType, dataset: Dataset, tmp_path: Path
) -> None:
    """The counts of the others are the same without it."""
    from dataclasses import replace

    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff")
    recogniser = Recogniser(tiny_bundle(3))
    made = robustness.changes(recogniser.preprocess.size)
    photos = list(dataset.photos)
    expected = robustness.count_right(recogniser, photos, made)
    photos.insert(5, replace(photos[0], path=broken))
    assert robustness.count_right(recogniser, photos, made) == expected


def test_a_selection_is_spread_over_all(robustness: ModuleType, dataset: Dataset) -> None:
    """Three of twelve sorted photos show the three landmarks."""
    assert {photo.label for photo in robustness.spread(dataset.photos, 3)} == set(dataset.labels)
    assert robustness.spread(dataset.photos, None) == dataset.photos
