"""Show that tagging loses nothing and does nothing twice, however often it is killed.

Rendered photos, copies and broken files among them, are tagged by processes that are killed
(SIGKILL) at random moments. After each kill the library is sound, holds no photo twice and no
photo by half, and has everything it had before. The next run goes on; when one is through, the
library is row for row that of an undisturbed run, and the next round starts with an empty one.
At last two runs at once share the work: together they recognise each photo once.

    python benchmarks/proof_tag.py [--photos 2000] [--kills 200]
"""

from __future__ import annotations

import argparse
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from waymark.bundle.format import write_bundle
from waymark.bundle.tiny import tiny_bundle
from waymark.samples import DISTRACTORS, SAMPLES, render

RUN = """
import sys
from waymark.library import tag, tag_work
from waymark.library.store import Store
tag_work.BATCH = int(sys.argv[4])
with Store.open(sys.argv[2]) as store:
    print("begun", flush=True)
    report = tag.tag([sys.argv[1]], store, bundle=sys.argv[3], workers=2)
    print(report.recognised, report.reused, report.unchanged, report.failed)
"""
# what must be the same however the work was cut up
ROWS = (
    "SELECT path, raw, size, mtime_ns, inode, beside, sha256, format, width, height, taken, "
    "moment, photo.lat, photo.lon, gps_from, gps_says, error, bundle, guesses, unknown_score, "
    "landmark.key, score, evidence, state, missing FROM photo "
    "LEFT JOIN landmark ON landmark.id = photo.landmark ORDER BY path"
)


def make_photos(folder: Path, count: int) -> None:
    """Write small photos, some in copies, some broken, under odd names, with a few sidecars."""
    names = SAMPLES + DISTRACTORS
    for number in range(count):
        place = folder / f"day {number % 7}"
        place.mkdir(parents=True, exist_ok=True)
        path = place / f"{number:05d} \udce9=1+1.jpg"
        if number % 17 == 5:
            shutil.copy(folder / "day 0" / "00000 \udce9=1+1.jpg", path)
        elif number % 23 == 7:
            path.write_bytes(b"\xff\xd8\xff broken %d" % number)
        else:
            photo = render(names[number % len(names)], seed=number % 40, size=(64, 48))
            exif = photo.getexif()
            minute = f"2024:05:{1 + number % 28:02d} 10:{number % 60:02d}:00"
            exif.get_ifd(0x8769)[0x9003] = minute
            photo.save(path, exif=exif)


def start(folder: Path, library: Path, bundle: Path, batch: int) -> subprocess.Popen[str]:
    """Start tagging in a process of its own."""
    command = [sys.executable, "-c", RUN, str(folder), str(library), str(bundle), str(batch)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> list[int]:
    """Wait for a run that nobody kills; return recognised, reused, unchanged, failed."""
    said, wrong = process.communicate(timeout=600)
    if process.returncode:
        raise AssertionError(f"a run failed by itself:\n{wrong}")
    return [int(word) for word in said.splitlines()[-1].split()]


def rows(library: Path) -> list[Any]:
    """Return all that the library says; it must be sound."""
    if not library.exists():
        return []
    connection = sqlite3.connect(library)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        if not connection.execute("PRAGMA user_version").fetchone()[0]:
            return []
        found = connection.execute(ROWS).fetchall()
        half = connection.execute(
            "SELECT count(*) FROM photo WHERE error IS NULL AND (guesses IS NULL OR sha256 IS NULL)"
        ).fetchone()
    finally:
        connection.close()
    assert half == (0,), "a photo by half"
    assert len({row[0] for row in found}) == len(found), "a photo twice"
    return found


def remove(library: Path) -> None:
    """Delete a library and what SQLite keeps beside it."""
    for file in library.parent.glob(f"{library.name}*"):
        file.unlink()


def kill_often(
    folder: Path, library: Path, bundle: Path, *, kills: int, batch: int, rng: random.Random
) -> dict[str, int]:
    """Kill runs; return how often, how often in the midst, and how many rounds were finished."""
    whole = library.with_name("whole.sqlite")
    finish(start(folder, whole, bundle, batch))
    expected = rows(whole)
    process = start(folder, library, bundle, batch)
    finish(process)
    remove(library)
    done = {"kills": 0, "in the midst": 0, "finished rounds": 0}
    while done["kills"] < kills:
        before = {row[0] for row in rows(library)}
        process = start(folder, library, bundle, batch)
        assert process.stdout is not None
        process.stdout.readline()  # begun
        began = time.monotonic()
        pause = rng.uniform(0, 0.15 + len(expected) / 1500)
        while time.monotonic() - began < pause and process.poll() is None:
            time.sleep(0.002)
        killed = process.poll() is None
        process.kill()
        process.communicate()
        after = rows(library)
        assert before <= {row[0] for row in after}, "a photo was lost"
        done["kills"] += killed
        done["in the midst"] += killed and 0 < len(after) < len(expected)
        if not killed or len(after) == len(expected):
            finish(start(folder, library, bundle, batch))
            assert decided(rows(library)) == decided(expected), "not as an undisturbed run"
            remove(library)
            done["finished rounds"] += 1
    finish(start(folder, library, bundle, batch))
    assert decided(rows(library)) == decided(expected), "not as an undisturbed run"
    return done


def decided(found: list[Any]) -> list[Any]:
    """Return rows as they can be compared: scores to four digits, as batches differ."""
    return [tuple(round(v, 4) if isinstance(v, float) else v for v in row) for row in found]


def share(folder: Path, library: Path, bundle: Path, *, batch: int) -> list[list[int]]:
    """Let two runs work at once; return what each did."""
    pair = [start(folder, library, bundle, batch) for _ in range(2)]
    return [finish(process) for process in pair]


def main() -> None:
    """Prove it and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=2_000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--batch", type=int, default=16)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        make_photos(root / "photos", wanted.photos)
        write_bundle(root / "tiny.waymark", tiny_bundle(6))
        places = (root / "photos", root / "l.sqlite", root / "tiny.waymark")
        done = kill_often(*places, kills=wanted.kills, batch=wanted.batch, rng=random.Random(0))
        print(", ".join(f"{count} {what}" for what, count in done.items()))
        remove(root / "l.sqlite")
        first, second = share(*places, batch=wanted.batch)
        assert min(first[0], second[0]) > 0, "one did it all"
        print(f"two at once recognised {first[0]} and {second[0]} of {wanted.photos} photos")


if __name__ == "__main__":
    main()
