"""The login gives a cookie for the token, to nobody else, and leads nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.cookies import SimpleCookie
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from waymark.serve import login
from waymark.serve.login import safe_path
from waymark.serve.tokens import COOKIE, LIFETIME_S

TOKEN = "open sesame, please"


@pytest.fixture(scope="module")
def locked(opened: Callable[..., Any]) -> Iterator[TestClient]:
    """Return a client of an app that asks for a token, and never pauses."""
    before, login.PAUSE_S = login.PAUSE_S, 0.0
    with opened(token=TOKEN, proxies=("127.0.0.1",)) as found:
        yield found
    login.PAUSE_S = before


def test_the_cookie_is_out_of_reach(locked: TestClient) -> None:
    """Scripts cannot read it, other sites cannot send it, it ends; and it is not the token."""
    answer = locked.post("/login", data={"token": TOKEN, "next": "/landmarks"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/landmarks")
    (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
    assert cookie.key == COOKIE
    assert cookie["httponly"]
    assert cookie["samesite"].lower() == "strict"
    assert cookie["path"] == "/"
    assert cookie["max-age"] == str(LIFETIME_S)
    assert not cookie["domain"]
    assert "sesame" not in cookie.value
    locked.cookies.clear()


def test_over_tls_the_cookie_stays_there(opened: Callable[..., Any]) -> None:
    """Where the browser came by https, the cookie is `Secure`."""
    with opened(token=TOKEN) as found:
        found.base_url = "https://127.0.0.1"
        answer = found.post("/login", data={"token": TOKEN})
    (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
    assert cookie["secure"]


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x", TOKEN.upper()])
def test_a_wrong_token_gets_none(locked: TestClient, token: str) -> None:
    """But the page again, which says so and does not repeat it."""
    answer = locked.post("/login", data={"token": token})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert TOKEN not in answer.text
    assert 'role="alert"' in answer.text


def test_the_token_is_not_taken_from_the_address(locked: TestClient) -> None:
    """Only from the form."""
    assert locked.post(f"/login?token={TOKEN}", data={"token": "x"}).status_code == 401
    answer = locked.get(f"/login?token={TOKEN}")
    assert answer.status_code == 200
    assert TOKEN not in answer.text
    assert "set-cookie" not in answer.headers


def test_logging_out_takes_the_cookie_away(locked: TestClient) -> None:
    """It is emptied, and the login comes next."""
    locked.post("/login", data={"token": TOKEN})
    assert locked.get("/login").status_code == 303
    answer = locked.post("/logout", data={}, headers={"Origin": "http://127.0.0.1"})
    assert answer.headers["location"] == "/login"
    assert not locked.cookies
    assert locked.get("/landmarks").status_code == 401


def test_without_a_token_there_is_nothing_to_log_in_to(client: TestClient) -> None:
    """The login leads to the first page."""
    for answer in (client.get("/login"), client.post("/login", data={"token": "x"})):
        assert (answer.status_code, answer.headers["location"]) == (303, "/")


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "evil",
        "",
        "/a\r\nSet-Cookie: x=y",
        "/\tx",
    ],
)
def test_the_login_leads_nowhere_else(locked: TestClient, path: str) -> None:
    """An address that was slipped in does not take a person to another site."""
    assert safe_path(path) == "/"
    answer = locked.post("/login", data={"token": TOKEN, "next": path})
    assert answer.headers["location"] == "/"
    locked.cookies.clear()


@given(st.text())
def test_any_path_is_of_this_app(path: str) -> None:
    """It begins with one slash, and has nothing that breaks a header."""
    safe = safe_path(path)
    assert safe.startswith("/")
    assert not safe.startswith(("//", "/\\"))
    assert safe.isascii()
    assert safe.isprintable()
