"""The report: what it shows, and that nothing in it can run or call out."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from lxml import html

from waymark.dataset.index import Skipped
from waymark.errors import ConfigError
from waymark.evaluation.evaluate import Evaluation
from waymark.evaluation.plots import plot_history
from waymark.evaluation.report import check_vacant, write_report, wrong_photos
from waymark.gazetteer import Landmark

HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "=cmd|' /C calc'!A0")
DRAWN = ("confusion", "recall", "reliability", "unknown")


@pytest.fixture
def measured(photos):
    """Return an evaluation of nine known photos, two of them wrong, and four unknown ones."""
    root = photos({"a": 9, "<b onclick='x'>": 4})
    paths = sorted(path for path in root.rglob("*.png"))
    labels = np.array([-1] * 4 + [0, 1, 2] * 3)
    scores = np.full((13, 3), 0.1, np.float32)
    guesses = np.where(labels < 0, 0, labels)
    guesses[5:7] = (2, 1)
    scores[np.arange(13), guesses] = 0.8
    scores[6, 1], scores[6, 0] = 0.9, 0.0
    return Evaluation(
        dataset="<i>data</i>",
        split="test",
        bundle="0123456789ab",
        landmarks=tuple(Landmark(id=f"l{i}", name=name) for i, name in enumerate(HOSTILE)),
        paths=tuple(paths),
        labels=labels,
        sources=("<u>far</u>",) * 4 + ("",) * 9,
        scores=scores,
        unknown=np.array([0.2, 0.9, 0.9, 0.8] + [0.1] * 9, np.float32),
        threshold=0.5,
        skipped=(Skipped("<svg onload=alert(1)>.jpg", "broken & <b>bad</b>"),),
    )


def test_wrong_photos_come_worst_first(measured):
    """The most confident mistake leads; a known photo guessed right is never there."""
    wrong = wrong_photos(measured)

    assert [(w.known, round(w.score, 1)) for w in wrong] == [(True, 0.9), (True, 0.8), (False, 0.8)]
    assert wrong[0].guesses[0] == (HOSTILE[1], pytest.approx(0.9))
    assert wrong[2].truth == "<u>far</u>"


def test_the_page_shows_names_as_text_and_runs_nothing(measured, tmp_path):
    """Hostile names arrive as text: no element, attribute or address comes from them."""
    page = html.parse(str(write_report(measured, tmp_path / "out"))).getroot()

    policy = page.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert policy == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]
    assert not page.xpath("//script | //svg | //iframe | //link | //@onclick | //@onerror")
    sources = page.xpath("//img/@src | //source/@srcset")
    assert len(sources) == 2 * len(DRAWN) + 3
    assert all(source.startswith("data:image/") for source in sources)
    text = page.text_content()
    for name in (*HOSTILE[:2], "<i>data</i>", "<u>far</u>", "<svg onload=alert(1)>.jpg"):
        assert name in text


def test_files_lie_beside_the_page(measured, tmp_path):
    """Figures, thumbnails, the list of wrong ones and the metrics are files of their own."""
    out = tmp_path / "out"
    write_report(measured, out)

    assert sorted(p.stem for p in (out / "plots").iterdir()) == sorted(DRAWN)
    assert sorted(p.name for p in (out / "wrong").iterdir()) == ["001.jpg", "002.jpg", "003.jpg"]
    assert json.loads((out / "metrics.json").read_text()) == measured.to_dict()
    rows = list(csv.reader((out / "wrong.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 4
    assert all(not cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)
    assert any(cell == f"'{HOSTILE[2]}" for row in rows for cell in row)


def test_a_second_report_replaces_the_first(measured, tmp_path):
    """No thumbnail of an earlier report stays; other files do."""
    out = tmp_path / "out"
    write_report(measured, out)
    mine = [out / "notes.txt", out / "plots" / "mine.png", out / "wrong" / "2024.jpg"]
    for path in mine:
        path.write_text("mine")
    right = replace(measured, labels=measured.guesses, sources=("",) * 13, skipped=())

    page = write_report(right, out, history=_history).read_text()

    assert [path.name for path in (out / "wrong").iterdir()] == ["2024.jpg"]
    assert all(path.exists() for path in mine)
    assert (out / "plots" / "history.png").exists()
    assert not (out / "plots" / "unknown.png").exists()
    assert "No photo was taken for another landmark" in page


def test_only_unknown_photos_make_a_page_too(measured, tmp_path):
    """Without a known photo the page says so, and shows what was taken for a landmark."""
    page = write_report(replace(measured, labels=np.full(13, -1), sources=("x",) * 13), tmp_path)

    text = page.read_text()
    assert "No photo here shows a landmark of the bundle" in text
    assert "taken for a landmark" in text


def test_a_photo_that_went_away_leaves_a_mark(measured, tmp_path):
    """Photos deleted since are shown as unreadable, not as an error."""
    for path in measured.paths:
        path.unlink()

    page = write_report(measured, tmp_path / "out").read_text()

    assert page.count("cannot be read") == 3


def test_the_same_evaluation_gives_the_same_page(measured, tmp_path):
    """No time, no chance: the bytes are the same."""
    first, second = (write_report(measured, tmp_path / name) for name in ("a", "b"))

    assert first.read_bytes() == second.read_bytes()


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_it_without_complaint(measured, tmp_path, chromium, width):
    """Chromium runs nothing, misses nothing, and the page never scrolls sideways."""
    path = write_report(measured, tmp_path / "out")
    page = chromium.new_page(viewport={"width": width, "height": 800})
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.on("dialog", lambda dialog: said.append(dialog.message))

    page.goto(path.as_uri())

    shown = "[...document.images].every(image => image.complete && image.naturalWidth > 0)"
    assert page.evaluate(shown)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert said == []
    page.close()


def _history(theme):
    epochs = np.arange(1, 4)
    return plot_history(epochs, {"train": 1 / epochs}, {"validation": epochs / 4}, theme=theme)


def test_a_report_goes_into_an_empty_folder_or_over_an_earlier_one(measured, tmp_path):
    """Nothing there, nothing in it, or a report: all of them may be written to."""
    check_vacant(tmp_path / "new")
    (tmp_path / "empty").mkdir()
    check_vacant(tmp_path / "empty")
    write_report(measured, tmp_path / "empty")
    check_vacant(tmp_path / "empty")


@pytest.mark.parametrize("fault", ["a run", "a file", "something in it"])
def test_a_report_goes_nowhere_else(measured, tmp_path, fault):
    """A run, with a report of its own, a file, or somebody's folder: each is said."""
    out = tmp_path / "out"
    if fault == "a file":
        out.touch()
    elif fault == "a run":
        write_report(measured, out)
        (out / "recipe.toml").touch()
    else:
        out.mkdir()
        (out / "metrics.json").touch()

    with pytest.raises(ConfigError, match=f"{fault}.*expects a new or empty.*Give another"):
        check_vacant(out)
