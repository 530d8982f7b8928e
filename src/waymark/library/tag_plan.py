"""What a run has to do: the photos on disk against those in the library.

In:  what a walk found.
Out: a list of jobs, in tables that SQLite keeps on disk for this connection alone, so that a
     million photos cost no more memory than a thousand.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from waymark.library.raw import KINDS
from waymark.library.scan import Found, PassedOver
from waymark.library.store import Store
from waymark.library.store_moments import leave
from waymark.library.store_paths import below

_SLICE = 500
_TABLES = """
DROP TABLE IF EXISTS temp.seen;
DROP TABLE IF EXISTS temp.todo;
DROP TABLE IF EXISTS temp.spared;
CREATE TEMP TABLE seen (
  path BLOB PRIMARY KEY, raw BLOB, size INTEGER, mtime_ns INTEGER, inode INTEGER,
  sidecars BLOB, takeout BLOB, beside TEXT
) WITHOUT ROWID;
CREATE TEMP TABLE todo (n INTEGER PRIMARY KEY, path BLOB NOT NULL, content INTEGER NOT NULL);
CREATE TEMP TABLE spared (path BLOB PRIMARY KEY) WITHOUT ROWID;
"""
_SAME = (
    "photo.size = seen.size AND photo.mtime_ns = seen.mtime_ns AND photo.inode = seen.inode "
    "AND photo.bundle IS ?"
)
_UNMARKED = (  # in a library from before RAW files had marks
    f"(photo.raw_mark IS NULL AND (photo.raw IS NOT NULL OR photo.format IN {KINDS}))"
)
_FOUND = (
    "seen.path, seen.raw, seen.size, seen.mtime_ns, seen.inode, seen.sidecars, seen.takeout, "
    "seen.beside"
)


class Plan:
    """The jobs of one run.

    Attributes:
        seen: photos found on disk.
        todo: jobs among them: new, changed, or recognised by another bundle.
    """

    def __init__(self, store: Store, bundle: str) -> None:
        self._store = store
        self._bundle = bundle
        self.seen = 0
        self.todo = 0
        with store.faults():
            for statement in _TABLES.split(";\n"):
                store.connection.execute(statement)

    def note(self, found: Iterable[Found]) -> Iterator[int]:
        """Take down what is on disk; yield how many photos are noted, now and then."""
        connection, walked = self._store.connection, iter(found)
        while rows := [_row(each) for each in islice(walked, _SLICE)]:
            with self._store.faults():
                connection.execute("BEGIN")
                connection.executemany(
                    "INSERT OR REPLACE INTO temp.seen VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows
                )
                connection.execute("COMMIT")
            self.seen += len(rows)
            yield self.seen

    def compare(self) -> None:
        """Fill the list of jobs."""
        with self._store.faults():
            connection = self._store.connection
            connection.execute(
                "INSERT INTO temp.todo (path, content) "
                f"SELECT seen.path, NOT coalesce({_SAME}, 0) FROM temp.seen "
                "LEFT JOIN photo ON photo.path = seen.path "
                f"WHERE photo.id IS NULL OR NOT ({_SAME}) "
                "OR photo.beside != seen.beside OR photo.raw IS NOT seen.raw "
                f"OR {_UNMARKED} ORDER BY seen.path",
                [self._bundle, self._bundle],
            )
            (self.seen,) = connection.execute("SELECT count(*) FROM temp.seen").fetchone()
            (self.todo,) = connection.execute("SELECT count(*) FROM temp.todo").fetchone()

    def note_missing(self, roots: Sequence[bytes], shut: Sequence[bytes]) -> None:
        """Mark the photos below `roots` that are gone, and unmark those that are back.

        Of what lies below `shut` nobody knows. What the walk left alone, and somebody had named
        by itself, is gone only if it is; else it counts as seen.
        """
        where, arguments = below(roots)
        if shut:
            unknown, more = below(shut)
            where, arguments = f"{where} AND NOT {unknown}", [*arguments, *more]
        absent = (
            "NOT EXISTS (SELECT 1 FROM temp.seen WHERE seen.path = photo.path) "
            "AND NOT EXISTS (SELECT 1 FROM temp.spared WHERE spared.path = photo.path)"
        )
        changed = f"missing != ({absent}) AND {where}"
        connection, passed_over = self._store.connection, PassedOver(roots)
        spared, some = list[tuple[bytes]](), False
        with self._store.faults():
            for path, missing in connection.execute(
                f"SELECT path, missing FROM photo WHERE {changed}", arguments
            ):
                if not missing and os.path.lexists(path) and passed_over(path):
                    spared.append((path,))
                else:
                    some = True
            connection.executemany("INSERT INTO temp.spared VALUES (?)", spared)
        self.seen += len(spared)
        if some:  # else nobody is kept waiting for a write
            with self._store.transaction() as connection:
                leave(connection, changed, arguments)
                connection.execute(
                    f"UPDATE photo SET missing = ({absent}), pending = 1 WHERE {changed}",
                    arguments,
                )

    def jobs(self) -> Iterator[tuple[Found, bool]]:
        """Yield the jobs, and of each whether the photo itself is to be read."""
        after = 0
        while True:
            with self._store.faults():
                rows = self._store.connection.execute(
                    f"SELECT todo.n, todo.content, {_FOUND} FROM temp.todo "
                    f"JOIN temp.seen ON seen.path = todo.path "
                    f"WHERE todo.n > ? ORDER BY todo.n LIMIT {_SLICE}",
                    [after],
                ).fetchall()
            for row in rows:
                yield _found(row[2:]), bool(row[1])
            if not rows:
                return
            after = rows[-1][0]

    def done(self, job: Found) -> bool:
        """Say whether another run has done this job meanwhile."""
        with self._store.faults():
            row = self._store.connection.execute(
                "SELECT 1 FROM photo WHERE path = ? AND size = ? AND mtime_ns = ? AND inode = ? "
                f"AND beside = ? AND raw IS ? AND bundle IS ? AND NOT {_UNMARKED}",
                [job.path, job.size, job.mtime_ns, job.inode, job.beside, job.raw, self._bundle],
            ).fetchone()
        return row is not None


def _row(found: Found) -> tuple[Any, ...]:
    return (
        found.path,
        found.raw,
        found.size,
        fits(found.mtime_ns),
        fits(found.inode),
        b"\0".join(found.sidecars),
        b"\0".join(found.takeout),
        found.beside,
    )


def fits(number: int) -> int:
    """Return a number as SQLite takes it: 64 bits with a sign."""
    return (number + 2**63) % 2**64 - 2**63


def _found(row: Sequence[Any]) -> Found:
    path, raw, size, mtime_ns, inode, sidecars, takeout, beside = row
    return Found(
        path=path,
        raw=raw,
        size=size,
        mtime_ns=mtime_ns,
        inode=inode,
        sidecars=tuple(sidecars.split(b"\0")) if sidecars else (),
        takeout=tuple(takeout.split(b"\0")) if takeout else (),
        beside=beside,
    )
