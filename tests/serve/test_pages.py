"""The pages as a program sees them: no markup but ours, nothing from elsewhere, no JavaScript."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from fastapi.testclient import TestClient
from lxml import html
from PIL import Image

from waymark.bundle.format import Bundle
from waymark.bundle.manifest import LANDMARK, Task
from waymark.bundle.tiny import tiny_bundle
from waymark.gazetteer import Landmark
from waymark.recognise.recogniser import Recogniser
from waymark.samples import render
from waymark.serve.app import create_app
from waymark.serve.samples import EXAMPLES, example_photo
from waymark.serve.settings import Settings

HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>'",
    "{{ 7 * 7 }} </template></title>",
    "\u202eאבג gnp.exe",
)
PAGES = ("/", "/landmarks", "/report", "/landmarks?q=%3Cscript%3E", "/nothing-here")
HTML = {"Accept": "text/html"}


def hostile_bundle() -> Bundle:
    """Return a bundle whose every text is somebody's attempt."""
    bundle = tiny_bundle(len(HOSTILE))
    landmarks = tuple(
        Landmark(
            id=text, name=text, local_name=f"~{text}", place=text, category=text, country="AQ",
            lat=10.0, lon=float(number),
        )
        for number, text in enumerate(HOSTILE)
    )  # fmt: skip
    manifest = replace(
        bundle.manifest,
        tasks=(Task(name=LANDMARK, classes=landmarks),),
        metrics={
            "n": HOSTILE[0], "top1": float("nan"), "top3": "99", "top5": 0.5,
            "top5_interval": ["<b>", {}], "per_class": {HOSTILE[0]: 3, HOSTILE[1]: {"recall": 2}},
        },
        provenance={"data": HOSTILE[0], "terms": "\ud800", "recipe_name": ["a"]},
    )  # fmt: skip
    card = "\n\n".join(f"# {text}\n\n- {text}\n\n| {text} | `{text}` |" for text in HOSTILE)
    return replace(bundle, manifest=manifest, card=card, notice=HOSTILE[0])


@pytest.fixture(scope="module")
def plain_app() -> Iterator[TestClient]:
    """Return a client of an app around a tiny bundle."""
    app = create_app(Recogniser(tiny_bundle()), Settings(decoders=1, log="off"))
    with TestClient(app, base_url="http://127.0.0.1:8000") as client:
        yield client


@pytest.fixture(scope="module")
def hostile_app() -> Iterator[TestClient]:
    """Return a client of an app around a hostile bundle."""
    settings = Settings(decoders=1, log="off", allow_teach=True)
    app = create_app(Recogniser(hostile_bundle()), settings)
    with TestClient(app, base_url="http://127.0.0.1:8000") as client:
        yield client


def parsed(text: str) -> Any:
    return html.document_fromstring(text)


def check_markup(text: str) -> None:
    """Hold a page to the content security policy, and its addresses to this origin."""
    root = parsed(text)
    for node in root.iter():
        if not isinstance(node.tag, str):
            continue
        assert node.tag not in ("style", "iframe", "object", "base", "embed")
        assert node.tag != "script" or (
            node.get("src", "").startswith("/static/") and not node.text
        )
        for name, value in node.attrib.items():
            assert name != "style"
            assert not name.startswith("on")
            if name in ("src", "action") or (name == "href" and node.tag != "a"):
                assert re.match(r"/(?!/)|#|data:image/", value), value
            if name == "href" and not value.startswith(("/", "#")):
                assert value.startswith("https://www.openstreetmap.org/?mlat=")
                assert set(node.get("rel").split()) == {"noopener", "noreferrer"}
                assert node.get("target") == "_blank"


def form(**fields: str) -> dict[str, Any]:
    return {"data": fields, "headers": HTML}


def small(name: str = "castle", seed: int = 0) -> bytes:
    buffer = BytesIO()
    render(name, seed=seed, size=(96, 64)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("which", ["plain_app", "hostile_app"])
def test_pages_keep_to_their_own_policy(
    path: str, which: str, request: pytest.FixtureRequest
) -> None:
    """No inline script or style, no handler, and no address elsewhere but a place's map."""
    client: TestClient = request.getfixturevalue(which)
    answer = client.get(path, headers=HTML)

    assert answer.status_code == (404 if path == "/nothing-here" else 200)
    check_markup(answer.text)


def test_names_are_text_on_every_page(hostile_app: TestClient) -> None:
    """What somebody called a landmark stands there as it was written."""
    names = [node.text_content() for node in parsed(hostile_app.get("/landmarks").text).iter("h2")]

    assert sorted(names) == sorted(HOSTILE)
    assert HOSTILE[0] in parsed(hostile_app.get("/report").text).text_content()


def test_impossible_figures_are_left_out(hostile_app: TestClient) -> None:
    """A figure that is no number of 0 to 1 is as good as none."""
    report = parsed(hostile_app.get("/report").text)

    assert [dt.text for dt in report.find_class("tiles")[0].iter("dt")] == ["Among five"]
    assert "has not been measured" in report.text_content()


def test_without_figures_the_pages_say_so(plain_app: TestClient) -> None:
    """A bundle that was never measured claims nothing."""
    assert "not been measured" in plain_app.get("/landmarks").text
    assert "not been measured" in plain_app.get("/report").text


@pytest.mark.parametrize("name", HOSTILE)
def test_a_form_is_answered_by_the_server(hostile_app: TestClient, name: str) -> None:
    """Without JavaScript: photo, guesses and JSON, and the file's name as text."""
    answer = hostile_app.post("/", files={"photos": (name, small())}, **form(k="2"))
    root = parsed(answer.text)
    said = json.loads(root.find_class("json")[0].find("pre").text)

    assert answer.status_code == 200
    check_markup(answer.text)
    assert len(root.find_class("guesses")[0].findall("li")) == len(said["predictions"]) == 2
    assert root.find_class("shot")[0].find("img").get("src").startswith("data:image/jpeg;base64,")
    assert root.find_class("file")[0].text_content() == said["photo"]
    assert root.get_element_by_id("k").get("value") == "2"


def test_each_photo_of_a_form_has_its_own_answer(plain_app: TestClient) -> None:
    """A broken photo among others is an error of its own, with a hint."""
    photos = [("photos", ("one.jpg", small())), ("photos", ("two.jpg", b"\xff\xd8\xff\xe0"))]
    answer = plain_app.post("/", files=photos, **form(explain="1"))
    one, two = parsed(answer.text).find_class("answer")

    assert next(one.iter("img")).get("alt").endswith("what it looked at")
    assert "can't be used" in two.text_content()
    assert len(two.find_class("why")) == 2


def test_an_example_needs_no_upload(plain_app: TestClient) -> None:
    """Pressing an example's button is enough."""
    answer = plain_app.post("/", **form(example="3"))

    assert "example-3.jpg" in answer.text


@pytest.mark.parametrize("fields", [{}, {"k": "many"}, {"example": "6"}, {"k": "-3"}])
def test_a_form_without_a_photo_says_what_to_do(
    plain_app: TestClient, fields: dict[str, str]
) -> None:
    """Nothing chosen is no crash, and the form is there again."""
    answer = plain_app.post("/", **form(csrf="x", **fields))

    assert answer.status_code == 400
    root = parsed(answer.text)

    assert "Choose one or more photos" in root.find_class("problem")[0].text_content()
    assert root.get_element_by_id("ask") is not None


def test_the_camera_is_asked_only_on_request(plain_app: TestClient) -> None:
    """EXIF GPS changes the answer where the box is ticked, and nowhere else."""
    buffer = BytesIO()
    exif = Image.Exif()
    exif[0x8825] = {1: "S", 2: (79.0, 59.0, 0.0), 3: "E", 4: (10.0, 0.0, 0.0)}
    render("castle", seed=1, size=(96, 64)).save(buffer, "JPEG", exif=exif)
    photo = {"photos": ("here.jpg", buffer.getvalue())}

    said = [
        parsed(plain_app.post("/", files=photo, **form(**ticked)).text).find_class("answer")[0]
        for ticked in ({}, {"use_gps": "1"})
    ]
    texts = [json.loads(next(one.iter("pre")).text) for one in said]

    assert [one["predictions"][0]["distance_m"] is None for one in texts] == [True, False]


def test_search_finds_whatever_the_spelling(world: Recogniser) -> None:
    """Without JavaScript the gazetteer's search answers: accents and countries in words too."""
    with TestClient(
        create_app(world, Settings(decoders=1, log="off")), base_url="http://127.0.0.1:8000"
    ) as client:
        found = {
            query: [
                node.text_content()
                for node in parsed(client.get(f"/landmarks?q={query}").text).iter("h2")
            ]
            for query in ("topkapi", "Effel tower", "istanbul", "zzzzzz", "")
        }

    assert found["topkapi"] == ["Topkapı Palace"]
    assert found["Effel tower"][0] == "Eiffel Tower"
    assert len(found["istanbul"]) > 5
    assert found["zzzzzz"] == []
    assert len(found[""]) == len(world.bundle.manifest.landmarks)


def test_what_pages_are_made_of_is_cached_by_its_content(plain_app: TestClient) -> None:
    """Asked again with its tag, a file is not sent again."""
    first = plain_app.get("/static/base.css")
    again = plain_app.get("/static/base.css", headers={"If-None-Match": first.headers["etag"]})

    assert first.headers["content-type"].startswith("text/css")
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["../pages.py", "..%2fpages.py", "pages.py", "%00", "base.css/"])
def test_no_other_file_is_served(plain_app: TestClient, name: str) -> None:
    """Only what lies in `static/`, by its very name."""
    assert plain_app.get(f"/static/{name}").status_code == 404


def test_every_file_a_page_names_is_there(plain_app: TestClient) -> None:
    """Style sheets, scripts and what they import, icons and example photos."""
    wanted = {"/static/icon.svg"}
    for path in PAGES:
        root = parsed(plain_app.get(path, headers=HTML).text)
        wanted |= {node.get("src") for node in root.iter("script", "img")}
        wanted |= {node.get("href") for node in root.iter("link")}
    for script in [one for one in wanted if one.endswith(".js")]:
        text = plain_app.get(script).text
        wanted |= {f"/static/{name}" for name in re.findall(r'from "\./(.+?)"', text)}

    assert len(wanted) > 12
    assert {path: plain_app.get(path).status_code for path in wanted} == dict.fromkeys(wanted, 200)


def test_examples_are_what_their_titles_say(world: Recogniser) -> None:
    """The world bundle takes the first four for what they imitate, and does not know the last."""
    said = [world.predict(example_photo(one.number), k=1) for one in EXAMPLES]

    assert [one.known for one in said] == [True, True, True, True, False]
    assert [one.predictions[0].landmark for one in said[:4]] == [
        "eiffel_tower", "golden_gate_bridge", "leaning_tower_of_pisa", "pyramids_of_giza",
    ]  # fmt: skip
