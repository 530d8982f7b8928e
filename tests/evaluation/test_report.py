"""The report: what it shows, and that nothing in it can run or call out."""

import csv
import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from lxml import html
from PIL import Image

from waymark.bundle.tiny import tiny_bundle
from waymark.dataset.index import Skipped
from waymark.errors import ConfigError
from waymark.evaluation.category import CategoryEvaluation
from waymark.evaluation.evaluate import Evaluation
from waymark.evaluation.report import RunFacts, check_vacant, write_report, wrong_photos
from waymark.gazetteer import Landmark, display_name
from waymark.preprocess import Preprocess

HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "=cmd|' /C calc'!A0")
DRAWN = {"confusion", "recall", "reliability", "unknown", "unknown-curve"}
OF_RUN = {"counts", "colours-before", "colours-after", "loss", "loss-log", "accuracy", "speed"}


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


@pytest.fixture
def whole_run(measured):
    """Return all that can be said of a run, much of it hostile."""
    cells = {"train_loss": 1.5, "train_top1": 0.4, "photos": 100, "seconds": 2.0, "memory_mb": 900}
    rows = [
        {"epoch": 1, "stage": 0, "val_loss": 0.9, "val_top1": 0.5, "is_best": "True"},
        {"epoch": 2, "stage": 0, "val_loss": 1.0, "val_top1": 0.6, "is_best": "False"},
        {"epoch": 3, "stage": 1, "val_loss": 0.7, "val_top1": 0.8, "is_best": "True"},
    ]
    return RunFacts(
        recipe="<b>recipe</b>",
        toml="name = '<b>toml</b>'",
        command="waymark train '<b>command</b>'",
        data="<i>data</i>",
        terms="<b>terms</b>",
        counts={"train": {"l0": 5, "l1": 3, "l2": 2}, "val": {"l0": 1, "l1": 0, "l2": 1}},
        photos=tuple((path, f"l{i % 3}") for i, path in enumerate(measured.paths)),
        labels_seen_before=0,
        parameters=23_456_789,
        preprocess=Preprocess(),
        history=tuple({key: str(value) for key, value in (cells | row).items()} for row in rows),
        stages=("<b>stage</b>", ""),
        evaluation_seconds=1.5,
    )


def test_wrong_photos_come_worst_first(measured):
    """The most confident mistake leads; a known photo guessed right is never there."""
    wrong = wrong_photos(measured)

    assert [(w.known, round(w.score, 1)) for w in wrong] == [(True, 0.9), (True, 0.8), (False, 0.8)]
    assert wrong[0].guesses[0] == (HOSTILE[1], pytest.approx(0.9))
    assert wrong[2].truth == "<u>far</u>"


def test_the_page_shows_names_as_text_and_runs_nothing(measured, whole_run, tmp_path):
    """Hostile names arrive as text: no element, attribute or address comes from them."""
    page = html.parse(str(write_report(measured, tmp_path / "out", run=whole_run))).getroot()

    policy = page.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert policy == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]
    assert not page.xpath("//script | //svg | //iframe | //link | //@onclick | //@onerror")
    sources = page.xpath("//img/@src")
    assert all(source.startswith("data:image/") for source in sources)
    links = page.xpath("//a/@href")
    assert all(link.startswith(("#", "plots/")) for link in links)
    assert {link[1:] for link in links if link[0] == "#"} <= set(page.xpath("//@id"))
    text = page.text_content()
    names = (*HOSTILE[:2], "<i>data</i>", "<u>far</u>", "<svg onload=alert(1)>.jpg")
    for name in (*names, "<b>command</b>", "<b>terms</b>", "<b>stage</b>", "<b>toml</b>"):
        assert name in text


def test_every_picture_has_words_and_every_table_a_caption(measured, whole_run, tmp_path):
    """Headings go down one level at a time; what scrolls can be reached by keyboard."""
    page = html.parse(str(write_report(measured, tmp_path / "out", run=whole_run))).getroot()

    assert all(alt.strip() for alt in page.xpath("//img/@alt"))
    assert len(page.xpath("//img/@alt")) == len(page.xpath("//img"))
    assert len(page.xpath("//table")) == len(page.xpath("//table/caption")) > 3
    levels = [int(heading.tag[1]) for heading in page.xpath("//h1 | //h2 | //h3")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    scrolling = page.xpath("//*[contains(@class, 'scroll')]")
    assert scrolling
    assert all(e.get("tabindex") == "0" and e.get("aria-label") for e in scrolling)
    labels = page.xpath("//label/@for")
    assert set(labels) == set(page.xpath("//input/@id"))


def test_files_lie_beside_the_page(measured, tmp_path):
    """Figures, thumbnails, the list of wrong ones and the metrics are files of their own."""
    out = tmp_path / "out"
    write_report(measured, out)

    assert {p.stem for p in (out / "plots").iterdir()} == DRAWN
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

    page = write_report(right, out).read_text()

    assert [path.name for path in (out / "wrong").iterdir()] == ["2024.jpg"]
    assert all(path.exists() for path in mine)
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

    assert page.count("cannot be read") == 3 + 2 * 2  # wrong ones, and two pairs


def test_the_same_evaluation_gives_the_same_page(measured, tmp_path):
    """No time, no chance: the bytes are the same."""
    first, second = (write_report(measured, tmp_path / name) for name in ("a", "b"))

    assert first.read_bytes() == second.read_bytes()


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_it_without_complaint(measured, whole_run, tmp_path, chromium, width):
    """Chromium runs nothing, misses nothing, and the page never scrolls sideways."""
    path = write_report(measured, tmp_path / "out", run=whole_run)
    page = chromium.new_page(viewport={"width": width, "height": 800})
    said = []
    page.on("request", lambda r: r.url.startswith(("file:", "data:")) or said.append(r.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("dialog", lambda dialog: said.append(dialog.message))

    page.goto(path.as_uri())

    images = "[...document.images].filter(image => image.checkVisibility())"
    shown = f"{images}.every(image => image.complete && image.naturalWidth > 0)"
    assert page.evaluate(shown)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("#loss .second").is_hidden()
    page.click("label[for=log-loss]")
    assert page.locator("#loss .second").is_visible()
    assert page.locator("#loss .first").is_hidden()
    assert said == []
    page.close()


def test_the_report_of_a_run_tells_how_it_was_made(measured, whole_run, tmp_path):
    """What on what, the command, the stages, time and memory, and a figure of each."""
    out = tmp_path / "out"
    page = html.parse(str(write_report(measured, out, run=whole_run))).getroot()

    assert {p.stem for p in (out / "plots").iterdir()} == DRAWN | OF_RUN
    ids = page.xpath("//section/@id")
    assert ids == [
        *("run", "photos", "counts", "colours", "training"),
        *("confused", "landmarks", "scores", "wrong", "strangers", "skipped", "recipe"),
    ]
    stages = page.xpath("//*[@id='training']//table")[0]
    cells = [[c.text_content().strip() for c in r] for r in stages.xpath(".//tbody/tr")]
    assert cells == [
        ["1 · <b>stage</b>", "2", "1", "1.5", "0.9", "40.0 %", "50.0 %"],
        ["2", "1", "3", "1.5", "0.7", "40.0 %", "80.0 %"],
    ]
    text = " ".join(page.text_content().split())
    for words in ("23,456,789", "Landmarks seen before", "3 epochs, 50 photos/s, 0.90 GB"):
        assert words in text
    switch = page.xpath("//figure[@id='loss']")[0]
    assert len(switch.xpath(".//img")) == len(switch.xpath(".//input[@type='radio']")) == 2
    assert len(switch.xpath(".//input[@checked]")) == 1


def test_a_run_without_epochs_has_no_training(measured, whole_run, tmp_path):
    """The fast path: data and command, no curves."""
    page = write_report(measured, tmp_path / "out", run=replace(whole_run, history=()))

    text = page.read_text()
    assert "How training went" not in text
    assert "What was trained on what" in text


def test_nothing_known_of_a_run_is_still_a_page(measured, tmp_path):
    """Whatever is not given is left out."""
    text = write_report(measured, tmp_path / "out", run=RunFacts()).read_text()

    assert "None" not in text
    assert "Command" not in text


def test_categories_have_a_section_of_their_own(measured, tmp_path):
    """Confusion, the report of each, and the figures on top."""
    labels = np.where(measured.labels < 0, -1, measured.labels % 2)
    scores = np.eye(2, dtype=np.float32)[np.where(labels < 0, 0, labels)]
    category = CategoryEvaluation(names=("bell_tower", "bridge"), labels=labels, scores=scores)

    page = html.parse(str(write_report(replace(measured, category=category), tmp_path))).getroot()

    assert (tmp_path / "plots" / "confusion-category.png").exists()
    section = page.xpath("//*[@id='categories']")[0]
    assert display_name("bell_tower") in section.text_content()
    assert "Category, macro F1" in page.text_content()


class Painter:
    """A recogniser whose heatmaps are red."""

    bundle = tiny_bundle()

    def explain(self, photo, landmark=None):  # noqa: ARG002  # as in Recogniser
        """Draw."""
        return Image.new("RGB", (32, 24), (255, 0, 0))


def test_heatmaps_stand_beside_the_worst(measured, tmp_path):
    """On the page and as files; photos of no landmark have none."""
    page = html.parse(str(write_report(measured, tmp_path, recogniser=Painter()))).getroot()

    alts = page.xpath("//*[@id='wrong']//img/@alt")
    assert sum(alt.startswith("Where the network saw") for alt in alts) == 2
    names = sorted(p.name for p in (tmp_path / "wrong").iterdir())
    assert names == ["001-heat.jpg", "001.jpg", "002-heat.jpg", "002.jpg", "003.jpg"]


def test_very_many_landmarks_have_a_block_that_can_be_read(measured, tmp_path):
    """From some thirty on; the whole matrix can be enlarged."""
    n = 40
    labels = np.repeat(np.arange(n), 2)
    guesses = np.where(np.arange(2 * n) % 8 == 0, (labels + 1) % n, labels)
    many = replace(
        measured,
        landmarks=tuple(Landmark(id=f"l{i}", name=f"N{i}" * (1 + i)) for i in range(n)),
        paths=tuple(measured.paths[i % 13] for i in range(2 * n)),
        labels=labels,
        sources=("",) * 2 * n,
        scores=np.eye(n, dtype=np.float32)[guesses] * 0.8 + 0.005,
        unknown=np.zeros(2 * n, np.float32),
    )

    page = html.parse(str(write_report(many, tmp_path))).getroot()

    assert len(page.xpath("//figure[@id='confusion-block']")) == 1
    assert len(page.xpath("//figure[@id='confusion']//input")) == 2
    assert len(page.xpath("//*[@id='landmarks']//tbody/tr")) == n


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
