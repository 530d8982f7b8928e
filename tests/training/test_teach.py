"""Teaching adds landmarks and examples, and what was known stays known."""

from __future__ import annotations

import numpy as np
import pytest

from waymark.bundle.format import Bundle, read_bundle, write_bundle
from waymark.bundle.tiny import tiny_bundle
from waymark.dataset.index import read_dataset
from waymark.errors import DatasetError, RunError
from waymark.recognise.recogniser import Recogniser
from waymark.training.linear import fit_linear
from waymark.training.teach import save_taught, teach

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def parent(tmp_path, folder) -> Bundle:
    """A bundle that knows brick and copper, and has seen the night as a negative."""
    root = folder(tmp_path / "known", brick=20, copper=20)
    negatives = folder(tmp_path / "no", night=20)
    dataset = read_dataset(root, negatives=negatives)
    fitted = fit_linear(dataset, tiny_bundle(features=32, categories=2))
    return write_bundle(tmp_path / "parent.waymark", fitted.bundle)


def guesses(bundle: Bundle, folder, root, count: int = 15, **names) -> dict[str, float]:
    """Return the share of unseen photos of each landmark that is named right."""
    folder(root, first=500, **dict.fromkeys(names or ("brick", "copper", "sky", "sand"), count))
    recogniser = Recogniser(bundle)
    found: dict[str, float] = {}
    for name in sorted(root.iterdir()):
        said = recogniser.predict_many(sorted(name.iterdir()), k=1)
        found[name.name] = float(np.mean([p.predictions[0].landmark == name.name for p in said]))
    return found


@pytest.mark.parametrize("photos", [5, 15])
def test_new_landmarks_are_known_and_old_ones_kept(tmp_path, parent, folder, photos):
    """Unseen photos of old and new landmarks are named, and the trained rows are the same."""
    dataset = read_dataset(folder(tmp_path / "new", sky=photos, sand=photos))

    taught = teach(parent, dataset)

    assert taught.added == ("sand", "sky")
    assert taught.strengthened == ()
    assert taught.bundle.manifest.tasks[0].ids == ("brick", "copper", "sand", "sky")
    assert min(guesses(taught.bundle, folder, tmp_path / "unseen").values()) > 0.8
    np.testing.assert_allclose(
        taught.bundle.statistics["head_weight"][:2], parent.statistics["head_weight"], atol=1e-6
    )
    assert taught.bundle.manifest.provenance["parent"] == parent.sha256
    assert taught.metrics["taught_top1"] > 0.8


def test_a_taught_bundle_can_be_saved_read_and_taught_again(tmp_path, parent, folder):
    """The file reads back, and what was taught before stays through the second teaching."""
    first = teach(parent, read_dataset(folder(tmp_path / "a", sky=8)))
    saved = save_taught(tmp_path / "out" / "b.waymark", first)
    again = read_bundle(tmp_path / "out" / "b.waymark")

    second = teach(again, read_dataset(folder(tmp_path / "b", sand=8)))

    assert again.sha256 == saved.bundle.sha256
    assert second.bundle.manifest.tasks[0].ids == ("brick", "copper", "sky", "sand")
    assert second.bundle.manifest.provenance["parent"] == again.sha256
    np.testing.assert_allclose(
        second.bundle.statistics["head_weight"][:3], again.statistics["head_weight"], atol=1e-6
    )


def test_the_order_of_two_teachings_hardly_matters(tmp_path, parent, folder):
    """Statistics are the same whichever came first, and so is what is named."""
    sky = read_dataset(folder(tmp_path / "a", sky=10))
    sand = read_dataset(folder(tmp_path / "b", sand=10))

    one = teach(teach(parent, sky).bundle, sand).bundle
    two = teach(teach(parent, sand).bundle, sky).bundle

    order = [two.manifest.tasks[0].ids.index(name) for name in one.manifest.tasks[0].ids]
    np.testing.assert_allclose(one.statistics["means"], two.statistics["means"][order], atol=1e-5)
    np.testing.assert_allclose(
        one.statistics["covariance"], two.statistics["covariance"], atol=1e-5
    )
    assert guesses(one, folder, tmp_path / "u1") == pytest.approx(
        guesses(two, folder, tmp_path / "u2"), abs=0.1
    )


def test_a_known_label_gets_more_examples(tmp_path, parent, folder):
    """No landmark is added; the count grows, the row moves, and all is still named."""
    taught = teach(parent, read_dataset(folder(tmp_path / "more", first=100, brick=6)))

    assert taught.added == ()
    assert taught.strengthened == ("brick",)
    assert taught.bundle.statistics["counts"].tolist() == [26, 20]
    moved = taught.bundle.statistics["head_weight"] - parent.statistics["head_weight"]
    assert np.abs(moved[0]).max() > 1e-3
    assert np.abs(moved[1]).max() < 1e-5
    found = guesses(taught.bundle, folder, tmp_path / "unseen", brick=1, copper=1)
    assert min(found.values()) > 0.8


def test_statistics_are_those_of_all_photos_together(tmp_path, parent, folder):
    """The mean of a landmark after more examples is that of old and new photos."""
    taught = teach(parent, read_dataset(folder(tmp_path / "more", first=100, brick=20))).bundle
    alone = teach(parent, read_dataset(folder(tmp_path / "new" / "x", first=100, sky=1))).bundle
    both = fit_linear(
        read_dataset(folder(folder(tmp_path / "all", brick=20, copper=20), first=100, brick=20)),
        tiny_bundle(features=32),
    ).bundle

    np.testing.assert_allclose(
        taught.statistics["means"][0], both.statistics["means"][0], atol=1e-4
    )
    assert alone.statistics["counts"].tolist() == [20, 20, 1]


def test_one_photo_of_one_landmark_is_enough_not_to_fail(tmp_path, parent, folder):
    """There is nothing to measure, but the bundle knows the landmark."""
    taught = teach(parent, read_dataset(folder(tmp_path / "new", sky=1)))

    assert taught.metrics["taught_top1"] is None
    assert guesses(taught.bundle, folder, tmp_path / "unseen")["brick"] > 0.8
    assert taught.bundle.manifest.tasks[0].ids == ("brick", "copper", "sky")


@pytest.mark.parametrize("normalise", [False, True])
def test_either_kind_of_head_can_be_taught(tmp_path, folder, normalise):
    """Raw embeddings or unit ones: the model's logits are those of the statistics' head."""
    bundle = tiny_bundle(4, features=32, normalise=normalise, negatives=0)

    taught = teach(bundle, read_dataset(folder(tmp_path / "new", sky=6, sand=6))).bundle

    assert taught.manifest.head == {"normalise": normalise}
    (seen,) = Recogniser(taught).classify([tmp_path / "new" / "sky" / "0.png"])
    vector = seen.embedding / (np.linalg.norm(seen.embedding) if normalise else 1)
    head = taught.statistics["head_weight"] @ vector + taught.statistics["head_bias"]
    np.testing.assert_allclose(seen.logits, head, atol=1e-3)


def test_a_second_task_stays(tmp_path, folder):
    """Categories are none of teaching's business."""
    bundle = tiny_bundle(3, features=32, categories=2)

    taught = teach(bundle, read_dataset(folder(tmp_path / "new", sky=5))).bundle

    assert taught.manifest.categories == bundle.manifest.categories
    read = write_bundle(tmp_path / "b.waymark", taught)
    said = Recogniser(read).predict(tmp_path / "new" / "sky" / "0.png")
    assert said.category_predictions is not None


def test_categories_go_with_a_landmark_of_another_kind(tmp_path, folder):
    """A head that cannot say the new category would always be wrong about it: it is left out."""
    bundle = tiny_bundle(3, features=32, categories=2)
    root = folder(tmp_path / "new", sky=5)
    (root / "landmarks.csv").write_text("id,name,category\nsky,Sky,observatory\n")

    taught = teach(bundle, read_dataset(root)).bundle

    assert taught.manifest.categories == ()
    read = write_bundle(tmp_path / "b.waymark", taught)
    assert Recogniser(read).predict(root / "sky" / "0.png").category_predictions is None


def test_new_negatives_join_the_old(tmp_path, parent, folder):
    """Their centroids stand beside those that the parent had."""
    folder(tmp_path / "no2", sand=12)
    dataset = read_dataset(folder(tmp_path / "new", sky=6), negatives=tmp_path / "no2")

    taught = teach(parent, dataset).bundle

    assert taught.statistics["negative_counts"].tolist() == [20, 12]


def test_a_missing_place_is_filled_in(tmp_path, parent, folder):
    """What the dataset knows of a landmark and the bundle did not is kept."""
    root = folder(tmp_path / "more", first=100, brick=3)
    (root / "landmarks.csv").write_text("id,name,lat,lon\nbrick,Brick House,43.5,5.4\n")

    brick = teach(parent, read_dataset(root)).bundle.manifest.landmarks[0]

    assert (brick.lat, brick.lon) == (43.5, 5.4)


def test_an_existing_file_is_not_overwritten(tmp_path, parent, folder):
    """The message says to give another name."""
    taught = teach(parent, read_dataset(folder(tmp_path / "new", sky=3)))
    (tmp_path / "there.waymark").write_text("mine")

    with pytest.raises(RunError, match="another --out"):
        save_taught(tmp_path / "there.waymark", taught)

    assert (tmp_path / "there.waymark").read_text() == "mine"


def test_broken_photos_only_are_an_error(tmp_path, parent, folder):
    """Nothing to learn from is said in words."""
    root = folder(tmp_path / "new", sky=1)
    broken = root / "sky" / "0.png"
    broken.write_bytes(broken.read_bytes()[:50])

    with pytest.raises(DatasetError, match="cannot be read"):
        teach(parent, read_dataset(root))
