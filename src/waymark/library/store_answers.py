"""What a person said of a photo, wherever the photo is now.

In:  what contents are known by.
Out: the answers in the table `review`.

An answer belongs to a content, not to a path or a row: photos are moved, renamed, swapped,
copied, replaced by others, and come back from a backup. A content is known by the hash of its
file; by that of its pixels, which stays when programs write beside them in the file; and, of a
RAW file or the JPEG that lay beside one, by the RAW file's mark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

KNOWN_BY = ("sha256", "picture", "raw_mark")
"""Columns of `photo` and `review`; what is equal in one of them is one content."""
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


def note(connection: sqlite3.Connection, content: bytes, known: Mapping[str, Any]) -> None:
    """Note by what else a content is known, where answers to it do not say so yet.

    A RAW file of which something was said apart has an answer of its own.
    """
    if known["picture"]:
        connection.execute(
            "UPDATE review SET picture = ? WHERE sha256 = ? AND picture IS NULL",
            [known["picture"], content],
        )
    if known["raw_mark"]:
        connection.execute(
            "UPDATE review SET raw_mark = ? WHERE sha256 = ? AND raw_mark IS NULL "
            "AND NOT EXISTS (SELECT 1 FROM review WHERE raw_mark = ?)",
            [known["raw_mark"], content, known["raw_mark"]],
        )


def take_over(connection: sqlite3.Connection, known: Mapping[str, Any]) -> bool:
    """Let what was said of a content hold for its file as it is now, or for the pair's other half.

    Of the two, what was said last counts; but halves that only meet now, each with an answer of
    its own, keep these: names make them a pair, and names are used again.

    Args:
        connection: inside a transaction.
        known: of the file, the columns of `KNOWN_BY`.

    Returns:
        Whether anything was said that was not known of this file.
    """
    content, picture, mark = (known[name] or None for name in KNOWN_BY)
    asked = mark
    if mark is not None:
        answers, together = connection.execute(
            "SELECT count(*), coalesce(sum(raw_mark IS ?), 0) FROM review WHERE sha256 = ?",
            [mark, content],
        ).fetchone()
        if answers and not together:
            asked = None
    done = connection.execute(
        f"INSERT INTO review ({_COLUMNS}, {', '.join(KNOWN_BY)}) SELECT {_COLUMNS}, ?, ?, ? "
        "FROM review WHERE id IN (SELECT max(id) FROM review WHERE (picture = ? OR raw_mark = ?) "
        "AND act > (SELECT coalesce(max(act), 0) FROM review WHERE sha256 = ?) "
        "GROUP BY act, bundle) ORDER BY id",
        [content, picture, mark, picture, asked, content],
    )
    return done.rowcount > 0


def copies(connection: sqlite3.Connection, photo: int) -> list[int]:
    """Return a photo and those of the same content, as far as they can be read."""
    waiting: list[tuple[str, Any]] = [("id", photo)]
    asked, found = set(waiting), set[int]()
    while waiting:
        name, value = waiting.pop()
        rows = connection.execute(
            f"SELECT id, error IS NULL, {', '.join(KNOWN_BY)} FROM photo WHERE {name} = ?", [value]
        )
        for number, is_read, *known in rows:
            if is_read:
                found.add(number)
            more = {pair for pair in zip(KNOWN_BY, known, strict=True) if pair[1]} - asked
            asked |= more
            waiting += more
    return sorted(found)


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
