"""Print a benchmark's table, and keep it as JSON for the docs (see write_tables.py)."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; all columns but the first are right-aligned."""
    cells = [list(columns), *[[str(cell) for cell in row] for row in rows]]
    widths = [max(3, *(len(row[i]) for row in cells)) for i in range(len(columns))]
    lines = [
        "| "
        + " | ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        + " |"
        for row in cells
    ]
    rule = [("-" * (width - 1) + ":") if i else "-" * width for i, width in enumerate(widths)]
    return "\n".join([lines[0], "| " + " | ".join(rule) + " |", *lines[1:]])


def publish(
    name: str,
    *,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    note: str = "",
    **measured: Any,
) -> None:
    """Print a table and write it to `results/NAME.json`.

    Args:
        name: what the docs call it: `<!-- results:NAME -->`.
        columns: headings.
        rows: cells, already formatted as they should be read, units included.
        note: one line under the table: what was measured, on how many photos.
        measured: raw figures worth keeping beside the table.
    """
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.machine()}"
    print(markdown(columns, rows), note, machine, sep="\n")
    record = {"columns": columns, "rows": rows, "note": note, "machine": machine, **measured}
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(record, indent=2, ensure_ascii=False)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")
