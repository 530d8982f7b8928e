"""The classification report: precision, recall and F1 of each class, as a table of text.

In:  `per_class` of an evaluation's figures.
Out: lines in the layout that readers of scikit-learn know; the same numbers, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

COLUMNS = ("precision", "recall", "f1")
_WIDE = 10  # characters of a column


def classification_report(
    per_class: Iterable[tuple[str, Mapping[str, Any]]], *, accuracy: float | None
) -> list[str]:
    """Lay the classes out as a table, with their averages below.

    Args:
        per_class: the name of each class that has a photo, with its `precision`, `recall`, `f1`
            and `n`; the `items()` of what an evaluation has.
        accuracy: share of all the photos that are named right; None where there are none.

    Returns:
        Lines of equal columns. Macro is the mean of the classes, weighted that of photos.
    """
    rows = [(name, [float(row[key]) for key in COLUMNS], int(row["n"])) for name, row in per_class]
    total = sum(n for _, _, n in rows)
    foot: list[tuple[str, list[float], int]] = []
    if rows:
        each = list(zip(*(figures for _, figures, _ in rows), strict=True))
        of = [n for _, _, n in rows]
        weighted = [sum(v * n for v, n in zip(column, of, strict=True)) / total for column in each]
        macro = [sum(column) / len(rows) for column in each]
        foot = [("macro average", macro, total), ("weighted average", weighted, total)]
    width = max([len(name) for name, _, _ in rows + foot], default=0)
    lines = [" " * width + "".join(f"{name:>{_WIDE}}" for name in (*COLUMNS, "photos"))]
    lines += [_line(name, figures, n, width) for name, figures, n in rows]
    if accuracy is not None:
        gap = " " * (2 * _WIDE)
        lines += ["", f"{'accuracy':<{width}}{gap}{accuracy:>{_WIDE}.3f}{total:>{_WIDE}}"]
    return lines + [_line(name, figures, n, width) for name, figures, n in foot]


def _line(name: str, figures: list[float], n: int, width: int) -> str:
    cells = "".join(f"{value:>{_WIDE}.3f}" for value in figures)
    return f"{name:<{width}}{cells}{n:>{_WIDE}}"
