"""`history.csv`: a row an epoch, and the curves drawn from it."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from waymark.evaluation.plots import Theme
    from waymark.training.loop import EpochReport


def append_history(file: Path, report: EpochReport) -> None:
    """Add an epoch; one that is done again after a kill replaces its row."""
    values = {name: _rounded(value) for name, value in asdict(report).items()}
    rows = [row for row in read_history(file) if int(row["epoch"]) < report.epoch]
    partial = file.with_suffix(".partial")
    with partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(values))
        writer.writeheader()
        writer.writerows([*rows, values])
    partial.replace(file)


def read_history(file: Path) -> list[dict[str, str]]:
    """Return the rows of a `history.csv`; none where there is no file yet."""
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def draw_history(file: Path) -> Callable[[Theme], Figure] | None:
    """Return a function that draws the curves of a `history.csv`; None where it is empty."""
    rows = read_history(file)
    if not rows:
        return None

    def column(name: str) -> Any:
        return np.array([float(row[name]) for row in rows])

    epochs = column("epoch").astype(int)
    stages = np.flatnonzero(np.diff(column("stage"))) + 1

    def draw(theme: Theme) -> Figure:
        from waymark.evaluation.plots import plot_history

        return plot_history(
            epochs,
            {"training": column("train_loss"), "validation": column("val_loss")},
            {"validation": column("val_top1")},
            stages=[float(epochs[i - 1]) for i in stages],
            theme=theme,
        )

    return draw


def _rounded(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else value
