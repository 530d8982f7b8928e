"""What the report of a run says beyond the evaluation: data, training, time and memory.

In:  plain values and the rows of `history.csv`.
Out: `RunFacts`, and from it the tables of stages and the curves by epoch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from waymark.dataset.index import SPLITS, Dataset
from waymark.preprocess import Preprocess

Floats = NDArray[np.float64]
TASKS = ("landmark", "category")
_TOP1 = {"landmark": "{}_top1", "category": "category_{}_top1"}
_SIDES = {"train": "training", "val": "validation"}


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What a run was. Whatever is left at its default is left out of the page.

    Attributes:
        recipe: name of the recipe.
        about: what it is, in a sentence.
        toml: the whole recipe.
        command: the command line, or the call.
        data: name of the dataset.
        terms: what may be done with its photos.
        counts: split -> label -> number of photos; `train`, `val`, `test`.
        negatives: photos of no landmark trained with.
        photos: (path, label) of the photos for training; a few are shown.
        network: name of the backbone, and what else there is to say of the network.
        start: where the weights came from.
        labels_seen_before: landmarks that the start had already learnt.
        parameters: number of weights.
        preprocess: how photos are prepared.
        device: the machine, in words.
        history: a row an epoch, as in `history.csv`; absent, empty and `nan` cells are
            not measured.
        stages: a description of each stage.
        seconds: how long training took, where there is no history to sum up.
        memory_mb: the peak of memory, where there is no history to tell it.
        evaluation_seconds: how long measuring the bundle took.
    """

    recipe: str = ""
    about: str = ""
    toml: str = ""
    command: str = ""
    data: str = ""
    terms: str = ""
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    negatives: int = 0
    photos: tuple[tuple[Path, str], ...] = ()
    network: str = ""
    start: str = ""
    labels_seen_before: int | None = None
    parameters: int | None = None
    preprocess: Preprocess | None = None
    device: str = ""
    history: tuple[Mapping[str, Any], ...] = ()
    stages: tuple[str, ...] = ()
    seconds: float | None = None
    memory_mb: float | None = None
    evaluation_seconds: float | None = None

    @classmethod
    def of(cls, dataset: Dataset, **facts: Any) -> Self:
        """Take name, counts and photos from a dataset; photos without a split are for training."""
        of_split = Counter((photo.split or "train", photo.label) for photo in dataset.photos)
        splits = [name for name in SPLITS if any(split == name for split, _ in of_split)]
        sides = dataset.negative_splits or (None,) * len(dataset.negatives)
        values: dict[str, Any] = {
            "data": dataset.name,
            "counts": {
                split: {label: of_split[split, label] for label in dataset.labels}
                for split in splits
            },
            "negatives": sum(side in ("train", None) for side in sides),
            "photos": tuple(
                (p.path, p.label) for p in dataset.photos if (p.split or "train") == "train"
            ),
        }
        return cls(**(values | facts))

    @cached_property
    def epochs(self) -> NDArray[np.int64]:
        """(E,), number of each epoch in the history."""
        return np.array([int(float(row["epoch"])) for row in self.history], np.int64)

    @cached_property
    def stage_of(self) -> NDArray[np.int64]:
        """(E,), 0-based stage of each epoch."""
        stages = self.column("stage")
        return np.where(np.isfinite(stages), stages, 0).astype(np.int64)

    @cached_property
    def kept(self) -> int | None:
        """The epoch whose weights were kept; None where the history does not say."""
        best = [row for row in self.history if str(row.get("is_best")).lower() in ("true", "1")]
        return int(float(best[-1]["epoch"])) if best else None

    def column(self, name: str) -> Floats:
        """Return (E,) float64 values of a column; NaN where it was not measured."""
        return np.array([_number(row.get(name)) for row in self.history], np.float64)

    def photos_per_s(self) -> Floats:
        """Return (E,): photos trained on in a second."""
        speed: Floats = _over(self.column("photos"), self.column("seconds"))
        return speed


@dataclass(frozen=True, kw_only=True)
class Curves:
    """Two curves by epoch of one thing measured.

    Attributes:
        name: of the figure's file.
        title: what is measured.
        values: `training` and `validation` -> (E,), NaN where it was not measured.
        share: whether the values are shares, 0 to 1, and not losses.
    """

    name: str
    title: str
    values: dict[str, Floats]
    share: bool


def curves_of(run: RunFacts) -> list[Curves]:
    """Return what the history has curves for: loss and accuracy, then those of each task.

    Where there is one task its own loss is the loss, and is not drawn again.
    """
    found = [_curves(run, "loss", "Loss", "{}_loss", share=False)]
    two = _is_measured(run, "category")
    for task in TASKS if two else ():
        found.append(
            _curves(run, f"loss-{task}", f"Loss: {task}", f"{task}_{{}}_loss", share=False)
        )
    for task in TASKS:
        title = f"Accuracy: {task}" if two else "Accuracy"
        name = f"accuracy-{task}" if two else "accuracy"
        found.append(_curves(run, name, title, _TOP1[task], share=True))
    return [c for c in found if any(np.isfinite(v).any() for v in c.values.values())]


def stage_rows(run: RunFacts) -> list[dict[str, Any]]:
    """Return a row a stage: what it was, its best epoch, and loss and accuracy there.

    The best epoch is the one of the lowest validation loss; the last, where none was
    measured. Numbers that were not measured are None.
    """
    tasks = TASKS if _is_measured(run, "category") else TASKS[:1]
    names = {f"{side}_loss": f"{side}_loss" for side in _SIDES}
    names |= {f"{task}_{side}": _TOP1[task].format(side) for task in tasks for side in _SIDES}
    columns = {key: run.column(name) for key, name in names.items()}
    rows = []
    for stage in np.unique(run.stage_of):
        own = np.flatnonzero(run.stage_of == stage)
        loss = columns["val_loss"][own]
        best = own[int(np.nanargmin(loss)) if np.isfinite(loss).any() else -1]
        at_best = {key: _measured(values[best]) for key, values in columns.items()}
        row = {
            "stage": int(stage) + 1,
            "about": run.stages[stage] if stage < len(run.stages) else "",
            "epochs": len(own),
            "best": int(run.epochs[best]),
            "kept": int(run.epochs[best]) == run.kept,
        }
        rows.append(row | at_best | _time(run, own))
    return rows


def totals(run: RunFacts) -> dict[str, Any]:
    """Return epochs, minutes, seconds an epoch, photos, photos a second and peak memory."""
    every = np.arange(len(run.history))
    found: dict[str, Any] = {"epochs": len(every)} | _time(run, every)
    if not run.history:
        found |= {"seconds": run.seconds, "memory_mb": run.memory_mb, "photos": len(run.photos)}
    return found


def has_two_tasks(run: RunFacts) -> bool:
    """Say whether the history knows of categories too."""
    return _is_measured(run, "category")


def _curves(run: RunFacts, name: str, title: str, column: str, *, share: bool) -> Curves:
    values = {word: run.column(column.format(side)) for side, word in _SIDES.items()}
    return Curves(name=name, title=title, values=values, share=share)


def _is_measured(run: RunFacts, task: str) -> bool:
    columns = [_TOP1[task].format(side) for side in _SIDES]
    columns += [f"{task}_{side}_loss" for side in _SIDES]
    return any(np.isfinite(run.column(name)).any() for name in columns)


def _time(run: RunFacts, rows: NDArray[np.intp]) -> dict[str, float | None]:
    seconds, photos = run.column("seconds")[rows], run.column("photos")[rows]
    timed = np.isfinite(seconds)
    both = timed & np.isfinite(photos)
    total = float(seconds[timed].sum())
    return {
        "seconds": total if timed.any() else None,
        "seconds_an_epoch": total / timed.sum() if timed.any() else None,
        "photos": int(photos[np.isfinite(photos)].sum()),
        "photos_per_s": _measured(_over(photos[both].sum(), seconds[both].sum())),
        "memory_mb": _measured(_peak(run.column("memory_mb")[rows])),
    }


def _over(above: Any, below: Any) -> Any:
    """Divide; NaN where there is nothing to divide by."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(np.asarray(below) > 0, np.divide(above, below), np.nan)


def _peak(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.max()) if len(finite) else float("nan")


def _measured(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _number(cell: Any) -> float:
    """Return a cell as a number; NaN for an empty one, or what is none."""
    try:
        return float(cell)
    except (TypeError, ValueError):
        return float("nan")
