"""Which photos of the library are asked for: what a form sends, and what a page links to.

In:  the query of an address.
Out: a `Filter`, and the same as a query again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any
from urllib.parse import urlencode

from waymark.errors import ConfigError
from waymark.library.store_query import STATES, Filter
from waymark.serve.problems import Problem

MOST = 200  # characters of a field
EVIDENCE = ("photo", "context", "person")
GPS = ("agree", "near", "disagree")
KINDS = ("unknown", "failed", "missing")
_WORDS = ("landmark", "place", "country", "category", "state", "evidence", "gps")
FIELDS = ("q", *_WORDS, "since", "until", "min_score", "max_score", "only")
"""The fields of the form; `only` is one of `KINDS`."""


def filter_of(query: Mapping[str, str]) -> Filter:
    """Return what a query asks for; fields that are empty ask for nothing.

    Raises:
        Problem: a field cannot be right.
    """
    given = {name: query.get(name, "").strip()[:MOST] for name in FIELDS}
    values: dict[str, Any] = {name: given[name] for name in _WORDS if given[name]}
    if given["q"]:
        values["text"] = given["q"]
    for name, read, form in (
        ("since", date.fromisoformat, "a day such as 2024-05-17"),
        ("until", date.fromisoformat, "a day such as 2024-05-17"),
        ("min_score", _score, "a score from 0 to 1"),
        ("max_score", _score, "a score from 0 to 1"),
    ):
        if given[name]:
            values[name] = _read(name, given[name], read, form)
    if given["only"]:
        if given["only"] not in KINDS:
            raise _wrong(f"only must be one of {', '.join(KINDS)}.")
        values[given["only"]] = True
    try:
        return Filter(**values)
    except ConfigError as error:
        raise _wrong(str(error)) from error


def query_of(query: Mapping[str, str], **changes: str) -> str:
    """Return the query of the same photos, with `changes`; an empty value leaves a field out."""
    values = {name: query.get(name, "").strip()[:MOST] for name in FIELDS} | changes
    return urlencode({name: value for name, value in values.items() if value})


def _score(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError
    return value


def _read(name: str, text: str, read: Callable[[str], Any], form: str) -> Any:
    try:
        return read(text)
    except ValueError:
        raise _wrong(f"{name} must be {form}.") from None


def _wrong(message: str) -> Problem:
    return Problem(422, "invalid", message, "Change the filter.")


STATE_WORDS = dict(
    zip(
        STATES,
        ("Not looked at", "Approved", "Corrected", "Rejected", "Not a landmark"),
        strict=True,
    )
)
EVIDENCE_WORDS = {"photo": "The photo", "context": "Its neighbours", "person": "A person"}
