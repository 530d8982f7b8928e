"""Changes of a sidecar's text: put elements in, take elements out, leave all else alone.

In:  a `Packet`, and the elements to write or to remove.
Out: the changed text.

What is put in stands on lines of its own, laid out as its neighbours are, and is taken out
with the white space before it: out again after in gives the text of before.
"""

from __future__ import annotations

from collections.abc import Sequence

from waymark.library.sidecar_forms import (
    ABOUT,
    DESCRIPTION,
    PREFIXES,
    Layout,
    Node,
    declaring,
    uris,
)
from waymark.library.sidecar_parse import RDF, Element, Packet
from waymark.library.sidecar_read import container_of


class Edits:
    """Changes that are collected, and then made all at once.

    Attributes:
        packet: what is changed.
        narrow: put letters in as `&#252;`: for encodings that not every program knows.
    """

    def __init__(self, packet: Packet, *, narrow: bool = False) -> None:
        self.packet, self.narrow = packet, narrow
        self._changes: list[tuple[int, int, str]] = []
        self._gone: list[Element] = []
        self._bare: set[tuple[Element, str]] = set()  # attributes that go
        self._newline = next((end for end in ("\r\n", "\n") if end in packet.text), "")

    def __bool__(self) -> bool:
        """Whether there is anything to change."""
        return bool(self._changes or self._gone or self._bare)

    def put(self, parent: Element, nodes: Sequence[Node]) -> None:
        """Write nodes as the last children of an element."""
        packet, span = self.packet, self.packet.spans[parent]
        layout, before = self._layout(parent)
        indent = before.rpartition("\n")[2]
        text = "".join(before + self.render(parent, node, layout, indent) for node in nodes)
        children = list(parent.iterchildren("*"))
        if span.empty:
            slash = packet.text.rindex("/", span.start, span.end)
            self._changes.append((slash, span.end, f">{text}</{span.name}>"))
        else:
            at = packet.spans[children[-1]].end if children else span.opened
            self._changes.append((at, at, text))

    def replace(self, start: int, end: int, text: str) -> None:
        """Put text where other text was."""
        self._changes.append((start, end, text))

    def drop(self, element: Element) -> None:
        """Take an element out."""
        self._gone.append(element)

    def drop_attribute(self, element: Element, name: str) -> None:
        """Take an attribute out."""
        self._bare.add((element, name))

    def tidy(self, *, hollow: Sequence[str], bare: Sequence[str]) -> None:
        """Take out the lists and the descriptions that the removals leave empty.

        Args:
            hollow: properties whose lists stay, empty.
            bare: properties that stay, without their lists.
        """
        gone = set(self._gone)
        changed = {element for element, _ in self._bare}
        for top in self.packet.descriptions:
            touched = top in changed
            for child in top.iterchildren("*"):
                container = container_of(child)
                inside = [] if container is None else list(container.iterchildren("*"))
                emptied = any(one in gone for one in inside) and self._hollow(container, gone)
                if emptied and child not in gone and child.tag not in hollow:
                    empty = container if child.tag in bare else child
                    gone.add(empty)
                    self._gone.append(empty)
                touched = touched or child in gone
            left = [
                name
                for name in top.attrib
                if name not in (ABOUT, "about") and (top, name) not in self._bare
            ]
            if touched and not left and self._hollow(top, gone):
                gone.add(top)
                self._gone.append(top)

    def text(self) -> str:
        """Return the changed text."""
        packet = self.packet
        changes = list(self._changes)
        gone = set(self._gone)
        for element in gone:
            if not any(parent in gone for parent in element.iterancestors()):
                span = packet.spans[element]
                changes.append((packet.gap(span.start), span.end, ""))
        for element, name in self._bare:
            if element not in gone:
                changes.append((*packet.attribute_span(element, name), ""))
        text = packet.text
        if self.narrow:
            changes = [
                (start, end, new.encode("ascii", "xmlcharrefreplace").decode())
                for start, end, new in changes
            ]
        parts, at = list[str](), 0
        for start, end, new in sorted(changes, key=lambda change: change[:2]):
            parts += (text[at:start], new)
            at = end
        return "".join((*parts, text[at:]))

    def render(self, parent: Element, node: Node, layout: Layout, indent: str) -> str:
        """Write a node, with the namespaces declared that its parent does not know."""
        scope: dict[str, str] = {}
        declared: dict[str, str] = {}
        for uri in uris(node):
            known = [p for p, bound in parent.nsmap.items() if p is not None and bound == uri]
            scope[uri] = known[0] if known else self._prefix(uri)
            if not known:
                declared[uri] = scope[uri]
        return layout.lines(declaring(node, declared), scope, indent)

    def _prefix(self, uri: str) -> str:
        """Return a prefix that stands for nothing else anywhere in the sidecar."""
        wanted, number = PREFIXES[uri], 0
        while self.packet.bound.get(wanted, {uri}) != {uri}:
            number += 1
            wanted = f"{PREFIXES[uri]}{number}"
        return wanted

    def _hollow(self, element: Element, gone: set[Element]) -> bool:
        """Say whether nothing is left in an element: no element, text, comment."""
        packet, span = self.packet, self.packet.spans[element]
        at, left = span.opened, ""
        for child in element.iterchildren("*"):
            if child not in gone:
                return False
            left += packet.text[at : packet.spans[child].start]
            at = packet.spans[child].end
        return not (left + packet.text[at : span.closing]).strip()

    def _layout(self, parent: Element) -> tuple[Layout, str]:
        """Return the layout inside an element, and the space before a child."""
        packet = self.packet
        outer = self._indent(parent)
        children = list(parent.iterchildren("*"))
        if children:
            start = packet.spans[children[-1]].start
            before = packet.text[packet.gap(start) : start]
            if "\n" not in before:
                return Layout(newline="", unit=""), before
            inner = before.rpartition("\n")[2]
            unit = inner.removeprefix(outer) if inner.startswith(outer) else " "
            # one line end, however many the neighbour has before it
            return Layout(newline=self._newline, unit=unit or " "), self._newline + inner
        if not self._newline:
            return Layout(newline="", unit=""), ""
        unit = "\t" if outer.startswith("\t") else " "
        return Layout(newline=self._newline, unit=unit), self._newline + outer + unit

    def _indent(self, element: Element) -> str:
        """Return the white space that the element's line begins with."""
        start = self.packet.spans[element].start
        line = self.packet.text[:start].rpartition("\n")[2]
        return line[: len(line) - len(line.lstrip(" \t"))]


def described(about: str, nodes: Sequence[Node]) -> Node:
    """Return a description of its own for new properties."""
    return Node(DESCRIPTION, children=tuple(nodes), attributes=((ABOUT, about),))


def bag_of(parent: Element) -> str:
    """Return how an element's document writes rdf:Bag and rdf:li: the prefix of RDF."""
    known = [prefix for prefix, uri in parent.nsmap.items() if prefix and uri == RDF]
    return known[0] if known else ""
