"""The one shape of every error: {"error": {"code", "message", "hint"}}.

In:  anything that went wrong, here or in the library.
Out: the status, headers and body that say so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from waymark.errors import WaymarkError
from waymark.serve.service import Busy

_STATUS = {
    "busy": 503,
    "photo-too-large": 413,
    "unreadable-photo": 422,
    "truncated-photo": 422,
    "photo": 422,
    "config": 422,
    "unknown-name": 404,
}
_USUAL: dict[
    int, tuple[str, str, str | None]
] = {  # what Starlette raises by itself: code, message, hint
    404: ("not-found", "there is nothing at this address.", "GET / has the pages."),
    405: ("method", "this address does not answer this method.", "See the Allow header."),
}


class Problem(Exception):
    """An answer that is an error."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        hint: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.hint = status, code, message, hint
        self.headers = dict(headers or {})

    @property
    def error(self) -> dict[str, str | None]:
        """What stands under `error`."""
        return {"code": self.code, "message": self.message, "hint": self.hint}

    def response(self) -> Response:
        """Return the answer."""
        body = json.dumps({"error": self.error}).encode()
        return Response(body, self.status, self.headers, media_type="application/json")


def closing(status: int, code: str, message: str, hint: str) -> Problem:
    """Return a problem after which the connection ends: what else the caller sends is not read."""
    return Problem(status, code, message, hint, {"Connection": "close"})


def problem_of(error: Exception) -> Problem:
    """Return any error as what the caller is told."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, Busy):
        hint = "Try again after the seconds in Retry-After."
        return Problem(503, "busy", str(error), hint, {"Retry-After": str(error.seconds)})
    if isinstance(error, WaymarkError):
        return Problem(_STATUS.get(error.code, 500), error.code, str(error))
    if isinstance(error, HTTPException):
        phrase = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
        usual = _USUAL.get(error.status_code, (phrase, error.detail, None))
        return Problem(error.status_code, *usual, error.headers)
    return Problem(
        500,
        "internal",
        "something went wrong in the server, and was written to its log.",
        "Try again; if it happens each time, tell who runs the server.",
    )


def invalid(error: RequestValidationError) -> Problem:
    """Return what FastAPI found wrong with parameters; never what they held."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or "the request"
    return Problem(
        422, "invalid", f"{where}: {first['msg']}.", "See /api/v1/openapi.json for what is meant."
    )
