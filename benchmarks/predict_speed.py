"""How fast `predict` goes through 12-megapixel JPEGs, beside decoding alone and a plain script.

In one run, in rounds that take turns, with the same number of workers: decoding at the
reduced scale that `predict` uses, decoding in full, `predict` by default, with --fast and
with --tta, and a straightforward torch + timm script. Photos are rendered samples with
the grain and the size of a camera's; nothing is downloaded.

    python benchmarks/predict_speed.py [--photos 60] [--rounds 5] [--workers 2]
"""

from __future__ import annotations

import argparse
import functools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

import waymark
from receipt import receipt
from table import publish
from waymark.bundle.format import read_bundle
from waymark.photo import cores, decode_many
from waymark.samples import DISTRACTORS, SAMPLES, render

SIZE = (4000, 3000)
GRAIN = 9.0  # standard deviation of the detail added, grey levels: files of 3 to 5 MB


def write_photos(folder: Path, count: int) -> list[Path]:
    """Write `count` JPEGs of 12 megapixels, with the detail that a camera would record."""
    rng = np.random.default_rng(0)
    detail = rng.normal(0, GRAIN, (1024, 1024, 3)).astype(np.float32)
    detail = (detail + np.roll(detail, 1, 0) + np.roll(detail, 1, 1)) / 1.7
    names = SAMPLES + DISTRACTORS
    paths = []
    for number in range(count):
        small = render(names[number % len(names)], seed=number, size=(SIZE[0] // 4, SIZE[1] // 4))
        photo = small.resize(SIZE, Image.Resampling.BICUBIC).filter(ImageFilter.UnsharpMask(4, 80))
        shift = tuple(rng.integers(0, 1024, 2))
        grain = np.tile(np.roll(detail, shift, (0, 1)), (3, 4, 1))[: SIZE[1], : SIZE[0]]
        pixels = np.clip(np.asarray(photo, dtype=np.float32) + grain, 0, 255)
        paths.append(folder / f"{number:03d}.jpg")
        Image.fromarray(pixels.astype(np.uint8)).save(paths[-1], quality=90)
    return paths


def exhaust(items: Iterable[object]) -> None:
    """Take everything, keep nothing."""
    for _ in items:
        pass


def ways(paths: Sequence[Path], workers: int) -> dict[str, Callable[[], None]]:
    """Return what is compared: a name, and a call that goes through all photos once."""
    recognisers = {
        "predict": waymark.load("world"),
        "predict --fast": waymark.load("world", fast=True),
        "predict --tta": waymark.load("world", tta=True),
    }
    sides = {name: each.preprocess.min_side for name, each in recognisers.items()}

    def decode(min_side: int | None) -> None:
        exhaust(decode_many(paths, lambda _: None, min_side=min_side, workers=workers))

    found: dict[str, Callable[[], None]] = {
        "decoding alone, reduced": functools.partial(decode, sides["predict"]),
        "decoding alone, reduced for --fast": functools.partial(decode, sides["predict --fast"]),
        "decoding alone, in full": functools.partial(decode, None),
    }
    for name, recogniser in recognisers.items():
        found[name] = lambda r=recogniser: exhaust(r.predict_many(paths, workers=workers))
    try:
        import straightforward
    except ImportError:
        print("no torch here: without the straightforward script", file=sys.stderr)
        return found
    # Its network is built once, outside the clock, as waymark's are.
    straightforward.timm.create_model = functools.cache(straightforward.timm.create_model)
    size = recognisers["predict"].preprocess.size
    found["torch + timm script"] = lambda: exhaust(
        straightforward.predict(paths, size=size, workers=workers)
    )
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=cores())
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = write_photos(Path(folder), arguments.photos)
        megabytes = statistics.mean(path.stat().st_size for path in paths) / 1e6
        compared = ways(paths, arguments.workers)
        speeds: dict[str, list[float]] = {name: [] for name in compared}
        for turn in range(arguments.rounds + 1):
            for name, run in compared.items():
                started = time.perf_counter()
                run()
                if turn:  # the first turn fills the caches
                    speeds[name].append(len(paths) / (time.perf_counter() - started))
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    script = medians.get("torch + timm script")
    decoding = medians["decoding alone, reduced"]
    publish(
        "predict_speed",
        columns=["12-megapixel JPEGs", "photos/s", "of decoding alone", "times the script"],
        rows=[
            [
                name,
                f"{speed:.1f}",
                f"{speed / decoding:.0%}",
                f"{speed / script:.1f}" if script else "–",
            ]
            for name, speed in medians.items()
        ],
        note=f"Median of {arguments.rounds} rounds over {len(paths)} rendered photos of "
        f"{megabytes:.1f} MB, {arguments.workers} workers.",
        photos_per_second=speeds,
        **receipt(read_bundle("world")),
    )


if __name__ == "__main__":
    main()
