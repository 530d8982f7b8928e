"""What many tests share: where photos and the world bundle are, and a browser to look with."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from waymark import Recogniser

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def absent(what: str, *, waived_by: str = "") -> NoReturn:
    """Skip, saying what is missing; fail instead in CI, where everything must be there."""
    if os.environ.get("CI") == "true" and not (waived_by and os.environ.get(waived_by)):
        pytest.fail(f"{what}; CI must have it", pytrace=False)
    pytest.skip(what)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests with a browser last: Playwright leaves a loop running, and `asyncio.run` fails."""
    items.sort(key=lambda item: "chromium" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return ../shared, whose photos and weights are never committed."""
    folder = ROOT.parent / "shared"
    if not (folder / "data" / "world").is_dir():
        absent("no photos in ../shared", waived_by="WAYMARK_NO_SHARED")
    return folder


@pytest.fixture(scope="session")
def world_path() -> Path:
    """Return the packaged world bundle's file."""
    from waymark.bundle.format import find_bundle

    return find_bundle("world")


@pytest.fixture(scope="session")
def world() -> Recogniser:
    """Return the world bundle, loaded once."""
    import waymark

    return waymark.load("world")


@pytest.fixture
def tool() -> Any:
    """Return a function that finds a program, such as exiftool, or skips."""

    def find(name: str) -> str:
        return shutil.which(name) or absent(f"{name} is not installed")

    return find


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Start Chromium without a network, for tests that look at a page; Playwright's `Browser`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
        found = next(filter(None, map(shutil.which, BROWSERS)), None)
        if found is None and not own.exists():
            absent("no Chromium: apt install chromium")
        browser = playwright.chromium.launch(
            executable_path=found,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
            proxy={"server": "http://127.0.0.1:9"},  # nothing listens there: nothing gets out
        )
        yield browser
        browser.close()
