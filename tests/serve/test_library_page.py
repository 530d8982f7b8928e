"""The library's pages as HTML: what they say, where they lead, and that they need no JavaScript."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from waymark.gazetteer import Landmark
from waymark.library.store import Store
from waymark.serve.library_filter import chips_of

EIFFEL = Landmark(
    id="eiffel_tower", name="Eiffel Tower", place="Paris", country="FR", category="tower",
    lat=48.8584, lon=2.2945, extent_m=150,
)  # fmt: skip
ROME = {"lat": 41.9, "lon": 12.5, "gps_says": "disagree"}
HTML = {"Accept": "text/html"}


@pytest.fixture
def library(stocked: Callable[..., Path]) -> Path:
    """Return a library: four photos of the tower, one unknown, one that cannot be read."""
    hours = [{"moment": 1_700_000_000 + 3600 * hour} for hour in range(6)]
    return stocked(
        ("one.jpg", EIFFEL, {"score": 0.95} | hours[0]),
        ("two.jpg", EIFFEL, {"score": 0.9} | hours[1] | ROME),
        ("three.jpg", EIFFEL, {"score": 0.85} | hours[2]),
        ("four.jpg", EIFFEL, {"score": 0.7, "state": "approved"} | hours[3]),
        ("unknown.jpg", None, hours[4]),
        ("broken.jpg", None, {"error": "the JPEG ends early"} | hours[5]),
    )


@pytest.fixture
def client(opened: Callable[..., Any], library: Path) -> Iterator[TestClient]:
    """Return a client of an app that shows it."""
    with opened(library=library) as found:
        yield found


def card(client: TestClient, query: str = "") -> str:
    """Return the review page from its card on."""
    answer = client.get(f"/library/review?{query}", headers=HTML)
    assert answer.status_code == 200
    return str(answer.text.split('id="card"')[1])


def photo_of(text: str) -> str:
    """Return the number of the photo of a card; "" at the end."""
    found = re.search(r'data-photo="(\d*)"', text)
    assert found
    return found[1]


def links(text: str, words: str) -> list[str]:
    """Return the addresses of the links whose text begins with some words."""
    found = re.findall(r'<a [^>]*href="([^"]*)"[^>]*>(?:<b>\d+</b> )?' + words, text)
    return [address.replace("&amp;", "&") for address in found]


def test_the_grid_offers_what_there_is(client: TestClient) -> None:
    """What waits, what is unknown, and under a filter the review of just that."""
    text = client.get("/library").text
    assert re.search(r'id="left">3</b> <span id="tags">tags</span> to look at', text)
    assert links(text, "unknown") == ["/library?state=new&only=unknown"]
    assert links(text, "Review") == ["/library/review"]
    assert 'title="one.jpg, 2023-11-14 22:13"' in text
    assert "be read <small><bdi>broken.jpg" in text
    text = client.get("/library?q=tower&state=new").text
    assert links(text, "Review these 3") == ["/library/review?q=tower&state=new"]
    assert links(client.get("/library?state=approved").text, "Review") == ["/library/review"]


def test_filters_are_told_and_left_one_by_one(client: TestClient) -> None:
    """Each is a chip that leads to the others alone; what the form does not offer stays in it."""
    given = {"q": "<b>", "country": "FR", "min_score": "0.6", "only": "unknown", "state": "new"}
    chips = dict(chips_of(given))
    assert list(chips) == [
        "<b>", "France", "State: Not looked at", "Confidence from: 60 %", "Unknown places",
    ]  # fmt: skip
    assert chips["France"] == "q=%3Cb%3E&state=new&min_score=0.6&only=unknown"
    text = client.get("/library", params=given).text
    assert "<bdi>&lt;b&gt;</bdi>" in text
    assert '<option value="0.6" selected>' in text
    assert 'id="clear" href="/library">' in text
    assert 'id="clear" href="/library" hidden>' in client.get("/library").text
    assert chips_of({"min_score": "lots"})[0][0] == "Confidence from: lots"


def test_a_card_says_what_helps_to_answer(client: TestClient) -> None:
    """Folder, neighbours in time, how far the camera was; why a photo can't be read."""
    text = card(client, "photo=2")
    assert re.search(r"somewhere else, 1,1\d\d km away\.", text)
    assert "<title>The camera</title>" in text
    assert "/photos</bdi></small>" in text
    near = re.findall(r'data-photo="(\d+)" title="([^"]*)"', text)
    assert [number for number, _ in near] == ["1", "3", "4", "5"]
    assert near[0][1] == "Eiffel Tower, 2023-11-14 22:13"
    assert "The camera" not in card(client, "photo=1")
    assert "the JPEG ends early" in card(client, "photo=6")
    unknown = card(client, "photo=5")
    assert 'value="rejected"' in text
    assert 'value="rejected"' not in unknown
    assert 'value="approved" disabled' in unknown


def test_a_review_of_a_filter_says_so_and_stays_in_it(client: TestClient) -> None:
    """Its links keep the filter; another leaves it; the end is its own."""
    page = client.get("/library/review?q=tower&country=FR").text
    assert re.search(r'Only <span class="chip"><bdi>tower</bdi></span> <span.*?France', page)
    assert links(page, "Review everything") == ["/library/review"]
    assert links(page, "Library") == ["/library", "/library?q=tower&country=FR"]
    assert links(page, "Skip</a>") == ["/library/review?past=3&q=tower&country=FR"]
    assert '<b id="left">3</b> of these to look at' in page
    assert photo_of(card(client, "only=unknown")) == "5"
    text = card(client, "q=nowhere")
    assert "Nothing of these waits" in text
    assert links(text, "back to these photos") == ["/library?q=nowhere"]


def test_skipping_goes_through_the_queue_and_ends(client: TestClient) -> None:
    """By links: each photo once, past what was answered; at the end they can be seen again."""
    address, seen = "/library/review", list[str]()
    while True:
        text = client.get(address, headers=HTML).text
        number = photo_of(text)
        if not number:
            break
        seen.append(number)
        (address,) = links(text, "Skip</a>")
    assert sorted(seen) == ["1", "2", "3"]
    assert "What you skipped waits: 3." in text
    assert links(text, "Look at them again") == ["/library/review"]
    text = card(client, f"past={seen[0]}")
    assert photo_of(text) == seen[1]
    (back,) = set(re.findall(r'name="back" value="([^"]*past[^"]*)"', text))
    answer = client.post(
        "/library/review", data={"say": "approved", "photo": seen[1], "back": back}
    )
    assert photo_of(client.get(answer.headers["location"]).text) == seen[2]


def test_undo_leads_back_to_its_page_and_says_what_it_takes_back(client: TestClient) -> None:
    """From the grid to the filter, from the review to the photo."""
    client.post("/library/review", data={"say": "approved", "photo": "1,2"})
    for address in ("/library?q=tower", "/library/review?photo=3&q=tower"):
        form = client.get(address).text.split('id="undo"')[1].split("</form>")[0]
        assert f'name="back" value="{address.replace("&", "&amp;")}"' in form
        assert 'title="Takes back: approved, 2 photos"' in form
        assert '<span id="last">&#160;(2)</span>' in form


def test_a_new_name_is_asked_about_on_a_page(client: TestClient, library: Path) -> None:
    """A button sends the same again and says that it is new; hostile names stay text."""
    name = "<i>colos</i>"
    form = {"say": "corrected", "photo": "1", "landmark": name, "back": "/library/review?past=3"}
    answer = client.post("/library/review", data=form)
    assert answer.status_code == 409
    assert name not in answer.text
    again = dict(re.findall(r'name="(\w+)" value="([^"]*)"', answer.text.split("<form")[1]))
    assert again["new"] == "1"
    answer = client.post("/library/review", data=form | {"new": "1"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/library/review?past=3")
    with Store.open(library, readonly=True) as store:
        assert store.connection.execute(
            "SELECT name FROM landmark JOIN photo ON photo.landmark = landmark.id "
            "WHERE photo.id = 1"
        ).fetchone() == (name,)


@pytest.mark.parametrize("photo", ["999999", "0", "x", "-1", "9" * 30])
def test_a_photo_that_is_not_there_leads_back(client: TestClient, photo: str) -> None:
    """With the message of the API."""
    answer = client.get(f"/library/review?photo={photo}", headers=HTML)
    assert answer.status_code == 404
    assert "the library has no such photo." in answer.text
    assert links(answer.text, "Back") == ["/library"]
    part = client.get(f"/library/review?part=card&photo={photo}")
    assert part.json()["error"]["message"] == "the library has no such photo."
