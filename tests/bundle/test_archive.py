"""The ZIP of a bundle: the same bytes for the same members, and no way to smuggle."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waymark.bundle.archive import LIMITS, pack, unpack
from waymark.errors import BundleError

MEMBERS = {"model.onnx": b"\x08" * 500, "bundle.json": b"{}", "README.md": b"# card"}


@given(st.dictionaries(st.sampled_from(sorted(LIMITS)), st.binary(max_size=1000)))
def test_members_come_back(members: dict[str, bytes]):
    """Whatever they hold; their order does not matter."""
    data = pack(members)

    assert unpack(data, "x") == members
    assert data == pack(dict(reversed(members.items())))


def test_a_strange_member_is_not_written():
    """The names are the reader's."""
    with pytest.raises(BundleError, match=r"no members \['a\.pkl'\]"):
        pack({"a.pkl": b""})


def test_a_member_over_its_limit_is_not_written():
    """What could not be read back is refused at once."""
    with pytest.raises(BundleError, match=r"README\.md .* at most 8 MiB"):
        pack({"README.md": b" " * (LIMITS["README.md"] + 1)})


def test_an_encrypted_member_is_refused():
    """A flag in the directory says so."""
    data = bytearray(pack(MEMBERS))
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1

    with pytest.raises(BundleError, match="encrypted"):
        unpack(bytes(data), "x")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(method: int):
    """Their decoders have had more faults than they save bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("bundle.json", b"{}")

    with pytest.raises(BundleError, match="packed in a way"):
        unpack(out.getvalue(), "x")


def test_a_size_that_lies_is_refused():
    """The directory says fewer bytes than there are."""
    data = bytearray(pack(MEMBERS))
    at = data.index(b"PK\x01\x02")
    while data[at + 46 : at + 56] != b"model.onnx":
        at = data.index(b"PK\x01\x02", at + 4)
    struct.pack_into("<II", data, at + 20, 100, 100)

    with pytest.raises(BundleError, match=r"not a whole bundle|cut short"):
        unpack(bytes(data), "x")
