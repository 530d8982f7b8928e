"""Read one answer of a server: is it good, does it pass, what is its body?

In:  an open response of httpx.
Out: its bytes, piece by piece and bounded; or why it is of no use.
"""

from __future__ import annotations

import re
import ssl
import zlib
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from waymark.errors import CollectError
from waymark.photo_format import sniff

if TYPE_CHECKING:
    import httpx

HEAD = 32  # bytes by which a photo is told
_PIECE = 1 << 16
_PASSING = frozenset((408, 425, 429, 500, 502, 503, 504, 507, 520, 521, 522, 523, 524))


class FetchFailed(CollectError):
    """A URL gave nothing usable.

    Attributes:
        again: another run may have more luck.
    """

    def __init__(self, reason: str, *, again: bool) -> None:
        super().__init__(reason)
        self.again = again


class TooLarge(FetchFailed):
    """The answer is over the limit on bytes."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, again=False)


class Passing(Exception):
    """A trouble that may pass within this run.

    Attributes:
        host: whose trouble it is.
        wait: seconds the server asks to wait; None where it does not say.
        silent: no answer came at all.
        gained: much of a long download came before.
    """

    def __init__(
        self, reason: str, *, host: str, wait: float | None = None, silent: bool = False
    ) -> None:
        super().__init__(reason)
        self.host, self.wait, self.silent, self.gained = host, wait, silent, False


def check_status(response: httpx.Response, host: str, now: float) -> None:
    """Raise unless the status is one of success.

    Raises:
        Passing: the server is busy or in trouble.
        FetchFailed: it will not give this, now or later.
    """
    status = response.status_code
    if status in (200, 203, 206):
        return
    said = f"the server says {status} {response.reason_phrase}".rstrip()
    if status in _PASSING:
        raise Passing(said, host=host, wait=retry_after(response.headers, now))
    if status == 416:
        raise Passing(said, host=host, wait=0.0)
    raise FetchFailed(said, again=False)


def retry_after(headers: httpx.Headers, now: float) -> float | None:
    """Return the seconds that Retry-After asks for, given as a number or as a date."""
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", text):
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def check_length(response: httpx.Response, max_bytes: int) -> None:
    """Refuse what is announced as too large, before any of it is read."""
    length = response.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise TooLarge(f"{int(length):,} bytes; at most {max_bytes:,} are taken")


def check_begins_like_photo(head: bytes, response: httpx.Response) -> None:
    """Refuse what does not begin like a photo that waymark reads."""
    if sniff(head) is not None:
        return
    if not head:
        raise FetchFailed("an empty answer", again=True)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise FetchFailed("a web page instead of a photo", again=False)
    kind = response.headers.get("content-type", "").partition(";")[0].strip()
    named = f" (it is called {kind[:60]})" if kind.isprintable() and kind else ""
    raise FetchFailed(f"not a photo that waymark reads{named}", again=False)


def chunks(response: httpx.Response, check: Callable[[], None] | None) -> Iterator[bytes]:
    """Yield the body in pieces of bounded size, uncompressed; call `check` between two."""
    coding = response.headers.get("content-encoding", "").strip().lower()
    if coding in ("", "identity"):
        pieces = response.iter_raw()
    elif coding in ("gzip", "x-gzip", "deflate"):
        pieces = _unpacked(response)
    else:
        raise FetchFailed(f"compressed with {coding[:20]!r}, unasked", again=False)
    for piece in pieces:
        if check is not None:
            check()
        if piece:
            yield piece


def _unpacked(response: httpx.Response) -> Iterator[bytes]:
    """Unpack gzip or zlib, never more than a piece at a time: a bomb stays a fuse."""
    unpack = zlib.decompressobj(47)
    try:
        for packed in response.iter_raw():
            rest = packed
            while rest and not unpack.eof:
                yield unpack.decompress(rest, _PIECE)
                rest = unpack.unconsumed_tail
        yield unpack.flush()
    except zlib.error as error:
        raise FetchFailed("its compression is damaged", again=True) from error
    if not unpack.eof:
        raise FetchFailed("cut off inside its compression", again=True)


def validator(response: httpx.Response) -> str:
    """Return what tells later whether a file is still the same; empty where nothing does."""
    if "content-encoding" in response.headers:
        return ""
    tag = str(response.headers.get("etag", ""))
    return tag if tag.startswith('"') else str(response.headers.get("last-modified", ""))


def continues(response: httpx.Response, at: int) -> bool:
    """Say whether an answer goes on at byte `at`, and not at the beginning.

    Raises:
        FetchFailed: it goes on somewhere else.
    """
    if response.status_code != 206:
        return False
    found = re.match(r"bytes (\d+)-", response.headers.get("content-range", ""))
    if found is None or int(found[1]) != at:
        raise FetchFailed("continued at another place than asked", again=True)
    return at > 0


def passing(error: Exception, host: str) -> Passing:
    """Say in plain words why no answer, or only a part of one, came."""
    import httpx

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return Passing(
                f"no secure connection ({cause.reason or 'TLS'})", host=host, silent=True
            )
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return Passing("no connection", host=host, silent=True)
    if isinstance(error, httpx.TimeoutException):
        return Passing("no answer in time", host=host, silent=True)
    if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError):
        return Passing("cut off in the middle, or not HTTP", host=host)
    if isinstance(error, OSError):
        return Passing(f"the host is not found ({error.strerror or error})", host=host, silent=True)
    return Passing(str(error) or type(error).__name__, host=host)
