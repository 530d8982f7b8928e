"""A photo becomes model input by one formula, whatever its shape."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from waymark.errors import ConfigError
from waymark.preprocess import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Preprocess,
    fit_square,
    prepare,
    to_array,
)

GREY = (124, 116, 104)  # what `pad` adds


def halves(width: int, height: int) -> Image.Image:
    """Draw a photo whose left half is red and whose right half is blue."""
    image = Image.new("RGB", (width, height), (255, 0, 0))
    image.paste((0, 0, 255), (width // 2, 0, width, height))
    return image


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
@pytest.mark.parametrize("size", [(200, 100), (30, 90), (64, 64), (1, 1), (3, 500)])
def test_any_photo_becomes_a_square(fit: Any, size: tuple[int, int]) -> None:
    """(3, size, size) float32, finite and in one piece."""
    array = prepare(halves(*size), Preprocess(size=64, fit=fit))

    assert (array.shape, array.dtype) == ((3, 64, 64), np.float32)
    assert array.flags.c_contiguous
    assert np.isfinite(array).all()


def test_squash_keeps_all_of_the_photo() -> None:
    """Both outer columns are there, and so are top and bottom."""
    square = fit_square(halves(400, 100), Preprocess(size=32))

    assert [square.getpixel(at) for at in ((0, 0), (31, 31))] == [(255, 0, 0), (0, 0, 255)]


def test_crop_keeps_the_middle() -> None:
    """What lies left and right of the centred square is gone."""
    image = Image.new("RGB", (300, 100), (255, 0, 0))
    image.paste((0, 255, 0), (90, 0, 210, 100))  # the filter looks a little around

    square = fit_square(image, Preprocess(size=32, fit="crop"))

    assert square.getcolors() == [(32 * 32, (0, 255, 0))]


def test_pad_adds_grey_above_and_below() -> None:
    """A wide photo keeps its shape in the middle of a grey square."""
    image = Image.new("RGB", (100, 50), (255, 0, 0))

    pixels = np.asarray(fit_square(image, Preprocess(size=32, fit="pad")))

    assert (pixels[:8] == GREY).all()
    assert (pixels[-8:] == GREY).all()
    assert (pixels[8:24] == (255, 0, 0)).all()


def test_normalising_is_the_formula() -> None:
    """(value / 255 - mean) / std, a channel at a time, computed here in double precision."""
    pixels = np.random.default_rng(0).integers(0, 256, (32, 64, 3), np.uint8)

    array = to_array(Image.fromarray(pixels), Preprocess())

    for channel in range(3):
        by_hand = (pixels[:, :, channel] / 255 - IMAGENET_MEAN[channel]) / IMAGENET_STD[channel]
        np.testing.assert_allclose(array[channel], by_hand, rtol=0, atol=1e-6)


def test_the_range_is_that_of_black_and_white() -> None:
    """With mean 0.5 and deviation 0.5 black is -1 and white is 1."""
    even = Preprocess(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    for colour, value in (("black", -1.0), ("white", 1.0)):
        array = to_array(Image.new("RGB", (32, 32), colour), even)
        assert (array == value).all()


def test_another_size_changes_nothing_else() -> None:
    """`at` gives the same preparation, and the size from which JPEGs may be reduced follows."""
    base = Preprocess(size=128, fit="pad", filter="box", decode=1.5)

    small = base.at(64)

    assert (base.min_side, small.min_side) == (192, 96)
    assert small.at(128) == base
    with pytest.raises(ConfigError, match="multiple of 32"):
        base.at(65)


def test_it_survives_json() -> None:
    """to_dict and from_dict are inverse, through text; what is not given is the default."""
    base = Preprocess(size=96, fit="crop", filter="lanczos", mean=(0.1, 0.2, 0.3))

    assert Preprocess.from_dict(json.loads(json.dumps(base.to_dict()))) == base
    assert Preprocess.from_dict({}) == Preprocess()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"blur": 1}, r"unknown fields \['blur'\]"),
        ({"size": 33}, "multiple of 32 between 32 and 1024"),
        ({"size": True}, "multiple of 32"),
        ({"size": 2048}, "multiple of 32"),
        ({"fit": "stretch"}, "use squash, crop or pad"),
        ({"filter": "nearest"}, "use bilinear"),
        ({"mean": [0.5]}, "three values"),
        ({"std": [0, 1, 1]}, "std must be positive"),
        ({"std": [float("nan"), 1, 1]}, "std must be positive"),
        ({"decode": 0.5}, "between 1 and 64"),
    ],
)
def test_impossible_values_are_refused(values: dict[str, Any], message: str) -> None:
    """The message says what may be there instead."""
    with pytest.raises(ConfigError, match=message):
        Preprocess.from_dict(values)
