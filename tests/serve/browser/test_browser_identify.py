"""Identify in a real browser, on a real server: what a person does, at two sizes."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import expect

from waymark.gazetteer import load_gazetteer
from waymark.recognise.recogniser import Recogniser
from waymark.serve.outline import project
from waymark.serve.samples import example_photo

pytestmark = pytest.mark.browser
SIZES = (1280, 390)
TOKEN = "sesame-sesame"
Visit = Callable[..., Any]


@pytest.mark.parametrize("width", SIZES)
def test_a_photo_is_answered(site: str, visit: Visit, tower: Path, width: int, hands: Any) -> None:
    """Pick, read, change k, see the heatmap, copy, clear."""
    page = visit(site, width)
    assert hands.fits(page)
    page.set_input_files("#photos", tower)
    assert page.locator(".shot img").evaluate("one => one.naturalWidth || one.decode()") != 0
    hands.answered(page)

    assert page.inner_text(".said h2") == "Eiffel Tower"
    assert page.locator(".local").get_attribute("lang") == "fr"
    assert page.inner_text(".said > .where") == "Paris, France · tower"
    assert page.inner_text("#status").startswith("Eiffel Tower, ")
    assert page.locator(".place figcaption a").get_attribute("rel") == "noopener noreferrer"
    assert hands.fits(page)
    if width < 600:
        page.click(".fold summary")
    page.locator("#k").fill("3")
    assert page.locator(".guesses li").count() == 3

    page.click(".heat")
    page.wait_for_selector(".heat[aria-pressed=true]")
    assert page.locator(".shot img").get_attribute("src").startswith("data:image/jpeg")
    page.click(".heat")
    assert page.locator(".shot img").get_attribute("src").startswith("blob:")

    page.click("text=Copy as JSON")
    page.wait_for_selector("text=Copied")
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert copied["photo"] == "tower.jpg"
    assert [one["landmark"] for one in copied["predictions"]][:1] == ["eiffel_tower"]
    assert len(copied["predictions"]) == 3

    page.click("#clear")
    assert page.locator(".answer").count() == 0
    assert page.locator("#tools").is_hidden()


@pytest.mark.parametrize("width", SIZES)
def test_what_is_not_known_is_said_plainly(site: str, visit: Visit, width: int, hands: Any) -> None:
    """An example without a landmark: the guesses lie behind a fold, and there is no map."""
    page = visit(site, width)
    page.click(".examples li:nth-child(5) button")
    hands.answered(page)

    assert page.inner_text(".said h2") == "I don't know this place"
    assert page.locator(".guesses").is_hidden()
    assert page.locator(".place").count() == 0
    page.click("text=Nearest guesses")
    assert page.locator(".guesses li").count() == 5


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_photos_come_in_other_ways(site: str, visit: Visit, event: str, hands: Any) -> None:
    """Dropped and pasted, as picked; one broken photo spoils only its own card."""
    page = visit(site)
    hands.drop(page, "one.jpg", example_photo(2), event=event)
    hands.drop(page, "two.jpg", b"\xff\xd8\xff\xe0 and no more", event=event)
    page.wait_for_selector(".answer.wrong")
    hands.answered(page)

    assert page.locator(".answer").count() == 2
    assert page.locator(".answer.wrong h2").inner_text() == "This photo can't be used"
    assert page.locator(".answer:not(.wrong) h2").inner_text() == "Golden Gate Bridge"
    assert page.inner_text("#status") == "2 photos, 1 recognised."
    page.click("#copy-all")
    expect(page.locator("#status")).to_have_text("Copied 1 answer.")
    assert len(json.loads(page.evaluate("navigator.clipboard.readText()"))) == 1


def test_what_is_no_photo_is_turned_away_at_once(site: str, visit: Visit, tmp_path: Path) -> None:
    """A text file is not sent anywhere."""
    path = tmp_path / "notes.txt"
    path.write_text("dear diary")
    page = visit(site)
    page.set_input_files("#photos", path)
    expect(page.locator("#status")).to_contain_text("no photos")

    assert page.locator(".answer").count() == 0


def test_big_photos_shrink_upright(
    world: Recogniser, visit: Visit, tmp_path: Path, hands: Any
) -> None:
    """What is sent is as long as the server asked for, and stands as the EXIF says."""
    photo = Image.new("RGB", (1200, 800), "red")
    photo.paste("blue", (0, 0, 600, 800))  # left as stored: the top once it is turned
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to see it
    path = tmp_path / "lying.jpg"
    photo.save(path, exif=exif, quality=98)
    with hands.run(world, shrink=300) as address:
        page = visit(address)
        sent = hands.spy(page)
        page.set_input_files("#photos", path)
        hands.answered(page)
        (form,) = sent()
        shown = page.locator(".shot img").evaluate("one => [one.naturalWidth, one.naturalHeight]")
    received = Image.open(BytesIO(b64decode(form["photos"])))

    assert shown == [800, 1200]
    assert received.size == (200, 300)
    assert 0x0112 not in received.getexif()
    top, bottom = (received.convert("RGB").getpixel((100, y)) for y in (20, 280))
    assert (top[2] > 200, top[0] < 60) == (True, True)
    assert (bottom[0] > 200, bottom[2] < 60) == (True, True)


def test_the_camera_speaks_when_asked(site: str, visit: Visit, tmp_path: Path, hands: Any) -> None:
    """With the box ticked, the photo goes out with its GPS, and the distance comes back."""
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (48.0, 51.0, 30.0), 3: "E", 4: (2.0, 18.0, 0.0)}
    path = tmp_path / "here.jpg"
    with Image.open(BytesIO(example_photo(1))) as photo:
        photo.save(path, exif=exif)
    page = visit(site)
    page.set_input_files("#photos", path)
    hands.answered(page)
    assert page.locator(".camera").count() == 0

    page.click("#clear")
    page.check("#use_gps")
    page.set_input_files("#photos", path)
    page.wait_for_selector(".camera")
    assert page.inner_text(".camera").startswith("Taken 4")


def test_a_busy_or_silent_server_is_waited_for(site: str, visit: Visit, tower: Path) -> None:
    """503 is asked again by itself; no answer is said plainly, and can be tried again."""
    page = visit(site, allow="Failed to load resource")
    left = [503, 503, None]

    def refuse(route: Any) -> None:
        what = left.pop(0) if left else 200
        if what == 503:
            route.fulfill(status=503, headers={"Retry-After": "1"}, json={"error": {}})
        elif what is None:
            route.abort()
        else:
            route.continue_()

    page.route("**/api/v1/predict", refuse)
    page.set_input_files("#photos", tower)
    page.wait_for_selector("text=Waiting my turn")
    page.wait_for_selector("text=The server does not answer")
    page.click("button:has-text('Try again')")
    page.wait_for_selector(".guesses")

    assert page.inner_text(".said h2") == "Eiffel Tower"


def test_everything_works_from_the_keyboard(site: str, visit: Visit, hands: Any) -> None:
    """From the skip link to an example, the heatmap and the map, without a mouse."""
    page = visit(site)
    press = page.keyboard.press

    def tab_to(selector: str) -> None:
        for _ in range(60):
            press("Tab")
            if page.evaluate("one => document.activeElement.matches(one)", selector):
                return
        raise AssertionError(f"no way to {selector}")

    press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    press("Enter")
    tab_to("#photos")
    ring = "getComputedStyle(document.querySelector('label[for=photos]')).outlineStyle"
    assert page.evaluate(ring) == "solid"
    tab_to("#k")
    press("ArrowRight")
    tab_to(".examples button")
    press("Enter")
    hands.answered(page)
    assert page.locator(".guesses li").count() == 6
    tab_to(".heat")
    press("Enter")
    page.wait_for_selector(".heat[aria-pressed=true]")
    tab_to(".map")
    box = "document.querySelector('.place svg').getAttribute('viewBox').split(' ').map(Number)"
    before = page.evaluate(box)
    press("+")
    closer = page.evaluate(box)
    press("ArrowLeft")
    west = page.evaluate(box)
    press("0")
    assert closer[2] == pytest.approx(before[2] / 2, rel=0.01)
    assert west[0] < closer[0]
    assert page.evaluate(box)[2] >= 3600


def test_the_map_zooms_and_moves(site: str, visit: Visit, hands: Any) -> None:
    """Buttons, the wheel once the map is in use, and the mouse; the pin stays where it is."""
    page = visit(site)
    page.click(".examples li:nth-child(1) button")
    hands.answered(page)
    drawing = page.locator(".place svg").first
    box = "one => one.getAttribute('viewBox').split(' ').map(Number)"
    start = drawing.evaluate(box)
    drawing.scroll_into_view_if_needed()
    drawing.hover()
    page.mouse.wheel(0, -100)
    page.wait_for_timeout(150)
    assert drawing.evaluate(box) == start  # the page scrolls under a wheel that only passes
    drawing.click()
    page.mouse.wheel(0, -100)
    page.wait_for_timeout(150)
    near = drawing.evaluate(box)
    assert near[2] < start[2]

    here = drawing.bounding_box()
    x, y = here["x"] + here["width"] / 2, here["y"] + here["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 120, y, steps=4)
    page.mouse.up()
    assert drawing.evaluate(box)[0] < near[0]
    page.click("[aria-label='Show the whole world']")
    assert drawing.evaluate(box)[2] >= 3600
    assert page.locator(".pins .mine").count() == 1


def test_browser_and_server_agree_on_the_map(site: str, visit: Visit) -> None:
    """`static/map.js` projects as `outline.py` does, and back again."""
    page = visit(site)
    places = [(one.lat, one.lon) for one in load_gazetteer().landmarks if one.lat is not None]
    found = page.evaluate(
        """async (places) => {
          const { project, unproject } = await import("/static/map.js");
          return places.map((one) => [project(...one), unproject(...project(...one))]);
        }""",
        places,
    )

    for place, (point, back) in zip(places, found, strict=True):
        assert point == pytest.approx(project(*place), abs=1e-6)
        assert back == pytest.approx(place, abs=1e-6)
