"""The leaderboard as a table for a spreadsheet, and as a page to read.

In:  a `Leaderboard`.
Out: CSV with numbers as they are; or one HTML file, self-contained, whose columns can be
     sorted. Its only script is the sorting, named by its hash in the page's policy; without
     scripts it is a plain table.

Names of runs are those of folders, and what a run says is a file's: cells that a spreadsheet
would run are disarmed, and the template escapes the rest.
"""

from __future__ import annotations

import base64
import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from waymark.dataset.manifest import escaped
from waymark.evaluation.compare import Leaderboard, Row, Value
from waymark.evaluation.compare_columns import Column, Group
from waymark.version import __version__

WHISKER = 80  # px of the drawing of an interval
_MARGIN = 4
_DRAWN = ("top1_low", "top1_high")  # in the page an interval is drawn, not two columns


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell of the page.

    Attributes:
        text: what is shown.
        value: what is sorted by.
        is_best: whether it is the best of its column.
        is_number: whether it stands on the right.
    """

    text: str
    value: str
    is_best: bool = False
    is_number: bool = False


@dataclass(frozen=True, kw_only=True)
class Line:
    """A row of one of the page's tables.

    Attributes:
        mark: its place, or letter.
        name: of the run.
        cells: one for each column.
        whisker: where the interval lies in its drawing, and what it is; None if not said.
    """

    mark: str
    name: str
    cells: tuple[Cell, ...]
    whisker: dict[str, Any] | None = None


def write_csv(path: Path, board: Leaderboard) -> Path:
    """Write every column that has anything in it, shares from 0 to 1; return the path."""
    keys = [column.key for column in board.columns]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8", errors="replace") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["place", "run", *keys, "note"])
        for mark, row in zip(board.marks, board.rows, strict=True):
            cells = [mark, escaped(row.name), *(_plain(row.values.get(key)) for key in keys)]
            table.writerow([*cells, escaped(note(board, mark, row))])
    return path


def write_html(path: Path, board: Leaderboard, *, title: str = "Leaderboard") -> Path:
    """Write the page; return its path."""
    script = _resource("compare.js")
    first = next(
        (row for row, mark in zip(board.rows, board.marks, strict=True) if mark == "1"), None
    )
    page = _template().render(
        title=title,
        version=__version__,
        board=board,
        first=first,
        top1="" if first is None else f"{100 * (first.number('top1') or 0):.1f}",
        failed=[row for row in board.rows if row.fault],
        figures=_table(board, "figures"),
        experiment=_table(board, "experiment"),
        theirs=any(column.key.startswith("theirs_") for column in board.columns),
        width=WHISKER,
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8", errors="replace")
    return path


def shown(column: Column, value: Value) -> str:
    """Return a value as it is read: `-` where a run does not say it."""
    if value is None:
        return "-"
    return value if isinstance(value, str) else column.form(value)


def note(board: Leaderboard, mark: str, row: Row) -> str:
    """Return what keeps a run from having a place; nothing if it has one."""
    return f"failed: {row.fault}" if row.fault else board.notes.get(mark, "")


def best_values(board: Leaderboard, column: Column) -> set[Value]:
    """Return the best value of a column, among the runs that have a place."""
    ranked = zip(board.marks, board.rows, strict=True)
    numbers = [row.number(column.key) for mark, row in ranked if mark.isdigit()]
    known = [number for number in numbers if number is not None]
    if not known or not column.best or len(known) == 1:
        return set()
    return {max(known) if column.best == "high" else min(known)}


def _table(board: Leaderboard, group: Group) -> dict[str, Any]:
    """Return the columns of one of the page's tables, which hold numbers, and its lines."""
    columns = [c for c in board.columns if c.group == group and c.key not in _DRAWN]
    if group == "experiment":  # begins with loss and accuracy, as S3's table does
        columns = [c for c in board.columns if c.key == "loss"] + columns
    best = [best_values(board, column) for column in columns]
    lines = [
        Line(
            mark=mark,
            name=row.name,
            cells=tuple(
                _cell(column, row.values.get(column.key), values)
                for column, values in zip(columns, best, strict=True)
            ),
            whisker=whisker,
        )
        for mark, row, whisker in zip(board.marks, board.rows, _whiskers(board), strict=True)
        if not (row.fault and group == "figures")
    ]
    numeric = [any(line.cells[i].is_number for line in lines) for i in range(len(columns))]
    return {"columns": list(zip(columns, numeric, strict=True)), "lines": lines}


def _cell(column: Column, value: Value, best: set[Value]) -> Cell:
    return Cell(
        text=shown(column, value),
        value="" if value is None else str(value),
        is_best=value is not None and value in best,
        is_number=isinstance(value, int | float),
    )


def _whiskers(board: Leaderboard) -> list[dict[str, Any] | None]:
    """Return where on the drawing the interval of each run lies, all on one scale."""
    spans = [[row.number(key) for key in ("top1", *_DRAWN)] for row in board.rows]
    known = [[value for value in span if value is not None] for span in spans]
    whole = [span for span in known if len(span) == 3]
    if not whole:
        return [None] * len(spans)
    lowest, highest = min(map(min, whole)), max(map(max, whole))
    scale = (WHISKER - 2 * _MARGIN) / ((highest - lowest) or 1.0)
    drawn: list[dict[str, Any] | None] = []
    for span in known:
        if len(span) < 3:
            drawn.append(None)
            continue
        at, low, high = (round(_MARGIN + (value - lowest) * scale, 1) for value in span)
        said = f"{100 * span[1]:.1f} to {100 * span[2]:.1f}"
        drawn.append({"at": at, "low": low, "high": high, "said": said, "value": span[1]})
    return drawn


def _plain(value: Value) -> Any:
    return "" if value is None else escaped(value) if isinstance(value, str) else value


def _resource(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")


def _template() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(
        loader=PackageLoader("waymark.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return pages.get_template("compare.html")
