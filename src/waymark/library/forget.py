"""Take photos that are gone out of a library.

In:  a `Store`, and paths; they need not exist.
Out: the paths of photos below them whose files are not there; their rows are removed.

No file is touched. What a person said of a photo stays, and holds again if the photo comes back
(see `store_answers`); so does the journal of what was written beside it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from waymark.library.store import Store
from waymark.library.store_moments import leave
from waymark.library.store_paths import AnyPath, below

_PAGE = 500


def gone(store: Store, paths: Iterable[AnyPath]) -> Iterator[bytes]:
    """Yield the photos of the library that are, or lie below, `paths`, and are not there."""
    for page in _pages(store, paths):
        yield from (path for _, path in page)


def forget(store: Store, paths: Iterable[AnyPath]) -> int:
    """Remove the photos of `gone` from the library; return their number.

    Raises:
        LibraryError: the library cannot be written; what was removed before is.
    """
    count = 0
    for page in _pages(store, paths):
        with store.transaction() as connection:
            for number, _ in page:
                leave(connection, "id = ?", [number])
                # what was said of no content can be said of nothing again
                connection.execute(
                    "DELETE FROM review WHERE sha256 IS NULL AND photo = ?", [number]
                )
                connection.execute("DELETE FROM photo WHERE id = ?", [number])
        count += len(page)
    return count


def _pages(store: Store, paths: Iterable[AnyPath]) -> Iterator[list[tuple[int, bytes]]]:
    """Yield number and path of the photos that are not there, some at a time, by path."""
    where, arguments = below(paths)
    after = b""
    while True:
        with store.faults():
            rows = store.connection.execute(
                f"SELECT id, path, raw FROM photo WHERE {where} AND path > ? "
                f"ORDER BY path LIMIT {_PAGE}",
                [*arguments, after],
            ).fetchall()
        if not rows:
            return
        yield [
            (number, path)
            for number, path, raw in rows
            if _is_gone(path) and (raw is None or _is_gone(raw))
        ]
        after = rows[-1][1]


def _is_gone(path: bytes) -> bool:
    """Say whether a file is not there; one in a folder that cannot be looked into may be."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        pass
    return False
