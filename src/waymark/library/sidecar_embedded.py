"""What a photo carries inside: tags, which a sidecar's TagsList would hide, a position, facts.

In:  a photo's file.
Out: its tags, by the first list of its XMP that has any, else its IPTC keywords; whether its
     XMP has a position; what waymark says in it.

Only the head of the file is read. Never raises: a photo that cannot be read has no tags.

Source: IPTC IIM 4.2, data set 2:25; Immich reads a photo's tags in this order.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from waymark.errors import WaymarkError
from waymark.library.sidecar_mark import clean
from waymark.library.sidecar_parse import Packet
from waymark.library.sidecar_read import facts_of, has_position, theirs
from waymark.library.sidecar_text import decode_sidecar

if TYPE_CHECKING:
    from PIL import ImageFile

T = TypeVar("T")

_MOST = 1000  # tags; more is no photo of a person


def embedded_tags(photo: Path) -> tuple[str, ...]:
    """Return a photo's own tags, levels parted by slashes."""

    def ask(image: ImageFile.ImageFile) -> list[str]:
        packet = _packet(image)
        return (theirs(packet) if packet else []) or _keywords(image)

    found = _look(photo, ask) or []
    return tuple(dict.fromkeys(text for tag in found[:_MOST] if (text := clean(tag))))


def embeds_position(photo: Path) -> bool:
    """Say whether the XMP in a photo knows where it was taken; its EXIF is `tag`'s to read."""

    def ask(image: ImageFile.ImageFile) -> bool:
        packet = _packet(image)
        return packet is not None and has_position(packet)

    return _look(photo, ask) or False


def embedded_facts(photo: Path) -> dict[str, str]:
    """Return what a photo's own XMP says in waymark's namespace, by name."""

    def ask(image: ImageFile.ImageFile) -> dict[str, str]:
        packet = _packet(image)
        return {} if packet is None else facts_of(packet)

    return _look(photo, ask) or {}


def _look(photo: Path, ask: Callable[[ImageFile.ImageFile], T]) -> T | None:
    """Ask a photo that is opened and not decoded; None where it cannot be read."""
    from PIL import Image

    with warnings.catch_warnings(), suppress(Exception):  # whatever a parser makes of a file
        warnings.simplefilter("ignore")
        with Image.open(photo) as image:
            return ask(image)
    return None


def _packet(image: ImageFile.ImageFile) -> Packet | None:
    """Return a photo's XMP packet, None where there is none that can be read."""
    xmp = image.info.get("xmp")
    if not isinstance(xmp, bytes):
        return None
    try:
        return Packet(decode_sidecar(xmp.rstrip(b"\0")).text)
    except WaymarkError:
        return None


def _keywords(image: ImageFile.ImageFile) -> list[str]:
    """Return the IPTC keywords."""
    from PIL import IptcImagePlugin

    said = IptcImagePlugin.getiptcinfo(image) or {}
    words = said.get((2, 25), [])
    rows = words if isinstance(words, list) else [words]
    utf8 = said.get((1, 90)) == b"\x1b%G"
    return [row.decode("utf-8" if utf8 else "latin-1", "replace") for row in rows]
