"""Markdown that says what it is told and nothing else.

In:  names of photos, folders and landmarks, commands and terms, whatever is in them.
Out: pieces of Markdown: text that is no markup, code, tables.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_MARKUP = str.maketrans(
    {c: f"\\{c}" for c in "\\`*[]|"} | {"&": "&amp;", "<": "&lt;"}  # no tag, link or picture
)
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def plain(value: Any) -> str:
    """Return text on one line that no reader of Markdown takes for markup."""
    return _one_line(value).translate(_MARKUP)


def code(value: Any) -> str:
    """Return text as code on one line, also where it has backticks in it."""
    text = _one_line(value).replace("<", "&lt;").replace("|", "\\|")
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence, gap = "`" * (longest + 1), " " if longest else ""
    return f"{fence}{gap}{text}{gap}{fence}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table; cells are Markdown already."""
    lines = [_row(head), "|" + "---|" * len(head)]
    return lines + [_row(cells) for cells in rows]


def facts(rows: Mapping[str, str | None]) -> list[str]:
    """Return a table of names and values, without what is not known; no lines where nothing is."""
    known = [(name, value) for name, value in rows.items() if value]
    return table(("", ""), known) if known else []


def told(value: Any) -> str | None:
    """Return `plain`, or None where there is nothing to tell."""
    return None if value is None or value == "" else plain(value)


def share(figures: Mapping[str, Any], key: str) -> str | None:
    """Return a figure as a percentage with its interval, or None where it was not measured."""
    value = figures.get(key)
    if value is None:
        return None
    span = figures.get(f"{key}_interval")
    return f"{value:.1%}" + (f" ({span[0]:.1%} to {span[1]:.1%}, 95 %)" if span else "")


def _row(cells: Sequence[str]) -> str:
    return "|" + "".join(f" {cell} |" if cell else " |" for cell in cells)


def _one_line(value: Any) -> str:
    """Return text without line breaks, control characters and turns of direction."""
    text = " ".join(str(value).split())
    return "".join(
        "\ufffd" if c in _BIDI or unicodedata.category(c) in ("Cc", "Cs") else c for c in text
    )
