"""A sidecar's XML, with the place of every element in its text.

In:  the text of an XMP file, written by any program.
Out: `Packet`: lxml's elements, where each lies in the text, and the properties of the photo.

lxml says what the XML means (without DTD, entities or network); a scan of our own says where
it stands. Both must see the same elements in the same order, else the sidecar is refused. Text
comes from anybody: each step takes time in proportion to its size, whatever is in it.

Source: Adobe, XMP specification part 1 (ISO 16684-1), chapter 7: serialisation in RDF.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from waymark.errors import SidecarError

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XMPMETA = "adobe:ns:meta/"
XML = "http://www.w3.org/XML/1998/namespace"

_MARKUP = re.compile(
    r"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>"
    r"""|<(?P<close>/?)(?P<name>[^\s/>!?]++)(?P<rest>(?:[^>"']++|"[^"]*+"|'[^']*+')*+)>"""
    r"|(?P<dtd><!DOCTYPE)|(?P<broken><)",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(r"""\s++([^\s=]++)\s*+=\s*+(?:"[^"]*+"|'[^']*+')""")
_PREFIX = re.compile(r"""\sxmlns:([^\s=]++)\s*+=\s*+(?:"([^"]*+)"|'([^']*+)')""")
_DECLARATION = re.compile(r"<\?xml\s.*?\?>", re.DOTALL)

_HAS_DTD = "has a DTD, which no XMP has; it is left as it is."

Element = Any  # lxml has no types of its own


@dataclass(slots=True)
class Span:
    """Where an element lies: [start, opened) is its start tag, [closing, end) its end tag.

    An element such as `<a/>` has no content: `opened`, `closing` and `end` are one.
    """

    name: str
    start: int
    opened: int
    closing: int = -1
    end: int = -1

    @property
    def empty(self) -> bool:
        """Whether it is written `<a/>`."""
        return self.closing == self.opened == self.end


class Packet:
    """A parsed sidecar.

    Attributes:
        text: what was parsed.
        root: the outermost element.
        rdf: the element rdf:RDF, or None where x:xmpmeta has none yet.
        spans: where each element lies in the text.
        bound: every namespace prefix that the text declares, with what it stands for.
    """

    def __init__(self, text: str) -> None:
        """Parse the text.

        Raises:
            SidecarError: it is no well-formed XML, has a DTD, or is no XMP.
        """
        self.text = text
        spans = _scan(text)
        self.root = _parse(text)
        elements = list(self.root.iter("*"))
        self.spans: dict[Element, Span] = dict(zip(elements, spans, strict=False))
        for element, span in self.spans.items():
            if span.name != _written(element) or span.end < 0:
                break
        else:
            if len(self.spans) == len(elements):
                self.rdf = self._find_rdf()
                self.bound: dict[str, set[str]] = {}
                for match in _PREFIX.finditer(text):
                    self.bound.setdefault(match[1], set()).add(match[2] or match[3] or "")
                return
        raise SidecarError("has XML that waymark cannot follow; it is left as it is.")

    def _find_rdf(self) -> Element | None:
        """Return rdf:RDF: the root, or a child of x:xmpmeta."""
        if self.root.tag == f"{{{RDF}}}RDF":
            return self.root
        if self.root.tag not in (f"{{{XMPMETA}}}xmpmeta", f"{{{XMPMETA}}}xapmeta"):
            raise SidecarError(
                f"is XML but not XMP: it begins with {self.root.tag!r:.80}, expected x:xmpmeta or "
                "rdf:RDF. Move it if it is no sidecar."
            )
        return self.root.find(f"{{{RDF}}}RDF")

    @property
    def descriptions(self) -> list[Element]:
        """The elements rdf:Description that hold the photo's properties."""
        return [] if self.rdf is None else self.rdf.findall(f"{{{RDF}}}Description")

    def elements(self, name: str) -> list[Element]:
        """Return the property elements of a name `{uri}local`, in the order of the text."""
        return [child for top in self.descriptions for child in top.iterchildren(name)]

    def attributes(self, name: str) -> list[tuple[Element, str]]:
        """Return (description, value) of each property of that name written as an attribute."""
        return [(top, top.get(name)) for top in self.descriptions if name in top.attrib]

    def has(self, name: str) -> bool:
        """Say whether there is a property of that name in any form."""
        return bool(self.elements(name) or self.attributes(name))

    def attribute_span(self, element: Element, name: str) -> tuple[int, int]:
        """Return where an attribute lies in the text, with the space before it."""
        span = self.spans[element]
        uri, _, local = name[1:].rpartition("}")
        written = element.xpath(f"name(@its:{local})", namespaces={"its": uri})
        at = span.start + 1 + len(span.name)
        while match := _ATTRIBUTE.match(self.text, at, span.opened):
            if match[1] == written:
                return match.span()
            at = match.end()
        raise SidecarError(f"has an attribute {local!r:.60} that cannot be found again.")

    def gap(self, at: int) -> int:
        """Return where the white space that ends at `at` begins."""
        while at and self.text[at - 1] in " \t\r\n":
            at -= 1
        return at


def _parse(text: str) -> Element:
    """Return the root element; the declaration goes, as the text is decoded already."""
    from lxml import etree

    parser = etree.XMLParser(
        encoding="utf-8", resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False,
        dtd_validation=False, remove_comments=False, remove_pis=False, strip_cdata=False,
    )  # fmt: skip
    declaration = _DECLARATION.match(text)
    try:
        root = etree.fromstring(text[declaration.end() if declaration else 0 :].encode(), parser)
    except (etree.XMLSyntaxError, UnicodeError, ValueError) as error:
        raise SidecarError(
            f"is no well-formed XML ({_reason(error)}); mend it, or move it away."
        ) from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise SidecarError(_HAS_DTD)
    return root


def _reason(error: Exception) -> str:
    """Return lxml's reason, with the place once."""
    return re.sub(r" \(<string>, line \d+\)$", "", str(error))[:120]


def _scan(text: str) -> list[Span]:
    """Return where each element lies, in the order of the start tags; up to what is no XML.

    Raises:
        SidecarError: it has a DTD.
    """
    found: list[Span] = []
    open_: list[Span] = []
    for match in _MARKUP.finditer(text):
        if match["dtd"]:
            raise SidecarError(_HAS_DTD)
        if match["broken"]:  # to look for the end of each of many such would take the square
            break
        if match["name"] is None:
            continue
        if match["close"]:
            if not open_:
                break
            span = open_.pop()
            span.closing, span.end = match.span()
        else:
            span = Span(match["name"], match.start(), match.end())
            found.append(span)
            if match["rest"].endswith("/"):
                span.closing = span.end = span.opened
            else:
                open_.append(span)
    return found


def _written(element: Element) -> str:
    """Return an element's name as the text writes it."""
    local = element.tag.rpartition("}")[2]
    return f"{element.prefix}:{local}" if element.prefix else local
