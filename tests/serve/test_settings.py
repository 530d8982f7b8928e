"""Settings refuse what cannot be, and what would be open by mistake."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from waymark.errors import ConfigError
from waymark.serve.settings import Settings


def test_the_defaults_are_for_this_machine_only() -> None:
    """Loopback, no token, no teaching, nobody else's scripts."""
    settings = Settings()
    assert settings.loopback
    assert not settings.allow_teach
    assert settings.cors_origins == ()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback(host: str) -> None:
    """All of 127/8 is this machine."""
    assert Settings(host=host).loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org", ""])
def test_a_network_needs_a_token_or_an_explicit_no(host: str) -> None:
    """Nothing is opened to others by `--host` alone."""
    with pytest.raises(ConfigError, match="--no-auth"):
        Settings(host=host)
    assert not Settings(host=host, auth=False).loopback
    assert not Settings(host=host, token="0123456789abcdef").loopback


@pytest.mark.parametrize(
    "wrong",
    [
        {"token": "short"},
        {"token": "umläute sind schön"},
        {"token": "with\nnewline"},
        {"token": "0123456789", "auth": False},
        {"port": 70_000},
        {"port": -1},
        {"workers": 0},
        {"batch_window_ms": -1},
        {"batch_window_ms": float("nan")},
        {"queue": 0},
        {"max_body": 0},
        {"timeout_s": 0},
        {"log": "xml"},
        {"cors_origins": ("*",)},
        {"cors_origins": ("photos.example",)},
        {"cors_origins": ("https://photos.example/",)},
        {"allowed_hosts": ("http://photos.example",)},
        {"allowed_hosts": ("photos.example:8000",)},
        {"allowed_hosts": ("*",)},
        {"allow_teach": True, "workers": 2},
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    """With a message of a sentence or two."""
    with pytest.raises(ConfigError, match=r"[.;] ?"):
        Settings(**wrong)


def test_secrets_are_not_shown() -> None:
    """Neither token nor secret is in what is printed of settings."""
    settings = Settings(token="open sesame")
    assert "sesame" not in repr(settings)
    assert repr(settings.secret) not in repr(settings)


def test_workers_get_the_same_secret() -> None:
    """Settings travel to the workers whole, so that a session of one is good in all."""
    settings = Settings(token="open sesame")
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert Settings().secret != Settings().secret
