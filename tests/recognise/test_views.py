"""Photos that were decoded elsewhere are named as the recogniser's own."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from waymark.bundle.tiny import tiny_bundle
from waymark.errors import ConfigError
from waymark.photo import read_photo
from waymark.preprocess import Preprocess, prepare
from waymark.recognise.recogniser import Recogniser
from waymark.recognise.views import photo_views


def photo(seed: int) -> bytes:
    """Return a photo of coloured noise."""
    blocks = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(blocks).resize((100 + 9 * seed, 80)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("tta", [False, True])
def test_what_others_decode_is_named_the_same(tta: bool) -> None:
    """`photo_views` in one place and `answer_and_embed` in another are `predict` and `embed`."""
    recogniser = Recogniser(tiny_bundle(4, categories=2), tta=tta)
    photos = [photo(seed) for seed in range(3)]
    side = recogniser.preprocess.min_side
    views = [
        photo_views(read_photo(data, min_side=side), recogniser.preprocess, tta=tta)
        for data in photos
    ]
    said, embeddings = recogniser.answer_and_embed(np.stack(views), 3)
    assert [len(one.predictions) for one in said] == [3] * 3
    for one, data in zip(said, photos, strict=True):
        alone = recogniser.predict(data, 3)
        assert [g.landmark for g in one.predictions] == [g.landmark for g in alone.predictions]
        assert one.unknown_score == pytest.approx(alone.unknown_score, abs=1e-5)
        assert one.photo == ""
    np.testing.assert_allclose(embeddings, recogniser.embed(photos), rtol=1e-4, atol=1e-5)
    with pytest.raises(ConfigError):
        recogniser.answer_and_embed(np.stack(views), 0)


def test_one_view_is_the_photo_prepared() -> None:
    """Four views are the whole and the centre, each also mirrored."""
    image = Image.open(io.BytesIO(photo(1)))
    preprocess = Preprocess(size=64)
    (one,) = photo_views(image, preprocess)
    np.testing.assert_array_equal(one, prepare(image, preprocess))
    whole, centre, mirrored, mirrored_centre = photo_views(image, preprocess, tta=True)
    np.testing.assert_array_equal(whole, one)
    np.testing.assert_array_equal(mirrored, whole[:, :, ::-1])
    np.testing.assert_array_equal(mirrored_centre, centre[:, :, ::-1])
    assert not np.array_equal(whole, centre)
