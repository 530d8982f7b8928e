"""The demo: its folder, its pages, and that nothing a photo is called can do any harm."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from waymark.bundle.tiny import tiny_bundle
from waymark.demo import demo_photos, demo_samples
from waymark.demo.folder import MARKER, claim_folder
from waymark.demo.own_photos import group
from waymark.demo.page import Card, compose, percent, thumbnail
from waymark.demo.rendered import STRANGERS
from waymark.demo.world_map import world_map
from waymark.errors import DatasetError, RunError
from waymark.gazetteer import load_gazetteer
from waymark.recognise.prediction import Guess, Prediction
from waymark.recognise.recogniser import Recogniser
from waymark.samples import SAMPLES, render

HOSTILE = "<img src=x onerror=alert(1)>&\"'.jpg"
EIFFEL, PETRA = (load_gazetteer().find(name) for name in ("eiffel_tower", "petra"))


class Oracle:
    """Stands in for a recogniser: a photo whose name begins with `known` shows the tower."""

    bundle = SimpleNamespace(manifest=SimpleNamespace(landmarks=("one", "two")))

    def predict_many(self, photos: Sequence[Path], k: int) -> Iterator[Any]:
        real = Recogniser(tiny_bundle())
        for path, said in zip(photos, real.predict_many(photos, k), strict=True):
            if isinstance(said, Prediction):
                known = path.name.startswith("known")
                yield Prediction(
                    photo=str(path), known=known, unknown_score=0.1 if known else 0.9,
                    predictions=(Guess.of(EIFFEL, 0.8), Guess.of(PETRA, 0.2)),
                    category_predictions=None, bundle="",
                )  # fmt: skip
            else:
                yield said


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Return a folder with two photos of a landmark, one of none, and two broken files."""
    folder = tmp_path / "album"
    folder.mkdir()
    for number, name in enumerate(("known-1.jpg", "known-2.jpg", HOSTILE)):
        render(SAMPLES[0], seed=number, size=(64, 48)).save(folder / name)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    (folder / "words.png").write_text("not a photo")
    return folder


def card(**changes: Any) -> Card:
    values: dict[str, Any] = {
        "picture": thumbnail(Image.new("RGB", (8, 6))), "file": "a.jpg", "verdict": "known",
        "guesses": (Guess.of(EIFFEL, 0.9),), "unknown_score": 0.1,
    }  # fmt: skip
    return Card(**(values | changes))


@pytest.mark.skipif(os.name != "posix", reason="names of files are bytes on POSIX only")
def test_a_name_that_is_no_text_does_not_stop_the_page(tmp_path: Path) -> None:
    """Linux allows any bytes as the name of a file."""
    photo = Path(os.fsdecode(os.fsencode(tmp_path) + b"/known-\xff.png"))
    render(SAMPLES[0], seed=0, size=(64, 48)).save(photo)

    page = demo_photos([photo], tmp_path / "out", recogniser=Oracle())  # type: ignore[arg-type]

    assert "known-?.png" in page.read_text(encoding="utf-8")


def test_a_new_folder_is_made_and_marked(tmp_path: Path) -> None:
    """The folder exists afterwards and bears the marker."""
    assert (claim_folder(tmp_path / "deep" / "out") / MARKER).is_file()


def test_a_demo_replaces_what_a_demo_wrote(tmp_path: Path) -> None:
    """What an earlier demo left is gone."""
    old = claim_folder(tmp_path / "out") / "photos"
    old.mkdir()
    claim_folder(tmp_path / "out")

    assert not old.exists()


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_a_demo_replaces_nothing_else(tmp_path: Path, kind: str) -> None:
    """Somebody's folder, file or link is an error that says what to do, and stays."""
    out, theirs = tmp_path / "out", tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "diary.txt").write_text("dear")
    if kind == "folder":
        theirs.rename(out)
    elif kind == "file":
        out.write_text("dear")
    else:
        (theirs / MARKER).touch()
        out.symlink_to(theirs)
    with pytest.raises(RunError, match="--out"):
        claim_folder(out)

    assert out.read_text() == "dear" if kind == "file" else (out / "diary.txt").exists()


def test_a_demo_never_removes_the_photos_it_is_to_read(album: Path) -> None:
    """Photos that lie in the output of an earlier demo are an error, and stay."""
    out = claim_folder(album.parent / "out")
    album.rename(out / "photos")
    with pytest.raises(RunError, match="another --out"):
        demo_photos([out / "photos"], out, recogniser=Oracle())  # type: ignore[arg-type]

    assert len(list((out / "photos").iterdir())) == 5


@pytest.mark.parametrize(
    ("share", "text"), [(1, "100 %"), (0.9996, ">99 %"), (0.98, "98 %"), (0, "0 %")]
)
def test_percent_never_rounds_up_to_certainty(share: float, text: str) -> None:
    """Only 1 is 100 %."""
    assert percent(share) == text


def test_groups_are_ordered_and_numbered() -> None:
    """The landmark with most photos comes first; its surest photo leads; unknowns are apart."""
    petra = [card(guesses=(Guess.of(PETRA, score),)) for score in (0.5, 0.7)]
    found, unknown = group([card(), *petra, card(verdict="unknown")])

    assert [(f.number, f.guess.landmark, len(f.cards)) for f in found] == [
        (1, "petra", 2),
        (2, "eiffel_tower", 1),
    ]
    assert found[0].cards[0].guesses[0].score == 0.7
    assert len(unknown) == 1


def test_places_lie_on_the_map() -> None:
    """Every place of the gazetteer is inside the view, and the east is right of the west."""
    marks = load_gazetteer().landmarks
    drawn = world_map(
        (i, m.name, m.lat, m.lon) for i, m in enumerate(marks) if m.lat is not None and m.lon
    )
    x = {dot.name: dot.x for dot in drawn.dots}

    assert all(0 <= d.x <= drawn.width and 0 <= d.y <= drawn.height for d in drawn.dots)
    assert x["Golden Gate Bridge"] < x["Eiffel Tower"] < x["Petra"]


def test_own_photos_page_names_the_known_and_lists_the_rest(album: Path, tmp_path: Path) -> None:
    """Names, places, unknown ones and unreadable files are all on the page."""
    done: list[tuple[int, int]] = []
    page = demo_photos(
        [album], tmp_path / "out", recogniser=Oracle(),  # type: ignore[arg-type]
        progress=lambda step, total, _: done.append((step, total)),
    )  # fmt: skip
    text = page.read_text(encoding="utf-8")

    assert page == tmp_path / "out" / "index.html"
    assert "1 landmark in your photos" in text
    assert "Tour Eiffel" in text
    assert "Paris, FR" in text
    assert text.count("data:image/jpeg") == 3
    assert "broken.jpg" in text
    assert "words.png" in text
    assert done[-1][0] == done[-1][1]


def test_nothing_in_the_page_is_taken_for_markup(album: Path, tmp_path: Path) -> None:
    """A hostile file name is shown as text; there is no script, handler or address at all."""
    page = demo_photos([album], tmp_path / "out", recogniser=Oracle())  # type: ignore[arg-type]
    text = page.read_text(encoding="utf-8")

    tags: list[tuple[str, dict[str, str | None]]] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: tags.append((tag, dict(attrs)))  # type: ignore[method-assign]
    parser.feed(text)

    assert "&lt;img src=x onerror=alert(1)&gt;" in text
    assert not {tag for tag, _ in tags} & {"script", "link", "iframe", "object", "form", "base"}
    for _, attrs in tags:
        assert not [name for name in attrs if name.startswith("on") or name == "style"]
        assert (attrs.get("src") or "data:image/jpeg;").startswith("data:image/jpeg;")
        assert (attrs.get("href") or "#").startswith("#")


def test_the_policy_lets_in_this_style_sheet_and_pictures_only() -> None:
    """The hash in the policy is that of the style sheet in the page."""
    text = compose(
        "photos.html", found=[], unknown=[card(verdict="unknown")], failures=[], named=0,
        map=world_map([]), photos=1, landmarks=54, seconds=0.1,
    )  # fmt: skip
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = text.split('Content-Security-Policy" content="')[1].split('"')[0].replace("&#39;", "'")

    assert policy.startswith("default-src 'none'; img-src data:;")
    assert f"style-src 'sha256-{digest}'" in policy


def test_no_photos_is_an_error(tmp_path: Path) -> None:
    """An empty folder is an error, and no output is written for it."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="no photos"):
        demo_photos([tmp_path / "empty"], tmp_path / "out")

    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of a small demo on a tiny network."""
    return demo_samples(
        tmp_path_factory.mktemp("demo") / "out", parent=tiny_bundle(features=32),
        per_landmark=5, held_out=2, per_scene=1,
    )  # fmt: skip


def test_the_demo_renders_teaches_and_tests(rendered: Path) -> None:
    """Each landmark and each scene is on the page, and the model it made can be asked."""
    text = rendered.read_text(encoding="utf-8")
    recogniser = Recogniser.from_bundle(rendered.parent / "model.waymark")
    said = recogniser.predict(rendered.parent / "photos" / "held-out" / SAMPLES[0] / "000.jpg")

    assert f"{len(SAMPLES)} landmarks, taught in" in text
    assert f"of {2 * len(SAMPLES)} held-out views" in text
    assert f"of {len(STRANGERS)}</b>things never taught" in text
    assert {guess.landmark for guess in said.predictions} <= set(SAMPLES)


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("kind", ["samples", "photos"])
def test_pages_fit_the_screen_and_break_no_rule(  # noqa: PLR0917 (they are fixtures)
    kind: str, width: int, chromium: Any, rendered: Path, album: Path, tmp_path: Path
) -> None:
    """Nothing is wider than the screen, every picture loads, the browser has no complaint."""
    page = rendered
    if kind == "photos":
        page = demo_photos([album], tmp_path / "out", recogniser=Oracle())  # type: ignore[arg-type]
    complaints: list[str] = []
    tab = chromium.new_page(viewport={"width": width, "height": 800})
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("requestfailed", lambda request: complaints.append(request.url))
    tab.goto(page.as_uri())
    wide = tab.evaluate("document.documentElement.scrollWidth")
    broken = tab.evaluate("[...document.images].filter(i => !i.naturalWidth).length")
    tab.close()

    assert wide <= width
    assert broken == 0
    assert complaints == []
