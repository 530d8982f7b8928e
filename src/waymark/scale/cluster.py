"""Start Ray on this machine, or join the cluster that RAY_ADDRESS names.

A cluster of our own listens on the loopback only, asks every caller for a token that nobody
else has, reports its use to nobody, has no dashboard and leaves no files behind.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from waymark.errors import ConfigError
from waymark.scale.place import missing_scale

_STORE = 128 * 2**20  # bytes of shared memory: the names of photos in hand
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
        ConfigError: the cluster cannot be started or reached.
    """
    folder = ""
    with warnings.catch_warnings():
        # Ray's own deprecations are its makers' affair
        warnings.filterwarnings("ignore", module=r"ray\b")
        try:
            ray = _import()
            started = not ray.is_initialized()
            if started and os.environ.get("RAY_ADDRESS"):
                _init(ray, log_to_driver=False)
            elif started:
                folder = tempfile.mkdtemp(prefix="wray")  # short: it is part of a socket's path
                _init(
                    ray,
                    address="local",
                    num_cpus=workers,
                    num_gpus=0,
                    include_dashboard=False,
                    object_store_memory=_STORE,
                    log_to_driver=False,
                    _node_ip_address="127.0.0.1",
                    _temp_dir=folder,
                )
            try:
                yield ray
            finally:
                if started:
                    ray.shutdown()
        finally:
            if folder:
                shutil.rmtree(folder, ignore_errors=True)


def _import() -> Any:
    """Import Ray, which reads its environment as it is imported, and once only."""
    if "ray" not in sys.modules:
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        if "RAY_ADDRESS" not in os.environ and "RAY_AUTH_MODE" not in os.environ:
            os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
            # named after the systems where it is Ray's default: a node of the loopback
            os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise missing_scale() from error
    return ray


def _init(ray: Any, **options: Any) -> None:
    try:
        ray.init(logging_level="ERROR", **options)
    except Exception as error:  # Ray raises plain ones
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(
            f"Ray cannot be started or reached ({reason}). Check RAY_ADDRESS, or take "
            "--engine local."
        ) from error
