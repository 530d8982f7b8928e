"""The journal of what waymark writes into a person's files, so that all of it can be taken back.

In:  a connection to the library.
Out: writes, and for each file of a write what stood there before and what was added.

A file's row is on disk before the file is touched. After a kill the next write or undo settles
what was left open by looking at the files themselves; a file is always wholly the one or wholly
the other.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from waymark.errors import ConfigError, SidecarError
from waymark.library.journal_lock import alone
from waymark.library.sidecar_mark import Mark
from waymark.library.tagged import State

Kind = Literal["sidecar", "embedded"]
FileState = Literal["planned", "written", "dropped", "undoing", "undone"]
_COLUMNS = (
    "id, write_id, kind, photo, file, state, before_sha256, before, after_sha256, mark, added, "
    "photo_sha256, undo_sha256"
)
NO_FILE = b""
"""Stands where a hash would, if a file is to be removed."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file that is to be written.

    Attributes:
        photo: whose tag it is.
        file: the sidecar, or the photo itself.
        kind: which of the two.
        before: the sidecar's content; None where there is none yet.
        before_sha256: of what is there now; None where nothing is.
        after_sha256: of what will be there; `NO_FILE` where nothing will.
        mark: what it is to say.
        added: everything in it that will be waymark's.
        photo_sha256: of the photo, by which its sidecar is found again when both have moved.
    """

    photo: Path
    file: Path
    kind: Kind = "sidecar"
    before: bytes | None
    before_sha256: bytes | None
    after_sha256: bytes
    mark: Mark
    added: Mark
    photo_sha256: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class Row(Entry):
    """An entry as the journal keeps it.

    Attributes:
        id: its number.
        write_id: number of the write that it belongs to.
        state: how far it came.
        undo_sha256: of what an undo that was begun leaves; None where none was.
    """

    id: int
    write_id: int
    state: FileState
    undo_sha256: bytes | None = None

    @property
    def part(self) -> Path:
        """The unfinished file, beside the file itself: known again after a kill."""
        token = hashlib.sha256(f"{self.id} ".encode() + os.fsencode(self.file)).hexdigest()[:16]
        suffix = self.file.suffix if self.kind == "embedded" else ".part"
        return self.file.with_name(f".waymark-{token}{suffix}")


@dataclass(frozen=True, kw_only=True)
class Write:
    """One run of `waymark write --apply`.

    Attributes:
        id: its number, for `waymark undo`.
        at: when it began.
        command: as it was given.
        open: it was interrupted, or is under way.
        files: number of files that it wrote and that were not taken back.
        undone: number of files that were taken back.
    """

    id: int
    at: datetime
    command: str
    open: bool
    files: int
    undone: int


class Journal:
    """What was written, in the tables of `journal_schema`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other writers away, and see that each step is on disk before the next.

        Raises:
            SidecarError: another `waymark write` or `undo` is at work, or the disk is full.
        """
        ((_, _, file),) = self.connection.execute("PRAGMA database_list").fetchall()[:1]
        (before,) = self.connection.execute("PRAGMA synchronous").fetchone()
        self.connection.execute("PRAGMA synchronous = FULL")
        try:
            with alone(Path(file) if file else None):
                yield
        except sqlite3.Error as error:
            raise SidecarError(
                f"the library cannot keep the journal ({error}); nothing is written without it. "
                "See to its disk and its permissions, then run the same again."
            ) from error
        finally:
            self.connection.execute(f"PRAGMA synchronous = {before}")

    def begin(self, command: str, options: Mapping[str, Any]) -> int:
        """Open a write and return its number; one that was interrupted goes on."""
        said = json.dumps(dict(options), sort_keys=True)
        with self._transaction():
            last = self.connection.execute(
                "SELECT id, options, state FROM writes ORDER BY id DESC LIMIT 1"
            ).fetchone()
            if last is not None and last[1:] == (said, "open"):
                return int(last[0])
            cursor = self.connection.execute(
                "INSERT INTO writes (at, command, options, state) VALUES (?, ?, ?, 'open')",
                (datetime.now(UTC).isoformat(timespec="seconds"), command, said),
            )
            return int(cursor.lastrowid or 0)

    def finish(self, write_id: int) -> None:
        """Note that a write came to its end; one that wrote nothing is forgotten."""
        with self._transaction():
            self.connection.execute("UPDATE writes SET state = 'done' WHERE id = ?", (write_id,))
            self.connection.execute(
                "DELETE FROM writes WHERE id = ? AND NOT EXISTS "
                "(SELECT 1 FROM written_files WHERE write_id = writes.id)",
                (write_id,),
            )

    def plan(self, write_id: int, entries: Sequence[Entry]) -> list[Row]:
        """Note what is to be written next; on disk when this returns.

        Of a sidecar that is to be made, what earlier writes put into one of that name is gone,
        unless it was waymark that removed it.
        """
        rows = []
        with self._transaction():
            for entry in entries:
                last = self.live(entry.file) if entry.before_sha256 is None else None
                if last is not None and last.after_sha256 != NO_FILE:
                    self.connection.execute(
                        "UPDATE written_files SET state = 'undone' "
                        "WHERE file = ? AND state = 'written'",
                        (os.fsencode(entry.file),),
                    )
                cursor = self.connection.execute(
                    "INSERT INTO written_files (write_id, kind, photo, file, state, before_sha256,"
                    " before, after_sha256, mark, added, photo_sha256)"
                    " VALUES (?, ?, ?, ?, 'planned', ?, ?, ?, ?, ?, ?)",
                    (
                        write_id,
                        entry.kind,
                        os.fsencode(entry.photo),
                        os.fsencode(entry.file),
                        entry.before_sha256,
                        None if entry.before is None else zlib.compress(entry.before),
                        entry.after_sha256,
                        json.dumps(entry.mark.to_dict()),
                        json.dumps(entry.added.to_dict()),
                        entry.photo_sha256,
                    ),
                )
                rows.append(
                    Row(
                        id=int(cursor.lastrowid or 0),
                        write_id=write_id,
                        state="planned",
                        **vars(entry),
                    )
                )
        return rows

    def follow(self, row: Row, *, photo: Path, file: Path) -> None:
        """Note that a sidecar has moved, with its photo: all that was ever written into it."""
        with self._transaction():
            self.connection.execute(
                "UPDATE written_files SET photo = ?, file = ? WHERE file = ? AND photo_sha256 = ?",
                (os.fsencode(photo), os.fsencode(file), os.fsencode(row.file), row.photo_sha256),
            )

    def plan_undo(self, steps: Iterable[tuple[Row, bytes | None, Mark | None]]) -> None:
        """Note what is to be taken back next; on disk when this returns.

        Args:
            steps: the row; the content that it leaves; and, where that holds something of an
                earlier write, what of it is waymark's.
        """
        with self._transaction():
            self.connection.executemany(
                "UPDATE written_files SET state = 'undoing', undo_sha256 = ?, undo_added = ? "
                "WHERE id = ?",
                [
                    (
                        NO_FILE if after is None else hashlib.sha256(after).digest(),
                        None if added is None else json.dumps(added.to_dict()),
                        row.id,
                    )
                    for row, after, added in steps
                ],
            )

    def settle(self, states: Mapping[int, FileState]) -> None:
        """Note how far files came, by the number of their row."""
        if not states:
            return
        with self._transaction():
            self.connection.executemany(
                "UPDATE written_files SET state = ? WHERE id = ?",
                [(state, row) for row, state in states.items()],
            )
            undone = [(row,) for row, state in states.items() if state == "undone"]
            self.connection.executemany(
                "UPDATE written_files SET added = undo.undo_added FROM written_files AS undo "
                "WHERE undo.id = ? AND undo.undo_added IS NOT NULL AND written_files.id = ("
                "SELECT max(id) FROM written_files AS earlier WHERE earlier.file = undo.file "
                "AND earlier.state = 'written' AND earlier.id < undo.id)",
                undone,
            )

    def note_after(self, row: int, sha256: bytes) -> None:
        """Note what a file will be, where that was not known when it was planned."""
        with self._transaction():
            self.connection.execute(
                "UPDATE written_files SET after_sha256 = ? WHERE id = ?", (sha256, row)
            )

    def unsettled(self) -> list[Row]:
        """Return the rows that a kill left open."""
        return list(self._rows("state IN ('planned', 'undoing') ORDER BY id", ()))

    def live(self, file: Path, *, before: int | None = None) -> Row | None:
        """Return the last row of a file that stands, or the last one before a row."""
        where = "file = ? AND state = 'written' AND id < ? ORDER BY id DESC LIMIT 1"
        return next(self._rows(where, (os.fsencode(file), before or 2**62)), None)

    def candidates(self, file: Path, photo_sha256: bytes | None) -> Iterator[Row]:
        """Yield the rows that stand of a file, or of a photo wherever it was, the last first."""
        where = "(file = ? OR photo_sha256 = ?) AND kind = 'sidecar' AND state = 'written'"
        name = os.fsencode(file)
        order = "ORDER BY file = ? DESC, id DESC"
        yield from self._rows(f"{where} {order}", (name, photo_sha256, name))

    def paths_of(self, photo_sha256: bytes | None) -> list[Path]:
        """Return where the library knows a photo of that content."""
        found = self.connection.execute(
            "SELECT path FROM photo WHERE sha256 = ? AND missing = 0 LIMIT 20", (photo_sha256,)
        )
        return [Path(os.fsdecode(path)) for (path,) in found]

    def outdated(
        self, below: tuple[str, list[bytes]], kind: Kind = "sidecar"
    ) -> Iterator[tuple[Row, State, float]]:
        """Yield the last row of each sidecar whose photo shows another landmark now, or none.

        Args:
            below: an SQL condition on `photo`, with its arguments.
            kind: of sidecars, or of photos that were written into.

        Yields:
            The row, what a person says of the photo, and how sure its landmark is: 0 where it
            shows none.
        """
        found = self.connection.execute(
            "SELECT f.id, photo.state, coalesce(photo.confidence, 0) FROM written_files AS f "
            "JOIN photo ON photo.path = f.photo LEFT JOIN landmark ON landmark.id = photo.landmark "
            "WHERE f.kind = ? AND f.state = 'written' AND photo.missing = 0 "
            "AND photo.error IS NULL AND NOT EXISTS (SELECT 1 FROM written_files AS later WHERE "
            "later.file = f.file AND later.state = 'written' AND later.id > f.id) "
            "AND (photo.state IN ('rejected', 'not-a-landmark') "
            "OR landmark.key IS NOT json_extract(f.mark, '$.facts[0][1]')) "
            f"AND {below[0]} ORDER BY f.file",
            (kind, *below[1]),
        ).fetchall()
        for number, state, confidence in found:
            for row in self._rows("id = ?", (number,)):
                yield row, state, confidence

    def rows(self, write_id: int | None) -> Iterator[Row]:
        """Yield the files of a write (None: of all) that stand, the last one first."""
        bound = 2**62
        which = "write_id = ?" if write_id is not None else "write_id IS NOT ?"
        while True:  # page by page: the states may change in between
            where = f"{which} AND state = 'written' AND id < ? ORDER BY id DESC LIMIT 64"
            page = list(self._rows(where, (write_id, bound)))
            yield from page
            if not page:
                return
            bound = page[-1].id

    def count(self, write_id: int) -> int:
        """Return how many files of a write stand."""
        (count,) = self.connection.execute(
            "SELECT count(*) FROM written_files WHERE write_id = ? AND state = 'written'",
            (write_id,),
        ).fetchone()
        return int(count)

    def writes(self) -> list[Write]:
        """Return every write, the last one first."""
        found = self.connection.execute(
            "SELECT w.id, w.at, w.command, w.state, "
            "coalesce(sum(f.state IN ('written', 'planned', 'undoing')), 0), "
            "coalesce(sum(f.state = 'undone'), 0) "
            "FROM writes w LEFT JOIN written_files f ON f.write_id = w.id "
            "GROUP BY w.id ORDER BY w.id DESC"
        )
        return [
            Write(
                id=number,
                at=datetime.fromisoformat(at),
                command=command,
                open=state == "open",
                files=files,
                undone=undone,
            )
            for number, at, command, state, files, undone in found
        ]

    def find(self, write_id: int | None) -> Write:
        """Return a write; the last one of which something stands, if no number is given.

        Raises:
            ConfigError: there is none.
        """
        writes = self.writes()
        for write in writes:
            if write.id == write_id or (write_id is None and write.files):
                return write
        if write_id is None:
            raise ConfigError("nothing is written that could be taken back.")
        known = ", ".join(str(write.id) for write in writes[:10]) or "none"
        raise ConfigError(f"there is no write {write_id}; the last ones are: {known}.")

    def _rows(self, where: str, values: Iterable[Any]) -> Iterator[Row]:
        for found in self.connection.execute(
            f"SELECT {_COLUMNS} FROM written_files WHERE {where}", tuple(values)
        ):
            number, write_id, kind, photo, file, state, old, before, new = found[:9]
            mark, added, photo_sha256, undo_sha256 = found[9:]
            yield Row(
                id=number,
                write_id=write_id,
                kind=kind,
                photo=Path(os.fsdecode(photo)),
                file=Path(os.fsdecode(file)),
                state=state,
                before_sha256=old,
                before=None if before is None else zlib.decompress(before),
                after_sha256=new,
                mark=Mark.from_dict(json.loads(mark)),
                added=Mark.from_dict(json.loads(added)),
                photo_sha256=photo_sha256,
                undo_sha256=undo_sha256,
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Do all of it or nothing; a library in use by `tag` is waited for."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")
