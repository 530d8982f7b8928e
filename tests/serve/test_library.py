"""The library behind the server: found, filtered, shown, and nothing else of the disk."""

from __future__ import annotations

import io
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from waymark.errors import ConfigError, LibraryError
from waymark.gazetteer import Landmark
from waymark.library.store import Store
from waymark.serve.library_filter import FIELDS, filter_of, query_of
from waymark.serve.library_rows import PAGE, overview
from waymark.serve.library_shelf import Shelf
from waymark.serve.settings import Settings

EIFFEL = Landmark(
    id="eiffel_tower", name="Eiffel Tower", local_name="Tour Eiffel", place="Paris", country="FR",
    category="tower", lat=48.8584, lon=2.2945, extent_m=150, wikidata="Q243",
)  # fmt: skip
PETRA = Landmark(id="petra", name="Petra", place="Wadi Musa", country="JO", lat=30.33, lon=35.44)
HTML = {"Accept": "text/html"}


@pytest.fixture
def library(stocked: Callable[..., Path]) -> Path:
    """Return a library of five photos."""
    return stocked(
        ("one.jpg", EIFFEL, {"score": 0.97}),
        ("two.jpg", PETRA, {"score": 0.55, "evidence": "context"}),
        ("three.jpg", None, {}),
        ("four.jpg", EIFFEL, {"score": 0.62, "state": "rejected"}),
        ("five.jpg", PETRA, {"score": 0.8, "gps_says": "disagree", "lat": 1.0, "lon": 2.0}),
    )


@pytest.fixture
def client(opened: Callable[..., Any], library: Path) -> Iterator[TestClient]:
    """Return a client of an app that shows it."""
    with opened(library=library) as found:
        yield found


def numbers(answer: Any) -> list[int]:
    """Return the numbers of the photos of an answer."""
    assert answer.status_code == 200, answer.text
    return [photo["id"] for photo in answer.json()["photos"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [1, 2, 3, 4, 5]),
        ("q=tour+eiffel", [1]),
        ("landmark=Petra", [2, 5]),
        ("place=paris", [1]),
        ("country=Jordan", [2, 5]),
        ("category=tower", [1]),
        ("state=rejected", [4]),
        ("state=rejected&place=paris", [4]),
        ("evidence=context", [2]),
        ("gps=disagree", [5]),
        ("min_score=0.6&max_score=0.9", [4, 5]),
        ("only=unknown", [3]),
        ("since=2023-11-16&until=2023-11-17", [3, 4]),
        ("country=FR&min_score=0.9", [1]),
    ],
)
def test_filters_find_what_they_say(client: TestClient, query: str, expected: list[int]) -> None:
    """Each filter, by the API; the page and the overview agree."""
    assert numbers(client.get(f"/api/v1/library?{query}")) == expected
    assert client.get(f"/api/v1/library/overview?{query}").json()["photos"] == len(expected)
    shown = client.get(f"/library?{query}", headers=HTML).text
    assert [f"review?photo={one}" in shown for one in range(1, 6)] == [
        one in expected for one in range(1, 6)
    ]


@pytest.mark.parametrize(
    "query", ["min_score=2", "since=yesterday", "state=odd", "only=all", "gps=far", "max_score=nan"]
)
def test_filters_that_cannot_be_are_told(client: TestClient, query: str) -> None:
    """By the API and by the page, which stays a page."""
    answer = client.get(f"/api/v1/library?{query}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid")
    page = client.get(f"/library?{query}", headers=HTML)
    assert page.status_code == 422
    assert 'id="filter"' in page.text


def test_a_filter_survives_the_way_through_an_address() -> None:
    """What a query asks for, its own query asks for again; fields that are nothing go."""
    given = {"q": "a&b=ü", "country": "FR", "min_score": "0.5", "only": "missing", "x": "y"}
    again = dict(pair.split("=") for pair in query_of(given).split("&"))
    assert set(again) == set(given) - {"x"}
    assert query_of(dict.fromkeys(FIELDS, " ")) == ""
    assert filter_of(given).text == "a&b=ü"


def test_every_photo_is_on_one_page(stocked: Callable[..., Path]) -> None:
    """The keys of the overview lead to all photos, each once, though many are of one moment."""
    file = stocked(*((f"{i}.jpg", EIFFEL, {"moment": i // 40}) for i in range(2 * PAGE + 7)))
    from waymark.library.store_query import Filter, page
    from waymark.serve.library_api import key_of

    with Store.open(file, readonly=True) as store:
        seen = overview(store, Filter())
        found = [
            photo.id
            for key in seen["after"]
            for photo in page(store, limit=PAGE, after=key_of(key or ""))
        ]
    assert sorted(found) == list(range(1, 2 * PAGE + 8))
    assert seen["places"][0]["photos"] == seen["photos"] == len(found)


def test_thumbnails_are_upright_small_and_without_exif(
    stocked: Callable[..., Path], opened: Callable[..., Any], tmp_path: Path
) -> None:
    """A photo that lies on its side is shown upright; nothing of its EXIF is."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "a camera"
    (tmp_path / "photos").mkdir()
    lying = Image.new("RGB", (900, 600), "red")
    lying.paste("blue", (0, 0, 450, 600))
    lying.save(tmp_path / "photos" / "lying.jpg", exif=exif)
    file = stocked(("lying.jpg", EIFFEL, {}))
    with opened(library=file) as client:
        for address, longer in (("thumbs", 400), ("pictures", 900)):
            answer = client.get(f"/library/{address}/1")
            picture = Image.open(io.BytesIO(answer.content)).convert("RGB")
            assert picture.height == longer > picture.width
            red, _, blue = np.asarray(picture)[10, picture.width // 2]
            assert blue > 200
            assert red < 100
            assert b"a camera" not in answer.content


def test_browsers_keep_thumbnails_to_themselves(
    client: TestClient, library: Path, tmp_path: Path
) -> None:
    """An ETag that answers 304, private, and changes with the file.

    A photo that was replaced is shown once it was tagged again, under another address.
    """
    before = client.get("/api/v1/library/photos/1").json()["src"]
    first = client.get("/library/thumbs/1")
    assert first.headers["cache-control"].startswith("private")
    tag = {"If-None-Match": first.headers["etag"]}
    assert client.get("/library/thumbs/1", headers=tag).status_code == 304
    (tmp_path / "photos" / "one.jpg").write_bytes((tmp_path / "photos" / "two.jpg").read_bytes())
    assert client.get("/library/thumbs/1", headers=tag).json()["error"]["code"] == "changed"

    with closing(sqlite3.connect(library)) as connection, connection:
        connection.execute(
            "UPDATE photo SET sha256 = (SELECT sha256 FROM photo WHERE id = 2) WHERE id = 1"
        )
    after = client.get("/api/v1/library/photos/1").json()["src"]
    assert client.get(after).content != first.content
    assert client.get(before).json()["error"]["code"] == "changed"


@pytest.mark.parametrize(
    "address",
    [
        "0",
        "99",
        "-1",
        "9" * 30,
        "1.jpg",
        "../../etc/passwd",
        "%2e%2e%2fone.jpg",
        "one.jpg",
        "",
        "1/",
    ],
)
def test_no_address_leads_out_of_the_library(client: TestClient, address: str) -> None:
    """Only numbers of its photos are answered."""
    for kind in ("thumbs", "pictures"):
        answer = client.get(f"/library/{kind}/{address}")
        assert answer.status_code in (404, 422)
        assert answer.headers["content-type"] == "application/json"


def test_what_took_the_place_of_a_photo_is_not_shown(
    client: TestClient, tmp_path: Path, jpeg: Callable[..., bytes]
) -> None:
    """A link to another file, by itself or in its folder's place; a pipe; no photo; nothing."""
    photos = tmp_path / "photos"
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(jpeg(99))
    held = (photos / "one.jpg").read_bytes()
    (tmp_path / "elsewhere").mkdir()
    for name, put in (
        ("one.jpg", lambda path: path.symlink_to(secret)),
        ("two.jpg", os.mkfifo),
        ("three.jpg", lambda path: path.write_text("root:x:0:0")),
        ("four.jpg", str),  # nothing
        ("five.jpg", lambda path: path.symlink_to("/dev/zero")),
    ):
        (photos / name).unlink()
        put(photos / name)
    for number in range(1, 6):
        answer = client.get(f"/library/thumbs/{number}")
        assert answer.json()["error"]["code"] in ("gone", "changed", "unreadable-photo")
    assert [one["gone"] for one in client.get("/api/v1/library").json()["photos"]].count(True) == 1
    # a link to the very photo that was tagged is that photo
    (tmp_path / "elsewhere" / "moved.jpg").write_bytes(held)
    (photos / "one.jpg").unlink()
    (photos / "one.jpg").symlink_to(tmp_path / "elsewhere" / "moved.jpg")
    assert client.get("/library/thumbs/1").status_code == 200


def test_names_that_are_scripts_stay_text(
    stocked: Callable[..., Path], opened: Callable[..., Any]
) -> None:
    """Files, folders and landmarks may be called anything; half characters too."""
    from dataclasses import replace

    script = "<img src=x onerror=alert(1)>\"'{{ 7*7 }}"
    landmark = replace(EIFFEL, id=script, name=script, place=script, category=script, country="FR")
    file = stocked(
        (f"{script.replace('/', '')}.jpg", landmark, {}),
        (os.fsdecode(b"bytes-\xff\n.jpg"), landmark, {"error": script}),
    )
    with opened(library=file) as client:
        for path in ("/library", "/library/review", "/library/review?photo=2", "/library/teach"):
            answer = client.get(path, headers=HTML)
            assert answer.status_code == 200
            assert "<img src=x" not in answer.text
            assert (
                "49" not in answer.text.split('id="grid"')[-1].split("<svg")[0]
                or path != "/library"
            )
            assert "default-src 'none'" in answer.headers["content-security-policy"]
        for path in ("", "/overview", "/queue", "/photos/2", "/names?q=img"):
            answer = client.get(f"/api/v1/library{path}")
            assert answer.headers["content-type"] == "application/json"
            assert answer.content.isascii()


def test_without_a_library_there_is_no_page(opened: Callable[..., Any]) -> None:
    """No route and no entry."""
    with opened() as client:
        assert client.get("/library").status_code == 404
        assert client.get("/api/v1/library").status_code == 404
        assert "/library" not in client.get("/").text


def test_a_network_sees_a_library_only_with_a_token(tmp_path: Path) -> None:
    """Also not where everybody may identify photos."""
    with pytest.raises(ConfigError, match="library"):
        Settings(host="0.0.0.0", auth=False, library=tmp_path / "library.sqlite")
    Settings(host="0.0.0.0", token="sesame-sesame", library=tmp_path / "library.sqlite")


def test_a_token_guards_every_route(opened: Callable[..., Any], library: Path) -> None:
    """Thumbnails too."""
    with opened(library=library, token="sesame-sesame") as client:
        guarded = ("/library", "/library/thumbs/1", "/library/review", "/library/teach")
        for path in (*guarded, "/api/v1/library"):
            assert client.get(path).status_code == 401
            given = {"Authorization": "Bearer sesame-sesame"}
            assert client.get(path, headers=given).status_code == 200


def test_what_is_no_library_is_told_before_anything_starts(tmp_path: Path) -> None:
    """Missing, or another program's."""
    with pytest.raises(LibraryError, match="no library at"):
        Shelf(tmp_path / "none.sqlite")
    (tmp_path / "other.sqlite").write_bytes(b"no database at all, but quite some text" * 30)
    with pytest.raises(LibraryError, match="is no library"):
        Shelf(tmp_path / "other.sqlite")
