"""Read one photo of a library, once: its hash, its facts, and what the network sees of it.

In:  a path, and who knows what has been recognised before.
Out: a `Reading`. The file's bytes are read once; hash, header and pixels come from them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from waymark.errors import PhotoError, PhotoTooLarge, UnreadablePhoto
from waymark.library.near import Point
from waymark.library.raw import raw_kind, read_preview
from waymark.photo import LIMITS, read_facts, read_photo
from waymark.recognise.views import photo_views

if TYPE_CHECKING:
    from PIL.Image import Image

    from waymark.preprocess import Preprocess

_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What one file holds.

    Attributes:
        size: bytes, of what was read.
        mtime_ns: when it was changed last; -1 asks the next run to read it again.
        inode: its number in the file system.
        sha256: of its content, 32 bytes; None if it could not be read.
        format: a key of `photo.FORMATS` or `raw.KINDS`.
        width: of the upright photo (of a RAW file, of its preview), pixels.
        height: likewise.
        taken: capture time; aware if the camera wrote its offset from UTC.
        gps: degrees north and east.
        error: why it cannot be used.
        known: whether its content was recognised before; then there are no views.
        views: (V, 3, size, size) float32.
    """

    size: int
    mtime_ns: int
    inode: int
    sha256: bytes | None = None
    format: str | None = None
    width: int | None = None
    height: int | None = None
    taken: datetime | None = None
    gps: Point | None = None
    error: str | None = None
    known: bool = False
    views: NDArray[np.float32] | None = None


def read_one(
    path: bytes, preprocess: Preprocess, *, tta: bool, known: Callable[[bytes], bool]
) -> Reading | None:
    """Read a photo; None if it is gone.

    Args:
        path: of the photo.
        preprocess: how the network's input is made.
        tta: whether four views are made, or one.
        known: says of a hash whether that content was recognised before; called from threads.
    """
    try:
        data, facts = _load(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = f"cannot be read ({error.strerror or error})"
        return Reading(size=0, mtime_ns=-1, inode=0, error=reason)
    except PhotoError as error:
        return Reading(size=0, mtime_ns=-1, inode=0, error=str(error))
    size, mtime_ns, inode = len(data), facts.st_mtime_ns, facts.st_ino
    if size != facts.st_size:  # somebody is writing it
        mtime_ns = -1
    digest = sha256(data).digest()
    if known(digest):
        return Reading(size=size, mtime_ns=mtime_ns, inode=inode, sha256=digest, known=True)
    name = os.fsdecode(os.path.basename(path))  # noqa: PTH119  # bytes
    try:
        return _decode(data, name, preprocess, tta, (size, mtime_ns, inode), digest)
    except PhotoError as error:
        reason = str(error).removeprefix("this photo: ")
        return Reading(size=size, mtime_ns=mtime_ns, inode=inode, sha256=digest, error=reason)


def _load(path: bytes) -> tuple[bytes, os.stat_result]:
    """Read a whole regular file; never wait for a pipe."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise UnreadablePhoto("is a pipe, a socket or a device, no photo")
        if facts.st_size > LIMITS.max_bytes:
            raise PhotoTooLarge(
                f"{facts.st_size:,} bytes; at most {LIMITS.max_bytes:,} are accepted"
            )
        return file.read(), facts


def _decode(
    data: bytes,
    name: str,
    preprocess: Preprocess,
    tta: bool,
    file: tuple[int, int, int],
    digest: bytes,
) -> Reading:
    size, mtime_ns, inode = file
    kind = raw_kind(data[:32], name)
    if kind is None:
        facts = read_facts(data)
        image = read_photo(data, min_side=preprocess.min_side)
        found = (facts.format, facts.width, facts.height, facts.taken, facts.gps)
    else:
        preview = read_preview(data)
        if preview.jpeg is None:
            raise UnreadablePhoto(
                f"this {kind.upper()} has no JPEG preview that can be read; "
                "develop it to a JPEG beside it."
            )
        inner = read_facts(preview.jpeg)
        image = read_photo(preview.jpeg, min_side=preprocess.min_side)
        turned = (inner.width, inner.height) != (preview.width, preview.height)
        width, height = inner.width, inner.height
        if preview.orientation != 1 and not turned and not _says_how_it_stands(preview.jpeg):
            image = _turn(image, preview.orientation)
            if preview.orientation >= 5:
                width, height = height, width
        found = (kind, width, height, preview.taken or inner.taken, preview.gps or inner.gps)
    return Reading(
        size=size,
        mtime_ns=mtime_ns,
        inode=inode,
        sha256=digest,
        format=found[0],
        width=found[1],
        height=found[2],
        taken=found[3],
        gps=found[4],
        views=photo_views(image, preprocess, tta=tta),
    )


def _says_how_it_stands(jpeg: bytes) -> bool:
    """Say whether a preview has EXIF with an orientation of its own, which has been applied."""
    from waymark.photo_exif import read_exif

    at = jpeg.find(b"Exif\0\0", 0, 4096)
    return at >= 0 and read_exif(jpeg[at:]).orientation != 1


def _turn(image: Image, orientation: int) -> Image:
    from PIL.Image import Transpose

    return image.transpose(Transpose[_TURNS[orientation]])
