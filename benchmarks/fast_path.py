"""The fast path against fine-tuning the same backbone, on 23 landmarks of ../shared/data/provence.

Both learn from the same photos and are measured on the same held-out ones, near-duplicates
kept on one side. Time is that of the whole command, from cold.

    python benchmarks/fast_path.py [--epochs 15] [--size 128] [--photos N]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from receipt import receipt
from shared import link, photos_of
from table import publish
from waymark.bundle.format import read_bundle

LEVELS = "--levels=place,landmark"


def waymark(*arguments: str) -> str:
    """Run a command of waymark; return what it prints."""
    command = [sys.executable, "-m", "waymark", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=15, help="of the second stage")
    parser.add_argument("--size", type=int, default=128, help="of the deep path's input")
    parser.add_argument("--photos", type=int, help="only so many, evenly over the landmarks")
    arguments = parser.parse_args()
    root = photos_of("provence")
    figures: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = sorted(path for path in root.rglob("*") if path.is_file())
        photos = photos[:: max(1, len(photos) // (arguments.photos or len(photos)))]
        dataset = link(photos, root=root, into=folder / "provence")
        waymark("data", "split", str(dataset), LEVELS, "--val=0.1", "--test=0.3")
        split = str(dataset / "split.csv")
        deep = ["--recipe=finetune", "--set", "start=world", "--set", f"size={arguments.size}"]
        deep += ["--set", f"stages.1.epochs={arguments.epochs}"]
        for way, options in {"fast path": [], "fine-tuning all layers": deep}.items():
            run = folder / way.replace(" ", "-")
            started = time.perf_counter()
            waymark("train", split, "--out", str(run), *options)
            seconds = time.perf_counter() - started
            text = waymark("evaluate", str(run), split, "--split=test", "--json")
            figures[way] = {"seconds": seconds, **json.loads(text)}
    fast = figures["fast path"]["seconds"]
    publish(
        "fast_path",
        columns=["way", "seconds", "times the fast path's", "top-1", "95 % interval"],
        rows=[
            [
                way,
                f"{found['seconds']:.0f}",
                f"{found['seconds'] / fast:.0f}",
                f"{found['top1']:.1%}",
                "{:.1%} to {:.1%}".format(*found["top1_interval"]),
            ]
            for way, found in figures.items()
        ],
        note=f"Measured on {figures['fast path']['n']} held-out photos; fine-tuning at "
        f"{arguments.size} px for 2 + {arguments.epochs} epochs.",
        figures={
            way: {key: found[key] for key in ("seconds", "top1", "top1_interval", "n")}
            for way, found in figures.items()
        },
        **receipt(read_bundle("world")),
    )


if __name__ == "__main__":
    main()
