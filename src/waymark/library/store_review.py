"""What a person says of tags, and how it is taken back.

In:  a `Store` and the numbers of photos.
Out: states in the table `photo`, and each step in `review`, so that the last act can be undone;
     the numbers of the photos that changed.

What is said of a photo is said of its content: copies of it follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from waymark.errors import LibraryError, UnknownName
from waymark.gazetteer import Landmark, load_gazetteer
from waymark.library.near import compare
from waymark.library.store_landmark import LANDMARK_COLUMNS, landmark_of

if TYPE_CHECKING:
    import sqlite3

    from waymark.library.store import Store
    from waymark.library.tagged import State

_SETS = "state = ?, landmark = ?, score = ?, confidence = ?, evidence = ?"
# a photo of the same content that came later: the act says nothing of that row itself
_COPY = (
    "(sha256 IS NOT NULL AND NOT EXISTS (SELECT 1 FROM review WHERE review.sha256 = photo.sha256 "
    "AND act = ? AND review.photo = photo.id))"
)


def say(store: Store, photos: Iterable[int], state: State) -> list[int]:
    """Set the state of photos; `approved` only where there is a tag to approve.

    Returns:
        The photos whose state changed, copies included.

    Raises:
        LibraryError: no such photo.
    """
    with store.transaction() as connection:
        act = _next_act(connection)
        return [row[0] for row in _rows(connection, photos) if _set(connection, act, row, state)]


def approve_above(store: Store, score: float, photos: Iterable[int] | None = None) -> list[int]:
    """Approve the new tags of at least a confidence, as one act; return their photos.

    Args:
        store: the library.
        score: 0 to 1.
        photos: only these; None is the whole library.
    """
    wanted = "state = 'new' AND landmark IS NOT NULL AND confidence >= ? AND missing = 0"
    with store.transaction() as connection:
        act = _next_act(connection)
        if photos is None:
            found = connection.execute(f"SELECT id FROM photo WHERE {wanted}", [score])
            numbers = [number for (number,) in found]
        else:
            numbers = [
                number
                for each in photos
                for (number,) in connection.execute(
                    f"SELECT id FROM photo WHERE id = ? AND {wanted}", [each, score]
                )
            ]
        rows = _rows(connection, numbers)
        return [row[0] for row in rows if _set(connection, act, row, "approved")]


def correct(store: Store, photos: int | Iterable[int], landmark: str | Landmark) -> list[int]:
    """Say which landmark photos show, as one act; return those that changed.

    They are sure from now on, and their evidence a person's.

    Args:
        store: the library.
        photos: the number of one, or of several.
        landmark: a record, or the id of one of the library's or the gazetteer's.

    Raises:
        UnknownName: nobody knows a landmark of that id.
        LibraryError: no such photo.
    """
    record = landmark if isinstance(landmark, Landmark) else store.landmark(landmark)
    if record is None:
        record = load_gazetteer().get(str(landmark))
    if record is None:
        raise UnknownName(
            f"no landmark {landmark!a} in this library or the gazetteer; "
            "`waymark landmarks` lists them."
        )
    with store.transaction() as connection:
        (number,) = store.landmark_ids([record])
        act = _next_act(connection)
        return [
            row[0]
            for row in _rows(connection, [photos] if isinstance(photos, int) else photos)
            if _set(connection, act, row, "corrected", number=number, landmark=record)
        ]


def undo(store: Store) -> list[int]:
    """Take back the last act; return the photos it was about, none where there is none.

    It is taken back of the contents that it was about, wherever they are now; a photo that has
    been replaced by another since is left alone.
    """
    with store.transaction() as connection:
        (act,) = connection.execute("SELECT max(act) FROM review").fetchone()
        if act is None:
            return []
        rows = connection.execute(
            "SELECT was_state, was_landmark, was_score, was_confidence, was_evidence, photo, "
            "sha256 FROM review WHERE act = ? ORDER BY id DESC",
            [act],
        ).fetchall()
        changed = set[int]()
        for *was, photo, content in rows:
            found = connection.execute(
                f"UPDATE photo SET {_SETS}, pending = 1 WHERE sha256 IS ? AND (id = ? OR {_COPY}) "
                "AND (error IS NULL OR ? IS NULL) RETURNING id",
                [*was, content, photo, act, was[1]],
            ).fetchall()
            for (number,) in found:
                changed.add(number)
                _compare(connection, number)
        connection.execute("DELETE FROM review WHERE act = ?", [act])
        return sorted(changed or {photo for *_, photo, _ in rows})


def _next_act(connection: sqlite3.Connection) -> int:
    (last,) = connection.execute("SELECT coalesce(max(act), 0) FROM review").fetchone()
    return int(last) + 1


def _rows(connection: sqlite3.Connection, photos: Iterable[int]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of photos and of their copies, each once."""
    seen: set[int] = set()
    columns = "id, state, landmark, score, confidence, evidence, sha256"
    for number in photos:
        if number in seen:
            continue
        found = connection.execute("SELECT sha256 FROM photo WHERE id = ?", [number]).fetchone()
        if found is None:
            raise LibraryError(f"the library has no photo number {number}; list them again.")
        rows = connection.execute(
            f"SELECT {columns} FROM photo WHERE id = ? OR (sha256 = ? AND sha256 IS NOT NULL) "
            "ORDER BY id",
            [number, found[0]],
        ).fetchall()
        for row in rows:
            if row[0] not in seen:
                seen.add(row[0])
                yield row


def _set(
    connection: sqlite3.Connection,
    act: int,
    row: tuple[Any, ...],
    state: State,
    *,
    number: int | None = None,
    landmark: Landmark | None = None,
) -> bool:
    """Change one photo and note how it was; say whether anything changed."""
    from waymark.library.store import now

    photo, *was, content = row
    tag = was[1:]
    if landmark is not None:
        tag = [number, 1.0, 1.0, "person"]
    if [state, *tag] == was or (state == "approved" and tag[0] is None):
        return False
    connection.execute(
        "INSERT INTO review (act, photo, said_at, was_state, was_landmark, was_score, "
        "was_confidence, was_evidence, state, landmark, sha256) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [act, photo, now(), *was, state, tag[0], content],
    )
    connection.execute(f"UPDATE photo SET {_SETS}, pending = 1 WHERE id = ?", [state, *tag, photo])
    if landmark is not None:
        _compare(connection, photo)
    return True


def _compare(connection: sqlite3.Connection, photo: int) -> None:
    """Compare the tag of a photo with its GPS again."""
    row = connection.execute(
        f"SELECT photo.lat, photo.lon, {LANDMARK_COLUMNS} FROM photo "
        "JOIN landmark ON landmark.id = photo.landmark WHERE photo.id = ?",
        [photo],
    ).fetchone()
    says = None
    if row is not None and row[0] is not None:
        says = compare((row[0], row[1]), landmark_of(row[2:]))
    connection.execute("UPDATE photo SET gps_says = ? WHERE id = ?", [says, photo])
