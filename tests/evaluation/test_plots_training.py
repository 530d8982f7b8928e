"""Curves of a training: every epoch, stage and gap is where it belongs."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from waymark.evaluation.plots import DARK, LIGHT, to_png
from waymark.evaluation.plots_training import plot_curves, plot_speed

EPOCHS = np.arange(1, 6)
STAGES = np.array([0, 0, 1, 1, 1])
LOSS = {"training": np.array([2, 1, np.nan, 0.5, 0.4]), "validation": np.linspace(2, 1, 5)}


def curves(fig):
    """Return the lines of the first axes that have a name."""
    return {
        line.get_label(): line for line in fig.axes[0].lines if not line.get_label().startswith("_")
    }


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("log", [False, True])
def test_curves_keep_every_value_and_take_gaps(theme, log):
    """NaN is a gap, on either scale."""
    fig = plot_curves(EPOCHS, LOSS, label="loss", stages=STAGES, log=log, theme=theme)

    drawn = curves(fig)
    assert list(drawn) == ["training", "validation"]
    np.testing.assert_array_equal(drawn["training"].get_ydata(), LOSS["training"])
    assert fig.axes[0].get_yscale() == ("log" if log else "linear")
    assert to_png(fig).startswith(b"\x89PNG")


def test_a_line_parts_two_stages_and_numbers_name_them():
    """Between the last epoch of one and the first of the next; none for a single stage."""
    fig = plot_curves(EPOCHS, LOSS, label="loss", stages=STAGES)

    dashed = [line for line in fig.axes[0].lines if line.get_linestyle() == "--"]
    assert [line.get_xdata()[0] for line in dashed] == [2.5]
    assert [text.get_text() for text in fig.axes[0].texts] == ["1", "2"]
    alone = plot_curves(EPOCHS, LOSS, label="loss", stages=np.zeros(5, int))
    assert not alone.axes[0].texts


def test_the_kept_epoch_is_ringed_on_the_last_curve():
    """At its epoch and its validation loss."""
    ring = curves(plot_curves(EPOCHS, LOSS, label="loss", kept=4))["kept"]

    assert list(ring.get_xdata()) == [4]
    np.testing.assert_allclose(ring.get_ydata(), LOSS["validation"][3])


def test_a_curve_that_was_not_measured_takes_no_place_in_the_legend():
    """The other one keeps its colour."""
    both = curves(plot_curves(EPOCHS, LOSS, label="loss"))
    missing = {"training": np.full(5, np.nan), "validation": LOSS["validation"]}

    left = curves(plot_curves(EPOCHS, missing, label="loss"))

    assert list(left) == ["validation"]
    assert left["validation"].get_color() == both["validation"].get_color()


def test_what_a_logarithm_cannot_show_is_left_out():
    """Zero, negative and infinite values become gaps, not warnings."""
    values = {"training": np.array([1, 0, -1, np.inf, 0.1])}

    fig = plot_curves(EPOCHS, values, label="loss", log=True)

    assert np.isfinite(curves(fig)["training"].get_ydata()).tolist() == [True, *[False] * 3, True]
    assert isinstance(to_png(fig), bytes)


def test_one_epoch_is_a_curve_too():
    """A single point has an axis around it."""
    one = np.array([1])
    fig = plot_curves(one, {"training": np.array([0.5])}, label="loss", share=True)

    assert isinstance(fig, Figure)
    low, high = fig.axes[0].get_xlim()
    assert low < 1 < high


def test_speed_and_memory_share_their_epochs():
    """Memory is drawn in gigabytes; nothing measured draws an empty axis."""
    fig = plot_speed(EPOCHS, np.full(5, 80.0), np.full(5, 1500.0), stages=STAGES)

    speed, memory = (axes.lines[-1].get_ydata() for axes in fig.axes)
    assert list(speed) == [80] * 5
    assert list(memory) == [1.5] * 5
    assert to_png(plot_speed(EPOCHS, np.full(5, np.nan), np.full(5, np.nan)))
