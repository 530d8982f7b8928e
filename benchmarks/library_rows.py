"""How fast a library of a million photos answers: filtered pages, and the numbers of all.

The rows are made up: 54 landmarks, unevenly photographed, over 25 years, with scores, states
and positions. Each question is asked cold (a new connection) and then from page to page.

    python benchmarks/library_rows.py [--rows 1000000] [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from table import publish
from waymark.bundle.format import read_bundle
from waymark.library.store import Store
from waymark.library.store_query import Filter, page
from waymark.library.store_stats import library_stats

QUESTIONS: dict[str, Filter] = {
    "all, oldest first": Filter(),
    "one landmark": Filter(landmark="eiffel_tower"),
    "a rare landmark": Filter(landmark="petra"),
    "one country": Filter(country="TR"),
    "a category, confidence at least .9": Filter(category="bridge", min_score=0.9),
    "a country and a year": Filter(country="FR", since=date(2015, 1, 1), until=date(2015, 12, 31)),
    "any spelling: `eifel`": Filter(text="eifel"),
    "confidence at least .9999 (few)": Filter(min_score=0.9999),
    "confidence at most .3": Filter(max_score=0.3),
    "rejected, confidence at least .99": Filter(state="rejected", min_score=0.99),
    "corrected, of a landmark": Filter(state="corrected", landmark="hagia_sophia"),
    "unknown, of one day": Filter(unknown=True, since=date(2020, 6, 1), until=date(2020, 6, 1)),
    "approved, a date without photos": Filter(state="approved", since=date(2090, 1, 1)),
    "cannot be read": Filter(failed=True),
    "one folder": Filter(paths=(Path("/photos/2011/07"),)),
    "by context, GPS disagrees": Filter(evidence="context", gps="disagree"),
}
COLUMNS = (
    "path", "size", "mtime_ns", "inode", "beside", "sha256", "format", "width", "height", "taken",
    "taken_from", "moment", "lat", "lon", "gps_from", "gps_says", "error", "bundle", "guesses",
    "unknown_score", "landmark", "score", "confidence", "worth", "evidence", "state", "pending",
    "tagged_at",
)  # fmt: skip


def rows(count: int, numbers: list[int]) -> Iterator[tuple[Any, ...]]:
    """Yield rows of made-up photos, in the order in which folders are walked."""
    rng = random.Random(0)
    weights = [1 / (place + 1) for place in range(len(numbers))]
    start = datetime(2000, 1, 1)
    span = 25 * 365 * 86_400
    for number in range(count):
        seconds = span * number // count + rng.randrange(86_400)
        taken = start + timedelta(seconds=seconds)
        known = rng.random() < 0.3
        failed = rng.random() < 0.0002
        landmark = rng.choices(numbers, weights)[0] if known and not failed else None
        score = round(min(1.0, rng.betavariate(6, 1)), 6) if landmark else None
        states = ("new", "approved", "corrected", "rejected", "not-a-landmark")
        state = rng.choices(states, (90, 6, 1, 1, 2))[0] if landmark else "new"
        gps = rng.random() < 0.2
        guesses = [[rng.choice(numbers), 0.5], [rng.choice(numbers), 0.1]]
        yield (
            f"/photos/{taken:%Y/%m}/IMG_{number:07}.jpg".encode(),
            3_000_000, 1, number, "", rng.randbytes(32), "jpeg", 4000, 3000,
            taken.isoformat(), "exif", int((taken - datetime(1970, 1, 1)).total_seconds()),
            rng.uniform(-60, 60) if gps else None, rng.uniform(-180, 180) if gps else None,
            "exif" if gps else None,
            rng.choice(("agree", "near", "disagree")) if gps and landmark else None,
            "damaged" if failed else None, "0" * 12, None if failed else json.dumps(guesses),
            rng.random(), landmark, score, score, round(1 - score, 4) if landmark else 0.0,
            rng.choices(("photo", "context"), (95, 5))[0] if landmark else None,
            state, 0, "2025-01-01T00:00:00+00:00",
        )  # fmt: skip


def fill(path: Path, count: int) -> None:
    """Make a library of so many photos."""
    with Store.open(path) as store:
        with store.transaction():
            numbers = store.landmark_ids(read_bundle("world").manifest.landmarks)
        marks = ", ".join("?" * len(COLUMNS))
        with store.transaction() as connection:
            connection.executemany(
                f"INSERT INTO photo ({', '.join(COLUMNS)}) VALUES ({marks})", rows(count, numbers)
            )


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return how many milliseconds something takes, and what it gives."""
    started = time.perf_counter()
    given = work()
    return 1_000 * (time.perf_counter() - started), given


def ask(path: Path, wanted: Filter) -> tuple[float, float, int]:
    """Return milliseconds of the first page and of a later one, and photos on the first."""
    with Store.open(path, readonly=True) as store:
        first, found = timed(lambda: page(store, wanted, limit=100))
        after = found[-1].key if found else None
        later, _ = timed(lambda: page(store, wanted, limit=100, after=after))
    return first, later, len(found)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "library.sqlite"
        fill(path, wanted.rows)
        size = path.stat().st_size
        table = []
        measured: dict[str, list[tuple[float, float, int]]] = {}
        for what, asked in QUESTIONS.items():
            measured[what] = [ask(path, asked) for _ in range(wanted.rounds)]
            first, later = (statistics.median(row[i] for row in measured[what]) for i in (0, 1))
            count = measured[what][0][2]
            table.append([what, str(count), f"{first:.0f} ms", f"{later:.0f} ms"])
        with Store.open(path, readonly=True) as store:
            counting, _ = timed(lambda: library_stats(store))
        table.append(["`waymark library stats`", "", f"{counting:,.0f} ms", ""])
    publish(
        "library_rows",
        columns=["asked of the library", "photos on the page", "first page", "next page"],
        rows=table,
        note=f"{wanted.rows:,} photos ({size / 1e6:,.0f} MB), pages of 100; median of "
        f"{wanted.rounds} rounds, each on a new connection.",
        milliseconds=measured,
        cores=os.cpu_count(),
    )


if __name__ == "__main__":
    main()
