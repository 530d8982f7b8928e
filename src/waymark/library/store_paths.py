"""Where photos are: paths as the file system means them, and which of the library lie below.

In:  paths as somebody wrote them.
Out: real paths; a condition in SQL.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from waymark.errors import ConfigError

_MOST_PATHS = 30_000  # SQLite takes 32,766 values in one statement

AnyPath = str | os.PathLike[str] | bytes


def places_of(path: AnyPath) -> tuple[bytes, bytes]:
    """Return the real path of a file or folder, and that of its name in its real folder.

    The two differ where the name itself is a link: a link to a photo is a photo of that name.
    `..` is what the file system takes it for: the parent of where a link leads.
    """
    given = os.fsencode(path)
    real = os.path.realpath(given)
    parent, name = os.path.split(given)
    if name in (b"", b".", b".."):
        return real, real
    return real, os.path.join(os.path.realpath(parent), name)  # noqa: PTH118  # bytes


def below(paths: Iterable[AnyPath]) -> tuple[str, list[bytes]]:
    """Return an SQL condition, with its arguments, for photos that are, or lie below, `paths`.

    Raises:
        ConfigError: there are more paths than SQLite takes.
    """
    files: dict[bytes, None] = {}
    folders: dict[bytes, None] = {}
    for path in paths:
        real, named = places_of(path)
        if not os.path.isfile(real):  # noqa: PTH113  # bytes
            folders[real.rstrip(b"/") + b"/"] = None
        if not os.path.isdir(real):  # noqa: PTH112
            files[named] = files[real] = None
    if len(files) + 2 * len(folders) > _MOST_PATHS:
        raise ConfigError(
            f"{len(files) + len(folders):,} paths are more than can be asked for at once; "
            "name the folders that they lie in."
        )
    ranges = ["(photo.path >= ? AND photo.path < ?)"] * len(folders)
    # few terms a bracket, as SQLite limits how deep a condition may be
    parts = [f"({' OR '.join(ranges[i : i + 100])})" for i in range(0, len(ranges), 100)]
    if files:
        parts.append(f"photo.path IN ({', '.join('?' * len(files))})")
    ends = [end for folder in folders for end in (folder, folder[:-1] + b"0")]  # 0 follows /
    return f"({' OR '.join(parts) or '0'})", [*ends, *files]
