"""Google Takeout: the JSON beside a photo, which has the place and time that the photo lost.

In:  the names in a folder; the bytes of a JSON file.
Out: which file belongs to which photo; its `Facts`, None for what is missing or makes no sense.

Takeout names the file after the photo with `.supplemental-metadata` (older ones without), cuts
what gets longer than 46 UTF-16 units, puts a copy's number at the end, and gives the edited
version of a photo none of its own. Where the name was cut, or has not the photo's ending,
several photos may be meant: the title inside tells which. Large and small letters are the same
where no name is the very same, as the disks that archives are unpacked to take them for that.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from unicodedata import normalize

from waymark.library.near import Point

MAX_BYTES = 2**20
_WORD = ".supplemental-metadata"
_WORDS = [_WORD[:length] for length in range(len(_WORD), -1, -1)]
_CUT = range(43, 48)  # UTF-16 units of a name that was cut: 46, and a few are allowed for
_NUMBERED = re.compile(r"^(.*)\((\d{1,5})\)$", re.DOTALL)
_HEIC = (".heic", ".heif")  # programs that edit these keep the result as a JPEG
_EDITED = (
    *("-edited", "-bearbeitet", "-modifié", "-editado", "-editada", "-editat", "-modificato"),
    *("-bewerkt", "-redigerad", "-edytowane", "-muokattu", "-redigeret", "-redigert"),
    *("-düzenlendi", "-upraveno", "-編集済み"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What Takeout knows of a photo.

    Attributes:
        title: what the photo was called, before its name was cut.
        gps: where it was taken, degrees north and east.
        taken: when, in UTC.
    """

    title: str | None = None
    gps: Point | None = None
    taken: datetime | None = None


class MetadataNames:
    """The JSON files of a folder, to be found by the photos that they may belong to."""

    def __init__(self, names: Iterable[str], photos: Iterable[str] = ()) -> None:
        """Take down the names of a folder's JSON files, and of all that is in it."""
        plain = Counter(normalize("NFC", photo).casefold() for photo in photos)
        self._twins = {name for name, count in plain.items() if count > 1}
        # by all but the number, in small letters
        self._names: dict[str, list[tuple[str, str, str]]] = {}
        for name in sorted(names):
            base, number = _parted(name)
            self._names.setdefault(base.casefold(), []).append((base, number, name))

    def of(self, photo: str) -> tuple[str, ...]:
        """Return the files that may belong to a photo, the likeliest first; see `belongs`."""
        if not self._names:
            return ()
        name = normalize("NFC", photo)
        originals = list(_originals(name))
        # of photos that differ in large and small letters alone, each has what is just its own
        ways = (True,) if name.casefold() in self._twins else (True, False)
        for exactly in ways:
            for name, number in originals:
                for word in _WORDS:
                    sure = self._called(name + word, number, exactly=exactly)
                    if sure:
                        return (sure[0],)
        found: dict[str, None] = {}
        for exactly in ways:
            for name, number in originals:
                stem = name.rpartition(".")[0]
                for base in (stem + word for word in _WORDS if stem):
                    found |= dict.fromkeys(self._called(base, number, exactly=exactly))
                for base in _cuts(name):
                    # two that are cut to one name get a number, though the photos have none
                    found |= dict.fromkeys(self._called(base, number or None, exactly=exactly))
        return tuple(found)

    def _called(self, base: str, number: str | None, *, exactly: bool) -> list[str]:
        """Return the files of a name; where the number is None, of any number."""
        return [
            name
            for own, each, name in self._names.get(base.casefold(), ())
            if (own == base or not exactly) and (number is None or each == number)
        ]


def belongs(photo: str, file: str, title: str | None) -> bool:
    """Say whether a JSON file that `MetadataNames` has found is a photo's.

    Args:
        photo: the photo's file name.
        file: the name of the JSON file.
        title: the one inside.
    """
    base, number = _parted(file)
    base = base.casefold()
    called = None if title is None else _plain(title)
    for name, own in _originals(normalize("NFC", photo)):
        if number == own and base in ((name + word).casefold() for word in _WORDS):
            return True
        if called is None:
            continue
        stem = name.rpartition(".")[0] or name
        if called in (_plain(name), _plain(stem)):
            return True
        # of the photo's own name too, the end may be gone
        if number == own and units(name) >= _CUT[0] and called.startswith(_plain(stem)):
            return True
    return False


def units(text: str) -> int:
    """Return the length of a text as Takeout counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _originals(photo: str) -> Iterator[tuple[str, str]]:
    """Yield what a photo was called when it was taken, and which copy of that name it is."""
    yield photo, ""
    stem, dot, ending = photo.rpartition(".")
    if not dot:
        stem, ending = photo, ""
    plain, number = _unnumbered(stem)
    if number:
        yield f"{plain}{dot}{ending}", number
    for word in _EDITED:
        if plain.lower().endswith(word):
            before = plain[: -len(word)]
            inner, copy = _unnumbered(before)
            for each in (f"{dot}{ending}", *_HEIC):
                yield f"{before}{each}", number
                if copy and not number:
                    yield f"{inner}{each}", copy


def _unnumbered(stem: str) -> tuple[str, str]:
    match = _NUMBERED.match(stem)
    return (match[1], f"({match[2]})") if match else (stem, "")


def _parted(file: str) -> tuple[str, str]:
    """Return a JSON file's name without its ending, and its number apart."""
    return _unnumbered(normalize("NFC", file)[: -len(".json")])


def _cuts(name: str) -> Iterator[str]:
    """Yield what may be left of a name that is too long."""
    for length in range(len(name) - 1, 0, -1):
        left = units(name[:length])
        if left < _CUT[0]:
            return
        if left in _CUT:
            yield name[:length]


def _plain(title: str) -> str:
    """Return a title as it can be compared: a file's name has other marks, such as _ for &."""
    return re.sub(r"\W", "_", normalize("NFC", title)).casefold()


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
    title = values.get("title")
    return Facts(
        title=title if isinstance(title, str) else None,
        gps=gps,
        taken=_time(values.get("photoTakenTime")),
    )


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
