"""Which photos of the library are asked for: what a form sends, and what a page links to.

In:  the query of an address.
Out: a `Filter`, and the same as a query again; in words, for who looks at the page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any
from urllib.parse import urlencode

from waymark.errors import ConfigError
from waymark.gazetteer_country import country_name
from waymark.library.store_query import STATES, Filter
from waymark.serve.pages_place import percent
from waymark.serve.problems import Problem

MOST = 200  # characters of a field
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


def limited_to(query: Mapping[str, str]) -> Filter | None:
    """Return what a query asks for; None where that is all of the library.

    Raises:
        Problem: a field cannot be right.
    """
    wanted = filter_of(query)
    return None if wanted == Filter() else wanted


def query_of(query: Mapping[str, str], **changes: str) -> str:
    """Return the query of the same photos, with `changes`; an empty value leaves a field out."""
    values = {name: query.get(name, "").strip()[:MOST] for name in FIELDS} | changes
    return urlencode({name: value for name, value in values.items() if value})


def review_link(query: Mapping[str, str], **more: str) -> str:
    """Return the address of the review of the same photos; `more` that is empty is left out."""
    asked = urlencode({name: value for name, value in more.items() if value})
    text = "&".join(filter(None, (asked, query_of(query))))
    return f"/library/review?{text}" if text else "/library/review"


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


STATE_WORDS: dict[str, str] = dict(
    zip(
        STATES,
        ("Not looked at", "Approved", "Corrected", "Rejected", "Not a landmark"),
        strict=True,
    )
)
EVIDENCE_WORDS = {"photo": "The photo", "context": "Its neighbours", "person": "A person"}
GPS_WORDS = {"agree": "Agrees", "near": "Is near", "disagree": "Disagrees"}
ONLY_WORDS = {
    "unknown": "Unknown places",
    "failed": "What can't be read",
    "missing": "Also what is gone",
}
LABELS = {
    "landmark": "Landmark", "place": "Place", "country": "Country", "category": "Category",
    "since": "From", "until": "To", "min_score": "Confidence from",
    "max_score": "Confidence up to", "state": "State", "evidence": "Decided by",
    "gps": "GPS of the photo", "only": "Only",
}  # fmt: skip
"""What the fields are called, in the order of the form; the search has no label to see."""
_SAY_THEMSELVES = ("q", "landmark", "place", "country", "category", "only")


def chips_of(query: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return in words what a query asks for, each with the query that is left without it.

    `static/library.js` says the same of the form.
    """
    chips = []
    for name in FIELDS:
        text = query.get(name, "").strip()[:MOST]
        if text:
            words = _words(name, text)
            label = "" if name in _SAY_THEMSELVES else f"{LABELS[name]}: "
            chips.append((f"{label}{words}", query_of(query, **{name: ""})))
    return chips


def _words(name: str, text: str) -> str:
    tables: dict[str, Mapping[str, str]] = {
        "state": STATE_WORDS, "evidence": EVIDENCE_WORDS, "gps": GPS_WORDS, "only": ONLY_WORDS,
    }  # fmt: skip
    if name in tables:
        return tables[name].get(text, text)
    if name == "country":
        return country_name(text) or text
    if name == "category":
        return text.replace("_", " ")
    if name in ("min_score", "max_score"):
        try:
            return percent(float(text))
        except ValueError:  # the page tells what is wrong with it
            return text
    return text
