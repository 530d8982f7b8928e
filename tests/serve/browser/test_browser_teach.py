"""The Teach page in a real browser: give photos, see what is said of them, teach, find again."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from waymark.bundle.format import read_bundle
from waymark.recognise.recogniser import Recogniser
from waymark.samples import render

pytestmark = pytest.mark.browser
Visit = Callable[..., Any]
HOSTILE = "Turm <img src=x onerror=alert(1)>"
QUIET = "#draft:not([data-busy])"
BAD = ("serious", "critical")


def shot(name: str, seed: int) -> dict[str, Any]:
    """Return a photo of a sample as a file to choose."""
    data = io.BytesIO()
    render(name, seed=seed, size=(400, 300)).save(data, "JPEG", quality=88)
    return {"name": f"{name} <b>{seed}.jpg", "mimeType": "image/jpeg", "buffer": data.getvalue()}


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
def school(world: Recogniser, hands: Any, tmp_path: Path) -> Iterator[str]:
    """Return the address of an app around the world bundle, which can be taught."""
    with hands.run(world, allow_teach=True, teach_dir=tmp_path / "taught") as address:
        yield address


def teach(page: Any) -> None:
    """Press Teach, and wait until it is done."""
    page.click("#teach")
    page.wait_for_selector("#draft[data-busy=teaching]")
    page.wait_for_selector(QUIET, timeout=60_000)
    assert page.locator("#draft .problem").count() == 0


@pytest.mark.parametrize("look", [(1280, "light"), (390, "dark")])
def test_teach_a_landmark_find_it_again_and_correct(
    school: str, visit: Visit, hands: Any, tmp_path: Path, look: tuple[int, str]
) -> None:
    """The whole way, as a person goes it; every state is checked for who it would keep out."""
    page = visit(f"{school}/teach", look[0], color_scheme=look[1])
    assert faults(page) == []
    page.fill("#lat", "54.5, 8.25")
    assert page.input_value("#lon") == "8.25"
    page.fill("#name", HOSTILE)
    page.keyboard.press("Tab")
    assert page.locator("#pin-map .labels text").text_content() == HOSTILE

    given = [shot("lighthouse", seed) for seed in range(6)]
    cut = {**given[0], "name": "cut.jpg", "buffer": given[0]["buffer"][:4000]}
    page.set_input_files("#photos", [*given, {**given[1], "name": "again.jpg"}, cut])
    page.wait_for_selector(f"{QUIET} .shots li:nth-child(7)", timeout=60_000)
    assert page.locator(".group h3").inner_text() == HOSTILE
    assert "the same photo twice" in page.inner_text(".shots .left")
    assert "cut short" in page.inner_text(".group .findings")
    assert page.locator(".shots .used").count() == 6
    page.locator(".shots .used button").first.click()
    page.wait_for_selector(".shots .left >> nth=1")
    assert page.evaluate("document.activeElement.textContent") == "Use it"
    page.keyboard.press("Enter")
    page.wait_for_selector(".shots .used >> nth=5")
    assert hands.fits(page)
    assert faults(page) == []

    teach(page)
    assert HOSTILE in page.inner_text("#learnt")
    assert page.evaluate("document.activeElement.id") == "learnt"
    assert hands.fits(page)
    assert faults(page) == []
    with page.expect_download() as download:
        page.click("text=Download the bundle")
    taught = read_bundle(download.value.path())
    assert (taught.manifest.landmarks[-1].name, taught.manifest.landmarks[-1].lat) == (
        HOSTILE,
        54.5,
    )

    page.click("text=Try it on Identify")
    page.set_input_files("#photos", [shot("lighthouse", 900)])
    hands.answered(page)
    assert page.inner_text(".answer h2") == HOSTILE
    assert page.locator(".neighbours img").count() == 6
    for image in page.locator(".neighbours img").all():
        image.evaluate("(one) => one.decode()")

    page.click("text=Not right?")
    page.fill(".correct input", "tour eif")
    page.wait_for_selector(".correct [role=option]")
    assert faults(page) == []
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.input_value(".correct input") == "Eiffel Tower"
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Noted: Eiffel Tower, 1 photo.")
    page.click(".said-back a")
    assert page.locator(".group h3").all_inner_texts() == [HOSTILE, "Eiffel Tower"]
    page.wait_for_selector(QUIET, timeout=60_000)
    teach(page)
    assert "Eiffel Tower" in page.inner_text("#learnt")

    page.click("text=Undo")
    page.wait_for_selector("#teach:not([disabled])")
    assert "Eiffel Tower" not in page.inner_text("#learnt")
    page.click("text=Forget these photos")
    page.wait_for_selector(".group", state="detached")
    assert list(tmp_path.rglob("*.jpg")) == []


def test_photos_wait_for_a_name_and_the_draft_survives(
    school: str, visit: Visit, hands: Any
) -> None:
    """Dropped first, named later; a reload shows the same draft; what is known is offered."""
    page = visit(f"{school}/teach")
    hands.drop(page, "a.jpg", shot("lattice_tower", 1)["buffer"])
    page.wait_for_selector("text=1 photo wait for a name")
    assert page.evaluate("document.activeElement.id") == "name"
    page.fill("#name", "eifel")
    page.wait_for_selector("[role=option]")
    page.click("[role=option] >> nth=0")
    page.wait_for_selector(f"{QUIET} .shots li", timeout=60_000)
    assert page.locator(".group h3").inner_text() == "Eiffel Tower"
    assert page.input_value("#country") == "FR"
    assert "more examples" in page.inner_text(".group")
    assert page.locator("#teach").is_enabled()
    page.reload()
    assert page.locator(".shots li").count() == 1
    page.click("text=Remove")
    page.wait_for_selector(".group", state="detached")


def test_a_click_on_the_map_is_a_place(school: str, visit: Visit) -> None:
    """Degrees follow the pin, the pin follows degrees; nonsense takes it away."""
    page = visit(f"{school}/teach")
    frame = page.locator("#pin-map svg").first
    box = frame.bounding_box()
    frame.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
    assert abs(float(page.input_value("#lon")) - 10) < 2  # the map is cut at 170 degrees west
    assert page.locator("#pin-map .mine").count() == 1
    page.fill("#lat", "north")
    page.keyboard.press("Tab")
    assert page.locator("#pin-map .mine").count() == 0
    page.click("text=Another one")
    page.wait_for_selector("#name:focus")
    assert page.input_value("#lon") == ""


def test_it_works_without_javascript(school: str, visit: Visit, hands: Any) -> None:
    """The form adds photos, its buttons decide about them, and Teach teaches."""
    page = visit(f"{school}/teach", java_script_enabled=False)
    page.fill("#name", "Leuchtturm")
    page.fill("#lat", "54")
    page.fill("#lon", "8")
    page.set_input_files("#photos", [shot("lighthouse", seed) for seed in range(5)])
    page.click("text=Add these photos")
    page.wait_for_selector(f"{QUIET} .shots li:nth-child(5)", timeout=60_000)
    page.locator(".shots button").first.click()
    page.wait_for_selector(".shots .left")
    assert not page.locator("#teach").is_enabled()
    page.locator(".shots .left button").click()
    page.click("#teach")
    page.wait_for_selector("#learnt", timeout=60_000)
    page.click("text=Undo")
    page.wait_for_selector("#learnt", state="detached")
    page.click("text=Forget these photos")
    page.wait_for_selector(".group", state="detached")
