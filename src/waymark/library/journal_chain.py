"""How the writes into one sidecar hang together: each knows the one before it by a link.

In:  the journal, and a row of it.
Out: the rows before and after it; the same rows at the sidecar's new place, or for its copy.

A sidecar's name says nothing here: photos move, and names are used again.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from waymark.library.journal import NO_FILE, Journal, Row
from waymark.library.tagged import State

_CHAIN = (
    "WITH RECURSIVE chain (id) AS (SELECT ? UNION SELECT follows FROM written_files "
    "JOIN chain USING (id) WHERE follows IS NOT NULL) "
)
_HEAD = (
    "NOT EXISTS (SELECT 1 FROM written_files AS later WHERE later.follows = written_files.id "
    "AND later.state = 'written')"
)
_STANDS = "kind = 'sidecar' AND state = 'written'"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a sidecar is: beside which photo.

    Attributes:
        photo: its photo.
        file: the sidecar.
        sha256: of the photo.
    """

    photo: Path
    file: Path
    sha256: bytes | None


@dataclass(frozen=True, kw_only=True)
class Outdated:
    """A photo that shows another landmark now than some sidecar of that content says, or none.

    Attributes:
        photo: its path.
        sha256: of its content.
        state: what a person says of it.
        confidence: how sure its landmark is; 0 where it shows none.
        key: of its landmark.
        files: sidecars that were written for it, under this path.
    """

    photo: Path
    sha256: bytes | None
    state: State
    confidence: float
    key: str | None
    files: tuple[Path, ...]

    def denies(self, landmark: str | None) -> bool:
        """Say whether a landmark is not what the photo shows."""
        return self.state in ("rejected", "not-a-landmark") or self.key != landmark


def place_of(row: Row) -> Place:
    """Return where a row says that its sidecar is."""
    return Place(photo=row.photo, file=row.file, sha256=row.photo_sha256)


def earlier(journal: Journal, row: Row) -> Row | None:
    """Return the write before, into the same sidecar, if it stands."""
    return next(journal.select("id = ? AND state = 'written'", (row.follows,)), None)


def later(journal: Journal, row: Row) -> Row | None:
    """Return the write after, into the same sidecar, if it stands."""
    where = "follows = ? AND state = 'written' ORDER BY id DESC LIMIT 1"
    return next(journal.select(where, (row.id,)), None)


def head(journal: Journal, row: Row) -> Row:
    """Return the last write that stands in the same sidecar."""
    while (after := later(journal, row)) is not None:
        row = after
    return row


def is_made(journal: Journal, row: Row) -> bool:
    """Say whether it was waymark that made the sidecar as it was last made."""
    while row.before is not None:
        before = earlier(journal, row)
        if before is None or before.after_sha256 == NO_FILE:
            return False
        row = before
    return True


def heads_at(journal: Journal, file: Path) -> Iterator[Row]:
    """Yield the last row of each sidecar that is or was under a name, the newest first."""
    where = f"file = ? AND {_STANDS} AND {_HEAD} ORDER BY id DESC"
    yield from journal.select(where, (os.fsencode(file),))


def candidates(journal: Journal, file: Path, photo_sha256: bytes | None) -> Iterator[Row]:
    """Yield the rows that stand under a name, or of a photo wherever it was.

    Those of the photo come first, then those under the name, then the last of each sidecar.
    """
    name = os.fsencode(file)
    where = (  # each half by its own index
        "id IN (SELECT id FROM written_files WHERE file = ? AND state = 'written' "
        "UNION SELECT id FROM written_files WHERE photo_sha256 = ? AND state = 'written') "
        f"AND {_STANDS} ORDER BY photo_sha256 IS ? DESC, file = ? DESC, {_HEAD} DESC, id DESC"
    )
    yield from journal.select(where, (name, photo_sha256, photo_sha256, name))


def paths_of(journal: Journal, photo_sha256: bytes | None) -> Iterator[Path]:
    """Yield where the library knows a photo of that content."""
    found = journal.connection.execute(
        "SELECT path FROM photo WHERE sha256 = ? AND missing = 0 ORDER BY path", (photo_sha256,)
    ).fetchall()
    for (path,) in found:
        yield Path(os.fsdecode(path))


def was_replaced(journal: Journal, row: Row) -> bool:
    """Say whether the library knows another photo where that of a row was."""
    if row.photo_sha256 is None:
        return False
    known = journal.connection.execute(
        "SELECT sha256 FROM photo WHERE path = ? AND missing = 0", (os.fsencode(row.photo),)
    ).fetchone()
    return known is not None and known[0] not in (None, row.photo_sha256)


def outdated(journal: Journal, below: tuple[str, list[bytes]]) -> Iterator[Outdated]:
    """Yield the photos of which a sidecar may say what is not held any more.

    Args:
        journal: of all writes.
        below: an SQL condition on `photo`, with its arguments.
    """
    landmark = "json_extract(f.mark, '$.facts[0][1]')"
    pairs = (
        "SELECT f.id, photo.id FROM written_files AS f JOIN photo ON photo.{0} = f.{1} "
        "WHERE f.kind = 'sidecar' AND f.state = 'written'"
    )
    found = journal.connection.execute(
        f"WITH pairs (row, photo) AS ({pairs.format('path', 'photo')} "
        f"UNION {pairs.format('sha256', 'photo_sha256')}) "
        "SELECT DISTINCT photo.path, photo.sha256, photo.state, coalesce(photo.confidence, 0), "
        "landmark.key, iif(f.photo = photo.path, f.file, NULL) FROM pairs "
        "CROSS JOIN written_files AS f ON f.id = pairs.row "
        "CROSS JOIN photo ON photo.id = pairs.photo "
        "LEFT JOIN landmark ON landmark.id = photo.landmark "
        f"WHERE photo.missing = 0 AND photo.error IS NULL AND {landmark} IS NOT NULL "
        "AND (photo.state IN ('rejected', 'not-a-landmark') "
        f"OR landmark.key IS NOT {landmark}) AND {below[0]} ORDER BY photo.path",
        below[1],
    ).fetchall()
    for (path, sha256, state, confidence, key), rows in groupby(found, lambda row: row[:5]):
        yield Outdated(
            photo=Path(os.fsdecode(path)),
            sha256=sha256,
            state=state,
            confidence=confidence,
            key=key,
            files=tuple(Path(os.fsdecode(file)) for *_, file in rows if file is not None),
        )


def outdated_inside(
    journal: Journal, below: tuple[str, list[bytes]]
) -> Iterator[tuple[Row, State, float]]:
    """Yield the last write into each photo that shows another landmark now, or none.

    Args:
        journal: of all writes.
        below: an SQL condition on `photo`, with its arguments.

    Yields:
        The row, what a person says of the photo, and how sure its landmark is: 0 where it
        shows none.
    """
    found = journal.connection.execute(
        "SELECT f.id, photo.state, coalesce(photo.confidence, 0) FROM written_files AS f "
        "JOIN photo ON photo.path = f.photo LEFT JOIN landmark ON landmark.id = photo.landmark "
        "WHERE f.kind = 'embedded' AND f.state = 'written' AND photo.missing = 0 "
        "AND photo.error IS NULL AND NOT EXISTS (SELECT 1 FROM written_files AS later WHERE "
        "later.file = f.file AND later.state = 'written' AND later.id > f.id) "
        "AND (photo.state IN ('rejected', 'not-a-landmark') "
        "OR landmark.key IS NOT json_extract(f.mark, '$.facts[0][1]')) "
        f"AND {below[0]} ORDER BY f.file",
        below[1],
    ).fetchall()
    for number, state, confidence in found:
        for row in journal.select("id = ?", (number,)):
            yield row, state, confidence


def follow(journal: Journal, row: Row, place: Place) -> None:
    """Note where a sidecar is now: for all that was ever written into it."""
    with journal.transaction():
        journal.connection.execute(
            f"{_CHAIN}UPDATE written_files SET photo = ?, file = ?, photo_sha256 = ? "
            "WHERE id IN chain",
            (row.id, os.fsencode(place.photo), os.fsencode(place.file), place.sha256),
        )


def sidecars_pass_on(
    connection: sqlite3.Connection, path: bytes, *, old: bytes, new: bytes
) -> None:
    """Note that a photo was edited: sidecars of its content of before are of the new one's.

    A copy that was not edited keeps its own.
    """
    connection.execute(
        "UPDATE written_files SET photo_sha256 = ? WHERE photo_sha256 = ? AND state = 'written' "
        "AND (photo = ? OR NOT EXISTS "
        "(SELECT 1 FROM photo WHERE sha256 = ? AND path != ? AND missing = 0))",
        (new, old, path, old, path),
    )


def adopt(journal: Journal, row: Row, place: Place) -> Row:
    """Note that a copy of a sidecar is there, with all that was ever written into it.

    Returns:
        The row of the copy.
    """
    columns = (
        "write_id, kind, state, before_sha256, before, after_sha256, mark, added, undo_sha256, "
        "undo_added"
    )
    with journal.transaction():
        chain = journal.connection.execute(
            f"{_CHAIN}SELECT id FROM written_files WHERE id IN chain AND state = 'written' "
            "ORDER BY id",
            (row.id,),
        ).fetchall()
        copy = None
        for (number,) in chain:
            copy = journal.connection.execute(
                f"INSERT INTO written_files (photo, file, photo_sha256, follows, {columns}) "
                f"SELECT ?, ?, ?, ?, {columns} FROM written_files WHERE id = ?",
                (os.fsencode(place.photo), os.fsencode(place.file), place.sha256, copy, number),
            ).lastrowid
    return next(journal.select("id = ?", (copy,)))


def forget(journal: Journal, row: Row, *, down_to: Row | None = None) -> None:
    """Note that what was written into a sidecar is gone: its owner removed it, or put it back.

    Args:
        journal: of all writes.
        row: the last row of the sidecar.
        down_to: what stands again; None: nothing.
    """
    with journal.transaction():
        journal.connection.execute(
            f"{_CHAIN}UPDATE written_files SET state = 'undone' WHERE id IN chain AND id > ? "
            "AND state = 'written'",
            (row.id, down_to.id if down_to else 0),
        )
