"""What tests of the app share: a tiny bundle, photos, the app in this process and as a server."""

from __future__ import annotations

import hashlib
import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from waymark.bundle.format import write_bundle
from waymark.bundle.tiny import tiny_bundle
from waymark.recognise.recogniser import Recogniser
from waymark.serve.app import create_app
from waymark.serve.settings import Settings

BASE = "http://127.0.0.1"
QUIET: dict[str, Any] = {"decoders": 1, "log": "off"}


@pytest.fixture(scope="session")
def bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a tiny bundle with categories."""
    path = tmp_path_factory.mktemp("serve") / "tiny.waymark"
    write_bundle(path, tiny_bundle(5, categories=2))
    return path


@pytest.fixture(scope="session")
def recogniser(bundle_path: Path) -> Recogniser:
    """Return the tiny bundle, ready; it takes everything for known."""
    return Recogniser.from_bundle(bundle_path, unknown_threshold=1.0)


@pytest.fixture(scope="session")
def jpeg() -> Callable[..., bytes]:
    """Return a function that makes a photo: a JPEG of coloured blocks."""

    def make(seed: int = 0, size: tuple[int, int] = (120, 90), **options: Any) -> bytes:
        import numpy as np

        blocks = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(blocks).resize(size).save(file, "JPEG", **options)
        return file.getvalue()

    return make


@pytest.fixture(scope="session")
def opened(recogniser: Recogniser) -> Callable[..., Any]:
    """Return a context: a client of an app with these settings, that follows no redirect."""

    @contextmanager
    def start(**settings: Any) -> Iterator[TestClient]:
        app = create_app(recogniser, Settings(**(QUIET | settings)))
        with TestClient(app, BASE, raise_server_exceptions=False, follow_redirects=False) as client:
            yield client

    return start


@pytest.fixture(scope="module")
def client(opened: Callable[..., Any]) -> Iterator[TestClient]:
    """Return a client of an app with the usual settings."""
    with opened() as found:
        yield found


@pytest.fixture(scope="session")
def serving(recogniser: Recogniser) -> Callable[..., Any]:
    """Return a context: a real server in a thread; it gives the port."""
    from uvicorn import Server

    from waymark.serve.run import listen, server_config

    @contextmanager
    def start(**settings: Any) -> Iterator[int]:
        chosen = Settings(**(QUIET | {"port": 0} | settings))
        listening = listen(chosen)
        server = Server(server_config(create_app(recogniser, chosen), chosen))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()
            listening.close()

    return start


@pytest.fixture(scope="module")
def port(serving: Callable[..., Any]) -> Iterator[int]:
    """Return the port of a real server with the usual settings."""
    with serving() as found:
        yield found


@pytest.fixture
def talk(port: int) -> Callable[[bytes], bytes]:
    """Return a function that sends bytes to the server, and returns all it says until it closes."""

    def send(data: bytes, wait: float = 10.0) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=wait) as link:
            link.sendall(data)
            said = b""
            try:
                while part := link.recv(65536):
                    said += part
            except (TimeoutError, ConnectionResetError):
                pass
            return said

    return send


@pytest.fixture
def stocked(tmp_path: Path, jpeg: Callable[..., bytes]) -> Callable[..., Any]:
    """Return a function that makes a library: photos (name, landmark, columns), and their files."""
    from waymark.library.store import Store

    def make(*photos: tuple[str, Any, dict[str, Any]]) -> Path:
        folder = tmp_path / "photos"
        folder.mkdir(exist_ok=True)
        file = tmp_path / "library.sqlite"
        with Store.open(file) as store, store.transaction() as connection:
            for number, (name, landmark, columns) in enumerate(photos):
                path = folder / name
                if not path.exists():
                    path.write_bytes(jpeg(number, size=(160, 120)))
                known = None if landmark is None else store.landmark_ids([landmark])[0]
                values = {
                    "path": bytes(path), "size": 1, "mtime_ns": 1, "inode": 1, "beside": "",
                    "sha256": hashlib.sha256(path.read_bytes()).digest(), "format": "jpeg",
                    "moment": 1_700_000_000 + 86_400 * number, "taken": "2023-11-14T22:13:20",
                    "bundle": "0" * 12, "guesses": f"[[{known}, 0.8]]" if known else "[]",
                    "unknown_score": 0.1, "landmark": known, "score": known and 0.8,
                    "confidence": known and columns.get("score", 0.8),
                    "worth": 1 - columns.get("score", 0.8) if known else 0.0,
                    "evidence": known and "photo", "tagged_at": "2024-05-17T18:30:00+02:00",
                    "pending": 0,
                } | columns  # fmt: skip
                connection.execute(
                    f"INSERT INTO photo ({', '.join(values)}) "
                    f"VALUES ({', '.join('?' * len(values))})",
                    list(values.values()),
                )
        return file

    return make
