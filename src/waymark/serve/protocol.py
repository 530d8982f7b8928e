"""HTTP as uvicorn speaks it on httptools, with the limits that it leaves out.

In:  bytes of a connection.
Out: requests for the app; or a refusal, and the connection closed.

uvicorn lets a request's head (and its trailers) grow without end, come as slowly as it
likes, lets any number of connections wait, and keeps an answer for as long as its caller does
not read it. Here a head has a size and a time, connections a number, and callers must read.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from waymark.serve.settings import SLOWEST

MAX_HEAD, MAX_HEADERS = 32 * 1024, 100  # bytes; number
HEAD_S = 15.0
READ_S = 20.0  # in which a caller must have read so much of an answer as at `SLOWEST`
MAX_CONNECTIONS = 512
_SAID = {
    400: ("malformed", "this is no HTTP request.", "Use an HTTP client."),
    408: ("slow", "the request took too long to arrive.", "Send it faster."),
    431: ("headers", "the request's headers are too large.", "Send fewer of them."),
}


class Protocol(HttpToolsProtocol):
    """One connection."""

    max_connections = MAX_CONNECTIONS
    head_s = HEAD_S
    read_s = READ_S
    _began = False  # whether a head is on its way
    _moved = False  # whether a packet began or ended a head, or held a part of a body
    _between = 0  # bytes of packets that did not: of a head, a chunk's header, or trailers
    _refused = 0  # status, once it is refused
    _timer: asyncio.TimerHandle | None = None
    _reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection, if there are not too many."""
        super().connection_made(transport)
        self._wait()
        if len(self.connections) > self.max_connections:
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """End it."""
        self._stop()
        self._stop_reading()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; refuse a head that has grown too large."""
        if self._refused:
            return
        self._moved = False
        super().data_received(data)
        if not self._moved and not self._refused:
            self._between += len(data)
            if self._between > MAX_HEAD:
                self._refuse(431)

    def on_message_begin(self) -> None:
        """Start the clock, unless it runs since the connection was made."""
        super().on_message_begin()
        self._began = True
        self._move()
        if self._timer is None:
            self._wait()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; one after the body (a trailer) would pass for one that was checked."""
        if self._began:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Hand the request to the app, if its head is within the limits."""
        self._stop()
        self._began = False
        self._move()
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > MAX_HEAD or len(self.headers) > MAX_HEADERS:
            self._refuse(431)
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._move()
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that all has come."""
        self._move()
        if not self._refused:
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what httptools cannot read."""
        del msg
        self._refuse(400)

    def timeout_keep_alive_handler(self) -> None:
        """Drop a connection that idles, or whose caller does not read the answer."""
        if not self.transport.is_closing():
            self.transport.abort()

    def pause_writing(self) -> None:
        """Let the app wait until the caller has read; and see that it does."""
        super().pause_writing()
        if self._reading is None:
            self._see_reading(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """Go on: the caller has read."""
        self._stop_reading()
        super().resume_writing()

    def _see_reading(self, unread: int) -> None:
        self._reading = self.loop.call_later(self.read_s, self._has_read, unread)

    def _has_read(self, before: int) -> None:
        unread = self.transport.get_write_buffer_size()
        if before - unread < SLOWEST * self.read_s:
            self.transport.abort()
        else:
            self._see_reading(unread)

    def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _move(self) -> None:
        self._moved, self._between = True, 0

    def _wait(self) -> None:
        self._timer = self.loop.call_later(self.head_s, self._late)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        if self._began:
            self._refuse(408)
        elif not self.transport.is_closing():
            self.transport.close()

    def _refuse(self, status: int) -> None:
        """Answer without the app, and close."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = status
        self._stop()
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.close()  # an answer is on its way; another would run into it
            return
        code, message, hint = _SAID[status]
        said = {"error": {"code": code, "message": message, "hint": hint}}
        self.transport.write(refusal(status, said))
        self.transport.close()


def refusal(status: int, said: dict[str, Any]) -> bytes:
    """Return a whole answer, with the headers that all answers have."""
    from waymark.serve.safety import HEADERS

    body = json.dumps(said).encode()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "cache-control": "no-store",
        "connection": "close",
        **HEADERS,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return STATUS_LINE[status] + lines.encode() + b"\r\n" + body
