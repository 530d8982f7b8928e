"""What a photo's row says, from what was read, recognised and found beside it.

In:  a `Reading`, a `Prediction`, a `Beside`.
Out: columns of the table `photo`.
"""

from __future__ import annotations

import json
import time
from calendar import timegm
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import isclose
from typing import TYPE_CHECKING, Any

from waymark.library.beside import Beside
from waymark.library.context import alone
from waymark.library.tag_read import Reading

if TYPE_CHECKING:
    from waymark.recognise.prediction import Prediction

LEAST = 1e-4
"""Score of a guess worth keeping."""
CONTENT = ("sha256", "format", "width", "height", "picture", "bundle", "guesses", "unknown_score")
"""Columns that follow from a file's bytes and the bundle."""
TAG = ("state", "landmark", "score", "confidence", "evidence")
_CLOSE = 1e-5  # of two answers about the same pixels, which batches may make differ


def of_reading(reading: Reading) -> dict[str, Any]:
    """Return what a file says of itself."""
    taken, gps = reading.taken, reading.gps
    return {
        **{name: getattr(reading, name) for name in CONTENT[:5]},
        "error": reading.error,
        "taken": None if taken is None else taken.isoformat(),
        "taken_from": None if taken is None else "exif",
        "lat": gps and gps[0],
        "lon": gps and gps[1],
        "gps_from": gps and "exif",
    }


def of_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what another photo of the same content says of it."""
    return {name: row[name] for name in CONTENT} | facts_of(row) | {"error": None}


def facts_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return place and time as far as they come from the photo itself."""
    gps = row["gps_from"] == "exif"
    taken = row["taken_from"] == "exif"
    return {
        "taken": row["taken"] if taken else None,
        "taken_from": "exif" if taken else None,
        "lat": row["lat"] if gps else None,
        "lon": row["lon"] if gps else None,
        "gps_from": "exif" if gps else None,
    }


def of_prediction(
    prediction: Prediction, numbers: Mapping[str, int], *, bundle: str
) -> dict[str, Any]:
    """Return what the network made of a photo; `numbers` are those of landmarks by id."""
    guesses = [
        (numbers[guess.landmark], round(guess.score, 6))
        for guess in prediction.predictions
        if guess.score >= LEAST
    ]
    return {
        "bundle": bundle,
        "guesses": as_json(guesses),
        "unknown_score": round(prediction.unknown_score, 6),
    }


def untagged() -> dict[str, Any]:
    """Return the tag of a photo that cannot be read."""
    return dict.fromkeys(TAG) | {"state": "new", "worth": 0.0}


def tag_alone(values: Mapping[str, Any], threshold: float) -> dict[str, Any]:
    """Return the tag that a photo has by itself, until its neighbours are asked."""
    tag = alone(json.loads(values["guesses"]), values["unknown_score"], threshold)
    return {"state": "new"} | {name: getattr(tag, name) for name in TAG[1:]}


def around(found: Mapping[str, Any], beside: Beside) -> dict[str, Any]:
    """Return time and place where the photo itself has none and what lies beside it does."""
    columns: dict[str, Any] = {}
    if found["taken"] is None and beside.taken is not None:
        columns |= {"taken": beside.taken.isoformat(), "taken_from": "takeout"}
    if found["lat"] is None and beside.gps is not None:
        lat, lon = beside.gps
        columns |= {"lat": lat, "lon": lon, "gps_from": beside.gps_from}
    return columns


def moment_of(taken: str | None, mtime_ns: int) -> int:
    """Return seconds of the wall clock: of the capture, or else of the file."""
    if taken is not None:
        return timegm(datetime.fromisoformat(taken).timetuple())
    try:
        return timegm(time.localtime(mtime_ns // 10**9))
    except (OverflowError, OSError, ValueError):
        return 0


def looks_the_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Say whether two contents show the same pixels, by what the network made of them.

    So rows of before `picture` was noted are compared.
    """
    sides = [sorted((row["width"] or 0, row["height"] or 0)) for row in (one, other)]
    if sides[0] != sides[1] or one["guesses"] is None or other["guesses"] is None:
        return False
    return one["bundle"] == other["bundle"] and _is_close(_answer(one), _answer(other))


def _answer(row: Mapping[str, Any]) -> list[float]:
    return [row["unknown_score"], *(n for guess in json.loads(row["guesses"]) for n in guess)]


def _is_close(one: Sequence[float], other: Sequence[float]) -> bool:
    return len(one) == len(other) and all(
        isclose(a, b, rel_tol=0, abs_tol=_CLOSE) for a, b in zip(one, other, strict=True)
    )


def as_json(guesses: Sequence[tuple[int, float]]) -> str:
    """Return guesses as the column has them."""
    return json.dumps(guesses, separators=(",", ":"))
