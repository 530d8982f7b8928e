"""What a person says of tags, and how it is taken back.

In:  a `Store` and the numbers of photos.
Out: states in the table `photo`, and each step in `review`, so that the last act can be undone;
     the numbers of the photos that changed.

What is said of a photo is said of its content (see `store_answers`): copies get its tag, too.
Of a photo that cannot be read nothing can be said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from waymark.errors import LibraryError, UnknownName
from waymark.gazetteer import Landmark, load_gazetteer
from waymark.library.store_answers import KNOWN_BY, copies, put_tag

if TYPE_CHECKING:
    import sqlite3

    from waymark.library.store import Store
    from waymark.library.tagged import State

_TAG = "state, landmark, score, confidence, evidence"
_NAMED = f"bundle, {', '.join(KNOWN_BY)}"


def say(store: Store, photos: Iterable[int], state: State) -> list[int]:
    """Set the state of photos; `approved` only where there is a tag to approve.

    Returns:
        The photos that changed, copies included.

    Raises:
        LibraryError: no such photo, or none of them can be read.
    """
    with store.transaction() as connection:
        return _say(connection, photos, state)


def approve_above(store: Store, score: float, photos: Iterable[int] | None = None) -> list[int]:
    """Approve the new tags of at least a confidence, as one act.

    Args:
        store: the library.
        score: 0 to 1.
        photos: only these; None is the whole library.

    Returns:
        Their photos. Copies of these are approved too, whatever they were taken for, and not
        among them if they are less sure or not in `photos`; of copies that differ, the surest
        one's tag is approved.
    """
    wanted = "state = 'new' AND landmark IS NOT NULL AND confidence >= ? AND missing = 0"
    with store.transaction() as connection:
        query = f"SELECT id, confidence FROM photo WHERE {wanted} AND error IS NULL"
        found = dict(connection.execute(query, [score]))
        numbers = found if photos is None else {each for each in photos if each in found}
        surest = sorted(numbers, key=lambda number: (-found[number], number))
        changed = set(_say(connection, surest, "approved"))
        return sorted(changed.intersection(numbers))


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
        numbers = [photos] if isinstance(photos, int) else photos
        return _say(connection, numbers, "corrected", (number, 1.0, 1.0, "person"))


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
            "SELECT sha256, photo, was_state, was_landmark, was_score, was_confidence, "
            "was_evidence FROM review WHERE act = ? ORDER BY id",
            [act],
        ).fetchall()
        contents: dict[bytes | None, dict[int, Sequence[Any]]] = {}
        for content, photo, *was in rows:
            contents.setdefault(content, {}).setdefault(photo, was)
        changed = set[int]()
        for content, before in contents.items():
            later = next(iter(before.values()))  # copies that came since are as one was
            for (number,) in connection.execute(
                "SELECT id FROM photo WHERE sha256 IS ? AND error IS NULL", [content]
            ).fetchall():
                if content is not None or number in before:
                    put_tag(connection, number, before.get(number, later))
                    changed.add(number)
        connection.execute("DELETE FROM review WHERE act = ?", [act])
        return sorted(changed or {photo for _, photo, *_ in rows})


def _next_act(connection: sqlite3.Connection) -> int:
    (last,) = connection.execute("SELECT coalesce(max(act), 0) FROM review").fetchone()
    return int(last) + 1


def _say(
    connection: sqlite3.Connection,
    photos: Iterable[int],
    state: State,
    tag: Sequence[Any] | None = None,
) -> list[int]:
    """Say one thing of photos, as one act; `tag` is that of each photo unless one is given."""
    from waymark.library.store import now

    act, at = _next_act(connection), now()
    changed, done, unread = list[int](), set[int](), None
    for number in photos:
        if number in done:
            continue
        row = connection.execute(
            f"SELECT error IS NULL, {_TAG} FROM photo WHERE id = ?", [number]
        ).fetchone()
        if row is None:
            raise LibraryError(f"the library has no photo number {number}; list them again.")
        is_read, _, *own = row
        if not is_read:
            unread = number
            continue
        said = [state, *(own if tag is None else tag)]
        if state == "approved" and said[1] is None:
            continue
        for each in copies(connection, number):
            done.add(each)
            if _set(connection, act, each, said, at):
                changed.append(each)
    if unread is not None and not done:
        raise LibraryError(
            f"photo number {unread} cannot be read, so nothing can be said of it; "
            "`waymark library list --failed` says why."
        )
    return changed


def _set(
    connection: sqlite3.Connection, act: int, photo: int, said: Sequence[Any], at: str
) -> bool:
    """Change one photo and note how it was; say whether anything changed."""
    was = connection.execute(f"SELECT {_TAG} FROM photo WHERE id = ?", [photo]).fetchone()
    if list(was) == list(said):
        return False
    connection.execute(
        "INSERT INTO review (act, photo, said_at, was_state, was_landmark, was_score, "
        f"was_confidence, was_evidence, {_TAG}, {_NAMED}) "
        f"SELECT ?, id, ?, {_TAG}, ?, ?, ?, ?, ?, {_NAMED} FROM photo WHERE id = ?",
        [act, at, *said, photo],
    )
    put_tag(connection, photo, said)
    return True
