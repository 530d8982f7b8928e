"""What tests in a browser share: real servers, pages that are watched, and what people do."""

from __future__ import annotations

import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from waymark.bundle.manifest import LANDMARK, Task
from waymark.bundle.tiny import tiny_bundle
from waymark.gazetteer import Landmark
from waymark.recognise.recogniser import Recogniser
from waymark.serve.samples import example_photo
from waymark.serve.settings import Settings

SIZES = {1280: 900, 390: 844}
HOSTILE = ("<img src=x onerror=alert(1)>", "\"'><script>alert(2)</script>", "\u202eאבג {{ 1 }}")
Visit = Callable[..., Any]


@contextmanager
def run(recogniser: Recogniser, **settings: Any) -> Iterator[str]:
    """Serve an app in a thread; gives its address."""
    from uvicorn import Server

    from waymark.serve.app import create_app
    from waymark.serve.run import listen, server_config

    chosen = Settings(**{"decoders": 1, "log": "off", "port": 0, **settings})
    listening = listen(chosen)
    server = Server(server_config(create_app(recogniser, chosen), chosen))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


@pytest.fixture(scope="session")
def site(world: Recogniser) -> Iterator[str]:
    """Return the address of the app around the world bundle."""
    with run(world) as address:
        yield address


@pytest.fixture(scope="session")
def hostile_site() -> Iterator[str]:
    """Return the address of an app whose landmarks bear hostile names, and which can be taught."""
    bundle = tiny_bundle(len(HOSTILE))
    landmarks = tuple(
        Landmark(id=t, name=t, local_name=f"~{t}", place=t, country="FR", category=t, lat=9, lon=9)
        for t in HOSTILE
    )
    task = Task(name=LANDMARK, classes=landmarks)
    bundle = replace(bundle, manifest=replace(bundle.manifest, tasks=(task,)), card=HOSTILE[0])
    with run(Recogniser(bundle, unknown_threshold=1.0), allow_teach=True) as address:
        yield address


@pytest.fixture
def visit(chromium: Any) -> Iterator[Visit]:
    """Return a function that opens a page; afterwards, nothing was complained of or sent away."""
    contexts, complaints, addresses = [], [], []
    origins = []

    def opened(address: str, width: int = 1280, *, allow: str = "", **options: Any) -> Any:
        phone = {"has_touch": True, "is_mobile": True} if width < 600 else {}
        size = {"width": width, "height": SIZES[width]}
        # the browser's own proxy leads nowhere, not even to this machine
        proxy = {"server": "http://127.0.0.1:9", "bypass": "127.0.0.1"}
        context = chromium.new_context(viewport=size, proxy=proxy, **(phone | options))
        contexts.append(context)
        origins.append("/".join(address.split("/")[:3]))
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=origins[-1])
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda said: complaints.append(said.text) if not allow or allow not in said.text else 0,
        )
        page.on("request", lambda request: addresses.append(request.url))
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
    assert [one for one in addresses if not one.startswith((*origins, "data:", "blob:"))] == []


@pytest.fixture
def tower(tmp_path: Path) -> Path:
    """Return a photo that the world bundle takes for the Eiffel Tower."""
    path = tmp_path / "tower.jpg"
    path.write_bytes(example_photo(1))
    return path


def answered(page: Any) -> Any:
    """Wait until no card waits."""
    page.wait_for_selector(".answer:not(.waiting)")
    page.wait_for_selector(".answer.waiting", state="detached")
    return page


def fits(page: Any) -> bool:
    """Say whether a page is no wider than its window."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def drop(page: Any, name: str, data: bytes, *, event: str = "drop") -> None:
    """Drop or paste a file onto a page, as a file manager would."""
    page.evaluate(
        """([name, text, kind]) => {
          const carried = new DataTransfer();
          const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
          carried.items.add(new File([bytes], name, { type: "image/jpeg" }));
          const init = { bubbles: true, cancelable: true };
          document.querySelector("[data-drop]").dispatchEvent(kind === "paste"
            ? new ClipboardEvent("paste", { ...init, clipboardData: carried })
            : new DragEvent("drop", { ...init, dataTransfer: carried }));
        }""",
        [name, b64encode(data).decode(), event],
    )


def spy(page: Any) -> Callable[[], list[dict[str, str]]]:
    """Note what forms the page sends, from now on: text as it is, files in base64."""
    page.evaluate(
        """() => {
          const send = window.fetch;
          window.sent = [];
          window.fetch = async (address, options) => {
            const form = {};
            for (const [name, value] of options?.body ?? []) {
              form[name] = typeof value === "string" ? value
                : btoa(String.fromCharCode(...new Uint8Array(await value.arrayBuffer())));
              if (value.name) form.file = value.name;
            }
            window.sent.push(form);
            return send(address, options);
          };
        }"""
    )
    return lambda: page.evaluate("window.sent")


@pytest.fixture(scope="session")
def hands() -> SimpleNamespace:
    """Return what tests do again and again; and the hostile names."""
    return SimpleNamespace(
        run=run,
        answered=answered,
        fits=fits,
        drop=drop,
        spy=spy,
        hostile=HOSTILE,
        sizes=tuple(SIZES),
    )
