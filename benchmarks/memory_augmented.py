"""Peak memory of `korea-sequential` while 96,000 changed photos go through it.

Its project changed 4,426 photos into some 96,000 images before training and ran out of
35 GB. Here each photo is read and changed when it is drawn: 4,426 photos of
../shared/data/world/train, of which those for training are drawn 28 times in one epoch.

    python benchmarks/memory_augmented.py [--photos 4426] [--copies 28] [--set key=value ...]
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from pathlib import Path
from sys import executable

from memory import watch
from receipt import receipt
from shared import link, photos_of
from table import publish

THEIRS = 35  # GB that were not enough
WANTED = 2  # GB


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=4426)
    parser.add_argument("--copies", type=int, default=28)
    parser.add_argument("--set", nargs="*", default=[], dest="settings")
    arguments = parser.parse_args()
    root = photos_of("world/train")
    everything = sorted(root.glob("*/*.jpg"))
    step = len(everything) / arguments.photos  # evenly over the landmarks
    chosen = [everything[int(i * step)] for i in range(arguments.photos)]
    rows, peaks = [], {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dataset = link(chosen, root=root, into=folder / "photos")
        for copies in (1, arguments.copies):
            run = folder / f"run-{copies}"
            command = [executable, "-m", "waymark", "train", str(dataset), "--out", str(run)]
            command += ["--recipe", "korea-sequential"]
            settings = ["stages.0.epochs=1", f"copies={copies}", *arguments.settings]
            command += [word for each in settings for word in ("--set", each)]
            peaks[copies], seconds = watch(command)
            with (run / "history.csv").open(encoding="utf-8", newline="") as file:
                [epoch] = csv.DictReader(file)
            photos = int(epoch["photos"])
            rows.append(
                [f"{copies}", f"{photos:,}", f"{peaks[copies]:,.0f}", f"{photos / seconds:.0f}"]
            )
    met = "met" if peaks[arguments.copies] < WANTED * 1000 else "not met"
    publish(
        "memory_augmented",
        columns=["copies a photo", "changed photos an epoch", "peak memory, MB", "photos/s"],
        rows=rows,
        note=f"{len(chosen):,} photos, one epoch of `korea-sequential`"
        f"{' with ' + ', '.join(arguments.settings) if arguments.settings else ''}, all processes "
        "together, from reading the photos to the bundle and its report. Wanted: under "
        f"{WANTED} GB, which is {met}; the project's own run failed at {THEIRS} GB.",
        figures={str(copies): peak for copies, peak in peaks.items()},
        **receipt(),
    )


if __name__ == "__main__":
    main()
