"""Tables of classes: the worst first, and the means of a classification report."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from waymark.evaluation.metrics import confusion_counts
from waymark.evaluation.report_tables import averages, class_rows, colour_rows

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 6, 90)
GUESSES = np.where(RNG.random(90) < 0.7, LABELS, RNG.integers(0, 7, 90))
NAMES = list("abcdefgh")
ROWS = class_rows(confusion_counts(LABELS, GUESSES, 8), NAMES)


def test_rows_are_of_the_classes_with_photos_and_the_worst_is_first():
    """Classes 6 and 7 are only guessed, or not even that."""
    assert sorted(row["name"] for row in ROWS) == NAMES[:6]
    f1 = [row["f1"] for row in ROWS]
    assert f1 == sorted(f1)


@pytest.mark.parametrize(("place", "average"), [(0, "macro"), (1, "weighted")])
def test_the_means_are_those_of_scikit_learn(place, average):
    """Over the classes, and over the photos."""
    expected = precision_recall_fscore_support(
        LABELS, GUESSES, labels=range(6), average=average, zero_division=0
    )

    mean = averages(ROWS)[place]

    np.testing.assert_allclose([mean["precision"], mean["recall"], mean["f1"]], expected[:3])
    assert mean["n"] == 90


def test_a_class_names_what_it_was_most_often_taken_for():
    """None where no photo of it went wrong."""
    counts = np.array([[5, 1, 3], [0, 4, 0], [0, 0, 1]])

    rows = {row["name"]: row for row in class_rows(counts, "abc", [7, 8, None])}

    assert rows["a"]["taken_for"] == ("c", 3)
    assert rows["b"]["taken_for"] is None
    assert [rows[name]["trained"] for name in "abc"] == [7, 8, None]
    assert averages([]) == []


def test_normalising_by_what_was_measured_gives_zero_and_one():
    """Mean 0 and deviation 1, of each channel."""
    shares = RNG.random((3, 256))
    shares /= shares.sum(axis=1, keepdims=True)
    measured = colour_rows(shares, np.zeros(3), np.ones(3))
    mean, std = (np.array([row["before"][i] for row in measured]) / 255 for i in (0, 1))

    after = [row["after"] for row in colour_rows(shares, mean, std)]

    np.testing.assert_allclose(after, [(0, 1)] * 3, atol=1e-9)
