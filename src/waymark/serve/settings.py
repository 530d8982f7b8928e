"""How the app serves: one frozen record, checked as it is made.

Nothing reads the environment or a global; what is not said here is not so.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from waymark.errors import ConfigError

MB = 2**20
TOKEN_LENGTH = 8  # characters, at least
MAX_K = 10  # guesses a photo
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_ORIGIN = re.compile(r"https?://[a-z0-9._-]+(:[0-9]{1,5})?")
SLOWEST = 20_000  # bytes a second that callers must send, or read, at least


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that can be set of the app.

    Attributes:
        host: address to listen on.
        port: port to listen on; 0 takes a free one.
        token: what callers must show; None asks for nothing.
        auth: False says that serving the whole network without a token is meant.
        allow_teach: whether the Teach page is there.
        library: a library to look through and review; None shows none.
        teach_dir: where taught bundles are kept; None is `$XDG_DATA_HOME/waymark/taught`.
        teach_photos: photos that may wait to be taught.
        workers: processes that serve; each loads the bundle.
        batch_window_ms: how long the network waits for photos of other requests; 0 runs
            each photo by itself.
        max_batch: photos a run of the network.
        queue: photos that wait or are in work, a worker; beyond that, 503.
        max_held: bytes of uploads in memory, a worker; beyond that, 503.
        max_body: bytes a request.
        max_photos: photos a request.
        max_pixels: width times height of a photo.
        decoders: processes that decode, a worker, and threads for the network; 0 shares the
            cores out among the workers.
        decode_s: seconds that decoding one photo may take.
        timeout_s: seconds that a request may take to arrive, and again to be answered.
        shrink: the longer side, px, to which browsers shrink photos before they send
            them; 0 sends them as they are.
        allowed_hosts: further names under which the app may be called.
        cors_origins: origins whose scripts may call the API; none by default.
        proxies: addresses of proxies whose X-Forwarded-For and -Proto are believed.
        log: `json` writes a line a request; `off` only what goes wrong.
        secret: signs sessions and CSRF tokens; another one each time, if not given.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = field(default=None, repr=False)
    auth: bool = True
    allow_teach: bool = False
    library: Path | None = None
    teach_dir: Path | None = None
    teach_photos: int = 500
    workers: int = 1
    batch_window_ms: float = 10.0
    max_batch: int = 8
    queue: int = 64
    max_held: int = 256 * MB
    max_body: int = 32 * MB
    max_photos: int = 32
    max_pixels: int = 64_000_000
    decoders: int = 0
    decode_s: float = 20.0
    timeout_s: float = 30.0
    shrink: int = 1600
    allowed_hosts: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    log: Literal["json", "off"] = "json"
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be, and what would be open by mistake."""
        counts = {
            "workers": (self.workers, 1),
            "teach_photos": (self.teach_photos, 1),
            "max_batch": (self.max_batch, 1),
            "queue": (self.queue, 1),
            "max_held": (self.max_held, 1),
            "max_body": (self.max_body, 1),
            "max_photos": (self.max_photos, 1),
            "max_pixels": (self.max_pixels, 1),
            "decoders": (self.decoders, 0),
            "batch_window_ms": (self.batch_window_ms, 0),
            "shrink": (self.shrink, 0),
        }
        for name, (value, least) in counts.items():
            if not value >= least:
                raise ConfigError(f"{name} is {value}; it must be at least {least}.")
        if not (self.timeout_s > 0 and self.decode_s > 0):
            raise ConfigError(
                f"timeout_s is {self.timeout_s} and decode_s {self.decode_s}; "
                "both must be more than 0 seconds."
            )
        if not 0 <= self.port <= 65_535:
            raise ConfigError(f"port is {self.port}; it must be between 0 and 65535.")
        if self.log not in ("json", "off"):
            raise ConfigError(f"log is {self.log!r}; use json or off.")
        if self.token is not None:
            self._check_token(self.token)
        if not self.loopback and self.token is None and self.auth:
            raise ConfigError(
                f"host {self.host} can be reached from other machines, and no token is asked "
                "for; set one with WAYMARK_TOKEN or --token, or say --no-auth if all who can "
                "reach it may use it."
            )
        if self.library is not None and not self.loopback and self.token is None:
            raise ConfigError(
                f"host {self.host} can be reached from other machines, and the library shows "
                "photos and takes reviews; set a token with WAYMARK_TOKEN or --token."
            )
        if self.allow_teach and self.workers != 1:
            raise ConfigError(
                f"workers is {self.workers} and allow_teach is set; what is taught lives in one "
                "worker. Set workers to 1, or leave out --allow-teach."
            )
        self._check_names()

    def _check_token(self, token: str) -> None:
        if len(token) < TOKEN_LENGTH or not token.isascii() or not token.isprintable():
            raise ConfigError(
                f"the token must have at least {TOKEN_LENGTH} printable ASCII characters; "
                "`openssl rand -hex 16` makes a good one."
            )
        if not self.auth:
            raise ConfigError("a token and --no-auth contradict each other; choose one.")

    def _check_names(self) -> None:
        if "*" in self.allowed_hosts or "*" in self.cors_origins:
            raise ConfigError("name each host and each origin; `*` would undo the check.")
        for name in self.allowed_hosts:
            if not _NAME.fullmatch(name):
                raise ConfigError(f"{name!r} is no name of a host; expected photos.example.org.")
        for origin in self.cors_origins:
            if not _ORIGIN.fullmatch(origin):
                raise ConfigError(
                    f"{origin!r} is no origin; expected https://photos.example.org, with the "
                    "port where it is not the usual one, and no path."
                )

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the app."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
