"""Photos of another class and of none are found among drawn embeddings."""

from __future__ import annotations

import sys
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from waymark.curate.check_labels import Doubts, doubt_labels
from waymark.curate.check_labels_fit import FEWEST, deal
from waymark.errors import MissingExtra, ShapeError

WIDTH = 160
SPREAD = 0.5 / np.sqrt(WIDTH)  # of a class about its mean, which has length 1


class Planted(NamedTuple):
    """Embeddings with faults that are known."""

    embeddings: NDArray[np.float32]
    labels: NDArray[np.intp]
    true: NDArray[np.intp]  # -1: of no class
    negatives: NDArray[np.float32]

    def doubts(self, **options: object) -> Doubts:
        """Judge them."""
        settings: dict[str, object] = {
            "classes": int(self.labels.max()) + 1,
            "groups": np.arange(len(self.labels)),
            "negatives": self.negatives,
        }
        return doubt_labels(self.embeddings, self.labels, **(settings | options))  # type: ignore[arg-type]


def plant(
    *, classes: int = 8, each: int = 30, wrong: int = 12, off: int = 12, seed: int = 0
) -> Planted:
    """Draw classes about means on a sphere, and relabel or add a few photos."""
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(classes + 10, WIDTH))
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    true = np.concatenate([np.repeat(np.arange(classes), each), np.full(off, -1)])
    place = np.where(true < 0, classes + rng.integers(0, 10, len(true)), true)
    embeddings = means[place] + rng.normal(size=(len(true), WIDTH)) * SPREAD
    labels = np.where(true < 0, rng.integers(0, classes, len(true)), true)
    moved = rng.permutation(classes * each)[:wrong]
    labels[moved] = (labels[moved] + rng.integers(1, max(classes, 2), wrong)) % classes
    near = means[classes:] + rng.normal(size=(10, WIDTH)) * SPREAD
    return Planted(embeddings.astype(np.float32), labels, true, near.astype(np.float32))


def shares(found: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> tuple[float, float]:
    """Return recall and precision."""
    both = (found & wanted).sum()
    return both / max(wanted.sum(), 1), both / max(found.sum(), 1)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_planted_faults_are_found_and_little_else(seed: int) -> None:
    """At least nine tenths of both kinds of fault are found, with as much precision."""
    planted = plant(seed=seed)
    doubts = planted.doubts()
    wrong = (planted.true >= 0) & (planted.true != planted.labels)

    assert min(shares(doubts.wrong > 0, wrong)) >= 0.9
    assert min(shares(doubts.off_topic > 0, planted.true < 0)) >= 0.9
    found = wrong & (doubts.wrong > 0)
    assert (doubts.suggested[found] == planted.true[found]).mean() >= 0.95


def test_a_photo_is_doubted_for_one_reason_and_severity_is_a_share() -> None:
    """Off-topic and wrong label exclude each other; only wrong labels have a suggestion."""
    doubts = plant().doubts()

    assert not ((doubts.off_topic > 0) & (doubts.wrong > 0)).any()
    assert ((doubts.suggested >= 0) == (doubts.wrong > 0)).all()
    for severity in (doubts.off_topic, doubts.wrong):
        assert severity.dtype == np.float32
        assert ((severity >= 0) & (severity <= 1)).all()


def test_a_clean_dataset_is_left_alone() -> None:
    """Where every photo belongs, at most one in a hundred is doubted."""
    doubts = plant(wrong=0, off=0).doubts()

    assert ((doubts.off_topic > 0) | (doubts.wrong > 0)).mean() <= 0.01


def test_a_quarter_of_bad_photos_hides_none_of_them() -> None:
    """Faults are found too where an eighth of the photos is off topic, an eighth mislabelled."""
    planted = plant(wrong=40, off=40)
    doubts = planted.doubts()
    bad = planted.true != planted.labels

    recall, precision = shares((doubts.off_topic > 0) | (doubts.wrong > 0), bad)
    assert recall >= 0.85
    assert precision >= 0.9


def test_small_classes_are_not_doubted() -> None:
    """Photos of a class of few are never doubted, nor is their class suggested."""
    planted = plant(wrong=0, off=0)
    few = np.flatnonzero(planted.labels == 0)[: FEWEST - 1]
    kept = np.concatenate([few, np.flatnonzero(planted.labels > 0)])
    labels = planted.labels[kept].copy()
    labels[:2] = 0, 0
    planted = planted._replace(embeddings=planted.embeddings[kept][:, ::-1], labels=labels)
    doubts = planted.doubts()

    small = labels == 0
    assert not doubts.off_topic[small].any()
    assert not doubts.wrong[small].any()
    assert (doubts.suggested != 0).all()


def test_copies_count_once() -> None:
    """One photo many times over is still too few to judge a class by."""
    planted = plant(classes=4, wrong=0, off=0)
    rows = np.concatenate([np.zeros(20, np.intp), np.flatnonzero(planted.labels > 0)])
    groups = np.concatenate([np.zeros(20, np.intp), 1 + np.arange(len(rows) - 20)])
    alone = planted._replace(embeddings=planted.embeddings[rows], labels=planted.labels[rows])
    doubts = alone.doubts(groups=groups)

    assert not doubts.wrong[:20].any()
    assert not doubts.off_topic[:20].any()


def test_copies_of_a_wrong_photo_do_not_vouch_for_it() -> None:
    """A mislabelled photo in five copies is found, as they are judged together."""
    planted = plant(wrong=0, off=0)
    copied = int(np.flatnonzero(planted.labels == 1)[0])
    rows = np.concatenate([np.arange(len(planted.labels)), np.full(4, copied)])
    labels = planted.labels[rows].copy()
    labels[rows == copied] = 2
    doubts = planted._replace(embeddings=planted.embeddings[rows], labels=labels).doubts(
        groups=rows
    )

    assert (doubts.wrong[rows == copied] > 0).all()
    assert (doubts.suggested[rows == copied] == 1).all()


def test_one_class_has_off_topic_photos_but_no_wrong_labels() -> None:
    """Against negatives, even the photos of a single class can be told from others."""
    planted = plant(classes=1, each=60, wrong=0, off=6)
    doubts = planted.doubts()
    recall, precision = shares(doubts.off_topic > 0, planted.true < 0)

    assert recall >= 0.5
    assert precision == 1
    assert not doubts.wrong.any()


def test_one_class_and_no_negatives_is_left_alone() -> None:
    """With nothing to compare with, nothing is said."""
    doubts = plant(classes=1, wrong=0).doubts(negatives=None)

    assert not doubts.off_topic.any()
    assert not doubts.wrong.any()


def test_two_classes_will_do() -> None:
    """Wrong labels are found between two classes, with negatives and without."""
    planted = plant(classes=2, each=40, wrong=6, off=0)
    for negatives in (planted.negatives, None):
        doubts = planted.doubts(negatives=negatives)
        assert min(shares(doubts.wrong > 0, planted.true != planted.labels)) >= 0.8


def test_many_negatives_are_summed_up() -> None:
    """Hundreds of negatives serve as a bundle's few centroids do."""
    planted = plant()
    rng = np.random.default_rng(5)
    many = np.repeat(planted.negatives, 30, axis=0)
    many += rng.normal(size=many.shape).astype(np.float32) * np.float32(SPREAD)
    doubts = planted.doubts(negatives=many)

    assert min(shares(doubts.off_topic > 0, planted.true < 0)) >= 0.9


def test_a_seed_gives_the_same_doubts_each_time() -> None:
    """Nothing is drawn but from the seed."""
    planted = plant()
    for one, two in zip(planted.doubts(seed=3), planted.doubts(seed=3), strict=True):
        assert np.array_equal(one, two)


def test_without_cleanlab_off_topic_photos_are_found_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only wrong labels need the extra, and the error says how to get it."""
    planted = plant()
    full = planted.doubts()
    monkeypatch.setitem(sys.modules, "cleanlab", None)

    with pytest.raises(MissingExtra, match=r"waymark\[clean\]"):
        planted.doubts()
    doubts = planted.doubts(wrong_labels=False)
    assert np.array_equal(doubts.off_topic, full.off_topic)
    assert not doubts.wrong.any()
    assert (doubts.suggested == -1).all()


def test_no_photo_is_no_doubt() -> None:
    """Of nothing, nothing is said."""
    nothing = np.zeros(0, np.intp)
    doubts = doubt_labels(np.zeros((0, 4), np.float32), nothing, classes=2, groups=nothing)

    assert [len(array) for array in doubts] == [0, 0, 0]


@pytest.mark.parametrize(
    ("labels", "groups"), [([0, 1, 2], [0, 1, 2]), ([0, 1], [0, 1, 2]), ([0, 1, -1], [0, 1, 2])]
)
def test_arrays_that_do_not_fit_are_refused(labels: list[int], groups: list[int]) -> None:
    """Labels out of range, or of another length, are an error."""
    with pytest.raises(ShapeError, match="labels"):
        doubt_labels(
            np.zeros((3, 4), np.float32), np.array(labels), classes=2, groups=np.array(groups)
        )


def test_folds_keep_groups_together_and_share_out_each_class() -> None:
    """A group is in one fold; every fold has about as many photos of a class."""
    rng = np.random.default_rng(0)
    labels, groups = np.repeat(np.arange(3), 40), np.arange(120)
    groups[:6] = 0
    fold = deal(labels, groups, seed=int(rng.integers(100)))

    assert len(set(fold[:6].tolist())) == 1
    for number in (1, 2):
        counts = np.bincount(fold[labels == number], minlength=5)
        assert counts.max() - counts.min() <= 1
