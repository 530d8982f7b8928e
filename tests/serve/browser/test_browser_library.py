"""The library in a real browser: looked through and reviewed, by mouse and by keyboard."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from waymark.gazetteer import load_gazetteer
from waymark.library.store import Store
from waymark.recognise.recogniser import Recogniser

pytestmark = pytest.mark.browser
Visit = Callable[..., Any]
HOSTILE = "<img src=x onerror=alert(1)>"
BAD = ("serious", "critical")
SCORES = (0.97, 0.55, 0.93, 0.62, 0.7)


def faults(page: Any) -> list[str]:
    """Return what axe-core finds that would keep somebody out."""
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8"))
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{one['impact']}: {one['id']}: {node['html'][:160]} {node['failureSummary'][:300]}"
        for one in found["violations"]
        if one["impact"] in BAD
        for node in one["nodes"]
    ]


@pytest.fixture
def library(stocked: Callable[..., Path], tmp_path: Path) -> Path:
    """Return a library: five photos of the tower, one of a hostile name, one gone, one unknown."""
    tower = load_gazetteer().get("eiffel_tower")
    hostile = replace(
        tower, id=HOSTILE, name=HOSTILE, local_name=None, place=HOSTILE, category=HOSTILE
    )
    rows = [(f"{i} {HOSTILE}.jpg", tower, {"score": one}) for i, one in enumerate(SCORES)]
    file = stocked(
        *rows,
        ("hostile.jpg", hostile, {"score": 0.51, "evidence": "context"}),
        ("gone.jpg", tower, {"score": 0.99, "gps_says": "agree"}),
        ("unknown.jpg", None, {}),
    )
    (tmp_path / "photos" / "gone.jpg").unlink()
    return file


@pytest.fixture
def shelf(world: Recogniser, hands: Any, library: Path) -> Iterator[str]:
    """Return the address of an app that shows it."""
    with hands.run(world, library=library) as address:
        yield address


def states(library: Path) -> dict[int, tuple[str, str | None]]:
    """Return the state and the landmark's name of each photo that is not new."""
    with Store.open(library, readonly=True) as store:
        return {
            number: (state, name)
            for number, state, name in store.connection.execute(
                "SELECT photo.id, state, name FROM photo LEFT JOIN landmark "
                "ON landmark.id = photo.landmark WHERE state != 'new'"
            )
        }


def shown(page: Any) -> int:
    """Return the number of the photo in review, once it is there."""
    page.wait_for_selector("#card:not(.sending)")
    return int(page.get_attribute("#card", "data-photo") or 0)


def until(page: Any, true: str) -> None:
    """Wait until an expression holds; Playwright's own way would need `eval`, which CSP forbids."""
    for _ in range(400):
        if page.evaluate(true):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never: {true}")


def moved(page: Any, act: Callable[[], Any]) -> int:
    """Do something, and wait until another photo is shown; return its number."""
    before = shown(page)
    act()
    page.wait_for_selector(f"#card:not(.sending):not([data-photo='{before}'])")
    return shown(page)


def test_review_by_keyboard(shelf: str, library: Path, visit: Visit) -> None:
    """Approve, reject, no landmark, correct as one types, a guess; undo, level by level."""
    page = visit(f"{shelf}/library/review")
    page.wait_for_selector("#card img")
    photos = [shown(page)]
    for key in "arn":
        photos.append(moved(page, lambda key=key: page.keyboard.press(key)))
        assert page.evaluate("document.activeElement.id") == "what"
    page.keyboard.press("c")
    assert page.evaluate("document.activeElement.id") == "correct"
    page.keyboard.type("colos")
    page.wait_for_selector("#card [role=option]")
    assert faults(page) == []
    page.keyboard.press("Enter")  # the likeliest is marked already
    assert page.input_value("#correct") == "Colosseum"
    photos.append(moved(page, lambda: page.keyboard.press("Enter")))
    said = states(library)
    assert [said[one][0] for one in photos[:4]] == [
        "approved",
        "rejected",
        "not-a-landmark",
        "corrected",
    ]
    assert said[photos[3]][1] == "Colosseum"

    assert moved(page, lambda: page.keyboard.press("ArrowRight")) not in photos
    assert moved(page, lambda: page.keyboard.press("ArrowLeft")) == photos[4]
    for back in reversed(photos[:4]):
        assert moved(page, lambda: page.keyboard.press("u")) == back
    assert states(library) == {}
    page.keyboard.press("u")
    assert page.locator("#undo button").is_disabled()


@pytest.mark.parametrize("look", [(1280, "light"), (390, "dark")])
def test_review_by_mouse(
    shelf: str, library: Path, visit: Visit, hands: Any, look: tuple[int, str]
) -> None:
    """The same by pressing; whatever is called like a script stays text."""
    page = visit(f"{shelf}/library/review", look[0], color_scheme=look[1])
    assert faults(page) == []
    assert hands.fits(page)
    photos = [shown(page)]
    for words in ("Approve", "Reject", "Not a landmark"):
        photos.append(moved(page, page.locator(".answers-to button", has_text=words).first.click))
    page.fill("#correct", "petra")
    page.click("[role=option] >> nth=0")
    photos.append(moved(page, lambda: page.click("text=Correct it")))
    assert [states(library)[one][0] for one in photos[:4]] == [
        "approved",
        "rejected",
        "not-a-landmark",
        "corrected",
    ]
    assert moved(page, lambda: page.click("#undo button")) == photos[3]
    assert len(states(library)) == 3
    while page.locator(".all-done").count() == 0:
        moved(page, lambda: page.click("#next"))
    assert faults(page) == []
    moved(page, lambda: page.click("#before"))


def test_one_press_answers_one_photo_and_its_copies(
    shelf: str, library: Path, visit: Visit
) -> None:
    """Not the next one too: by a double click, by a key that is held. What does nothing says so."""
    with Store.open(library) as store, store.transaction() as connection:
        rows = connection.execute("SELECT path, sha256 FROM photo WHERE id IN (2, 4) ORDER BY id")
        (one, content), (other, _) = ((Path(os.fsdecode(path)), seen) for path, seen in rows)
        other.write_bytes(one.read_bytes())
        connection.execute("UPDATE photo SET sha256 = ? WHERE id = 4", [content])
    page = visit(f"{shelf}/library/review?photo=4")
    moved(page, lambda: page.dblclick(".answers-to [value=approved]"))
    assert set(states(library)) == {2, 4}
    assert "2 photos, with copies" in page.inner_text("#status")
    seen = [moved(page, lambda: page.keyboard.down("r"))]
    page.keyboard.down("r")
    page.keyboard.up("r")
    assert len(states(library)) == 3
    while page.locator(".all-done").count() == 0:
        seen.append(moved(page, lambda: page.keyboard.press("ArrowRight")))
    assert not {2, 4} & set(seen)
    assert page.inner_text("#what") == f"You skipped {len(seen) - 1}"
    assert moved(page, lambda: page.click("text=Look at them again")) == seen[0]
    page.goto(f"{shelf}/library/review?photo=8")
    page.keyboard.press("a")
    page.wait_for_selector("#status:has-text('There is no tag to approve.')")
    assert page.locator("[value=rejected]").count() == 0


def test_a_new_name_is_taken_on_purpose(shelf: str, library: Path, visit: Visit) -> None:
    """By the last choice of the list, or by a button where the server asks."""
    page = visit(f"{shelf}/library/review", allow="409")
    page.keyboard.press("c")
    page.keyboard.type("Grandma's")
    page.keyboard.press("Enter")  # before the list is there
    page.wait_for_selector("#problem:has-text('No landmark is called')")
    assert states(library) == {}
    assert faults(page) == []
    moved(page, lambda: page.click("#problem button"))
    page.keyboard.press("c")
    page.keyboard.type("colos")
    page.wait_for_selector("[role=option][aria-selected=true]:has-text('Colosseum')")
    page.fill("#correct", "colosseum at home")  # a landmark that lacks a word is not marked
    page.wait_for_selector("[role=option]:has-text('New landmark: “colosseum at home”')")
    assert page.locator("[role=option][aria-selected=true]").count() == 0
    page.fill("#correct", "colos")
    moved(page, lambda: page.click("[role=option]:has-text('New landmark: “colos”')"))
    assert sorted(name for _, name in states(library).values()) == ["Grandma's", "colos"]


def test_a_photo_is_seen_whole_and_among_its_neighbours(shelf: str, visit: Visit) -> None:
    """Over the window until Escape; a neighbour is looked at, and Back leads from it."""
    page = visit(f"{shelf}/library/review?photo=4")
    page.click(".look a")
    until(page, "document.querySelector('#whole').open")
    assert faults(page) == []
    page.keyboard.press("a")  # answers nothing now
    page.keyboard.press("Escape")
    until(page, "!document.querySelector('#whole').open")
    assert shown(page) == 4
    assert page.locator(".neighbours a").count() == 5  # of six, one is gone
    assert moved(page, lambda: page.click(".neighbours a[data-photo='3']")) == 3
    assert moved(page, lambda: page.keyboard.press("ArrowLeft")) == 4


@pytest.mark.parametrize("look", [(1280, "light"), (390, "dark")])
def test_the_grid_finds_and_opens(
    shelf: str, visit: Visit, hands: Any, look: tuple[int, str]
) -> None:
    """Filters act at once, the map too; what is gone is said; a photo opens in the review."""
    page = visit(f"{shelf}/library", look[0], color_scheme=look[1])
    page.wait_for_selector("#status:has-text('8 photos')")
    page.wait_for_selector("#grid [data-photo]")  # before, cells are blank
    until(page, "[...document.querySelectorAll('#grid img')].every((one) => one.naturalWidth)")
    assert page.locator("#grid .cell").count() == 8
    assert page.locator("#grid .lost").all_inner_texts() == ["The file is gone\ngone.jpg"]
    assert hands.fits(page)
    assert faults(page) == []
    page.fill("#q", "tour eifel")
    page.wait_for_selector("#status:has-text('6 photos')")
    page.click("#filter summary")
    page.select_option("#min_score", "0.9")
    page.wait_for_selector("#status:has-text('3 photos')")
    assert "min_score=0.9" in page.url
    assert page.inner_text("#review") == "Review these 3"
    page.click("#map-details summary")
    page.wait_for_selector("#map-details .pins a", state="attached")
    assert faults(page) == []
    assert hands.fits(page)
    page.reload()
    page.wait_for_selector("#status:has-text('3 photos')")
    page.fill("#q", "nowhere at all")
    page.wait_for_selector("#status:has-text('No photo fits.')")
    page.click(".chip:has-text('nowhere')")
    page.wait_for_selector(".chip:has-text('Confidence from: 90 %')")
    page.click("#clear")
    page.wait_for_selector("#status:has-text('8 photos')")
    page.click("#filter summary")
    page.locator("#landmark").press_sequentially("eif")
    page.wait_for_selector("[role=option]:has-text('Eiffel')")  # the letters alone filter nothing
    assert page.locator("[role=option]").count() == 1
    assert page.inner_text("#status") == "8 photos"
    page.click("[role=option]")
    page.wait_for_selector(".chip:has-text('Eiffel Tower')")
    page.click("#clear")
    page.wait_for_selector("#status:has-text('8 photos')")
    page.locator("#grid a").first.click()
    page.wait_for_url("**/library/review?photo=1")
    assert shown(page) == 1


def test_the_grid_is_reviewed_by_keyboard(shelf: str, library: Path, visit: Visit) -> None:
    """Arrows move, letters say, and the photo shows what was said."""
    page = visit(f"{shelf}/library")
    page.wait_for_selector("#grid [data-photo='5']")
    page.focus("#grid [data-photo='1'] a")
    page.keyboard.press("a")
    page.wait_for_selector("#grid .is-approved[data-photo='1']")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("r")
    page.wait_for_selector("#grid .is-rejected[data-photo='2']")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("n")
    page.wait_for_selector("#grid .is-not-a-landmark[data-photo='3']")
    assert page.inner_text("#done") == "3"
    page.keyboard.press("u")
    page.wait_for_selector("#grid .is-new[data-photo='3']")
    page.keyboard.press("u")
    page.wait_for_selector("#grid .is-new[data-photo='2']")
    assert states(library) == {1: ("approved", "Eiffel Tower")}


def test_many_are_said_at_once(shelf: str, library: Path, visit: Visit) -> None:
    """Selected by keys and by mouse, approved and corrected in one press each, undone in one."""
    page = visit(f"{shelf}/library")
    page.wait_for_selector("#grid [data-photo='8']")
    focused = "document.activeElement.closest('[data-index]')?.dataset.index"
    for key, index in (("ArrowDown", "0"), ("End", "7"), ("Home", "0")):
        page.keyboard.press(key)
        assert page.evaluate(focused) == index
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert page.inner_text("#count") == "3 selected"
    assert page.locator("#grid [aria-pressed=true]").count() == 3
    assert faults(page) == []
    page.keyboard.press("a")
    page.wait_for_selector("#status:has-text('3 photos: approved.')")
    assert set(states(library)) == {1, 3, 4}
    assert page.get_attribute("#undo button", "title") == "Takes back: approved, 3 photos"
    page.keyboard.press("u")
    page.wait_for_selector("#done:has-text('0')")
    page.wait_for_selector("#grid .is-new[data-photo='4']")
    page.click("[data-index='1'] .tick")
    page.click("[data-index='4'] a", modifiers=["Shift"])
    page.keyboard.press("Escape")
    assert page.locator("#chosen").is_hidden()
    page.click("[data-index='1'] a", modifiers=["Shift"])
    page.click("[data-index='3'] a", modifiers=["Shift"])
    page.keyboard.press("c")
    page.keyboard.type("colos")
    page.wait_for_selector("dialog [role=option]")
    assert faults(page) == []
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.wait_for_selector("#grid .is-corrected[data-photo='4']:has-text('Colosseum')")
    assert states(library) == dict.fromkeys((2, 3, 4), ("corrected", "Colosseum"))
    page.click("#undo button")
    page.wait_for_selector("#status:has-text('Taken back: 3 photos.')")
    assert states(library) == {}


def test_pins_that_would_lie_on_each_other_are_one(shelf: str, visit: Visit) -> None:
    """With the number of photos; by a click they part, and each then is a filter."""
    page = visit(f"{shelf}/library")
    page.click("#map-details summary")
    page.wait_for_selector(
        ".pins a:has-text('Eiffel Tower and 1 more: 7 photos')", state="attached"
    )
    box = page.locator(".pins .dot").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector(".pins a >> nth=1", state="attached")
    page.locator(".pins a").last.dispatch_event("click")
    page.wait_for_selector(".chip:has-text('Eiffel Tower')")
    page.wait_for_selector("#status:has-text('6 photos')")


def test_bulk_approval_is_counted_confirmed_and_undone(
    shelf: str, library: Path, visit: Visit
) -> None:
    """By mouse; and by keyboard alone."""
    page = visit(f"{shelf}/library?q=eiffel")
    page.wait_for_selector("#status:has-text('6 photos')")
    page.select_option("#score", "0.9")
    page.click("#bulk button")
    page.wait_for_selector("h1:has-text('Approve 3 photos?')")
    assert faults(page) == []
    assert states(library) == {}
    page.click("main button")
    page.wait_for_selector("#done:has-text('3')")
    page.wait_for_selector("#status:has-text('Approved: 3 photos.')")
    assert page.url.endswith("/library?q=eiffel")
    assert {state for state, _ in states(library).values()} == {"approved"}
    page.click("#undo button")
    page.wait_for_selector("#done:has-text('0')")
    assert states(library) == {}
    page.focus("#score")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('Approve 1 photo?')")
    page.focus("main button")
    page.keyboard.press("Enter")
    page.wait_for_selector("#done:has-text('1')")
    assert list(states(library)) == [7]


def test_it_works_without_javascript(shelf: str, library: Path, visit: Visit) -> None:
    """Pages of photos, filters, the review and undo are forms."""
    page = visit(f"{shelf}/library", java_script_enabled=False)
    assert page.locator("#grid img").count() == 7
    page.fill("#q", "eiffel")
    page.click(".find button")
    assert page.locator("#grid li").count() == 6
    page.click(".go-on a.main")
    page.click(".answers-to button >> nth=0")
    page.fill("#correct", "Colosseum")
    page.click("text=Correct it")
    assert sorted(states(library).values())[1] == ("corrected", "Colosseum")
    page.click("#undo button")
    assert [state for state, _ in states(library).values()] == ["approved"]


def test_many_photos_keep_the_page_small(
    world: Recogniser, hands: Any, stocked: Callable[..., Path], visit: Visit
) -> None:
    """Wherever one scrolls, the photos of that place are there, and the page has no more."""
    tower = load_gazetteer().get("eiffel_tower")
    rows = [("same.jpg", tower, {})]
    file = stocked(*rows)
    with Store.open(file) as store, store.transaction() as connection:
        columns = (
            "size, mtime_ns, inode, beside, format, bundle, guesses, unknown_score, landmark, "
            "score, evidence, tagged_at, pending"
        )
        connection.executemany(
            f"INSERT INTO photo (path, moment, {columns}) "
            f"SELECT ?, ?, {columns} FROM photo WHERE id = 1",
            [(f"/nowhere/{i}.jpg".encode(), 1_800_000_000 + i) for i in range(2, 3001)],
        )
    with hands.run(world, library=file) as address:
        page = visit(f"{address}/library")
        page.wait_for_selector("#status:has-text('3,000 photos')")
        most = 0
        for share in (0.2, 0.9, 0.5, 1, 0):
            page.evaluate(
                "(share) => scrollTo({ top: share * document.body.scrollHeight, "
                "behavior: 'instant' })",
                share,
            )
            page.wait_for_timeout(150)
            places: list[list[int]] = []
            while len(places) < 6 or None in [photo for _, photo in places]:
                page.wait_for_timeout(50)
                places = page.evaluate(
                    "[...document.querySelectorAll('.cell')].map((one) => "
                    "[Number(one.dataset.index), Number(one.dataset.photo) || null])"
                )
            assert [photo - index for index, photo in places] == [1] * len(places)
            assert [index for index, _ in places] == sorted(index for index, _ in places)
            most = max(most, page.evaluate("document.querySelectorAll('#grid *').length"))
        assert most < 800
