"""The tags that a photo carries inside, which a sidecar's TagsList would hide in some programs.

In:  a photo's file.
Out: its tags, by the first of TagsList, hierarchicalSubject and IPTC keywords that it has.

Only the head of the file is read. Never raises: a photo that cannot be read has no tags.

Source: IPTC IIM 4.2, data set 2:25; Immich reads a photo's tags in this order.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from waymark.errors import WaymarkError
from waymark.library.sidecar_forms import HIERARCHY, TAGS
from waymark.library.sidecar_mark import clean
from waymark.library.sidecar_parse import Packet
from waymark.library.sidecar_read import texts
from waymark.library.sidecar_text import decode_sidecar

if TYPE_CHECKING:
    from PIL import ImageFile

_MOST = 1000  # tags; more is no photo of a person


def embedded_tags(photo: Path) -> tuple[str, ...]:
    """Return a photo's own tags, levels parted by slashes."""
    from PIL import Image

    found: list[str] = []
    with warnings.catch_warnings(), suppress(Exception):  # whatever a parser makes of a file
        warnings.simplefilter("ignore")
        with Image.open(photo) as image:
            found = _of_packet(image.info.get("xmp")) or _keywords(image)
    return tuple(dict.fromkeys(text for tag in found[:_MOST] if (text := clean(tag))))


def _of_packet(xmp: object) -> list[str]:
    """Return the tags of an XMP packet."""
    if not isinstance(xmp, bytes):
        return []
    try:
        packet = Packet(decode_sidecar(xmp.rstrip(b"\0")).text)
    except WaymarkError:
        return []
    levels = [text.split("|") for text in texts(packet, HIERARCHY)]
    return texts(packet, TAGS) or [
        "/".join(part.strip().replace("/", "|") for part in parts) for parts in levels
    ]


def _keywords(image: ImageFile.ImageFile) -> list[str]:
    """Return the IPTC keywords."""
    from PIL import IptcImagePlugin

    said = IptcImagePlugin.getiptcinfo(image) or {}
    words = said.get((2, 25), [])
    rows = words if isinstance(words, list) else [words]
    utf8 = said.get((1, 90)) == b"\x1b%G"
    return [row.decode("utf-8" if utf8 else "latin-1", "replace") for row in rows]
