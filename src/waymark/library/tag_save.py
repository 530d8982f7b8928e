"""Put what was found in photos into the library.

In:  jobs with what was read and recognised.
Out: rows of the table `photo`, a batch a transaction.

A content that the library has already is not recognised again: a photo that was moved keeps its
row, and with it what a person said; a copy gets a row like it.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from calendar import timegm
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from waymark.library.beside import Beside
from waymark.library.context import alone
from waymark.library.near import compare
from waymark.library.scan import Found
from waymark.library.store import Store, now
from waymark.library.store_landmark import LANDMARK_COLUMNS, landmark_of
from waymark.library.tag_read import Reading

if TYPE_CHECKING:
    from waymark.gazetteer import Landmark
    from waymark.recognise.prediction import Prediction

_LEAST = 1e-4  # score of a guess worth keeping
_OF_CONTENT = ("sha256", "format", "width", "height", "error", "bundle", "guesses", "unknown_score")
_TAG = ("landmark", "score", "confidence", "evidence", "state")


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One job, done.

    Attributes:
        job: what was asked.
        reading: what the file holds; None where only what lies beside it has changed.
        beside: what lies beside it says.
        prediction: None where there was nothing new to recognise.
    """

    job: Found
    reading: Reading | None
    beside: Beside
    prediction: Prediction | None = None


class Saver:
    """Writes results; a run has one.

    Attributes:
        recognised: photos that went through the network.
        reused: photos whose content was known: moved, copied or merely touched.
        failed: photos that cannot be read.
    """

    def __init__(
        self, store: Store, landmarks: Sequence[Landmark], *, bundle: str, threshold: float
    ) -> None:
        self._store = store
        self._bundle = bundle
        self._threshold = threshold
        with store.transaction():
            numbers = store.landmark_ids(landmarks)
        self._numbers = {
            landmark.id: number for landmark, number in zip(landmarks, numbers, strict=True)
        }
        self._landmarks = dict(zip(numbers, landmarks, strict=True))
        self.recognised = self.reused = self.failed = 0

    def save(self, results: Sequence[Result]) -> None:
        """Write a batch, all of it or, where something is wrong, nothing."""
        counts = self.recognised, self.reused, self.failed
        try:
            with self._store.transaction() as connection:
                for result in results:
                    if result.reading is None:
                        self._refresh(connection, result)
                    else:
                        self._put(connection, result, result.reading)
        except BaseException:
            self.recognised, self.reused, self.failed = counts
            raise

    def _put(self, connection: sqlite3.Connection, result: Result, reading: Reading) -> None:
        own = _row(connection, "path = ?", [result.job.path])
        values: dict[str, Any] = {}
        move = None
        if reading.known:
            assert reading.sha256 is not None
            twin = own
            if own is None or own["sha256"] != reading.sha256 or own["bundle"] != self._bundle:
                twin = _row(
                    connection,
                    "sha256 = ? AND bundle = ? ORDER BY state != 'new' DESC, missing DESC, id",
                    [reading.sha256, self._bundle],
                )
            if twin is None:  # another run has changed it since: left to the next one
                return
            values = {name: twin[name] for name in (*_OF_CONTENT, *_TAG)}
            values |= _facts_of(twin)
            if own is None and not os.path.lexists(twin["path"]):
                move = twin["id"]
            self.reused += 1
        else:
            values = self._values(reading, result.prediction)
        if own is not None and _same_picture(own, values):
            values |= _judged(connection, own, values)
        values |= self._around(result, values, reading)
        values |= {
            "size": reading.size,
            "mtime_ns": _fits(reading.mtime_ns),
            "inode": _fits(reading.inode),
            "tagged_at": now(),
            "pending": 1,
            "missing": 0,
        }
        number = move if own is None else own["id"]
        _write(connection, number, values)

    def _values(self, reading: Reading, prediction: Prediction | None) -> dict[str, Any]:
        """Return the columns of a photo that was read anew."""
        values: dict[str, Any] = dict.fromkeys((*_OF_CONTENT, *_TAG))
        taken = reading.taken
        values |= {
            "sha256": reading.sha256,
            "bundle": self._bundle,
            "state": "new",
            "error": reading.error,
            "taken": None if taken is None else taken.isoformat(),
            "taken_from": None if taken is None else "exif",
            "lat": reading.gps and reading.gps[0],
            "lon": reading.gps and reading.gps[1],
            "gps_from": reading.gps and "exif",
        }
        if prediction is None:
            self.failed += 1
            return values
        self.recognised += 1
        guesses = [
            (self._numbers[guess.landmark], round(guess.score, 6))
            for guess in prediction.predictions
            if guess.score >= _LEAST
        ]
        tag = alone(guesses, prediction.unknown_score, self._threshold)
        return values | {
            "format": reading.format,
            "width": reading.width,
            "height": reading.height,
            "guesses": json.dumps(guesses, separators=(",", ":")),
            "unknown_score": round(prediction.unknown_score, 6),
            "landmark": tag.landmark,
            "score": tag.score,
            "confidence": tag.confidence,
            "evidence": tag.evidence,
        }

    def _around(
        self, result: Result, values: Mapping[str, Any], reading: Reading | None
    ) -> dict[str, Any]:
        """Return the columns that the path and its neighbours on disk decide."""
        job, beside = result.job, result.beside
        mtime_ns = job.mtime_ns if reading is None else reading.mtime_ns
        around: dict[str, Any] = {"path": job.path, "raw": job.raw, "beside": job.beside}
        taken, gps = values["taken"], (values["lat"], values["lon"])
        if taken is None and beside.taken is not None:
            taken = beside.taken.isoformat()
            around |= {"taken": taken, "taken_from": "takeout"}
        if gps[0] is None and beside.gps is not None:
            gps = beside.gps
            around |= {"lat": gps[0], "lon": gps[1], "gps_from": beside.gps_from}
        around["moment"] = _moment(taken, mtime_ns)
        landmark = self._landmark(values["landmark"])
        around["gps_says"] = compare(None if gps[0] is None else gps, landmark)
        return around

    def _landmark(self, number: int | None) -> Landmark | None:
        """Return the record of a number; a person may have named one that the bundle lacks."""
        if number is not None and number not in self._landmarks:
            row = self._store.connection.execute(
                f"SELECT {LANDMARK_COLUMNS} FROM landmark WHERE id = ?", [number]
            ).fetchone()
            self._landmarks[number] = landmark_of(row)
        return None if number is None else self._landmarks[number]

    def _refresh(self, connection: sqlite3.Connection, result: Result) -> None:
        """Take over what has changed beside a photo that itself is as it was."""
        own = _row(connection, "path = ?", [result.job.path])
        if own is None:
            return
        values = {**own, **_facts_of(own)}
        changed = _facts_of(own) | self._around(result, values, None)
        changed |= {"pending": 1, "missing": 0}
        _write(connection, own["id"], changed)


def _facts_of(row: Mapping[str, Any]) -> dict[str, Any]:
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


def _judged(
    connection: sqlite3.Connection, own: Mapping[str, Any], values: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the columns that follow from what a person said of the picture before.

    A judgement stays. But where a tag was rejected and another landmark is found now, such as
    one taught since, that is new; what was rejected is never named again, nor brought back by
    neighbours.
    """
    kept = {name: own[name] for name in _TAG}
    if own["state"] not in ("new", "rejected"):
        return kept
    rows = connection.execute(
        "SELECT landmark FROM review WHERE photo = ? AND state = 'rejected'", [own["id"]]
    )
    rejected = {landmark for (landmark,) in rows}
    if own["state"] == "rejected":
        rejected.add(own["landmark"])
        if values["landmark"] is None or values["landmark"] in rejected:
            return kept
    elif not rejected:
        return {}
    if values["landmark"] in rejected:
        return {"state": "rejected"}
    guesses = [guess for guess in json.loads(values["guesses"] or "[]") if guess[0] not in rejected]
    return {"guesses": json.dumps(guesses, separators=(",", ":"))}


def _same_picture(own: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Say whether a changed file still is the picture that a person has judged.

    Programs rewrite a photo's file to change its metadata: size and capture time stay.
    """
    if own["sha256"] == values["sha256"]:
        return True
    size = (values["width"], values["height"])
    return (
        values["error"] is None
        and (own["width"], own["height"]) == size
        and own["taken_from"] == values["taken_from"] == "exif"
        and own["taken"] == values["taken"]
    )


def _row(
    connection: sqlite3.Connection, where: str, arguments: Sequence[Any]
) -> dict[str, Any] | None:
    cursor = connection.execute(f"SELECT * FROM photo WHERE {where} LIMIT 1", arguments)
    row = cursor.fetchone()
    if row is None:
        return None
    return dict(zip((column[0] for column in cursor.description), row, strict=True))


def _write(connection: sqlite3.Connection, number: int | None, values: Mapping[str, Any]) -> None:
    """Change the row of that number, or add one."""
    names = list(values)
    if number is None:
        marks = ", ".join("?" * len(names))
        connection.execute(
            f"INSERT INTO photo ({', '.join(names)}) VALUES ({marks})", list(values.values())
        )
        return
    sets = ", ".join(f"{name} = ?" for name in names)
    connection.execute(f"UPDATE photo SET {sets} WHERE id = ?", [*values.values(), number])


def _moment(taken: str | None, mtime_ns: int) -> int:
    """Return seconds of the wall clock: of the capture, or else of the file."""
    if taken is not None:
        return timegm(datetime.fromisoformat(taken).timetuple())
    try:
        return timegm(time.localtime(mtime_ns // 10**9))
    except (OverflowError, OSError, ValueError):
        return 0


def _fits(number: int) -> int:
    return (number + 2**63) % 2**64 - 2**63
