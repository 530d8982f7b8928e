"""Heatmaps lie where the evidence is."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from waymark.errors import ShapeError
from waymark.recognise.explain import LONGEST, heatmap, overlay


def corner(side: int = 4) -> np.ndarray:
    """Return a heatmap that is hot in the top left cell only."""
    heat = np.zeros((side, side), np.float32)
    heat[0, 0] = 1
    return heat


def heated(image: Image.Image, picture: Image.Image) -> np.ndarray:
    """Return how much each pixel changed, (height, width)."""
    before = np.asarray(image.resize(picture.size), dtype=np.float32)
    return np.abs(np.asarray(picture, dtype=np.float32) - before).sum(axis=2)


def test_a_heatmap_is_the_weighted_sum_of_the_feature_map():
    """Its mean is the logit, up to bias and scale, where nothing is negative."""
    rng = np.random.default_rng(0)
    features, weight = rng.random((8, 4, 5)), rng.random(8)

    heat = heatmap(features, weight)

    assert heat.shape == (4, 5)
    assert heat.max() == pytest.approx(1)
    expected = weight @ features.reshape(8, -1)
    np.testing.assert_allclose(heat.ravel(), expected / expected.max(), rtol=1e-5)


def test_no_evidence_gives_a_cold_heatmap():
    """All that speaks against a landmark is 0, not a division by 0."""
    assert (heatmap(np.ones((2, 3, 3)), -np.ones(2)) == 0).all()


def test_a_weight_of_another_length_is_refused():
    """The shapes are in the message."""
    with pytest.raises(ShapeError, match=r"\(8, 4, 5\) and weight \(7,\)"):
        heatmap(np.zeros((8, 4, 5)), np.zeros(7))


@pytest.mark.parametrize("size", [(200, 100), (100, 200), (64, 64), (4000, 3000)])
@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
def test_the_picture_has_the_aspect_of_the_photo(size: tuple[int, int], fit: str):
    """And is never larger than what is stated, nor than the photo."""
    picture = overlay(Image.new("RGB", size), corner(), fit=fit)

    assert picture.mode == "RGB"
    assert max(picture.size) == min(LONGEST, max(size))
    assert picture.width / picture.height == pytest.approx(size[0] / size[1], rel=0.01)


def test_heat_lies_in_the_square_that_the_network_saw():
    """Squashed: the photo's corner. Cropped: the corner of the middle square."""
    photo = Image.new("RGB", (200, 100), (90, 90, 90))

    squashed = heated(photo, overlay(photo, corner(), fit="squash"))
    cropped = heated(photo, overlay(photo, corner(), fit="crop"))

    assert squashed[5, 5] > 100
    assert cropped[5, 5] == 0
    assert cropped[5, 55] > 100
    assert squashed[80, 180] < 10


def test_the_photo_itself_is_not_changed():
    """The overlay is a new picture."""
    photo = Image.new("RGB", (64, 64))

    overlay(photo, np.ones((2, 2)))

    assert photo.getextrema() == ((0, 0),) * 3
