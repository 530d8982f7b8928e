"""The figures of a report: which there are data for, and what each says in words.

In:  an `Evaluation`, and the facts of a run where it is the report of one.
Out: `Drawing`s, in the order of the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from waymark.evaluation import metrics, plots
from waymark.evaluation.evaluate import Evaluation
from waymark.evaluation.plots_dataset import plot_channels, plot_counts
from waymark.evaluation.plots_training import plot_curves, plot_speed
from waymark.evaluation.report_run import RunFacts, curves_of, totals
from waymark.gazetteer import display_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Ints = NDArray[np.integer]
MOST_CLASSES = 300  # in one figure
BLOCK, BLOCK_FROM = 20, 30  # classes: of the block, and of the matrix that gets one
EVERY_NAME = (
    *("confusion", "confusion-block", "confusion-category", "recall", "reliability"),
    *("unknown", "unknown-curve", "counts", "colours-before", "colours-after", "speed", "history"),
    *(
        f"{what}{task}{scale}"
        for what in ("loss", "accuracy")
        for task in ("", "-landmark", "-category")
        for scale in ("", "-log")
    ),
)
"""Every name that a figure of a report has, or once had."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure that there is data for.

    Attributes:
        name: of its file.
        title: heading.
        caption: what one sees, and how to read it.
        alt: what it shows, for those who do not see it.
        draw: makes the figure.
    """

    name: str
    title: str
    caption: str
    alt: str
    draw: Callable[[], Figure]


def drawings(
    said: Evaluation, run: RunFacts | None, shares: NDArray[np.float64] | None
) -> Iterator[Drawing]:
    """Yield every figure there is data for.

    Args:
        said: the evaluation.
        run: what was trained, where this is the report of a run.
        shares: (3, 256) colours of the photos trained on; see `report_photos`.
    """
    if run is not None:
        yield from _of_data(run, shares, {mark.id: mark.name for mark in said.landmarks})
        yield from _of_training(run)
    if said.known.any():
        yield from _of_known(said)
    category = said.category
    if category is not None and category.known.any():
        names = [display_name(name) for name in category.names]
        yield _confusion(category.counts, names, "confusion-category", "Confusion of categories")
    if not said.known.all():
        yield from _of_unknown(said)


def most_confused(counts: Ints, most: int) -> NDArray[np.intp]:
    """Choose the classes that are confused with each other most, the like side by side.

    Args:
        counts: (C, C), rows are truth, columns are guesses.
        most: how many classes.

    Returns:
        (at most `most`,) class indices: those of the largest confusions, then ordered so
        that each is next to one that it is often confused with.
    """
    both = counts + counts.T
    np.fill_diagonal(both, 0)
    order = np.argsort(-np.triu(both), axis=None, kind="stable")
    kept: list[int] = []
    for place in order:
        pair = divmod(int(place), len(both))
        if both[pair] == 0 or len(kept) >= most:
            break
        kept += [i for i in pair if i not in kept][: most - len(kept)]
    line = kept[:1]
    while len(line) < len(kept):
        rest = [i for i in kept if i not in line]
        line.append(max(rest, key=lambda i: (both[line[-1], i], both[line, i].sum())))
    return np.array(line, np.intp)


def _of_data(
    run: RunFacts, shares: NDArray[np.float64] | None, shown: dict[str, str]
) -> Iterator[Drawing]:
    totals_of: dict[str, int] = {}
    for photos in run.counts.values():
        for label, n in photos.items():
            totals_of[label] = totals_of.get(label, 0) + n
    labels = sorted(totals_of, key=lambda label: totals_of[label])[:MOST_CLASSES]
    if labels:
        names = [shown.get(label, label) for label in labels]
        counts = {
            split: np.array([photos.get(label, 0) for label in labels])
            for split, photos in run.counts.items()
        }
        yield Drawing(
            name="counts",
            title="Photos of each landmark",
            caption="",
            alt=f"Bars: photos of {len(labels)} landmarks.",
            draw=lambda: plot_counts(names, counts),
        )
    if shares is None:
        return
    yield Drawing(
        name="colours-before",
        title="Before normalising",
        caption="How often each value of red, green and blue occurs in the photos.",
        alt="Histograms of red, green and blue from 0 to 255.",
        draw=lambda: plot_channels(shares),
    )
    if run.preprocess is not None:
        mean, std = run.preprocess.mean, run.preprocess.std
        yield Drawing(
            name="colours-after",
            title="After normalising",
            caption="The same, less the mean and over the deviation: what the network is given. "
            "The dotted line is 0.",
            alt="Histograms of red, green and blue after normalising, around 0.",
            draw=lambda: plot_channels(shares, mean=mean, std=std),
        )


def _of_training(run: RunFacts) -> Iterator[Drawing]:
    if not run.history:
        return
    stages = len(np.unique(run.stage_of))
    marked = " Dashed lines: a new stage; its number is on top." if stages > 1 else ""
    ring = f" The ring is epoch {run.kept}, whose weights were kept." if run.kept else ""
    for curves in curves_of(run):
        told = ", ".join(
            f"{name} from {_ends(values)}"
            for name, values in curves.values.items()
            if np.isfinite(values).any()
        )

        def draw(values: Any = curves, *, log: bool = False) -> Figure:
            return plot_curves(
                run.epochs,
                values.values,
                label="accuracy" if values.share else "loss",
                stages=run.stage_of,
                kept=run.kept,
                log=log,
                share=values.share,
            )

        drawing = Drawing(
            name=curves.name,
            title=curves.title,
            caption=f"By epoch.{marked}{ring}",
            alt=f"{curves.title} by epoch: {told}.",
            draw=draw,
        )
        yield drawing
        if not curves.share and any((v[np.isfinite(v)] > 0).any() for v in curves.values.values()):
            yield Drawing(
                name=f"{curves.name}-log",
                title=drawing.title,
                caption=drawing.caption,
                alt=f"The same on a logarithmic scale. {drawing.alt}",
                draw=lambda draw=draw: draw(log=True),  # type: ignore[misc]
            )
    if np.isfinite(run.photos_per_s()).any() and len(run.history) > 1:
        every = totals(run)
        memory = every["memory_mb"]
        peak = f", at most {memory / 1000:.1f} GB of memory" if memory else ""
        yield Drawing(
            name="speed",
            title="Speed and memory",
            caption="Photos trained on in a second, and the peak of memory so far, by epoch.",
            alt=f"By epoch: {every['photos_per_s']:.0f} photos a second on average{peak}.",
            draw=lambda: plot_speed(
                run.epochs, run.photos_per_s(), run.column("memory_mb"), stages=run.stage_of
            ),
        )


def _of_known(said: Evaluation) -> Iterator[Drawing]:
    names = [landmark.name for landmark in said.landmarks]
    yield _confusion(said.counts, names, "confusion", "Confusion")
    used = int((said.counts.sum(axis=0) + said.counts.sum(axis=1) > 0).sum())
    block = most_confused(said.counts, BLOCK)
    if used > BLOCK_FROM and len(block) > 1:
        counts = said.counts[np.ix_(block, block)]
        yield Drawing(
            name="confusion-block",
            title="The most confused",
            caption=f"The {len(block)} landmarks that are confused with each other most; the "
            "like stand side by side.",
            alt=f"Confusion matrix of the {len(block)} most confused landmarks; the pairs "
            "stand in the table below.",
            draw=lambda: plots.plot_confusion(counts, [names[i] for i in block.tolist()]),
        )
    each = metrics.class_figures(said.counts)
    yield Drawing(
        name="recall",
        title="Recall of each landmark",
        caption="Share of its photos named right, worst first, with the 95 % interval.",
        alt="Bars: recall of each landmark, worst first.",
        draw=lambda: plots.plot_recall(*_lowest(names, each.recall, each.n)),
    )
    sure = said.scores[said.known].max(axis=1)
    right = (said.guesses == said.labels)[said.known]
    yield Drawing(
        name="reliability",
        title="Is a score what it says?",
        caption="Photos grouped by the score of the first guess. On the diagonal, 80 % means "
        "right 8 times of 10. Size is the share of photos, bars are 95 % intervals.",
        alt=f"Reliability diagram: mean score {sure.mean():.1%}, {right.mean():.1%} right.",
        draw=lambda: plots.plot_reliability(sure, right),
    )


def _of_unknown(said: Evaluation) -> Iterator[Drawing]:
    of = np.array(said.sources)
    unknown = {name: said.unknown[of == name] for name in sorted(set(said.sources) - {""})}
    known = said.unknown[said.known]
    yield Drawing(
        name="unknown",
        title="Known and unknown photos",
        caption="Unknown scores of photos with a known landmark and of all others, by source. "
        "Right of the threshold a photo is called unknown.",
        alt=f"Histograms of unknown scores, {len(unknown)} sources of unknown photos.",
        draw=lambda: plots.plot_unknown(known, unknown, threshold=said.threshold),
    )
    if len(known):
        lost = float((known > said.threshold).mean())
        caught = float((said.unknown[~said.known] > said.threshold).mean())
        yield Drawing(
            name="unknown-curve",
            title="What the threshold costs",
            caption=f"Each point is a threshold; the dot is the bundle's, {said.threshold:.2f}: "
            f"it catches {caught:.1%} of the unknown photos and calls {lost:.1%} of the known "
            "ones unknown.",
            alt="Share of unknown photos caught against share of known photos called unknown.",
            draw=lambda: plots.plot_unknown_curve(known, unknown, threshold=said.threshold),
        )


def _confusion(counts: Ints, names: Sequence[str], name: str, title: str) -> Drawing:
    used = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
    of = len(used)
    if of > MOST_CLASSES:
        mistakes = counts.sum(axis=0) + counts.sum(axis=1) - 2 * np.diag(counts)
        used = np.sort(used[np.argsort(-mistakes[used], kind="stable")[:MOST_CLASSES]])
    note = f" The {len(used)} most confused of {of}." if of > len(used) else ""
    shown = counts[np.ix_(used, used)]
    right = int(np.diag(counts).sum())
    return Drawing(
        name=name,
        title=title,
        caption="Rows are what the photo shows, columns the first guess; colour is the share of "
        f"the row, numbers are photos.{note}",
        alt=f"Confusion matrix of {len(used)} classes; {right:,} of {counts.sum():,} photos lie "
        "on the diagonal.",
        draw=lambda: plots.plot_confusion(shown, [names[i] for i in used.tolist()]),
    )


def _lowest(
    names: Sequence[str], recall: NDArray[np.floating], n: Ints
) -> tuple[list[str], NDArray[np.floating], Ints]:
    """Keep the classes with photos; of very many, those of the lowest recall."""
    present = np.flatnonzero(n)
    kept = present[np.argsort(recall[present], kind="stable")][:MOST_CLASSES]
    return [names[i] for i in kept.tolist()], recall[kept], n[kept]


def _ends(values: NDArray[np.floating]) -> str:
    finite = values[np.isfinite(values)]
    return f"{finite[0]:.3g} to {finite[-1]:.3g}"
