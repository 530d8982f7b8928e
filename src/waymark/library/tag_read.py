"""Read one photo of a library, once: its hash, its facts, and what the network sees of it.

In:  a path, and who knows what has been recognised before.
Out: a `Reading`. The file's bytes are read once; hash, header and pixels come from them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b, sha256
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from waymark.errors import PhotoError, PhotoTooLarge, UnreadablePhoto
from waymark.library.beside import sidecar_place
from waymark.library.near import Point
from waymark.library.raw import KINDS, raw_kind, read_preview
from waymark.photo import LIMITS, SALVAGE, read_facts, read_photo, sniff
from waymark.recognise.views import photo_views

if TYPE_CHECKING:
    from PIL.Image import Image

    from waymark.preprocess import Preprocess

Views = NDArray[np.float32]

_HEAD = 32  # bytes that tell a format
_END = 65_536  # bytes of a RAW file: its own metadata before, sensor data behind
_PIECE = 262_144  # bytes
_OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_FACTS = ("format", "width", "height", "taken", "gps")
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
        picture: of its pixels, 16 bytes: the same while only what is written beside them in the
            file changes, be it which way up they are; None where there was no need to decode.
        error: why it cannot be used.
        known: whether its content was recognised before; then nothing else is said of it.
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
    picture: bytes | None = None
    error: str | None = None
    known: bool = False


def read_one(
    path: bytes, preprocess: Preprocess, *, tta: bool, known: Callable[[bytes], bool]
) -> tuple[Reading | None, Views | None]:
    """Read a photo.

    Args:
        path: of the photo.
        preprocess: how the network's input is made.
        tta: whether four views are made, or one.
        known: says of a hash whether that content was recognised before; called from threads.

    Returns:
        What the file holds, None if it is gone; and what the network sees of it,
        (V, 3, size, size) float32, None where there is nothing new to recognise.
    """
    try:
        data, digest, facts = _load(path)
    except (FileNotFoundError, NotADirectoryError):
        return None, None
    except OSError as error:
        return _unread(f"cannot be read ({error.strerror or error})"), None
    except PhotoError as error:
        return _unread(str(error)), None
    reading = Reading(
        size=len(data),
        # where somebody is writing it, the next run reads it again
        mtime_ns=facts.st_mtime_ns if len(data) == facts.st_size else -1,
        inode=facts.st_ino,
        sha256=digest,
    )
    if known(digest):
        return replace(reading, known=True), None
    name = os.fsdecode(os.path.basename(path))  # noqa: PTH119  # bytes
    try:
        header = _header(data, name)
        reading = replace(reading, **header.facts)
        image = _upright(header, preprocess)
    except PhotoError as error:
        reason = str(error).removeprefix("this photo: ").replace(SALVAGE, "")
        return replace(reading, error=reason), None
    return replace(reading, picture=_picture(image)), photo_views(image, preprocess, tta=tta)


def raw_mark(path: bytes) -> bytes:
    """Return by what a RAW file is known wherever it lies, 16 bytes; b"" if it cannot be read.

    That is its size and both its ends: the tens of megabytes of one whose JPEG is looked at are
    not read.
    """
    try:
        with os.fdopen(os.open(path, _OPEN), "rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                return b""
            mark = blake2b(facts.st_size.to_bytes(8, "big"), digest_size=16)
            mark.update(file.read(_END))
            file.seek(max(0, facts.st_size - _END))
            mark.update(file.read(_END))
    except OSError:
        return b""
    return mark.digest()


def _unread(reason: str) -> Reading:
    return Reading(size=0, mtime_ns=-1, inode=0, error=reason)


def _load(path: bytes) -> tuple[bytes, bytes, os.stat_result]:
    """Read a whole regular file, and hash it piece by piece; never wait for a pipe."""
    descriptor = os.open(path, _OPEN)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise UnreadablePhoto("is a pipe, a socket or a device, no photo")
        if facts.st_size > LIMITS.max_bytes:
            raise PhotoTooLarge(
                f"{facts.st_size:,} bytes; at most {LIMITS.max_bytes:,} are accepted"
            )
        pieces, digest = [], sha256()
        while piece := file.read(_PIECE):  # hashed while it is in the cache of the core
            digest.update(piece)
            pieces.append(piece)
        return b"".join(pieces), digest.digest(), facts


@dataclass(frozen=True, kw_only=True, slots=True)
class _Header:
    """What a file says of its picture, and where that is.

    Attributes:
        facts: fields of `Reading`; the time and the place hold even if the picture is damaged.
        photo: the bytes to decode.
        orientation: by which they are still to be turned, 1 to 8, as EXIF numbers them.
    """

    facts: dict[str, Any]
    photo: bytes
    orientation: int = 1


def _header(data: bytes, name: str) -> _Header:
    """Read what stands before the pixels."""
    kind = raw_kind(data[:_HEAD], name)
    if kind is None:
        ending = name.rpartition(".")[2]
        if ending.lower() in KINDS and sniff(data[:_HEAD]) is None:
            raise UnreadablePhoto(
                f"named .{ending}, but not such a RAW file; copy it again from where it came"
            )
        found = read_facts(data)
        facts = {each: getattr(found, each) for each in _FACTS}
        facts["gps"] = facts["gps"] or _packet_place(data)
        return _Header(facts=facts, photo=data)
    preview = read_preview(data)
    facts = {"format": kind, "taken": preview.taken, "gps": preview.gps}
    if preview.jpeg is None:
        return _Header(facts=facts, photo=b"")
    turn = preview.orientation if not _says_how_it_stands(preview.jpeg) else 1
    with suppress(PhotoError):  # decoding will say what is wrong with it
        found = read_facts(preview.jpeg)
        sides = (found.width, found.height)
        facts["width"], facts["height"] = sides if turn < 5 else sides[::-1]
        facts["taken"], facts["gps"] = preview.taken or found.taken, preview.gps or found.gps
    return _Header(facts=facts, photo=preview.jpeg, orientation=turn)


def _packet_place(data: bytes) -> Point | None:
    """Return the position in a photo's XMP, where some programs write it alone."""
    start = data.find(b"<x:xmpmeta", 0, _pixels(data))
    end = data.find(b"</x:xmpmeta>", start) if start >= 0 else -1
    return None if end < 0 else sidecar_place(data[start : end + 12])


def _pixels(data: bytes) -> int:
    """Return where the pixels of a JPEG begin, before which its XMP is; the end of other files."""
    at = 2 if data.startswith(b"\xff\xd8") else len(data)
    while (marker := data[at : at + 2])[:1] == b"\xff" and marker != b"\xff\xda":
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return at if marker == b"\xff\xda" else len(data)


def _upright(header: _Header, preprocess: Preprocess) -> Image:
    """Decode the picture."""
    if not header.photo:
        raise UnreadablePhoto(
            f"this {header.facts['format'].upper()} has no JPEG preview that can be read; "
            "develop it to a JPEG beside it."
        )
    image = read_photo(header.photo, min_side=preprocess.min_side)
    return _turn(image, header.orientation) if header.orientation in _TURNS else image


def _picture(image: Image) -> bytes:
    """Return a hash of pixels that turning does not change.

    It is of how often each value is there: in the whole picture, and in two boxes in its middle,
    as two pictures may be made of the same values.
    """
    counts = image.histogram()
    for eighths in (2, 3):
        x, y = image.width * eighths // 8, image.height * eighths // 8
        counts += image.crop((x, y, image.width - x, image.height - y)).histogram()
    return blake2b(np.array(counts, dtype="<u4").tobytes(), digest_size=16).digest()


def _says_how_it_stands(jpeg: bytes) -> bool:
    """Say whether a preview has EXIF with an orientation of its own, which has been applied."""
    from waymark.photo_exif import read_exif

    at = jpeg.find(b"Exif\0\0", 0, 4096)
    return at >= 0 and read_exif(jpeg[at:]).orientation != 1


def _turn(image: Image, orientation: int) -> Image:
    from PIL.Image import Transpose

    return image.transpose(Transpose[_TURNS[orientation]])
