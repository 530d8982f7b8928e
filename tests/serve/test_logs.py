"""A line of JSON a request, and never a photo, a name, a query, a token or an address in it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from waymark.serve.logs import LOGGER, JsonLines, log_config


class Lines(logging.Handler):
    """Keeps what the app would write."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonLines())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def lines() -> Any:
    """Catch what is logged."""
    logger = logging.getLogger(LOGGER)
    level, handler = logger.level, Lines()
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield handler.lines
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_a_line_a_request(
    opened: Callable[..., Any], jpeg: Callable[..., bytes], lines: list[str]
) -> None:
    """Method, template of the path, status, time, photos; nothing of what was sent."""
    token = "open sesame, please"
    headers = {"Authorization": f"Bearer {token}", "X-Forwarded-For": "203.0.113.9"}
    with opened(token=token) as client:
        files = [("photos", ("my-wife.jpg", jpeg())), ("photos", ("diary.txt", b"dear diary"))]
        client.post("/api/v1/predict?q=private", files=files, headers=headers)
        client.get("/landmarks?q=private", headers=headers)
        client.get("/private-path", headers=headers)
        client.post("/login", data={"token": "open sesamy, please"})
    told = [json.loads(line) for line in lines]
    assert [line["route"] for line in told] == ["/api/v1/predict", "/landmarks", "other", "/login"]
    assert [line["status"] for line in told] == [200, 200, 404, 401]
    assert told[0]["photos"] == 2
    assert all(line["ms"] >= 0 and line["event"] == "request" for line in told)
    for secret in ("wife", "diary", "private", "sesam", "203.0.113", "testclient"):
        assert secret not in "".join(lines)


def test_a_fault_is_logged_without_what_it_held(
    opened: Callable[..., Any],
    jpeg: Callable[..., bytes],
    lines: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its kind and the lines of code, on one line of JSON."""
    from waymark.recognise.recogniser import Recogniser

    def fails(*_: Any) -> None:
        raise ValueError("dear diary")

    monkeypatch.setattr(Recogniser, "answer_and_embed", fails)
    with opened() as client:
        client.post("/api/v1/predict", content=jpeg(), headers={"Content-Type": "image/jpeg"})
    failed, request = (json.loads(line) for line in lines)
    assert failed["event"] == "failed"
    assert failed["error"]["kind"] == "ValueError"
    assert any(at.startswith("test_logs.py:") for at in failed["error"]["at"])
    assert request["status"] == 500
    assert "diary" not in "".join(lines)


def test_the_server_under_the_app_writes_json_too() -> None:
    """uvicorn's own words go through the same formatter, and its access log is off."""
    config = log_config("json")
    assert config["formatters"] == {"json": {"()": JsonLines}}
    assert config["loggers"]["uvicorn.access"] == {"handlers": [], "propagate": False}
    assert log_config("off")["loggers"][LOGGER]["level"] == "WARNING"


def test_hostile_text_stays_on_its_line() -> None:
    """A record with newlines or terminal codes is one line of ASCII."""
    record = logging.LogRecord("x", logging.INFO, "x", 1, "a\nb\x1b[31m\u2028é", None, None)
    line = JsonLines().format(record)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["event"] == "a\nb\x1b[31m\u2028é"
