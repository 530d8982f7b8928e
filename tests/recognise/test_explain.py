"""Heatmaps lie where the evidence is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from waymark.bundle.tiny import tiny_bundle
from waymark.errors import ShapeError
from waymark.recognise.explain import LONGEST, heatmap, is_averaged, occlusion, overlay
from waymark.recognise.recogniser import Recogniser


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


@pytest.mark.parametrize(
    ("backbone", "averaged"),
    [
        ({"timm_name": "any"}, True),
        ({"design": {"pool": "mean", "hidden": []}}, True),
        ({"design": {"pool": "gem"}}, True),
        ({"design": {"pool": "flatten", "hidden": []}}, False),
        ({"design": {"pool": "grid"}}, False),
        ({"design": {"pool": "mean", "hidden": [512]}}, False),
        ({"design": "nonsense"}, True),
    ],
)
def test_weights_tell_the_place_only_where_the_head_sees_an_average(backbone, averaged):
    """A bundle without a design is of the kind that there was before designs."""
    assert is_averaged(backbone) is averaged


def _looks_at(row: slice, column: slice):
    """Return a network of two classes that is sure of the first by what it sees in one place."""

    def logits_of(photos: np.ndarray) -> np.ndarray:
        seen = photos[:, :, row, column].mean(axis=(1, 2, 3))
        return np.stack([3 * seen, np.zeros_like(seen)], axis=1)

    return logits_of


@pytest.mark.parametrize("cells", [1, 4, 7])
def test_occlusion_is_hot_where_the_network_looks(cells: int):
    """A network that looks at one corner only: the corner is hottest, the rest is cold."""
    photo = np.ones((3, 56, 56), np.float32)

    heat = occlusion(_looks_at(slice(0, 8), slice(48, 56)), photo, 0, cells=cells)

    assert heat.shape == (cells, cells)
    assert heat.dtype == np.float32
    assert heat[0, -1] == heat.max() == 1
    if cells > 2:
        assert (heat[2:] == 0).all()
        assert (heat[:, :-2] == 0).all()


def test_occlusion_of_what_speaks_against_a_class_is_cold():
    """Covering it makes the class likelier; that is no evidence for it."""
    photo = np.ones((3, 32, 32), np.float32)

    assert (occlusion(_looks_at(slice(0, 8), slice(0, 8)), photo, 1) == 0).all()


def test_the_photo_is_not_painted_over():
    """Covers are laid on copies."""
    photo = np.ones((3, 32, 32), np.float32)

    occlusion(_looks_at(slice(0, 8), slice(0, 8)), photo, 0)

    assert (photo == 1).all()


class Corner:
    """A session that knows its first landmark by the brightness of the top left quarter."""

    def run(self, photos, outputs):
        """Give logits, and what only networks with an average are asked for."""
        assert "feature_map" not in outputs
        seen = photos[:, :, :32, :32].mean(axis=(1, 2, 3))
        return {"logits_landmark": np.stack([seen, -seen, 0 * seen], axis=1)}


def test_a_network_with_hidden_layers_is_explained_by_covering_places():
    """Its feature map is not asked for; the heat lies where covering matters."""
    bundle = tiny_bundle()
    backbone = bundle.manifest.backbone | {"design": {"pool": "mean", "hidden": [8]}}
    bundle = replace(bundle, manifest=replace(bundle.manifest, backbone=backbone))
    photo = Image.new("RGB", (64, 64), (250, 250, 250))

    hot = heated(photo, Recogniser(bundle, session=Corner()).explain(photo))

    assert hot[8:24, 8:24].min() > 50
    assert hot[48:, 48:].max() < 20


def test_a_head_that_also_sees_the_category_is_explained_by_its_first_columns():
    """The heat is that of the same head without them."""
    bundle = tiny_bundle()
    weight = bundle.statistics["head_weight"]
    wider = np.concatenate([weight, np.full((len(weight), 2), 9, np.float32)], axis=1)
    photo = Image.new("RGB", (64, 64), (200, 90, 30))
    plain, linked = Recogniser(bundle), Recogniser(bundle)
    linked.bundle = replace(bundle, statistics=bundle.statistics | {"head_weight": wider})

    assert linked.explain(photo).tobytes() == plain.explain(photo).tobytes()


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
