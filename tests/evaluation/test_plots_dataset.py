"""Figures of a dataset: counts add up, and colours keep their mean."""

import numpy as np
import pytest

from waymark.evaluation.plots import to_png
from waymark.evaluation.plots_dataset import plot_channels, plot_counts, plot_dataset

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("n", [1, 5, 90])
def test_bars_of_the_splits_add_up_to_all_photos(n):
    """Every class has a bar a split, whatever its name."""
    names = [f"${i}<b>\n" for i in range(n)]
    counts = {"train": RNG.integers(1, 90, n), "val": RNG.integers(0, 9, n)}

    fig = plot_counts(names, counts)

    bars = [patch.get_width() for axes in fig.axes for patch in axes.patches]
    assert sum(bars) == sum(photos.sum() for photos in counts.values())
    assert len(bars) == 2 * n
    assert to_png(fig, dpi=40).startswith(b"\x89PNG")


def test_the_largest_class_comes_first():
    """With its number of photos."""
    fig = plot_counts(["few", "many"], {"train": np.array([3, 30])})

    labels = [label.get_text() for label in fig.axes[0].get_yticklabels()]
    assert labels == ["many (30)", "few (3)"]


def test_normalising_moves_the_mean_to_zero_and_keeps_the_area():
    """Each channel's histogram is a density before and after; after, around 0."""
    shares = RNG.random((3, 256))
    shares /= shares.sum(axis=1, keepdims=True)
    values = np.arange(256) / 255
    mean = shares @ values
    std = np.sqrt(shares @ values**2 - mean**2)

    for fig, centre in (
        (plot_channels(shares), 255 * mean),
        (plot_channels(shares, mean=mean, std=std), np.zeros(3)),
    ):
        steps = [patch.get_data() for patch in fig.axes[0].patches[::2]]
        assert len(steps) == 3
        for step, at in zip(steps, centre, strict=True):
            width = np.diff(step.edges)
            middle = (step.edges[1:] + step.edges[:-1]) / 2
            assert (step.values * width).sum() == pytest.approx(1)
            scale = step.edges[-1] - step.edges[0]
            assert (step.values * width * middle).sum() == pytest.approx(at, abs=0.01 * scale)


@pytest.mark.parametrize("n", [1, 90])
def test_a_dataset_on_one_figure(n):
    """Colours before and after stand above the bars of every class."""
    shares = np.full((3, 64), 1 / 64)
    counts = {"train": RNG.integers(1, 90, n)}

    fig = plot_dataset([f"c{i}" for i in range(n)], counts, shares, mean=[0.5] * 3, std=[0.2] * 3)

    before, after, *bars = fig.axes
    assert before.get_xlabel() == "value, 0 to 255"
    assert after.get_xlabel() == "value the network sees"
    assert sum(len(axes.patches) for axes in bars) == n
    assert to_png(fig, dpi=40).startswith(b"\x89PNG")
