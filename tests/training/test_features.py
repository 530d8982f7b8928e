"""Embeddings come in order, from the cache where they can, whatever else is wrong."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from PIL import Image

from waymark.bundle.graph import replace_head
from waymark.bundle.tiny import tiny_bundle
from waymark.errors import ConfigError
from waymark.preprocess import prepare
from waymark.training import features
from waymark.training.features import embed_photos


@pytest.fixture
def cache(own_cache) -> Path:
    return own_cache


@pytest.fixture
def photos(tmp_path) -> list[Path]:
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{i}.png" for i in range(5)]
    for path in paths:
        pixels = rng.integers(0, 255, (6, 8, 3), np.uint8)
        Image.fromarray(pixels).resize((80, 60), Image.Resampling.NEAREST).save(path)
    return paths


def test_views_are_the_whole_photo_its_centre_and_its_mirror_image(photos, cache):
    """An independent run of the model on prepared pixels gives the same vectors."""
    bundle = tiny_bundle()
    session = ort.InferenceSession(bundle.model, providers=["CPUExecutionProvider"])
    image = Image.open(photos[0])
    ready = [
        prepare(view, bundle.manifest.preprocess)
        for view in (image, image.crop((8, 6, 72, 54)), image.transpose(Image.Transpose(0)))
    ]
    (expected,) = session.run(["embedding"], {"photos": np.stack(ready)})

    found = embed_photos(bundle, photos[:1], views=3)

    np.testing.assert_allclose(found.vectors[0], expected, atol=1e-5)
    np.testing.assert_array_equal(found.whole, found.vectors[:, 0])


def test_a_broken_photo_is_skipped_and_the_others_keep_their_rows(photos, cache):
    """What cannot be read is told with its path; rows say which photos are left."""
    photos[2].write_bytes(b"no photo at all")
    photos.insert(1, photos[0].with_name("missing.jpg"))

    found = embed_photos(tiny_bundle(), photos)

    assert found.rows.tolist() == [0, 2, 4, 5]
    assert found.vectors.shape == (4, 2, 16)
    assert [Path(row.path).name for row in found.skipped] == ["missing.jpg", "2.png"]


def test_a_second_run_does_not_touch_the_network(photos, cache, monkeypatch):
    """Neither a new name nor a new head makes a photo be embedded again."""
    bundle = tiny_bundle()
    first = embed_photos(bundle, photos)
    renamed = photos[0].rename(photos[0].with_name("renamed.png"))
    weight = np.ones((9, 16))
    taught = type(bundle)(
        manifest=bundle.manifest,
        model=replace_head(bundle.model, weight, np.zeros(9), normalise=True),
        statistics=bundle.statistics,
    )
    monkeypatch.setattr(features, "_embed", lambda *_: iter(()))

    again = embed_photos(taught, [renamed, *photos[1:]])

    np.testing.assert_array_equal(again.vectors, first.vectors)
    assert cache.is_file()


def test_another_network_is_not_mistaken_for_the_first(photos, cache):
    """The cache knows whose embeddings it keeps."""
    first = embed_photos(tiny_bundle(seed=0), photos)
    second = embed_photos(tiny_bundle(seed=1), photos)

    assert not np.allclose(first.vectors, second.vectors)


def test_one_more_view_is_computed_when_asked_for(photos, cache):
    """Views that are not kept yet are added; those that are stay the same."""
    one = embed_photos(tiny_bundle(), photos, views=1)
    three = embed_photos(tiny_bundle(), photos, views=3)

    assert three.vectors.shape == (5, 3, 16)
    np.testing.assert_array_equal(one.vectors[:, 0], three.vectors[:, 0])


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b""])
def test_a_damaged_cache_stops_nothing(photos, cache, content):
    """Rubbish where the cache should be is the same as no cache."""
    cache.parent.mkdir(parents=True)
    cache.write_bytes(content)

    found = embed_photos(tiny_bundle(), photos)

    uncached = embed_photos(tiny_bundle(), photos, cached=False)
    np.testing.assert_array_equal(found.vectors, uncached.vectors)


def test_a_damaged_cache_goes_with_its_log(photos, cache):
    """Else the log of the old file would be played into the new one; the next cache works."""
    cache.parent.mkdir(parents=True)
    for end in ("", "-wal", "-shm"):
        cache.with_name(cache.name + end).write_bytes(b"not a database at all" * 100)

    embed_photos(tiny_bundle(), photos)
    assert list(cache.parent.iterdir()) == []

    embed_photos(tiny_bundle(), photos)
    assert [path.name for path in cache.parent.iterdir()] == [cache.name]


def test_a_cache_that_cannot_be_made_stops_nothing(photos, tmp_path, monkeypatch):
    """A file where the cache's folder should be is the same as no cache."""
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

    assert len(embed_photos(tiny_bundle(), photos).rows) == 5


def test_the_cache_forgets_the_oldest(photos, cache, monkeypatch):
    """It stays below its limit."""
    monkeypatch.setattr(features, "KEEP", 4)

    embed_photos(tiny_bundle(), photos)

    with sqlite3.connect(cache) as connection:
        assert connection.execute("SELECT count(*) FROM embedding").fetchone() == (4,)
    connection.close()


def test_no_photos_make_no_vectors(cache):
    """An empty list is no special case for the caller."""
    found = embed_photos(tiny_bundle(), [])

    assert found.vectors.shape == (0, 2, 16)


def test_progress_reaches_the_number_of_photos(photos, cache):
    """The last report says that all are done."""
    reports = []

    embed_photos(tiny_bundle(), photos, progress=lambda *report: reports.append(report))

    assert reports[-1] == (5, 5, "embedding photos")


def test_an_impossible_number_of_views_is_refused(photos):
    """The message says which numbers there are."""
    with pytest.raises(ConfigError, match="1, 2"):
        embed_photos(tiny_bundle(), photos, views=4)
