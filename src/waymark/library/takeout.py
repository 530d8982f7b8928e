"""Google Takeout: the JSON beside a photo, which has the place and time that the photo lost.

In:  the names in a folder; the bytes of a JSON file.
Out: which file belongs to which photo; its `Facts`, None for what is missing or makes no sense.

Takeout names the file after the photo with `.supplemental-metadata` (older ones without), cuts
what gets longer than 46 characters, puts a copy's number at the end, and gives the edited
version of a photo none of its own.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from waymark.library.near import Point

MAX_BYTES = 2**20
_WORD = ".supplemental-metadata"
_LONGEST = 46  # characters of a name before `.json`; a few more are allowed for
_NUMBERED = re.compile(r"^(.*)\((\d{1,5})\)$", re.DOTALL)
_EDITED = (
    *("-edited", "-bearbeitet", "-modifié", "-editado", "-editada", "-modificato", "-bewerkt"),
    *("-redigerad", "-edytowane", "-muokattu", "-redigeret", "-redigert", "-düzenlendi"),
    *("-upraveno", "-編集済み"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What Takeout knows of a photo.

    Attributes:
        gps: where it was taken, degrees north and east.
        taken: when, in UTC.
    """

    gps: Point | None = None
    taken: datetime | None = None


def metadata_name(photo: str, names: Collection[str]) -> str | None:
    """Return which of the JSON files of a folder belongs to a photo.

    Args:
        photo: the photo's file name.
        names: names of the folder's JSON files.
    """
    return next((name for name in _names_of(photo) if name in names), None)


def _names_of(photo: str) -> Iterator[str]:
    """Yield what the file of a photo may be called, the likeliest first."""
    stem, dot, ending = photo.rpartition(".")
    if not dot:
        stem, ending = photo, ""
    yield f"{photo}{_WORD}.json"
    yield f"{photo}.json"
    numbered = _NUMBERED.match(stem)
    number = ""
    if numbered:
        stem, number = numbered[1], f"({numbered[2]})"
    yield from _of_original(f"{stem}{dot}{ending}", number)
    for word in _EDITED:
        if stem.lower().endswith(word):
            yield from _of_original(f"{stem[: -len(word)]}{dot}{ending}", number)


def _of_original(name: str, number: str) -> Iterator[str]:
    full = name + _WORD
    for length in range(len(full), min(len(name), _LONGEST - 3) - 1, -1):
        yield f"{full[:length]}{number}.json"


def read_takeout(data: bytes) -> Facts:
    """Read place and time; whatever is missing or broken stays None."""
    if len(data) > MAX_BYTES:
        return Facts()
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        return Facts()
    if not isinstance(values, dict):
        return Facts()
    gps = _place(values.get("geoData")) or _place(values.get("geoDataExif"))
    return Facts(gps=gps, taken=_time(values.get("photoTakenTime")))


def _place(value: Any) -> Point | None:
    """Read latitude and longitude; 0, 0 is how Takeout writes that it has none."""
    if not isinstance(value, dict):
        return None
    lat, lon = value.get("latitude"), value.get("longitude")
    for degrees, most in ((lat, 90), (lon, 180)):
        if isinstance(degrees, bool) or not isinstance(degrees, int | float):
            return None
        if not (math.isfinite(degrees) and abs(degrees) <= most):
            return None
    return None if lat == 0 and lon == 0 else (float(lat), float(lon))  # type: ignore[arg-type]


def _time(value: Any) -> datetime | None:
    stamp = value.get("timestamp") if isinstance(value, dict) else None
    if not isinstance(stamp, str) or not re.fullmatch(r"-?\d{1,11}", stamp, re.ASCII):
        return None
    try:
        return datetime.fromtimestamp(int(stamp), UTC)
    except (ValueError, OverflowError, OSError):
        return None
