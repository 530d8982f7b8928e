"""Sidecars on disk: find a photo's, read it, and put another in its place in one step.

In:  a photo's path; content to be written, and the hash of what must still be there.
Out: the sidecar's path and bytes; a file that is wholly the old one or wholly the new one.

A link is never followed and never replaced. Owner, permissions and extended attributes stay.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Literal

from waymark.errors import SidecarError
from waymark.library.sidecar_text import MAX_BYTES

Style = Literal["default", "adobe"]
_RAW = frozenset((
    "3fr", "arw", "cr2", "cr3", "crw", "dng", "erf", "iiq", "kdc", "mef", "mos", "mrw", "nef",
    "nrw", "orf", "pef", "raf", "raw", "rw2", "rwl", "sr2", "srf", "srw", "x3f",
))  # fmt: skip
_PHOTO = _RAW | frozenset((
    "jpg", "jpeg", "jpe", "jfif", "png", "webp", "tif", "tiff", "bmp", "gif", "heic", "heif", "hif",
    "avif", "jxl", "psd", "jp2",
))  # fmt: skip


class Folder:
    """The names in a folder, read once: which photo has which sidecar.

    `photo.xmp` belongs to the only photo of that name, or to the RAW+JPEG pair of that name.
    """

    def __init__(self, names: Iterable[str]) -> None:
        names = list(names)
        self._names = frozenset(names)
        self._sidecars: dict[str, list[str]] = {}
        self._kinds: dict[str, list[str]] = {}
        for name in names:
            stem, _, suffix = name.rpartition(".")
            if suffix.lower() == "xmp":
                self._sidecars.setdefault(stem, []).append(name)
            elif suffix.lower() in _PHOTO:
                self._kinds.setdefault(stem, []).append(suffix.lower())

    def sidecars(self, photo: Path) -> list[Path]:
        """Return the sidecars that a photo has: `photo.jpg.xmp` first, then `photo.xmp`."""
        names = sorted(self._sidecars.get(photo.name, ()))
        if self._owns_stem(photo):
            names += sorted(self._sidecars.get(photo.stem, ()))
        return [photo.with_name(name) for name in dict.fromkeys(names)]

    def new_sidecar(self, photo: Path, style: Style) -> Path:
        """Return where a photo's sidecar is to be made.

        Args:
            photo: the photo's path.
            style: `photo.jpg.xmp`, or `photo.xmp` as Adobe's programs name it.
        """
        stem = photo.stem if style == "adobe" and self._owns_stem(photo) else photo.name
        return photo.with_name(f"{stem}.xmp")

    def _owns_stem(self, photo: Path) -> bool:
        """Say whether `stem.xmp` would be this photo's, or its RAW+JPEG pair's, and no other's."""
        if photo.stem in self._names:  # `a.png.xmp` is the sidecar of `a.png`, not of `a.png.jpg`
            return False
        same = self._kinds.get(photo.stem, [])
        own = photo.suffix[1:].lower()
        same = same if own in same else [*same, own]
        raws = sum(suffix in _RAW for suffix in same)
        return raws <= 1 and len(same) - raws <= 1


def read_file(path: Path) -> bytes | None:
    """Return a sidecar's bytes, None where there is none.

    Raises:
        SidecarError: it is a link, a folder, or too large.
        OSError: it cannot be read.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(found.st_mode):
        raise SidecarError("is a symbolic link, which waymark does not follow")
    if not stat.S_ISREG(found.st_mode):
        raise SidecarError("is no regular file")
    if found.st_size > MAX_BYTES:
        raise SidecarError(f"holds {found.st_size:,} bytes; expected at most {MAX_BYTES:,}")
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(MAX_BYTES + 1)


def refuse_readonly(path: Path) -> None:
    """See that a sidecar may be written by somebody: its owner may have closed it.

    Raises:
        SidecarError: nobody may.
    """
    if not stat.S_IMODE(path.lstat().st_mode) & 0o222:
        raise SidecarError("is read-only")


def digest(data: bytes | None) -> bytes | None:
    """Return the SHA-256 of content, None of no file."""
    return None if data is None else hashlib.sha256(data).digest()


def replace_file(
    path: Path, data: bytes, *, expected: bytes | None, part: Path, like: Path
) -> None:
    """Put content in a file's place in one step, if the file is still what it was.

    Args:
        path: the file.
        data: its new content.
        expected: SHA-256 of its content now; None: it must not exist.
        part: where the new content is written first, in the same folder.
        like: a file whose readers may read a new one, and nobody else: the photo.

    Raises:
        SidecarError: the file was changed, or its owner cannot be kept.
        OSError: the disk is full, or permission is missing.
    """
    check_same(path, expected)
    with suppress(FileNotFoundError):
        part.unlink()
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if expected is None:
                with suppress(OSError):
                    _open_as(file.fileno(), like)
            file.write(data)
            file.flush()
            if expected is not None:
                dress(file.fileno(), path)
            os.fsync(file.fileno())
        check_same(path, expected)
        if expected is None:
            _link_new(part, path)
        else:
            part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    sync_folder(path.parent)


def remove_file(path: Path, *, expected: bytes | None) -> None:
    """Remove a file, if it is still what it was.

    Raises:
        SidecarError: it was changed.
        OSError: permission is missing.
    """
    check_same(path, expected)
    path.unlink()
    sync_folder(path.parent)


def check_same(path: Path, expected: bytes | None) -> None:
    """See that a file is still what it was when the change was planned."""
    if digest(read_file(path)) != expected:
        raise SidecarError("another program changed it in the meantime; run the same again")


def sync_folder(folder: Path) -> None:
    """See that a rename in a folder is on disk; some file systems cannot."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def dress(descriptor: int, old: Path) -> None:
    """Give a file the owner, permissions and attributes of the one that it replaces."""
    made, was = os.fstat(descriptor), old.lstat()
    if (made.st_uid, made.st_gid) != (was.st_uid, was.st_gid):
        try:
            os.fchown(descriptor, was.st_uid, was.st_gid)
        except OSError as error:
            raise SidecarError("belongs to another user or group, which cannot be kept") from error
    if hasattr(os, "listxattr"):
        with suppress(OSError):
            for name in os.listxattr(old):
                with suppress(OSError):
                    os.setxattr(descriptor, name, os.getxattr(old, name))
    try:
        os.fchmod(descriptor, stat.S_IMODE(was.st_mode))
    except OSError:
        if stat.S_IMODE(os.fstat(descriptor).st_mode) != stat.S_IMODE(was.st_mode):
            raise


def _open_as(descriptor: int, photo: Path) -> None:
    """Let those read a new file who may read the photo, as far as the umask lets them."""
    made, was = os.fstat(descriptor), photo.stat()
    mode = was.st_mode & 0o666
    if made.st_gid != was.st_gid:
        try:
            os.fchown(descriptor, -1, was.st_gid)
        except OSError:  # another group: what the photo's group and all others may, is safe
            both = mode >> 3 & mode & 0o7
            mode = both << 3 | both
    mask = os.umask(0o077)  # there is no other way to ask for it
    os.umask(mask)
    os.fchmod(descriptor, 0o600 | mode & ~mask)


def _link_new(part: Path, path: Path) -> None:
    """Give a new file its name, unless that was taken in the meantime."""
    try:
        os.link(part, path)
    except FileExistsError as error:
        raise SidecarError("another program made it in the meantime; run the same again") from error
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
            raise
        part.rename(path)  # a file system without links, such as FAT
    else:
        part.unlink()
