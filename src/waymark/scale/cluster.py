"""Start Ray on this machine, or join the cluster that RAY_ADDRESS names.

A cluster of our own listens on the loopback only, asks every caller for a token that nobody
else has, reports its use to nobody, has no dashboard and leaves no files behind. Of any other
cluster a core is awaited first, as Ray itself would wait for one without end and a word.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from waymark.errors import ConfigError
from waymark.scale.place import missing_scale

_STORE = 128 * 2**20  # bytes of shared memory: the names of photos in hand
_SHORT = 24  # bytes of a folder: a socket's path has 103, of which Ray and we take 79
_CALL = 10.0  # seconds for a machine to answer
_PATIENCE = 120.0  # seconds for a core to be free: an autoscaler may start a machine for it
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # Ray warns of a change of its own here
    "RAY_raylet_start_wait_time_s": "120",  # a busy machine is no broken one
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # its C++ writes to our stderr what is Ray Data's affair
    "RAY_enable_metrics_collection": "0",
}


@contextmanager
def cluster(workers: int) -> Iterator[Any]:
    """Give Ray with a cluster behind it while the block runs.

    A program that has called `ray.init` itself, or set RAY_ADDRESS, keeps its cluster.

    Args:
        workers: processes of a cluster of our own, one a core.

    Raises:
        MissingExtra: Ray is not installed.
        ConfigError: the cluster cannot be started or reached, or has no core to give.
    """
    address = os.environ.get("RAY_ADDRESS", "")
    running = "ray" in sys.modules and sys.modules["ray"].is_initialized()
    with warnings.catch_warnings():
        # Ray's own deprecations are its makers' affair
        warnings.filterwarnings("ignore", module=r"ray\b")
        if running:
            ray = _import()
            _await_core(ray)
            yield ray
        elif address in ("", "local"):
            with _own(workers) as ray:
                yield ray
        else:
            with _joined(address) as ray:
                yield ray


@contextmanager
def _own(workers: int) -> Iterator[Any]:
    """Start a cluster, and end it after the block."""
    if "ray" not in sys.modules:
        os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
        # named after the systems where it is Ray's default: a node of the loopback
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    elif os.environ.get("RAY_AUTH_MODE") != "token":
        raise ConfigError(
            "Ray is imported already, and would start a cluster that any user of this machine "
            "can command. Let waymark import it, or call ray.init first."
        )
    ray = _import()
    folder = _new_folder()
    try:
        with _whole():
            _init(
                ray,
                f"See that {folder!a} has room, or set TMPDIR to another short path",
                address="local",
                num_cpus=workers,
                num_gpus=0,
                include_dashboard=False,
                object_store_memory=_STORE,
                _node_ip_address="127.0.0.1",
                _temp_dir=os.path.join(folder, "r"),  # noqa: PTH118  # Ray opens it to all
            )
        yield ray
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _joined(address: str) -> Iterator[Any]:
    """Join a cluster, and leave it after the block."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if port.isdigit():
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_CALL).close()
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"nothing answers at RAY_ADDRESS, {host}:{port} ({error}). Start that cluster, "
                "name another, or unset RAY_ADDRESS for a cluster of this machine."
            ) from error
    ray = _import()
    try:
        _init(ray, "Check RAY_ADDRESS; RAY_AUTH_MODE=token if it wants a token")
        _await_core(ray)
        yield ray
    finally:
        ray.shutdown()


def _import() -> Any:
    """Import Ray, which reads its environment as it is imported, and once only."""
    if "ray" not in sys.modules:
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise missing_scale() from error
    return ray


def _init(ray: Any, remedy: str, **options: Any) -> None:
    try:
        ray.init(logging_level="ERROR", log_to_driver=False, **options)
    except Exception as error:  # Ray raises plain ones
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(
            f"Ray cannot be started or reached ({reason}). {remedy}, or take --engine local."
        ) from error


def _new_folder() -> str:
    """Return a new folder of nobody else's, whose path leaves room for that of a socket."""
    try:
        usual = tempfile.gettempdir()
        short = os.name == "nt" or len(os.fsencode(usual)) <= _SHORT
        return tempfile.mkdtemp(prefix="wray", dir=usual if short else "/tmp")
    except OSError as error:
        raise ConfigError(
            f"Ray has no folder for its sockets ({error}). Set TMPDIR to a path of at most "
            f"{_SHORT} bytes where you may write."
        ) from error


@contextmanager
def _whole() -> Iterator[None]:
    """Let Ctrl-C wait until the block is over: while Ray starts, it takes the process down.

    A second one does not wait.
    """
    before = signal.getsignal(signal.SIGINT)
    heard = before not in (signal.SIG_IGN, None)
    if not heard or threading.current_thread() is not threading.main_thread():
        yield
        return
    asked: list[bool] = []

    def wait(*_: Any) -> None:
        asked.append(True)
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, wait)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if asked:
        raise KeyboardInterrupt


def _await_core(ray: Any) -> None:
    """Wait until a worker of a cluster has answered.

    Raises:
        ConfigError: none has a core to give, or waymark.
    """
    asked = ray.remote(num_cpus=1, max_retries=0)(_has_waymark).remote()
    try:
        if ray.wait([asked], timeout=_PATIENCE)[0]:
            ray.get(asked)
            return
    except Exception as error:  # Ray's errors have no common ancestor
        raise ConfigError(
            f"a worker of the cluster does not answer ({type(error).__name__}). See that all of "
            "its machines have the waymark, Ray and Python of this one."
        ) from error
    with suppress(Exception):
        ray.cancel(asked, force=True)
    cores = int(ray.cluster_resources().get("CPU", 0))
    raise ConfigError(
        f"no core of the cluster is free after {_PATIENCE:.0f} s; it has {cores}. Wait for its "
        "other work to end, add machines with cores, or unset RAY_ADDRESS."
    )


def _has_waymark() -> bool:
    return True  # Ray finds this function in waymark
