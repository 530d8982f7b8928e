"""How long `waymark predict ONE.jpg` takes from cold, beside a plain torch + timm script.

Each run is a process of its own; the two take turns, so that whatever else the machine does
slows both. The photo is a rendered one of 12 megapixels. Prints medians and their ratio.

    python benchmarks/startup.py [--runs 7]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from receipt import receipt
from table import publish
from waymark.bundle.format import read_bundle
from waymark.samples import SAMPLES, render

HERE = Path(__file__).parent
# as a user has it: modules are compiled once, not at each start
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def seconds(command: list[str]) -> float:
    """Return how long a command takes, seconds."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=ENVIRONMENT)
    return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    bundle = read_bundle("world")
    size = bundle.manifest.preprocess.size
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.jpg"
        render(SAMPLES[0], seed=0, size=(4000, 3000)).save(photo, quality=90)
        commands = {
            "`waymark predict`": [sys.executable, "-m", "waymark", "predict", str(photo)],
            "torch + timm script": [
                sys.executable,
                str(HERE / "straightforward.py"),
                str(photo),
                f"--size={size}",
            ],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for turn in range(runs + 1):
            for name, command in commands.items():
                taken = seconds(command)
                if turn:  # the first turn fills the disk cache
                    times[name].append(taken)
    medians = {name: statistics.median(values) for name, values in times.items()}
    best = medians["`waymark predict`"]
    publish(
        "startup",
        columns=["one photo, a process of its own", "seconds", "times waymark's"],
        rows=[[name, f"{value:.2f}", f"{value / best:.1f}"] for name, value in medians.items()],
        note=f"Median of {runs} runs, a 12-megapixel JPEG, network input {size} px.",
        seconds=times,
        **receipt(bundle),
    )


if __name__ == "__main__":
    main()
