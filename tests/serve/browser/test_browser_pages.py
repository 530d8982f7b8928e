"""The other pages in a browser; and what holds of all: no JavaScript, hostile names, a token."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from waymark.recognise.recogniser import Recogniser
from waymark.serve.samples import example_photo

pytestmark = pytest.mark.browser
SIZES = (1280, 390)
TOKEN = "sesame-sesame"
Visit = Callable[..., Any]


@pytest.mark.parametrize("width", SIZES)
def test_without_javascript_the_form_is_answered(
    site: str, visit: Visit, tower: Path, width: int, hands: Any
) -> None:
    """The server says the same, in the same words, as the browser's own script."""
    words = "one => one.innerText.replace(/\\s+/g, ' ').trim()"
    page = visit(site, width)
    page.set_input_files("#photos", tower)
    scripted = hands.answered(page).locator(".said").evaluate(words)
    place = page.locator(".place figcaption").evaluate(words)
    link = page.locator(".place a").get_attribute("href")

    page = visit(site, width, java_script_enabled=False)
    page.set_input_files("#photos", tower)
    page.check("#explain")
    page.click("button:has-text('Name it')")
    page.wait_for_selector(".answer")

    assert hands.fits(page)
    assert page.locator(".said").inner_text().split() == scripted.split()
    assert page.locator(".place figcaption").inner_text().split() == place.split()
    assert page.locator(".place a").get_attribute("href") == link
    assert page.locator(".shot img").get_attribute("src").startswith("data:image/jpeg")
    assert page.locator(".zoom").is_hidden()


def test_hostile_names_stay_text(hostile_site: str, visit: Visit, hands: Any) -> None:
    """Files and landmarks called like markup are shown as they are called, and do nothing."""
    page = visit(hostile_site)
    for name in hands.hostile:
        hands.drop(page, f"{name}.jpg", example_photo(4))
    expect(page.locator(".guesses")).to_have_count(3)

    assert sorted(page.locator(".file").all_inner_texts()) == sorted(
        f"{n}.jpg" for n in hands.hostile
    )
    assert set(page.locator(".said h2").all_inner_texts()) <= set(hands.hostile)
    page.goto(f"{hostile_site}/landmarks")
    assert sorted(page.locator("#landmarks h2").all_inner_texts()) == sorted(hands.hostile)
    page.locator("[data-show]").first.click()
    assert page.locator(".labels text").first.text_content() in hands.hostile
    page.goto(f"{hostile_site}/report")
    assert hands.hostile[0] in page.inner_text("main")


def test_neighbours_and_corrections(
    hostile_site: str, visit: Visit, tower: Path, hands: Any
) -> None:
    """Near training photos are shown where the service has any; a correction names the photo."""
    page = visit(hostile_site)

    src = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
    guess = {"landmark": "a", "name": "A", "local_name": None, "score": 0.9, "place": None}
    guess |= {"country": None, "category": None, "lat": None, "lon": None, "distance_m": None}
    said = {"photo": "", "known": True, "unknown_score": 0.1, "predictions": [guess], "bundle": ""}
    said["neighbours"] = [{"src": src, "label": hands.hostile[0], "similarity": 0.93}]

    page.route("**/api/v1/predict", lambda route: route.fulfill(json={"photos": [said]}))
    page.route("**/api/v1/teach/corrections", lambda route: route.fulfill(json={}))
    sent = hands.spy(page)
    page.set_input_files("#photos", tower)
    hands.answered(page)
    assert page.inner_text(".neighbours li").split("\n")[0].startswith(hands.hostile[0])
    assert "93 % alike" in page.inner_text(".neighbours li")

    page.click(".correct summary")
    page.fill(".correct input", "My Tower")
    page.locator(".correct input").press("Enter")
    page.wait_for_selector("text=Noted: My Tower")
    form = next(one for one in sent() if "landmark" in one)
    assert (form["landmark"], form["file"]) == ("My Tower", "tower.jpg")
    assert b64decode(form["photos"]) == tower.read_bytes()


@pytest.mark.parametrize("width", SIZES)
def test_landmarks_narrow_as_one_types(site: str, visit: Visit, width: int, hands: Any) -> None:
    """The list and the map follow the words; accents do not matter."""
    page = visit(f"{site}/landmarks", width)
    assert hands.fits(page)
    page.fill("#q", "topkapi")
    shown = page.locator("#landmarks > li:visible")
    assert shown.count() == 1
    assert page.inner_text("#status") == "1 of 54 landmarks."
    assert page.locator(".pins a:not(.off)").count() == 1
    shown.locator("[data-show]").click()
    assert page.locator(".labels text").text_content() == "Topkapı Palace"
    page.fill("#q", "no such place")
    assert page.locator("#none").is_visible()
    page.fill("#q", "")
    page.locator(".pins a").first.dispatch_event("click")
    assert "#landmark-" in page.url


def test_landmarks_are_searched_without_javascript(site: str, visit: Visit) -> None:
    """The form asks the server."""
    page = visit(f"{site}/landmarks", java_script_enabled=False)
    page.fill("#q", "Paris")
    page.click("form.search button")

    assert "q=Paris" in page.url
    assert 2 < page.locator("#landmarks > li").count() < 10


@pytest.mark.parametrize("width", SIZES)
def test_the_report_fits(site: str, visit: Visit, width: int, hands: Any) -> None:
    """Figures, facts and card, at both sizes."""
    page = visit(f"{site}/report", width)

    assert hands.fits(page)
    assert page.locator(".tiles dt").first.inner_text() == "Right at once"
    assert page.locator(".card table").count() >= 3


def test_a_token_opens_the_pages(world: Recogniser, visit: Visit, hands: Any) -> None:
    """A wrong token is told; the right one leads to where one wanted to go; sign out locks."""
    with hands.run(world, token=TOKEN) as address:
        page = visit(f"{address}/landmarks", allow="401")
        assert page.url.startswith(f"{address}/login")
        page.fill("#token", "not the token")
        page.click("main button")
        assert page.locator("[role=alert]").is_visible()
        page.fill("#token", TOKEN)
        page.click("main button")
        page.wait_for_url(f"{address}/landmarks")
        page.goto(address)
        page.click(".examples li:nth-child(1) button")
        hands.answered(page)
        page.click("text=Sign out")
        page.goto(address)
        assert page.url.startswith(f"{address}/login")
        page.wait_for_load_state("networkidle")
