"""Figures of how a training went: curves by epoch, its speed and its memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from waymark.evaluation.plots import LIGHT, Floats, Ints, Theme, one_panel, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DOTS = 60  # a curve of more epochs shows no dot for each


def plot_curves(
    epochs: Ints,
    curves: Mapping[str, Floats],
    *,
    label: str,
    stages: Ints | None = None,
    kept: int | None = None,
    log: bool = False,
    share: bool = False,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw one figure of merit by epoch, for training and validation.

    Args:
        epochs: (E,), epoch numbers, growing.
        curves: name -> (E,); NaN where it was not measured; a curve of nothing else is left
            out.
        label: what is measured.
        stages: (E,), stage of each epoch, 0-based; each is a band with its number from 1.
        kept: epoch whose weights were kept; ringed on the last curve.
        log: logarithmic scale; values that are not above 0 are left out.
        share: whether values are from 0 to 1.
        theme: colours.
    """
    fig, ax = one_panel(theme, 4.7, 3.2)
    _mark_stages(ax, epochs, stages, theme, numbered=True)
    colours = (theme.first, theme.second, theme.third, theme.ink)
    drawable = {name: _drawable(values, log=log) for name, values in curves.items()}
    shown = {name: values for name, values in drawable.items() if np.isfinite(values).any()}
    dots = "." if len(epochs) <= _DOTS else None
    for colour, (name, values) in zip(colours, drawable.items(), strict=False):
        if name in shown:
            ax.plot(epochs, values, marker=dots, color=colour, label=name, linewidth=1.6)
    if kept is not None and shown:
        at = np.flatnonzero(epochs == kept)
        ax.plot(
            epochs[at],
            list(shown.values())[-1][at],
            "o",
            color=theme.ink,
            fillstyle="none",
            markersize=9,
            label="kept",
        )
    _epoch_axis(ax, epochs)
    if log:
        _log_axis(ax)
    elif share:
        ax.set_ylim(0, 1.02)
    else:
        ax.set_ylim(bottom=min(0.0, *(float(np.nanmin(values)) for values in shown.values()), 0.0))
    ax.set_ylabel(label + (" (log scale)" if log else ""))
    if shown:
        ax.legend(frameon=False, labelcolor=theme.ink, fontsize=8)
    ax.grid(axis="y", color=theme.faint, linewidth=0.5)
    return fig


def plot_speed(
    epochs: Ints,
    photos_per_s: Floats,
    memory_mb: Floats,
    *,
    stages: Ints | None = None,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw photos a second and the peak of memory, by epoch.

    Args:
        epochs: (E,), epoch numbers.
        photos_per_s: (E,), NaN where not measured.
        memory_mb: (E,), in MB, NaN where not measured.
        stages: (E,), see `plot_curves`.
        theme: colours.
    """
    fig, axes = panels(theme, 4.7, 3.2, 2)
    rows = ((photos_per_s, "photos/s"), (memory_mb / 1000, "memory, GB"))
    for ax, (values, label) in zip(axes, rows, strict=True):
        _mark_stages(ax, epochs, stages, theme, numbered=ax is axes[0])
        ax.plot(epochs, values, marker="." if len(epochs) <= _DOTS else None, color=theme.first)
        ax.set_ylim(0, 1.15 * max(np.nan_to_num(values).max(initial=0.0), 1e-3))
        ax.set_ylabel(label)
        ax.grid(axis="y", color=theme.faint, linewidth=0.5)
    _epoch_axis(axes[-1], epochs)
    return fig


def _drawable(values: Floats, *, log: bool) -> Floats:
    kept: Floats = np.where(np.isfinite(values) & ((values > 0) | (not log)), values, np.nan)
    return kept


def _mark_stages(
    ax: Axes, epochs: Ints, stages: Ints | None, theme: Theme, *, numbered: bool
) -> None:
    """Draw a line where a stage ends, and its number above; nothing where there is one only."""
    if stages is None or len(np.unique(stages)) < 2:
        return
    for stage in np.unique(stages):
        own = epochs[stages == stage]
        if own[-1] < epochs[-1]:
            ax.axvline(own[-1] + 0.5, color=theme.ink, alpha=0.55, linestyle="--", linewidth=1)
        if not numbered:
            continue
        ax.text(
            (own[0] + own[-1]) / 2,
            1.02,
            str(stage + 1),
            transform=ax.get_xaxis_transform(),
            ha="center",
            va="bottom",
            fontsize=8,
            color=theme.ink,
            alpha=0.75,
        )


def _epoch_axis(ax: Axes, epochs: Sequence[int] | Ints) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.set(xlabel="epoch", xlim=(epochs[0] - 0.6, epochs[-1] + 0.6))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _log_axis(ax: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
