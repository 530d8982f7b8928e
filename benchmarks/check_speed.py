"""How long `data check` takes, and how much memory; beside cleanvision and imagededup.

On all photos of ../shared/data/world (as train and test folders, so leakage is looked for
too) and on 2,000 of them: the whole check, the search for near-duplicates alone (whose time
must not grow with the square of the photos), and what others do of the same job where they
can be imported. Each in a process of its own, one after the other; figures are wall clock,
processor time and the most memory the process had.

    python benchmarks/check_speed.py [--photos 2000 22039]

With the others, which are no dependencies of ours, in an environment that uv throws away
(imagededup compiles an extension):

    uv run --no-project --with cleanvision --with imagededup --with-editable '.[clean]' \
        --with psutil python benchmarks/check_speed.py
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from receipt import receipt
from shared import link, photos_of
from table import publish

ALL, WANTED_SECONDS, WANTED_MB = 22_039, 180, 2000


def without_network(folder: Path) -> dict[str, Any]:
    """Run what needs no network: files, pixels and copies."""
    from waymark.curate.check import DOUBTS, check_dataset
    from waymark.curate.finding import KINDS
    from waymark.dataset.index import read_dataset

    kinds = [kind for kind in KINDS if kind not in DOUBTS]
    return check_dataset(read_dataset(folder), kinds=kinds).counts()


def page(folder: Path) -> dict[str, Any]:
    """Run the command itself: read, check, draw the page."""
    command = ["data", "check", str(folder), "--out", str(folder.parent / f"{folder.name}-check")]
    subprocess.run([sys.executable, "-m", "waymark", *command], check=True, capture_output=True)
    return {}


def near(folder: Path) -> dict[str, Any]:
    """Search near-duplicates among looks that are there already; only the search is timed."""
    from waymark.curate.check_read import read_all
    from waymark.dataset.alike import find_alike
    from waymark.dataset.index import read_dataset

    looks = read_all(read_dataset(folder), None).looks
    started, used = time.perf_counter(), time.process_time()
    pairs = find_alike(looks)
    return {
        "pairs": len(pairs.one),
        "seconds": time.perf_counter() - started,
        "processor": time.process_time() - used,
    }


def cleanvision(folder: Path) -> dict[str, Any]:
    """Look for what cleanvision looks for: files, light, blur, exact and near duplicates."""
    from cleanvision import Imagelab

    lab = Imagelab(data_path=str(folder))
    lab.find_issues(n_jobs=os.cpu_count())
    found = {row.issue_type: int(row.num_images) for row in lab.issue_summary.itertuples()}
    return {"photos": len(lab.issues), **found}


def imagededup(folder: Path) -> dict[str, Any]:
    """Look for near-duplicates by perceptual hash, as imagededup's own guide does."""
    from imagededup.methods import PHash

    hasher = PHash(verbose=False)
    found = hasher.find_duplicates(
        image_dir=str(folder), recursive=True, num_enc_workers=os.cpu_count() or 1
    )
    return {"photos": len(found), "pairs": sum(map(len, found.values())) // 2}


WAYS: dict[str, tuple[str, Callable[[Path], dict[str, Any]], str]] = {
    "check": ("waymark data check, with its page", page, "waymark"),
    "no-network": ("what of it needs no network", without_network, "waymark"),
    "near": ("its search for near-duplicates alone", near, "waymark"),
    "cleanvision": ("cleanvision: files, light, blur, duplicates", cleanvision, "cleanvision"),
    "imagededup": ("imagededup: near-duplicates by PHash", imagededup, "imagededup"),
}


def child(way: str, folder: Path) -> None:
    """Run one way; print what it found, how long it took, and the most memory there was."""
    started = time.perf_counter()
    found = WAYS[way][1](folder)
    seconds = time.perf_counter() - started
    own, started_by_it = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    processor = sum(u.ru_utime + u.ru_stime for u in (own, started_by_it))
    unit = 1 if sys.platform == "darwin" else 1024
    print(
        json.dumps(
            {
                "seconds": found.pop("seconds", seconds),
                "processor": found.pop("processor", processor),
                "memory": max(own.ru_maxrss, started_by_it.ru_maxrss) * unit / 1e6,
                "found": found,
            }
        )
    )


def measure(way: str, folder: Path) -> dict[str, Any] | str:
    """Run one way in a process of its own; return its figures, or why there are none."""
    _, _, module = WAYS[way]
    if find_spec(module) is None:
        return f"{module} is not installed"
    command = [sys.executable, __file__, "--child", way, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["it failed"])[-1][:100]
    figures: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, nargs="+", default=[2000, ALL])
    parser.add_argument("--ways", nargs="+", choices=tuple(WAYS), default=list(WAYS))
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child[0], Path(options.child[1]))
        return
    root = photos_of("world")
    everything = sorted(root.glob("t*/*/*.jpg"))
    results: dict[str, dict[str, Any]] = {}
    counts = [min(count, len(everything)) for count in options.photos]
    with tempfile.TemporaryDirectory() as name:
        for count in counts:
            step = len(everything) / count  # evenly over the landmarks
            chosen = [everything[int(i * step)] for i in range(count)]
            folder = link(chosen, root=root, into=Path(name) / f"photos-{count}")
            for way in options.ways:
                results.setdefault(way, {})[str(count)] = measure(way, folder)
                print(way, count, results[way][str(count)], file=sys.stderr)
    publish(
        "check_speed",
        columns=["", *(f"{count:,} photos: {what}" for count in counts for what in _FIGURES)],
        rows=[
            [WAYS[way][0], *(cell for count in counts for cell in _cells(by_count[str(count)]))]
            for way, by_count in results.items()
        ],
        note=_note(results, counts),
        figures=results,
        **receipt(),
    )


_FIGURES = ("seconds", "processor, s", "peak memory, MB")


def _cells(figures: dict[str, Any] | str) -> list[str]:
    if isinstance(figures, str):
        return ["–", "–", "–"]
    return [f"{figures[name]:.1f}" for name in ("seconds", "processor")] + [
        f"{figures['memory']:,.0f}"
    ]


def _note(results: dict[str, dict[str, Any]], counts: list[int]) -> str:
    """Say what was wanted, how the search grows, and who could not take part."""
    said = [
        "Photos of world, 96 x 96 px, each way in a process of its own; where it starts others, "
        "their processor time counts, and the memory is that of the largest."
    ]
    most = results.get("check", {}).get(str(max(counts)))
    if isinstance(most, dict) and max(counts) == ALL:
        met = most["seconds"] < WANTED_SECONDS and most["memory"] < WANTED_MB
        said.append(
            f"Wanted for {ALL:,} photos on two cores: under {WANTED_SECONDS} s and "
            f"{WANTED_MB:,} MB, which is {'met' if met else 'not met'}."
        )
    ends = [results.get("near", {}).get(str(count)) for count in (min(counts), max(counts))]
    if len(counts) > 1 and all(isinstance(end, dict) for end in ends):
        photos = max(counts) / min(counts)
        times = ends[1]["processor"] / max(1e-9, ends[0]["processor"])
        said.append(
            f"{photos:.1f} times the photos make the search {times:.1f} times as long; "
            f"the square would be {photos**2:.0f}."
        )
    reasons = {
        f"{way}: {figures}"
        for way, by_count in results.items()
        for figures in by_count.values()
        if isinstance(figures, str)
    }
    return " ".join([*said, *(f"Left out: {reason}." for reason in sorted(reasons))])


if __name__ == "__main__":
    main()
