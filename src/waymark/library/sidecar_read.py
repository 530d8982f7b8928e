"""What a sidecar says: keywords, places shown and positions, in any of the forms XMP allows.

In:  a `Packet`, or an element of it.
Out: texts, `Shown` records and coordinates.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import replace

from waymark.library.sidecar_forms import (
    ALT,
    BAG,
    DESCRIPTION,
    EXIF,
    HIERARCHY,
    IPTC,
    KEYWORDS,
    LANG,
    LATITUDE,
    LI,
    LONGITUDE,
    PARSE_TYPE,
    SEQ,
    SHOWN,
    SUBJECT,
    TAGS,
    WAYMARK,
)
from waymark.library.sidecar_mark import Estimate, Mark, Shown, degrees_of
from waymark.library.sidecar_parse import RDF, Element, Packet
from waymark.library.sidecar_text import EMPTY, decode_sidecar

CONTAINERS = (BAG, SEQ, ALT)
_VALUE = f"{{{RDF}}}value"
_CREATED = f"{{{IPTC}}}LocationCreated"
_NEAR = 2e-6  # degrees, some 20 cm: what another program's rounding may move


def own_text(element: Element) -> str:
    """Return an element's text, without that of comments in it, and without space around."""
    parts = [element.text or "", *(child.tail or "" for child in element)]
    return "".join(parts).strip()


def is_simple(element: Element) -> bool:
    """Say whether an element is a bare text: no elements in it, no attributes."""
    return not element.attrib and not any(True for _ in element.iterchildren("*"))


def container_of(element: Element) -> Element | None:
    """Return the Bag, Seq or Alt that is a property's value, or None."""
    inside = list(element.iterchildren("*"))
    return inside[0] if len(inside) == 1 and inside[0].tag in CONTAINERS else None


def items(packet: Packet, name: str) -> Iterator[Element]:
    """Yield the items of every list that is the value of a property."""
    for element in packet.elements(name):
        container = container_of(element)
        if container is not None:
            yield from container.iterchildren("*")


def texts(packet: Packet, name: str) -> list[str]:
    """Return every value of a property, be it a list, one text, or an attribute."""
    found = [value.strip() for _, value in packet.attributes(name)]
    for element in packet.elements(name):
        container = container_of(element)
        found += map(_item_text, [element] if container is None else container.iterchildren("*"))
    return [text for text in found if text]


def _item_text(item: Element) -> str:
    """Return the text of an item, also where it has qualifiers and the text is rdf:value."""
    for holder in (item, *item.iterchildren(DESCRIPTION)):
        if _VALUE in holder.attrib:
            return str(holder.get(_VALUE)).strip()
        for value in holder.iterchildren(_VALUE):
            return own_text(value)
    return own_text(item)


def folded(text: str) -> str:
    """Return a keyword so that two spellings of it that users take for one are equal."""
    return unicodedata.normalize("NFC", text).casefold().strip()


def shown_of(item: Element) -> Shown | None:
    """Read one place of LocationShown; None where it has parts that waymark does not write."""
    if any(key != PARSE_TYPE for key in item.attrib if key.startswith(f"{{{RDF}}}")):
        return None
    holders = [item]
    inside = list(item.iterchildren("*"))
    if len(inside) == 1 and inside[0].tag == DESCRIPTION:
        holders, inside = [inside[0], item], list(inside[0].iterchildren("*"))
    simple = {
        key: value.strip()
        for holder in holders
        for key, value in holder.attrib.items()
        if not key.startswith(f"{{{RDF}}}")
    }
    names: tuple[tuple[str, str], ...] = ()
    for child in inside:
        container = container_of(child)
        if child.tag == f"{{{IPTC}}}LocationName" and container is not None:
            names = tuple(
                (one.get(LANG, "x-default"), own_text(one)) for one in container.iterchildren(LI)
            )
        elif child.tag == f"{{{IPTC}}}LocationId" and container is not None:
            values = [own_text(one) for one in container.iterchildren(LI)]
            if len(values) != 1:
                return None
            simple[child.tag] = values[0]
        elif is_simple(child):
            simple[child.tag] = own_text(child)
        else:
            return None
    if f"{{{IPTC}}}LocationName" in simple:
        names = (("x-default", simple.pop(f"{{{IPTC}}}LocationName")),)
    found = Shown(
        names=names,
        city=simple.pop(f"{{{IPTC}}}City", None),
        country_code=simple.pop(f"{{{IPTC}}}CountryCode", None),
        country=simple.pop(f"{{{IPTC}}}CountryName", None),
        lat=simple.pop(LATITUDE, None),
        lon=simple.pop(LONGITUDE, None),
        identifier=simple.pop(f"{{{IPTC}}}LocationId", None),
    )
    return None if simple else found


def same_place(one: Shown, two: Shown) -> bool:
    """Say whether two entries say the same; coordinates may be written differently."""
    return (
        _plain(one) == _plain(two)
        and same_degrees(one.lat, two.lat)
        and same_degrees(one.lon, two.lon)
    )


def _plain(shown: Shown) -> tuple[object, ...]:
    names = frozenset((lang.lower(), text) for lang, text in shown.names)
    return names, shown.city, shown.country_code, shown.country, shown.identifier


def same_degrees(one: str | None, two: str | None) -> bool:
    """Say whether two coordinates are the same but for rounding, or both missing."""
    if one is None or two is None or one == two:
        return one == two
    first, second = degrees_of(one), degrees_of(two)
    return first is not None and second is not None and abs(first - second) < _NEAR


def is_estimate(packet: Packet, estimate: Estimate) -> bool:
    """Say whether the position in the sidecar is the very estimate."""
    lat, lon = texts(packet, LATITUDE), texts(packet, LONGITUDE)
    return (
        len(lat) == len(lon) == 1
        and same_degrees(lat[0], estimate.lat)
        and same_degrees(lon[0], estimate.lon)
    )


def names_place(packet: Packet, shown: Shown) -> bool:
    """Say whether LocationShown has the place already: its Wikidata item, or its name."""
    wanted = {folded(text) for _, text in shown.names}
    for item in items(packet, SHOWN):
        said = {folded(text) for text in item.itertext()} | {
            folded(value) for one in item.iter("*") for value in one.attrib.values()
        }
        if shown.identifier and folded(shown.identifier) in said:
            return True
        if wanted & said:
            return True
    return False


def has_position(packet: Packet) -> bool:
    """Say whether the sidecar knows where the photo was taken, in any form."""
    if packet.has(LATITUDE) or packet.has(LONGITUDE):
        return True
    return any(
        name in (LATITUDE, LONGITUDE) or f"{{{EXIF}}}GPS" in name
        for element in packet.elements(_CREATED)
        for one in element.iter("*")
        for name in (one.tag, *one.attrib)
    )


def theirs(packet: Packet) -> list[str]:
    """Return the owner's keywords as paths with slashes, of the list that programs read first.

    Programs stop at the first list that has anything: TagsList, hierarchicalSubject,
    LastKeywordXMP, subject. A slash in a name is a bar in TagsList.

    Source: digiKam, `DMetadata::getItemTagsPath`; Immich, its metadata service.
    """
    if found := texts(packet, TAGS):
        return found
    if found := texts(packet, HIERARCHY):
        return ["/".join(_level(part) for part in text.split("|")) for text in found]
    return texts(packet, KEYWORDS) or [_level(text) for text in texts(packet, SUBJECT)]


def _level(text: str) -> str:
    return text.strip().replace("/", "|")


def facts_of(packet: Packet) -> dict[str, str]:
    """Return the properties in waymark's own namespace, by their local name."""
    found = {}
    for top in packet.descriptions:
        pairs = [*top.attrib.items(), *((one.tag, own_text(one)) for one in top.iterchildren("*"))]
        for name, value in pairs:
            if name.startswith(f"{{{WAYMARK}}}"):
                found[name.rpartition("}")[2]] = value.strip()
    return found


def spared(data: bytes | None, said: Mark, wanted: Mark) -> Mark:
    """Return what is still wanted of a mark: not what somebody took out since it was said.

    Args:
        data: the sidecar now; None where there is none.
        said: what the last write wanted it to say.
        wanted: what it is to say now.

    Returns:
        The rest, which remembers as `refused` what was taken out, then and earlier.

    Raises:
        SidecarError: the sidecar cannot be read.
    """
    packet = Packet(decode_sidecar(EMPTY if data is None else data).text)
    lists = {}
    refused = dict.fromkeys(said.refused)
    for name, field in ((SUBJECT, "subject"), (TAGS, "tags"), (HIERARCHY, "hierarchy")):
        there = {folded(text) for text in texts(packet, name)}
        refused |= dict.fromkeys(v for v in getattr(said, field) if folded(v) not in there)
        unwanted = {folded(value) for value in refused} - there
        lists[field] = tuple(v for v in getattr(wanted, field) if folded(v) not in unwanted)
    shown, estimate = wanted.shown, wanted.estimate
    if shown and shown == said.shown and not names_place(packet, shown):
        shown = None
    if estimate and estimate == said.estimate and not has_position(packet):
        estimate = None
    return replace(wanted, shown=shown, estimate=estimate, refused=tuple(refused), **lists)
