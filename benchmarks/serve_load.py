"""How much of `predict`'s speed is left when photos come over HTTP, from 32 clients at once.

For each way to serve: a server of its own, and clients in a second process that post
2-megapixel photos over loopback, raw bodies, for a minute. What counts is photos per second
of processor time, of all processes of the server together; beside it stands `waymark
predict` on the same photos, without its start. At last the memory of the server after 1,000
and after 20,000 requests.

    python benchmarks/serve_load.py [--seconds 60] [--clients 32] [--requests 20000]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from receipt import receipt
from table import publish
from waymark.bundle.format import read_bundle
from waymark.samples import DISTRACTORS, SAMPLES, render

HERE = Path(__file__).resolve().parent
SIZE = (1632, 1224)  # 2 megapixels
GRAIN = 9.0  # grey levels of detail added: files of half a megabyte
PHOTOS = 48
WAYS: dict[str, tuple[str, ...]] = {
    "serve": (),
    "serve --batch-window 0 --workers 1": ("--batch-window", "0", "--workers", "1"),
}


def write_photos(folder: Path, count: int, size: tuple[int, int] = SIZE) -> list[Path]:
    """Write JPEGs with the detail that a camera would record."""
    rng = np.random.default_rng(0)
    grain = rng.normal(0, GRAIN, (size[1], size[0], 3)).astype(np.float32)
    grain = (grain + np.roll(grain, 1, 0) + np.roll(grain, 1, 1)) / 1.7
    names = SAMPLES + DISTRACTORS
    paths = []
    for number in range(count):
        small = render(names[number % len(names)], seed=number, size=(size[0] // 4, size[1] // 4))
        photo = np.asarray(small.resize(size, Image.Resampling.BICUBIC), dtype=np.float32)
        shift = tuple(rng.integers(0, 1000, 2))
        pixels = np.clip(photo + np.roll(grain, shift, (0, 1)), 0, 255).astype(np.uint8)
        paths.append(folder / f"{number:03d}.jpg")
        Image.fromarray(pixels).save(paths[-1], quality=88)
    return paths


def predict_cpu(paths: Sequence[Path]) -> float:
    """Return the processor seconds of one `waymark predict`."""
    command = [sys.executable, "-m", "waymark", "predict", "--json", *map(str, paths)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit("waymark predict failed")
    return used.ru_utime + used.ru_stime


@contextmanager
def serving(*options: str) -> Iterator[tuple[str, psutil.Process]]:
    """Start `waymark serve`, and stop it; yields its address and its process."""
    command = [sys.executable, "-m", "waymark", "serve", "--port", "0", "--quiet", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            yield line.split(" at ")[1].split(" ")[0], psutil.Process(process.pid)
        finally:
            process.terminate()


def post(url: str, folder: Path, **options: float) -> dict[str, Any]:
    """Post photos from a process of its own; return what the clients saw."""
    command = [sys.executable, str(HERE / "serve_client.py"), url, str(folder)]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def tree(process: psutil.Process) -> list[psutil.Process]:
    """Return a process and all below it."""
    return [process, *process.children(recursive=True)]


def cpu(process: psutil.Process) -> float:
    """Return the processor seconds of a server, those of its processes that ended included."""
    return sum(sum(one.cpu_times()[:4]) for one in tree(process))


def memory(process: psutil.Process) -> float:
    """Return the memory of a server in MB; what its processes share counts once a process."""
    return sum(one.memory_info().rss for one in tree(process)) / 2**20


def measure(
    folder: Path, options: Sequence[str], *, seconds: float, clients: int
) -> dict[str, Any]:
    """Load one way to serve; return what came of it."""
    with serving(*options) as (url, process):
        post(url, folder, clients=clients, requests=4 * clients)  # warm
        before = cpu(process)
        seen = post(url, folder, clients=clients, seconds=seconds)
        used = cpu(process) - before
    photos = len(seen["latencies"])
    marks = statistics.quantiles(seen["latencies"], n=100)
    return {
        "photos": photos,
        "photos_per_cpu_s": photos / used,
        "photos_per_s": photos / seen["seconds"],
        "p50_ms": 1000 * marks[49],
        "p99_ms": 1000 * marks[98],
        "statuses": seen["statuses"],
    }


def grow(folder: Path, requests: int, clients: int) -> dict[str, float]:
    """Return the memory of a server after a twentieth of the requests, and after all."""
    first = max(1, requests // 20)
    with serving() as (url, process):
        post(url, folder, clients=clients, requests=first)
        early = memory(process)
        post(url, folder, clients=clients, requests=requests - first)
        return {"requests": requests, "early": first, "early_mb": early, "mb": memory(process)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--photos", type=int, default=1_200, help="for `waymark predict`")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_photos(folder, PHOTOS)
        many = [paths[i % len(paths)] for i in range(arguments.photos)]
        used = predict_cpu(many) - predict_cpu(many[:1])
        best = (len(many) - 1) / used
        found = {
            way: measure(folder, options, seconds=arguments.seconds, clients=arguments.clients)
            for way, options in WAYS.items()
        }
        grown = grow(folder, arguments.requests, arguments.clients)
    rows = [["predict", f"{best:.1f}", "100%", "–", "–", "–", "–", "–"]]
    for way, seen in found.items():
        statuses = dict(seen["statuses"])
        good, busy = statuses.pop("200", 0), statuses.pop("503", 0)
        rows.append(
            [
                way,
                f"{seen['photos_per_cpu_s']:.1f}",
                f"{seen['photos_per_cpu_s'] / best:.0%}",
                f"{seen['photos_per_s']:.1f}",
                f"{seen['p50_ms']:.0f}",
                f"{seen['p99_ms']:.0f}",
                f"{busy} of {good + busy}",
                str(sum(statuses.values())),
            ]
        )
    publish(
        "serve_load",
        columns=[
            "2-megapixel JPEGs",
            "photos/CPU-s",
            "of predict",
            "photos/s",
            "p50, ms",
            "p99, ms",
            "503",
            "other errors",
        ],
        rows=rows,
        note=f"{arguments.clients} clients in a second process on the same machine, raw bodies, "
        f"{arguments.seconds:g} s each. Memory of all processes of the server: "
        f"{grown['early_mb']:.0f} MB after {grown['early']:,} requests, {grown['mb']:.0f} MB "
        f"after {grown['requests']:,}.",
        predict_photos_per_cpu_s=best,
        ways=found,
        memory=grown,
        **receipt(read_bundle("world")),
    )


if __name__ == "__main__":
    main()
