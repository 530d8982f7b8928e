"""One answer: how long to wait, how much to read."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from email.utils import formatdate

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from waymark.curate.answer import FetchFailed, chunks, retry_after, validator


class Wire(httpx.SyncByteStream):
    """A body in pieces, as it comes over the wire."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pieces


def answer(*pieces: bytes, **headers: str) -> httpx.Response:
    """Return a response with this body and these headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(200, headers=named, stream=Wire(*pieces))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        (formatdate(1_000_030, usegmt=True), 30.0),
        (formatdate(999_000, usegmt=True), 0.0),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("Wed, 99 Foo 2030 99:99:99 GMT", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(text: str, seconds: float | None) -> None:
    """Seconds, or a moment; one that has passed is now; nonsense is nothing."""
    assert retry_after(httpx.Headers({"Retry-After": text}), 1_000_000) == seconds


@given(st.binary(max_size=2000), st.integers(1, 50), st.sampled_from(["gzip", "deflate", ""]))
def test_what_was_packed_is_unpacked(data: bytes, size: int, coding: str) -> None:
    """Over any cut of the wire, the body is the one that was sent."""
    pack = {"gzip": gzip.compress, "deflate": zlib.compress, "": bytes}[coding]
    packed = pack(data)
    pieces = [packed[at : at + size] for at in range(0, len(packed), size)]

    assert b"".join(chunks(answer(*pieces, content_encoding=coding), None)) == data


def test_a_bomb_comes_in_small_pieces() -> None:
    """However much one packet unpacks to, no piece is over 64 KB, and none comes unasked."""
    unpacking = chunks(answer(gzip.compress(bytes(50 << 20)), content_encoding="gzip"), None)

    assert all(len(next(unpacking)) <= 1 << 16 for _ in range(20))


@pytest.mark.parametrize("cut", [1, 15, -1])
def test_packed_and_cut_off(cut: int) -> None:
    """The missing end is noticed."""
    packed = gzip.compress(b"some text" * 99)
    with pytest.raises(FetchFailed, match="compression"):
        list(chunks(answer(packed[:cut], content_encoding="gzip"), None))


def test_what_tells_that_a_file_is_the_same() -> None:
    """A strong ETag, else the date; a weak one says too little, packed bytes nothing."""
    date = "Wed, 21 Oct 2015 07:28:00 GMT"

    assert validator(answer(etag='"a"', last_modified=date)) == '"a"'
    assert validator(answer(etag='W/"a"', last_modified=date)) == date
    assert validator(answer(etag='W/"a"')) == ""
    assert validator(answer(etag='"a"', content_encoding="gzip")) == ""
