"""Kill `waymark write --apply` and `waymark undo --apply` at random moments; nothing is lost.

    python benchmarks/proof_library.py --photos 2000 --kills 200

A folder of photos, half of which have sidecars of the world's shapes, and a library that knows
them. Each round starts a write (or, once all is written, an undo) in a process of its own and
kills it with SIGKILL after a random time. After every kill each sidecar is wholly the one of
before or wholly the one of after, and no photo was touched. At the end one run that nobody
kills finishes: every sidecar is written once, and none of the unfinished files is left. An undo
that nobody kills gives the folder of before, byte for byte.

Then the disk is full after a while, and after that a folder may not be written (both put on by
replacing the system's call): a clear error, everything whole, and the next run finishes.
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from proof_sidecars import tagged
from sidecar_shapes import by_hand
from waymark.errors import SidecarError
from waymark.library.journal import Journal
from waymark.library.store import Store
from waymark.library.tagged import Tagged
from waymark.library.undo import apply_undo
from waymark.library.write import apply_writes
from waymark.library.write_plan import WriteOptions, plan_writes

OPTIONS = WriteOptions(gps=True)


def make_folder(root: Path, photos: int) -> None:
    """Fill a folder with files that stand for photos; every second one has a sidecar."""
    for n in range(photos):
        photo = root / f"{n // 100:02}" / f"IMG_{n:05}.jpg"
        photo.parent.mkdir(exist_ok=True, parents=True)
        photo.write_bytes(f"photo {n}".encode())
        if n % 2:
            name = photo.name + ".xmp" if n % 4 == 1 else photo.stem + ".XMP"
            photo.with_name(name).write_bytes(by_hand(n))


def tags_of(root: Path) -> list[Tagged]:
    """Return a tag for every photo of the folder."""
    one = tagged()
    return [
        replace(one, path=path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(root.rglob("*.jpg"))
    ]


def contents(root: Path) -> dict[str, bytes]:
    """Return every file below a folder, unfinished ones too."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def journal_of(library: Path) -> Journal:
    """Open the journal of a library, which is made where there is none."""
    return Journal(Store.open(library).connection)


def write(root: Path, library: Path) -> None:
    """Write all sidecars, as the command line does."""
    journal = journal_of(library)
    changes = plan_writes(tags_of(root), OPTIONS, journal)
    apply_writes(changes, journal, command="proof", options=OPTIONS.to_dict())


def undo(library: Path) -> None:
    """Take back whatever stands."""
    apply_undo(journal_of(library), None)


def expected(root: Path, before: dict[str, bytes]) -> dict[str, bytes]:
    """Return the folder as it is to be after a write, by planning in a copy of it."""
    after = dict(before)
    with tempfile.TemporaryDirectory() as name:
        journal = journal_of(Path(name) / "library.sqlite")
        for change in plan_writes(tags_of(root), OPTIONS, journal):
            assert change.action in ("create", "change"), change.reason
            assert change.after is not None
            after[change.file.relative_to(root.resolve()).as_posix()] = change.after
    return after


def is_whole(now: dict[str, bytes], before: dict[str, bytes], after: dict[str, bytes]) -> int:
    """See that every file is wholly of before or of after; return how many are unfinished.

    Raises:
        AssertionError: a file is half written, lost or new.
    """
    unfinished = [name for name in now if ".waymark-" in name]
    for name in {*before, *after, *now} - set(unfinished):
        assert now.get(name) in (before.get(name), after.get(name)), f"{name} is neither"
    return len(unfinished)


def kill_at_random(root: Path, library: Path, rounds: int, rng: random.Random) -> Counter[str]:
    """Start writes and undos, and kill each after a random time."""
    counts: Counter[str] = Counter()
    before = contents(root)
    after = expected(root, before)
    what, longest = "write", {"write": 0.005 * len(before), "undo": 0.005 * len(before)}
    for _ in range(rounds):
        command = [sys.executable, __file__, "--child", what, str(root), str(library)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            child.stdout.readline()  # it has its imports behind it
            start = time.monotonic()
            try:
                child.wait(timeout=rng.uniform(0, longest[what]))
                assert child.returncode == 0
                counts[f"{what}s that ended first"] += 1
                longest[what] = time.monotonic() - start
                what = "undo" if what == "write" else "write"
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGKILL)
                counts[f"{what}s killed"] += 1
                longest[what] *= 1.1
        counts["unfinished files met"] += is_whole(contents(root), before, after)
    write(root, library)
    assert contents(root) == after, "the write that nobody killed does not finish"
    journal = journal_of(library)
    standing = journal.connection.execute(
        "SELECT count(*), count(DISTINCT file) FROM written_files WHERE state = 'written'"
    ).fetchone()
    changed = sum(after[name] != before.get(name) for name in after)
    assert standing == (changed, changed), f"{standing} of {changed} are in the journal"
    undo(library)
    assert contents(root) == before, "undo does not give the folder of before"
    counts["sidecars written and taken back"] = changed
    return counts


def refuse_some(root: Path, library: Path) -> Counter[str]:
    """Write while the disk is full after a while, and while one folder may not be written."""
    counts: Counter[str] = Counter()
    before = contents(root)
    after = expected(root, before)
    sync, left = os.fsync, len(before) // 2

    def full(descriptor: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    with mock.patch("os.fsync", full):
        try:
            write(root, library)
        except SidecarError as error:
            counts["stopped by a full disk"] += "make room" in str(error)
    assert is_whole(contents(root), before, after) == 0
    really = os.open

    def forbidden(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if flags & os.O_CREAT and Path(path).parent.name == "00":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return really(path, flags, *rest, **more)

    with mock.patch("os.open", forbidden):
        write(root, library)
    assert is_whole(contents(root), before, after) == 0
    write(root, library)
    assert contents(root) == after
    undo(library)
    assert contents(root) == before, "undo does not give the folder of before"
    counts["finished after both, and taken back"] += 1
    return counts


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        print("ready", flush=True)
        root, library = map(Path, sys.argv[3:5])
        if sys.argv[2] == "write":
            write(root, library)
        else:
            undo(library)
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "photos"
        make_folder(root, options.photos)
        rng = random.Random(options.seed)
        counts = kill_at_random(root, Path(name) / "library.sqlite", options.kills, rng)
        counts += refuse_some(root, Path(name) / "library.sqlite")
    for what, count in sorted(counts.items()):
        print(f"{count:6,}  {what}")


if __name__ == "__main__":
    main()
