"""Forms are read whole, in memory, within limits; an independent encoder makes them."""

from __future__ import annotations

import asyncio
import builtins
import http.client
import os
import tempfile
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.testclient import TestClient

from waymark.serve.problems import Problem
from waymark.serve.service import Busy
from waymark.serve.settings import Settings
from waymark.serve.uploads import Form, Gone, read_body, read_form


class Held:
    """A service that only counts what it holds."""

    def __init__(self, **options: Any) -> None:
        self.settings = Settings(**options)
        self.held = 0

    def hold(self, count: int) -> None:
        if self.held + count > self.settings.max_held:
            raise Busy("full")
        self.held += count


def request(
    chunks: list[bytes], headers: dict[str, str], *, ends: bool = True, **options: Any
) -> Request:
    """Return a request whose body comes in these chunks, then ends or falls silent."""
    left = list(chunks)

    async def receive() -> dict[str, Any]:
        if left:
            part = left.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(left) or not ends}
        if ends:
            return {"type": "http.disconnect"}
        await asyncio.sleep(3600)
        raise AssertionError

    raw = [(k.lower().encode(), v.encode()) for k, v in headers.items()]
    app = SimpleNamespace(state=SimpleNamespace(service=Held(**options)))
    scope = {"type": "http", "method": "POST", "path": "/", "headers": raw, "app": app, "state": {}}
    return Request(scope, receive)


def encoded(files: Any, fields: dict[str, str]) -> tuple[bytes, dict[str, str]]:
    """Return a form as httpx writes it."""
    made = httpx.Request("POST", "http://x", files=files, data=fields)
    return made.read(), {"content-type": made.headers["content-type"]}


names = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=30).filter(
    lambda name: not set(name) & set('"\\%;\x7f') and name.strip() == name
)


@given(
    photos=st.lists(st.tuples(names, st.binary(max_size=300)), min_size=1, max_size=4),
    fields=st.dictionaries(st.sampled_from(["k", "explain", "csrf"]), st.text(max_size=20)),
    cut=st.integers(1, 97),
)
@settings(max_examples=60, deadline=None)
def test_what_was_sent_is_read(
    photos: list[tuple[str, bytes]], fields: dict[str, str], cut: int
) -> None:
    """Every photo, name and field, wherever the network cuts the body."""
    fields = {k: v.encode("utf-8", "replace").decode() for k, v in fields.items()}
    body, headers = encoded([("photos", photo) for photo in photos], fields)
    chunks = [body[i : i + cut] for i in range(0, len(body), cut)]
    form = asyncio.run(read_form(request(chunks, headers)))
    assert form.photos == photos
    assert form.fields == fields


def test_files_of_other_fields_and_empty_ones_are_passed_over() -> None:
    """As browsers send a file input in which nothing was picked."""
    files = [("photos", ("", b"")), ("other", ("a.jpg", b"x")), ("photos", ("b.jpg", b"y"))]
    body, headers = encoded(files, {})
    assert asyncio.run(read_form(request([body], headers))).photos == [("b.jpg", b"y")]


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_form_cut_short_is_refused(data: st.DataObject) -> None:
    """Wherever it ends."""
    body, headers = encoded([("photos", ("a.jpg", b"abc"))], {"k": "3"})
    at = data.draw(st.integers(0, len(body) - 5))
    with pytest.raises(Problem) as raised:
        asyncio.run(read_form(request([body[:at]], headers)))
    assert raised.value.status == 400


@given(st.binary(max_size=400), st.sampled_from([b"", b"--x\r\n", b"--x\r\nContent-Disposition: "]))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_a_form_or_a_problem(body: bytes, start: bytes) -> None:
    """No bytes at all make the reader fail in another way."""
    headers = {"content-type": "multipart/form-data; boundary=x"}
    try:
        form = asyncio.run(read_form(request([start + body], headers)))
    except Problem as problem:
        assert problem.status in (400, 413)  # noqa: PT017
    else:
        assert isinstance(form, Form)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=", 400),
        (f"multipart/form-data; boundary={'x' * 300}", 400),
        ("text/plain", 415),
        ("application/json", 415),
        ("", 415),
        ("\xff", 415),
    ],
)
def test_what_is_no_form_is_refused(kind: str, status: int) -> None:
    """With a status that says why."""
    headers = {"content-type": kind} if kind.isascii() else {}
    with pytest.raises(Problem) as raised:
        asyncio.run(read_form(request([b"x"], headers)))
    assert raised.value.status == status


def test_urlencoded_forms_are_read() -> None:
    """As the login sends them."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    form = asyncio.run(read_form(request([b"token=a%20b&ne", b"xt=%2F"], headers)))
    assert form.fields == {"token": "a b", "next": "/"}


@pytest.mark.parametrize("stated", [True, False])
def test_bodies_have_a_limit(stated: bool) -> None:
    """Told by Content-Length before a byte is read, or counted; and the connection ends."""
    headers = {"content-length": "101"} if stated else {}
    for most, fits in ((100, False), (101, True)):
        asked = request([b"x" * 60, b"y" * 41], headers, max_body=most)
        if fits:
            assert asyncio.run(read_body(asked)) == b"x" * 60 + b"y" * 41
            continue
        with pytest.raises(Problem) as raised:
            asyncio.run(read_body(asked))
        assert raised.value.status == 413
        assert raised.value.headers["Connection"] == "close"
        assert asked.app.state.service.held <= most


def test_photos_and_parts_have_a_limit() -> None:
    """Beyond which nothing more is read."""
    body, headers = encoded([("photos", (f"{i}.jpg", b"x")) for i in range(4)], {})
    assert len(asyncio.run(read_form(request([body], headers, max_photos=4))).photos) == 4
    with pytest.raises(Problem) as raised:
        asyncio.run(read_form(request([body], headers, max_photos=3)))
    assert raised.value.status == 413
    body, headers = encoded([("other", (f"{i}", b"")) for i in range(300)], {})
    with pytest.raises(Problem) as raised:
        asyncio.run(read_form(request([body], headers)))
    assert raised.value.status == 413


def test_fields_have_a_limit() -> None:
    """Long and many fields are dropped, not kept."""
    fields = {"k": "x" * 20_001, **{f"f{i}": "y" for i in range(50)}}
    body, headers = encoded([("photos", ("a.jpg", b"x"))], fields)
    form = asyncio.run(read_form(request([body], headers)))
    assert "k" not in form.fields
    assert len(form.fields) == 20


def test_a_slow_sender_is_given_up() -> None:
    """After the time there is, and with a status that says so."""
    asked = request([b"x"], {"content-length": "2"}, ends=False, timeout_s=0.05)
    with pytest.raises(Problem) as raised:
        asyncio.run(read_body(asked))
    assert raised.value.status == 408


def test_who_hangs_up_is_let_go() -> None:
    """A body that ends early is no body."""
    asked = request([], {"content-length": "5"})
    with pytest.raises(Gone):
        asyncio.run(read_body(asked))


def test_memory_is_counted_while_it_is_held() -> None:
    """Bytes of uploads are noted, and more than there is room for is refused."""
    asked = request([b"x" * 10], {}, max_held=10)
    asyncio.run(read_body(asked))
    assert asked.app.state.service.held == asked.state.held == 10
    with pytest.raises(Busy):
        asyncio.run(read_body(request([b"x" * 11], {}, max_held=10)))


def test_held_memory_is_let_go(client: TestClient, jpeg: Callable[..., bytes]) -> None:
    """After each answer, good or bad, nothing is held."""
    service = client.app.state.service  # type: ignore[attr-defined]
    client.post("/api/v1/predict", files={"photos": ("a.jpg", jpeg())})
    client.post("/api/v1/predict", content=b"x", headers={"Content-Type": "image/jpeg"})
    client.post("/api/v1/predict", content=b"x" * 1000, headers={"Content-Type": "text/plain"})
    client.post("/api/v1/predict", content=b"x", headers={"Content-Type": "multipart/form-data"})
    assert service.held == 0


def test_no_upload_is_ever_stored(
    client: TestClient, jpeg: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However large, read by whichever route: no file is opened to write, none is temporary."""
    opened: list[Any] = []
    real_open, real_os_open = builtins.open, os.open

    def noting(file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
        if set(mode) & set("wax+"):
            opened.append(file)
        return real_open(file, mode, *args, **options)

    def os_noting(path: Any, flags: int, *args: Any, **options: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            opened.append(path)
        return real_os_open(path, flags, *args, **options)

    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("a temporary file")

    for name in ("SpooledTemporaryFile", "TemporaryFile", "NamedTemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, name, refused)
    monkeypatch.setattr("starlette.formparsers.SpooledTemporaryFile", refused)
    monkeypatch.setattr(builtins, "open", noting)
    monkeypatch.setattr(os, "open", os_noting)
    large = jpeg(size=(2000, 1500), quality=100, subsampling=0) + bytes(3 << 20)
    files = [("photos", ("a.jpg", large)), ("photos", ("b.jpg", jpeg()))]
    for path in ("/api/v1/predict", "/"):
        assert client.post(path, files=files).status_code == 200
    raw = client.post(
        "/api/v1/predict?explain=1", content=large, headers={"Content-Type": "image/jpeg"}
    )
    assert raw.status_code == 200
    assert opened == []


def test_who_sends_all_before_listening_hears_the_refusal(serving: Callable[..., Any]) -> None:
    """As Python's own client does: a connection closed at once would tell it nothing."""
    with serving(max_body=100_000) as port:
        for headers in ({"Content-Type": "image/jpeg"}, {"Content-Type": "x/y; boundary=B"}):
            link = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            link.request("POST", "/api/v1/predict", body=b"x" * 20_000_000, headers=headers)
            assert link.getresponse().status in (413, 415)
            link.close()


def test_a_refusal_of_what_has_come_is_not_put_off() -> None:
    """There is nothing to wait for."""
    body, headers = encoded([("photos", (f"{i}.jpg", b"x")) for i in range(4)], {})
    asked = request([body], headers, max_photos=3)

    async def silent() -> dict[str, Any]:
        if not getattr(asked.state, "all_came", False):
            return {"type": "http.request", "body": body, "more_body": False}
        raise AssertionError("it waits for more")

    asked._receive = silent
    with pytest.raises(Problem) as raised:
        asyncio.run(read_form(asked))
    assert raised.value.status == 413
