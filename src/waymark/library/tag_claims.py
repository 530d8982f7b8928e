"""Who has which photo in hand, among runs on the same library.

In:  the library's path, and paths of photos.
Out: whether this run may take a photo. The kernel keeps the claims, as locks on single bytes of
     an empty file beside the library, and drops those of a run that is killed.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Self

_BYTES = 2**62


class Claims:
    """The photos that this process has in hand; `close`, or the end of the process, drops all."""

    def __init__(self, library: Path) -> None:
        """Open, and where needed make, the file of claims.

        Raises:
            OSError: it cannot be made.
        """
        name = os.fsencode(library) + b"-claims"
        self._file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def claim(self, path: bytes) -> bool:
        """Take a photo; False where another run has it."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _byte(path))
        except (BlockingIOError, PermissionError):
            return False
        except OSError:  # a file system without locks: at worst both runs do the photo
            return True
        return True

    def release(self, path: bytes) -> None:
        """Let go of a photo."""
        with suppress(OSError):
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _byte(path))

    def close(self) -> None:
        """Let go of all."""
        os.close(self._file)


def _byte(path: bytes) -> int:
    return int.from_bytes(blake2b(path, digest_size=8).digest(), "big") % _BYTES
