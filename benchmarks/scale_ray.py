"""How `tag --engine ray` grows with its workers: 1 against 2, on 12-megapixel JPEGs.

One Ray cluster on this machine; rounds take turns. A worker is one process on one core. The
steady speed is counted from the first finished part to the last, so it has neither the start
of the processes nor that of the cluster in it; the whole speed has the former. Every run must
give the rows of `predict`, each photo once. Photos are rendered, and linked many times over.

    python benchmarks/scale_ray.py [--photos 400] [--rounds 3] [--workers 1 2]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import waymark
from predict_speed import write_photos
from receipt import receipt
from table import publish
from waymark.bundle.format import read_bundle
from waymark.scale.cluster import cluster
from waymark.scale.results import find_results, read_lines
from waymark.scale.tag import tag_at_scale

DISTINCT = 20
PART = 10  # photos: many parts a worker, so that all workers are busy nearly to the end


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    steady: dict[int, list[float]] = {count: [] for count in arguments.workers}
    whole: dict[int, list[float]] = {count: [] for count in arguments.workers}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "made").mkdir()
        made = write_photos(root / "made", DISTINCT)
        (root / "photos").mkdir()
        for number in range(arguments.photos):
            os.link(made[number % DISTINCT], root / "photos" / f"{number:05d}.jpg")
        paths = sorted((root / "photos").iterdir())
        said = waymark.load("world").predict_many(paths)
        expected = sorted(json.dumps(each.to_dict(), allow_nan=False) for each in said)
        with cluster(max(arguments.workers)):
            for turn in range(arguments.rounds):
                for count in arguments.workers:
                    out = root / f"out-{turn}-{count}"
                    speeds = run(root / "photos", out, count)
                    steady[count].append(speeds[0])
                    whole[count].append(speeds[1])
                    if sorted(read_lines(find_results(out))) != expected:
                        raise SystemExit(f"{count} workers: other rows than predict's")
    base = statistics.median(steady[arguments.workers[0]])
    publish(
        "scale_ray",
        columns=["workers", "photos/s", "times the first", "photos/s with their start"],
        rows=[
            [
                str(count),
                f"{statistics.median(steady[count]):.1f}",
                f"{statistics.median(steady[count]) / base:.2f}",
                f"{statistics.median(whole[count]):.1f}",
            ]
            for count in arguments.workers
        ],
        note=f"Median of {arguments.rounds} rounds over {arguments.photos} rendered "
        "12-megapixel JPEGs; each run gave the rows of `predict`, byte for byte.",
        steady={str(count): values for count, values in steady.items()},
        whole={str(count): values for count, values in whole.items()},
        **receipt(read_bundle("world")),
    )


def run(photos: Path, out: Path, workers: int) -> tuple[float, float]:
    """Tag; return photos a second between the first finished part and the last, and overall."""
    marks: list[tuple[float, int]] = []
    report = tag_at_scale(
        photos,
        out,
        workers=workers,
        part_photos=PART,
        progress=lambda done, _total, _what: marks.append((time.perf_counter(), done)),
    )
    (since, before), (until, done) = marks[0], marks[-1]
    return (done - before) / (until - since), report.recognised / report.seconds


if __name__ == "__main__":
    main()
