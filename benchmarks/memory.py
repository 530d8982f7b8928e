"""Peak memory of deep training against the number of photos.

Trains for one epoch on 3,000 photos and on all 20,029 of ../shared/data/world/train, each
in a process of its own, and watches the memory of that process and of those it starts.
The network is small and its input too: what is asked is what grows with the photos.

    python benchmarks/memory.py [--photos 3000 20029] [--recipe finetune] [--set key=value ...]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from shared import link, photos_of
from table import publish

SETTINGS = ("stages.0.epochs=1", "stages.1.epochs=1", "stages.1.warmup=0.1", "size=64", "batch=64")


def peak_megabytes(command: list[str]) -> float:
    """Run a command; return the most memory, in MB, that it and its children had at once.

    Pages that processes share are counted once each (proportional set size).
    """
    process = psutil.Popen(command, stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        total = 0
        try:
            for each in [process, *process.children(recursive=True)]:
                total += each.memory_full_info().pss
        except psutil.Error:
            continue  # a worker has just ended
        peak = max(peak, total)
        time.sleep(0.5)
    if process.returncode:
        raise SystemExit(f"{command} exited with {process.returncode}")
    return peak / 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, nargs="+", default=[3000, 20029])
    parser.add_argument("--recipe", default="finetune")
    parser.add_argument("--set", nargs="*", default=list(SETTINGS), dest="settings")
    arguments = parser.parse_args()
    root = photos_of("world/train")
    everything = sorted(root.glob("*/*.jpg"))
    peaks: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in arguments.photos:
            step = len(everything) / count  # evenly over the landmarks
            chosen = [everything[int(i * step)] for i in range(count)]
            dataset = link(chosen, root=root, into=Path(folder) / f"photos-{count}")
            command = [sys.executable, "-m", "waymark", "train", str(dataset)]
            command += ["--recipe", arguments.recipe, "--out", f"{folder}/run-{count}"]
            command += [word for each in arguments.settings for word in ("--set", each)]
            command += ["--set", "start=world"]
            peaks[count] = peak_megabytes(command)
    least = peaks[arguments.photos[0]]
    publish(
        "memory",
        columns=["photos", "peak memory, MB", f"more than with {arguments.photos[0]:,}, MB"],
        rows=[[f"{n:,}", f"{peak:.0f}", f"{peak - least:+.0f}"] for n, peak in peaks.items()],
        note=f"Recipe `{arguments.recipe}` with {', '.join(arguments.settings)}.",
        megabytes={str(n): peak for n, peak in peaks.items()},
    )


if __name__ == "__main__":
    main()
