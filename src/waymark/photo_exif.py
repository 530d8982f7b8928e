"""Read the few EXIF facts that waymark uses, from bytes that nobody has checked.

In:  an EXIF block (with or without its `Exif` mark) or a whole TIFF file.
Out: orientation, capture time, place; None for whatever is missing or makes no sense.

A parser of our own, as Pillow's warns (to the whole process) about every small fault in
the EXIF of a fine photo. Never raises. No dependency.

Source: CIPA DC-008 (EXIF 2.32), sections 4.6.2 to 4.6.6.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

_ORIENTATION, _EXIF_IFD, _GPS_IFD = 0x0112, 0x8769, 0x8825
_TIME_ORIGINAL, _OFFSET_ORIGINAL = 0x9003, 0x9011
_LAT_REF, _LAT, _LON_REF, _LON = 1, 2, 3, 4

# EXIF type -> struct code of one value and its size in bytes; the rest is not needed here.
_TYPES = {
    1: ("B", 1),
    2: ("s", 1),
    3: ("H", 2),
    4: ("L", 4),
    5: ("LL", 8),
    10: ("ll", 8),
    13: ("L", 4),  # a pointer to a directory
}
_MAX_VALUES = 256  # the longest value used here is a time of 20 characters
_TIME = re.compile(r"(\d{4})[:\-/.](\d\d)[:\-/.](\d\d)[ T](\d\d):(\d\d):(\d\d)")
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)")

_Value = str | list[float]


@dataclass(frozen=True, kw_only=True, slots=True)
class ExifFacts:
    """What a photo's EXIF says.

    Attributes:
        orientation: 1 (upright) to 8, as EXIF numbers them.
        taken: when the picture was taken; aware if the camera wrote its offset from UTC.
        gps: latitude -90..90 and longitude -180..180, in degrees.
    """

    orientation: int = 1
    taken: datetime | None = None
    gps: tuple[float, float] | None = None


def read_exif(block: bytes) -> ExifFacts:
    """Read orientation, time and place; whatever is missing or broken stays at its default.

    A place of exactly 0, 0 is what cameras write before they know it: it counts as none.
    """
    for _ in range(2):  # some writers mark it twice
        block = block.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None or len(block) < 8:
        return ExifFacts()
    main = _read_directory(block, order, struct.unpack_from(order + "L", block, 4)[0])
    exif = _read_directory(block, order, _number(main, _EXIF_IFD))
    gps = _read_directory(block, order, _number(main, _GPS_IFD))
    orientation = _number(main, _ORIENTATION)
    return ExifFacts(
        orientation=orientation if 1 <= orientation <= 8 else 1,
        taken=_time(exif.get(_TIME_ORIGINAL), exif.get(_OFFSET_ORIGINAL)),
        gps=_place(gps),
    )


def _read_directory(block: bytes, order: str, at: int) -> dict[int, _Value]:
    """Read the values of one directory (IFD) that lie inside the block."""
    if not 8 <= at <= len(block) - 2:
        return {}
    values: dict[int, _Value] = {}
    (entries,) = struct.unpack_from(order + "H", block, at)
    for entry in range(at + 2, min(at + 2 + 12 * entries, len(block) - 11), 12):
        tag, kind, count = struct.unpack_from(order + "HHL", block, entry)
        if kind not in _TYPES or not 0 < count <= _MAX_VALUES:
            continue
        code, size = _TYPES[kind]
        start = entry + 8
        if count * size > 4:
            (start,) = struct.unpack_from(order + "L", block, start)
        if start + count * size > len(block):
            continue
        if code == "s":
            values[tag] = block[start : start + count].split(b"\0")[0].decode("latin-1").strip()
            continue
        numbers = struct.unpack_from(order + code * count, block, start)
        if len(code) == 2:
            pairs = zip(numbers[::2], numbers[1::2], strict=True)
            values[tag] = [top / bottom if bottom else float("nan") for top, bottom in pairs]
        else:
            values[tag] = list(numbers)
    return values


def _number(values: Mapping[int, _Value], tag: int) -> int:
    """Return the first number of a tag, 0 where there is no whole one."""
    value = values.get(tag)
    first = value[0] if isinstance(value, list) else 0
    return first if isinstance(first, int) else 0


def _time(text: _Value | None, offset: _Value | None) -> datetime | None:
    """Read `2024:05:17 18:30:00` with the offset `+02:00`, where there is one."""
    match = _TIME.match(text) if isinstance(text, str) else None
    if match is None:
        return None
    try:
        taken = datetime(*map(int, match.groups()))  # type: ignore[arg-type]  # six numbers
    except ValueError:  # 0000:00:00 00:00:00, and worse
        return None
    zone = _OFFSET.match(offset) if isinstance(offset, str) else None
    if zone is not None:
        shift = timedelta(hours=int(zone[2]), minutes=int(zone[3]))
        with suppress(ValueError):  # an offset of a day or more
            return taken.replace(tzinfo=timezone(-shift if zone[1] == "-" else shift))
    elif offset == "Z":
        return taken.replace(tzinfo=UTC)
    return taken


def _place(gps: Mapping[int, _Value]) -> tuple[float, float] | None:
    """Turn degrees, minutes, seconds and their hemispheres into signed degrees."""
    lat = _degrees(gps.get(_LAT), gps.get(_LAT_REF), "NS", 90)
    lon = _degrees(gps.get(_LON), gps.get(_LON_REF), "EW", 180)
    if lat is None or lon is None or (lat == 0 and lon == 0):
        return None
    return lat, lon


def _degrees(
    value: _Value | None, hemisphere: _Value | None, letters: str, most: float
) -> float | None:
    """Return signed degrees; None unless every part is in its range (NaN never is)."""
    letter = hemisphere[:1].upper() if isinstance(hemisphere, str) else ""
    if not isinstance(value, list) or len(value) > 3 or letter not in tuple(letters):
        return None
    degrees, minutes, seconds = [*value, 0.0, 0.0][:3]
    if not (0 <= degrees <= most and 0 <= minutes < 60 and 0 <= seconds <= 60):
        return None
    total = degrees + minutes / 60 + seconds / 3600
    if total > most:
        return None
    return -total if letter == letters[1] else total
