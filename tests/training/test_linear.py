"""The fast path makes a bundle that predicts, from few photos and from odd datasets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from waymark.bundle.format import Bundle, read_bundle, write_bundle
from waymark.bundle.tiny import tiny_bundle
from waymark.dataset.index import read_dataset
from waymark.errors import DatasetError
from waymark.recognise.recogniser import Recogniser
from waymark.training.linear import fit_linear

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def parent() -> Bundle:
    return tiny_bundle(features=32, categories=2)


def test_a_fitted_bundle_predicts_what_it_was_shown(tmp_path, parent, folder, photo):
    """Saved, read and used on photos it never saw, it is right, and the head is in the model."""
    fitted = fit_linear(read_dataset(folder(tmp_path / "d", brick=12, copper=9, sky=10)), parent)
    bundle = read_bundle(
        write_bundle(tmp_path / "b.waymark", fitted.bundle) and tmp_path / "b.waymark"
    )
    for name in ("brick", "copper", "sky"):
        photo(tmp_path / "new" / f"{name}.png", name, 1000)
    recogniser = Recogniser(bundle)

    found = {p.stem: recogniser.predict(p) for p in sorted((tmp_path / "new").iterdir())}

    assert {name: p.predictions[0].landmark for name, p in found.items()} == {
        name: name for name in found
    }
    assert all(p.category_predictions is None for p in found.values())
    assert fitted.metrics["cv_top1"] > 0.9
    low, high = fitted.metrics["cv_top1_interval"]
    assert low < fitted.metrics["cv_top1"] <= high
    assert bundle.manifest.head == {"normalise": True}
    assert bundle.manifest.provenance["parent"] == parent.sha256


def test_the_same_seed_gives_the_same_bundle(tmp_path, parent, folder):
    """Fitting twice, from the cache and without it, gives the same bytes."""
    dataset = read_dataset(folder(tmp_path / "d", brick=6, copper=5))
    first, again, uncached = (
        write_bundle(tmp_path / f"{i}.waymark", fit_linear(dataset, parent, cached=cached).bundle)
        for i, cached in enumerate((True, True, False))
    )

    assert first.sha256 == again.sha256 == uncached.sha256


@pytest.mark.parametrize(
    "counts",
    [
        {"brick": 1, "sky": 1},
        {"brick": 1, "sky": 5},
        {"brick": 2, "sky": 2},
        {"brick": 60, "copper": 3, "sky": 1},
    ],
)
def test_few_photos_and_uneven_landmarks_still_make_a_bundle(tmp_path, parent, counts, folder):
    """One photo a landmark fits badly, but it fits, and every number is finite."""
    fitted = fit_linear(read_dataset(folder(tmp_path / "d", **counts)), parent)

    assert len(fitted.bundle.manifest.landmarks) == len(counts)
    write_bundle(tmp_path / "b.waymark", fitted.bundle)
    first = tmp_path / "d" / "brick" / "0.png"
    assert Recogniser(fitted.bundle).predict(first).predictions[0].landmark == "brick"


def test_photos_held_out_alone_are_not_counted(tmp_path, parent, folder):
    """A landmark with a single photo can't be judged, and the metrics say how many were."""
    fitted = fit_linear(read_dataset(folder(tmp_path / "d", brick=6, sky=6, sand=1)), parent)

    assert fitted.metrics["cv_n"] == 12
    assert fitted.held_out.judged.sum() == 12


def test_copies_do_not_flatter(tmp_path, parent, folder):
    """The same photo many times is in one fold, so a landmark of copies only is not judged."""
    root = folder(tmp_path / "d", brick=5, sky=5)
    original = (root / "brick" / "0.png").read_bytes()
    (root / "sand").mkdir()
    for i in range(6):
        (root / "sand" / f"{i}.png").write_bytes(original)

    fitted = fit_linear(read_dataset(root), parent)

    sand = fitted.examples.names.index("sand")
    assert not fitted.held_out.judged[fitted.examples.labels == sand].any()


def test_a_val_split_chooses_and_test_is_never_read(tmp_path, parent, folder, photo):
    """The figures are of val; a broken photo in test goes unnoticed."""
    for split, count in (("train", 6), ("val", 3)):
        folder(tmp_path / "d" / split, brick=count, sky=count)
    photo(tmp_path / "d" / "test" / "brick" / "0.png", "brick", 77)
    dataset = read_dataset(tmp_path / "d")
    (tmp_path / "d" / "test" / "brick" / "0.png").write_bytes(b"broken")

    fitted = fit_linear(dataset, parent)

    assert fitted.metrics["val_n"] == 6
    assert fitted.bundle.statistics["counts"].tolist() == [6, 6]
    assert not fitted.examples.skipped


def test_negatives_become_centroids_and_a_measured_rule(tmp_path, parent, folder):
    """With negatives the rule says how many of them it takes for a landmark."""
    root = folder(tmp_path / "d", brick=10, copper=10)
    folder(tmp_path / "no", sand=15, sky=15)

    fitted = fit_linear(read_dataset(root, negatives=tmp_path / "no"), parent)

    assert fitted.bundle.manifest.unknown.fpr is not None
    assert fitted.bundle.statistics["negative_counts"].sum() == 30


def test_without_negatives_the_parents_centroids_stay(tmp_path, parent, folder):
    """What the parent knows of other photos is passed on."""
    fitted = fit_linear(read_dataset(folder(tmp_path / "d", brick=6, sky=6)), parent)

    np.testing.assert_array_equal(
        fitted.bundle.statistics["negative_means"], parent.statistics["negative_means"]
    )
    assert fitted.bundle.manifest.unknown.fpr is None


def test_a_broken_photo_is_told_and_the_rest_is_used(tmp_path, parent, folder):
    """A landmark without a good photo is no class."""
    root = folder(tmp_path / "d", brick=4, sky=4, sand=1)
    broken = root / "sand" / "0.png"
    broken.write_bytes(broken.read_bytes()[:60])

    fitted = fit_linear(read_dataset(root), parent)

    assert fitted.examples.names == ("brick", "sky")
    assert [Path(row.path).name for row in fitted.examples.skipped] == ["0.png"]


def test_one_landmark_is_too_few(tmp_path, parent, folder):
    """The message says what to do instead."""
    with pytest.raises(DatasetError, match="teach"):
        fit_linear(read_dataset(folder(tmp_path / "d", brick=3)), parent)


def test_slim_leaves_the_backbone_out(tmp_path, parent, folder):
    """Otherwise the parent's is copied."""
    dataset = read_dataset(folder(tmp_path / "d", brick=3, sky=3))

    assert fit_linear(dataset, parent, slim=True).bundle.backbone is None
    assert fit_linear(dataset, parent).bundle.backbone == parent.backbone


def test_without_negatives_few_known_photos_are_called_unknown(
    tmp_path: Path, world_path: Path
) -> None:
    """New views of taught samples are rejected about as seldom as the rule says."""
    from waymark.evaluation.evaluate import evaluate
    from waymark.samples import SAMPLES, write_samples

    names = SAMPLES[:6]
    write_samples(tmp_path / "a", per_landmark=10, seed=1, size=(200, 150), names=names)
    write_samples(tmp_path / "b", per_landmark=10, seed=2, size=(200, 150), names=names)
    fitted = fit_linear(read_dataset(tmp_path / "a"), read_bundle(world_path), cached=False)
    said = evaluate(Recogniser(fitted.bundle), read_dataset(tmp_path / "b"))

    assert said.figures["known_called_unknown"] <= 0.2
