"""One write or undo at a time, for each library.

In:  the library's path.
Out: a lock beside it, which the kernel drops with the process, however that ends.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from waymark.errors import SidecarError


@contextmanager
def alone(library: Path | None) -> Iterator[None]:
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
