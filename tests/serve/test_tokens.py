"""Cookies are signed and run out; checks take the same time whatever they are shown."""

from __future__ import annotations

import ast
import hmac
import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waymark.serve import tokens
from waymark.serve.settings import Settings
from waymark.serve.tokens import LIFETIME_S, Keys

TOKEN = "open sesame"


class Clock:
    """A clock that is set by hand."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@given(st.text(max_size=40))
def test_only_the_token_is_the_token(shown: str) -> None:
    """Any other text is not, surrogates and all."""
    assert Keys(Settings(token=TOKEN)).is_token(shown) == (shown == TOKEN)


def test_without_a_token_nothing_is_one() -> None:
    """Not even the empty text."""
    keys = Keys(Settings())
    assert not keys.needed
    assert not keys.is_token("")
    assert Keys(Settings(token=TOKEN)).is_token(TOKEN)


def test_a_session_is_good_until_it_runs_out() -> None:
    """And not a second longer."""
    clock = Clock()
    keys = Keys(Settings(token=TOKEN), clock=clock)
    cookie = keys.new_session()
    assert keys.is_session(cookie)
    clock.now += LIFETIME_S - 1
    assert keys.is_session(cookie)
    clock.now += 1
    assert not keys.is_session(cookie)


@given(st.data())
def test_a_changed_session_is_none(data: st.DataObject) -> None:
    """Whichever character of a cookie is changed."""
    keys = Keys(Settings(token=TOKEN))
    cookie = keys.new_session()
    at = data.draw(st.integers(0, len(cookie) - 1))
    other = data.draw(st.characters().filter(lambda c: c != cookie[at]))
    assert not keys.is_session(cookie[:at] + other + cookie[at + 1 :])


@given(st.text(max_size=300))
def test_no_text_is_a_session_or_a_form(text: str) -> None:
    """What was not signed here is never good."""
    keys = Keys(Settings(token=TOKEN))
    assert not keys.is_session(text)
    assert not keys.is_csrf("", text)


def test_the_cookie_does_not_hold_the_token() -> None:
    """Neither as it is nor as its hash; and each login gets another."""
    settings = Settings(token=TOKEN)
    one, two = Keys(settings).new_session(), Keys(settings).new_session()
    assert TOKEN not in one
    assert tokens._digest(TOKEN.encode()).hex() not in one
    assert one != two


def test_another_server_s_cookie_is_none() -> None:
    """The secret is each server's own; workers of one share it."""
    settings = Settings(token=TOKEN)
    cookie = Keys(settings).new_session()
    assert Keys(settings).is_session(cookie)
    assert not Keys(Settings(token=TOKEN)).is_session(cookie)


def test_a_form_belongs_to_its_session() -> None:
    """A form's token is good with the cookie that it was made for, and is no session itself."""
    keys = Keys(Settings(token=TOKEN))
    one, two = keys.new_session(), keys.new_session()
    assert keys.is_csrf(one, keys.csrf(one))
    assert not keys.is_csrf(two, keys.csrf(one))
    assert not keys.is_csrf("", keys.csrf(one))
    assert not keys.is_session(keys.csrf(one))


def test_comparisons_take_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every secret is compared by `hmac.compare_digest`, on digests of one length."""
    seen: list[tuple[int, int]] = []

    def noting(one: bytes, two: bytes) -> bool:
        seen.append((len(one), len(two)))
        return bool(one == two)

    keys = Keys(Settings(token=TOKEN))
    cookie = keys.new_session()
    monkeypatch.setattr(hmac, "compare_digest", noting)
    for shown in ("", "o", TOKEN, 500 * "x"):
        keys.is_token(shown)
    assert seen == [(32, 32)] * 4
    keys.is_session(cookie)
    keys.is_csrf(cookie, "x")
    assert len(seen) == 6
    equal = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(tokens)))
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq)
    ]
    assert not equal
