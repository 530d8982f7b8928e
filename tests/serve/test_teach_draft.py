"""The draft that is taught: each photo counts once, none is lost, and none stays behind."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from waymark.recognise.recogniser import Recogniser
from waymark.serve import teach, teach_bundle
from waymark.serve.teach_draft import remove_leftovers

TEACH = "/api/v1/teach"
START = f"{TEACH}/start"


@pytest.fixture
def client(opened: Callable[..., Any], tmp_path: Path) -> Iterator[TestClient]:
    """Return a client of an app around the tiny bundle, which can be taught."""
    with opened(allow_teach=True, teach_dir=tmp_path / "taught") as found:
        yield found


@pytest.fixture
def photos(jpeg: Callable[..., bytes]) -> list[bytes]:
    """Return five photos."""
    return [jpeg(seed) for seed in range(5)]


def give(
    client: TestClient, name: str, photos: list[bytes], path: str = "/photos", **fields: str
) -> Any:
    """Send photos to the draft."""
    files = [("photos", (f"{i}.jpg", data, "image/jpeg")) for i, data in enumerate(photos)]
    field = "name" if path == "/photos" else "landmark"
    return client.post(f"{TEACH}{path}", data={field: name, **fields}, files=files)


def settled(client: TestClient) -> Any:
    """Wait until nothing is under way; return how things stand."""
    end = time.monotonic() + 60
    while (state := client.get(TEACH).json())["busy"] is not None:
        assert time.monotonic() < end, state
        time.sleep(0.05)
    return state


def test_a_photo_corrected_again_counts_once_for_the_last_word(
    client: TestClient, recogniser: Recogniser, photos: list[bytes]
) -> None:
    """Pressed twice, or corrected to something else later, it is one photo of one landmark."""
    one, two = (landmark.name for landmark in recogniser.bundle.manifest.landmarks[:2])

    def draft() -> list[tuple[Any, int]]:
        return [(group["name"], group["used"]) for group in settled(client)["draft"]]

    for _ in range(2):
        give(client, one, photos[:1], "/corrections")
    assert draft() == [(one, 1)]
    give(client, two, photos[:2], "/corrections")
    assert draft() == [(two, 2)]
    give(client, "", photos[:1], "/corrections", nothing="1")
    assert draft() == [(two, 1), (None, 1)]
    give(client, one, photos[2:4])
    give(client, two, photos[2:3], "/corrections")  # it was given as the wrong one
    assert sorted(draft(), key=str) == sorted([(two, 2), (None, 1), (one, 1)], key=str)


def test_what_was_taught_stays_taught_when_the_last_group_is_removed(
    client: TestClient, photos: list[bytes], jpeg: Callable[..., bytes]
) -> None:
    """An empty draft begins anew with the bundle in use; and nothing is taught twice in a row."""
    give(client, "One", photos)
    settled(client)
    assert client.post(START).status_code == 202
    state = settled(client)
    again = client.post(START)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "not-now")
    form = {"do": (None, f"remove:{state['draft'][0]['key']}")}
    assert client.post("/teach", files=form).status_code == 303
    give(client, "Two", [jpeg(seed) for seed in range(20, 25)])
    settled(client)
    client.post(START)
    assert settled(client)["learnt"] == ["Two"]
    names = [one["name"] for one in client.get("/api/v1/landmarks").json()["landmarks"]]
    assert names[-2:] == ["One", "Two"]


def test_photos_on_their_way_are_counted_and_not_lost(
    client: TestClient, jpeg: Callable[..., bytes]
) -> None:
    """Requests for one landmark at the same time keep to its limit, and take it from nobody."""
    with ThreadPoolExecutor(6) as pool:
        sent = [pool.submit(give, client, "A", [jpeg(9 * n + i) for i in range(9)])
                for n in range(6)]  # fmt: skip
        empty = [pool.submit(give, client, "A", [], place="Here") for _ in range(4)]
        statuses = [one.result().status_code for one in sent]
        assert {one.result().status_code for one in empty} <= {200, 415, 422}
    assert sorted(statuses) == [200] * 5 + [409]
    assert settled(client)["photos"] == 45


def test_photos_forgotten_while_they_are_checked_upset_nothing(
    client: TestClient, photos: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of photos that are gone ends quietly, and the next is as ever."""
    begun, gone = threading.Event(), threading.Event()
    real = teach.remarks  # type: ignore[attr-defined]

    def slow(*values: Any) -> Any:
        begun.set()
        gone.wait(30)
        return real(*values)

    with monkeypatch.context() as slowed:
        slowed.setattr(teach, "remarks", slow)
        give(client, "A", photos)
        assert begun.wait(30)
        assert client.post(f"{TEACH}/forget").status_code == 200
        gone.set()
        assert settled(client)["draft"] == []
    give(client, "A", [*photos, photos[0]])
    assert settled(client)["draft"][0]["used"] == 5


def test_no_embedding_of_a_forgotten_photo_stays(
    client: TestClient, photos: list[bytes], tmp_path: Path
) -> None:
    """The photos of the draft are neighbours while they are there, and in no index on disk."""
    give(client, "A", photos)
    settled(client)
    client.post(START)
    settled(client)
    answer = client.post("/api/v1/predict?neighbours=true", content=photos[0],
                         headers={"Content-Type": "image/jpeg"})  # fmt: skip
    assert len(answer.json()["photos"][0]["neighbours"]) == 5
    client.post(f"{TEACH}/forget")
    answer = client.post("/api/v1/predict?neighbours=true", content=photos[0],
                         headers={"Content-Type": "image/jpeg"})  # fmt: skip
    assert answer.json()["photos"][0]["neighbours"] == []
    kept = [file for file in (tmp_path / "taught").rglob("*") if file.is_file()]
    assert [file.suffix for file in kept] == [".waymark"]


@pytest.mark.parametrize("fault", [(errno.ENOSPC, "full"), (errno.EROFS, "unwritable")])
def test_a_disk_that_takes_nothing_is_told(
    client: TestClient,
    photos: list[bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: tuple[int, str],
) -> None:
    """With what to do, for a photo and for a bundle; no part of a photo is left."""
    number, code = fault

    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as broken:
        broken.setattr(Path, "write_bytes", fail)
        answer = give(client, "A", photos)
    assert (answer.status_code, answer.json()["error"]["code"]) == (507, code)
    assert list((tmp_path / "taught").rglob("*.jpg")) == []
    assert settled(client)["draft"] == []
    give(client, "A", photos)
    settled(client)
    monkeypatch.setattr(teach_bundle, "write_bundle", fail)
    client.post(START)
    state = settled(client)
    assert (state["error"]["code"], state["photos"]) == (code, 5)


def test_a_bundle_half_written_is_cleared_away_later(tmp_path: Path) -> None:
    """What a killed server was writing goes after an hour; what may be in work stays."""
    folder = tmp_path / "taught"
    folder.mkdir()
    old, new = folder / ".taught-1.waymark.abc", folder / ".taught-2.waymark.abc"
    for file in (old, new):
        file.touch()
    os.utime(old, (1, 1))
    remove_leftovers(folder)
    assert [file.name for file in folder.iterdir()] == [new.name]


def test_pages_say_whether_photos_are_kept(client: TestClient, opened: Callable[..., Any]) -> None:
    """The foot of a page promises no more than is so, and says whose computer is meant."""
    with opened() as plain:
        foot = plain.get("/").text.partition("<footer")[2]
        assert "none is stored" in foot
        assert "this machine" not in foot
    foot = client.get("/").text.partition("<footer")[2]
    assert "none is stored" not in foot
    assert "corrected" in foot
    assert "the computer that serves this page" in foot
