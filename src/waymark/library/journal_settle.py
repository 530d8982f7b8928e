"""Settle what a killed write or undo left open, by looking at the files themselves.

In:  rows of the journal that are planned or half taken back.
Out: the same rows, each as what the file on disk says; unfinished files are gone.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from waymark.dataset.index import printable
from waymark.errors import SidecarError
from waymark.library.embed_file import half_kept, photo_digest, settle_photo
from waymark.library.journal import NO_FILE, FileState, Journal, Row
from waymark.library.sidecar import take_back
from waymark.library.sidecar_file import digest, read_file

_HOPELESS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE)


def settle_all(journal: Journal) -> None:
    """Find out how far each file came that was being written when a process was killed.

    Files of folders that are not there now, such as a disk that is not plugged in, wait.
    """
    states: dict[int, FileState] = {}
    for row in _unsettled(journal):
        for half in (row.part, half_kept(row)):
            with suppress(OSError):
                half.unlink()
        states[row.id] = settle_photo(row) if row.kind == "embedded" else _state_of(row)
    journal.settle(states)


@contextmanager
def foreseen(journal: Journal) -> Iterator[None]:
    """Let the journal be read as it will be once it is settled; neither it nor a file changes."""
    states = {
        row.id: _photo_state(row) if row.kind == "embedded" else _state_of(row)
        for row in _unsettled(journal)
    }
    if not states:
        yield
        return
    run = journal.connection.execute
    run("CREATE TEMP TABLE settled (id INTEGER PRIMARY KEY, state TEXT, added TEXT)")
    try:
        journal.connection.executemany(
            "INSERT INTO settled (id, state) VALUES (?, ?)", list(states.items())
        )
        run(
            "INSERT INTO settled (id, added) SELECT f.follows, f.undo_added "
            "FROM main.written_files AS f JOIN settled AS s USING (id) "
            "WHERE s.state = 'undone' AND f.undo_added IS NOT NULL AND f.follows IS NOT NULL "
            "ON CONFLICT DO UPDATE SET added = excluded.added"
        )
        names = [name for _, name, *_ in run("PRAGMA main.table_info(written_files)")]
        new = {name: f"coalesce(s.{name}, f.{name}) AS {name}" for name in ("state", "added")}
        columns = ", ".join(new.get(name, f"f.{name}") for name in names)
        run(
            f"CREATE TEMP VIEW written_files AS SELECT {columns} "
            "FROM main.written_files AS f LEFT JOIN settled AS s USING (id)"
        )
        yield
    finally:
        with suppress(sqlite3.Error):  # they go with the connection
            run("DROP VIEW IF EXISTS temp.written_files")
            run("DROP TABLE temp.settled")


def _unsettled(journal: Journal) -> Iterator[Row]:
    """Yield the rows that a kill left open, of folders that are there."""
    yield from (row for row in journal.unsettled() if row.file.parent.is_dir())


def _state_of(row: Row) -> FileState:
    """Return how far a sidecar came."""
    try:
        data = read_file(row.file)
    except (SidecarError, OSError):
        return "written"  # nobody can tell; an undo looks again
    now = digest(data)
    if row.state == "undoing":
        done = now == row.before_sha256 or (now or NO_FILE) == row.undo_sha256
        return "undone" if done else "written"
    if (now or NO_FILE) == row.after_sha256:
        return "written"
    if now == row.before_sha256 or data is None:
        return "dropped"
    with suppress(SidecarError):  # somebody changed it since: is anything of ours in it?
        if take_back(data, row.added).data == data:
            return "dropped"
    return "written"


def _photo_state(row: Row) -> FileState:
    """Return what `settle_photo` will; nothing is touched."""
    if photo_digest(row.file) != row.before_sha256:
        return "written"
    return "undone" if row.state == "undoing" else "dropped"


def stop_if_hopeless(error: Exception, file: Path) -> None:
    """Stop at an error that all other files would meet too.

    Raises:
        SidecarError: the disk is full or failing.
    """
    if isinstance(error, OSError) and error.errno in _HOPELESS:
        raise SidecarError(
            f"stopped at {printable(file)}: {error.strerror}. Every sidecar is whole; make room, "
            "then run the same again."
        ) from error
