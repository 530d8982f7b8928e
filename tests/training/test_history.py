"""`history.csv`: a row an epoch, whatever was done twice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from waymark.training.history import append_history, read_history


@dataclass(frozen=True, kw_only=True)
class Report:
    """Some fields of `EpochReport`, without torch."""

    epoch: int
    stage: int = 0
    train_loss: float = 1.0
    val_loss: float = 1.0
    val_top1: float = 0.5


def write(file: Path, *reports: Any) -> list[dict[str, str]]:
    """Append reports and read the file."""
    for report in reports:
        append_history(file, report)
    return read_history(file)


def test_each_epoch_is_a_row_with_six_decimals(tmp_path: Path) -> None:
    """In the order of the epochs."""
    rows = write(tmp_path / "h.csv", Report(epoch=1, train_loss=1 / 3), Report(epoch=2))

    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert rows[0]["train_loss"] == "0.333333"
    assert [path.name for path in tmp_path.iterdir()] == ["h.csv"]


def test_an_epoch_done_again_replaces_its_row(tmp_path: Path) -> None:
    """A kill between the row and the checkpoint leaves no epoch twice."""
    file = tmp_path / "h.csv"
    rows = write(file, Report(epoch=1), Report(epoch=2), Report(epoch=2, val_loss=0.25))

    assert [(row["epoch"], row["val_loss"]) for row in rows] == [("1", "1.0"), ("2", "0.25")]


def test_no_file_is_no_history(tmp_path: Path) -> None:
    """The fast path has no epochs, and so no curves."""
    assert read_history(tmp_path / "h.csv") == []
