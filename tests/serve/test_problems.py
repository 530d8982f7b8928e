"""Any error becomes the one shape, with a status that fits."""

from __future__ import annotations

import json
from inspect import signature

import pytest
from starlette.exceptions import HTTPException

from waymark import errors
from waymark.errors import WaymarkError
from waymark.serve.problems import Problem, problem_of
from waymark.serve.service import Busy


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Problem(418, "teapot", "short and stout."), 418, "teapot"),
        (Busy("full", seconds=7), 503, "busy"),
        (errors.PhotoTooLarge("x"), 413, "photo-too-large"),
        (errors.UnreadablePhoto("x"), 422, "unreadable-photo"),
        (errors.UnknownName("x"), 404, "unknown-name"),
        (errors.BundleError("x"), 500, "bundle"),
        (HTTPException(404), 404, "not-found"),
        (HTTPException(405, headers={"Allow": "GET"}), 405, "method"),
        (HTTPException(411), 411, "length-required"),
        (RuntimeError("secret"), 500, "internal"),
        (MemoryError(), 500, "internal"),
    ],
    ids=repr,
)
def test_errors_have_a_status(error: Exception, status: int, code: str) -> None:
    """And the three fields, as JSON."""
    answer = problem_of(error).response()
    body = json.loads(bytes(answer.body))
    assert answer.status_code == status
    assert body["error"]["code"] == code
    assert set(body["error"]) == {"code", "message", "hint"}
    assert "secret" not in str(body)


def test_every_error_of_the_library_can_be_told() -> None:
    """None of the tree is left to chance."""
    waiting, kinds = [WaymarkError], []
    while waiting:
        kinds.append(waiting.pop())
        waiting += kinds[-1].__subclasses__()
    for kind in kinds:
        more = signature(kind.__init__).parameters.values()
        needed = {one.name: 1 for one in more if one.kind is one.KEYWORD_ONLY}
        assert 400 <= problem_of(kind("words", **needed)).status < 600


def test_busy_says_when() -> None:
    """Retry-After, in whole seconds."""
    assert problem_of(Busy("full", seconds=7)).headers["Retry-After"] == "7"
