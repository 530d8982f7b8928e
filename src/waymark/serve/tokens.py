"""Who may call: the token, the cookie that a login gives, and the token of forms.

In:  the settings' token and secret.
Out: cookies that are signed and run out, and checks that take the same time whatever they
     are shown.

The cookie is not the token: who reads it can call until it runs out, and learns no more.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable

from waymark.serve.settings import Settings

COOKIE = "waymark_session"
LIFETIME_S = 12 * 3600
_MAX = 200  # characters worth looking at


class Keys:
    """The secrets of one app."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.time) -> None:
        self._secret = settings.secret
        self._token = None if settings.token is None else _digest(settings.token.encode())
        self._clock = clock

    @property
    def needed(self) -> bool:
        """Whether callers must show a token."""
        return self._token is not None

    def is_token(self, shown: str) -> bool:
        """Say whether this is the token, in a time that does not tell how nearly it is."""
        if self._token is None:
            return False
        given = _digest(shown.encode("utf-8", "surrogateescape"))
        return hmac.compare_digest(given, self._token)

    def new_session(self) -> str:
        """Return a cookie for who has shown the token."""
        text = f"{int(self._clock()) + LIFETIME_S}.{secrets.token_urlsafe(16)}"
        return f"{text}.{self._sign('session', text)}"

    def is_session(self, cookie: str) -> bool:
        """Say whether a cookie was given by `new_session`, and not too long ago."""
        text, _, signature = cookie[:_MAX].rpartition(".")
        if not self._same(signature, self._sign("session", text)):
            return False
        until = text.partition(".")[0]
        return until.isdecimal() and int(until) > self._clock()

    def csrf(self, cookie: str) -> str:
        """Return what forms of a session (or of nobody's: "") must send along."""
        return self._sign("csrf", cookie)

    def is_csrf(self, cookie: str, shown: str) -> bool:
        """Say whether a form was given to this session."""
        return self._same(shown[:_MAX], self.csrf(cookie))

    def _sign(self, purpose: str, text: str) -> str:
        signed = f"waymark {purpose}\0{text}".encode("utf-8", "surrogateescape")
        return hmac.new(self._secret, signed, hashlib.sha256).hexdigest()

    def _same(self, shown: str, right: str) -> bool:
        return hmac.compare_digest(shown.encode("utf-8", "surrogateescape"), right.encode("ascii"))


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()
