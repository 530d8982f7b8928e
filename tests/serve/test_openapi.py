"""The OpenAPI description is true: schemathesis asks everything of it that it allows, and more."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from waymark.serve.app import OPENAPI
from waymark.serve.schemas import ERRORS

# It takes any bytes for a photo; that most of them are none is the one thing that it may not say.
NOT_ASKED = "positive_data_acceptance"


@pytest.mark.parametrize(("token", "examples"), [(None, 10), ("open sesame, please", 2)])
def test_the_server_keeps_to_its_description(
    serving: Callable[..., Any], tmp_path: Path, token: str | None, examples: int
) -> None:
    """No 500, no status, type or shape of an answer that is not described."""
    asked = ["run", "--max-examples", str(examples), "--exclude-checks", NOT_ASKED, "--seed", "1"]
    if token:
        asked += ["--header", f"Authorization: Bearer {token}", "--phases", "examples,fuzzing"]
    with serving(token=token) as port:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli"),
                *(*asked, "--no-color", f"http://127.0.0.1:{port}{OPENAPI}"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "7 selected / 7 total" in done.stdout


def test_every_route_of_the_api_is_described_with_examples(client: TestClient) -> None:
    """All statuses that the guard gives to any route, and an example of each answer."""
    paths = client.get(OPENAPI).json()["paths"]
    assert set(paths) == {
        *("/api/v1/predict", "/api/v1/landmarks", "/api/v1/bundle"),
        *("/healthz", "/readyz", "/metrics", "/v1/images:annotate"),
    }
    for path, methods in paths.items():
        for described in methods.values():
            assert described["summary"]
            if path not in ("/healthz", "/readyz"):
                assert {"401", "421"} <= set(described["responses"])
            for status, answer in described["responses"].items():
                if path.startswith(("/api", "/v1")) or int(status) >= 400:
                    assert "example" in answer["content"]["application/json"], (path, status)


def test_the_token_is_described_where_it_is_asked_for(
    client: TestClient, opened: Callable[..., Any]
) -> None:
    """As a bearer token, of all but what monitors ask; and not at all without one."""
    assert "security" not in client.get(OPENAPI).json()
    token = "open sesame, please"
    with opened(token=token) as locked:
        headers = {"Authorization": f"Bearer {token}"}
        described = locked.get(OPENAPI, headers=headers).json()
    assert described["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert described["security"] == [{"token": []}]
    for path, methods in described["paths"].items():
        for operation in methods.values():
            assert (operation.get("security") == []) == (path in ("/healthz", "/readyz"))


def test_errors_are_described_as_they_are() -> None:
    """Each example has the one shape."""
    for described in ERRORS.values():
        example = described["content"]["application/json"]["example"]
        assert set(example["error"]) == {"code", "message", "hint"}


def test_nothing_is_fetched_from_elsewhere(client: TestClient) -> None:
    """The description is a file of this server; there is no page that loads scripts for it."""
    assert client.get(OPENAPI).headers["content-type"] == "application/json"
    assert client.get("/docs").status_code == client.get("/redoc").status_code == 404
