"""Run the app: a parent that watches over workers, and the workers.

In:  what to load, and the settings.
Out: a server on a socket, until it is told to stop; what is in work then is finished.

Also a single worker is a process of its own: should it die, the parent starts another.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from multiprocessing import connection, parent_process
from typing import TYPE_CHECKING, Any, cast

from prometheus_client.multiprocess import mark_process_dead
from uvicorn.config import STARTUP_FAILURE, Config
from uvicorn.supervisors import Multiprocess

from waymark.errors import ConfigError, WaymarkError
from waymark.serve.logs import LOGGER, log_config
from waymark.serve.metrics import SHARED
from waymark.serve.protocol import Protocol
from waymark.serve.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from waymark.recognise.session import Session

_BACKLOG = 512
_KEEP_ALIVE_S = 20
_HEALTH_S = 60  # a worker that says nothing for so long is replaced


@dataclass(frozen=True, kw_only=True)
class Serving:
    """What a worker makes its app of; it is sent to the worker's process.

    Attributes:
        bundle: `world`, or a path.
        options: of the `Recogniser`.
        settings: how to serve.
    """

    bundle: str
    settings: Settings
    options: dict[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Read the bundle, and not its network: what is wrong is said before anything starts.

        Raises:
            WaymarkError: if the bundle or an option is.
        """
        from waymark.recognise.recogniser import Recogniser

        Recogniser.from_bundle(self.bundle, session=cast("Session", object()), **self.options)
        if self.settings.library is not None:
            from waymark.serve.library_shelf import Shelf

            Shelf(self.settings.library)

    def __call__(self) -> FastAPI:
        """Load the bundle, and make the app: in the worker."""
        from waymark.bundle.format import find_bundle

        _end_with_parent()
        _no_core_dumps()
        try:
            from waymark.recognise.recogniser import Recogniser
            from waymark.serve.app import create_app

            recogniser = Recogniser.from_bundle(self.bundle, **self.options)
            return create_app(recogniser, self.settings, bundle_file=find_bundle(self.bundle))
        except Exception as error:  # whatever it is, the next worker would meet it, too
            words = str(error) if isinstance(error, WaymarkError) else "the worker cannot start"
            logging.getLogger(LOGGER).error(words, exc_info=error)
            sys.exit(STARTUP_FAILURE)


def listen(settings: Settings) -> socket.socket:
    """Open the socket to serve on.

    Raises:
        ConfigError: if the address is not this machine's, or the port is taken.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"{settings.host} port {settings.port} cannot be served on "
            f"({error.strerror or error}); choose another with --host or --port."
        ) from error


def address(settings: Settings, listening: socket.socket) -> str:
    """Return what to open in a browser."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{listening.getsockname()[1]}/"


def server_config(app: Any, settings: Settings) -> Config:
    """Return how uvicorn serves an app, or what makes it."""
    return Config(
        app,
        factory=isinstance(app, Serving),
        http=Protocol,
        ws="none",
        lifespan="on",
        log_config=log_config(settings.log),
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=list(settings.proxies),
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=round(settings.timeout_s + settings.decode_s),
        timeout_worker_healthcheck=_HEALTH_S,
    )


def run(serving: Serving, listening: socket.socket) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        ConfigError: if the workers cannot start; the log says why.
    """
    settings = serving.settings
    config = server_config(serving, settings)
    config.workers = settings.workers
    with tempfile.TemporaryDirectory(prefix="waymark-metrics-") as shared:
        # glibc gives each thread an arena, and what large photos took would stay in each
        given = {SHARED: shared, "MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1"}
        before = {name: os.environ.get(name) for name in given}
        os.environ.update(given)
        try:
            watch = _Watch(config, [listening])
            watch.run()
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value
    if any(process.exitcode == STARTUP_FAILURE for process in watch.processes):
        raise ConfigError("the server could not start; its log says why.")


class _Watch(Multiprocess):
    """uvicorn's supervisor, which also forgets what a dead worker was counted to be at.

    And it lets go of the socket as soon as it stops: who comes then is refused at once,
    and does not wait for a worker that will never answer.
    """

    def keep_subprocess_alive(self) -> None:
        """Replace workers that died."""
        for process in self.processes:
            deadline = time.monotonic() + _HEALTH_S
            # asked once, with all that time to answer, one that died meanwhile would be waited for
            while process.process.is_alive() and not process.ping(1.0):
                if time.monotonic() > deadline:
                    break
        before = {process.pid for process in self.processes}
        super().keep_subprocess_alive()
        for pid in before - {process.pid for process in self.processes}:
            mark_process_dead(pid)  # type: ignore[no-untyped-call]

    def terminate_all(self) -> None:
        """Stop all workers; they finish what they are at."""
        for listening in self.sockets:
            listening.close()
        super().terminate_all()


def _end_with_parent() -> None:
    """Stop as soon as the parent is no more, however it ended."""
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _no_core_dumps() -> None:
    """Keep photos from being stored in a core dump, should a worker crash."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
