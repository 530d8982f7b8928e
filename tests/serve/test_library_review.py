"""Reviewing through the server: said, kept, taken back; never from a foreign page."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from waymark.bundle.format import find_bundle
from waymark.gazetteer import Landmark
from waymark.library.store import Store
from waymark.serve import library_shelf

EIFFEL = Landmark(
    id="eiffel_tower", name="Eiffel Tower", place="Paris", country="FR", category="tower",
    lat=48.8584, lon=2.2945, extent_m=150,
)  # fmt: skip
PETRA = Landmark(id="petra", name="Petra", place="Wadi Musa", country="JO", lat=30.33, lon=35.44)
SCORES = (0.97, 0.93, 0.6, 0.91, 0.5)


@pytest.fixture
def library(stocked: Callable[..., Path]) -> Path:
    """Return a library of six photos: four of the tower, one of Petra, one unknown."""
    tower = [(f"{i}.jpg", EIFFEL, {"score": score}) for i, score in enumerate(SCORES[:4])]
    return stocked(*tower, ("petra.jpg", PETRA, {"score": SCORES[4]}), ("unknown.jpg", None, {}))


@pytest.fixture
def client(opened: Callable[..., Any], library: Path) -> Iterator[TestClient]:
    """Return a client of an app that shows it."""
    with opened(library=library) as found:
        yield found


def states(library: Path) -> list[tuple[str, str | None]]:
    """Return the state and the landmark of each photo."""
    with Store.open(library, readonly=True) as store:
        return store.connection.execute(
            "SELECT state, landmark.key FROM photo LEFT JOIN landmark "
            "ON landmark.id = photo.landmark ORDER BY photo.id"
        ).fetchall()


def said(client: TestClient, what: str, photo: str, **more: str) -> Any:
    """Say something by the API."""
    return client.post("/api/v1/library/reviews", data={"say": what, "photo": photo, **more})


def test_what_is_said_is_kept_and_taken_back_step_by_step(
    client: TestClient, library: Path
) -> None:
    """Approve, correct, reject, no landmark, several at once; then undo all the way."""
    seen = [states(library)]
    for what, photo, more in (
        ("approved", "1", {}),
        ("corrected", "5", {"landmark": "Eiffel Tower"}),
        ("rejected", "2", {}),
        ("not-a-landmark", "6", {}),
        ("approved", "3,4", {}),
        ("corrected", "6", {"landmark": "Grandmother's House", "new": "1"}),
        ("corrected", "1,2", {"landmark": "Grandmother's House"}),
    ):
        answer = said(client, what, photo, **more)
        assert answer.status_code == 200, answer.text
        assert answer.json()["photos"] == [int(one) for one in photo.split(",")]
        assert answer.json()["changed"] == len(photo.split(","))
        seen.append(states(library))
    assert seen[-1] == [
        ("corrected", "grandmothers_house"),
        ("corrected", "grandmothers_house"),
        ("approved", "eiffel_tower"),
        ("approved", "eiffel_tower"),
        ("corrected", "eiffel_tower"),
        ("corrected", "grandmothers_house"),
    ]
    for before in reversed(seen[:-1]):
        assert client.post("/api/v1/library/undo").json()["undone"] > 0
        assert states(library) == before
    assert client.post("/api/v1/library/undo").json() == {
        "undone": 0, "photo": None, "photos": [],
        "standing": {"left": 5, "done": 0, "unknown": 1, "last": None},
    }  # fmt: skip


def test_a_name_that_nobody_knows_is_a_landmark_on_purpose_only(
    client: TestClient, library: Path
) -> None:
    """Refused with the likeliest name; `new` makes it; undone, it is nobody's again."""
    before = states(library)
    answer = said(client, "corrected", "1", landmark="colos")
    assert (answer.status_code, answer.json()["error"]) == (409, {
        "code": "new-landmark", "message": 'no landmark is called "colos".',
        "hint": "Did you mean Colosseum? Else say that it is a new one.",
    })  # fmt: skip
    assert "Did you mean" not in said(client, "corrected", "1", landmark="qqzz").text
    assert states(library) == before
    assert said(client, "corrected", "1", landmark="colos", new="1").status_code == 200
    assert said(client, "corrected", "2", landmark="COLOS").status_code == 200
    assert states(library)[:2] == [("corrected", "colos")] * 2
    found = client.get("/api/v1/library/names?q=colos").json()["names"]
    assert found[0]["name"] == "colos"
    for _ in range(2):
        client.post("/api/v1/library/undo")
    found = client.get("/api/v1/library/names?q=colos").json()["names"]
    assert "colos" not in [one["name"] for one in found]
    assert said(client, "corrected", "1", landmark="colos").status_code == 409
    for page in ("/library", "/library/review"):
        assert 'value="colos"' not in client.get(page).text


def test_a_guess_is_named_by_its_id(
    stocked: Callable[..., Path], opened: Callable[..., Any]
) -> None:
    """Also one of a bundle that is not in use any more, and that no photo shows."""
    old = Landmark(id="old:7", name="Seven, of old")
    file = stocked(("a.jpg", old, {}), ("b.jpg", EIFFEL, {"guesses": "[[1, 0.2]]"}))
    with opened(library=file) as client:
        said(client, "corrected", "1", landmark="Eiffel Tower")
        assert said(client, "corrected", "2", landmark="old:7").status_code == 200
    assert states(file)[1] == ("corrected", "old:7")


def test_copies_are_told(stocked: Callable[..., Path], opened: Callable[..., Any]) -> None:
    """What changed has their numbers; what did not change has none."""
    same = {"sha256": b"x" * 32}
    file = stocked(("a.jpg", EIFFEL, same), ("b.jpg", EIFFEL, {}), ("c.jpg", EIFFEL, same))
    with opened(library=file) as client:
        assert said(client, "approved", "3").json()["photos"] == [1, 3]
        answer = said(client, "approved", "1").json()
        assert (answer["changed"], answer["photos"]) == (0, [])
        assert client.post("/api/v1/library/undo").json()["photos"] == [1, 3]


def test_a_bulk_approval_tells_what_was_agreed_to(
    stocked: Callable[..., Path], opened: Callable[..., Any]
) -> None:
    """A copy that is less sure follows, and is not among the count."""
    same = {"sha256": b"x" * 32}
    sure, unsure = same | {"score": 0.97}, same | {"score": 0.3}
    file = stocked(("a.jpg", EIFFEL, sure), ("b.jpg", PETRA, unsure))
    with opened(library=file) as client:
        form = {"score": "0.9", "expected": "1"}
        assert client.post("/api/v1/library/approve-above", data=form).json()["changed"] == 1
        assert states(file) == [("approved", "eiffel_tower")] * 2
        assert client.post("/api/v1/library/undo").json()["photos"] == [1, 2]


def test_a_photo_that_cannot_be_read_is_not_spoken_of(
    stocked: Callable[..., Path], opened: Callable[..., Any]
) -> None:
    """Refused, with what to do; beside others it is left out."""
    file = stocked(("a.jpg", None, {"error": "cut short"}), ("b.jpg", EIFFEL, {}))
    with opened(library=file) as client:
        answer = said(client, "not-a-landmark", "1")
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "unreadable")
        assert said(client, "approved", "1,2").json()["photos"] == [2]
    assert states(file) == [("new", None), ("approved", "eiffel_tower")]


def test_a_filter_has_a_queue_of_its_own(client: TestClient) -> None:
    """By the API: the unknown photo too, and what is left counts that queue alone."""

    def ask(query: str) -> tuple[list[int], int]:
        said = client.get(f"/api/v1/library/queue?{query}").json()
        seen = client.get(f"/api/v1/library/overview?{query}").json()
        assert seen["waiting"] == len(said["photos"])
        return said["photos"], said["standing"]["left"]

    assert ask("") == ([5, 3, 4, 2, 1], 5)
    assert ask("q=tower") == ([3, 4, 2, 1], 4)
    assert ask("only=unknown&state=new") == ([6], 1)
    assert ask("q=nothing+like+it") == ([], 0)
    assert client.get("/api/v1/library/queue?limit=2").json()["photos"] == [5, 3]
    assert client.get("/api/v1/library/queue?gps=far").status_code == 422
    answer = client.post(
        "/api/v1/library/reviews?q=tower", data={"say": "approved", "photo": "3"}
    ).json()
    assert (answer["standing"]["left"], answer["standing"]["done"]) == (3, 1)
    for address in ("reviews", "undo"):
        form = {"say": "approved", "photo": "5"}
        assert client.post(f"/api/v1/library/{address}?gps=far", data=form).status_code == 422
    assert client.get("/api/v1/library/queue").json()["standing"]["done"] == 1


def test_names_of_the_library_alone(client: TestClient) -> None:
    """For its filter, what no photo shows is no name."""

    def names(query: str) -> list[str]:
        found = client.get(f"/api/v1/library/names?{query}").json()["names"]
        return [one["name"] for one in found]

    assert "Colosseum" in names("q=colos")
    assert names("q=colos&shown=1") == []
    assert names("q=eifel&shown=1") == ["Eiffel Tower"]


def test_bulk_approval_does_what_was_shown(client: TestClient, library: Path) -> None:
    """As many as were counted, under the filter, and one undo; else it asks again."""
    ask = {"score": "0.9", "q": "tower"}
    count = client.get("/api/v1/library/above", params=ask).json()["photos"]
    assert count == 3
    wrong = client.post("/api/v1/library/approve-above", data={**ask, "expected": "2"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (409, "changed")
    assert {state for state, _ in states(library)} == {"new"}
    answer = client.post("/api/v1/library/approve-above", data={**ask, "expected": "3"})
    assert answer.json()["changed"] == 3
    assert [state for state, _ in states(library)] == [
        "approved" if score >= 0.9 else "new" for score in (*SCORES, 0)
    ]
    assert client.post("/api/v1/library/undo").json()["undone"] == 3


def test_forms_work_without_scripts(client: TestClient, library: Path) -> None:
    """Each button leads back to a page; errors are pages, too."""
    answer = client.post("/library/review", data={"say": "approved", "photo": "1"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/library/review")
    answer = client.post(
        "/library/approve", data={"score": "0.9", "expected": "2", "back": "/library?q=tower"}
    )
    assert answer.headers["location"] == "/library?q=tower#approved-2"
    assert [state for state, _ in states(library)].count("approved") == 3
    client.post("/library/undo", data={"csrf": ""})
    assert [state for state, _ in states(library)].count("approved") == 1
    for back in ("https://evil.example/", "//evil.example", "/library/../..//evil", "javascript:1"):
        answer = client.post("/library/undo", data={"back": back})
        assert answer.headers["location"] == "/library"
    wrong = client.post("/library/review", data={"say": "maybe", "photo": "1"})
    assert wrong.status_code == 422
    assert "say must be" in wrong.text


@pytest.mark.parametrize(
    "form",
    [
        {"say": ""},
        {"say": "approved"},
        {"say": "approved", "photo": "x"},
        {"say": "approved", "photo": "1;2"},
        {"say": "approved", "photo": "9" * 40},
        {"say": "corrected", "photo": "1"},
        {"say": "corrected", "photo": "1", "landmark": " \u200b", "new": "1"},
        {"say": "corrected", "photo": "1", "landmark": "x" * 500},
        {"say": "approved", "photo": ",".join("1" * 1500)},
    ],
)
def test_what_cannot_be_said_changes_nothing(
    client: TestClient, library: Path, form: dict[str, str]
) -> None:
    """Told, not guessed."""
    before = states(library)
    answer = client.post("/api/v1/library/reviews", data=form)
    assert answer.status_code in (413, 422)
    assert answer.json()["error"]["hint"]
    assert states(library) == before


def test_a_photo_that_is_not_there_is_told(client: TestClient) -> None:
    """Not a crash."""
    assert said(client, "approved", "999").status_code == 404
    assert client.get("/api/v1/library/photos/999").status_code == 404
    assert client.get("/library/review?photo=999").status_code == 404
    many = ",".join(str(10**17 + number) for number in range(1000))
    assert said(client, "approved", many).status_code == 404  # all of them were read


@pytest.mark.parametrize("path", [
    "/api/v1/library/reviews", "/api/v1/library/approve-above", "/api/v1/library/undo",
    "/library/review", "/library/approve", "/library/undo",
])  # fmt: skip
def test_other_sites_cannot_say_anything(
    opened: Callable[..., Any], library: Path, path: str
) -> None:
    """A foreign Origin, a foreign page, and with a login a form without its token."""
    before = states(library)
    form = {"say": "approved", "photo": "1", "score": "0.5", "expected": "5"}
    with opened(library=library) as client:
        for headers in (
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
        ):
            assert client.post(path, data=form, headers=headers).status_code == 403
        assert client.get(path).status_code in (404, 405, 200, 422)
    with opened(library=library, token="sesame-sesame") as client:
        client.post(
            "/login", data={"token": "sesame-sesame"}, headers={"Origin": "http://127.0.0.1"}
        )
        assert client.get("/library").status_code == 200
        assert client.post(path, data=form).status_code == 403
    assert states(library) == before


def test_a_library_in_use_is_asked_for_again_later(
    client: TestClient, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another writes: pages are read, a press is told to wait, and then works."""
    monkeypatch.setattr(library_shelf, "WAIT_S", 0.05)
    other = sqlite3.connect(library, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("UPDATE photo SET pending = 1")
    for path in ("/library", "/library/review", "/api/v1/library", "/library/thumbs/1"):
        assert client.get(path).status_code == 200
    answer = said(client, "approved", "1")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "busy")
    assert int(answer.headers["retry-after"]) >= 1
    page = client.post("/library/review", data={"say": "approved", "photo": "1"})
    assert page.status_code == 503
    assert "another program is writing" in page.text
    other.execute("COMMIT")
    other.close()
    assert said(client, "approved", "1").status_code == 200


def test_a_library_that_goes_away_is_told(client: TestClient, library: Path) -> None:
    """A clear answer, without its path."""
    for file in library.parent.glob("library.sqlite*"):
        file.unlink()
    answer = client.get("/api/v1/library")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "library")
    assert str(library) not in answer.text
    assert said(client, "approved", "1").status_code == 503
    assert not library.exists()


def test_what_is_said_is_said_of_what_was_seen(client: TestClient, library: Path) -> None:
    """Numbers follow paths: a photo that is another by now takes no answer."""
    seen = ",".join(
        client.get(f"/api/v1/library/photos/{number}").json()["content"] for number in (1, 2)
    )
    with closing(sqlite3.connect(library)) as connection, connection:
        connection.execute("UPDATE photo SET sha256 = ? WHERE id = 2", [bytes(32)])
    answer = said(client, "approved", "1,2", content=seen)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "changed")
    assert said(client, "approved", "1", content=seen.partition(",")[0]).json()["photos"] == [1]
    assert (
        "another photo now"
        in client.post(
            "/library/review", data={"say": "approved", "photo": "2", "content": seen[-16:]}
        ).text
    )


def test_a_guess_is_a_landmark_of_its_own_bundle(client: TestClient, library: Path) -> None:
    """Two bundles may call different landmarks by one id."""
    with Store.open(library) as store, store.transaction() as connection:
        other = store.landmark_ids([replace(PETRA, place="Elsewhere", lat=0.0, lon=0.0)])[0]
        (own,) = store.landmark_ids([PETRA])
        for number, guess in ((1, own), (2, other)):
            connection.execute(
                "UPDATE photo SET guesses = ? WHERE id = ?", [f"[[{guess}, 0.9]]", number]
            )
    for number, place in (("1", "Wadi Musa"), ("2", "Elsewhere")):
        said(client, "corrected", number, landmark="petra")
        landmark = client.get(f"/api/v1/library/photos/{number}").json()["landmark"]
        assert landmark["place"] == place


def test_what_was_said_can_be_taught(client: TestClient, library: Path) -> None:
    """The page counts it, and names the command that reads the library as a dataset."""
    assert "Approve or correct photos first" in client.get("/library/teach").text
    said(client, "approved", "1")
    said(client, "corrected", "5", landmark="Eiffel Tower")
    said(client, "rejected", "2")
    page = client.get("/library/teach").text
    assert "2 photos of 1 landmark " in page
    folder = re.escape(str(library.parent))
    command = rf"waymark teach world {folder}/library.sqlite --out {folder}/better.waymark<"
    assert re.search(command, page)
    assert f"--bundle {library.parent}/better.waymark --library {library} FOLDER" in page

    (library.parent / "better.waymark").touch()
    assert f"--out {library.parent}/better2.waymark<" in client.get("/library/teach").text


def test_world_is_taught_once_with_each_photo(
    client: TestClient, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bundle that was taught from this library has seen its photos: the one before has not."""
    said(client, "approved", "1")
    service = client.app.state.service  # type: ignore[attr-defined]
    bundle = service.recogniser.bundle
    taught = {"recipe": "teach", "data": "world, then library", "parent": sha_of_world()}
    for provenance, file, parent in (
        (bundle.manifest.provenance, library.parent / "mine.waymark", "mine.waymark"),
        (taught, library.parent / "better.waymark", "world "),
        (taught | {"data": "world, then holiday"}, library.parent / "ours.waymark", "ours.waymark"),
    ):
        manifest = replace(bundle.manifest, provenance=provenance)
        monkeypatch.setattr(service.recogniser, "bundle", replace(bundle, manifest=manifest))
        monkeypatch.setattr(service, "bundle_file", file)
        command = re.search(r"waymark teach (.*) --out", client.get("/library/teach").text)
        assert command is not None
        assert parent in command[1]


def sha_of_world() -> str:
    """Return the hash of the packaged bundle."""
    return hashlib.sha256(find_bundle("world").read_bytes()).hexdigest()
