"""What a person said of a photo, wherever the photo is now.

In:  hashes of contents.
Out: the answers in the table `review`.

An answer belongs to a content, not to a path or a row: photos are moved, renamed, swapped,
copied, replaced by others, and come back from a backup.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from waymark.library.store_landmark import is_same, landmark_numbered, landmarks_called

if TYPE_CHECKING:
    import sqlite3

_COLUMNS = (
    "act, photo, said_at, was_state, was_landmark, was_score, was_confidence, was_evidence, "
    "state, landmark"
)


def answer_to(connection: sqlite3.Connection, content: bytes) -> dict[str, Any] | None:
    """Return what was said last of a content: state and tag, as columns of `photo`."""
    row = connection.execute(
        "SELECT state, landmark, was_score, was_confidence, was_evidence FROM review "
        "WHERE sha256 = ? ORDER BY act DESC, id DESC LIMIT 1",
        [content],
    ).fetchone()
    if row is None:
        return None
    state, landmark, *sure = row
    if state == "corrected":
        sure = [1.0, 1.0, "person"]
    names = ("state", "landmark", "score", "confidence", "evidence")
    return dict(zip(names, (state, landmark, *sure), strict=True))


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
