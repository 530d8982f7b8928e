"""Names that are scripts stay text, wherever a page or an answer shows them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from waymark.bundle.tiny import tiny_bundle
from waymark.gazetteer import Landmark
from waymark.recognise.recogniser import Recogniser
from waymark.serve.app import create_app
from waymark.serve.settings import Settings

SCRIPT = "<script>alert('stored')</script>"
NAMES = (
    f"Tower {SCRIPT}",
    '" onmouseover="alert(1)" x="',
    "</title><img src=x onerror=alert(1)>",
    "{{ 9999991 * 9999973 }} {% raw %} ${9999991*9999973}",
    "javascript:alert(1)",
)


class Tags(HTMLParser):
    """Collects what a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[dict[str, str | None]] = []
        self.handlers: list[str] = []
        self.addresses: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "script":
            self.scripts.append(found)
        self.handlers += [name for name in found if name.startswith("on")]
        self.addresses += [found[name] or "" for name in ("href", "src") if name in found]

    def handle_data(self, data: str) -> None:
        self.text += data


def harmless(html: str) -> Tags:
    """Hold a page to what may be in it; return what it says."""
    tags = Tags()
    tags.feed(html)
    assert all((one.get("src") or "").startswith("/static/") for one in tags.scripts)
    assert not tags.handlers
    assert not [one for one in tags.addresses if one.lower().startswith("javascript:")]
    assert str(9_999_991 * 9_999_973) not in html
    return tags


@pytest.fixture(scope="module")
def hostile() -> Iterator[TestClient]:
    """Return a client of an app whose bundle has hostile names everywhere."""
    bundle = tiny_bundle(len(NAMES))
    classes = tuple(
        Landmark(
            id=f"{number}{SCRIPT}",
            name=name,
            local_name=name,
            place=name,
            country="FR",
            category=SCRIPT,
            lat=10.0,
            lon=20.0,
            wikidata="Q1",
        )
        for number, name in enumerate(NAMES)
    )
    tasks = (replace(bundle.manifest.tasks[0], classes=classes), *bundle.manifest.tasks[1:])
    manifest = replace(bundle.manifest, tasks=tasks, provenance={"recipe": SCRIPT})
    card = f"# Card {SCRIPT}\n\n[link](javascript:alert(1)) <b onclick='alert(1)'>x</b>\n\n{SCRIPT}"
    recogniser = Recogniser(
        replace(bundle, manifest=manifest, card=card, notice=SCRIPT), unknown_threshold=1.0
    )
    settings = Settings(decoders=1, log="off")
    with TestClient(create_app(recogniser, settings), "http://127.0.0.1") as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/landmarks", "/report", "/landmarks?q=<script>alert(1)"])
def test_pages_show_hostile_landmarks_as_text(hostile: TestClient, path: str) -> None:
    """Landmarks' names, categories, card and notice; and what was searched for."""
    tags = harmless(hostile.get(path).text)
    if path == "/landmarks":
        assert SCRIPT in tags.text


@pytest.mark.parametrize("name", [*NAMES, "../../etc/passwd", "\u202egpj.exe", "a\\b"])
def test_answers_show_hostile_files_as_text(
    hostile: TestClient, jpeg: Callable[..., bytes], name: str
) -> None:
    """The name of an upload, good or broken, on the page that needs no JavaScript."""
    for data in (jpeg(), b"none"):
        page = hostile.post("/", files={"photos": (name, data)}, data={"k": "5"})
        assert page.headers["content-type"].startswith("text/html")
        harmless(page.text)


def test_exif_is_not_shown(hostile: TestClient) -> None:
    """What a photo says of itself appears nowhere: not its description, not its maker."""
    exif = Image.Exif()
    for tag in (0x010E, 0x010F, 0x0110, 0x0131, 0x013B, 0x8298):
        exif[tag] = "<script>exif</script>"
    file = io.BytesIO()
    Image.new("RGB", (90, 90), "red").save(
        file, "JPEG", exif=exif, comment=b"<script>exif</script>"
    )
    data: dict[str, Any] = {"use_gps": "on"}
    api = hostile.post("/api/v1/predict", files={"photos": ("a.jpg", file.getvalue())}, data=data)
    assert api.status_code == 200
    assert api.json()["photos"][0]["camera"] is None
    page = hostile.post("/", files={"photos": ("a.jpg", file.getvalue())}, data=data)
    for answer in (api, page):
        assert "<script>exif" not in answer.text
        assert "&lt;script&gt;exif" not in answer.text
    harmless(page.text)


@pytest.mark.parametrize("path", ["/<script>alert(1)</script>", "/%3Cscript%3Ealert(1)"])
def test_errors_show_nothing_of_the_address(hostile: TestClient, path: str) -> None:
    """A page that is not there does not repeat what was asked for."""
    page = hostile.get(path, headers={"Accept": "text/html"})
    assert page.status_code == 404
    assert "alert" not in page.text
    harmless(page.text)


def test_json_is_never_a_page(hostile: TestClient, jpeg: Callable[..., bytes]) -> None:
    """Answers of the API are JSON by type, and no browser may guess otherwise."""
    for answer in (
        hostile.get("/api/v1/landmarks"),
        hostile.post("/api/v1/predict", files={"photos": (SCRIPT, jpeg())}),
    ):
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
