"""Whether everybody can use the pages: axe-core's word on each state, and the size of targets."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import expect

from waymark.serve.samples import example_photo

pytestmark = pytest.mark.browser
Visit = Callable[..., Any]
BAD = ("serious", "critical")


def known(page: Any, drop: Callable[..., None]) -> None:
    """Show an answer, its heatmap and its JSON."""
    page.click(".examples li:nth-child(1) button")
    page.click(".heat")
    page.wait_for_selector(".heat[aria-pressed=true]")
    page.click("text=Show JSON")


def unknown(page: Any, drop: Callable[..., None]) -> None:
    """Show that a place is not known, and the guesses."""
    page.click(".examples li:nth-child(5) button")
    page.click("text=Nearest guesses")


def many(page: Any, drop: Callable[..., None]) -> None:
    """Show two answers and an error."""
    for name, data in (("a", example_photo(2)), ("b", example_photo(4)), ("c", b"\xff\xd8\xff")):
        drop(page, f"{name}.jpg", data)
    expect(page.locator(".answer:not(.waiting)")).to_have_count(3)


def waiting(page: Any, drop: Callable[..., None]) -> None:
    """Show a photo that nobody answers yet."""
    page.route("**/api/v1/predict", lambda _: None)
    drop(page, "a.jpg", example_photo(2))
    page.wait_for_selector(".waiting progress")


def shown(page: Any, drop: Callable[..., None]) -> None:
    """Show a landmark on the map."""
    page.fill("#q", "tower")
    page.locator("#landmarks > li:visible [data-show]").first.click()


def nothing(page: Any, drop: Callable[..., None]) -> None:
    """Leave the page as it comes."""


STATES = (
    ("/", nothing), ("/", known), ("/", unknown), ("/", many), ("/", waiting),
    ("/landmarks", nothing), ("/landmarks", shown), ("/report", nothing),
)  # fmt: skip


def faults(page: Any) -> list[str]:
    """Return what axe-core finds that would keep somebody out."""
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8"))
    page.evaluate("document.getAnimations().forEach((one) => one.cancel())")
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{one['impact']}: {one['id']}: {node['html'][:160]} {node['failureSummary'][:300]}"
        for one in found["violations"]
        if one["impact"] in BAD
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("at", STATES, ids=lambda at: f"{at[0]}-{at[1].__name__}")
def test_nobody_is_kept_out(site: str, visit: Visit, hands: Any, at: Any, width: int) -> None:
    """No serious or critical fault in any state, light or dark, wide or narrow."""
    path, state = at
    page = visit(f"{site}{path}", width, color_scheme="light")
    state(page, hands.drop)

    assert hands.fits(page)
    assert faults(page) == []
    page.emulate_media(color_scheme="dark")
    assert faults(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out_at_the_door(world: Any, visit: Visit, scheme: str, hands: Any) -> None:
    """The page that asks for the token, once it was wrong."""
    with hands.run(world, token="sesame-sesame") as address:
        page = visit(address, color_scheme=scheme, allow="401")
        page.fill("#token", "wrong")
        page.click("main button")
        page.wait_for_selector("[role=alert]")

        page.wait_for_load_state("networkidle")
        assert faults(page) == []


@pytest.mark.parametrize("path", ["/", "/landmarks", "/report"])
def test_targets_are_large_enough_for_a_thumb(site: str, visit: Visit, path: str) -> None:
    """Buttons, fields and links that stand alone are 44 px high, or have a label that is."""
    page = visit(f"{site}{path}", 390)
    if path == "/":
        known(page, lambda *_: None)
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, input, summary, nav a, .links a, .place a")]
          .filter((one) => one.checkVisibility() && !one.matches(".gone-input, [type=hidden]"))
          .map((one) => (one.matches("[type=checkbox]") ? one.parentElement : one))
          .filter((one) => one.getBoundingClientRect().height < 43.5)
          .map((one) => one.outerHTML.slice(0, 120))"""
    )

    assert small == []


def test_who_wants_no_motion_sees_none(site: str, visit: Visit) -> None:
    """Reduced motion: no animation and no smooth scrolling of ours."""
    page = visit(site, reduced_motion="reduce")
    page.click(".examples li:nth-child(2) button")
    page.wait_for_selector(".guesses")

    assert (
        page.evaluate("getComputedStyle(document.querySelector('.answer')).animationName") == "none"
    )
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
