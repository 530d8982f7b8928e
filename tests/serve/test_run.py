"""`waymark serve` as it is run: workers that are watched over, and an end that loses nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from waymark.errors import ConfigError
from waymark.serve import run
from waymark.serve.run import address, listen
from waymark.serve.settings import Settings

TOKEN = "open sesame, please"


@contextmanager
def served(bundle: Path, *options: str, **environment: str) -> Iterator[tuple[str, Any]]:
    """Run `waymark serve` on a free port; yields its address and its process."""
    command = [sys.executable, "-m", "waymark", "serve", "--port", "0", "--bundle", str(bundle)]
    process = subprocess.Popen(
        [*command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    assert process.stdout is not None
    try:
        url = process.stdout.readline().split(" at ")[1].split(" ")[0]
        yield url, process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise


def wait_for(happens: Callable[[], Any], seconds: float = 60) -> Any:
    """Ask again and again until something is so."""
    until = time.monotonic() + seconds
    while not (found := happens()):
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)
    return found


def answers(url: str) -> bool:
    """Say whether the server takes photos."""
    try:
        return httpx.get(f"{url}readyz").status_code == 200
    except httpx.HTTPError:
        return False


def workers(process: Any) -> set[int]:
    """Return the processes that serve."""
    found = set()
    for one in psutil.Process(process.pid).children():
        with suppress(psutil.Error):  # gone meanwhile
            if "spawn_main" in " ".join(one.cmdline()):
                found.add(one.pid)
    return found


def test_it_serves_survives_and_ends(bundle_path: Path, jpeg: Callable[..., bytes]) -> None:
    """Two workers count together; one that is killed is replaced; nothing is left at the end."""
    with served(bundle_path, "--workers", "2", WAYMARK_TOKEN=TOKEN) as (url, process):
        wait_for(lambda: answers(url))
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "image/jpeg"}
        wait_for(lambda: len(workers(process)) == 2)
        for seed in range(6):
            posted = httpx.post(f"{url}api/v1/predict", content=jpeg(seed), headers=headers)
            assert posted.status_code == 200
        text = httpx.get(f"{url}metrics", headers=headers).text
        assert (
            sum(
                float(line.rsplit(" ", 1)[1])
                for line in text.splitlines()
                if line.startswith("waymark_photos_total")
            )
            == 6
        )
        everyone = [process.pid, *(c.pid for c in psutil.Process(process.pid).children(True))]
        told = [" ".join(psutil.Process(pid).cmdline()) for pid in everyone]
        assert not any("sesame" in line for line in told)
        before = workers(process)
        os.kill(min(before), signal.SIGKILL)
        wait_for(lambda: len(workers(process) - before) == 1)
        wait_for(lambda: answers(url))
        again = httpx.post(f"{url}api/v1/predict", content=jpeg(), headers=headers)
        assert again.status_code == 200
        # what the dead worker counted still counts
        text = httpx.get(f"{url}metrics", headers=headers).text
        assert "waymark_photos_total" in text
        left = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
        assert process.returncode in (0, -signal.SIGTERM)
        assert "sesame" not in errors
        _, alive = psutil.wait_procs(left, timeout=10)
        assert not alive


def test_what_is_in_work_is_finished(bundle_path: Path, jpeg: Callable[..., bytes]) -> None:
    """A request whose body is still coming when the server is told to stop has its answer."""
    with served(bundle_path) as (url, process):
        wait_for(lambda: answers(url))
        host, port = url.removeprefix("http://").rstrip("/").split(":")
        data = jpeg()
        with socket.create_connection((host, int(port)), timeout=30) as link:
            head = f"POST /api/v1/predict HTTP/1.1\r\nHost: {host}\r\nContent-Type: image/jpeg\r\n"
            link.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data[:100])
            time.sleep(0.2)
            process.send_signal(signal.SIGTERM)
            wait_for(lambda: not connects(host, int(port)))
            link.sendall(data[100:])
            said = b""
            while part := link.recv(65536):
                said += part
        assert said.startswith(b"HTTP/1.1 200 ")
        assert b'"predictions"' in said
        process.wait(timeout=30)


def connects(host: str, port: int) -> bool:
    """Say whether anybody listens."""
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError:
        return False
    return True


def test_workers_end_with_their_parent(bundle_path: Path) -> None:
    """Also where the parent is killed, and can tell nobody."""
    with served(bundle_path) as (url, process):
        wait_for(lambda: answers(url))
        left = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        _, alive = psutil.wait_procs(left, timeout=20)
        assert not alive


def test_what_cannot_be_listened_on() -> None:
    """A taken port and an address of another machine are told with the way out."""
    with listen(Settings(port=0)) as taken:
        port = taken.getsockname()[1]
        assert address(Settings(), taken) == f"http://127.0.0.1:{port}/"
        with pytest.raises(ConfigError, match="--port"):
            listen(Settings(port=port))
    with pytest.raises(ConfigError, match="--host"):
        listen(Settings(host="203.0.113.7", auth=False, port=0))


def test_addresses_of_the_sixth_version() -> None:
    """Have brackets, where the machine has them at all."""
    try:
        listening = listen(Settings(host="::1", port=0))
    except ConfigError:
        pytest.skip("no IPv6 here")
    with listening:
        assert address(Settings(host="::1"), listening).startswith("http://[::1]:")


def test_threads_end_with_the_app(serving: Callable[..., Any]) -> None:
    """Nothing of an app is left in the program that held it."""
    before = threading.active_count()
    with serving():
        pass
    wait_for(lambda: threading.active_count() <= before, 10)


BROKEN = """
import sys
from waymark.serve.run import Serving, listen, run
from waymark.serve.settings import Settings

class Broken(Serving):
    def __call__(self):
        sys.exit(3)

if __name__ == "__main__":
    settings = Settings(port=0)
    with listen(settings) as listening:
        run(Broken(bundle="none", settings=settings), listening)
"""


def test_a_worker_that_cannot_start_is_told_of_at_once(tmp_path: Path) -> None:
    """And not after the minute that a worker in work may need to say that it lives."""
    script = tmp_path / "broken.py"
    script.write_text(BROKEN)
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(script)], check=False, capture_output=True, text=True, timeout=120
    )
    assert "could not start" in done.stderr
    assert time.monotonic() - began < run._HEALTH_S
