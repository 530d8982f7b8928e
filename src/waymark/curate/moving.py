"""Move files so that none is lost or written over, whenever the process may be killed.

In:  pairs of places.
Out: every file in its new place, with its content, times and permissions; a link as a link.

All files are first put in their new places, and only then taken from the old ones. Within
a file system a second name for the file is made, else a copy that is read back and
compared. Whatever is in a new place already is left there.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from waymark.progress import Progress, silent

_NO_SECOND_NAMES = frozenset(
    {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
)
"""What the system says where a file cannot have a second name there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """One file to move.

    Attributes:
        source: where it is.
        target: where it goes; its folder is made if missing.
        half: where a copy is made, beside or above the target, on its file system.
    """

    source: Path
    target: Path
    half: Path


def move_all(moves: Sequence[Move], *, what: str, progress: Progress = silent) -> dict[int, str]:
    """Move files; go on where one cannot be moved.

    A file that an earlier, killed call left in both places is only taken from the old one.

    Returns:
        Place in `moves` of each file that is where it was, with the reason.
    """
    failed: dict[int, str] = {}
    for number, move in enumerate(moves):
        try:
            _put(move)
        except OSError as error:
            failed[number] = (error.strerror or str(error)).lower()
            with suppress(OSError):
                move.half.unlink(missing_ok=True)
        progress(number + 1, len(moves), what)
    _sync({move.target.parent for i, move in enumerate(moves) if i not in failed})
    for number, move in enumerate(moves):
        if number not in failed:
            try:
                move.source.unlink()
            except OSError as error:
                failed[number] = f"{(error.strerror or str(error)).lower()}; a copy was made"
    return failed


def same(one: Path, two: Path) -> bool:
    """Say whether two places hold the same file, or files of the same content.

    Two links are the same where they point to the same; what they point to is not read.
    """
    first, second = one.lstat(), two.lstat()
    if os.path.samestat(first, second):
        return True
    if stat.S_ISLNK(first.st_mode) and stat.S_ISLNK(second.st_mode):
        return one.readlink() == two.readlink()
    regular = stat.S_ISREG(first.st_mode) and stat.S_ISREG(second.st_mode)
    return regular and first.st_size == second.st_size and _hash(one) == _hash(two)


def _put(move: Move) -> None:
    """Put a file in its new place as well."""
    mode = move.source.lstat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
        raise OSError(errno.EINVAL, "neither a file nor a link")
    move.target.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(move.target) and same(move.source, move.target):
        if move.source.name == move.target.name and move.source.parent.samefile(move.target.parent):
            raise OSError(errno.EINVAL, "both places are one")
        if os.path.lexists(move.half):  # a disk that is read-only refuses even to miss it
            move.half.unlink()
        return
    try:
        os.link(move.source, move.target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_SECOND_NAMES:
            raise
        if not os.access(move.source.parent, os.W_OK):  # the copy would be a second photo
            raise OSError(errno.EACCES, "its folder is read-only") from error
        _copy(move)


def _copy(move: Move) -> None:
    """Copy a file with all that belongs to it, compare, and give the copy its name."""
    half = move.half
    half.unlink(missing_ok=True)
    if move.source.is_symlink():
        half.symlink_to(move.source.readlink())
    else:
        with move.source.open("rb") as source, half.open("xb") as copy:
            shutil.copyfileobj(source, copy)
            copy.flush()
            os.fsync(copy.fileno())
    _copy_owner(move.source, half)
    shutil.copystat(move.source, half, follow_symlinks=False)
    if not same(move.source, half):
        raise OSError(errno.EIO, "the copy is not as the file is")
    _name_copy(half, move.target)


def _name_copy(half: Path, target: Path) -> None:
    """Give a complete copy its name, unless something has it."""
    try:
        os.link(half, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_SECOND_NAMES:
            raise
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "file exists") from error
        half.rename(target)
    else:
        half.unlink()


def _copy_owner(source: Path, copy: Path) -> None:
    facts = source.lstat()
    with suppress(OSError):  # only root may give files away
        os.chown(copy, facts.st_uid, facts.st_gid, follow_symlinks=False)


def _hash(file: Path) -> bytes:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def _sync(folders: Iterable[Path]) -> None:
    """See that the new names are on disk before the old ones go."""
    for folder in sorted(folders):
        with suppress(OSError):  # some file systems cannot
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
