"""HTTP as uvicorn speaks it on httptools, with the limits that it leaves out.

In:  bytes of a connection.
Out: requests for the app; or a refusal, and the connection closed.

uvicorn lets a request's head grow without end, come as slowly as it likes, and lets any
number of connections wait. Here a head has a size and a time, and connections a number.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

MAX_HEAD, MAX_HEADERS = 32 * 1024, 100  # bytes; number
HEAD_S = 15.0
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
    _began = False  # whether a head is on its way
    _head = 0  # bytes of it, after the packet that it began in
    _refused = 0  # status, once it is refused
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection, if there are not too many."""
        super().connection_made(transport)
        self._wait()
        if len(self.connections) > self.max_connections:
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """End it."""
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; refuse a head that has grown too large."""
        if self._refused:
            return
        began = self._began
        super().data_received(data)
        if began and self._began and not self._refused:
            self._head += len(data)
            if self._head > MAX_HEAD:
                self._refuse(431)

    def on_message_begin(self) -> None:
        """Start the clock, unless it runs since the connection was made."""
        super().on_message_begin()
        self._began, self._head = True, 0
        if self._timer is None:
            self._wait()

    def on_headers_complete(self) -> None:
        """Hand the request to the app, if its head is within the limits."""
        self._stop()
        self._began = False
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > MAX_HEAD or len(self.headers) > MAX_HEADERS:
            self._refuse(431)
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that all has come."""
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
