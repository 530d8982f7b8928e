"""How fast `tag` goes through photos: beside `predict`, a second time, and as libraries grow.

First 12-megapixel JPEGs, `predict` and `tag` in turns, in one process, with the same workers.
Then a folder of small photos tagged again with nothing changed, by the command, from cold.

    python benchmarks/library_speed.py [--photos 60] [--rounds 5] [--unchanged 10000]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import waymark
from predict_speed import exhaust, write_photos
from receipt import receipt
from table import publish
from waymark.bundle.format import read_bundle
from waymark.library.store import Store
from waymark.library.tag import tag
from waymark.photo import cores
from waymark.samples import SAMPLES, render


def seconds(work: Callable[[], object]) -> float:
    """Return how long something takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def many(folder: Path, count: int, *, distinct: int = 50) -> None:
    """Fill a folder with small photos: hard links to a few files, a hundred in a folder."""
    made = []
    for number in range(distinct):
        folder.mkdir(parents=True, exist_ok=True)
        made.append(folder / f"first-{number:03}.jpg")
        render(SAMPLES[number % len(SAMPLES)], seed=number, size=(160, 120)).save(made[-1])
    for number in range(count - distinct):
        place = folder / f"{number // 100:05}"
        place.mkdir(exist_ok=True)
        (place / f"{number:07}.jpg").hardlink_to(made[number % distinct])


def command(folder: Path, library: Path) -> float:
    """Return how long `waymark tag` takes, from cold."""
    words = ["-m", "waymark", "tag", str(folder), "--library", str(library)]
    return seconds(
        lambda: subprocess.run([sys.executable, *words], check=True, capture_output=True)
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=160)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--unchanged", type=int, default=10_000)
    wanted = parser.parse_args()
    speeds: dict[str, list[float]] = {"predict": [], "tag": []}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "large").mkdir()
        paths = write_photos(root / "large", wanted.photos)
        recogniser = waymark.load("world")

        def predict() -> None:
            exhaust(recogniser.predict_many(paths, workers=wanted.workers))

        def tag_all(turn: int) -> None:
            with Store.open(root / f"{turn}.sqlite") as store:
                tag([root / "large"], store, bundle=recogniser, workers=wanted.workers)

        for turn in range(wanted.rounds + 1):
            each = {"predict": seconds(predict), "tag": seconds(lambda t=turn: tag_all(t))}
            if turn:  # the first turn fills the caches
                for what, took in each.items():
                    speeds[what].append(len(paths) / took)
        many(root / "small", wanted.unchanged)
        first = command(root / "small", root / "small.sqlite")
        again = [command(root / "small", root / "small.sqlite") for _ in range(3)]
    medians = {what: statistics.median(values) for what, values in speeds.items()}
    count = f"{wanted.unchanged:,} small photos"
    publish(
        "library_speed",
        columns=["", "", "of `predict`"],
        rows=[
            ["`predict`, 12-megapixel JPEGs", f"{medians['predict']:.1f} photos/s", ""],
            [
                "`tag`, the same photos, into a new library",
                f"{medians['tag']:.1f} photos/s",
                f"{medians['tag'] / medians['predict']:.0%}",
            ],
            [f"`waymark tag`, {count}, most of them copies", f"{first:.1f} s", ""],
            ["the same command again, nothing changed", f"{statistics.median(again):.1f} s", ""],
        ],
        note=f"Medians of {wanted.rounds} rounds over {wanted.photos} photos, "
        f"{wanted.workers} workers; commands from cold, in processes of their own.",
        photos_per_second=speeds,
        seconds_again=again,
        cores=os.cpu_count(),
        **receipt(read_bundle("world")),
    )


if __name__ == "__main__":
    main()
