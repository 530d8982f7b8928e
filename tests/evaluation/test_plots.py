"""Plots take arrays and names of any kind and return a figure."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from waymark.evaluation.metrics import auroc, confusion_counts
from waymark.evaluation.plots import (
    DARK,
    LIGHT,
    plot_confusion,
    plot_recall,
    plot_reliability,
    plot_unknown,
    plot_unknown_curve,
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
        plot_unknown_curve(RNG.random(9), scores, threshold=0.5, theme=theme),
    ):
        assert isinstance(fig, Figure)
        assert to_png(fig).startswith(b"\x89PNG")


@pytest.mark.parametrize("n", [1, 5, 12, 13, 54, 120])
def test_a_cell_of_a_confusion_matrix_has_room_for_its_number(n):
    """However many classes: each cell is a tenth of an inch or more, and has its number."""
    labels = np.arange(n)
    fig = plot_confusion(confusion_counts(labels, labels, n), [f"c{i}" for i in labels])

    assert max(size(to_png(fig, dpi=20))) <= 24 * 20
    box = fig.axes[0].get_window_extent()
    assert box.width / fig.dpi / n > 0.1
    assert len(fig.axes[0].texts) == n


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


@pytest.mark.parametrize("sources", [1, 2, 6, 9])
def test_the_unknown_curve_agrees_with_the_shares(sources):
    """A curve a source and one for all; the dot is where the threshold puts it."""
    known = RNG.beta(2, 5, 80)
    unknown = {f"source {i}": RNG.beta(5, 2, 20 + i) for i in range(sources)}
    every = np.concatenate(list(unknown.values()))

    fig = plot_unknown_curve(known, unknown, threshold=0.4)

    dots = [line for line in fig.axes[0].lines if line.get_marker() == "o"]
    assert len(dots) == {1: 1, 2: 3, 6: 7, 9: 1}[sources]
    x, y = dots[0].get_data()
    np.testing.assert_allclose([x[0], y[0]], [(known > 0.4).mean(), (every > 0.4).mean()])


def test_the_area_under_the_unknown_curve_is_the_auroc():
    """Ties included: scores of one decimal."""
    known, unknown = RNG.beta(2, 5, 80).round(1), RNG.beta(5, 2, 60).round(1)

    line = plot_unknown_curve(known, {"x": unknown}).axes[0].lines[1]

    area = np.trapezoid(line.get_ydata(), line.get_xdata())
    assert area == pytest.approx(auroc(known, unknown))


def test_the_same_arrays_give_the_same_bytes():
    """A PNG holds no time and no version."""
    first, second = (
        to_png(plot_reliability(np.array([0.9, 0.8]), np.array([True, False]))) for _ in range(2)
    )

    assert first == second
