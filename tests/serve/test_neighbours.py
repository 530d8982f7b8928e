"""The nearest training photos: by number, never by path, and only where they still are."""

from __future__ import annotations

import io
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from waymark.bundle.tiny import tiny_bundle
from waymark.dataset.index import read_dataset
from waymark.recognise.recogniser import Recogniser
from waymark.serve import neighbours
from waymark.serve.app import create_app
from waymark.serve.neighbours import SHOWN, Neighbours
from waymark.serve.settings import Settings
from waymark.training.teach import save_taught, teach

PHOTO = {"Content-Type": "image/jpeg"}


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory, jpeg: Callable[..., bytes]) -> Path:
    """Return a bundle's file with an index beside it, of ten photos in a folder with a bad name."""
    root = tmp_path_factory.mktemp("near")
    for i in range(10):
        folder = root / "photos" / ("a <b>" if i % 2 else "b")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{i}.jpg").write_bytes(jpeg(i, exif=_secret()))
    taught = teach(tiny_bundle(2), read_dataset(root / "photos"), cached=False)
    save_taught(root / "mine.waymark", taught)
    return root / "mine.waymark"


def _secret() -> Image.Exif:
    exif = Image.Exif()
    exif[0x010E] = "secret words"
    return exif


@pytest.fixture
def client(learnt: Path) -> Iterator[TestClient]:
    """Return a client of an app that has them."""
    recogniser = Recogniser.from_bundle(learnt)
    app = create_app(recogniser, Settings(decoders=1, log="off"), bundle_file=learnt)
    with TestClient(app, "http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


def ask(client: TestClient, photo: bytes, query: str = "?neighbours=true") -> Any:
    """Return what is near a photo."""
    answer = client.post(f"/api/v1/predict{query}", content=photo, headers=PHOTO)
    return answer.json()["photos"][0]["neighbours"]


def test_the_photo_itself_is_the_nearest(client: TestClient, jpeg: Callable[..., bytes]) -> None:
    """Its thumbnail is small, of the right photo, and without EXIF."""
    near = ask(client, jpeg(3))
    assert len(near) == SHOWN
    assert (near[0]["label"], near[0]["similarity"] > 0.99) == ("a <b>", True)
    assert [one["similarity"] for one in near] == sorted(
        (one["similarity"] for one in near), reverse=True
    )
    data = client.get(near[0]["src"]).content
    thumb = Image.open(io.BytesIO(data))
    assert max(thumb.size) <= 240
    assert b"secret" not in data
    assert ask(client, jpeg(3), "") is None
    assert "/neighbours/" in client.post("/", files={"photos": ("a.jpg", jpeg(3))}).text


def test_no_path_goes_out_or_comes_in(
    client: TestClient, learnt: Path, jpeg: Callable[..., bytes]
) -> None:
    """Addresses are numbers that nobody can make up."""
    near = ask(client, jpeg(1))
    assert not any("photos" in one["src"] or "mine" in one["src"] for one in near)
    path = str(next(learnt.parent.rglob("*.jpg")))
    for bad in ("0", "0" * 32, "..%2f..%2fmine.waymark", path, path.replace("/", "%2f")):
        assert client.get(f"/neighbours/{bad}").status_code == 404
        assert client.get(f"/neighbours/{bad}.jpg").status_code == 404


def test_what_is_gone_is_left_out(
    learnt: Path, tmp_path: Path, jpeg: Callable[..., bytes], client: TestClient
) -> None:
    """A photo that was moved, or is none any more, is no neighbour."""
    before = ask(client, jpeg(5))
    shutil.move(learnt.parent / "photos", tmp_path / "elsewhere")
    try:
        assert ask(client, jpeg(5)) == []
        assert client.get(before[0]["src"]).status_code == 404
    finally:
        shutil.move(tmp_path / "elsewhere", learnt.parent / "photos")


def test_a_pipe_in_a_photos_place_stalls_nothing(
    learnt: Path, client: TestClient, jpeg: Callable[..., bytes]
) -> None:
    """Only regular files are read, however the file came to be something else."""
    src = ask(client, jpeg(7))[0]["src"]
    photo = next((learnt.parent / "photos").rglob("7.jpg"))
    shutil.move(photo, photo.with_suffix(".kept"))
    os.mkfifo(photo)
    try:
        assert client.get(src).status_code == 404
    finally:
        photo.unlink()
        shutil.move(photo.with_suffix(".kept"), photo)


def test_few_files_are_in_memory_at_once(
    client: TestClient, jpeg: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many thumbnails are asked for, no more than two are read before they are decoded."""
    service = client.app.state.service  # type: ignore[attr-defined]
    sources = [one["src"] for one in ask(client, jpeg(2))]
    lock, held, most = threading.Lock(), 0, 0
    read, decode = neighbours._read, service.decode

    def reading(*values: Any) -> bytes:
        nonlocal held, most
        with lock:
            held += 1
            most = max(most, held)
        return read(*values)

    async def decoding(data: bytes, **options: Any) -> Any:
        nonlocal held
        try:
            return await decode(data, **options)
        finally:
            with lock:
                held -= 1

    monkeypatch.setattr(neighbours, "_read", reading)
    monkeypatch.setattr(service, "decode", decoding)
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(client.get, sources * 3))
    assert {answer.status_code for answer in answers} == {200}
    assert most <= 2


def test_without_an_index_there_are_none(learnt: Path, tmp_path: Path) -> None:
    """Nor with that of another network, or a broken one."""
    bundle = Recogniser.from_bundle(learnt).bundle
    other = tmp_path / "other.waymark"
    assert Neighbours.beside(None, bundle) is None
    assert Neighbours.beside(other, bundle) is None
    other.with_name("other.index.safetensors").write_bytes(b"broken")
    assert Neighbours.beside(other, bundle) is None
    assert Neighbours.beside(learnt, tiny_bundle(2, seed=1)) is None
