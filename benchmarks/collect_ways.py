"""The ways in which a server misbehaves, and what must come of each. See `proof_collect.py`."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from email.utils import formatdate
from functools import cache

from collect_server import MANNERS, Handler, photo
from waymark.curate.fetch import Manners

IMPATIENT = replace(MANNERS, timeout=0.5, max_seconds=0.8)
_TAIL = b"x" * 4096


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to misbehave.

    Attributes:
        name: also the name of its host.
        behave: what the server does.
        reason: part of what skipped.csv must say; empty where the photo is taken.
        taken: photos that must come of it.
        asked: how often the server may be asked for the photo; None: not counted.
        urls: what is on the list; `{port}` is the server's, `{private}` the private one's.
        again: whether another run must try again.
        manners: of the client; waits that are real are short.
    """

    name: str
    behave: Callable[[Handler], None]
    reason: str = ""
    taken: int = 0
    asked: int | None = None
    urls: tuple[str, ...] = ("http://{name}.test:{port}/photo.jpg",)
    again: bool = False
    manners: Manners = MANNERS


def _pieces(handler: Handler, body: bytes, size: int, seconds: float) -> None:
    handler.begin(Content_Length=str(len(body)))
    for at in range(0, len(body), size):
        handler.wfile.write(body[at : at + size])
        handler.wfile.flush()
        time.sleep(seconds)


def _stall(handler: Handler) -> None:
    handler.begin(Content_Length=str(len(photo())))
    handler.wfile.write(photo()[: len(photo()) // 2])
    handler.wfile.flush()
    time.sleep(1.0)
    handler.hang_up()


def _silent(handler: Handler) -> None:
    time.sleep(1.0)
    handler.hang_up()


def _cut(handler: Handler) -> None:
    handler.begin(Content_Length=str(len(photo())))
    handler.wfile.write(photo()[: len(photo()) // 2])
    handler.hang_up()


def _endless(handler: Handler) -> None:
    handler.begin(Transfer_Encoding="chunked")
    handler.wfile.write(b"%x\r\n%b\r\n" % (len(photo()), photo()))
    while True:
        handler.wfile.write(b"%x\r\n%b\r\n" % (len(_TAIL), _TAIL))


def _bad_chunks(handler: Handler) -> None:
    handler.begin(Transfer_Encoding="chunked")
    handler.wfile.write(b"zz\r\n" + photo()[:500])
    handler.hang_up()


def _garbage(handler: Handler) -> None:
    handler.wfile.write(b"\x00\x01 this is not HTTP\r\n\r\n" + photo())
    handler.hang_up()


def _long_header(handler: Handler) -> None:
    with suppress(OSError):
        handler.begin(X_Long="a" * 2_000_000)
    handler.hang_up()


def _then(first: Callable[[Handler], None]) -> Callable[[Handler], None]:
    """Misbehave once, then be good."""
    return lambda handler: first(handler) if handler.asked == 1 else handler.send(photo())


def _status(status: int, **headers: str) -> Callable[[Handler], None]:
    return lambda handler: handler.send(b"<html>no</html>", status=status, **headers)


def _to(location: str) -> Callable[[Handler], None]:
    def redirect(handler: Handler) -> None:
        where = location.format(port=handler.server.port, asked=handler.server.counts.total())
        handler.send(b"", status=302, Location=where)

    return redirect


def _moved(handler: Handler) -> None:
    if handler.path == "/photo.jpg":
        handler.send(b"", status=301, Location="/elsewhere/photo.jpg?a=b c")
    else:
        handler.send(photo())


@cache
def bomb() -> bytes:
    """Return a photo that unpacks to 32 MB."""
    return gzip.compress(photo() + bytes(32 << 20), 1)


def _busy_until(handler: Handler) -> None:
    when = formatdate(time.time() + 30, usegmt=True)
    _status(503, Retry_After=when)(handler)


def _twice(handler: Handler) -> None:
    handler.send(photo(), Content_Type="application/octet-stream")


def _good(handler: Handler) -> None:
    handler.send(photo())


def _tagged(value: str) -> Callable[[Handler], None]:
    return lambda handler: handler.send(photo(), X_Robots_Tag=value)


_HTML = b"<!DOCTYPE html><html><body>Please log in</body></html>"
WAYS: tuple[Way, ...] = (
    Way(name="good", behave=_good, taken=1, asked=1),
    Way(name="slow", behave=lambda h: _pieces(h, photo(), 4000, 0.02), taken=1, asked=1),
    Way(
        name="drip",
        behave=lambda h: _pieces(h, photo(), 40, 0.05),
        reason="slower than",
        asked=1,
        again=True,
        manners=IMPATIENT,
    ),
    Way(
        name="silent",
        behave=_silent,
        reason="no answer in time",
        asked=3,
        again=True,
        manners=IMPATIENT,
    ),
    Way(
        name="stalled",
        behave=_stall,
        reason="no answer in time",
        asked=3,
        again=True,
        manners=IMPATIENT,
    ),
    Way(name="cut", behave=_cut, reason="cut off", asked=3, again=True),
    Way(name="cut-once", behave=_then(_cut), taken=1, asked=2),
    Way(
        name="length-too-short",
        behave=lambda h: h.send(photo(), length=len(photo()) // 2),
        reason="the end of this JPEG is missing",
        asked=1,
    ),
    Way(
        name="length-too-long",
        behave=lambda h: (h.send(photo(), length=len(photo()) + 99), h.hang_up())[1],
        reason="cut off",
        asked=3,
        again=True,
    ),
    Way(
        name="length-nonsense",
        behave=lambda h: h.begin(Content_Length="many"),
        reason="cut off in the middle, or not HTTP",
        again=True,
    ),
    Way(
        name="page",
        behave=lambda h: h.send(_HTML, Content_Type="text/html"),
        reason="a web page",
        asked=1,
    ),
    Way(name="page-called-photo", behave=lambda h: h.send(_HTML), reason="a web page", asked=1),
    Way(
        name="text",
        behave=lambda h: h.send(b"%PDF-1.7 and more" * 9, Content_Type="a/pdf"),
        reason="not a photo",
        asked=1,
    ),
    Way(
        name="truncated",
        behave=lambda h: h.send(photo()[: len(photo()) // 2]),
        reason="the end of this JPEG is missing",
        asked=1,
    ),
    Way(
        name="damaged",
        behave=lambda h: h.send(photo(kind="PNG")[:2000] + bytes(500) + photo(kind="PNG")[2500:]),
        reason="damaged PNG",
        asked=1,
    ),
    Way(name="empty", behave=lambda h: h.send(b""), reason="an empty answer", asked=1, again=True),
    Way(name="no-content", behave=lambda h: h.begin(status=204), reason="204", asked=1),
    Way(name="missing", behave=_status(404), reason="404", asked=1),
    Way(name="gone", behave=_status(410), reason="410", asked=1),
    Way(name="forbidden", behave=_status(403), reason="403", asked=1),
    Way(name="error-once", behave=_then(_status(500)), taken=1, asked=2),
    Way(name="error", behave=_status(500), reason="500", asked=3, again=True),
    Way(name="busy", behave=_then(_status(429, Retry_After="7")), taken=1, asked=2),
    Way(name="busy-until", behave=_then(_busy_until), taken=1, asked=2),
    Way(
        name="busy-all-day",
        behave=_status(429, Retry_After="86400"),
        reason="asks to wait 86400 s",
        asked=1,
        again=True,
    ),
    Way(
        name="busy-nonsense",
        behave=_status(429, Retry_After="soon"),
        reason="429",
        asked=3,
        again=True,
    ),
    Way(name="moved", behave=_moved, taken=1, asked=1),
    Way(name="circle", behave=_to("/photo.jpg"), reason="in a circle", asked=1),
    Way(name="on-and-on", behave=_to("/photo.jpg?{asked}"), reason="more than 5 times"),
    Way(name="to-private", behave=_to("http://127.0.0.2:{port}/x.jpg"), reason="private", asked=1),
    Way(
        name="to-private-name",
        behave=_to("http://inside.test:{port}/x.jpg"),
        reason="private",
        asked=1,
    ),
    Way(name="to-decimal", behave=_to("http://2130706434:{port}/x.jpg"), reason="private", asked=1),
    Way(name="to-loopback-6", behave=_to("http://[::1]:{port}/x.jpg"), reason="private", asked=1),
    Way(
        name="to-mapped-6",
        behave=_to("http://[::ffff:127.0.0.2]:{port}/x"),
        reason="private",
        asked=1,
    ),
    Way(
        name="to-metadata", behave=_to("http://169.254.169.254/latest/"), reason="private", asked=1
    ),
    Way(name="to-file", behave=_to("file:///etc/passwd"), reason="only http and https", asked=1),
    Way(name="to-nowhere", behave=_to(""), reason="to nowhere", asked=1),
    Way(
        name="to-nonsense", behave=_to("http://[oops/"), reason="not a well-formed address", asked=1
    ),
    Way(
        name="tls-off",
        behave=_good,
        urls=("https://tls-off.test:{port}/photo.jpg",),
        reason="no secure connection",
        again=True,
        asked=0,
    ),
    Way(
        name="refused",
        behave=_good,
        urls=("http://refused.test:1/photo.jpg",),
        reason="no connection",
        again=True,
    ),
    Way(
        name="unknown",
        behave=_good,
        urls=("http://unknown.test/photo.jpg",),
        reason="not found",
        again=True,
    ),
    Way(
        name="private",
        behave=_good,
        urls=("http://127.0.0.2:{private}/photo.jpg",),
        reason="private",
    ),
    Way(name="mixed", behave=_good, reason="private", asked=0),
    Way(
        name="password",
        behave=_good,
        urls=("http://me:secret@password.test:{port}/a.jpg",),
        reason="a user name or a password",
    ),
    Way(
        name="gopher",
        behave=_good,
        urls=("gopher://gopher.test/photo.jpg",),
        reason="only http and https",
    ),
    Way(
        name="bomb",
        behave=lambda h: h.send(bomb(), Content_Encoding="gzip"),
        reason="more than",
        asked=1,
    ),
    Way(
        name="packed",
        behave=lambda h: h.send(gzip.compress(photo()), Content_Encoding="gzip"),
        taken=1,
        asked=1,
    ),
    Way(
        name="packed-badly",
        behave=lambda h: h.send(photo(), Content_Encoding="gzip"),
        reason="compression is damaged",
        asked=1,
        again=True,
    ),
    Way(
        name="packed-strangely",
        behave=lambda h: h.send(photo(), Content_Encoding="zip9"),
        reason="compressed with",
        asked=1,
    ),
    Way(name="huge", behave=lambda h: h.send(photo(), length=1 << 40), reason="at most", asked=1),
    Way(name="endless", behave=_endless, reason="more than", asked=1),
    Way(name="bad-chunks", behave=_bad_chunks, reason="not HTTP", asked=3, again=True),
    Way(name="garbage", behave=_garbage, reason="not HTTP", again=True),
    Way(name="long-header", behave=_long_header, reason="not HTTP", again=True),
    Way(
        name="charset",
        taken=1,
        asked=1,
        behave=lambda h: h.send(photo(), Content_Type="image/jpeg; charset=klingon-9; \xe9"),
    ),
    Way(
        name="wrong-type",
        behave=lambda h: h.send(photo(), Content_Type="text/plain"),
        taken=1,
        asked=1,
    ),
    Way(
        name="twice",
        behave=_twice,
        reason="the same photo as",
        taken=1,
        urls=("http://twice.test:{port}/a.jpg", "http://twice.test:{port}/b.jpg"),
    ),
    Way(
        name="listed-twice",
        behave=_good,
        taken=1,
        asked=1,
        urls=(
            "http://listed-twice.test:{port}/photo.jpg#a",
            "HTTP://Listed-Twice.test:{port}/photo.jpg",
        ),
    ),
    Way(name="noindex", behave=_tagged("noindex"), reason="noindex", asked=1),
    Way(name="noai", behave=_tagged("max-image-preview:large, noai"), reason="noai", asked=1),
    Way(name="noindex-for-another", behave=_tagged("googlebot: noindex"), taken=1, asked=1),
    Way(name="robots-no", behave=_good, reason="robots.txt keeps", asked=0),
    Way(name="robots-error", behave=_good, reason="robots.txt cannot be had", asked=0, again=True),
    Way(name="robots-page", behave=_good, taken=1, asked=1),
)
ROBOTS: dict[str, Callable[[Handler], None]] = {
    "robots-no": lambda h: h.send(b"User-agent: *\nDisallow: /*.jpg$\n", Content_Type="text/plain"),
    "robots-error": _status(503),
    "robots-page": lambda h: h.send(_HTML, Content_Type="text/html; charset=utf-99"),
}


def behave(host: str, handler: Handler) -> None:
    """Do what the way of this host does."""
    next(way for way in WAYS if way.name == host).behave(handler)
