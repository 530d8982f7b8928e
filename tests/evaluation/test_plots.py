"""Plots take arrays and names of any kind and return a figure."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from waymark.evaluation.metrics import confusion_counts
from waymark.evaluation.plots import (
    DARK,
    LIGHT,
    plot_confusion,
    plot_history,
    plot_recall,
    plot_reliability,
    plot_unknown,
    to_png,
)

HOSTILE = ["$\\frac{1}{0}$", "<script>alert(1)</script>", "東京タワー", "a\n\x07\udcff", "x" * 300]
RNG = np.random.default_rng(0)


def size(png):
    """Width and height of a PNG, in pixels."""
    return Image.open(io.BytesIO(png)).size


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_hostile_names_are_drawn_as_text(theme):
    """Mathematics, markup, control characters and long names all draw without a warning."""
    labels = RNG.integers(0, 5, 60)
    counts = confusion_counts(labels, np.roll(labels, 1), 5)
    scores = {name: RNG.random(5) for name in HOSTILE}

    for fig in (
        plot_confusion(counts, HOSTILE, theme=theme),
        plot_recall(HOSTILE, RNG.random(5), np.full(5, 9), theme=theme),
        plot_unknown(RNG.random(9), scores, threshold=0.5, theme=theme),
    ):
        assert isinstance(fig, Figure)
        assert to_png(fig).startswith(b"\x89PNG")


@pytest.mark.parametrize("n", [1, 5, 54, 120])
def test_confusion_grows_with_the_classes_and_stays_bounded(n):
    """A cell keeps room for its number up to 80 classes; the figure never gets huge."""
    labels = np.arange(n)
    fig = plot_confusion(confusion_counts(labels, labels, n), [f"c{i}" for i in labels])

    width, height = size(to_png(fig, dpi=50))

    assert len(fig.axes[0].texts) == (n if n <= 80 else 0)
    assert max(width, height) <= 24 * 50


def test_recall_leaves_out_classes_without_photos_and_starts_with_the_worst():
    """The first bar is the lowest recall among the classes that have photos."""
    fig = plot_recall(["good", "bad", "absent"], np.array([0.9, 0.2, 0.0]), np.array([9, 9, 0]))

    assert [t.get_text() for t in fig.axes[0].get_yticklabels()] == ["bad (9)", "good (9)"]


def test_reliability_draws_a_point_for_each_bin_in_use():
    """Two levels of confidence are two points."""
    confidence = np.repeat([0.31, 0.92], [10, 30])
    fig = plot_reliability(confidence, RNG.random(40) < confidence)

    points = fig.axes[0].collections[-1].get_offsets()

    assert len(points) == 2


def test_history_marks_stages_and_takes_gaps():
    """NaN is a gap; each stage is a line in both panels."""
    epochs = np.arange(1, 6)
    loss = np.array([2, 1, np.nan, 0.5, 0.4])

    fig = plot_history(epochs, {"train": loss}, {}, stages=[2])

    assert len(fig.axes[0].lines) == 2
    assert len(fig.axes[1].lines) == 1
    assert size(to_png(fig))[0] > 500


def test_the_same_arrays_give_the_same_bytes():
    """A PNG holds no time and no version."""
    first, second = (
        to_png(plot_reliability(np.array([0.9, 0.8]), np.array([True, False]))) for _ in range(2)
    )

    assert first == second
