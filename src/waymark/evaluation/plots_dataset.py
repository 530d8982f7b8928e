"""Figures of what was trained on: photos of each class, and their colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from waymark.evaluation.plots import LIGHT, Floats, Ints, Theme, one_panel, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

CHANNELS = ("red", "green", "blue")
_COLOURS = ("#d2503c", "#4c9650", "#4a7fd0")
_BARS = 40  # classes below each other; of more, some stand beside them
_BINS = 64


def plot_counts(
    names: Sequence[str], counts: Mapping[str, Ints], *, theme: Theme = LIGHT
) -> Figure:
    """Draw how many photos each class has, the most first.

    Args:
        names: C class names.
        counts: split -> (C,) photos; up to four splits, drawn one after the other in a bar.
        theme: colours.
    """
    from matplotlib.figure import Figure

    fig = Figure(figsize=_size_of_counts(len(names)), layout="constrained", facecolor=theme.paper)
    _draw_counts(fig, names, counts, theme)
    return fig


def _size_of_counts(classes: int) -> tuple[float, float]:
    """Return width and height in inches."""
    columns = -(-max(classes, 1) // _BARS)
    return 5.2 * columns, 1.2 + 0.24 * max(-(-classes // columns), 3)


def _draw_counts(
    fig: Figure | SubFigure, names: Sequence[str], counts: Mapping[str, Ints], theme: Theme
) -> None:
    total = np.sum(list(counts.values()), axis=0)
    order = np.argsort(-total, kind="stable")
    columns = np.array_split(order, -(-max(len(order), 1) // _BARS))
    axes = fig.subplots(1, len(columns), sharex=True, squeeze=False)[0]
    colours = (theme.first, theme.second, theme.third, theme.faint)
    for ax, own in zip(axes, columns, strict=True):
        rows, start = np.arange(len(own)), np.zeros(len(own))
        for colour, (split, photos) in zip(colours, counts.items(), strict=False):
            ax.barh(rows, photos[own], left=start, color=colour, height=0.65, label=split)
            start = start + photos[own]
        labels = [f"{short(names[i])} ({total[i]})" for i in own]
        ax.set_yticks(rows, labels, fontsize=9, parse_math=False, color=theme.ink)
        ax.set(ylim=(len(columns[0]) - 0.4, -0.6))
        ax.set_facecolor(theme.paper)
        ax.tick_params(colors=theme.ink, length=2)
        ax.spines[["top", "right"]].set_visible(False)
        ax.spines[["left", "bottom"]].set_color(theme.faint)
    if len(counts) > 1:
        axes[-1].legend(frameon=False, labelcolor=theme.ink, fontsize=8, loc="lower right")


def plot_channels(
    shares: Floats,
    *,
    mean: Sequence[float] = (0.0, 0.0, 0.0),
    std: Sequence[float] | None = None,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw how bright the pixels are in red, green and blue.

    Args:
        shares: (3, 256) or (3, 64), the share of pixels in equal bins of values; rows sum to 1.
        mean: what is subtracted from each channel, in the 0-1 range.
        std: what each channel is divided by, in the 0-1 range; None draws the values
            themselves, 0 to 255.
        theme: colours.
    """
    fig, ax = one_panel(theme, 4.7, 3.0)
    _draw_channels(ax, shares, mean, std, theme)
    return fig


def plot_dataset(
    names: Sequence[str],
    counts: Mapping[str, Ints],
    shares: Floats,
    *,
    mean: Sequence[float],
    std: Sequence[float],
    theme: Theme = LIGHT,
) -> Figure:
    """Draw the colours before and after normalising, and below them the photos of each class.

    Args:
        names: C class names.
        counts: split -> (C,) photos.
        shares: (3, 256) or (3, 64), see `plot_channels`.
        mean: what is subtracted from each channel, in the 0-1 range.
        std: what each channel is divided by, in the 0-1 range.
        theme: colours.
    """
    from matplotlib.figure import Figure

    width, height = _size_of_counts(len(names))
    fig = Figure(
        figsize=(max(width, 9.4), height + 3.2), layout="constrained", facecolor=theme.paper
    )
    parts: Any = fig.subfigures(2, 1, height_ratios=(3.2, height))
    above, below = parts
    for ax, title, by in zip(
        above.subplots(1, 2), ("before normalising", "after normalising"), (None, std), strict=True
    ):
        ax.set_facecolor(theme.paper)
        ax.tick_params(colors=theme.ink, length=2)
        ax.xaxis.label.set_color(theme.ink)
        ax.spines[["top", "right"]].set_visible(False)
        ax.spines[["left", "bottom"]].set_color(theme.faint)
        ax.set_title(title, fontsize=10, loc="left", color=theme.ink)
        _draw_channels(ax, shares, mean, by, theme)
    _draw_counts(below, names, counts, theme)
    for part in parts:
        part.set_facecolor(theme.paper)
    return fig


def _draw_channels(
    ax: Axes, shares: Floats, mean: Sequence[float], std: Sequence[float] | None, theme: Theme
) -> None:
    binned = shares.reshape(3, _BINS, -1).sum(axis=2)
    edges = np.arange(_BINS + 1) * (256 / _BINS)
    for i, (colour, name) in enumerate(zip(_COLOURS, CHANNELS, strict=True)):
        x = edges if std is None else (edges / 256 - mean[i]) / std[i]
        density = binned[i] / np.diff(x)
        ax.stairs(density, x, color=colour, linewidth=1.6, label=name)
        ax.stairs(density, x, color=colour, alpha=0.10, fill=True)
    if std is not None:
        ax.axvline(0, color=theme.ink, linestyle=":", linewidth=1)
    ax.set_xlabel("value, 0 to 255" if std is None else "value the network sees")
    ax.set_yticks([])
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False, labelcolor=theme.ink, fontsize=8)
