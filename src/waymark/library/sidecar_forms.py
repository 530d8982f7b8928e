"""The properties that waymark writes, as small trees, and those trees as XML text.

In:  a `Mark`.
Out: text to be put into a sidecar, in namespaces that it declares where the sidecar does not.

Source: IPTC Photo Metadata Standard 2023.1, LocationShown; XMP specification part 2, exif.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from waymark.library.sidecar_mark import Estimate, Shown
from waymark.library.sidecar_parse import RDF, XML

DC = "http://purl.org/dc/elements/1.1/"
DIGIKAM = "http://www.digikam.org/ns/1.0/"
LIGHTROOM = "http://ns.adobe.com/lightroom/1.0/"
IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
EXIF = "http://ns.adobe.com/exif/1.0/"
MICROSOFT = "http://ns.microsoft.com/photo/1.0/"
WAYMARK = "https://github.com/waymark/waymark/ns/1.0/"
PREFIXES = {
    RDF: "rdf", DC: "dc", DIGIKAM: "digiKam", LIGHTROOM: "lr", IPTC: "Iptc4xmpExt", EXIF: "exif",
    WAYMARK: "waymark",
}  # fmt: skip
SUBJECT, TAGS = f"{{{DC}}}subject", f"{{{DIGIKAM}}}TagsList"
HIERARCHY = f"{{{LIGHTROOM}}}hierarchicalSubject"
KEYWORDS = f"{{{MICROSOFT}}}LastKeywordXMP"
SHOWN = f"{{{IPTC}}}LocationShown"
LATITUDE, LONGITUDE = f"{{{EXIF}}}GPSLatitude", f"{{{EXIF}}}GPSLongitude"
RADIUS, METHOD = f"{{{EXIF}}}GPSHPositioningError", f"{{{EXIF}}}GPSProcessingMethod"
BAG, SEQ, ALT, LI = (f"{{{RDF}}}{local}" for local in ("Bag", "Seq", "Alt", "li"))
DESCRIPTION, ABOUT = f"{{{RDF}}}Description", f"{{{RDF}}}about"
PARSE_TYPE = f"{{{RDF}}}parseType"
LANG = f"{{{XML}}}lang"


@dataclass(frozen=True)
class Node:
    """An element to be written: names are `{uri}local`; it has text or children."""

    name: str
    text: str = ""
    children: tuple[Node, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()


def listed(name: str, kind: str, values: Sequence[str]) -> Node:
    """Return a property that is a list of texts."""
    return Node(name, children=(Node(kind, children=tuple(Node(LI, v) for v in values)),))


def entry(shown: Shown) -> Node:
    """Return one place of LocationShown."""
    names = tuple(Node(LI, text, attributes=((LANG, lang),)) for lang, text in shown.names)
    simple = {
        "City": shown.city, "CountryCode": shown.country_code, "CountryName": shown.country,
    }  # fmt: skip
    children = [
        Node(f"{{{IPTC}}}LocationName", children=(Node(ALT, children=names),)),
        *(Node(f"{{{IPTC}}}{name}", text) for name, text in simple.items() if text),
    ]
    if shown.identifier:
        children.append(listed(f"{{{IPTC}}}LocationId", BAG, [shown.identifier]))
    if shown.lat and shown.lon:
        children += [Node(LATITUDE, shown.lat), Node(LONGITUDE, shown.lon)]
    return Node(LI, children=tuple(children), attributes=((PARSE_TYPE, "Resource"),))


def positioned(estimate: Estimate) -> Iterator[Node]:
    """Yield the properties of an estimated position."""
    yield Node(LATITUDE, estimate.lat)
    yield Node(LONGITUDE, estimate.lon)
    if estimate.radius:
        yield Node(RADIUS, estimate.radius)
    if estimate.method:
        yield Node(METHOD, estimate.method)


@dataclass(frozen=True)
class Layout:
    """How a sidecar is laid out: its line ends, and the white space that a depth adds."""

    newline: str = "\n"
    unit: str = " "

    def lines(self, node: Node, scope: Mapping[str, str], indent: str) -> str:
        """Write a node, its children on lines of their own.

        Args:
            node: what to write.
            scope: namespace -> prefix, of all that the node needs and is declared around it.
            indent: white space before the node's own lines; it is not put before the first.
        """
        name = _named(node.name, scope)
        attributes = "".join(
            f' {_named(key, scope)}="{escape(value, {chr(34): "&quot;"})}"'
            for key, value in node.attributes
        )
        if not node.children:
            return f"<{name}{attributes}>{escape(node.text)}</{name}>"
        deeper = indent + self.unit if self.newline else ""
        inside = "".join(
            f"{self.newline}{deeper}{self.lines(child, scope, deeper)}" for child in node.children
        )
        return f"<{name}{attributes}>{inside}{self.newline}{indent}</{name}>"


def uris(node: Node) -> list[str]:
    """Return the namespaces that a node needs, each once, XML's own left out."""
    names = [node.name, *(key for key, _ in node.attributes)]
    found = [name[1:].partition("}")[0] for name in names if name.startswith("{")]
    found += [uri for child in node.children for uri in uris(child)]
    return [uri for uri in dict.fromkeys(found) if uri != XML]


def declaring(node: Node, declared: Mapping[str, str]) -> Node:
    """Return the node with namespaces, namespace -> prefix, declared on it."""
    extra = tuple((f"xmlns:{prefix}", uri) for uri, prefix in declared.items())
    return Node(node.name, node.text, node.children, (*node.attributes, *extra))


def _named(name: str, scope: Mapping[str, str]) -> str:
    """Write a name `{uri}local` with its prefix."""
    if not name.startswith("{"):
        return name
    uri, _, local = name[1:].partition("}")
    prefix = "xml" if uri == XML else scope[uri]
    return f"{prefix}:{local}" if prefix else local
