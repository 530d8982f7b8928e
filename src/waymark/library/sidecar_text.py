"""A sidecar's bytes as text and back, so that a change of a line changes no other byte.

In:  the bytes of an XMP file: UTF-8, UTF-16 or UTF-32, with or without a byte order mark, or
     one of the old encodings of eight bits that its XML declaration names.
Out: `SidecarText`, whose `encode` gives the very bytes again.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from waymark.errors import SidecarError

MAX_BYTES = 16 * 2**20  # the largest that editors write hold masks, and stay below 5 MB
EMPTY = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="waymark">\n'
    ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
    " </rdf:RDF>\n"
    "</x:xmpmeta>\n"
    '<?xpacket end="w"?>\n'
).encode()
"""What a new sidecar begins with."""
_MARKS = (  # the mark of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_UNMARKED = (
    (b"<\0?\0", "utf-16-le"),
    (b"\0<\0?", "utf-16-be"),
    (b"<\0x\0", "utf-16-le"),
    (b"\0<\0x", "utf-16-be"),
)
_NARROW = ("utf-8", "ascii", "iso8859-1", "iso8859-2", "iso8859-15", "cp1250", "cp1251", "cp1252")
_DECLARED = re.compile(rb"""<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._\-]+)["']""")


@dataclass(frozen=True, kw_only=True, slots=True)
class SidecarText:
    """What a sidecar says, and how its bytes say it.

    Attributes:
        text: everything after the byte order mark.
        encoding: Python's name of it.
        mark: the byte order mark, or nothing.
    """

    text: str
    encoding: str = "utf-8"
    mark: bytes = b""

    @property
    def is_narrow(self) -> bool:
        """Whether the encoding has only some letters; few programs read such a sidecar."""
        return not self.encoding.startswith("utf-")

    def encode(self, text: str) -> bytes:
        """Return the bytes of a changed text; what the encoding lacks becomes `&#...;`."""
        return self.mark + text.encode(self.encoding, "xmlcharrefreplace")


def decode_sidecar(data: bytes) -> SidecarText:
    """Read bytes as text.

    Raises:
        SidecarError: too large, of an encoding that is not known, or not what it says it is.
    """
    if len(data) > MAX_BYTES:
        raise SidecarError(
            f"holds {len(data):,} bytes; expected at most {MAX_BYTES:,}. Look at it by hand."
        )
    mark, encoding = next(((m, e) for m, e in _MARKS if data.startswith(m)), (b"", ""))
    if not encoding:
        encoding = next((e for begin, e in _UNMARKED if data.startswith(begin)), "")
    if not encoding:
        encoding = _declared(data)
    try:
        found = SidecarText(text=data[len(mark) :].decode(encoding), encoding=encoding, mark=mark)
        if found.text.encode(encoding) != data[len(mark) :]:
            raise UnicodeError("it has bytes that do not come back")
    except UnicodeError as error:
        raise SidecarError(
            f"is not the {encoding} text that it seems to be ({error!s:.80}); mend or move it."
        ) from error
    return found


def _declared(data: bytes) -> str:
    """Return the encoding that the XML declaration names; UTF-8 without one."""
    match = _DECLARED.match(data[:200].lstrip())
    if match is None:
        return "utf-8"
    named = match[1].decode("ascii")
    try:
        found = codecs.lookup(named).name
    except LookupError:
        found = ""
    if found not in _NARROW:
        raise SidecarError(f"is said to be in {named!r}; expected UTF-8 or UTF-16. Convert it.")
    return found
