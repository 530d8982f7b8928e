"""Each epoch's figures reach TensorBoard's files, under names that stay."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from math import isfinite, nan
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from waymark.errors import MissingExtra
from waymark.training import tensorboard
from waymark.training.tensorboard import SCALARS, scalars, tensorboard_log

pytest.importorskip("torch")
loop = importlib.import_module("waymark.training.loop")


def report(epoch: int = 1, **values: Any) -> Any:
    """Return the report of an epoch whose every figure is a half, but for those given."""
    kinds = loop.EpochReport.__annotations__
    plain: dict[str, Any] = {
        name: 3 if kind == "int" else True if kind == "bool" else 0.5
        for name, kind in kinds.items()
    }
    return loop.EpochReport(**{**plain, "epoch": epoch, "photos": 100, "seconds": 4.0, **values})


class Writer:
    """Keeps what is written; stands in for torch's `SummaryWriter`."""

    made: list[Writer]

    def __init__(self, folder: str, **options: Any) -> None:
        self.folder, self.options, self.closed = folder, options, False
        self.rows: list[tuple[str, float, int]] = []
        Writer.made.append(self)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.rows.append((name, value, step))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Writer]:
    """Put `Writer` where torch's writer is imported from; return the writers made."""
    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.setattr(tensorboard, "check_tensorboard", lambda: None)
    Writer.made = []
    return Writer.made


def test_every_curve_is_a_figure_of_the_report() -> None:
    """No name of `SCALARS` is misspelt: the report has each."""
    assert set(SCALARS.values()) <= set(loop.EpochReport.__annotations__)


def test_a_report_becomes_scalars(made: list[Writer], tmp_path: Path) -> None:
    """Loss, top-1, rate, speed and memory, at their epoch; and the file is closed."""
    with tensorboard_log(tmp_path) as write:
        write(report(1))
        write(report(2, train_loss=0.25))

    (writer,) = made
    assert writer.folder == str(tmp_path / "tensorboard")
    assert ("loss/train", 0.5, 1) in writer.rows
    assert ("loss/train", 0.25, 2) in writer.rows
    assert ("training/photos_per_second", 25.0, 1) in writer.rows
    assert {name for name, _, _ in writer.rows} == {*SCALARS, "training/photos_per_second"}
    assert writer.closed


def test_what_was_not_measured_is_left_out() -> None:
    """A figure that is nan makes no point, since TensorBoard would draw one."""
    found = scalars(report(val_loss=nan))
    assert "loss/validation" not in found
    assert all(map(isfinite, found.values()))
    assert "training/photos_per_second" not in scalars(replace(report(), seconds=0.0))


def test_a_resumed_run_replaces_what_it_does_again(made: list[Writer], tmp_path: Path) -> None:
    """The second file says from which epoch on the first one does not count."""
    with tensorboard_log(tmp_path) as write:
        write(report(7))
    assert made[0].options["purge_step"] == 7


def test_a_training_that_does_not_start_leaves_nothing(made: list[Writer], tmp_path: Path) -> None:
    """The file is made with the first report; an error before it leaves the folder empty."""
    with pytest.raises(ValueError, match="no photos"), tensorboard_log(tmp_path):
        raise ValueError("no photos")
    assert made == []
    assert list(tmp_path.iterdir()) == []


def test_without_the_package_the_command_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing is written, and the message says how to install what is missing."""
    monkeypatch.setattr(tensorboard, "find_spec", lambda _: None)
    with (
        pytest.raises(MissingExtra, match=r'pip install "waymark\[tensorboard\]"'),
        tensorboard_log(tmp_path),
    ):
        pass


def test_the_real_files_can_be_read_back(tmp_path: Path) -> None:
    """TensorBoard's own reader finds what was written, the epochs done again only once."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for first, loss in ((1, 1.0), (2, 0.5)):
        with tensorboard_log(tmp_path) as write:
            write(report(first, train_loss=loss))
            write(report(first + 1, train_loss=loss / 2))

    read = EventAccumulator(str(tmp_path / "tensorboard"))
    read.Reload()
    rows = [(event.step, event.value) for event in read.Scalars("loss/train")]
    assert rows == [(1, 1.0), (2, 0.5), (3, 0.25)]
