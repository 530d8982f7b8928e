"""Show that collecting survives servers that misbehave, and being killed at any moment.

A real HTTP server misbehaves in every way of `WAYS`; each ends in the right number of photos,
a reason in skipped.csv, and no partial file. Then a collection is killed (SIGKILL) again and
again: nothing that was there is asked for twice, and nothing is lost.

    python benchmarks/proof_collect.py [--photos 300] [--kills 25] [--step 9]
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from email.utils import formatdate
from functools import cache, partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from waymark.curate.collect import Caps, Report, collect
from waymark.curate.fetch import Manners, Web
from waymark.curate.sources import Desk, Find
from waymark.curate.sources.urls import Urls
from waymark.dataset.index import read_dataset
from waymark.errors import DatasetError
from waymark.photo import read_photo

PRIVATE = "127.0.0.2"  # what the tests call private; 127.0.0.1 plays the open internet
CAP = 1 << 20
MANNERS = Manners(timeout=20.0, max_seconds=60.0, tries=3, backoff=1.0, pause=0.2, max_wait=60.0)
IMPATIENT = replace(MANNERS, timeout=0.5, max_seconds=0.8)
_TAIL = b"x" * 4096


@cache
def photo(seed: int = 0, kind: str = "JPEG") -> bytes:
    """Return a small photo; each seed gives another."""
    from PIL import Image

    rng = random.Random(seed)
    image = Image.frombytes("RGB", (96, 72), rng.randbytes(96 * 72 * 3))
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


class Handler(BaseHTTPRequestHandler):
    """Answers by the first label of the Host: `gone.test` misbehaves as `gone`."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:  # http.server's name
        host = self.headers.get("Host", "").partition(":")[0].partition(".")[0]
        self.server.note(host, self.path, self.headers)
        with suppress(BrokenPipeError, ConnectionResetError):
            if self.path == "/robots.txt" and host not in ROBOTS:
                self.send(b"", status=404)
            elif self.path == "/robots.txt":
                ROBOTS[host](self)
            else:
                self.server.behave(host, self)

    def send(
        self, body: bytes, *, status: int = 200, length: int | None = None, **headers: str
    ) -> None:
        """Send an answer; `Content_Type="x"` is a header."""
        self.begin(
            status=status, Content_Length=str(len(body) if length is None else length), **headers
        )
        self.wfile.write(body)

    def begin(self, *, status: int = 200, **headers: str) -> None:
        """Send status and headers only."""
        self.send_response(status)
        if not any(name.lower() == "content_type" for name in headers):
            headers["Content_Type"] = "image/jpeg"
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def hang_up(self) -> None:
        """Close the connection in the client's face."""
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)

    @property
    def asked(self) -> int:
        """How often this very address was asked for, this time included."""
        return self.server.counts[self.headers["Host"].partition(":")[0], self.path]

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Counts what it is asked for."""

    daemon_threads = True

    def __init__(self, behave: Callable[[str, Handler], None], host: str = "127.0.0.1") -> None:
        super().__init__((host, 0), Handler)
        self.behave = behave
        self.counts: Counter[tuple[str, str]] = Counter()
        self.seen: list[dict[str, str]] = []

    def note(self, host: str, path: str, headers: Any) -> None:
        """Count a request."""
        self.counts[headers.get("Host", "").partition(":")[0], path] += 1
        self.seen.append({"host": host, "path": path, **{k.lower(): v for k, v in headers.items()}})

    def handle_error(self, *_: Any) -> None:
        """A client that went away is no news."""

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


@contextmanager
def serving(behave: Callable[[str, Handler], None], host: str = "127.0.0.1") -> Iterator[Server]:
    """Run a server in a thread while the block runs."""
    server = Server(behave, host)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Time:
    """A clock whose sleeps cost nothing; real time passes, too."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def clock(self) -> float:
        """Return seconds since some moment."""
        return time.monotonic() + sum(self.slept)

    def now(self) -> float:
        """Return seconds since 1970."""
        return time.time() + sum(self.slept)

    def sleep(self, seconds: float) -> None:
        """Be told to wait."""
        self.slept.append(seconds)


def lookup(host: str, port: int) -> list[str]:
    """Resolve the names of the tests: `*.test` is the server, but for some."""
    if host == "unknown.test":
        raise socket.gaierror(-2, "Name or service not known")
    if host == "mixed.test":
        return ["127.0.0.1", PRIVATE]
    if host == "inside.test":
        return [PRIVATE]
    if host.endswith(".test"):
        return ["127.0.0.1"]
    return [row[4][0] for row in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]  # type: ignore[misc]


def web(time_: Time, manners: Manners = MANNERS) -> Web:
    """Return a client for which 127.0.0.1, and nothing else, is the open internet."""
    return Web(
        manners,
        lookup=lookup,
        public=lambda address: address == "127.0.0.1",
        clock=time_.clock,
        sleep=time_.sleep,
        now=time_.now,
    )


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


def run_way(way: Way, out: Path) -> tuple[Report, Server, Server, Time]:
    """Collect from a server that misbehaves in one way."""
    time_ = Time()
    with serving(behave) as server, serving(lambda _, h: h.send(photo()), PRIVATE) as private:
        ports = {"port": server.port, "private": private.port, "name": way.name}
        listed = out.parent / f"{out.name}.txt"
        listed.write_text("".join(f"{url.format(**ports)}\n" for url in way.urls))
        source = Urls(file=listed, label=way.name)
        caps = Caps(photo_bytes=CAP)
        report = collect(source, out, web=web(time_, way.manners), caps=caps)
    return report, server, private, time_


def wrong_with(way: Way, out: Path, report: Report, server: Server, private: Server) -> list[str]:
    """Return what is not as it must be after a way; nothing, if all is well."""
    wrong = []
    files = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    photos = [name for name in files if "/" in name]
    try:
        listed = [
            p.path.relative_to(out).as_posix() for p in read_dataset(out / "manifest.csv").photos
        ]
    except DatasetError:
        listed = []
    skipped = rows_of(out / "skipped.csv")
    if not report.taken == len(photos) == len(listed) == way.taken or photos != sorted(listed):
        wrong.append(f"{report.taken} photos taken, files {photos}, listed {listed}")
    for name in photos:
        read_photo(out / name)
    reasons = [row["reason"] for row in skipped]
    if bool(way.reason) != bool(reasons) or not all(way.reason in reason for reason in reasons):
        wrong.append(f"reasons {reasons}, expected {way.reason!r}")
    if any((row["again"] == "yes") != way.again for row in skipped):
        wrong.append(f"again is {[row['again'] for row in skipped]}, expected {way.again}")
    if set(files) - set(photos) - {"manifest.csv", "skipped.csv"}:
        wrong.append(f"left behind: {files}")
    asked = sum(n for (_, path), n in server.counts.items() if path == "/photo.jpg")
    if way.asked is not None and asked != way.asked:
        wrong.append(f"asked {asked} times, expected {way.asked}")
    if private.counts:
        wrong.append(f"the private server was asked: {private.counts}")
    return wrong


def rows_of(table: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV; none if it is not there."""
    if not table.exists():
        return []
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def prove_kills(folder: Path, *, photos: int, kills: int, seed: int = 0) -> dict[str, int]:
    """Kill a collection again and again; return what was asked for and what is there.

    Raises:
        ValueError: something was fetched twice, or lost.
    """
    rng = random.Random(seed)
    halfway = threading.Event()

    def slowly(_: str, handler: Handler) -> None:
        body = photo(int(handler.path[1:].partition(".")[0]))
        handler.begin(Content_Length=str(len(body)))
        handler.wfile.write(body[: len(body) // 2])
        handler.wfile.flush()
        halfway.set()
        time.sleep(0.004)
        handler.wfile.write(body[len(body) // 2 :])

    out, listed = folder / "out", folder / "list.csv"
    with serving(slowly) as server:
        address = f"http://127.0.0.1:{server.port}"
        lines = [f"{address}/{number}.jpg,{number % 7}\n" for number in range(photos)]
        listed.write_text("url,label\n" + "".join(lines))
        command = [sys.executable, "-m", "waymark", "data", "collect", "urls", str(listed)]
        command += ["--out", str(out), "--allow-private", "--pause", "0"]
        killed, code = 0, -signal.SIGKILL
        while code == -signal.SIGKILL:
            had = {row["file_url"] for row in rows_of(out / "manifest.csv") if row["sha256"]}
            before = Counter(server.counts)
            running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if killed < kills:
                halfway.clear()
                halfway.wait(60)
                time.sleep(rng.uniform(0, 0.012 * photos / kills))
                running.kill()
            said, _ = running.communicate(timeout=300)
            code = running.returncode
            killed += code == -signal.SIGKILL
            again = [path for _, path in server.counts - before if f"{address}{path}" in had]
            if again:
                raise ValueError(f"{again} were there, and were asked for again")
        if code:
            raise ValueError(said.decode())
        asked = {path: n for (_, path), n in server.counts.items() if path != "/robots.txt"}
    check_whole(out, photos)
    twice = sum(count - 1 for count in asked.values())
    if twice > killed:
        raise ValueError(f"{twice} photos asked for again after {killed} kills")
    return {"photos": photos, "kills": killed, "requests": sum(asked.values()), "again": twice}


class Counted:
    """Three photos; writes down each time one of them is read."""

    source = "counted"

    def __init__(self, log: Path) -> None:
        self.log = log

    def find(self, _: Desk) -> Iterator[Find]:
        for number in range(3):
            yield Find(
                name=f"photo {number}",
                label="0",
                title="photo",
                url=f"{number}.jpg",
                read=partial(self.read, number),
            )

    def read(self, number: int, _: int) -> bytes:
        with self.log.open("a") as log:
            log.write(f"{number}\n")
        return photo(number)


def prove_steps(folder: Path, *, step: int) -> dict[str, int]:
    """End a collection at its 1st, (1 + step)th, ... call of a function, as a kill would.

    Raises:
        ValueError: the next run did not make it whole, or read more than one photo again.
    """
    collect(Counted(folder / "log"), folder / "out")  # imports are not what is to be ended

    def run(out: Path, log: Path, calls: int) -> int:
        pid = os.fork()
        if pid == 0:
            left = calls

            def count(_frame: Any, event: str, _: Any) -> None:
                nonlocal left
                left -= event != "return"
                if not left:
                    os._exit(9)

            try:
                sys.setprofile(count)
                collect(Counted(log), out)
                os._exit(0)
            except BaseException:
                os._exit(1)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    again = ends = 0
    for calls in range(1, 1_000_000, step):
        out, log = folder / f"out-{calls}", folder / f"log-{calls}"
        code = run(out, log, calls)
        if code == 0:
            break
        ends += 1
        if code != 9 or run(out, log, 0):
            raise ValueError(f"failed after an end at call {calls}")
        check_whole(out, 3)
        more = len(log.read_text().split()) - 3
        if more > 1:
            raise ValueError(f"{more} photos read again after an end at call {calls}")
        again += more
    return {"ends": ends, "again": again}


def check_whole(out: Path, photos: int) -> None:
    """Raise unless each photo is there once, as it was sent, and nothing else is."""
    rows = rows_of(out / "manifest.csv")
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    listed = {row["path"] for row in rows}
    if not photos == len(rows) == len(listed) or files != {*listed, "manifest.csv"}:
        raise ValueError(f"{photos} photos, {len(rows)} rows, {len(files)} files: {files ^ listed}")
    for row in rows:
        number = int(row["file_url"].rpartition("/")[2].partition(".")[0])
        if (out / row["path"]).read_bytes() != photo(number):
            raise ValueError(f"{row['path']} is another photo than was sent")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photos", type=int, default=300)
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--step", type=int, default=9)
    options = parser.parse_args()
    failed = 0
    print(f"{'the server is':22}{'photos':>7}{'asked':>6}  what skipped.csv says")
    with tempfile.TemporaryDirectory() as folder:
        for way in WAYS:
            out = Path(folder) / way.name
            bomb()  # made before the clock runs
            report, server, private, _ = run_way(way, out)
            reasons = {row["reason"] for row in rows_of(out / "skipped.csv")}
            asked = sum(n for (_, path), n in server.counts.items() if path != "/robots.txt")
            print(f"{way.name:22}{report.taken:7}{asked:6}  {'; '.join(reasons)[:90]}")
            for line in wrong_with(way, out, report, server, private):
                print(f"    WRONG: {line}")
                failed += 1
        print(f"{len(WAYS)} ways, {failed} of them wrong")
    with tempfile.TemporaryDirectory() as folder:
        found = prove_kills(Path(folder), photos=options.photos, kills=options.kills)
    print(
        "{photos} photos, killed {kills} times: {requests} requests; {again} photos that were "
        "on their way at a kill were asked for again, none that had come; none lost".format(**found)
    )
    with tempfile.TemporaryDirectory() as folder:
        found = prove_steps(Path(folder), step=options.step)
    print(
        "3 photos, ended at {ends} places between two calls: {again} times the photo in hand "
        "was read again, never one that had come; none lost".format(**found)
    )
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
