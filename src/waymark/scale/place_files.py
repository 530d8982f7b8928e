"""Read, write and remove the files of a place.

A file is written whole: in a folder by renaming, and an object store shows nothing half written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from uuid import uuid4

from waymark.scale.place import Place

PARTIAL = ".partial"
_AT_ONCE = 16  # files that are removed at the same time


def read_bytes(place: Place, name: str) -> bytes:
    """Return a file.

    Raises:
        OSError: it is not there, or cannot be read.
    """
    with place.filesystem.open_input_stream(place.child(name), compression=None) as stream:
        return bytes(stream.read())


def read_json(place: Place, name: str) -> dict[str, Any] | None:
    """Return a small JSON object; None where it is missing or cut."""
    try:
        found = json.loads(read_bytes(place, name))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def write_file(place: Place, name: str, data: Any, *, run: str) -> None:
    """Write a file whole.

    Args:
        place: where.
        name: of the file, with its folder.
        data: bytes.
        run: who writes; a part of the name of a file that is half written.
    """
    path = place.child(name)
    if not place.local:
        with place.filesystem.open_output_stream(path) as stream:
            stream.write(data)
        return
    folder, base = os.path.split(path)
    os.makedirs(folder, exist_ok=True)  # noqa: PTH103  # names as they are
    partial = os.path.join(folder, f"_{base}.{run}.{uuid4().hex}{PARTIAL}")  # noqa: PTH118
    try:
        with open(partial, "wb") as file:  # noqa: PTH123
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)  # noqa: PTH105
    except OSError:
        with suppress(OSError):
            os.unlink(partial)  # noqa: PTH108
        raise


def remove(place: Place, names: Iterable[str]) -> None:
    """Remove files; those that are gone already are no fault."""

    def one(name: str) -> None:
        with suppress(FileNotFoundError):
            place.filesystem.delete_file(place.child(name))

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="waymark-remove") as pool:
        list(pool.map(one, names))


def remove_if_empty(place: Place, folder: str) -> None:
    """Remove a folder with nothing in it; of a store, the object that stands for one."""
    from pyarrow import fs

    if place.local:
        with suppress(OSError):
            os.rmdir(place.child(folder))  # noqa: PTH106
        return
    selector = fs.FileSelector(place.child(folder), allow_not_found=True)
    if not place.filesystem.get_file_info(selector):
        with suppress(OSError):  # there is no such object, mostly
            place.filesystem.delete_dir(place.child(folder))
