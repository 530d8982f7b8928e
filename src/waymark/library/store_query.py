"""Look photos up in a library: a page at a time, filtered, oldest first.

In:  a `Filter`.
Out: `Listed` records; numbers of photos by landmark, country, year, state.

A million photos answer at once because each filter walks an index that is ordered by time
already: one for each landmark asked for, merged, or one for each state, or the one of all.
"""

from __future__ import annotations

import heapq
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from waymark.errors import ConfigError
from waymark.gazetteer import Landmark
from waymark.library.store import Store
from waymark.library.store_landmark import all_landmarks
from waymark.library.store_names import numbers_asked_for
from waymark.library.store_paths import below
from waymark.library.tagged import DISMISSED, GAINSAID, SHOWN, State

if TYPE_CHECKING:
    import sqlite3

STATES: tuple[State, ...] = get_args(State)
_FEW = 2_000  # photos that are sorted rather than walked in order
_EPOCH = date(1970, 1, 1).toordinal()

_LISTED = (
    *("id", "path", "raw", "taken", "landmark", "score", "confidence", "unknown_score"),
    *("evidence", "state", "lat", "lon", "gps_from", "gps_says", "guesses", "error", "bundle"),
    *("missing", "sha256"),
)

Key = tuple[int, int]
Condition = tuple[str, Sequence[Any]]  # in SQL, with its arguments


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which photos are wanted; what is None, or empty, asks for nothing.

    Photos that a person dismissed are at no landmark: those of a landmark, of who decided, of
    the GPS, and of none, hold them only where a state is asked for.

    Attributes:
        text: any spelling of a landmark, place, country or category.
        landmark: id or name.
        place: city or region.
        country: ISO 3166-1 code, or its name.
        category: kind of landmark.
        since: first day, of capture.
        until: last day, of capture.
        min_score: at least this confidence.
        max_score: at most this confidence.
        state: what a person said.
        evidence: who decided.
        gps: whether the GPS position agrees with the tag: `agree`, `near` or `disagree`.
        unknown: only photos without a landmark.
        failed: only photos that cannot be read.
        missing: also photos that are gone.
        paths: only below these.
    """

    text: str | None = None
    landmark: str | None = None
    place: str | None = None
    country: str | None = None
    category: str | None = None
    since: date | None = None
    until: date | None = None
    min_score: float | None = None
    max_score: float | None = None
    state: State | None = None
    evidence: str | None = None
    gps: str | None = None
    unknown: bool = False
    failed: bool = False
    missing: bool = False
    paths: tuple[Path, ...] = field(default=())

    def __post_init__(self) -> None:
        """Refuse what no photo can be."""
        for name, value, known in (
            ("state", self.state, STATES),
            ("evidence", self.evidence, ("photo", "context", "person")),
            ("gps", self.gps, ("agree", "near", "disagree")),
        ):
            if value is not None and value not in known:
                raise ConfigError(f"{name} is {value!a}; it must be one of {', '.join(known)}.")
        for name, score in (("min_score", self.min_score), ("max_score", self.max_score)):
            if score is not None and not 0 <= score <= 1:
                raise ConfigError(f"{name} is {score:g}; it must be from 0 to 1, such as 0.9.")

    @property
    def names(self) -> bool:
        """Whether a landmark is asked for in some way."""
        asked = (self.text, self.landmark, self.place, self.country, self.category)
        return any(value is not None for value in asked)


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One photo of a list.

    Attributes:
        id: its number in the library.
        path: of the photo.
        raw: of the RAW file of a pair.
        taken: capture time.
        landmark: of its tag; None is unknown.
        score: of the landmark given that one is in the photo; None where unknown.
        confidence: that the photo shows the landmark, 0 to 1; None where unknown.
        unknown_score: 0 to 1; None where it cannot be read.
        evidence: who decided; None where unknown.
        state: what a person said.
        gps: degrees north and east, that the photo carried.
        gps_from: exif, sidecar or takeout.
        gps_says: agree, near or disagree.
        guesses: (landmark, score) of the photo alone, best first.
        error: why it cannot be read.
        bundle: first 12 hex digits of its SHA-256.
        missing: it is gone.
        key: what to go on after.
        sha256: of its content; None where it could not be read.
    """

    id: int
    path: Path
    raw: Path | None
    taken: datetime | None
    landmark: Landmark | None
    score: float | None
    confidence: float | None
    unknown_score: float | None
    evidence: str | None
    state: State
    gps: tuple[float, float] | None
    gps_from: str | None
    gps_says: str | None
    guesses: tuple[tuple[Landmark, float], ...]
    error: str | None
    bundle: str | None
    key: Key
    missing: bool = False
    sha256: bytes | None = None

    @property
    def shows(self) -> Landmark | None:
        """The landmark, unless a person said that the photo does not show it."""
        return None if self.state in DISMISSED else self.landmark

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, all keys always present."""
        return {
            "photo": os.fspath(self.path),
            "raw": self.raw and os.fspath(self.raw),
            "taken": self.taken and self.taken.isoformat(),
            "landmark": self.landmark and self.landmark.to_dict(),
            "score": self.score,
            "confidence": self.confidence,
            "unknown_score": self.unknown_score,
            "evidence": self.evidence,
            "state": self.state,
            "gps": self.gps and list(self.gps),
            "gps_from": self.gps_from,
            "gps_says": self.gps_says,
            "guesses": [{"landmark": one.id, "score": score} for one, score in self.guesses],
            "error": self.error,
            "bundle": self.bundle,
            "missing": self.missing,
        }


def page(
    store: Store, wanted: Filter = Filter(), *, limit: int = 100, after: Key | None = None
) -> list[Listed]:
    """Return the next photos, ordered by time.

    Args:
        store: the library.
        wanted: which photos.
        limit: at most so many.
        after: `key` of the last one of the page before.

    Raises:
        UnknownName: no photo of the library shows such a landmark, place, country or category.
    """
    with store.faults():
        keys = list(islice(_keys(store, wanted, after or (-(2**62), -1)), limit))
        return _listed(store, keys)


def every(store: Store, wanted: Filter = Filter()) -> Iterator[Listed]:
    """Yield all photos that are wanted, a page at a time, so that nobody is kept waiting."""
    after: Key | None = None
    while found := page(store, wanted, limit=1_000, after=after):
        yield from found
        after = found[-1].key


def keys(store: Store, wanted: Filter = Filter()) -> Iterator[Key]:
    """Yield `key` of every photo that is wanted, in order; much quicker than `every`."""
    with store.faults():
        yield from _keys(store, wanted, (-(2**62), -1))


def photos(store: Store, numbers: Sequence[int]) -> list[Listed]:
    """Return the photos of these numbers, in their order, as far as the library has them."""
    found: list[Key] = []
    with store.faults():
        for number in numbers:
            found += store.connection.execute(
                "SELECT moment, id FROM photo WHERE id = ?", [number]
            ).fetchall()
        return _listed(store, found)


def condition(store: Store, wanted: Filter) -> Condition:
    """Return what each photo of a filter fulfils, landmarks included, in SQL with its arguments.

    Raises:
        UnknownName: no photo of the library shows such a landmark, place, country or category.
    """
    where, arguments = _conditions(wanted)
    if not wanted.names:
        return where, arguments
    # as one value: they may be more than SQLite takes
    numbers = json.dumps(numbers_asked_for(landmarks_of(store), wanted))
    return f"{where} AND landmark IN (SELECT value FROM json_each(?))", [*arguments, numbers]


def strange_paths(store: Store, wanted: Filter) -> list[Path]:
    """Return the paths of a filter below which the library has nothing, not even what is gone."""
    strange = []
    with store.faults():
        for path in wanted.paths:
            where, arguments = below([path])
            query = f"SELECT 1 FROM photo WHERE {where} LIMIT 1"
            if store.connection.execute(query, arguments).fetchone() is None:
                strange.append(path)
    return strange


def landmarks_of(store: Store) -> dict[int, Landmark]:
    """Return every landmark that the library knows, by number."""
    with store.faults():
        return all_landmarks(store.connection)


def _keys(store: Store, wanted: Filter, after: Key) -> Iterator[Key]:
    """Yield (moment, id) of the photos wanted, in order."""
    where = _conditions(wanted)
    connection = store.connection
    if wanted.names:
        numbers = numbers_asked_for(landmarks_of(store), wanted)
        walks = [_walk(connection, ("landmark = ?", [n]), where, after) for n in numbers]
        return heapq.merge(*walks)
    for span in _spans(wanted):
        few = _few(connection, span, where, after)
        if few is not None:
            return iter(few)
    return _walk(connection, _first(wanted), where, after)


def _first(wanted: Filter) -> Condition:
    """Return the condition whose index is walked: that which the fewest photos fulfil."""
    if wanted.failed:
        return "error IS NOT NULL", []
    if wanted.gps is not None:
        return "gps_says = ?", [wanted.gps]
    if wanted.evidence in ("context", "person"):
        return "evidence = ?", [wanted.evidence]
    if wanted.state not in (None, "new"):
        return "state = ?", [wanted.state]
    return ("landmark IS NULL", []) if wanted.unknown else ("1", [])


def _spans(wanted: Filter) -> Iterator[Condition]:
    """Yield what may be asked for so narrowly that the photos are few."""
    if wanted.paths:
        yield below(wanted.paths)
    if wanted.min_score is not None or wanted.max_score is not None:
        most = 1.0 if wanted.max_score is None else wanted.max_score
        yield "confidence BETWEEN ? AND ?", [wanted.min_score or 0.0, most]


def _walk(
    connection: sqlite3.Connection,
    first: Condition,
    where: Condition,
    after: Key,
) -> Iterator[Key]:
    """Walk an index that begins with what `first` asks for and goes on by time."""
    return connection.execute(
        f"SELECT moment, id FROM photo WHERE {first[0]} AND (moment, id) > (?, ?) AND {where[0]} "
        "ORDER BY moment, id",
        [*first[1], *after, *where[1]],
    )


def _few(
    connection: sqlite3.Connection,
    first: Condition,
    where: Condition,
    after: Key,
) -> list[Key] | None:
    """Return all photos wanted, sorted, where what `first` asks for are few; else None."""
    rows = connection.execute(
        f"SELECT moment, id FROM photo WHERE {first[0]} LIMIT {_FEW + 1}", first[1]
    ).fetchall()
    if len(rows) > _FEW:
        return None
    return connection.execute(
        f"SELECT moment, id FROM photo WHERE {first[0]} AND (moment, id) > (?, ?) AND {where[0]} "
        "ORDER BY +moment, +id",
        [*first[1], *after, *where[1]],
    ).fetchall()


def _conditions(wanted: Filter) -> Condition:
    """Return what each photo must fulfil, landmarks aside, in SQL."""
    parts, arguments = ["1"], list[Any]()
    if not wanted.missing:
        parts.append("missing = 0")
    for column, value in (
        ("state = ?", wanted.state),
        ("evidence = ?", wanted.evidence),
        ("gps_says = ?", wanted.gps),
        ("confidence >= ?", wanted.min_score),
        ("confidence <= ?", wanted.max_score),
        ("moment >= ?", _seconds(wanted.since)),
        ("moment < ?", _seconds(wanted.until, days=1)),
    ):
        if value is not None:
            parts.append(column)
            arguments.append(value)
    if wanted.since is not None or wanted.until is not None:
        parts.append("taken IS NOT NULL")
    if wanted.unknown:
        parts.append("landmark IS NULL AND error IS NULL")
    if wanted.state is None and (wanted.names or wanted.evidence or wanted.gps):
        parts.append(SHOWN)
    elif wanted.state is None and wanted.unknown:
        parts.append(f"NOT ({GAINSAID})")
    if wanted.failed:
        parts.append("error IS NOT NULL")
    if wanted.paths:
        inside, paths = below(wanted.paths)
        parts.append(inside)
        arguments += paths
    return " AND ".join(parts), arguments


def _seconds(day: date | None, *, days: int = 0) -> int | None:
    """Return when a day, or one some days later, begins: there is a last one that a date can be."""
    return None if day is None else (day.toordinal() + days - _EPOCH) * 86_400


def _listed(store: Store, keys: Sequence[Key]) -> list[Listed]:
    names = landmarks_of(store) if keys else {}
    found = []
    for key in keys:
        row = store.connection.execute(
            f"SELECT {', '.join(_LISTED)} FROM photo WHERE id = ?", [key[1]]
        ).fetchone()
        if row is not None:  # else it went a moment ago
            found.append(_one(dict(zip(_LISTED, row, strict=True)), names, key))
    return found


def _one(row: dict[str, Any], names: dict[int, Landmark], key: Key) -> Listed:
    guesses = json.loads(row.pop("guesses") or "[]")
    lat, lon = row.pop("lat"), row.pop("lon")
    path, raw, taken, landmark = (row.pop(name) for name in ("path", "raw", "taken", "landmark"))
    return Listed(
        path=Path(os.fsdecode(path)),
        raw=None if raw is None else Path(os.fsdecode(raw)),
        taken=None if taken is None else datetime.fromisoformat(taken),
        landmark=None if landmark is None else names[landmark],
        gps=None if lat is None else (lat, lon),
        guesses=tuple((names[number], score) for number, score in guesses),
        missing=bool(row.pop("missing")),
        key=key,
        **row,
    )
