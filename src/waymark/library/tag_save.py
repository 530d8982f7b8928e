"""Put what was found in photos into the library.

In:  jobs with what was read and recognised.
Out: rows of the table `photo`, a batch a transaction.

A content that the library has already is not recognised again: a photo that was moved keeps its
row, a copy gets a row like it. What a person said is found by the content, see `store_answers`.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from waymark.library import tag_columns as columns
from waymark.library.beside import Beside
from waymark.library.journal_chain import sidecars_pass_on
from waymark.library.near import compare
from waymark.library.raw import KINDS
from waymark.library.scan import Found
from waymark.library.store import Store, now
from waymark.library.store_answers import (
    answer_to,
    note,
    put_tag,
    rejected,
    take_over,
    was_heard,
)
from waymark.library.store_landmark import landmark_numbered
from waymark.library.store_moments import leave
from waymark.library.tag_plan import fits
from waymark.library.tag_read import Reading

if TYPE_CHECKING:
    from waymark.gazetteer import Landmark
    from waymark.recognise.prediction import Prediction

Row = dict[str, Any]

_MOST_HERE = 10_000  # contents whose photos are known to be all in place


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One job, done.

    Attributes:
        job: what was asked.
        beside: what lies beside it says.
        reading: what the file holds; None where only what lies beside it has changed.
        prediction: None where there was nothing new to recognise.
        raw_mark: of the RAW file, its own or that beside it; b"" where there is none to read.
        gone: the photo went before it could be read; nothing else is said of it.
    """

    job: Found
    beside: Beside
    reading: Reading | None = None
    prediction: Prediction | None = None
    raw_mark: bytes = b""
    gone: bool = False


class Saver:
    """Writes results; a run has one.

    Attributes:
        recognised: photos that went through the network.
        reused: photos whose content was known: moved, copied or merely touched.
        refreshed: photos of which only what lies beside them has changed.
    """

    def __init__(
        self, store: Store, landmarks: Mapping[int, Landmark], *, bundle: str, threshold: float
    ) -> None:
        self._store = store
        self._bundle = bundle
        self._threshold = threshold
        self._numbers = {landmark.id: number for number, landmark in landmarks.items()}
        self._landmarks = dict(landmarks)
        self._here = set[bytes]()
        self.recognised = self.reused = self.refreshed = 0

    def save(self, results: Sequence[Result]) -> list[Result]:
        """Write a batch, all of it or, where something is wrong, nothing.

        Returns:
            Those whose content was known when they were read, but is not any more: they are to
            be read again.
        """
        counts = self.recognised, self.reused, self.refreshed
        again = []
        try:
            with self._store.transaction() as connection:
                known = self._known(connection, results)
                for result in results:
                    if result.gone:
                        leave(connection, "path = ?", [result.job.path])
                        connection.execute(
                            "UPDATE photo SET missing = 1 WHERE path = ?", [result.job.path]
                        )
                    elif result.reading is None:
                        self._refresh(connection, result)
                    elif not self._put(connection, result, result.reading, known):
                        again.append(result)
        except BaseException:
            self.recognised, self.reused, self.refreshed = counts
            raise
        return again

    def _known(self, connection: sqlite3.Connection, results: Sequence[Result]) -> dict[bytes, Row]:
        """Return what is known of a batch's contents before any row changes.

        Photos that were swapped or renumbered take each other's place in the library.
        """
        digests = {
            result.reading.sha256
            for result in results
            if result.reading is not None and result.reading.known
        }
        found = ((digest, self._content(connection, digest)) for digest in digests if digest)
        return {digest: row for digest, row in found if row is not None}

    def _content(self, connection: sqlite3.Connection, digest: bytes) -> Row | None:
        known = "sha256 = ? AND bundle = ? AND guesses IS NOT NULL"
        return _row(connection, known, [digest, self._bundle])

    def _was_seen(self, row: Row) -> bool:
        return row["picture"] is not None or row["guesses"] is not None

    def _put(
        self,
        connection: sqlite3.Connection,
        result: Result,
        reading: Reading,
        known: Mapping[bytes, Row],
    ) -> bool:
        """Write one photo that was read; say whether that was possible."""
        own = _row(connection, "path = ?", [result.job.path])
        own = own or self._taken_over(connection, result, reading)
        if reading.error is not None and own is not None and self._was_seen(own):
            # a disk that failed, a file cut short: what it was is known when it is back
            values = own | columns.facts_of(own) | {"error": reading.error}
            if own["bundle"] != self._bundle:
                values |= {"bundle": self._bundle, "guesses": None, "unknown_score": None}
        elif reading.known:
            assert reading.sha256 is not None
            twin = known.get(reading.sha256) or self._content(connection, reading.sha256)
            if twin is None:
                return False
            values = columns.of_row(twin)
            self.reused += 1
        else:
            values = columns.of_reading(reading) | {
                "bundle": self._bundle, "guesses": None, "unknown_score": None,
            }  # fmt: skip
            if result.prediction is not None:
                values |= columns.of_prediction(
                    result.prediction, self._numbers, bundle=self._bundle
                )
                self.recognised += 1
        values |= _mark(result, values)
        if values["error"] is None:
            values |= columns.tag_alone(values, self._threshold)
            values |= self._answer(connection, own, values)
        else:
            values |= columns.untagged()
        values |= self._around(result, values, reading)
        values |= {
            "size": reading.size,
            "mtime_ns": fits(reading.mtime_ns),
            "inode": fits(reading.inode),
            "tagged_at": now(),
            "pending": 1,
            "missing": 0,
        }
        self._write(connection, own, values)
        return True

    def _taken_over(
        self, connection: sqlite3.Connection, result: Result, reading: Reading
    ) -> Row | None:
        """Return the row of a photo that is at this new path now, if there is one.

        It was moved; or it is a RAW file that has got a JPEG beside it, or has lost it.
        """
        job = result.job
        half = _row(connection, "path = ? OR raw = ?", [job.raw, job.path])
        if (
            half is not None
            and half["raw_mark"] in (None, result.raw_mark)
            and (half["path"] == job.raw or not os.path.lexists(half["path"]))
        ):
            return half
        digest = reading.sha256
        if digest is None or digest in self._here:
            return None
        copies = connection.execute(
            "SELECT id, path FROM photo WHERE sha256 = ? ORDER BY missing DESC, tagged_at, id",
            [digest],
        ).fetchall()
        for number, path in copies:
            if not os.path.lexists(path):
                return _row(connection, "id = ?", [number])
        if copies:  # where there are many, each is looked for once
            if len(self._here) >= _MOST_HERE:
                self._here.clear()
            self._here.add(digest)
        return None

    def _answer(
        self,
        connection: sqlite3.Connection,
        own: Row | None,
        values: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Return the columns that follow from what a person said of the picture.

        An answer stays. But where a tag was rejected and a bundle that was not heard then finds
        another landmark, such as one taught since, that is new; what was rejected is never named
        again, nor brought back by neighbours.
        """
        content = values["sha256"]
        if own is not None and own["sha256"] not in (None, content):
            is_noted = bool(own["picture"])
            same = own["picture"] == values["picture"]
            if same if is_noted else columns.looks_the_same(own, values):  # it was edited
                if not is_noted:
                    note(connection, own["sha256"], {**values, "raw_mark": None})
                sidecars_pass_on(connection, own["path"], old=own["sha256"], new=content)
        is_news = take_over(connection, values)
        said = answer_to(connection, content)
        if said is None:
            return {}
        note(connection, content, values)
        if is_news:  # to its copies, too
            for (other,) in connection.execute(
                "SELECT id FROM photo WHERE sha256 = ? AND id IS NOT ? AND error IS NULL",
                [content, own and own["id"]],
            ).fetchall():
                put_tag(connection, other, list(said.values()))
        if said["state"] != "rejected":
            return said
        no = rejected(connection, content)
        if values["landmark"] is None or was_heard(connection, content, values["bundle"]):
            return said
        if values["landmark"] in no:
            return {"state": "rejected"}
        guesses = [guess for guess in json.loads(values["guesses"]) if guess[0] not in no]
        return {"guesses": columns.as_json(guesses)}

    def _around(
        self, result: Result, values: Mapping[str, Any], reading: Reading | None
    ) -> dict[str, Any]:
        """Return the columns that the path and its neighbours on disk decide."""
        job = result.job
        mtime_ns = reading.mtime_ns if reading is not None else job.mtime_ns
        if mtime_ns == -1:  # it was being written, or could not be opened
            mtime_ns = job.mtime_ns
        around: Row = {"path": job.path, "raw": job.raw, "beside": job.beside}
        around |= columns.around(values, result.beside)
        found = {**values, **around}
        around["moment"] = columns.moment_of(found["taken"], mtime_ns)
        gps = None if found["lat"] is None else (found["lat"], found["lon"])
        around["gps_says"] = compare(gps, self._landmark(values["landmark"]))
        return around

    def _landmark(self, number: int | None) -> Landmark | None:
        """Return the record of a number; a person may have named one that the bundle lacks."""
        if number is None:
            return None
        if number not in self._landmarks:
            self._landmarks[number] = landmark_numbered(self._store.connection, number)
        return self._landmarks[number]

    def _refresh(self, connection: sqlite3.Connection, result: Result) -> None:
        """Take over what has changed beside a photo that itself is as it was."""
        own = _row(connection, "path = ?", [result.job.path])
        if own is None:
            return
        changed = columns.facts_of(own) | _mark(result, own)
        if own["error"] is None and changed["raw_mark"] != own["raw_mark"]:
            changed |= self._answer(connection, own, own | changed)
        changed |= self._around(result, own | changed, None)
        self._write(connection, own, changed | {"pending": 1, "missing": 0})
        self.refreshed += 1

    def _write(
        self, connection: sqlite3.Connection, own: Row | None, values: Mapping[str, Any]
    ) -> None:
        """Change a row, or add one."""
        names = list(values)
        if own is None:
            marks = ", ".join("?" * len(names))
            connection.execute(
                f"INSERT INTO photo ({', '.join(names)}) VALUES ({marks})", list(values.values())
            )
            return
        if values["moment"] != own["moment"] or values.get("error") is not None:
            leave(connection, "id = ?", [own["id"]])
        sets = ", ".join(f"{name} = ?" for name in names)
        connection.execute(f"UPDATE photo SET {sets} WHERE id = ?", [*values.values(), own["id"]])


def _mark(result: Result, values: Mapping[str, Any]) -> Row:
    has_raw = result.job.raw is not None or values["format"] in KINDS
    return {"raw_mark": result.raw_mark if has_raw else None}


def _row(connection: sqlite3.Connection, where: str, arguments: Sequence[Any]) -> Row | None:
    return next(iter(_rows(connection, f"{where} LIMIT 1", arguments)), None)


def _rows(connection: sqlite3.Connection, where: str, arguments: Sequence[Any]) -> list[Row]:
    cursor = connection.execute(f"SELECT * FROM photo WHERE {where}", arguments)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]
