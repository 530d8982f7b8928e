"""Clusters: ours is nobody else's, and one that is of no use is said soon. Ray is played here."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from waymark.errors import ConfigError
from waymark.scale import cluster as clusters
from waymark.scale.cluster import cluster


class Played:
    """Ray, as far as a cluster needs it."""

    def __init__(self) -> None:
        self.options: dict[str, Any] = {}
        self.folder = Path()
        self.running = self.interrupted = False
        self.fault: Exception | None = None
        self.answers = True
        self.ended = 0

    def is_initialized(self) -> bool:
        """Say whether the program has started Ray itself."""
        return self.running

    def init(self, **options: Any) -> None:
        """Start a cluster, in its folder."""
        self.options = options
        if "_temp_dir" in options:
            self.folder = Path(options["_temp_dir"]).parent
            assert self.folder.stat().st_mode & 0o777 == 0o700
        if self.interrupted:
            signal.raise_signal(signal.SIGINT)
            self.options["whole"] = True
        if self.fault is not None:
            raise self.fault

    def shutdown(self) -> None:
        """End the cluster."""
        self.ended += 1

    def wait(self, asked: list[Any], *, timeout: float) -> tuple[list[Any], list[Any]]:
        """Wait for an answer."""
        assert 0 < timeout < 600
        return (asked, []) if self.answers else ([], asked)

    def cluster_resources(self) -> dict[str, float]:
        """Return what the cluster has."""
        return {"CPU": 4.0}

    def get(self, _: Any) -> bool:
        """Return what a worker said."""
        if self.fault is not None:
            raise self.fault
        return True

    def remote(self, *_: Any, **__: Any) -> Any:
        """Ask a worker: `ray.remote(options)(function).remote()`."""
        return lambda _: self

    def cancel(self, _: Any, *, force: bool) -> None:
        """Take back what was asked."""
        assert force


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Played:
    """Return a Ray that was not imported yet, in a shell that says nothing of it."""
    played = Played()
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        monkeypatch.delenv(name)
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"):
        monkeypatch.setenv(name, "")  # so that they are as before in the end
        monkeypatch.delenv(name)
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    monkeypatch.setattr(clusters, "_import", lambda: played)
    return played


@pytest.mark.parametrize("address", [None, "", "local"])
def test_a_cluster_of_our_own_is_ours_alone(
    ray: Played, monkeypatch: pytest.MonkeyPatch, address: str | None
) -> None:
    """On the loopback, with a token, below a folder that nobody else may enter; it goes with it."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    if address is not None:
        monkeypatch.setenv("RAY_ADDRESS", address)
    with cluster(3) as given:
        assert given is ray
        assert (ray.options["address"], ray.options["num_cpus"]) == ("local", 3)
        assert ray.options["_node_ip_address"] == "127.0.0.1"
        assert os.environ["RAY_AUTH_MODE"] == "token"
        assert len(os.environ["RAY_AUTH_TOKEN"]) == 64
        assert ray.folder.is_dir()
    assert ray.ended == 1
    assert not ray.folder.exists()


def test_ray_that_cannot_ask_for_a_token_any_more_is_refused(
    ray: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads its environment as it is imported; one that runs, or has a token, will do."""
    monkeypatch.setitem(sys.modules, "ray", ray)  # type: ignore[arg-type]  # played
    with pytest.raises(ConfigError, match="imported already"), cluster(1):
        pass
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    with cluster(1):
        assert ray.options
    ray.running, ray.options = True, {}
    with cluster(1):
        assert not ray.options
    assert ray.ended == 1  # what the program has started is its own to end


def test_a_long_folder_for_temporary_files_is_not_taken(
    ray: Played, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The path of a socket would be too long. Where there is no other, the error names TMPDIR."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("long" * 9)))
    with cluster(1):
        assert ray.folder.parent == Path("/tmp")
    monkeypatch.setattr("tempfile.tempdir", "/none")
    with pytest.raises(ConfigError, match="Set TMPDIR"), cluster(1):
        pass


def test_a_cluster_that_does_not_start_leaves_nothing(ray: Played) -> None:
    """Neither processes nor a folder; the error says what to look at."""
    ray.fault = OSError("no room\nat all")
    with pytest.raises(ConfigError, match=r"no room at all.*TMPDIR"), cluster(1):
        pass
    assert ray.ended == 1
    assert not ray.folder.exists()


def test_ctrl_c_waits_until_ray_has_started(ray: Played) -> None:
    """In between it takes the process down with a core dump, and leaves the folder."""
    before = signal.getsignal(signal.SIGINT)
    ray.interrupted = True
    with pytest.raises(KeyboardInterrupt), cluster(1):
        pass
    assert ray.options["whole"]
    assert ray.ended == 1
    assert not ray.folder.exists()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_cluster_that_is_not_there_is_said_at_once(
    ray: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray would wait for it for minutes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{free.getsockname()[1]}"
    for address in (where, f"ray://{where}", "127.0.0.1:99999"):
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(ConfigError, match="nothing answers at RAY_ADDRESS"), cluster(1):
            pass
    assert not ray.options


def test_a_cluster_without_a_free_core_is_said(
    ray: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray Data would wait for one without end; so is one whose workers have no waymark."""
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    with cluster(1):
        assert "num_cpus" not in ray.options
    ray.answers = False
    with pytest.raises(ConfigError, match=r"no core .* is free .* it has 4"), cluster(1):
        pass
    assert ray.ended == 2

    ray.answers, ray.running = True, True
    ray.fault = ModuleNotFoundError("No module named 'waymark'")
    monkeypatch.setitem(sys.modules, "ray", ray)  # type: ignore[arg-type]  # played
    with pytest.raises(ConfigError, match="does not answer"), cluster(1):
        pass
