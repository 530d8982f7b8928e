"""`history.csv`: a row an epoch, whose curves `evaluation/plots_training.py` draws."""

from __future__ import annotations

import csv
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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


def _rounded(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else value
