"""How smoothly the library's page scrolls through many photos, in Chromium.

    python benchmarks/library_scroll.py [--photos 10000]

Makes rendered photos and a library, serves it, and scrolls: slowly as one looks, fast as one
searches, and by jumps to anywhere. Prints the time between frames, long tasks (over 50 ms), the
number of elements in the grid, and how long a place takes until all its pictures are there.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from receipt import receipt
from table import publish
from waymark.bundle.format import read_bundle
from waymark.gazetteer import load_gazetteer
from waymark.library.store import Store
from waymark.recognise.recogniser import Recogniser
from waymark.samples import SAMPLES, render

DISTINCT = 60  # pictures; the others are links to these files
PACES = {
    "looking, 1,200 px/s": 1_200,
    "searching, 6,000 px/s": 6_000,
    "flinging, 30,000 px/s": 30_000,
}
SECONDS = 5
SCROLL = """async ([pace, seconds]) => {
  const frames = [], tasks = [];
  const note = (list) => tasks.push(...list.getEntries().map((one) => one.duration));
  const seen = new PerformanceObserver(note);
  seen.observe({ type: "longtask" });
  let most = 0, blank = 0, cells = 0;
  const start = performance.now();
  await new Promise((done) => {
    let last = start;
    const step = (now) => {
      frames.push(now - last);
      scrollBy({ top: (pace * (now - last)) / 1000, behavior: "instant" });
      last = now;
      if (frames.length % 20 === 0) {
        most = Math.max(most, document.querySelectorAll("#grid *").length);
        cells += document.querySelectorAll(".cell").length;
        blank += document.querySelectorAll(".cell:not([data-photo])").length;
      }
      if (now - start < 1000 * seconds) requestAnimationFrame(step);
      else done();
    };
    requestAnimationFrame(step);
  });
  seen.disconnect();
  return { frames: frames.slice(2), tasks, most, blank: blank / Math.max(1, cells) };
}"""
WHOLE = """() => {
  const cells = [...document.querySelectorAll(".cell")].filter((one) => {
    const box = one.getBoundingClientRect();
    return box.bottom > 0 && box.top < innerHeight;
  });
  return cells.length > 0 && cells.every((one) => one.querySelector("img")?.naturalWidth > 0);
}"""


def make_library(folder: Path, photos: int) -> Path:
    """Render photos, and put them into a library."""
    (folder / "photos").mkdir()
    digests = []  # a picture is shown only if it is what was tagged
    for number in range(DISTINCT):
        sample = SAMPLES[number % len(SAMPLES)]
        file = folder / "photos" / f"{number:06}.jpg"
        render(sample, seed=number, size=(1600, 1200)).save(file, quality=88)
        digests.append(sha256(file.read_bytes()).digest())
    landmarks = load_gazetteer().landmarks[:100]
    file = folder / "library.sqlite"
    with Store.open(file) as store, store.transaction() as connection:
        numbers = store.landmark_ids(landmarks)
        for number in range(photos):
            path = folder / "photos" / f"{number:06}.jpg"
            if number >= DISTINCT:
                os.link(folder / "photos" / f"{number % DISTINCT:06}.jpg", path)
            values = {
                "path": os.fsencode(path), "size": 1, "mtime_ns": 1, "inode": 1, "beside": "",
                "sha256": digests[number % DISTINCT], "moment": 1_500_000_000 + 3_600 * number,
                "bundle": "0" * 12, "guesses": "[]", "unknown_score": 0.1,
                "landmark": numbers[number % 100], "score": 0.5 + number % 50 / 100,
                "confidence": 0.4 + number % 50 / 100, "worth": 0.6 - number % 50 / 100,
                "evidence": "photo", "tagged_at": "2024-05-17T18:30:00+02:00", "pending": 0,
            }  # fmt: skip
            connection.execute(
                f"INSERT INTO photo ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})",
                list(values.values()),
            )
    return file


@contextmanager
def serve(library: Path) -> Iterator[str]:
    """Serve it in a thread; gives its address."""
    from uvicorn import Server

    from waymark.serve.app import create_app
    from waymark.serve.run import listen, server_config
    from waymark.serve.settings import Settings

    settings = Settings(port=0, log="off", library=library)
    listening = listen(settings)
    app = create_app(Recogniser.from_bundle("world"), settings)
    server = Server(server_config(app, settings))
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


def whole(page: Any) -> float:
    """Return the seconds until every photo in the window has its picture."""
    started = time.perf_counter()
    while not page.evaluate(WHOLE):
        if time.perf_counter() - started > 60:
            raise SystemExit("pictures did not come within a minute")
        page.wait_for_timeout(10)
    return time.perf_counter() - started


def share(values: list[float], at: float) -> float:
    """Return a quantile."""
    return sorted(values)[min(len(values) - 1, int(at * len(values)))] if values else 0.0


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--photos", type=int, default=10_000)
    photos = arguments.parse_args().photos
    from playwright.sync_api import sync_playwright

    folder = Path(tempfile.mkdtemp(prefix="waymark-scroll-"))
    try:
        file = make_library(folder, photos)
        with serve(file) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            started = time.perf_counter()
            page.goto(f"{address}/library")
            page.wait_for_selector("#grid.live .cell[data-photo]")
            first = time.perf_counter() - started
            shown = first + whole(page)
            rows, records = [], []
            for name, pace in PACES.items():
                page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
                whole(page)
                said = page.evaluate(SCROLL, [pace, SECONDS])
                frames = said["frames"]
                rows.append(
                    [
                        name,
                        *(f"{share(frames, at):.1f} ms" for at in (0.5, 0.99, 1)),
                        f"{len(said['tasks'])}",
                        f"{said['most']}",
                        f"{said['blank']:.1%}",
                    ]
                )
                records.append({"pace": name, "frames_ms": sorted(map(round, frames))[-20:]})
            jumps = []
            for number in range(12):
                page.evaluate(
                    "(at) => scrollTo({ top: at * document.body.scrollHeight, "
                    "behavior: 'instant' })",
                    (number * 0.37) % 1,
                )
                page.wait_for_timeout(30)
                jumps.append(whole(page))
            browser.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    publish(
        "library_scroll",
        columns=[
            "scrolling",
            *("frame, median", "99 %", "worst"),
            "tasks over 50 ms",
            "elements",
            "blank",
        ],
        rows=rows,
        note=f"{photos:,} photos, Chromium, 1,280 by 900 px; a frame of a 60-Hz screen is 16.7 ms. "
        f"All pictures of the first window were there {shown:.1f} s after the address was "
        f"entered, after a jump to anywhere in {share(jumps, 0.5):.2f} s (median of {len(jumps)}). "
        "Blank is the share of cells in the window without their picture, over all frames.",
        records=records,
        **receipt(read_bundle("world")),
    )


if __name__ == "__main__":
    main()
