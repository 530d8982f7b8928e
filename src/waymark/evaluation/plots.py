"""Figures: arrays in, a matplotlib `Figure` out; no global state, no display.

Every function takes a `Theme`. (The report draws in the light one, and its style sheet
turns the colours of a figure over where the reader's screen is dark.)
Names may hold anything: they are never read as mathematics or markup.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from waymark.evaluation.metrics import auroc, reliability, wilson_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]
FEW, MANY = 12, 80
"""Classes of a confusion matrix up to which its cells are large, or larger than need be."""


@dataclass(frozen=True, kw_only=True)
class Theme:
    """Colours of a figure, as #rrggbb."""

    paper: str
    ink: str
    faint: str
    first: str
    second: str
    third: str


LIGHT = Theme(
    paper="#ffffff",
    ink="#1d2733",
    faint="#c9d1da",
    first="#1f6f8b",
    second="#c8553d",
    third="#8a7a2f",
)
DARK = Theme(
    paper="#171d25",
    ink="#dfe6ee",
    faint="#3d4856",
    first="#63b3cf",
    second="#ee8f76",
    third="#d3c26a",
)


def plot_confusion(counts: Ints, names: Sequence[str], *, theme: Theme = LIGHT) -> Figure:
    """Draw a confusion matrix; rows are truth, columns are guesses.

    Colour is the share of the row, so rare classes are as readable as common ones. A cell
    always has room for its number: 5 classes fill 5 inches, 200 fill 37.

    Args:
        counts: (C, C), counts[i, j] photos of class i guessed as class j.
        names: C class names, in index order.
        theme: colours.
    """
    from matplotlib.colors import LinearSegmentedColormap

    n = len(names)
    few = n <= FEW
    side = 3.4 + 0.32 * n if few else 4.5 + (0.21 if n <= MANY else 0.16) * n
    shades = LinearSegmentedColormap.from_list("shades", [theme.paper, theme.first])
    fig, ax = one_panel(theme, side, side * 0.96)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(np.sqrt(share), cmap=shades, vmin=0, vmax=1, interpolation="nearest")
    size = 10 if few else 7
    ticks, labels = range(n), [short(name) for name in names]
    ax.set_xticks(ticks, labels, rotation=90, fontsize=size, parse_math=False)
    ax.set_yticks(ticks, labels, fontsize=size, parse_math=False)
    ax.set(xlabel="guessed as", ylabel="photo of")
    if n > MANY:  # the names at hand from either end
        ax.tick_params(labeltop=True, labelright=True)
    for row, column in np.argwhere(counts):
        ax.text(
            column,
            row,
            str(counts[row, column]),
            ha="center",
            va="center",
            fontsize=11 if few else 6.5 if n <= MANY else 5,
            color=theme.paper if share[row, column] > 0.3 else theme.ink,
        )
    return fig


def plot_reliability(
    confidence: Floats, correct: NDArray[np.bool_], *, bins: int = 15, theme: Theme = LIGHT
) -> Figure:
    """Draw how often the model is right against how sure it is, with 95 % intervals.

    Args:
        confidence: (N,), score of the first guess, 0 to 1.
        correct: (N,), whether that guess is right.
        bins: number of equal-width bins.
        theme: colours.
    """
    groups = reliability(confidence, correct, bins=bins)
    used = groups.n > 0
    x, y, n = groups.confidence[used], groups.accuracy[used], groups.n[used]
    bounds = np.array([wilson_interval(a * k, int(k)) for a, k in zip(y, n, strict=True)])
    fig, ax = one_panel(theme, 4.7, 4.5)
    ax.plot([0, 1], [0, 1], color=theme.faint, linewidth=1.5, zorder=1)
    ax.vlines(x, bounds[:, 0], bounds[:, 1], color=theme.first, alpha=0.45, linewidth=3)
    ax.scatter(x, y, s=18 + 260 * n / n.sum(), color=theme.first, zorder=3, edgecolor=theme.paper)
    patch = {"facecolor": theme.paper, "edgecolor": "none", "pad": 2}
    corners = (
        ((0.03, 0.97), "too modest", "left", "top"),
        ((1, 0.03), "too sure", "right", "bottom"),
    )
    for (x_at, y_at), words, side, edge in corners:
        ax.text(x_at, y_at, words, color=theme.ink, ha=side, va=edge, bbox=patch, zorder=4)
    ax.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="score", ylabel="share that is right")
    return fig


def plot_unknown(
    known: Floats,
    unknown: Mapping[str, Floats],
    *,
    threshold: float | None = None,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw the unknown scores of known photos and of each source of unknown ones.

    Args:
        known: (N,), unknown scores of photos of known landmarks, 0 to 1.
        unknown: source -> (M,) unknown scores.
        threshold: above it a photo is called unknown.
        theme: colours.
    """
    rows = {"known landmarks": known, **unknown}
    fig, axes = panels(theme, 4.7, 1.3 + 1.05 * len(rows), len(rows))
    edges = np.linspace(0, 1, 41).tolist()
    for ax, (name, scores) in zip(axes, rows.items(), strict=True):
        colour = theme.first if ax is axes[0] else theme.second
        weights = np.full(len(scores), 1 / max(len(scores), 1))
        ax.hist(scores, bins=edges, weights=weights, color=colour)
        title = f"{short(name, 40)} ({len(scores)})"
        ax.set_title(title, loc="left", fontsize=9, color=theme.ink, parse_math=False)
        ax.set_yticks([])
        ax.set_xlim(0, 1)
        if threshold is not None:
            ax.axvline(threshold, color=theme.ink, linestyle=":", linewidth=1.2)
    axes[-1].set_xlabel("unknown score" + (" (dotted: threshold)" if threshold is not None else ""))
    return fig


def plot_recall(names: Sequence[str], recall: Floats, n: Ints, *, theme: Theme = LIGHT) -> Figure:
    """Draw the recall of each class, worst first, with 95 % intervals.

    Args:
        names: C class names.
        recall: (C,), 0 to 1.
        n: (C,), photos of each class; classes without a photo are left out.
        theme: colours.
    """
    order = [i for i in np.argsort(recall, kind="stable") if n[i] > 0]
    fig, ax = one_panel(theme, 5.2, 1.1 + 0.24 * max(len(order), 3))
    y = np.arange(len(order))
    ax.barh(y, recall[order], color=theme.first, height=0.62)
    for row, i in enumerate(order):
        low, high = wilson_interval(recall[i] * n[i], int(n[i]))
        ax.hlines(row, low, high, color=theme.third, linewidth=2)
    labels = [f"{short(names[i])} ({n[i]})" for i in order]
    ax.set_yticks(y, labels, fontsize=9, parse_math=False)
    ax.set(xlim=(0, 1), ylim=(len(order) - 0.4, -0.6), xlabel="recall")
    ax.grid(axis="x", color=theme.faint, linewidth=0.5)
    ax.set_axisbelow(True)
    return fig


def plot_unknown_curve(
    known: Floats,
    unknown: Mapping[str, Floats],
    *,
    threshold: float | None = None,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw what each threshold would cost and bring: known photos lost, unknown ones caught.

    Args:
        known: (N,), unknown scores of photos of known landmarks, 0 to 1; N at least 1.
        unknown: source -> (M,) unknown scores; a curve for each of up to six sources, and
            one for all together where there are several.
        threshold: marked on each curve.
        theme: colours.
    """
    fig, ax = one_panel(theme, 4.7, 4.3)
    curves = dict(unknown) if len(unknown) <= 6 else {}
    if len(unknown) != 1:
        curves = {"all unknown photos": np.concatenate(list(unknown.values()))} | curves
    styles = ("-", "--", "-.", ":")
    ax.plot([0, 1], [0, 1], color=theme.faint, linewidth=1)
    for i, (name, scores) in enumerate(curves.items()):
        colour = (theme.first, theme.second, theme.third, theme.ink)[i % 4]
        cuts = np.concatenate([[np.inf], np.unique(np.concatenate([known, scores]))[::-1], [-1]])
        lost, caught = (1 - _share_up_to(kind, cuts) for kind in (known, scores))
        label = f"{short(name, 30)}: {auroc(known, scores):.1%}"
        ax.plot(lost, caught, color=colour, linestyle=styles[i // 4 % 4], label=label)
        if threshold is not None:
            at = [1 - _share_up_to(kind, np.array([threshold]))[0] for kind in (known, scores)]
            ax.plot(*at, "o", color=colour, markersize=7, markeredgecolor=theme.paper)
    ax.set(xlim=(-0.01, 1.01), ylim=(0, 1.02))
    ax.set(xlabel="share of known photos called unknown", ylabel="share of unknown photos caught")
    ax.grid(color=theme.faint, linewidth=0.5)
    legend = ax.legend(
        frameon=False, labelcolor=theme.ink, fontsize=8, title="AUROC", loc="lower right"
    )
    legend.get_title().set(color=theme.ink, fontsize=8)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return fig


def to_png(fig: Figure, *, dpi: float = 110) -> bytes:
    """Render a figure; the same arrays give the same bytes."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes; that is all there is to it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        fig.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def _share_up_to(scores: Floats, cuts: Floats) -> Floats:
    """Return, for each cut, the share of the scores that are not above it."""
    return np.searchsorted(np.sort(scores), cuts, side="right") / max(len(scores), 1)


def one_panel(theme: Theme, width: float, height: float) -> tuple[Figure, Axes]:
    """Make a figure of one axes, in inches, dressed in the theme."""
    fig, axes = panels(theme, width, height, 1)
    return fig, axes[0]


def panels(theme: Theme, width: float, height: float, rows: int) -> tuple[Figure, list[Axes]]:
    """Make a figure of `rows` axes one below the other, in inches, dressed in the theme."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    fig = Figure(figsize=(width, height), layout="constrained", facecolor=theme.paper)
    FigureCanvasAgg(fig)
    grid = fig.subplots(rows, 1, sharex=True, squeeze=False)
    axes: list[Axes] = list(grid[:, 0])
    for ax in axes:
        ax.set_facecolor(theme.paper)
        ax.tick_params(colors=theme.ink, length=2)
        ax.xaxis.label.set_color(theme.ink)
        ax.yaxis.label.set_color(theme.ink)
        for side, spine in ax.spines.items():
            spine.set_color(theme.faint)
            spine.set_visible(side in ("left", "bottom"))
    return fig, axes


def short(name: str, length: int = 28) -> str:
    """Make a name printable on one line of at most `length` characters."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
    return shown if len(shown) <= length else shown[: length - 1] + "…"
