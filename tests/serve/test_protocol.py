"""What comes over a socket is bounded in size, time and number, before the app sees it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest

from waymark.serve import protocol
from waymark.serve.safety import HEADERS

GET = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"


def parts(said: bytes) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of an answer."""
    head, _, body = said.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines)
    return int(first.split(" ")[1]), fields, body


def refused(said: bytes, status: int) -> None:
    """Hold a refusal to the shape and the headers of every answer."""
    code, fields, body = parts(said)
    assert code == status
    assert set(json.loads(body)["error"]) == {"code", "message", "hint"}
    assert fields["connection"] == "close"
    for name in HEADERS:
        assert name in fields


def test_a_plain_request(talk: Callable[..., bytes]) -> None:
    """The socket talks HTTP at all, and says when it closes."""
    code, _, body = parts(talk(GET + b"Connection: close\r\n\r\n"))
    assert code == 200
    assert json.loads(body) == {"status": "alive"}


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello over TLS",
        b"hello\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\n b\r\nbad header\r\n\r\n",
    ],
    ids=lambda data: repr(data[:30]),
)
def test_what_is_no_http(talk: Callable[..., bytes], data: bytes) -> None:
    """400, in our shape; two lengths, or a length and chunks, are a smuggler's."""
    refused(talk(data), 400)


@pytest.mark.parametrize(
    "head",
    [
        GET + b"X: " + b"a" * 40_000 + b"\r\n\r\n",
        GET + b"".join(b"X-%d: %s\r\n" % (i, b"a" * 1000) for i in range(40)) + b"\r\n",
        GET + b"".join(b"X-%d: a\r\n" % i for i in range(120)) + b"\r\n",
        b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        GET + b"X: " + b"a" * 400_000,  # and never an end
    ],
    ids=["one", "all", "number", "address", "endless"],
)
def test_heads_have_a_size(talk: Callable[..., bytes], head: bytes) -> None:
    """431, also where the head never ends."""
    refused(talk(head), 431)


def test_a_large_body_is_no_large_head(port: int) -> None:
    """What counts is the head alone, on every request of a connection."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for _ in range(3):
            answer = client.post(
                "/api/v1/predict",
                content=b"x" * 200_000,
                headers={"Content-Type": "image/png"},
            )
            assert answer.status_code == 422


def test_heads_have_a_time(serving: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sends nothing is let go in silence; who sends a head slowly is told."""
    monkeypatch.setattr(protocol.Protocol, "head_s", 0.3)
    with serving() as port:
        for start, status in ((b"", None), (GET, 408)):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
                link.sendall(start)
                said = link.recv(65536)
                if status is None:
                    assert said == b""
                else:
                    refused(said, status)
        # the clock starts anew with the next request of a connection
        with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
            link.sendall(GET + b"\r\n")
            assert parts(link.recv(65536))[0] == 200
            link.sendall(b"GET /hea")
            refused(link.recv(65536), 408)


def test_bodies_have_a_time(serving: Callable[..., Any]) -> None:
    """A body that stops coming is given up, and the connection closed."""
    with serving(timeout_s=0.3) as port:
        head = b"POST /api/v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\n"
        with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
            link.sendall(head + b"Content-Length: 1000\r\n\r\nabc")
            said = b""
            while part := link.recv(65536):
                said += part
        code, fields, _ = parts(said)
        assert (code, fields["connection"]) == (408, "close")


def test_connections_have_a_number(
    serving: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One too many is closed; when another ends there is room again."""
    monkeypatch.setattr(protocol.Protocol, "max_connections", 3)
    with serving() as port:

        def alive(link: socket.socket) -> bool:
            try:
                link.sendall(GET + b"\r\n")
                return link.recv(65536).startswith(b"HTTP/1.1 200")
            except OSError:
                return False

        links = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(3)]
        assert all(map(alive, links))
        with socket.create_connection(("127.0.0.1", port), timeout=10) as fourth:
            assert not alive(fourth)
        links.pop().close()
        deadline = time.monotonic() + 10
        found = False
        while not found and time.monotonic() < deadline:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as again:
                found = alive(again)
        assert found
        for link in links:
            link.close()


def test_expect_100_is_answered_before_the_body(port: int) -> None:
    """And a body that is too large is refused without being sent."""
    head = (
        b"POST /api/v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\n"
        b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    )
    for length, status in ((10, b"100"), (10**9, b"413")):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
            link.sendall(head % length)
            assert link.recv(65536).split(b" ")[1] == status


def test_pipelined_requests_are_answered_in_order(talk: Callable[..., bytes]) -> None:
    """As HTTP/1.1 has it."""
    said = talk(GET + b"\r\n" + b"GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    assert said.index(b"200 OK") < said.index(b"404 Not Found")


def test_upgrades_are_not_taken_up(talk: Callable[..., bytes]) -> None:
    """There are no web sockets; the request is answered as it stands."""
    said = talk(
        GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n",
        wait=1.0,
    )
    assert parts(said)[0] in (200, 400)


POST = (
    b"POST /api/v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
)


def test_trailers_are_no_headers(talk: Callable[..., bytes]) -> None:
    """What follows a body was not there when the request was checked."""
    rest = b"0\r\nOrigin: http://evil.example\r\nConnection: x\r\n\r\n"
    said = talk(POST + rest + GET + b"Connection: close\r\n\r\n")
    assert parts(said)[0] == 422  # no photo; with the Origin it would be 403


@pytest.mark.parametrize("more", [b"a: b\r\n", b"a", b";"], ids=["trailers", "trailer", "chunk"])
def test_what_is_no_body_has_a_size_after_the_head_too(port: int, more: bytes) -> None:
    """Trailers, and extensions of a chunk, could go on for ever."""
    start = {b"a: b\r\n": b"0\r\n", b"a": b"0\r\na: ", b";": b"5;"}[more]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
        link.sendall(POST + start)
        sent = 0
        with suppress(ConnectionError):  # it hangs up
            while sent < 50_000_000:
                link.sendall(more * 10_000)
                sent += 10_000 * len(more)
        assert sent < 50_000_000


def test_answers_are_read_or_let_go(
    serving: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that its caller does not read is kept for a while, and counted, not for ever."""
    monkeypatch.setattr(protocol.Protocol, "read_s", 0.3)
    boundary = b"--B\r\n"
    body = boundary + b'Content-Disposition: form-data; name="photos"; filename="a"\r\n\r\n'
    body += b"\xff\xd8\xff" + bytes(11_000_000) + b"\r\n--B--\r\n"
    head = (
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        b"Content-Type: multipart/form-data; boundary=B\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    with serving() as port, socket.socket() as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.settimeout(20)
        link.connect(("127.0.0.1", port))
        link.sendall(head + body)
        assert link.recv(100).startswith(b"HTTP/1.1 200")
        time.sleep(2)
        got = 0
        with suppress(ConnectionResetError):
            while part := link.recv(2**20):
                got += len(part)
        assert got < 11_000_000  # the page holds the photo as base64
