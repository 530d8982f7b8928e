"""`waymark compare`: runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from waymark.cli.terminal import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from waymark.evaluation.compare import Leaderboard, Row
    from waymark.evaluation.compare_columns import Column

PIPED = 100_000
"""Columns of a terminal that is none: no line is broken or cut."""

_NAME = 24  # characters of a run's name before it is folded, on a terminal


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, sweeps, or folders of runs.")],
    *,
    everything: Annotated[bool, typer.Option("--all", help="Every column.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON array, a run each.")] = False,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a table.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page.")] = None,
) -> None:
    """Print the leaderboard of runs, best first; as a CSV table and as a page too."""
    from waymark.evaluation.compare import leaderboard, read_runs
    from waymark.evaluation.compare_page import write_csv, write_html

    board = leaderboard(read_runs(runs))
    if csv is not None:
        typer.echo(f"table: {write_csv(csv, board)}", err=True)
    if html is not None:
        typer.echo(f"page: {write_html(html, board)}", err=True)
    if json:
        typer.echo(as_json(board))
    else:
        print_leaderboard(board, everything=everything)


def as_json(board: Leaderboard) -> str:
    """Return the leaderboard as a JSON array; every key is always there."""
    from json import dumps

    from waymark.evaluation.compare_page import note

    rows = [
        {"place": mark, "run": row.name, **row.values, "note": note(board, mark, row)}
        for mark, row in zip(board.marks, board.rows, strict=True)
    ]
    return dumps(rows, indent=1)


def print_leaderboard(board: Leaderboard, *, everything: bool = False) -> None:
    """Print the most important columns, or all: in several tables, where one is too wide."""
    from rich.console import Console

    from waymark.evaluation.compare_page import note

    console = Console(highlight=False, emoji=False)
    if not console.is_terminal:
        console = Console(highlight=False, emoji=False, width=PIPED, color_system=None)
    chosen = [c for c in board.columns if everything or c.brief]
    for number, columns in enumerate(_parted(board, chosen, console.width)):
        if number:
            console.print()
        console.print(_drawn(board, columns))
    for letter, said in board.notes.items():
        console.print(f"{letter}: {shown(said)}", markup=False, soft_wrap=not console.is_terminal)
    for mark, row in zip(board.marks, board.rows, strict=True):
        if row.fault:
            said = f"{shown(row.name)}: {shown(note(board, mark, row))}"
            console.print(said, markup=False, soft_wrap=not console.is_terminal)


def _parted(board: Leaderboard, columns: Sequence[Column], width: int) -> list[list[Column]]:
    """Part columns into tables that fit beside place and name."""
    beside = 4 + min(_NAME, max(len(shown(row.name)) for row in board.rows)) + 1
    tables: list[list[Column]] = [[]]
    left = width - beside
    for column in columns:
        wide = 1 + max(len(text) for text in _texts(board, column))
        if wide > left and tables[-1]:
            tables.append([])
            left = width - beside
        tables[-1].append(column)
        left -= wide
    return tables


def _drawn(board: Leaderboard, columns: Sequence[Column]) -> Any:
    from rich.table import Table
    from rich.text import Text

    from waymark.evaluation.compare_page import best_values

    drawn = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    drawn.add_column("#", justify="right", no_wrap=True)
    drawn.add_column("run", overflow="fold", min_width=8)
    texts = {column.key: _texts(board, column) for column in columns}
    best = {column.key: best_values(board, column) for column in columns}
    for column in columns:
        is_number = any(row.number(column.key) is not None for row in board.rows)
        drawn.add_column(Text(column.title), justify="right" if is_number else "left", no_wrap=True)
    for i, (mark, row) in enumerate(zip(board.marks, board.rows, strict=True), start=1):
        cells = [
            Text(texts[column.key][i], style=_style(column, row, best[column.key]))
            for column in columns
        ]
        drawn.add_row(mark, Text(shown(row.name)), *cells)
    return drawn


def _texts(board: Leaderboard, column: Column) -> list[str]:
    """Return the heading of a column and what stands below it."""
    from waymark.evaluation.compare_page import shown as written

    return [
        column.title,
        *(shown(written(column, row.values.get(column.key))) for row in board.rows),
    ]


def _style(column: Column, row: Row, best: set[Any]) -> str:
    return "bold" if best and row.values.get(column.key) in best else ""
