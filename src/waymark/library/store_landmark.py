"""The landmarks of a library: which record the number in a photo's row stands for.

In:  records of bundles, of the gazetteer, and of what a person named.
Out: numbers of the table `landmark`.

Bundles call their classes what they like: `castle` is Foix in one and Conwy in another. So a
landmark is its id and what is known of it, and a record that says otherwise is another landmark:
what a photo shows does not change because another folder was tagged with another bundle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from waymark.gazetteer import Landmark
from waymark.library.near import metres

if TYPE_CHECKING:
    import sqlite3

_SAME_M = 1_000.0  # two records of one landmark may put it so far apart
_NAMES = ("name", "place", "country", "category", "wikidata")
_FIELDS = (
    "key",
    "name",
    "local_name",
    "place",
    "country",
    "category",
    "lat",
    "lon",
    "extent_m",
    "wikidata",
    "estimated",
)
LANDMARK_COLUMNS = ", ".join(f"landmark.{name}" for name in _FIELDS)
"""What `landmark_of` wants, in its order."""


def landmark_of(row: Sequence[Any]) -> Landmark:
    """Make a landmark of a row's `LANDMARK_COLUMNS`."""
    values = dict(zip(_FIELDS, row, strict=True))
    return Landmark(id=values.pop("key"), **values | {"estimated": bool(values["estimated"])})


def landmark_numbers(connection: sqlite3.Connection, landmarks: Iterable[Landmark]) -> list[int]:
    """Return the library's numbers of landmarks, adding those that it does not know.

    What nobody knew of a landmark is filled in; what the library says of one is never changed.
    """
    return [_number(connection, landmark) for landmark in landmarks]


def landmark_numbered(connection: sqlite3.Connection, number: int) -> Landmark:
    """Return the landmark of a number that a row of the library has."""
    row = connection.execute(
        f"SELECT {LANDMARK_COLUMNS} FROM landmark WHERE id = ?", [number]
    ).fetchone()
    return landmark_of(row)


def landmarks_called(connection: sqlite3.Connection, key: str) -> dict[int, Landmark]:
    """Return the landmarks of that id, by number, the one heard of last at the end."""
    rows = connection.execute(
        f"SELECT id, {LANDMARK_COLUMNS} FROM landmark WHERE key = ? ORDER BY id", [key]
    ).fetchall()
    return {row[0]: landmark_of(row[1:]) for row in rows}


def all_landmarks(connection: sqlite3.Connection) -> dict[int, Landmark]:
    """Return every landmark that the library knows, by number."""
    rows = connection.execute(f"SELECT id, {LANDMARK_COLUMNS} FROM landmark").fetchall()
    return {row[0]: landmark_of(row[1:]) for row in rows}


def is_same(one: Landmark, other: Landmark) -> bool:
    """Say whether two records of one id are of the same landmark, however they describe it."""
    if one.wikidata is not None and other.wikidata is not None:
        return one.wikidata == other.wikidata
    apart = _apart(one, other)
    if apart is not None:
        return apart <= _SAME_M
    places = (one.place, one.country), (other.place, other.country)
    return all(None in pair or len(set(pair)) == 1 for pair in zip(*places, strict=True))


def _number(connection: sqlite3.Connection, given: Landmark) -> int:
    kept = landmarks_called(connection, given.id)
    same = [number for number, each in kept.items() if _is(each, given)]
    if not same:
        values = given.to_dict()
        row = [values["id"], *(values[name] for name in _FIELDS[1:])]
        marks = ", ".join("?" * len(row))
        done = connection.execute(
            f"INSERT INTO landmark ({', '.join(_FIELDS)}) VALUES ({marks})", row
        )
        return int(done.lastrowid or 0)
    number = max(same, key=lambda each: _known(kept[each]))
    _fill(connection, number, kept[number], given)
    return number


def _is(kept: Landmark, given: Landmark) -> bool:
    """Say whether a record says of a landmark all that the library says, and maybe more."""
    if any(getattr(kept, name) not in (None, getattr(given, name)) for name in _NAMES):
        return False
    if kept.lat is None:
        return True
    apart = _apart(kept, given)
    return apart is not None and apart <= _SAME_M


def _apart(one: Landmark, other: Landmark) -> float | None:
    """Return how far apart two records put a landmark, in metres."""
    if one.lat is None or one.lon is None or other.lat is None or other.lon is None:
        return None
    return metres((one.lat, one.lon), (other.lat, other.lon))


def _known(landmark: Landmark) -> int:
    return sum(getattr(landmark, name) is not None for name in (*_NAMES, "lat"))


def _fill(connection: sqlite3.Connection, number: int, kept: Landmark, given: Landmark) -> None:
    """Note what was not known of a landmark so far."""
    new = {
        name: getattr(given, name)
        for name in _FIELDS[1:-1]
        if getattr(kept, name) is None and getattr(given, name) is not None
    }
    if "lat" in new:
        new["estimated"] = given.estimated
    if new:
        sets = ", ".join(f"{name} = ?" for name in new)
        connection.execute(f"UPDATE landmark SET {sets} WHERE id = ?", [*new.values(), number])
