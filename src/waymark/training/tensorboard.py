"""Write a deep training's figures where TensorBoard reads them.

In:  the reports of a training's epochs.
Out: event files in RUN/tensorboard/; `tensorboard --logdir RUN` shows them.

A run that was killed and resumed goes on in a second file, from which TensorBoard takes
the epochs that were done again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waymark.errors import MissingExtra

if TYPE_CHECKING:
    from waymark.training.loop import EpochReport

FOLDER = "tensorboard"
SECONDS = 10
"""At most this long after an epoch its figures are in the file."""

SCALARS = {
    "loss/train": "train_loss",
    "loss/validation": "val_loss",
    "top1/train": "train_top1",
    "top1/validation": "val_top1",
    "landmark_loss/train": "landmark_train_loss",
    "landmark_loss/validation": "landmark_val_loss",
    "category_loss/train": "category_train_loss",
    "category_loss/validation": "category_val_loss",
    "category_top1/train": "category_train_top1",
    "category_top1/validation": "category_val_top1",
    "training/learning_rate": "lr",
    "training/stage": "stage",
    "training/memory_mb": "memory_mb",
}
"""TensorBoard's name of a curve, and the report's name of its figure."""


def check_tensorboard() -> None:
    """Refuse, before anything starts, to log where TensorBoard is not installed.

    Raises:
        MissingExtra: with the command that installs it.
    """
    if find_spec("tensorboard") is None:
        raise MissingExtra(
            "TensorBoard's files are written with the package tensorboard, which is not "
            'installed. Install it with: pip install "waymark[tensorboard]", or leave out '
            "--tensorboard: history.csv holds the same figures."
        )


@contextmanager
def tensorboard_log(run: Path) -> Iterator[Callable[[EpochReport], None]]:
    """Give a function that writes a report into `run/tensorboard`; close the file at the end.

    The file is made with the first report, so that a training that does not start leaves none.

    Args:
        run: the run's folder.

    Raises:
        MissingExtra: if TensorBoard is not installed.
    """
    check_tensorboard()
    writer: Any = None

    def write(report: EpochReport) -> None:
        nonlocal writer
        if writer is None:
            writer = _open(run / FOLDER, report.epoch)
        for name, value in scalars(report).items():
            writer.add_scalar(name, value, report.epoch)

    try:
        yield write
    finally:
        if writer is not None:
            writer.close()


def scalars(report: EpochReport) -> dict[str, float]:
    """Return the figures of an epoch by TensorBoard's names; what was not measured is left out."""
    values = asdict(report)
    found = {name: values.get(key) for name, key in SCALARS.items()}
    if report.seconds:
        found["training/photos_per_second"] = report.photos / report.seconds
    return {
        name: float(value)
        for name, value in found.items()
        if value is not None and isfinite(float(value))
    }


def _open(folder: Path, first: int) -> Any:
    """Start an event file; TensorBoard forgets what earlier ones say of `first` and later."""
    module = import_module("torch.utils.tensorboard")
    return module.SummaryWriter(str(folder), purge_step=first, flush_secs=SECONDS)
