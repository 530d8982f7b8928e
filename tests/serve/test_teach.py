"""Teaching over REST: photos come, a bundle is taught and used, and nothing more is kept."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from waymark.bundle.format import read_bundle
from waymark.recognise.recogniser import Recogniser
from waymark.samples import render
from waymark.serve.app import create_app
from waymark.serve.settings import Settings

TEACH = "/api/v1/teach"
START = f"{TEACH}/start"
BASE = "http://127.0.0.1"
WRITES = ["/start", "/photos", "/corrections", "/choices", "/undo", "/forget"]


def rendered(name: str, seed: int, size: tuple[int, int] = (240, 180)) -> bytes:
    """Return a photo of a sample landmark, as a camera would write it: with GPS."""
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 30.0), 3: "E", 4: (2.0, 17.0, 40.0)})
    exif[0x010E] = "secret words"
    file = io.BytesIO()
    render(name, seed=seed, size=size).save(file, "JPEG", quality=90, exif=exif)
    return file.getvalue()


def give(
    client: TestClient, name: str, photos: list[bytes], path: str = "/photos", **fields: str
) -> Any:
    """Send photos to the draft."""
    files = [("photos", (f"{i}.jpg", data, "image/jpeg")) for i, data in enumerate(photos)]
    field = "name" if path == "/photos" else "landmark"
    return client.post(f"{TEACH}{path}", data={field: name, **fields}, files=files)


def settled(client: TestClient, seconds: float = 60) -> dict[str, Any]:
    """Wait until nothing is under way; return how things stand."""
    end = time.monotonic() + seconds
    while True:
        state: dict[str, Any] = client.get(TEACH).json()
        if state["busy"] is None:
            return state
        assert time.monotonic() < end, state
        time.sleep(0.05)


def remarks(state: dict[str, Any]) -> list[list[str]]:
    """Return the kinds of what is said of each photo of the first landmark."""
    return [[one["kind"] for one in photo["remarks"]] for photo in state["draft"][0]["photos"]]


@pytest.fixture
def started(recogniser: Recogniser, tmp_path: Path) -> Callable[..., Any]:
    """Return a context: a client of an app that can be taught."""

    @contextmanager
    def start(of: Recogniser = recogniser, file: Path | None = None, **more: Any) -> Iterator[Any]:
        options = {"decoders": 1, "log": "off", "teach_dir": tmp_path / "taught", **more}
        settings = Settings(allow_teach=True, **options)
        app = create_app(of, settings, bundle_file=file)
        with TestClient(app, BASE, raise_server_exceptions=False, follow_redirects=False) as client:
            yield client

    return start


@pytest.fixture
def client(started: Callable[..., Any]) -> Iterator[TestClient]:
    """Return a client of an app around the tiny bundle, which can be taught."""
    with started() as found:
        yield found


@pytest.fixture
def photos(jpeg: Callable[..., bytes]) -> list[bytes]:
    """Return five photos."""
    return [jpeg(seed) for seed in range(5)]


def test_a_landmark_is_taught_found_again_and_undone(
    world: Recogniser, world_path: Path, started: Callable[..., Any], tmp_path: Path
) -> None:
    """The whole way: photos, findings, teaching, another view, the file, and back again."""
    original = world_path.read_bytes()
    with started(world, world_path) as client:
        views = [rendered("lighthouse", seed) for seed in range(6)]
        said = give(
            client, "Leuchtturm Nord", [*views, views[0], views[1][:4000]], lat="54", lon="8"
        )
        assert said.status_code == 200
        state = settled(client)
        assert sorted(chain.from_iterable(remarks(state)))[0] == "exact-duplicate"
        assert [one["kind"] for one in state["draft"][0]["refused"]] == ["truncated"]
        assert state["draft"][0]["used"] == 6

        assert client.post(START).status_code == 202
        state = settled(client)
        assert (state["error"], state["learnt"], state["taught"]) == (
            None,
            ["Leuchtturm Nord"],
            True,
        )

        def look(seed: int) -> dict[str, Any]:
            photo = rendered("lighthouse", seed)
            answer = client.post("/api/v1/predict?neighbours=true", content=photo,
                                 headers={"Content-Type": "image/jpeg"})  # fmt: skip
            found: dict[str, Any] = answer.json()["photos"][0]
            return found

        answer = look(900)
        assert answer["known"]
        assert answer["bundle"] == state["bundle"]
        best = answer["predictions"][0]
        assert (best["name"], best["lat"], best["lon"]) == ("Leuchtturm Nord", 54, 8)
        assert {one["label"] for one in answer["neighbours"]} == {"Leuchtturm Nord"}
        assert "Leuchtturm Nord" in client.get("/landmarks").text

        file = tmp_path / "mine.waymark"
        download = client.get(f"{TEACH}/bundle")
        file.write_bytes(download.content)
        taught = read_bundle(file)
        assert taught.short_hash == state["bundle"]
        assert taught.manifest.provenance["parent"] == world.bundle.sha256
        assert "taught-" in download.headers["content-disposition"]
        assert b"secret words" not in file.read_bytes()

        assert client.post(f"{TEACH}/undo").status_code == 200
        assert look(900)["bundle"] == world.bundle.short_hash
        assert client.get(f"{TEACH}/bundle").status_code == 404
        assert client.post(f"{TEACH}/undo").status_code == 409
    assert len(list((tmp_path / "taught").glob("*.waymark"))) == 1
    assert world_path.read_bytes() == original


def test_photos_are_kept_privately_and_forgotten(
    client: TestClient, tmp_path: Path, photos: list[bytes]
) -> None:
    """No EXIF, no name of theirs, nobody else's to read; and nothing is left when they go."""
    folder = tmp_path / "taught"
    give(client, "A", [rendered("obelisk", seed) for seed in range(2)])
    give(client, "B", photos)
    kept = [file for file in folder.rglob("*") if file.is_file()]
    jpegs = [file for file in kept if file.suffix == ".jpg"]
    assert len(jpegs) == 7
    assert {oct(file.stat().st_mode & 0o777) for file in jpegs} == {"0o600"}
    assert {oct(one.stat().st_mode & 0o777) for one in (folder, jpegs[0].parent)} == {"0o700"}
    assert not any(Image.open(io.BytesIO(file.read_bytes())).getexif() for file in jpegs)
    state = settled(client)
    sources = [photo["src"] for group in state["draft"] for photo in group["photos"]]
    small = client.get(sources[0])
    assert small.headers["cache-control"] == "no-store"
    assert max(Image.open(io.BytesIO(small.content)).size) <= 320

    client.post(f"{TEACH}/forget")
    assert settled(client)["photos"] == 0
    assert [file for file in folder.rglob("*") if file.is_file()] == []
    assert {client.get(source).status_code for source in sources} == {404}


def test_a_stopped_server_leaves_no_photo(
    started: Callable[..., Any], tmp_path: Path, photos: list[bytes]
) -> None:
    """Nor does one that was killed, once the next one starts; a living one's draft stays."""
    with started() as client:
        give(client, "A", photos)
        left = tmp_path / "taught" / "draft-killed"
        left.mkdir()
        (left / "in-use").touch()
        (left / "photo.jpg").touch()
        with started() as other:
            assert not left.exists()
            assert other.get(TEACH).json()["photos"] == 0
            assert client.get(TEACH).json()["photos"] == 5
            assert list((tmp_path / "taught").rglob("*.jpg"))
    assert list((tmp_path / "taught").rglob("*.jpg")) == []


def test_examples_of_what_is_known_and_corrections_go_together(
    client: TestClient,
    recogniser: Recogniser,
    photos: list[bytes],
    jpeg: Callable[..., bytes],
    tmp_path: Path,
) -> None:
    """One press teaches new landmarks, more examples, corrections and photos of nothing."""
    known = recogniser.bundle.manifest.landmarks[0]
    give(client, "New Tower", photos)
    said = give(client, known.name, [jpeg(5)], "/corrections").json()
    assert (said["landmark"]["landmark"], said["landmark"]["known"]) == (known.id, True)
    assert (said["landmark"]["corrected"], said["landmark"]["lacking"]) == (1, 0)
    nothing = give(client, "", [jpeg(6), jpeg(7)], "/corrections", nothing="1").json()["landmark"]
    assert (nothing["landmark"], nothing["lacking"]) == (None, 8)
    give(client, "Too Few", [jpeg(8), jpeg(9)], "/corrections")
    settled(client)

    assert client.post(START).status_code == 202
    state = settled(client)
    assert state["learnt"] == ["New Tower", known.name]
    (file,) = (tmp_path / "taught").glob("*.waymark")
    taught = read_bundle(file)
    ids = [one.id for one in recogniser.bundle.manifest.landmarks]
    assert [one.id for one in taught.manifest.landmarks] == [*ids, "new_tower"]
    assert taught.statistics["counts"][0] == recogniser.bundle.statistics["counts"][0] + 1


def test_teaching_again_counts_no_photo_twice(
    client: TestClient,
    recogniser: Recogniser,
    photos: list[bytes],
    jpeg: Callable[..., bytes],
    tmp_path: Path,
) -> None:
    """After a correction, all is taught anew to the first bundle; once forgotten, to the last."""

    def counts() -> list[float]:
        newest = max((tmp_path / "taught").glob("*.waymark"))
        return [round(float(n)) for n in read_bundle(newest).statistics["counts"]]

    def press() -> None:
        settled(client)
        assert client.post(START).status_code == 202
        settled(client)

    known = recogniser.bundle.manifest.landmarks[0].name
    give(client, "New", photos)
    press()
    assert counts()[-1] == 5
    give(client, known, [jpeg(9)])
    press()
    assert (counts()[0], counts()[-1]) == (21, 5)
    client.post(f"{TEACH}/forget")
    give(client, "New", [jpeg(10)])
    press()
    assert (counts()[0], counts()[-1]) == (21, 6)
    for _ in range(2):
        assert client.post(f"{TEACH}/undo").status_code == 200
    press()
    assert (counts()[0], counts()[-1]) == (20, 6)


NAMES = {
    "../../x": "x",
    "<script>alert(1)</script>": "script_alert_1_script",
    "\u202eמגדל העיר": "מגדל_העיר",
    "🗼": "landmark",
    "unknown": "unknown_2",
    "C:\\con\0.waymark": "c_con_waymark",
    "Eiffel   TOWER": "eiffel_tower",
}


def test_names_are_no_paths_and_no_markup(
    client: TestClient, photos: list[bytes], tmp_path: Path
) -> None:
    """Whatever a landmark is called, its name is shown as text and is in no file's name."""
    for name, wanted in NAMES.items():
        said = give(client, name, photos).json()["landmark"]
        assert said["landmark"] == wanted
        assert "\u202e" not in said["name"]
    settled(client)
    client.post(START)
    assert settled(client)["error"] is None
    made = {file.name for file in tmp_path.rglob("*")}
    assert not any("script" in name or "landmark" in name or name == "x" for name in made)
    assert all(name.startswith(("taught", "draft-", "in-use")) or len(name) == 28 for name in made)
    for path in ("/teach", "/landmarks"):
        text = client.get(path).text
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("", {}),
        (" \u202e\n", {}),
        ("n" * 300, {}),
        ("A", {"lat": "91", "lon": "0"}),
        ("A", {"lat": "1"}),
        ("A", {"lat": "north", "lon": "east"}),
        ("A", {"lat": "nan", "lon": "inf"}),
        ("A", {"country": "France"}),
        ("A", {"place": "p" * 300}),
    ],
)
def test_what_cannot_be_is_refused(
    client: TestClient, photos: list[bytes], name: str, fields: dict[str, str]
) -> None:
    """With a status, a message and a hint; and no photo is kept."""
    answer = give(client, name, photos, **fields)
    assert answer.status_code == 422
    assert set(answer.json()["error"]) == {"code", "message", "hint"}
    assert client.get(TEACH).json()["photos"] == 0


def test_bad_photos_are_listed_not_kept(client: TestClient) -> None:
    """What is no photo, or is cut short, is told apart; empty requests are refused."""
    good = rendered("castle", 1)
    said = give(client, "A", [b"hello", good[:3000], good]).json()["landmark"]
    assert [one["kind"] for one in said["refused"]] == ["unreadable", "truncated"]
    assert len(said["photos"]) == 1
    assert client.post(f"{TEACH}/photos", data={"name": "B"}).status_code in (415, 422)
    assert give(client, "B", [], "/corrections").status_code in (415, 422)
    assert client.post(START).status_code == 409  # too few
    assert client.post(f"{TEACH}/choices", files={"photo": (None, "0" * 24)}).status_code == 404


def test_there_is_an_end_to_it(started: Callable[..., Any], photos: list[bytes]) -> None:
    """No more than 50 photos of a landmark, and no more in all than the settings say."""
    with started(teach_photos=12, max_photos=60) as client:
        assert give(client, "A", photos).status_code == 200
        assert give(client, "A", photos).status_code == 200
        assert give(client, "B", photos).status_code == 409
        assert client.get(TEACH).json()["photos"] == 10
    with started(max_photos=60, queue=60) as client:
        assert give(client, "A", photos * 10).status_code == 200
        assert give(client, "A", photos[:1]).status_code == 409


def test_a_photo_is_kept_or_dropped_by_one_press(client: TestClient, photos: list[bytes]) -> None:
    """What is left out is not learnt from; the last word is the person's."""
    give(client, "A", [*photos, photos[0]])
    state = settled(client)
    assert state["draft"][0]["used"] == 5  # the copy is left out by itself
    for photo in state["draft"][0]["photos"]:
        use = {"photo": (None, photo["photo"]), "use": (None, "0" if photo["used"] else "1")}
        assert client.post(f"{TEACH}/choices", files=use).status_code == 200
    assert settled(client)["draft"][0]["used"] == 1
    assert client.post(START).status_code == 409


def test_one_teaching_at_a_time(
    client: TestClient, photos: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one is under way, another is refused, and so is what would pull it apart."""
    import threading

    from waymark.serve import teach, teach_bundle

    gate = threading.Event()
    real = teach_bundle.taught

    def slow(*values: Any, **options: Any) -> Any:
        gate.wait(30)
        return real(*values, **options)

    monkeypatch.setattr(teach, "taught", slow)
    give(client, "A", photos)
    settled(client)
    try:
        assert client.post(START).status_code == 202
        for path in ("/start", "/undo", "/forget"):
            answer = client.post(f"{TEACH}{path}")
            assert (answer.status_code, answer.json()["error"]["code"]) == (409, "teaching")
        answer = client.post("/api/v1/predict", content=photos[0],
                             headers={"Content-Type": "image/jpeg"})  # fmt: skip
        assert answer.status_code == 200  # meanwhile, the app serves
    finally:
        gate.set()
    assert settled(client)["taught"]


def test_a_failure_is_told_and_changes_nothing(
    client: TestClient, photos: list[bytes], monkeypatch: pytest.MonkeyPatch, recogniser: Recogniser
) -> None:
    """The bundle in use stays, the draft too, and the next try may work."""
    from waymark.serve import teach_bundle

    give(client, "A", photos)
    settled(client)
    with monkeypatch.context() as broken:
        broken.setattr(teach_bundle, "ROOM", 2**62)
        client.post(START)
        state = settled(client)
    assert state["error"]["code"] == "full"
    assert (state["bundle"], state["photos"]) == (recogniser.bundle.short_hash, 5)
    client.post(START)
    assert settled(client)["error"] is None


def test_nothing_of_it_is_there_unless_allowed(opened: Callable[..., Any]) -> None:
    """No page, no route, no entry in the navigation or in the description."""
    with opened() as client:
        assert {client.post(f"{TEACH}{path}").status_code for path in WRITES} == {404}
        for path in (TEACH, f"{TEACH}/names", f"{TEACH}/bundle", "/teach"):
            assert client.get(path).status_code == 404
        assert "/teach" not in client.get("/").text
        assert "/teach" not in client.get("/api/v1/openapi.json").text


@pytest.mark.parametrize("path", [*[f"{TEACH}{path}" for path in WRITES], "/teach"])
def test_other_sites_cannot_teach(client: TestClient, path: str) -> None:
    """A page of another site sends its Origin, and gets nowhere."""
    answer = client.post(path, headers={"Origin": "https://evil.example"}, files={"a": (None, "b")})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "cross-site")


def test_a_session_owes_its_token_on_every_write(started: Callable[..., Any]) -> None:
    """With a cookie and without an Origin, a form without the CSRF token is refused."""
    with started(token="open sesame") as client:
        assert client.get(TEACH).status_code == 401
        login = client.post("/login", data={"token": "open sesame"})
        assert login.status_code == 303
        for path in (*[f"{TEACH}{path}" for path in WRITES], "/teach"):
            for sent in ({"files": {"a": (None, "b")}}, {}):
                answer = client.post(path, **sent)
                assert answer.status_code == 403, path
        text = client.get("/teach").text
        csrf = text.partition('name="csrf" content="')[2].partition('"')[0]
        forget = client.post(f"{TEACH}/forget", files={"csrf": (None, csrf)})
        assert forget.status_code == 200
        assert client.post(f"{TEACH}/forget", headers={"X-CSRF-Token": csrf}).status_code == 200


def test_the_page_works_without_javascript(client: TestClient, photos: list[bytes]) -> None:
    """Forms alone: add, leave out, use, teach, undo, remove and forget."""
    files = [("photos", (f"{i}.jpg", data, "image/jpeg")) for i, data in enumerate(photos)]

    def press(what: str, files: Any = (), **more: Any) -> str:
        nothing = {"x": (None, "")}
        answer = client.post("/teach", data={"do": what, **more}, files=files or nothing)
        assert answer.status_code == 303, answer.text
        assert answer.headers["location"] == "/teach"
        settled(client)
        return str(client.get("/teach").text)

    assert "Häuschen" in press("add", name="Häuschen", lat="1,5", lon="-2", files=files)
    photo = settled(client)["draft"][0]["photos"][0]["photo"]
    assert f'value="keep:{photo}"' in press(f"drop:{photo}")
    assert f'value="drop:{photo}"' in press(f"keep:{photo}")
    assert "I have learnt" in press("teach")
    assert "I have learnt" not in press("undo")
    key = settled(client)["draft"][0]["key"]
    assert "Häuschen" not in press(f"remove:{key}")
    assert "What I would learn" not in press("forget")

    wrong = client.post("/teach", data={"do": "add", "name": "A", "lat": "99"}, files=files)
    assert wrong.status_code == 422
    assert "latitude" in wrong.text
    assert 'value="99"' in wrong.text
    assert client.post("/teach", files={"do": (None, "nonsense")}).status_code == 422


def test_a_restart_says_where_the_taught_bundles_are(
    started: Callable[..., Any], photos: list[bytes], recogniser: Recogniser, tmp_path: Path
) -> None:
    """What was taught before is not used silently; the page says how to use it."""
    with started() as client:
        give(client, "A", photos)
        settled(client)
        client.post(START)
        assert settled(client)["taught"]
    (file,) = (tmp_path / "taught").glob("*.waymark")
    with started() as client:
        assert client.get(TEACH).json()["bundle"] == recogniser.bundle.short_hash
        assert file.name in client.get("/teach").text
