"""Which figures a report has, and which classes stand in them."""

import numpy as np
import pytest

from waymark.evaluation.report_figures import EVERY_NAME, most_confused

RNG = np.random.default_rng(0)


def test_the_block_holds_the_pairs_that_are_confused_most():
    """Both of each pair, next to each other; what is never confused is left out."""
    counts = np.diag(np.full(9, 50))
    counts[2, 7], counts[7, 2], counts[0, 5] = 6, 3, 4

    assert [set(pair) for pair in most_confused(counts, 9).reshape(-1, 2)] == [{2, 7}, {0, 5}]
    assert set(most_confused(counts, 2)) == {2, 7}


@pytest.mark.parametrize("most", [1, 5, 30])
def test_a_block_is_never_larger_than_asked_and_has_no_class_twice(most):
    """However much is confused; the counts themselves are left alone."""
    counts = RNG.integers(0, 9, (20, 20))
    before = counts.copy()

    block = most_confused(counts, most)

    assert len(set(block.tolist())) == len(block) == min(most, 20)
    assert (counts == before).all()


def test_nothing_confused_is_no_block():
    """A perfect bundle, or one of a single class."""
    assert len(most_confused(np.diag([3, 4]), 20)) == 0
    assert len(most_confused(np.array([[3]]), 20)) == 0


def test_names_of_figures_are_file_names():
    """Nothing else is ever removed from a folder of plots."""
    assert all(name.replace("-", "").isalpha() for name in EVERY_NAME)
    assert len(set(EVERY_NAME)) == len(EVERY_NAME)
