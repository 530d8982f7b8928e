"""Runs side by side: the leaderboard.

In:  run folders, or sweeps and other folders that hold runs.
Out: a `Leaderboard`: a row for each run, best first, and what keeps rows from being
     compared. `compare_page.py` writes it as CSV and HTML.

What is read was written by any version of waymark: what a run does not say is None.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from waymark.dataset.index import UNKNOWN, printable
from waymark.dataset.manifest import table_rows
from waymark.errors import DatasetError, RunError
from waymark.evaluation.compare_columns import COLUMNS, Column

STATE = "sweep.json"
"""Where a sweep keeps how far it is, and the published figures of its experiments."""

Value = float | str | None
_OWN: dict[str, tuple[str, int, str | None]] = {
    "sequential": ("", 0, ""),
    "vgg_like": ("(64,3,3)", 10, "(2,2)"),
    "scratch_cnn5": ("(16,3,3)", 5, "(2,2)"),
    "scratch_resnet": ("(32,3,3)", 10, "(2,2)"),
}
"""First convolution, number of convolutions and pooling of waymark's own networks; those of
`sequential` stand in the recipe."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What there is to say of a run.

    Attributes:
        name: of its folder; with the folder above where two would be called the same.
        folder: where it is.
        values: a value for each of `COLUMNS`; shares from 0 to 1, None where not said.
        measured_on: dataset, split and number of photos, and a hash of which they are; rows
            with other photos are not ranked together.
        fault: why there are no figures; "" where there are.
    """

    name: str
    folder: Path
    values: Mapping[str, Value]
    measured_on: tuple[str, str, str] = ("", "", "")
    fault: str = ""

    def number(self, key: str) -> float | None:
        """Return the value of a column where it is a number."""
        value = self.values.get(key)
        return value if isinstance(value, int | float) else None


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """Runs, best first; those without figures come last.

    Attributes:
        rows: sorted by top-1, then loss, then name.
        marks: for each row its place; a letter where it was measured on other photos than
            most, and so has no place; "-" where it has no figures.
        notes: letter -> what it was measured on instead.
    """

    rows: tuple[Row, ...]
    marks: tuple[str, ...]
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns that at least one run has something to say in."""
        return tuple(
            column
            for column in COLUMNS
            if any(row.values.get(column.key) is not None for row in self.rows)
        )


def read_runs(paths: Sequence[Path]) -> list[Row]:
    """Read runs, each once, in the order given.

    Args:
        paths: run folders; sweeps; folders of runs.

    Raises:
        RunError: if there is no run in one of them.
    """
    folders: dict[Path, Path] = {}
    for path in paths:
        found = list(_runs_in(path))
        if not found:
            raise RunError(
                f"{printable(path)} holds no run: expected a folder with metrics.json, or one "
                "of such folders. `waymark train --out RUN` leaves one."
            )
        for folder in found:
            folders.setdefault(folder.resolve(), folder)
    rows = [_read_run(folder) for folder in folders]
    shared = {name for name, count in Counter(row.name for row in rows).items() if count > 1}
    return [
        replace(row, name=f"{printable(row.folder.parent.name)}/{row.name}")
        if row.name in shared
        else row
        for row in rows
    ]


def leaderboard(rows: Sequence[Row]) -> Leaderboard:
    """Sort runs and give them their places.

    Places are counted among the runs that were measured on the photos that most were (of
    two such sets, those of the better run).
    """
    ordered = sorted(rows, key=_order)
    measured = [row for row in ordered if not row.fault]
    sets = Counter(row.measured_on for row in measured)  # in order of the best run of each
    usual = max(sets, key=lambda key: sets[key], default=("", "", ""))
    letters = {key: _letters(i) for i, key in enumerate(key for key in sets if key != usual)}
    marks, place = [], 0
    for row in ordered:
        place += not row.fault and row.measured_on == usual
        marks.append("-" if row.fault else letters.get(row.measured_on, str(place)))
    notes = {letter: _otherwise(key, usual) for key, letter in letters.items()}
    return Leaderboard(rows=tuple(ordered), marks=tuple(marks), notes=notes)


def _order(row: Row) -> tuple[bool, float, float, str]:
    top1, loss = row.number("top1"), row.number("loss")
    return (
        bool(row.fault),
        math.inf if top1 is None else -top1,
        math.inf if loss is None else loss,
        row.name,
    )


def _letters(number: int) -> str:
    """Return a, b … z, aa, ab …"""
    before, last = divmod(number, 26)
    return (_letters(before - 1) if before else "") + chr(ord("a") + last)


def _otherwise(other: tuple[str, str, str], usual: tuple[str, str, str]) -> str:
    (dataset, split, _), (usual_dataset, usual_split, _) = other, usual
    said = f"measured on {split} of {dataset or 'a dataset it does not name'}"
    if (dataset, split) == (usual_dataset, usual_split):
        return f"{said}, but not the same ones as the others"
    return f"{said}; the others on {usual_split} of {usual_dataset}"


def _runs_in(path: Path) -> Iterator[Path]:
    """Yield the run that a folder is, or those right below it, in sweeps there too."""
    if (path / STATE).is_file():
        yield from (path / name for name in _state(path)["runs"] if _is_plain(name))
    elif _is_run(path):
        yield path
    elif path.is_dir():
        for inner in sorted(path.iterdir()):
            if (inner / STATE).is_file() or _is_run(inner):
                yield from _runs_in(inner)


def _is_plain(name: str) -> bool:
    """Say whether a name that a file gives leads nowhere but right below its folder."""
    return Path(name).name == name and name != ".." and "\0" not in name


def _is_run(path: Path) -> bool:
    return (path / "metrics.json").is_file() or (path / "recipe.toml").is_file()


def _read_run(folder: Path) -> Row:
    state = _dict(_state(folder.parent)["runs"].get(folder.name))
    name = printable(folder.name)
    recipe = _read(folder / "recipe.toml", tomllib.loads)
    metrics = _read(folder / "metrics.json", json.loads)
    values = {**_theirs(state.get("theirs")), **_experiment(recipe)}
    fault = _text(state.get("fault")) or ""
    if not fault and not metrics:
        unread = (folder / "metrics.json").exists()
        fault = "its metrics.json cannot be read" if unread else "not finished"
    if fault:
        values = {column.key: values.get(column.key) for column in COLUMNS}
        return Row(name=name, folder=folder, values=values, fault=fault)
    values |= _figures(metrics, folder)
    training = _dict(metrics.get("training"))
    values["recipe"] = _text(training.get("recipe")) or values.get("recipe")
    return Row(
        name=name,
        folder=folder,
        values={column.key: values.get(column.key) for column in COLUMNS},
        measured_on=_measured_on(metrics, folder),
    )


def _figures(metrics: dict[str, Any], folder: Path) -> dict[str, Value]:
    training = _dict(metrics.get("training"))
    interval = metrics.get("top1_interval")
    low, high = interval if isinstance(interval, list) and len(interval) == 2 else (None, None)
    bundle = folder / "model.waymark"
    keys = ("top1", "top3", "macro_f1", "loss", "ece", "parameters", "n")
    return {
        **{key: _number(metrics.get(key)) for key in keys},
        "accuracy": _number(metrics.get("top1")),
        "top1_low": _number(low),
        "top1_high": _number(high),
        "category_f1": _number(_dict(metrics.get("category")).get("macro_f1")),
        "megabytes": round(bundle.stat().st_size / 1e6, 2) if bundle.is_file() else None,
        "start": _text(training.get("start")),
        "seen": _number(training.get("labels_seen_before")),
        **_speed(training, folder / "history.csv"),
    }


def _speed(training: dict[str, Any], history: Path) -> dict[str, Value]:
    """Return minutes and photos a second, as said or as the history of an older run adds up."""
    numbers = {key: _number(training.get(key)) for key in ("minutes", "photos_per_s")}
    said = {key: None if value is None else round(value, 4) for key, value in numbers.items()}
    if any(value is not None for value in said.values()) or not history.is_file():
        return dict(said)
    try:
        with history.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        seconds = sum(float(row["seconds"]) for row in rows)
        photos = sum(float(row["photos"]) for row in rows)
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return dict(said)
    speed = round(photos / seconds, 2) if seconds else None
    return {"minutes": round(seconds / 60, 4), "photos_per_s": speed}


def _experiment(recipe: dict[str, Any]) -> dict[str, Value]:
    """Return the columns of the Korean landmarks project's table; None where a network has none."""
    values: dict[str, Value] = {"recipe": _text(recipe.get("name"))}
    if not recipe or recipe.get("kind") == "linear":
        return values
    backbone = _text(recipe.get("backbone")) or ""
    stages = _tables(recipe.get("stages"))
    hidden = recipe.get("hidden")
    dense = len(hidden) if isinstance(hidden, list) else 0
    optimisers = dict.fromkeys(_text(stage.get("optimiser")) or "?" for stage in stages)
    epochs = [_number(stage.get("epochs")) for stage in stages]
    values |= {
        "size": _number(recipe.get("size")),
        "epochs": sum(number or 0 for number in epochs) if epochs else None,
        "batch": _number(recipe.get("batch")),
        "dropout": _number(recipe.get("dropout")),
        "optimiser": " + ".join(optimisers) or None,
        "activation": _text(recipe.get("activation")) if dense else None,
    }
    if backbone not in _OWN:
        return values
    first_conv, convolutions, pool = _OWN[backbone]
    values |= {"first_conv": first_conv, "pool": pool, "layers": convolutions + dense + 1}
    if backbone == "sequential":
        filters, kernel, side = (recipe.get(key) for key in ("filters", "kernel", "max_pool"))
        values["first_conv"] = f"({filters},{kernel},{kernel})"
        values["pool"] = f"({side},{side})"
        values["layers"] = _number(recipe.get("depth"))
    if backbone in ("sequential", "vgg_like"):
        values["dropout"] = _number(recipe.get("conv_dropout"))
        values["first_activation"] = _text(recipe.get("first_activation"))
        values["activation"] = _text(recipe.get("activation"))
    return values


def _theirs(said: Any) -> dict[str, Value]:
    return {f"theirs_{key}": _number(value) for key, value in _dict(said).items()}


def _measured_on(metrics: dict[str, Any], folder: Path) -> tuple[str, str, str]:
    """Return dataset, split with number of photos, and a hash of the photos measured on.

    The fast path is measured on the validation photos where there are any, else on all for
    training, held out in turn.
    """
    n = _number(metrics.get("n"))
    photos = f"{n or 0:.0f} {_text(metrics.get('split')) or ''} photos".replace("  ", " ")
    dataset = _text(metrics.get("dataset")) or ""
    file = folder / "split.csv"
    try:
        rows = [row for _, row in table_rows(file)] if file.is_file() else []
    except DatasetError:
        rows = []
    rows = [row for row in rows if row.get("label") != UNKNOWN]
    held_out = [row for row in rows if row.get("split") == (metrics.get("split") or "val")]
    names = sorted(f"{row.get('path')}\t{row.get('label')}" for row in held_out or rows)
    text = "\n".join(names).encode("utf-8", "surrogateescape")
    return dataset, photos, hashlib.sha256(text).hexdigest() if names else ""


def _state(folder: Path) -> dict[str, Any]:
    state = _read(folder / STATE, json.loads)
    return state if isinstance(state.get("runs"), dict) else {"runs": {}}


def _read(file: Path, parse: Callable[[str], Any]) -> dict[str, Any]:
    """Return the table in a file; an empty one where there is none that can be read."""
    try:
        return _dict(parse(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError):
        return {}


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _tables(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) < 1e300 else None  # NaN is not below it either


def _text(value: Any) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    return printable(value.encode("utf-8", "replace").decode("utf-8"))
