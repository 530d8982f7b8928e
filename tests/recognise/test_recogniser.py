"""Photos in, predictions out, in order and whatever the batch."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from waymark.bundle.format import Bundle, read_bundle, write_bundle
from waymark.bundle.tiny import tiny_bundle
from waymark.errors import BundleError, ConfigError, PhotoError, UnknownName, UnreadablePhoto
from waymark.recognise.prediction import PhotoFailure, Prediction, Seen
from waymark.recognise.recogniser import Recogniser


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Return a tiny bundle with categories, saved."""
    return write_bundle(tmp_path_factory.mktemp("b") / "b.waymark", tiny_bundle(4, categories=2))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return 21 photos of coloured noise, of several sizes."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    paths = [folder / f"{i:02}.png" for i in range(21)]
    for i, path in enumerate(paths):
        blocks = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
        Image.fromarray(blocks).resize((60 + 7 * i, 90 - i)).save(path)
    return paths


@pytest.fixture(scope="module")
def recogniser(bundle: Bundle) -> Recogniser:
    """Return the tiny bundle, ready."""
    return Recogniser(bundle)


class Constant:
    """A network that says the same of every photo."""

    def __init__(self, logits: Sequence[float]) -> None:
        self.logits = np.asarray(logits, np.float32)
        self.batches: list[int] = []

    def run(self, photos: np.ndarray, outputs: Sequence[str] = ()) -> dict[str, np.ndarray]:
        """Return the constant for each photo."""
        self.batches.append(len(photos))
        arrays = {
            "logits_landmark": np.tile(self.logits, (len(photos), 1)),
            "logits_category": np.zeros((len(photos), 2), np.float32),
            "embedding": np.ones((len(photos), 16), np.float32),
        }
        return {name: arrays[name] for name in outputs}


def test_one_photo_is_predicted(recogniser: Recogniser, bundle: Bundle, photos: list[Path]):
    """Best first, scores that sum to 1 over all landmarks, categories beside."""
    said = recogniser.predict(photos[0])

    assert said.photo == str(photos[0])
    assert said.bundle == bundle.sha256[:12]
    assert len(said.predictions) == 4
    scores = [guess.score for guess in said.predictions]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) == pytest.approx(1, abs=1e-5)
    assert said.known == (said.unknown_score <= recogniser.threshold)
    assert said.category_predictions is not None
    assert {c.category for c in said.category_predictions} == {"kind-0", "kind-1"}


def test_a_path_its_bytes_and_its_image_give_the_same(recogniser: Recogniser, photos: list[Path]):
    """However the photo comes."""
    path = recogniser.predict(photos[1])
    data = recogniser.predict(photos[1].read_bytes())
    with Image.open(photos[1]) as image:
        shown = recogniser.predict(image)

    assert data == shown == replace(path, photo="")


def test_json_has_all_keys_of_the_contract(photos: list[Path]):
    """Always the same keys in the same order; null where nothing is known."""
    tiny = Recogniser(tiny_bundle())

    said = tiny.predict(photos[0], k=2).to_dict()

    assert list(said) == [
        "photo",
        "known",
        "unknown_score",
        "predictions",
        "category_predictions",
        "bundle",
    ]
    assert said["category_predictions"] is None
    assert len(said["predictions"]) == 2
    assert list(said["predictions"][0]) == [
        "landmark",
        "name",
        "local_name",
        "score",
        "place",
        "country",
        "category",
        "lat",
        "lon",
        "extent_m",
        "wikidata",
    ]
    assert said["predictions"][0]["wikidata"] is None


def test_many_photos_come_back_in_order_with_failures_in_place(
    recogniser: Recogniser, photos: list[Path], tmp_path: Path
):
    """A bad photo is a record where it stood, not the end."""
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no photo")
    paths = [photos[0], bad, *photos[1:], tmp_path / "missing.jpg"]

    said = list(recogniser.predict_many(paths, k=1))

    assert [one.photo for one in said] == [str(path) for path in paths]
    assert [isinstance(one, PhotoFailure) for one in said] == [False, True, *[False] * 20, True]
    failure = said[1]
    assert isinstance(failure, PhotoFailure)
    assert isinstance(failure.error, UnreadablePhoto)
    assert failure.to_dict() == {"photo": str(bad), "error": str(failure.error)}


def test_a_photo_gets_the_same_answer_alone_and_among_others(
    recogniser: Recogniser, photos: list[Path]
):
    """Within 1e-4, at any number of workers."""
    alone = [recogniser.predict(path) for path in photos]

    for workers in (1, 3):
        for one, other in zip(alone, recogniser.predict_many(photos, workers=workers), strict=True):
            assert isinstance(other, Prediction)
            assert other.unknown_score == pytest.approx(one.unknown_score, abs=1e-4)
            assert [g.landmark for g in other.predictions] == [g.landmark for g in one.predictions]
            for guess, same in zip(one.predictions, other.predictions, strict=True):
                assert same.score == pytest.approx(guess.score, abs=1e-4)


def test_photos_are_taken_as_they_are_needed(bundle: Bundle, photos: list[Path]):
    """An endless source works, and is not read far ahead."""
    taken = 0

    def endless() -> Any:
        nonlocal taken
        while True:
            taken += 1
            yield photos[taken % len(photos)]

    said = Recogniser(bundle).predict_many(endless(), workers=2)
    for _ in range(10):
        next(said)
    said.close()

    assert taken < 100


def test_no_photos_give_no_predictions(recogniser: Recogniser):
    """An empty list is fine."""
    assert list(recogniser.predict_many([])) == []
    assert recogniser.embed([]).shape == (0, 16)


def test_classify_gives_what_the_network_says(recogniser: Recogniser, photos: list[Path]):
    """Logits, embedding and category logits a photo, as evaluation wants them."""
    seen = list(recogniser.classify(photos[:9]))

    assert all(isinstance(one, Seen) for one in seen)
    assert {one.logits.shape for one in seen if isinstance(one, Seen)} == {(4,)}
    embedding = recogniser.embed(photos[:9])
    np.testing.assert_array_equal(
        embedding, [one.embedding for one in seen if isinstance(one, Seen)]
    )


def test_embedding_a_bad_photo_raises(recogniser: Recogniser, tmp_path: Path):
    """There is no row that could stand for it."""
    with pytest.raises(PhotoError):
        recogniser.embed([tmp_path / "missing.jpg"])


def test_fast_uses_the_smaller_input(bundle: Bundle, photos: list[Path]):
    """The size is the bundle's own."""
    fast = Recogniser(bundle, fast=True)

    assert fast.preprocess.size == 32
    assert fast.predict(photos[0]).predictions


def test_tta_does_not_care_whether_the_photo_is_mirrored(bundle: Bundle, photos: list[Path]):
    """Its views come with their mirror images, so both have the same mean."""
    out = io.BytesIO()
    with Image.open(photos[3]) as image:
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(out, "PNG")
    both = [photos[3], out.getvalue()]

    calm, plain = Recogniser(bundle, tta=True).embed(both), Recogniser(bundle).embed(both)

    assert np.abs(calm[0] - calm[1]).max() < 0.02 * np.abs(calm).max()
    assert np.abs(plain[0] - plain[1]).max() > 0.2 * np.abs(plain).max()


def test_tta_runs_four_views_a_photo(bundle: Bundle, photos: list[Path]):
    """One run of the network for one photo."""
    network = Constant([1, 2, 3, 4])

    said = Recogniser(bundle, tta=True, session=network).predict(photos[0], k=1)

    assert network.batches == [4]
    assert said.predictions[0].landmark == "landmark-3"


def test_tta_averages_the_logits_of_categories_too(bundle: Bundle, photos: list[Path]):
    """The categories of a photo and of its mirror image are the same, as its landmarks are."""
    out = io.BytesIO()
    with Image.open(photos[3]) as image:
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(out, "PNG")

    one, other = Recogniser(bundle, tta=True).predict_many([photos[3], out.getvalue()])

    assert isinstance(one, Prediction)
    assert isinstance(other, Prediction)
    assert one.category_predictions is not None
    assert other.category_predictions is not None
    for mine, mirrored in zip(one.category_predictions, other.category_predictions, strict=True):
        assert mine.category == mirrored.category
        assert mine.score == pytest.approx(mirrored.score, abs=0.05)


def test_the_threshold_decides_what_is_known(bundle: Bundle, photos: list[Path]):
    """At 1 everything is known; at 0 nothing is, unless it is certain."""
    assert Recogniser(bundle, unknown_threshold=1).predict(photos[0]).known
    assert not Recogniser(bundle, unknown_threshold=0).predict(photos[0]).known


def test_truncated_photos_are_read_if_allowed(bundle: Bundle, tmp_path: Path):
    """And refused if not."""
    path = tmp_path / "cut.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, quality=90)
    path.write_bytes(path.read_bytes()[:-5000])

    with pytest.raises(PhotoError):
        Recogniser(bundle).predict(path)
    assert Recogniser(bundle, allow_truncated=True).predict(path).predictions


def test_explaining_draws_the_photo(recogniser: Recogniser, photos: list[Path]):
    """In the photo's own aspect; for a landmark of one's choice too."""
    picture = recogniser.explain(photos[5])

    with Image.open(photos[5]) as photo:
        assert picture.size == photo.size
    other = recogniser.explain(photos[5], "landmark-2")
    assert other.size == picture.size


def test_explaining_a_landmark_that_is_not_there_is_refused(
    recogniser: Recogniser, photos: list[Path]
):
    """By its id."""
    with pytest.raises(UnknownName, match="no landmark 'atlantis'"):
        recogniser.explain(photos[0], "atlantis")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tta": True, "fast": True}, "choose one"),
        ({"unknown_threshold": 1.5}, "between 0"),
        ({"unknown_threshold": float("nan")}, "between 0"),
    ],
)
def test_impossible_options_are_refused(bundle: Bundle, options: dict[str, Any], message: str):
    """Before any photo is read."""
    with pytest.raises(ConfigError, match=message):
        Recogniser(bundle, **options)


def test_a_bundle_without_a_fast_size_says_so(bundle: Bundle):
    """Instead of being quietly slow."""
    slow = replace(bundle, manifest=replace(bundle.manifest, sizes={}))

    with pytest.raises(ConfigError, match="no fast setting"):
        Recogniser(slow, fast=True)


@pytest.mark.parametrize("k", [0, -3])
def test_fewer_than_one_guess_is_refused(recogniser: Recogniser, photos: list[Path], k: int):
    """In both ways to predict."""
    with pytest.raises(ConfigError, match="at least 1"):
        recogniser.predict(photos[0], k)
    with pytest.raises(ConfigError, match="at least 1"):
        list(recogniser.predict_many(photos, k))


@pytest.mark.parametrize("logits", [[1.0, 2.0], [np.nan] * 4, [np.inf] * 4])
def test_a_network_that_does_not_fit_its_manifest_is_refused(
    bundle: Bundle, photos: list[Path], logits: list[float]
):
    """Too few logits, or numbers that are none."""
    with pytest.raises(BundleError, match="damaged"):
        Recogniser(bundle, session=Constant(logits)).predict(photos[0])


def test_a_recogniser_is_made_from_a_path(bundle: Bundle, tmp_path: Path):
    """Or from a bundle; both are the same."""
    write_bundle(tmp_path / "x.waymark", bundle)

    recogniser = Recogniser.from_bundle(tmp_path / "x.waymark", tta=True)

    assert recogniser.bundle.manifest == read_bundle(tmp_path / "x.waymark").manifest
