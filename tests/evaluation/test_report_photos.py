"""The photos of a report: which are chosen, and what is drawn of them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from waymark.bundle.tiny import tiny_bundle
from waymark.errors import UnreadablePhoto
from waymark.evaluation.evaluate import Evaluation
from waymark.evaluation.report_photos import (
    COSTLY_HEATMAPS,
    HEATMAPS,
    MEASURED,
    SAMPLES,
    Wrong,
    channel_shares,
    confused_pairs,
    heatmaps,
    sample_photos,
    thumbnails,
)
from waymark.gazetteer import Landmark
from waymark.progress import silent


def said(labels, guesses, sure=None):
    """Return an evaluation of photos `0`, `1`, ... with these labels and first guesses."""
    n, classes = len(labels), 4
    scores = np.full((n, classes), 0.1, np.float32)
    scores[np.arange(n), guesses] = 0.5 if sure is None else sure
    return Evaluation(
        dataset="d",
        split=None,
        bundle="",
        landmarks=tuple(Landmark(id=f"id-{i}", name=f"Name {i}") for i in range(classes)),
        paths=tuple(Path(str(i)) for i in range(n)),
        labels=np.array(labels),
        sources=("",) * n,
        scores=scores,
        unknown=np.zeros(n, np.float32),
        threshold=0.5,
    )


def test_pairs_come_by_number_and_bring_the_surest_photos():
    """The most confident mistake, and the surest photo of what was guessed."""
    evaluation = said(
        labels=[0, 0, 0, 1, 1, 1, 2],
        guesses=[1, 1, 0, 1, 1, 0, 0],
        sure=[0.5, 0.9, 0.6, 0.5, 0.8, 0.7, 0.9],
    )

    first, *rest = confused_pairs(evaluation)

    assert (first.truth, first.guess, first.n, first.of) == ("Name 0", "Name 1", 2, 3)
    assert (first.confused, first.example) == (Path("1"), Path("4"))
    # one photo each: the larger share of its landmark leads
    assert [(pair.truth, pair.n, pair.of) for pair in rest] == [("Name 2", 1, 1), ("Name 1", 1, 3)]


def test_an_example_comes_from_the_training_where_the_evaluation_has_none():
    """And is missing where there is none at all."""
    evaluation = said(labels=[0], guesses=[3])

    assert confused_pairs(evaluation)[0].example is None
    known = [(Path("x"), "id-1"), (Path("y"), "id-3"), (Path("z"), "id-3")]
    assert confused_pairs(evaluation, known)[0].example == Path("y")


@pytest.mark.parametrize(("labels", "each"), [(1, 99), (5, 99), (54, 3), (200, 1)])
def test_samples_show_as_many_labels_as_there_is_room_for(labels, each):
    """Those of a label side by side; the same photos every time."""
    photos = [(Path(f"{i}-{k}"), f"{i:03}") for k in range(each) for i in range(labels)]

    chosen = sample_photos(photos)

    names = [label for _, label in chosen]
    assert len(set(names)) == min(labels, SAMPLES)
    assert names == sorted(names)
    assert len(set(chosen)) == len(chosen) <= SAMPLES
    assert chosen == sample_photos(photos)
    assert sample_photos([]) == []


class Drawer:
    """A recogniser that draws a red square, and cannot read the photo `bad`."""

    def __init__(self, design=None):
        self.bundle = tiny_bundle()
        self.asked = []
        if design is not None:
            self.bundle.manifest.backbone["design"] = design

    def explain(self, photo, landmark=None):
        """Note what is asked for."""
        self.asked.append((photo, landmark))
        if photo == Path("bad"):
            raise UnreadablePhoto("gone")
        return Image.new("RGB", (320, 240), (255, 0, 0))


def wrong(path):
    """Return a mistake whose first guess is `id-1`."""
    guesses = (("Name 1", 0.9),)
    return Wrong(
        path=Path(path),
        truth="Name 0",
        known=True,
        score=0.9,
        unknown_score=0.1,
        guesses=guesses,
        guess="id-1",
    )


@pytest.mark.parametrize(
    ("design", "most"), [(None, HEATMAPS), ({"pool": "flatten"}, COSTLY_HEATMAPS)]
)
def test_heatmaps_are_of_the_first_guess_and_few_where_they_are_costly(design, most):
    """Of the worst photos only; small."""
    drawer = Drawer(design)
    told = []

    drawn = heatmaps([wrong(str(i)) for i in range(40)], drawer, lambda *step: told.append(step))

    assert drawer.asked == [(Path(str(i)), "id-1") for i in range(most)]
    assert len(drawn) == len(told) == most
    assert told[-1][:2] == (most, most)
    assert len(drawn[Path("0")]) < 3000


def test_a_photo_without_a_heatmap_is_no_error():
    """Nor is a report without a recogniser."""
    assert list(heatmaps([wrong("bad"), wrong("good")], Drawer(), silent)) == [Path("good")]
    assert heatmaps([wrong("good")], None, silent) == {}


def test_thumbnails_are_drawn_once_a_photo_and_are_small(tmp_path):
    """A photo that is not there has none."""
    path = tmp_path / "photo.png"
    Image.new("RGB", (640, 320)).save(path)

    jpegs = thumbnails([path, tmp_path / "gone.png", path], silent)

    assert list(jpegs) == [path]
    (tmp_path / "small.jpg").write_bytes(jpegs[path])
    with Image.open(tmp_path / "small.jpg") as small:
        assert small.size == (160, 80)


def test_colours_are_measured_on_a_bounded_number_of_photos(tmp_path):
    """Each photo weighs the same; broken ones count for nothing."""
    for name, colour, size in (("a", (255, 0, 9), 64), ("b", (0, 0, 9), 128)):
        Image.new("RGB", (size, size), colour).save(tmp_path / f"{name}.png")
    (tmp_path / "c.png").write_bytes(b"no photo")
    photos = [(tmp_path / f"{name}.png", "x") for name in "abc"]

    shares, measured = channel_shares(photos, silent)

    assert measured == 2
    assert shares[0, 255] == shares[0, 0] == 0.5
    assert shares[2, 9] == 1
    told = []
    channel_shares(photos * 400, lambda *step: told.append(step))
    assert {total for _, total, _ in told} == {MEASURED}
    assert channel_shares([], silent) == (None, 0)
