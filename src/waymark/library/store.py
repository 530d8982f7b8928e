"""A person's library: one SQLite file that says what each photo shows.

In:  a path; by default `$XDG_DATA_HOME/waymark/library.sqlite`.
Out: a `Store`: its connection, transactions, and the photos with their tags.

Write-ahead logging: one writes, any number read meanwhile. A write is one short transaction,
and whoever comes second waits for it. A kill loses the transaction in hand and nothing else.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from json import JSONDecodeError
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote_from_bytes

from waymark.dataset.index import printable
from waymark.errors import ConfigError, LibraryError
from waymark.gazetteer import Landmark
from waymark.library import store_review
from waymark.library.store_landmark import (
    LANDMARK_COLUMNS,
    landmark_numbers,
    landmark_of,
    landmarks_called,
)
from waymark.library.store_paths import below as below  # noqa: PLC0414  # others ask the store for it
from waymark.library.store_schema import APPLICATION, migrate, migrations
from waymark.library.tagged import Tagged

WAIT_S = 60.0  # for another's transaction, each of which takes moments
_PAGE = 500


def default_path() -> Path:
    """Return where the library is unless somebody says otherwise."""
    data = os.environ.get("XDG_DATA_HOME", "")
    base = Path(data) if data.startswith("/") else Path.home() / ".local" / "share"
    return base / "waymark" / "library.sqlite"


def now() -> str:
    """Return the time, to the second, with its offset from UTC."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def is_library(path: Path) -> bool:
    """Say whether a file is a library of waymark's, by its first bytes."""
    try:
        with path.open("rb") as file:
            head = file.read(72)
    except OSError:
        return False
    # https://www.sqlite.org/fileformat.html, 1.3: the application's id stands at 68
    return head.startswith(b"SQLite format 3\0") and head[68:] == APPLICATION.to_bytes(4, "big")


class Store:
    """An open library.

    Attributes:
        path: its file.
        readonly: whether it may only be read.
        connection: in autocommit mode; wrap writes in `transaction`.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, *, readonly: bool) -> None:
        self.path = path
        self.readonly = readonly
        self.connection = connection

    @classmethod
    def open(cls, path: str | os.PathLike[str] | None = None, *, readonly: bool = False) -> Self:
        """Open a library; make it, mode 0600, where it is missing and may be written.

        Raises:
            LibraryError: it cannot be opened, is none of ours, or of a newer waymark.
        """
        file = Path(path) if path is not None else default_path()
        with faults(file):
            connection = _connect(file, readonly=readonly)
            try:
                _check(connection, file, readonly=readonly)
                if not readonly:
                    migrate(connection)
            except BaseException:
                connection.close()
                raise
        return cls(file, connection, readonly=readonly)

    def close(self) -> None:
        """Close the file; what was committed is in it."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def faults(self) -> Iterator[None]:
        """Turn SQLite's errors into `LibraryError`, while the block runs."""
        with faults(self.path):
            yield

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write as one: all of the block, or, where it raises, nothing of it."""
        with faults(self.path):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    if self.connection.in_transaction:
                        self.connection.execute("ROLLBACK")
                raise

    def landmark_ids(self, landmarks: Iterable[Landmark]) -> list[int]:
        """Return the library's numbers of landmarks; to be called inside a `transaction`."""
        return landmark_numbers(self.connection, landmarks)

    def landmark(self, key: str) -> Landmark | None:
        """Return the landmark of exactly that id, if a photo was ever compared with it.

        Where bundles differ in what they call so, the one heard of last.
        """
        return next(reversed(landmarks_called(self.connection, key).values()), None)

    def tagged(
        self,
        paths: Iterable[str | os.PathLike[str]] | None = None,
        *,
        min_score: float | None = None,
        approved: bool = False,
    ) -> Iterator[Tagged]:
        """Yield the photos that have a landmark and that nobody has objected to, by path.

        Pages of the table are read at a time, so the library may be written meanwhile.

        Args:
            paths: folders and photos; None is all of the library.
            min_score: leave out what is of less confidence; what a person said counts as 1.
            approved: only what a person approved or corrected.
        """
        where = "photo.landmark IS NOT NULL AND photo.missing = 0 AND photo.error IS NULL"
        arguments: list[Any] = []
        if paths is not None:
            condition, arguments = below(paths)
            where += f" AND {condition}"
        states = ("approved", "corrected") if approved else ("new", "approved", "corrected")
        where += f" AND photo.state IN ({', '.join(map(repr, states))})"
        if min_score is not None:
            where += " AND (photo.confidence >= ? OR photo.state IN ('approved', 'corrected'))"
            arguments.append(min_score)
        after = b""
        while True:
            with self.faults():
                rows = self.connection.execute(
                    "SELECT photo.path, photo.sha256, photo.score, photo.confidence, "
                    "photo.unknown_score, photo.evidence, photo.state, photo.bundle, "
                    "photo.tagged_at, photo.lat, photo.lon, photo.size, photo.mtime_ns, "
                    f"photo.inode, {LANDMARK_COLUMNS} FROM photo "
                    "JOIN landmark ON landmark.id = photo.landmark "
                    f"WHERE {where} AND photo.path > ? ORDER BY photo.path LIMIT {_PAGE}",
                    [*arguments, after],
                ).fetchall()
            for row in rows:
                yield _tagged(row)
            if len(rows) < _PAGE:
                return
            after = rows[-1][0]

    def check_known(self, paths: Iterable[str | os.PathLike[str]]) -> None:
        """See that the library knows something at each of these paths.

        Raises:
            ConfigError: at one there is nothing, neither on disk nor in the library.
        """
        for path in paths:
            where, arguments = below([path])
            query = f"SELECT 1 FROM photo WHERE {where} LIMIT 1"
            with self.faults():
                known = self.connection.execute(query, arguments).fetchone()
            if known is None and not os.path.lexists(path):
                raise ConfigError(f"{printable(os.fspath(path))} does not exist; give a path.")

    def approve(self, photos: Iterable[int]) -> int:
        """Say that the tags of these photos are right; see `store_review`."""
        return len(store_review.say(self, photos, "approved"))

    def approve_above(self, score: float, photos: Iterable[int] | None = None) -> int:
        """Approve every photo of at least that confidence that nobody has looked at."""
        return len(store_review.approve_above(self, score, photos))

    def correct(self, photos: int | Iterable[int], landmark: str | Landmark) -> int:
        """Say which landmark a photo, or several, show."""
        return len(store_review.correct(self, photos, landmark))

    def reject(self, photos: Iterable[int]) -> int:
        """Say that the tags of these photos are wrong, without saying what is right."""
        return len(store_review.say(self, photos, "rejected"))

    def not_a_landmark(self, photos: Iterable[int]) -> int:
        """Say that these photos show no landmark."""
        return len(store_review.say(self, photos, "not-a-landmark"))

    def undo_review(self) -> int:
        """Take back what was said last; return of how many photos."""
        return len(store_review.undo(self))


def _tagged(row: Sequence[Any]) -> Tagged:
    path, digest, score, confidence, unknown, evidence, state, bundle, at, lat, lon = row[:11]
    size, mtime_ns, inode = row[11:14]
    return Tagged(
        path=Path(os.fsdecode(path)),
        sha256=digest.hex(),
        landmark=landmark_of(row[14:]),
        score=score,
        confidence=confidence,
        unknown_score=unknown,
        evidence=evidence,
        state=state,
        bundle=bundle,
        tagged_at=datetime.fromisoformat(at),
        gps=None if lat is None else (lat, lon),
        stamp=(size, mtime_ns, inode),
    )


@contextmanager
def faults(path: Path) -> Iterator[None]:
    """Turn SQLite's errors, and those of opening the file, into `LibraryError`."""
    name = printable(path)
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorname", "") or ""
        raise LibraryError(f"the library {name} {_reason(code, error)}") from error
    except (JSONDecodeError, UnicodeDecodeError) as error:
        raise LibraryError(f"the library {name} {_REASONS['SQLITE_CORRUPT']}") from error


_KEPT = "what was stored before is kept"
_REASONS = {
    "SQLITE_FULL": f"cannot grow: the disk is full; {_KEPT}. Make room and run it again.",
    "SQLITE_BUSY": f"was kept busy by another program for {WAIT_S:.0f} s; try again later.",
    "SQLITE_LOCKED": "is kept busy by another program; try again later.",
    "SQLITE_READONLY": "may not be written; check its permissions, or name another with --library.",
    "SQLITE_PERM": "may not be used; check its permissions, or name another with --library.",
    "SQLITE_CANTOPEN": "cannot be opened; check that you may read and write there.",
    "SQLITE_CORRUPT": "is damaged; restore a copy of it, or name another with --library.",
    "SQLITE_NOTADB": "is no library; name another file with --library.",
    "SQLITE_IOERR": f"cannot be read or written; {_KEPT}. Check the disk and run it again.",
}


def _reason(code: str, error: sqlite3.Error) -> str:
    for name, reason in _REASONS.items():
        if code.startswith(name):
            return reason
    return f"cannot be used ({error})."


def _connect(file: Path, *, readonly: bool) -> sqlite3.Connection:
    if readonly:
        if not file.is_file():
            raise LibraryError(
                f"there is no library at {printable(file)}; `waymark tag FOLDER` makes one."
            )
        connection = _open_readonly(file)
    else:
        try:
            if not file.parent.is_dir():
                file.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
            with suppress(FileExistsError):
                os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except OSError as error:
            raise LibraryError(
                f"the library {printable(file)} cannot be made ({error.strerror}); "
                "name another place with --library."
            ) from error
        connection = _open(os.fspath(file), uri=False)
    return connection


def _open_readonly(file: Path) -> sqlite3.Connection:
    """Open a library for reading; one that nobody can write, without the files beside it."""
    address = f"file:{quote_from_bytes(os.fsencode(file.absolute()))}"
    connection = _open(f"{address}?mode=ro", uri=True)
    try:
        connection.execute("PRAGMA schema_version")
    except sqlite3.OperationalError as error:
        connection.close()
        log = file.with_name(f"{file.name}-wal")
        refused = (error.sqlite_errorname or "").startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN"))
        if not refused or (log.exists() and log.stat().st_size):
            raise
        # a copy on a disk that is not to be written: as nobody writes it, no log is needed
        return _open(f"{address}?immutable=1", uri=True)
    return connection


def _open(address: str, *, uri: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(
        address, uri=uri, timeout=WAIT_S, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _check(connection: sqlite3.Connection, file: Path, *, readonly: bool) -> None:
    """Refuse a database that is not ours, or newer than we are; set how it is written."""
    connection.execute("BEGIN")  # all three of one moment: somebody may be making it
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute("COMMIT")
    name = printable(file)
    if application != APPLICATION and (tables or application or readonly):
        raise LibraryError(
            f"{name} is a database of another program; name a waymark library with --library."
        )
    if version > len(migrations()):
        raise LibraryError(
            f"the library {name} is of a newer waymark (version {version}, this one writes "
            f"{len(migrations())}); install the newer waymark, or name another with --library."
        )
    if readonly:
        if version < len(migrations()):
            raise LibraryError(
                f"the library {name} is of an older waymark; run `waymark tag` on it once."
            )
        return
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous = NORMAL")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to write-ahead logging; of two that do so at once, SQLite turns one away."""
    give_up = time.monotonic() + WAIT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            busy = (error.sqlite_errorname or "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
            if not busy or time.monotonic() > give_up:
                raise
            time.sleep(0.02)
