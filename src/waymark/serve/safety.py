"""What stands before every route: who calls, from where, and what every answer says.

In:  each request, before anything of it is used.
Out: the app's answer with the headers that keep browsers in line; or a refusal.

Loopback is not private: any page that a browser on this machine shows can send requests
here. So the Host must be one of ours (a rebound DNS name is not), and what writes must come
from a page of ours, from a program that shows the token, or from one that no browser is.
Plain ASGI: an `async with` around each request would cost a tenth of a small one.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import socket
import time
from collections.abc import Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import quote, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from waymark.serve.logs import LOGGER
from waymark.serve.problems import Problem, problem_of
from waymark.serve.service import Service
from waymark.serve.settings import Settings
from waymark.serve.tokens import COOKIE, Keys
from waymark.serve.uploads import Gone

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_NO = ("accelerometer", "camera", "geolocation", "gyroscope", "microphone", "payment", "usb")
HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # not `no-referrer`: browsers would then say `Origin: null` of our own forms
    "referrer-policy": "same-origin",
    "permissions-policy": ", ".join(f"{feature}=()" for feature in _NO),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_RAW = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
_NO_STORE = (b"cache-control", b"no-store")
_READS = ("GET", "HEAD", "OPTIONS")
_OPEN = ("/healthz", "/readyz", "/login", "/static")  # without a token
_FORMS = (b"multipart/form-data", b"application/x-www-form-urlencoded")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_HOST = re.compile(r"(?:(?P<name>[A-Za-z0-9._-]+)|\[(?P<six>[0-9A-Fa-f:.]+)\])(?::[0-9]{0,5})?")
PIECE = 2**18  # bytes of an answer that are sent before the caller must have read
_log = logging.getLogger(LOGGER)


class Guard:
    """The outermost layer of the app."""

    def __init__(self, app: ASGIApp, *, service: Service, keys: Keys) -> None:
        self._app = app
        self._service = service
        self._keys = keys
        self._settings = service.settings
        self._is_ours = host_check(service.settings)
        self._cors = {origin.lower() for origin in service.settings.cors_origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        metrics = self._service.metrics
        metrics.begin()
        inner: dict[str, Any] = {**scope, "state": dict(scope.get("state", {}))}
        if scope["method"] == "HEAD":
            inner["method"] = "GET"  # the server leaves the body out
        status = 499  # the caller went away

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(message)
            body, start = message.get("body", b""), 0
            while len(body) - start > PIECE:  # so the upload counts until the answer is read
                piece = {**message, "body": body[start : start + PIECE], "more_body": True}
                await send(piece)
                start += PIECE
            await send({**message, "body": body[start:]} if start else message)

        try:
            self._check(inner)
            await self._app(inner, receive, answer)
        except Gone:
            pass
        except Exception as error:
            problem = problem_of(error)
            if problem.status == 500:
                _log.error("failed", exc_info=error)
            if status == 499:
                await problem.response()(inner, receive, answer)
        finally:
            self._service.held -= inner["state"].pop("held", 0)
            seconds = time.perf_counter() - started
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = getattr(inner.get("route"), "path", "other")
            metrics.end(method, route, status, seconds)
            if _log.isEnabledFor(logging.INFO):
                fields = {"method": method, "route": route, "status": status}
                fields |= {"ms": round(seconds * 1000, 1)}
                fields |= {"photos": inner["state"].get("photos", 0)}
                _log.info("request", extra={"fields": fields})

    def _check(self, scope: Scope) -> None:
        """Let a request pass, or say why not; note what it must still show."""
        headers = _Headers(scope)
        host = headers.one(b"host")
        if not self._is_ours(host):
            raise Problem(
                421,
                "wrong-host",
                "this server does not go by the name in the Host header.",
                "Use the address that `waymark serve` printed, or start it with --allow-host.",
            )
        state: MutableMapping[str, Any] = scope["state"]
        cookie = headers.cookie(COOKIE)
        bearer = headers.bearer()
        origin = headers.one(b"origin")
        foreign = origin.lower() in self._cors and not same_host(origin, host)  # never by cookie
        is_session = self._keys.needed and not foreign and self._keys.is_session(cookie)
        if not is_session:
            cookie = ""
        state["csrf"] = self._keys.csrf(cookie)
        state["session"] = cookie
        is_bearer = bool(bearer) and self._keys.is_token(bearer)
        if scope["method"] not in _READS:
            self._check_origin(headers, host, cookie, state, is_bearer=is_bearer)
        if self._keys.needed and not (is_session or is_bearer):
            self._refuse(scope, headers)

    def _check_origin(
        self,
        headers: _Headers,
        host: str,
        cookie: str,
        state: MutableMapping[str, Any],
        *,
        is_bearer: bool,
    ) -> None:
        origin, site = headers.one(b"origin"), headers.one(b"sec-fetch-site")
        if headers.has(b"origin") and origin.lower() in self._cors:
            return
        if headers.has(b"origin") and not same_host(origin, host):
            raise _foreign()
        if headers.has(b"sec-fetch-site") and site not in ("same-origin", "none"):
            raise _foreign()
        if headers.has(b"origin") or headers.has(b"sec-fetch-site") or is_bearer or not cookie:
            return
        if self._keys.is_csrf(cookie, headers.one(b"x-csrf-token")):
            return
        if headers.one(b"content-type").encode().startswith(_FORMS):
            state["csrf_owed"] = lambda shown: self._keys.is_csrf(cookie, shown)
            return
        raise Problem(
            403, "csrf", "the X-CSRF-Token header is missing or old.", "Load the page again."
        )

    def _refuse(self, scope: Scope, headers: _Headers) -> None:
        path: str = scope["path"]
        if any(path == open_ or path.startswith(f"{open_}/") for open_ in _OPEN):
            return
        if self._cors and scope["method"] == "OPTIONS":
            return  # a browser's question before a call: it never shows a token
        if scope["method"] == "GET" and "text/html" in headers.one(b"accept"):
            raise Problem(
                303, "login", "log in first.", None, {"Location": f"/login?next={quote(path)}"}
            )
        raise Problem(
            401,
            "token",
            "this server asks for a token.",
            "Send it as `Authorization: Bearer TOKEN`, or log in at /login.",
            {"WWW-Authenticate": "Bearer"},
        )


class _Headers:
    """A request's headers; one that is there twice counts as neither."""

    def __init__(self, scope: Scope) -> None:
        self._raw: list[tuple[bytes, bytes]] = scope["headers"]

    def has(self, name: bytes) -> bool:
        return any(key == name for key, _ in self._raw)

    def one(self, name: bytes) -> str:
        found = [value for key, value in self._raw if key == name]
        return found[0].decode("latin-1") if len(found) == 1 else ""

    def bearer(self) -> str:
        kind, _, token = self.one(b"authorization").partition(" ")
        return token.strip() if kind.lower() == "bearer" else ""

    def cookie(self, name: str) -> str:
        try:
            found = SimpleCookie(self.one(b"cookie")).get(name)
        except CookieError:
            return ""
        return "" if found is None else found.value


def host_check(settings: Settings) -> Callable[[str], bool]:
    """Return what says whether a Host header is one of ours.

    A name is ours where it was given, or is this machine's; an address, where the server
    can be reached at one (no DNS name that is rebound looks like an address).
    """
    names = {"localhost", settings.host.lower(), *map(str.lower, settings.allowed_hosts)}
    if not settings.loopback:
        own = socket.gethostname().lower()
        names |= {own, f"{own}.local"}

    def is_ours(host: str) -> bool:
        name = hostname(host)
        if name in names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback if settings.loopback else True

    return is_ours


def hostname(host: str) -> str:
    """Return the name in a Host header, in small letters; "" if it is no name."""
    found = _HOST.fullmatch(host)
    return (found["name"] or found["six"]).lower() if found else ""


def same_host(origin: str, host: str) -> bool:
    """Say whether an Origin is the host that was called; TLS may have ended at a proxy."""
    try:
        parts = urlsplit(origin)
        usual = {"http": 80, "https": 443}[parts.scheme]
        asked = urlsplit(f"//{host}")
        return (parts.hostname, parts.port or usual) == (asked.hostname, asked.port or usual)
    except (KeyError, ValueError):
        return False


def _foreign() -> Problem:
    return Problem(
        403,
        "cross-site",
        "this request comes from a page of another site.",
        "Use the app's own pages, or a program that sends no Origin.",
    )


def _add_headers(message: Message) -> None:
    given = list(message.get("headers", []))
    there = {name.lower() for name, _ in given}
    given += [header for header in _RAW if header[0] not in there]
    if b"cache-control" not in there:
        given.append(_NO_STORE)
    message["headers"] = given
