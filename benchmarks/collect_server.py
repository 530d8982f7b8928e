"""A small HTTP server that does what it is told, a clock, and a client that trusts them.

For `proof_collect.py` and the tests of collecting.
"""

from __future__ import annotations

import io
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from waymark.curate.fetch import Manners, Web

PRIVATE = "127.0.0.2"  # what the tests call private; 127.0.0.1 plays the open internet

MANNERS = Manners(timeout=20.0, max_seconds=60.0, tries=3, backoff=1.0, pause=0.2, max_wait=60.0)
Behaviour = Callable[[str, "Handler"], None]
Robots = Mapping[str, Callable[["Handler"], None]]


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
            if self.path == "/robots.txt" and host not in self.server.robots:
                self.send(b"", status=404)
            elif self.path == "/robots.txt":
                self.server.robots[host](self)
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

    def __init__(self, behave: Behaviour, host: str, robots: Robots) -> None:
        super().__init__((host, 0), Handler)
        self.behave = behave
        self.robots = robots
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
def serving(
    behave: Behaviour, host: str = "127.0.0.1", robots: Robots | None = None
) -> Iterator[Server]:
    """Run a server in a thread while the block runs.

    Args:
        behave: answers a request, told the first label of its Host.
        host: where to listen.
        robots: answers requests for robots.txt, by the first label of the Host.
    """
    server = Server(behave, host, robots or {})
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
