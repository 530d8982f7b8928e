"""An XMP sidecar: add what waymark says of a photo to it, and take just that out again.

In:  the bytes of a sidecar, by whatever program, and a `Mark`.
Out: the changed bytes, and the part of the mark that was not there before.

Only text is put in; no other byte changes, but for the two forms that have to be opened to
hold more: a keyword list that is a single text or an attribute becomes a list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from waymark.errors import SidecarError
from waymark.library.sidecar_edit import Edits, bag_of, described
from waymark.library.sidecar_forms import (
    ABOUT,
    BAG,
    HIERARCHY,
    LATITUDE,
    LI,
    LONGITUDE,
    METHOD,
    RADIUS,
    SEQ,
    SHOWN,
    SUBJECT,
    TAGS,
    WAYMARK,
    Node,
    entry,
    listed,
    positioned,
)
from waymark.library.sidecar_mark import Estimate, Mark, Shown
from waymark.library.sidecar_parse import RDF, Element, Packet
from waymark.library.sidecar_read import (
    container_of,
    folded,
    has_position,
    is_estimate,
    is_simple,
    items,
    names_place,
    own_text,
    same_place,
    shown_of,
    texts,
    theirs,
)
from waymark.library.sidecar_text import EMPTY, MAX_BYTES, decode_sidecar

# name of the list, the form of a new one, and where a mark keeps its values
_LISTS = ((SUBJECT, BAG, "subject"), (TAGS, SEQ, "tags"), (HIERARCHY, BAG, "hierarchy"))


class Additions(Edits):
    """Changes of a sidecar that gets more to say.

    Attributes:
        block: properties that it does not have yet.
        hollow: lists that it has, with nothing in them.
        bare: properties that it has, with not even a list in them.
    """

    def __init__(self, packet: Packet, *, narrow: bool) -> None:
        super().__init__(packet, narrow=narrow)
        self.block: list[Node] = []
        self.hollow: list[str] = []
        self.bare: list[str] = []


@dataclass(frozen=True, kw_only=True)
class Merged:
    """A sidecar with a mark in it.

    Attributes:
        data: its bytes; those that went in where nothing had to be added.
        added: the part of the mark that was not there before.
        notes: what could not be added, and why.
    """

    data: bytes
    added: Mark
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Cleared:
    """A sidecar without what had been added to it.

    Attributes:
        data: its bytes.
        empty: nothing of anybody is left in it.
        notes: what of the mark stays, as somebody changed it since.
    """

    data: bytes
    empty: bool = False
    notes: tuple[str, ...] = ()


def merge(data: bytes | None, mark: Mark) -> Merged:
    """Add a mark to a sidecar; what is there already is not added again.

    Args:
        data: the sidecar's bytes; None begins a new one.
        mark: what to say.

    Raises:
        SidecarError: the sidecar cannot be read, is of a form that waymark cannot extend, or would
            be too large to be read again.
    """
    source = decode_sidecar(EMPTY if data is None else data)
    packet = Packet(source.text)
    edits, notes = Additions(packet, narrow=source.is_narrow), list[str]()
    new: dict[str, tuple[str, ...]] = {}
    for name, kind, field in _LISTS:
        there = {folded(text) for text in texts(packet, name)}
        values = [value for value in getattr(mark, field) if folded(value) not in there]
        if not values:
            continue
        if not packet.has(name):
            if field == "tags":
                new["mirrored"] = _mirrored(packet, mark)
            hidden = new.get("mirrored", ()) if field == "tags" else ()
            edits.block.append(listed(name, kind, [*hidden, *values]))
        elif not _extend(edits, name, kind, values):
            notes.append(f"{_short(name)} has a form that cannot be extended; it stays as it is")
            continue
        new[field] = tuple(values)
    shown = mark.shown if mark.shown and not names_place(packet, mark.shown) else None
    if shown and not _show(edits, shown):
        notes.append("LocationShown has a form that cannot be extended; it stays as it is")
        shown = None
    facts = _state(edits, mark.facts)
    estimate = mark.estimate
    if estimate and (has_position(packet) or packet.has(METHOD) or packet.has(RADIUS)):
        if not is_estimate(packet, estimate):
            notes.append("has a position already, which stays")
        estimate = None
    edits.block += positioned(estimate) if estimate else ()
    if edits.block:
        _append(edits, edits.block)
    added = Mark(
        shown=shown,
        estimate=estimate,
        facts=facts,
        hollow=tuple(edits.hollow),
        bare=tuple(edits.bare),
        **new,
    )
    if not edits:
        return Merged(data=EMPTY if data is None else data, added=added, notes=tuple(notes))
    edits.tidy(hollow=(), bare=())
    text = edits.text()
    Packet(text)  # what is written can be read
    written = source.encode(text)
    if len(written) > MAX_BYTES:
        raise SidecarError(f"would grow over {MAX_BYTES:,} bytes, more than is read; it stays")
    return Merged(data=written, added=added, notes=tuple(notes))


def take_back(data: bytes, added: Mark) -> Cleared:
    """Take out of a sidecar what a merge added, and nothing else.

    Keywords and values that somebody changed since are no longer waymark's, and stay.

    Args:
        data: the sidecar as it is now.
        added: what `merge` said that it added.

    Raises:
        SidecarError: the sidecar cannot be read.
    """
    source = decode_sidecar(data)
    packet = Packet(source.text)
    edits, notes = Edits(packet), list[str]()
    for name, _, field in _LISTS:
        _drop_values(edits, name, getattr(added, field))
    if not set(texts(packet, TAGS)) - {*added.tags, *added.mirrored}:
        # beside a tag of somebody's, these would be hidden again
        _drop_values(edits, TAGS, added.mirrored)
    if added.shown and not _drop_shown(edits, added.shown) and names_place(packet, added.shown):
        notes.append("the place shown was changed since, and stays")
    for fact, value in added.facts:
        name = f"{{{WAYMARK}}}{fact}"
        if not _drop_simple(edits, name, value) and packet.has(name):
            notes.append(f"waymark:{fact} was changed since, and stays")
    if added.estimate and not _drop_estimate(edits, added.estimate):
        notes.append("the position was changed since, and stays")
    if not edits:
        return Cleared(data=data, notes=tuple(notes))
    edits.tidy(hollow=added.hollow, bare=added.bare)
    text = edits.text()
    return Cleared(data=source.encode(text), empty=_is_empty(Packet(text)), notes=tuple(notes))


def _is_empty(packet: Packet) -> bool:
    """Say whether a sidecar holds nothing of anybody's: no property, remark or instruction."""
    root, rdf = packet.root, packet.rdf
    inside = [one for one in root.iter() if one is not root and one is not rdf]
    beside = [*root.itersiblings(preceding=True), *root.itersiblings()]
    return not inside and all(getattr(one, "target", "") == "xpacket" for one in beside)


def _mirrored(packet: Packet, mark: Mark) -> tuple[str, ...]:
    """Return the owner's tags that a new TagsList would hide, as it goes before other lists."""
    ours = {folded(tag) for tag in (*mark.tags, *mark.refused)}
    found = (*mark.mirrored, *theirs(packet))
    unique = {folded(tag): tag for tag in found if tag.strip("/ ")}
    return tuple(tag for key, tag in unique.items() if key not in ours)


def _append(edits: Edits, block: Sequence[Node]) -> None:
    """Put properties into a description of their own, after all others."""
    packet = edits.packet
    first = next(iter(packet.descriptions), None)
    about = "" if first is None else first.get(ABOUT, first.get("about", ""))
    whole = described(about, block)
    if packet.rdf is None:
        edits.put(packet.root, [Node(f"{{{RDF}}}RDF", children=(whole,))])
    else:
        edits.put(packet.rdf, [whole])


def _extend(edits: Additions, name: str, kind: str, values: Sequence[str]) -> bool:
    """Add values to a list that is there in some form; False where the form forbids it."""
    packet = edits.packet
    found = packet.elements(name)
    for element in found:
        container = container_of(element)
        if container is not None:
            if not any(True for _ in container.iterchildren("*")):
                edits.hollow.append(name)
            edits.put(container, [Node(LI, value) for value in values])
            return True
    if found:
        if not is_simple(found[0]):
            return False
        _open(edits, found[0], kind, values)
        return True
    top, value = packet.attributes(name)[0]
    if len(packet.attributes(name)) > 1:
        return False
    edits.drop_attribute(top, name)
    edits.block.append(listed(name, kind, [value, *values] if value.strip() else values))
    return True


def _open(edits: Additions, element: Element, kind: str, values: Sequence[str]) -> None:
    """Make a list of a property that is a single text."""
    span = edits.packet.spans[element]
    if span.empty or not own_text(element):
        edits.bare.append(element.tag)
        edits.put(element, [Node(kind, children=tuple(Node(LI, value) for value in values))])
        return
    prefix = bag_of(element)
    if not prefix:
        raise SidecarError("has RDF without a prefix and a keyword list that is none; mend it.")
    bag, item = f"{prefix}:{kind.rpartition('}')[2]}", f"{prefix}:li"
    more = "".join(f"<{item}>{escape(value)}</{item}>" for value in values)
    edits.replace(span.opened, span.opened, f"<{bag}><{item}>")
    edits.replace(span.closing, span.closing, f"</{item}>{more}</{bag}>")


def _show(edits: Additions, shown: Shown) -> bool:
    """Add a place to LocationShown; False where its form forbids it."""
    packet = edits.packet
    if not packet.has(SHOWN):
        edits.block.append(Node(SHOWN, children=(Node(BAG, children=(entry(shown),)),)))
        return True
    for element in packet.elements(SHOWN):
        container = container_of(element)
        if container is not None:
            if not any(True for _ in container.iterchildren("*")):
                edits.hollow.append(SHOWN)
            edits.put(container, [entry(shown)])
            return True
    return False


def _state(edits: Additions, facts: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Write waymark's own properties, in place of what it wrote there before."""
    packet = edits.packet
    new = []
    for fact, value in facts:
        name = f"{{{WAYMARK}}}{fact}"
        if texts(packet, name) == [value]:
            continue
        for element in packet.elements(name):
            edits.drop(element)
        for top, _ in packet.attributes(name):
            edits.drop_attribute(top, name)
        edits.block.append(Node(name, value))
        new.append((fact, value))
    return tuple(new)


def _drop_values(edits: Edits, name: str, values: Sequence[str]) -> None:
    """Take keywords out of a list, each the last of its spelling; or the attribute it became."""
    there = {own_text(one): one for one in items(edits.packet, name) if is_simple(one)}
    for value in values:
        if value in there:
            edits.drop(there[value])
    _drop_simple(edits, name, *(value for value in values if value not in there))


def _drop_simple(edits: Edits, name: str, *values: str) -> bool:
    """Take out a property that is one of some texts, in either form; say whether it was there."""
    packet, wanted = edits.packet, frozenset(values)
    found = [one for one in packet.elements(name) if is_simple(one) and own_text(one) in wanted]
    bare = [top for top, text in packet.attributes(name) if text.strip() in wanted]
    for element in found:
        edits.drop(element)
    for top in bare:
        edits.drop_attribute(top, name)
    return bool(found or bare)


def _drop_shown(edits: Edits, shown: Shown) -> bool:
    """Take a place out of LocationShown, if it is as it was written."""
    for item in items(edits.packet, SHOWN):
        said = shown_of(item)
        if said is not None and same_place(said, shown):
            edits.drop(item)
            return True
    return False


def _drop_estimate(edits: Edits, estimate: Estimate) -> bool:
    """Take an estimated position out; of one that was changed since, only waymark's remark."""
    packet = edits.packet
    same = is_estimate(packet, estimate)
    moved = not same and packet.has(LATITUDE)
    if same:
        for name in (LATITUDE, LONGITUDE):
            for value in texts(packet, name):
                _drop_simple(edits, name, value)
    if estimate.radius:
        _drop_simple(edits, RADIUS, estimate.radius)
    if estimate.method:
        _drop_simple(edits, METHOD, estimate.method)
    return not moved


def _short(name: str) -> str:
    return name.rpartition("}")[2]
