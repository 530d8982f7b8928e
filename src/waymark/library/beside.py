"""The place that a photo's sidecar or Takeout file states, read and never written.

In:  paths of XMP files and of a Takeout JSON.
Out: a position, who says so, and a capture time.

A position that waymark itself wrote is an estimate, and is not taken for the camera's.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from waymark.library.near import Point
from waymark.library.takeout import MAX_BYTES, Facts, belongs, read_takeout

_MAX_XMP = 16 * 2**20  # bytes; programs that keep every edit write megabytes
_EXIF = "{http://ns.adobe.com/exif/1.0/}"
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_OURS = "waymark"  # stands in exif:GPSProcessingMethod of our estimates
# 48,51.5N  48,51,30N  or, as some write it, 48.858N
_COORDINATE = re.compile(
    r"\s*(\d{1,3}(?:\.\d{1,12})?)(?:,(\d{1,2}(?:\.\d{1,12})?))?(?:,(\d{1,2}(?:\.\d{1,12})?))?"
    r"\s*([NSEW])\s*",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Beside:
    """What lies beside a photo says.

    Attributes:
        gps: degrees north and east.
        gps_from: which of the two said it.
        taken: capture time in UTC, by Takeout.
    """

    gps: Point | None = None
    gps_from: Literal["sidecar", "takeout"] | None = None
    taken: datetime | None = None


def read_beside(photo: bytes, sidecars: Sequence[bytes], takeout: Sequence[bytes]) -> Beside:
    """Read the files beside a photo; what cannot be read says nothing.

    Args:
        photo: its path.
        sidecars: those of XMP.
        takeout: files of Google Takeout that may be its own; the first that is counts.
    """
    facts = next(_own(photo, takeout), Facts())
    for sidecar in sidecars:
        gps = sidecar_place(_bytes(sidecar, _MAX_XMP))
        if gps is not None:
            return Beside(gps=gps, gps_from="sidecar", taken=facts.taken)
    if facts.gps is not None:
        return Beside(gps=facts.gps, gps_from="takeout", taken=facts.taken)
    return Beside(taken=facts.taken)


def _own(photo: bytes, takeout: Sequence[bytes]) -> Iterator[Facts]:
    """Yield what the files say that are the photo's own."""
    for file in takeout:
        facts = read_takeout(_bytes(file, MAX_BYTES))
        if belongs(_name(photo), _name(file), facts.title):
            yield facts


def sidecar_place(data: bytes) -> Point | None:
    """Return the position in an XMP packet, None where there is none, or only our estimate."""
    from lxml import etree

    if not data or len(data) > _MAX_XMP:
        return None
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=False
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.LxmlError, ValueError, LookupError):
        return None
    found: dict[str, str] = {}
    for name, value in _properties(root):
        found.setdefault(name, value)
    if _OURS in found.get("GPSProcessingMethod", "").lower():
        return None
    lat = _degrees(found.get("GPSLatitude", ""), "NS", 90)
    lon = _degrees(found.get("GPSLongitude", ""), "EW", 180)
    return None if lat is None or lon is None or lat == lon == 0 else (lat, lon)


def _properties(root: Any) -> Iterator[tuple[str, str]]:
    """Yield the photo's exif properties, as attributes or elements; not those of a place shown."""
    for top in root.iter(f"{_RDF}Description"):
        if top.getparent() is None or top.getparent().tag != f"{_RDF}RDF":
            continue
        for name, value in top.attrib.items():
            if name.startswith(_EXIF):
                yield name[len(_EXIF) :], value
        for element in top.iterchildren(f"{_EXIF}*"):
            yield element.tag[len(_EXIF) :], "".join(element.itertext())


def _degrees(text: str, letters: str, most: int) -> float | None:
    match = _COORDINATE.fullmatch(text)
    if match is None or match[4].upper() not in letters:
        return None
    degrees, minutes, seconds = (float(part or 0) for part in match.groups()[:3])
    total = degrees + minutes / 60 + seconds / 3600
    if minutes >= 60 or seconds > 60 or not math.isfinite(total) or total > most:
        return None
    return -total if match[4].upper() == letters[1] else total


def _name(path: bytes) -> str:
    return os.fsdecode(os.path.basename(path))  # noqa: PTH119  # bytes


def _bytes(path: bytes, most: int) -> bytes:
    """Return a file's content; nothing where it is too large or cannot be read."""
    file = Path(os.fsdecode(path))
    try:
        if not file.is_file() or file.stat().st_size > most:
            return b""
        return file.read_bytes()
    except OSError:
        return b""
