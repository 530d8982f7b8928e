"""Tell photo formats apart by their bytes, and say whether a file's end is missing.

Pure functions of bytes: what a file's name says never counts. No dependency.
"""

from __future__ import annotations

import struct

FORMATS = {
    "jpeg": "JPEG",
    "png": "PNG",
    "webp": "WebP",
    "tiff": "TIFF",
    "bmp": "BMP",
    "gif": "GIF",
    "heic": "HEIC",
    "avif": "AVIF",
}
"""The formats that waymark reads, and how people write them."""

_MAGIC = {
    b"\xff\xd8\xff": "jpeg",
    b"\x89PNG\r\n\x1a\n": "png",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",  # BigTIFF
    b"MM\0+": "tiff",
}
_AVIF_BRANDS = frozenset((b"avif", b"avis"))
_HEIC_BRANDS = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
)
_BMP_HEADERS = frozenset((12, 16, 40, 52, 56, 64, 108, 124))  # sizes of the known versions
_JPEG_END = b"\xff\xd9"
_PNG_END = b"IEND\xaeB`\x82"


def sniff(head: bytes) -> str | None:
    """Name the format of a file by its first 32 bytes; None if it is no photo.

    Returns:
        A key of `FORMATS`. A JPEG with several pictures (MPO) is `jpeg`.
    """
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "bmp"
    # The major brand, then (after a version) the compatible ones.
    brands = {head[i : i + 4] for i in (8, 16, 20, 24, 28)} if head[4:8] == b"ftyp" else set()
    if brands & _AVIF_BRANDS:
        return "avif"
    return "heic" if brands & _HEIC_BRANDS else None


def is_cut(kind: str, data: bytes, complaint: str = "") -> bool:
    """Say whether a file that could not be decoded should go on after its last byte.

    Judged by the sizes that the file itself states, so it also tells a file cut inside
    its header from one that was damaged.

    Args:
        kind: a key of `FORMATS`.
        data: the whole file.
        complaint: what the decoder said; its word counts too, except for PNG, which
            marks its end.
    """
    if kind != "png" and "truncated" in complaint.lower():
        return True
    match kind:
        case "jpeg":
            cut = jpeg_scan_start(data) is None
        case "png":
            cut = data.rfind(_PNG_END) < 0
        case "webp":
            cut = int.from_bytes(data[4:8], "little") + 8 > len(data)
        case "bmp":
            cut = int.from_bytes(data[2:6], "little") > len(data)
        case "gif":
            cut = not data.rstrip(b"\0").endswith(b";")
        case "tiff":
            cut = _tiff_is_cut(data)
        case _:
            cut = _boxes_are_cut(data)
    return cut


def jpeg_scan_start(data: bytes) -> int | None:
    """Return where the first compressed byte of a JPEG is; None if the file ends before."""
    at = 2
    while 0 <= at < len(data) - 1:
        marker = data[at + 1]
        if data[at] != 0xFF or marker in (0x00, 0xFF):  # junk or padding between segments
            at = data.find(b"\xff", at + 1)
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:
            at += 2
        elif marker == 0xD9:  # ends before it began: damaged, not cut
            return at
        elif at > len(data) - 4:
            return None
        else:
            end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
            if marker == 0xDA:
                return end if end <= len(data) else None
            at = end
    return None


def mend_jpeg(data: bytes) -> bytes:
    """Return a cut JPEG with an end, so that libjpeg shows what is there and greys the rest.

    A segment between two scans (of a progressive photo) that is itself cut goes, as it
    would swallow the end.
    """
    start = jpeg_scan_start(data) or len(data)
    at = data.find(b"\xff", max(start, len(data) - 65_537))
    while 0 <= at < len(data) - 1:
        marker = data[at + 1]
        if marker >= 0xC0 and not 0xD0 <= marker <= 0xD9 and marker != 0xFF:
            length = int.from_bytes(data[at + 2 : at + 4], "big")
            if at + 4 > len(data) or at + 2 + length > len(data):
                return data[:at] + _JPEG_END
            at += 2 + length - 1
        at = data.find(b"\xff", at + 1)
    return data + _JPEG_END


def _tiff_is_cut(data: bytes) -> bool:
    """Say whether the first directory, or a strip or tile it lists, lies past the end."""
    if b"+" in data[2:4]:  # BigTIFF: the decoder's own word must do
        return False
    order = "<" if data[:2] == b"II" else ">"
    try:
        (at,) = struct.unpack_from(order + "L", data, 4)
        (entries,) = struct.unpack_from(order + "H", data, at)
        found: dict[int, tuple[int, ...]] = {}
        for entry in range(at + 2, at + 2 + 12 * entries, 12):
            tag, kind, count = struct.unpack_from(order + "HHL", data, entry)
            if tag not in (273, 279, 324, 325) or kind not in (3, 4):
                continue
            code, width = ("H", 2) if kind == 3 else ("L", 4)
            start = entry + 8
            if count * width > 4:
                (start,) = struct.unpack_from(order + "L", data, start)
            if start + count * width > len(data):
                return True
            found[tag] = struct.unpack_from(f"{order}{count}{code}", data, start)
    except struct.error:
        return True
    return any(
        offset + length > len(data)
        for offsets, lengths in ((273, 279), (324, 325))
        for offset, length in zip(found.get(offsets, ()), found.get(lengths, ()), strict=False)
    )


def _boxes_are_cut(data: bytes) -> bool:
    """Say whether a HEIC or AVIF lacks its data box, or a box goes past the end."""
    at, names = 0, set()
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        names.add(data[at + 4 : at + 8])
        if size == 0:  # "to the end of the file"
            return False
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size < 8:  # damaged
            return False
        at += size
    return at != len(data) or b"mdat" not in names
