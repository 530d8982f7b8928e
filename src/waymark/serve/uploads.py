"""Read what callers send: within limits of size and time, into memory and nowhere else.

In:  a request whose body is a photo, a form, or JSON.
Out: its bytes, or the form's photos and fields.

Starlette writes uploads over a megabyte to temporary files; so forms are parsed here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from waymark.serve.problems import Problem, closing
from waymark.serve.service import Service
from waymark.serve.settings import SLOWEST

_MAX_FIELDS, _MAX_FIELD = 20, 20_000  # of a form: their number, and bytes each
_MAX_PARTS = 100
_LINGER_S = 2.0  # for which the rest of what is refused is read: many clients send all, then listen


class Gone(Exception):
    """The caller hung up before all was sent; there is nobody to answer."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """What a form held.

    Attributes:
        photos: (name, bytes) of each file in the field `photos`, in order; files that
            were left empty, as browsers send where none was picked, are not there.
        fields: the last value of each other field.
    """

    photos: list[tuple[str, bytes]] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)

    def is_on(self, name: str) -> bool:
        """Say whether a check box was ticked."""
        return self.fields.get(name, "").strip().lower() in ("1", "true", "on", "yes")


async def read_body(request: Request) -> bytes:
    """Read a whole body that is no form.

    Raises:
        Problem: if it is too large, or does not come in time; or owes a form's token.
        Busy: if the server has no room for it.
        Gone: if the caller hangs up.
    """
    _check_token(request, "")
    try:
        return await _all(request)
    except Problem as problem:
        await _linger(request, problem)
        raise


async def read_form(request: Request) -> Form:
    """Read a form, multipart or urlencoded, and check its CSRF token where that is owed.

    Raises:
        Problem: if it is no form, is too large or too slow, or its token is wrong.
        Busy: if the server has no room for it.
        Gone: if the caller hangs up.
    """
    try:
        form = await _form(request)
    except Problem as problem:
        await _linger(request, problem)
        raise
    _check_token(request, form.fields.get("csrf", ""))
    return form


async def _form(request: Request) -> Form:
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind == b"multipart/form-data":
        service: Service = request.app.state.service
        return await _multipart(request, options.get(b"boundary", b""), service)
    if kind == b"application/x-www-form-urlencoded":
        body = (await _all(request))[: _MAX_FIELDS * _MAX_FIELD]
        pairs = parse_qsl(body.decode("utf-8", "replace"), max_num_fields=None)
        return Form(fields=dict(pairs[:_MAX_FIELDS]))
    raise Problem(
        415,
        "not-a-form",
        "this is neither a form nor a photo.",
        "Send multipart/form-data with the field `photos`, or an image's bytes with its "
        "Content-Type.",
    )


def _check_token(request: Request, shown: str) -> None:
    """Refuse what `safety.Guard` let pass only because a form may hold its token."""
    owed = getattr(request.state, "csrf_owed", None)
    if owed is not None and not owed(shown):
        raise Problem(
            403, "csrf", "the form's token is missing or old.", "Load the page again, and resend."
        )


async def _linger(request: Request, problem: Problem) -> None:
    """Read on for a moment before a caller is told that it is too much; keep nothing."""
    all_came = getattr(request.state, "all_came", False)
    if problem.status != 413 or all_came or "expect" in request.headers:  # who asks, waits
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_S):
            while (await request.receive()).get("more_body", False):
                pass


async def _all(request: Request) -> bytes:
    return b"".join([chunk async for chunk in _chunks(request)])


async def _chunks(request: Request) -> AsyncGenerator[bytes]:
    """Yield a body as it comes; count it, and see that it comes fast enough."""
    service: Service = request.app.state.service
    settings = service.settings
    stated = request.headers.get("content-length", "0")
    if not stated.isdecimal() or int(stated) > settings.max_body:
        raise _too_large(settings.max_body)
    count = 0
    loop = asyncio.get_running_loop()
    begun = loop.time()
    receive = request.receive
    try:
        async with asyncio.timeout(settings.timeout_s) as limit:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Gone
                chunk: bytes = message.get("body", b"")
                count += len(chunk)
                if count > settings.max_body:
                    raise _too_large(settings.max_body)
                service.hold(len(chunk))
                request.state.held = getattr(request.state, "held", 0) + len(chunk)
                request.state.all_came = not message.get("more_body", False)
                yield chunk
                if not message.get("more_body", False):
                    return
                limit.reschedule(begun + settings.timeout_s + count / SLOWEST)
    except TimeoutError:
        raise closing(
            408, "slow", "the request took too long to arrive.", "Send it faster, or less of it."
        ) from None


def _too_large(most: int) -> Problem:
    return closing(
        413,
        "too-large",
        f"the request has more than {most:,} bytes.",
        "Send fewer photos at once, or smaller ones.",
    )


async def _multipart(request: Request, boundary: bytes, service: Service) -> Form:
    reader = _Reader(service.settings.max_photos)
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": reader.begin,
                "on_part_data": reader.data,
                "on_part_end": reader.end,
                "on_header_field": reader.header_name,
                "on_header_value": reader.header_value,
                "on_header_end": reader.header_end,
                "on_end": reader.finish,
            },
        )
        if not boundary:
            raise FormParserError("no boundary")
        async with aclosing(_chunks(request)) as chunks:
            async for chunk in chunks:
                parser.write(chunk)
    except FormParserError:
        reader.finished = False
    if not reader.finished:
        raise Problem(400, "broken-form", "the form is cut short or malformed.", "Send it again.")
    return Form(photos=reader.photos, fields=reader.fields)


class _Reader:
    """Collects the parts of a form while they come."""

    def __init__(self, max_photos: int) -> None:
        self.photos: list[tuple[str, bytes]] = []
        self.fields: dict[str, str] = {}
        self.finished = False
        self._max_photos = max_photos
        self._parts = 0
        self._name = self._value = b""
        self._disposition = b""
        self._body: list[bytes] = []
        self._size = 0

    def begin(self) -> None:
        self._parts += 1
        if self._parts > _MAX_PARTS + self._max_photos:
            raise closing(413, "too-many", "the form has too many parts.", "Send fewer.")
        self._disposition, self._body, self._size = b"", [], 0
        self._name = self._value = b""

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name = self._value = b""

    def data(self, data: bytes, start: int, end: int) -> None:
        self._body.append(data[start:end])
        self._size += end - start

    def end(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = _text(options.get(b"name", b""))
        body = b"".join(self._body)
        if b"filename" in options:
            filename = _text(options[b"filename"])
            if name == "photos" and (body or filename):
                if len(self.photos) == self._max_photos:
                    raise closing(
                        413,
                        "too-many",
                        f"the request has more than {self._max_photos} photos.",
                        "Send them in several requests.",
                    )
                self.photos.append((filename, body))
        elif len(self.fields) < _MAX_FIELDS and self._size <= _MAX_FIELD:
            self.fields[name] = body.decode("utf-8", "replace")
        self._body = []

    def finish(self) -> None:
        self.finished = True


def _text(raw: bytes) -> str:
    """Return a name as browsers write it: UTF-8, with quotes as `%22`."""
    return raw.decode("utf-8", "replace")
