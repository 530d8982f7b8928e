"""The page of a check: what it shows, what it leaves to check.json, and that nothing in it runs."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from pathlib import Path
from typing import Any

import pytest
from lxml import html
from PIL import Image

from waymark.curate.check_page import PICTURES, SHOWN, SIDE, check_page
from waymark.curate.check_words import ABOUT
from waymark.curate.clean import parse_kinds, plan_clean
from waymark.curate.finding import KINDS, Check, Finding, Kind
from waymark.dataset.index import read_dataset
from waymark.samples import SAMPLES, render

HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save three rendered photos of each of two landmarks, a broken one and a cut one."""
    root = tmp_path_factory.mktemp("photos")
    for name in SAMPLES[:2]:
        (root / name).mkdir()
        for seed in range(3):
            render(name, seed=seed, size=(320, 240)).save(root / name / f"{seed}.jpg")
    whole = (root / SAMPLES[0] / "0.jpg").read_bytes()
    (root / SAMPLES[0] / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (root / SAMPLES[0] / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    return root


def finding(kind: Kind, *paths: str, **values: Any) -> Finding:
    """Make a finding of these photos."""
    return Finding(kind=kind, paths=paths, **{"severity": 0.5, "suggest": "drop"} | values)


def draw(root: Path, *findings: Finding, notes: tuple[str, ...] = (), **options: Any) -> Any:
    """Draw a page of these findings; return it parsed."""
    check = Check(dataset=str(root), photos=8, findings=findings, notes=notes)
    return html.fromstring(check_page(check, root, **options))


def text(element: Any) -> str:
    """Return the text of an element, its white space evened."""
    return " ".join(element.text_content().split())


def test_every_kind_is_explained() -> None:
    """Each kind has a title, a meaning and an advice, in sentences."""
    assert tuple(ABOUT) == KINDS
    for about in ABOUT.values():
        assert about.title
        assert about.meaning.endswith(".")
        assert about.advice.endswith(".")


def test_kinds_have_their_part_and_their_command(photos: Path) -> None:
    """The table leads to each part; a command is there where something is to be done."""
    path = f"{SAMPLES[0]}/0.jpg"
    page = draw(photos, finding("dark", path), finding("gps-far", path, suggest="review"))

    assert [section.get("id") for section in page.xpath("//section")] == [
        "findings",
        "dark",
        "gps-far",
    ]
    links = page.xpath("//table//a/@href")
    assert links == ["#dark", "#gps-far"]
    commands = [text(pre) for pre in page.xpath("//pre")]
    clean = f"waymark data clean {photos} --from check.json"
    assert commands == [clean, f"{clean} --only dark", f"{clean} --only gps-far"]
    assert "Of 8 photos, 1 is in 2 findings." in text(page)


@pytest.mark.parametrize(
    ("kind", "suggest", "options"),
    [
        ("wrong-label", "relabel", ["--only wrong-label --relabel", "--only wrong-label"]),
        ("similar-classes", "relabel", ["--only similar-classes --relabel"]),
        ("similar-classes", "review", ["--only similar-classes --relabel"]),
        ("few-photos", "review", []),
        ("wrong-extension", "keep", []),
        ("leakage", "review", []),
        ("leakage", "drop", ["--only leakage"]),
        ("blurred", "review", ["--only blurred"]),
    ],
)
def test_commands_are_ones_that_clean_takes(
    photos: Path, kind: Kind, suggest: str, options: list[str]
) -> None:
    """Each does what its part is about; none is offered where there is nothing to do."""
    paths = [f"{SAMPLES[0]}/{i}.jpg" for i in range(2)]
    found = finding(kind, *paths, suggest=suggest, label_suggested=SAMPLES[1])
    page = draw(photos, found, levels="place,landmark")

    commands = [text(pre) for pre in page.xpath(f"//section[@id='{kind}']//pre")]
    clean = f"waymark data clean {photos} --levels place,landmark --from check.json"
    assert commands == [f"{clean} {option}" for option in options]
    for option in options:
        check = Check(dataset=str(photos), photos=8, findings=(found,))
        plan = plan_clean(
            check,
            read_dataset(photos),
            only=parse_kinds(option.split()[1]),
            relabel="--relabel" in option,
        )
        assert bool(plan.relabel) == ("--relabel" in option)
        assert bool(plan.drop) != bool(plan.relabel)


def test_the_one_to_keep_is_marked_and_first(photos: Path) -> None:
    """Of duplicates the last of the finding is kept; it stands on the left."""
    names = [f"{SAMPLES[0]}/{i}.jpg" for i in range(3)]
    page = draw(photos, finding("near-duplicate", *names))

    (card,) = page.xpath("//li[contains(@class, 'card')]")
    marks = [text(mark) for mark in card.xpath(".//*[contains(@class, 'mark')]")]
    files = [text(name) for name in card.xpath(".//*[@class='file']")]
    assert marks == ["keep", "leave out", "leave out"]
    assert files == [names[2], names[0], names[1]]
    assert "the one to keep" in card.xpath(".//*[@class='kept']//img/@alt")[0]


def test_a_wrong_label_says_both_and_shows_an_example(photos: Path) -> None:
    """Filed as one, looks like another; beside it a photo of that other one, an undoubted one."""
    one, two = SAMPLES[:2]
    labels = {f"{name}/{i}.jpg": name for name in (one, two) for i in range(3)}
    found = (
        finding("dark", f"{two}/0.jpg"),
        finding("wrong-label", f"{one}/0.jpg", suggest="relabel", label_suggested=two),
    )
    page = draw(photos, *found, labels=labels)

    (card,) = page.xpath("//section[@id='wrong-label']//li")
    said = text(card.xpath(".//*[@class='said']")[0])
    assert said == f"filed as {one.replace('_', ' ')}, looks like {two.replace('_', ' ')}"
    assert len(card.xpath(".//img")) == 2
    alone = draw(photos, *found)
    assert len(alone.xpath("//section[@id='wrong-label']//li//img")) == 1


def test_classes_that_look_alike_stand_side_by_side(photos: Path) -> None:
    """Photos of both are shown, however many the finding has of the first."""
    names = [f"{name}/{i}.jpg" for name in SAMPLES[:2] for i in range(3)]
    page = draw(photos, finding("similar-classes", *names, suggest="review"))

    files = [text(name) for name in page.xpath("//li//*[@class='file']")]
    assert files == [*names[:2], *names[3:5]]
    assert "and 2 more" in text(page)


def test_pictures_are_small_and_upright(photos: Path, tmp_path: Path) -> None:
    """A turned photo of any size becomes an upright JPEG of at most 160 px."""
    turned = Image.Exif()
    turned[0x0112] = 6
    render(SAMPLES[0], seed=0, size=(640, 320)).save(tmp_path / "a.jpg", exif=turned)
    page = draw(tmp_path, finding("tiny", "a.jpg"))

    (uri,) = page.xpath("//img/@src")
    with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as image:
        assert (image.format, image.size) == ("JPEG", (SIDE // 2, SIDE))
    assert len(uri) < 20_000


def test_what_cannot_be_read_has_a_sign_instead(photos: Path) -> None:
    """Broken and missing photos stay in the list; of a cut one what is there is shown."""
    page = draw(
        photos,
        finding("unreadable", f"{SAMPLES[0]}/broken.jpg"),
        finding("unreadable", "gone/\x00.jpg"),
        finding("truncated", f"{SAMPLES[0]}/cut.jpg"),
    )

    assert len(page.xpath("//section[@id='unreadable']//*[@class='gone']")) == 2
    assert len(page.xpath("//section[@id='truncated']//img")) == 1


def test_only_the_worst_are_shown(photos: Path) -> None:
    """Sixty of a kind, fewer of pairs, few photos of one; the page says how many are left."""
    path = f"{SAMPLES[0]}/0.jpg"
    many = [finding("blurred", path) for _ in range(SHOWN + 5)]
    pairs = [finding("exact-duplicate", path, path) for _ in range(SHOWN)]
    page = draw(photos, *many, *pairs, finding("leakage", *[path] * 9))

    blurred, twice, leak = page.xpath("//section[@class='findings']")
    assert len(blurred.xpath(".//li")) == SHOWN
    assert "5 more are in check.json" in text(blurred)
    assert len(twice.xpath(".//li")) == PICTURES // 2
    assert f"{SHOWN - PICTURES // 2} more are in check.json" in text(twice)
    assert "and 5 more of the same" in text(leak)


def test_names_are_text_and_nothing_runs(tmp_path: Path) -> None:
    """Hostile names and words arrive as text; the policy lets in this style and data: alone."""
    folder = tmp_path / "a'b $(x)"
    folder.mkdir()
    names = [name.replace("/", "_") for name in HOSTILE]
    found = [finding("wrong-label", f"{n}/{n}.jpg", label_suggested=n, reason=n) for n in names]
    check = Check(dataset=str(folder), photos=3, findings=tuple(found), notes=HOSTILE)
    source = check_page(check, folder, labels={f"{n}/{n}.jpg": n for n in names})
    page = html.fromstring(source)

    assert not page.xpath("//script | //iframe | //link | //@onclick | //@onerror | //@style")
    assert all(src.startswith("data:image/") for src in page.xpath("//img/@src"))
    assert all(link.startswith(("#", "file:///")) for link in page.xpath("//a/@href"))
    for hostile in HOSTILE:
        assert hostile in text(page)
    assert "'\"'\"'b $(x)'" in text(page.xpath("//pre")[0])
    (policy,) = page.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    style = re.search(r"<style>(.*?)</style>", source, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )


def test_names_that_are_no_text_can_be_written(tmp_path: Path) -> None:
    """A name that is not UTF-8 does not keep the page from being saved."""
    page = draw(tmp_path, finding("unreadable", "caf\udce9/1.jpg"))

    assert "caf\ufffd/1.jpg" in text(page)


def test_nothing_found_and_what_was_not_looked_for(photos: Path) -> None:
    """A clean dataset says so; notes are listed."""
    page = draw(photos, notes=("cleanlab is not installed.",))

    assert "nothing was found" in text(page)
    assert "cleanlab is not installed." in text(page)
    assert not page.xpath("//section")


def test_progress_counts_each_picture_once(photos: Path) -> None:
    """A photo in two findings is read once."""
    calls: list[tuple[int, int, str]] = []
    path = f"{SAMPLES[0]}/0.jpg"
    draw(
        photos,
        finding("dark", path),
        finding("blurred", path),
        progress=lambda *call: calls.append(call),
    )

    assert calls == [(1, 1, "drawing the page")]


@pytest.mark.browser
def test_a_browser_shows_it_without_complaint(photos: Path, tmp_path: Path, chromium: Any) -> None:
    """Its style is let in by its policy, nothing is wider than a phone, keys reach it."""
    path = f"{SAMPLES[0]}/0.jpg"
    check = Check(
        dataset=str(photos),
        photos=8,
        findings=(
            finding("near-duplicate", path, f"{SAMPLES[0]}/1.jpg"),
            finding("off-topic", "long-" * 60 + ".jpg"),
        ),
    )
    (tmp_path / "check.html").write_text(check_page(check, photos), encoding="utf-8")
    said: list[str] = []
    page = chromium.new_page(viewport={"width": 390, "height": 800})
    page.on("console", lambda message: said.append(message.text))
    page.goto((tmp_path / "check.html").as_uri())

    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.evaluate("getComputedStyle(document.querySelector('.kept img')).outlineStyle") == (
        "solid"
    )
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert said == []
    page.close()


def test_where_neither_is_plainly_right_none_is_called_the_one_to_keep(photos: Path) -> None:
    """Copies under two labels are to be looked at, and a command for all of them says so."""
    one, two = f"{SAMPLES[0]}/0.jpg", f"{SAMPLES[1]}/0.jpg"
    page = draw(
        photos,
        finding("exact-duplicate", one, two, suggest="review"),
        finding("exact-duplicate", one, f"{SAMPLES[0]}/1.jpg"),
    )
    section = page.get_element_by_id("exact-duplicate")
    doubtful, plain = section.xpath(".//li")
    assert [text(mark) for mark in doubtful.xpath(".//span[contains(@class, 'mark')]")] == [
        "would stay",
        "look at",
    ]
    assert not doubtful.xpath(".//*[@class='kept']")
    assert plain.xpath(".//*[@class='kept']")
    assert "those to look at first as well" in text(section.xpath(".//p[@class='do']")[0])
