"""The JPEGs inside a CR3, and its facts: boxes within boxes, as in an MP4.

In:  the bytes of a CR3; nobody has checked them.
Out: a `Preview`.

Canon keeps a full-size JPEG as a track of one sample, a smaller one in a box PRVW, and EXIF as
small TIFFs in CMT1 (main), CMT2 (EXIF) and CMT4 (GPS).

Source: ISO/IEC 14496-12, boxes, stsz, co64; the CR3 layout as Laurent Clévy describes it,
https://github.com/lclevy/canon_cr3
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from waymark.library.raw import Preview, largest
from waymark.photo_exif import read_exif

_CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
_PREVIEW = bytes.fromhex("eaf42b5e1c984b88b9fbb7dc406e4d16")
_INSIDE = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
_MAX_BOXES, _MAX_DEPTH, _MAX_EXIF = 5_000, 8, 2**20
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 9: 4, 10: 8}  # of a value of each EXIF type


def read_boxes(data: bytes) -> Preview:
    """Find the largest JPEG of a CR3, and read its facts; never raises."""
    blocks: dict[bytes, bytes] = {}
    places: list[tuple[int, int]] = []
    sizes: list[int] = []  # of the samples of the track in hand
    for kind, start, end in _boxes(data):
        if kind in (b"CMT1", b"CMT2", b"CMT4"):
            blocks.setdefault(kind, data[start:end])
        elif kind == b"PRVW":
            places += _in_preview(data, start, end)
        elif kind == b"stsz" and end - start >= 12:
            each, count = struct.unpack_from(">LL", data, start + 4)
            if not each and count and end - start >= 16:
                (each,) = struct.unpack_from(">L", data, start + 12)
            sizes = [each] if count else []
        elif kind in (b"co64", b"stco") and end - start >= 16 and sizes:
            code = ">Q" if kind == b"co64" else ">L"
            (at,) = struct.unpack_from(code, data, start + 8)
            places.append((at, sizes[0]))
    best = largest(data, iter(places))
    facts = read_exif(_joined(blocks))
    return Preview(
        jpeg=None if best is None else data[best[0] : best[0] + best[1]],
        width=0 if best is None else best[2],
        height=0 if best is None else best[3],
        orientation=facts.orientation,
        taken=facts.taken,
        gps=facts.gps,
    )


def _boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield (kind, start, end) of the content of boxes, those inside others too, in order."""
    waiting = [(0, len(data), 0)]
    met = 0
    while waiting:
        at, limit, depth = waiting.pop()
        if at + 8 > limit:
            continue
        size, start = int.from_bytes(data[at : at + 4], "big"), at + 8
        kind = data[at + 4 : at + 8]
        if size == 1 and at + 16 <= limit:
            size, start = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
        end = limit if size == 0 else at + size
        met += 1
        if end > limit or end < start or met > _MAX_BOXES:
            continue
        waiting.append((end, limit, depth))
        yield kind, start, end
        if depth < _MAX_DEPTH and kind in _INSIDE:
            waiting.append((start, end, depth + 1))
        elif kind == b"uuid" and data[start : start + 16] == _CANON:
            waiting.append((start + 16, end, depth + 1))
        elif kind == b"uuid" and data[start : start + 16] == _PREVIEW:
            waiting.append((start + 24, end, depth + 1))  # eight bytes of version before PRVW


def _in_preview(data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield where the JPEG of a PRVW box is: behind its size in pixels and in bytes."""
    at = data.find(b"\xff\xd8\xff", start, min(start + 64, end))
    if at >= 0:
        yield at, end - at


def _joined(blocks: dict[bytes, bytes]) -> bytes:
    """Return one TIFF that `read_exif` reads, of the three that Canon writes.

    They follow each other; a new main directory in front of them points into each, with all
    offsets of the parts moved by where the part now is.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(blocks.get(b"CMT1", b"")[:4])
    if order is None:
        return b""
    main = blocks[b"CMT1"]
    orientation = read_exif(main).orientation
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "L", 8)
    entries = [struct.pack(order + "HHLHH", 0x112, 3, 1, orientation, 0)]
    parts, at = [], 8 + 2 + 3 * 12 + 4
    for tag, name in ((0x8769, b"CMT2"), (0x8825, b"CMT4")):
        part, first = _moved(blocks.get(name, b""), order, at)
        if part:
            entries.append(struct.pack(order + "HHLL", tag, 4, 1, at + first))
            parts.append(part)
            at += len(part)
    count = struct.pack(order + "H", len(entries))
    directory = (count + b"".join(entries)).ljust(2 + 3 * 12 + 4, b"\0")
    return head + directory + b"".join(parts)


def _moved(block: bytes, order: str, by: int) -> tuple[bytes, int]:
    """Return a TIFF whose first directory is right when it stands at `by`, and where that is."""
    magic = b"II*\0" if order == "<" else b"MM\0*"
    if block[:4] != magic or not 14 <= len(block) <= _MAX_EXIF:
        return b"", 0
    (first,) = struct.unpack_from(order + "L", block, 4)
    if not 8 <= first <= len(block) - 2:
        return b"", 0
    out = bytearray(block)
    (entries,) = struct.unpack_from(order + "H", block, first)
    for entry in range(first + 2, min(first + 2 + 12 * entries, len(out) - 11), 12):
        _, kind, count = struct.unpack_from(order + "HHL", out, entry)
        if _SIZES.get(kind, 0) * count > 4:
            (at,) = struct.unpack_from(order + "L", out, entry + 8)
            struct.pack_into(order + "L", out, entry + 8, (at + by) % 2**32)
    return bytes(out), first
