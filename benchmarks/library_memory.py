"""How much memory `waymark tag` takes: for a thousand photos and for a hundred thousand.

Each run is a process of its own; its peak is what the kernel says at its end. The photos are
hard links to a few rendered ones, so all but these are recognised by their content; in the
last runs every photo's content is its own.

    python benchmarks/library_memory.py [--photos 1000 10000 100000] [--distinct 1000 5000]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from library_speed import many
from receipt import receipt
from table import publish
from waymark.bundle.format import read_bundle

RUN = """
import resource, sys
from waymark.cli import main
try:
    main()
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def peak(folder: Path, library: Path) -> float:
    """Return the peak of a run, in megabytes."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, "tag", str(folder), "--library", str(library)],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stderr.split()[-1]) / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--distinct", type=int, nargs="+", default=[1_000, 5_000])
    wanted = parser.parse_args()
    rows = []
    runs = [(count, 50) for count in wanted.photos] + [(count, count) for count in wanted.distinct]
    for count, distinct in runs:
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            many(root / "photos", count, distinct=distinct)
            first = peak(root / "photos", root / "l.sqlite")
            again = peak(root / "photos", root / "l.sqlite")
        rows.append([f"{count:,}", f"{distinct:,}", f"{first:.0f} MB", f"{again:.0f} MB"])
    publish(
        "library_memory",
        columns=["photos", "of them different", "peak of the first run", "of the second"],
        rows=rows,
        note="Resident memory of the whole process, the world bundle and Python included.",
        cores=os.cpu_count(),
        **receipt(read_bundle("world")),
    )


if __name__ == "__main__":
    main()
