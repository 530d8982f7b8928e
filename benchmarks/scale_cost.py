"""What 1 million and 1 billion photos take: time and money, from what was measured here.

Photos a second and core come from results/scale_ray.json (with its most workers) and from
results/predict_speed.json; nothing is measured here. Prices are assumptions, stated in the
table's note and as options: put your own in.

    python benchmarks/scale_cost.py [--core-hour 0.04] [--get 0.0004] [--cores 16 1000]
"""

from __future__ import annotations

import argparse
import json
import statistics

from receipt import receipt
from table import RESULTS, publish

PHOTOS = {"1 million": 10**6, "1 billion": 10**9}


def per_core() -> dict[str, float]:
    """Return photos a second and core of each engine that was measured."""
    found = {}
    path = RESULTS / "scale_ray.json"
    if path.is_file():
        steady = json.loads(path.read_text(encoding="utf-8"))["steady"]
        most = max(steady, key=int)
        found["tag --engine ray"] = statistics.median(steady[most]) / int(most)
    result = json.loads((RESULTS / "predict_speed.json").read_text(encoding="utf-8"))
    cores = int(result["machine"].split()[0])
    for way in ("predict", "predict --fast"):
        found[way] = statistics.median(result["photos_per_second"][way]) / cores
    return found


def spelled(hours: float) -> str:
    """Return a time as one would say it."""
    if hours < 1:
        return f"{hours * 60:.0f} min"
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:,.1f} days"


def main() -> None:
    """Compute and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--core-hour", type=float, default=0.04, help="USD, assumed")
    parser.add_argument("--get", type=float, default=0.0004, help="USD for 1,000 reads, assumed")
    parser.add_argument("--cores", type=int, nargs="+", default=[16, 1000])
    arguments = parser.parse_args()
    rows = []
    speeds = per_core()
    for name, speed in speeds.items():
        for label, photos in PHOTOS.items():
            hours = photos / speed / 3600
            money = hours * arguments.core_hour + photos / 1000 * arguments.get
            rows.append(
                [
                    f"{label}, {name}",
                    f"{speed:.1f}",
                    f"{hours:,.0f}",
                    *[spelled(hours / cores) for cores in arguments.cores],
                    f"{money:,.2f}" if money < 100 else f"{money:,.0f}",
                ]
            )
    publish(
        "scale_cost",
        columns=[
            "photos",
            "photos/s and core",
            "core hours",
            *[f"on {cores:,} cores" for cores in arguments.cores],
            "USD",
        ],
        rows=rows,
        note="Computed from the photos/s of scale_ray.json and predict_speed.json (12-megapixel "
        "JPEGs on a local disk), as if cores were added without loss. Assumed, not measured: "
        f"{arguments.core_hour} USD a core hour, {arguments.get} USD for 1,000 reads from an "
        "object store; traffic, storage and idle time not counted.",
        per_core=speeds,
        assumed={"usd_core_hour": arguments.core_hour, "usd_1000_reads": arguments.get},
        **receipt(),
    )


if __name__ == "__main__":
    main()
