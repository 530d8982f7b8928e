"""Bytes become text and the same bytes again."""

from __future__ import annotations

import pytest

from waymark.errors import SidecarError
from waymark.library.sidecar_text import MAX_BYTES, decode_sidecar

TEXT = '<?xpacket begin="\ufeff"?>\r\n<a>İstanbul 🗼</a>\n'


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_round_trip(encoding: str) -> None:
    """Every Unicode encoding, with its mark or without, comes back byte for byte."""
    data = TEXT.encode(encoding)
    found = decode_sidecar(data)

    assert found.text == TEXT
    assert found.encode(found.text) == data


def test_a_declared_encoding_of_eight_bits() -> None:
    """What the declaration names is believed where there is no mark."""
    data = '<?xml version="1.0" encoding="windows-1252"?><a>€</a>'.encode("cp1252")

    assert "€" in decode_sidecar(data).text


@pytest.mark.parametrize(
    "data",
    [
        b"\xff",
        b"<a>\xe9</a>",
        b"<?xml version='1.0' encoding='utf-7'?><a/>",
        b"<?xml version='1.0' encoding='nonsense'?><a/>",
        b"\xff\xfea",
        b"\xed\xa0\x80",
        b"x" * (MAX_BYTES + 1),
    ],
)
def test_what_is_not_what_it_says_is_refused(data: bytes) -> None:
    """Bytes that would not come back the same are never touched."""
    with pytest.raises(SidecarError):
        decode_sidecar(data)
