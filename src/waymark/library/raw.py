"""The JPEG inside a RAW file: what the camera itself made of the picture.

In:  the bytes of a CR2, CR3, NEF, ARW or DNG; nobody has checked them.
Out: the largest JPEG preview, how to turn it upright, capture time and place.

RAW files of these makers are TIFFs (CR3: boxes like an MP4's, see `raw_boxes`). Every offset
is checked against the file's end, every directory is read once, and nothing is decoded here.

Source: TIFF 6.0; CIPA DC-008; Adobe DNG 1.7; exiftool's tag tables for where makers put it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from waymark.library.near import Point
from waymark.photo_exif import read_exif

KINDS = ("cr2", "cr3", "nef", "arw", "dng")

_SUB_IFDS, _EXIF_IFD = 0x14A, 0x8769
_STRIPS, _STRIP_BYTES, _JPEG_AT, _JPEG_BYTES = 0x111, 0x117, 0x201, 0x202
_MAX_DIRECTORIES, _MAX_ENTRIES, _MAX_VALUES = 64, 2_000, 64
_WIDTHS = {1: ("B", 1), 2: ("B", 1), 3: ("H", 2), 4: ("L", 4), 7: ("B", 1), 13: ("L", 4)}
_LOSSY = frozenset((0xC0, 0xC1, 0xC2))  # frames that any decoder reads; C3 is the RAW itself
_MAX_SEGMENTS = 1_000

Directory = dict[int, tuple[int, ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """What a RAW file holds beside its RAW pixels.

    Attributes:
        jpeg: the largest JPEG; None where there is none.
        width: of the JPEG as it is stored, pixels.
        height: of the JPEG as it is stored, pixels.
        orientation: 1 to 8, as EXIF numbers them: to be applied to a JPEG without its own.
        taken: capture time; aware if the camera wrote its offset from UTC.
        gps: latitude and longitude in degrees.
    """

    jpeg: bytes | None = None
    width: int = 0
    height: int = 0
    orientation: int = 1
    taken: datetime | None = None
    gps: Point | None = None


def raw_kind(head: bytes, name: str = "") -> str | None:
    """Name the RAW format of a file by its first bytes, and where these are any TIFF's, its name.

    Args:
        head: at least the first 16 bytes.
        name: the file's name.

    Returns:
        One of `KINDS`, or None.
    """
    if head[4:8] == b"ftyp" and head[8:12] == b"crx ":
        return "cr3"
    if head[:4] not in (b"II*\0", b"MM\0*"):
        return None
    if head[8:10] == b"CR":
        return "cr2"
    ending = name.rpartition(".")[2].lower()
    return ending if ending in ("nef", "arw", "dng", "cr2") else None


def read_preview(data: bytes) -> Preview:
    """Find the largest JPEG of a RAW file, and read its facts; never raises."""
    if data[4:8] == b"ftyp":
        from waymark.library.raw_boxes import read_boxes

        return read_boxes(data)
    exif = read_exif(data)
    orientation = exif.orientation
    best = largest(data, _places(data))
    return Preview(
        jpeg=None if best is None else data[best[0] : best[0] + best[1]],
        width=0 if best is None else best[2],
        height=0 if best is None else best[3],
        orientation=orientation,
        taken=exif.taken,
        gps=exif.gps,
    )


def largest(data: bytes, places: Iterator[tuple[int, int]]) -> tuple[int, int, int, int] | None:
    """Return the place of the JPEG with the most pixels.

    Args:
        data: the file.
        places: (offset, bytes) where there may be a JPEG.

    Returns:
        (offset, bytes, width, height), or None.
    """
    best: tuple[int, int, int, int] | None = None
    for at, length in places:
        if length < 4 or at < 0 or at + length > len(data):
            continue
        size = jpeg_size(data, at, at + length)
        if size is not None and (best is None or size[0] * size[1] > best[2] * best[3]):
            best = (at, length, *size)
    return best


def jpeg_size(data: bytes, start: int, end: int) -> tuple[int, int] | None:
    """Return width and height of a JPEG in pixels; None if it is none that any decoder reads."""
    if data[start : start + 3] != b"\xff\xd8\xff":
        return None
    at = start + 2
    for _ in range(_MAX_SEGMENTS):
        if at + 9 > end or data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        if marker in _LOSSY:
            bits = data[at + 4]
            height, width = struct.unpack_from(">HH", data, at + 5)
            return (width, height) if bits == 8 and width and height else None
        if 0xC3 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return None
        if marker in (0xD9, 0xDA):
            return None
        at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    return None


def _places(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where a TIFF's directories say that a JPEG is."""
    for values in directories(data):
        at, length = values.get(_JPEG_AT), values.get(_JPEG_BYTES)
        if at and length:
            yield at[0], length[0]
        strips, lengths = values.get(_STRIPS), values.get(_STRIP_BYTES)
        if strips and lengths and len(strips) == len(lengths) == 1:
            yield strips[0], lengths[0]


def directories(data: bytes) -> Iterator[Directory]:
    """Yield the directories of a TIFF: the chain, and what hangs below each; each once."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < 8:
        return
    waiting = [struct.unpack_from(order + "L", data, 4)[0]]
    seen: set[int] = set()
    while waiting and len(seen) < _MAX_DIRECTORIES:
        at = waiting.pop(0)
        if at in seen or not 8 <= at <= len(data) - 6:
            continue
        seen.add(at)
        values, following = read_directory(data, order, at)
        waiting += values.get(_SUB_IFDS, ())
        waiting += values.get(_EXIF_IFD, ())[:1]
        waiting.append(following)
        yield values


def read_directory(data: bytes, order: str, at: int) -> tuple[Directory, int]:
    """Read the whole numbers of one directory; return them, and where the next directory is."""
    (entries,) = struct.unpack_from(order + "H", data, at)
    entries = min(entries, _MAX_ENTRIES)
    values: Directory = {}
    end = at + 2 + 12 * entries
    for entry in range(at + 2, min(end, len(data) - 11), 12):
        tag, kind, count = struct.unpack_from(order + "HHL", data, entry)
        if kind not in _WIDTHS or not 0 < count <= _MAX_VALUES:
            continue
        code, width = _WIDTHS[kind]
        start = entry + 8
        if count * width > 4:
            (start,) = struct.unpack_from(order + "L", data, start)
        if start + count * width <= len(data):
            values[tag] = struct.unpack_from(f"{order}{count}{code}", data, start)
    following = struct.unpack_from(order + "L", data, end)[0] if end + 4 <= len(data) else 0
    return values, following
