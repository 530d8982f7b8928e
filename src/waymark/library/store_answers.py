"""What a person said of a photo, wherever the photo is now.

In:  hashes of contents.
Out: the answers in the table `review`.

An answer belongs to a content, not to a path or a row: photos are moved, renamed, swapped,
copied, replaced by others, and come back from a backup.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from waymark.library.near import compare
from waymark.library.store_landmark import (
    LANDMARK_COLUMNS,
    is_same,
    landmark_numbered,
    landmark_of,
    landmarks_called,
)

if TYPE_CHECKING:
    import sqlite3

_COLUMNS = (
    "act, photo, said_at, was_state, was_landmark, was_score, was_confidence, was_evidence, "
    "state, landmark, score, confidence, evidence, bundle"
)


def answer_to(connection: sqlite3.Connection, content: bytes) -> dict[str, Any] | None:
    """Return what was said last of a content: state and tag, as columns of `photo`."""
    names = ("state", "landmark", "score", "confidence", "evidence")
    row = connection.execute(
        f"SELECT {', '.join(names)} FROM review WHERE sha256 = ? "
        "ORDER BY act DESC, id DESC LIMIT 1",
        [content],
    ).fetchone()
    return None if row is None else dict(zip(names, row, strict=True))


def was_heard(connection: sqlite3.Connection, content: bytes, bundle: str) -> bool:
    """Say whether a bundle had recognised a content when something was said of it last."""
    row = connection.execute(
        "SELECT 1 FROM review WHERE sha256 = ? AND bundle = ? "
        "AND act = (SELECT max(act) FROM review WHERE sha256 = ?)",
        [content, bundle, content],
    ).fetchone()
    return row is not None


def rejected(connection: sqlite3.Connection, content: bytes) -> set[int]:
    """Return the landmarks that a content does not show, under every number that they have."""
    rows = connection.execute(
        "SELECT DISTINCT landmark FROM review WHERE sha256 = ? AND state = 'rejected' "
        "AND landmark IS NOT NULL",
        [content],
    ).fetchall()
    found = set[int]()
    for (number,) in rows:
        landmark = landmark_numbered(connection, number)
        others = landmarks_called(connection, landmark.id)
        found |= {other for other, each in others.items() if is_same(landmark, each)}
    return found


def pass_on(connection: sqlite3.Connection, old: bytes, new: bytes) -> None:
    """Let what was said of one content hold for another one that shows the same picture.

    Of the two, what was said last counts.
    """
    connection.execute(
        f"INSERT INTO review ({_COLUMNS}, sha256) SELECT {_COLUMNS}, ? FROM review "
        "WHERE sha256 = ? AND act > (SELECT coalesce(max(act), 0) FROM review WHERE sha256 = ?) "
        "ORDER BY id",
        [new, old, new],
    )


def copies(connection: sqlite3.Connection, photo: int) -> list[int]:
    """Return a photo and those of the same content, as far as they can be read."""
    found = connection.execute(
        "SELECT id FROM photo WHERE error IS NULL "
        "AND (id = ? OR sha256 = (SELECT sha256 FROM photo WHERE id = ?)) ORDER BY id",
        [photo, photo],
    )
    return [number for (number,) in found]


def put_tag(connection: sqlite3.Connection, photo: int, tag: Sequence[Any]) -> None:
    """Give a photo a state, a landmark, score, confidence and evidence, and compare its GPS."""
    connection.execute(
        "UPDATE photo SET state = ?, landmark = ?, score = ?, confidence = ?, evidence = ?, "
        "pending = 1 WHERE id = ?",
        [*tag, photo],
    )
    row = connection.execute(
        f"SELECT photo.lat, photo.lon, {LANDMARK_COLUMNS} FROM photo "
        "JOIN landmark ON landmark.id = photo.landmark WHERE photo.id = ?",
        [photo],
    ).fetchone()
    says = None
    if row is not None and row[0] is not None:
        says = compare((row[0], row[1]), landmark_of(row[2:]))
    connection.execute("UPDATE photo SET gps_says = ? WHERE id = ?", [says, photo])
