"""Peak memory of deep training against the number of photos.

Trains for one epoch on 3,000 photos and on all 20,029 of ../shared/data/world/train, with
negatives, once plainly and once keeping the start network's features (`distil`), each in a
process of its own, and watches the memory of that process and of those it starts, from
reading the photos to the finished bundle. The network is small and its input too: what is
asked is what grows with the photos.

    python benchmarks/memory.py [--photos 3000 20029] [--distil 0 1] [--set key=value ...]
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil

from receipt import receipt
from shared import link, photos_of
from table import publish

SETTINGS = (
    "backbone=mobilenetv2_100",
    "start=random",
    "size=64",
    "distil_size=64",
    "stages.0.epochs=1",
    "stages.0.trains=all",
    "batch=64",
)
ALLOWED = 200  # MB, more than with the fewest photos
EVERY = 0.2  # seconds between two looks


@dataclass(frozen=True)
class Usage:
    """What a training needed: memory in MB, and seconds.

    Attributes:
        peak: the most that all its processes had at once.
        training: the most that its main process had until the last epoch was over.
        seconds: of the whole command.
    """

    peak: float
    training: float
    seconds: float


def watch(command: list[str]) -> tuple[float, float]:
    """Run a command; return the most memory, in MB, that it and its children had, and seconds.

    Pages that processes share are counted once each (proportional set size).
    """
    started = time.perf_counter()
    process = psutil.Popen(command, stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        total = 0
        for each in [process, *_children(process)]:
            try:
                total += each.memory_full_info().pss
            except psutil.Error:
                continue  # a worker that has just ended
        peak = max(peak, total)
        time.sleep(EVERY)
    if process.returncode:
        raise SystemExit(f"{command} exited with {process.returncode}")
    return peak / 1e6, time.perf_counter() - started


def _children(process: psutil.Popen) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.Error:
        return []


def train(dataset: Path, run: Path, recipe: Path, settings: list[str], distil: str) -> Usage:
    """Train on a dataset in a process of its own."""
    command = [sys.executable, "-m", "waymark", "train", str(dataset), "--recipe", str(recipe)]
    command += ["--negatives", str(photos_of("negatives/train")), "--out", str(run)]
    command += [word for each in (*settings, f"distil={distil}") for word in ("--set", each)]
    peak, seconds = watch(command)
    with (run / "history.csv").open(encoding="utf-8", newline="") as file:
        epochs = list(csv.DictReader(file))
    return Usage(peak, float(epochs[-1]["memory_mb"]) * 2**20 / 1e6, seconds)


def one_stage(folder: Path) -> Path:
    """Write `finetune` with a single stage, and return where."""
    from waymark.training.recipes import FINETUNE

    path = folder / "finetune-once.toml"
    recipe = replace(FINETUNE, name=path.stem, stages=FINETUNE.stages[:1])
    path.write_text(recipe.to_toml(), encoding="utf-8")
    return path


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, nargs="+", default=[3000, 20029])
    parser.add_argument("--distil", nargs="+", default=["0", "1"])
    parser.add_argument("--set", nargs="*", default=list(SETTINGS), dest="settings")
    arguments = parser.parse_args()
    root = photos_of("world/train")
    everything = sorted(root.glob("*/*.jpg"))
    used: dict[str, dict[int, Usage]] = {distil: {} for distil in arguments.distil}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recipe = one_stage(folder)
        for count in arguments.photos:
            step = len(everything) / count  # evenly over the landmarks
            chosen = [everything[int(i * step)] for i in range(count)]
            dataset = link(chosen, root=root, into=folder / f"photos-{count}")
            for distil, usages in used.items():
                run = folder / f"run-{count}-{distil}"
                usages[count] = train(dataset, run, recipe, arguments.settings, distil)
    fewest = arguments.photos[0]
    more = {
        distil: {count: usage.peak - usages[fewest].peak for count, usage in usages.items()}
        for distil, usages in used.items()
    }
    most = max(value for values in more.values() for value in values.values())
    publish(
        "memory",
        columns=[
            "photos",
            "distil",
            "peak memory, MB",
            f"more than with {fewest:,}, MB",
            "main process while training, MB",
            "seconds",
        ],
        rows=[
            [
                f"{count:,}",
                distil,
                f"{usage.peak:.0f}",
                f"{more[distil][count]:+.0f}",
                f"{usage.training:.0f}",
                f"{usage.seconds:.0f}",
            ]
            for distil, usages in used.items()
            for count, usage in usages.items()
        ],
        note=f"One epoch of `finetune` with {', '.join(arguments.settings)}; all processes "
        f"together, from reading the photos to the bundle. Wanted: at most {ALLOWED} MB more, "
        f"which is {'met' if most <= ALLOWED else 'not met'}.",
        figures={d: {str(n): asdict(u) for n, u in usages.items()} for d, usages in used.items()},
        **receipt(),
    )


if __name__ == "__main__":
    main()
