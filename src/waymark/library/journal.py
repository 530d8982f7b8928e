"""The journal of what waymark writes into a person's files, so that all of it can be taken back.

In:  a connection to the library.
Out: writes, and for each file of a write what stood there before and what was added.

A file's row is on disk before the file is touched. After a kill the next write or undo settles
what was left open by looking at the files themselves; a file is always wholly the one or wholly
the other.
"""

from __future__ import annotations

import fcntl
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
from waymark.library.sidecar_mark import Mark

Kind = Literal["sidecar", "embedded"]
FileState = Literal["planned", "written", "dropped", "undoing", "undone"]
_COLUMNS = (
    "id, write_id, kind, photo, file, state, before_sha256, before, after_sha256, mark, added"
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file that is to be written.

    Attributes:
        photo: whose tag it is.
        file: the sidecar, or the photo itself.
        kind: which of the two.
        before: the sidecar's content; None where there is none yet.
        before_sha256: of what is there now; None where nothing is.
        after_sha256: of what will be there.
        mark: what it is to say.
        added: the part of it that is not there yet.
    """

    photo: Path
    file: Path
    kind: Kind = "sidecar"
    before: bytes | None
    before_sha256: bytes | None
    after_sha256: bytes
    mark: Mark
    added: Mark


@dataclass(frozen=True, kw_only=True)
class Row(Entry):
    """An entry as the journal keeps it.

    Attributes:
        id: its number.
        write_id: number of the write that it belongs to.
        state: how far it came.
    """

    id: int
    write_id: int
    state: FileState

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
            with _alone(Path(file) if file else None):
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
        """Note what is to be written next; on disk when this returns."""
        rows = []
        with self._transaction():
            for entry in entries:
                cursor = self.connection.execute(
                    "INSERT INTO written_files (write_id, kind, photo, file, state, before_sha256,"
                    " before, after_sha256, mark, added)"
                    " VALUES (?, ?, ?, ?, 'planned', ?, ?, ?, ?, ?)",
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

    def settle(self, states: Mapping[int, FileState]) -> None:
        """Note how far files came, by the number of their row."""
        if not states:
            return
        with self._transaction():
            self.connection.executemany(
                "UPDATE written_files SET state = ? WHERE id = ?",
                [(state, row) for row, state in states.items()],
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

    def rows(self, write_id: int) -> Iterator[Row]:
        """Yield the files of a write that stand, the last one first."""
        bound = 2**62
        while True:  # page by page: the states may change in between
            where = "write_id = ? AND state = 'written' AND id < ? ORDER BY id DESC LIMIT 64"
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
            number, write_id, kind, photo, file, state, old, before, new, mark, added = found
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


@contextmanager
def _alone(library: Path | None) -> Iterator[None]:
    """Hold a lock beside the library; it goes with the process, however that ends."""
    if library is None:
        yield
        return
    lock = library.with_name(library.name + "-writing")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SidecarError(
                "another `waymark write` or `waymark undo` is at work with this library; wait "
                "until it is through."
            ) from error
        yield
    finally:
        os.close(descriptor)
