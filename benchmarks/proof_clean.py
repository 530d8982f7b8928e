"""Show that a quarantine loses nothing, however often it is killed, and is undone exactly.

Photos with names of every kind, links among them, are moved out of a dataset and brought
back, by processes that are killed (SIGKILL) at random moments, or end between two calls of a
function. After each end every photo is whole in one of the two places; at last the dataset is
as it was: names, content, times, permissions, links. Once within a file system, once across.

    python benchmarks/proof_clean.py [--photos 400] [--kills 200] [--step 25]
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import os
import random
import signal
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from waymark.curate.quarantine import LOG, quarantine, restore
from waymark.samples import SAMPLES, render

ODD_NAMES = (
    b"plain.jpg",
    b" blank .jpg",
    b"-dash.jpg",
    b"=1+1,\"'.jpg",
    b"two\nlines.jpg",
    b"bell\x07.jpg",
    b"latin-\xe9.jpg",
    "e\u0301 \u6771\u4eac \U0001f5fc.jpg".encode(),
    b"%s" % (b"x" * 251 + b".jpg"),
    b"no-ending",
)
Entry = tuple[str, int, int, str]


def snapshot(root: Path) -> dict[bytes, Entry]:
    """Return everything below a folder: kind, permissions, time, and content or target."""
    found: dict[bytes, Entry] = {}
    for folder, names, files in os.walk(os.fsencode(root)):
        for name in (*names, *files):
            path = Path(os.fsdecode(os.path.join(folder, name)))  # noqa: PTH118  # bytes
            found[os.path.relpath(os.fsencode(path), os.fsencode(root))] = entry(path)
    return found


def entry(path: Path) -> Entry:
    """Return what a place holds; of a folder only that it is one, with its permissions."""
    facts = path.lstat()
    mode = stat.S_IMODE(facts.st_mode)
    if stat.S_ISLNK(facts.st_mode):
        return (
            "link",
            mode,
            facts.st_mtime_ns,
            os.fsdecode(path.readlink()).encode("utf-8", "surrogateescape").hex(),
        )
    if stat.S_ISDIR(facts.st_mode):
        return "folder", mode, 0, ""
    return "file", mode, facts.st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest()


def make_dataset(root: Path, photos: int) -> list[str]:
    """Write rendered photos under odd names, and links; return their paths."""
    rng = random.Random(0)
    base = root.parent / f"{root.name}-elsewhere"
    base.mkdir(parents=True)
    rendered = []
    for number, name in enumerate(SAMPLES[:4]):
        file = base / f"{number}.jpg"
        render(name, seed=number, size=(48, 32)).save(file)
        rendered.append(file)
    paths = []
    for number in range(photos):
        folder = root / ("caf\udce9" if number % 5 == 4 else f"label {number % 5}")
        folder.mkdir(parents=True, exist_ok=True)
        odd = os.fsdecode(ODD_NAMES[number % len(ODD_NAMES)])
        name = odd if number < 5 * len(ODD_NAMES) else f"{number}.jpg"
        path = folder / name
        if os.path.lexists(path):
            path = folder / f"{number}.jpg"
        if number % 7 == 3:
            path.symlink_to(rendered[number % 4].resolve())
        elif number % 7 == 5:
            path.symlink_to("../nowhere.jpg" if number % 2 else "0.jpg")
        else:
            data = rendered[number % 4].read_bytes() + number.to_bytes(4, "big")
            path.write_bytes(data)
            path.chmod(rng.choice((0o644, 0o600, 0o444)))
        times = (rng.randrange(10**18, 2 * 10**18), rng.randrange(10**18, 2 * 10**18))
        os.utime(path, ns=times, follow_symlinks=False)
        paths.append(path.relative_to(root).as_posix())
    return paths


def run_child(work: Callable[[], object], stop: Callable[[int], None]) -> int:
    """Do something in another process, which `stop` may end; return its exit code."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
    stop(pid)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def whole(before: dict[bytes, Entry], root: Path, folder: Path) -> None:
    """Raise unless each photo is, as it was, in one of the two places (or in both)."""
    for name, was in before.items():
        if was[0] == "folder":
            continue
        places = [Path(os.fsdecode(os.path.join(os.fsencode(p), name))) for p in (root, folder)]  # noqa: PTH118
        there = [entry(place) for place in places if os.path.lexists(place)]
        if not there or any(found != was for found in there):
            raise ValueError(f"{name!r} was {was}, and is {there}")


def prove_kills(folder: Path, kept: Path, *, photos: int, kills: int, seed: int = 0) -> int:
    """Move photos out and back, killed again and again, until there were `kills`.

    Returns:
        Number of times that the photos went there and back.

    Raises:
        ValueError: something is lost, or not as it was.
    """
    rng = random.Random(seed)
    root = folder / "dataset"
    paths = make_dataset(root, photos)
    moved = {path: "blurred" for path in paths if rng.random() < 0.8}
    before = snapshot(root)
    there = kept / "quarantine"
    killed = rounds = 0
    longest = {
        "out": seconds_of(lambda: quarantine(moved, root, there)),
        "back": seconds_of(lambda: restore(there / LOG, root)),
    }
    while killed < kills:
        for way, work in (
            ("out", lambda: quarantine(moved, root, there)),
            ("back", lambda: restore(there / LOG, root)),
        ):
            tries = 0
            code = -signal.SIGKILL
            while code == -signal.SIGKILL and (way == "out" or (there / LOG).exists()):
                wait = rng.uniform(0, longest[way]) if tries < 4 and killed < kills else None
                tries += 1

                def stop(pid: int, wait: float | None = wait) -> None:
                    if wait is not None:
                        time.sleep(wait)
                        os.kill(pid, signal.SIGKILL)

                code = run_child(work, stop)
                killed += code == -signal.SIGKILL
                whole(before, root, there)
            if code not in (0, -signal.SIGKILL):
                raise ValueError(f"the way {way} ended with {code}")
            if way == "out" and set(snapshot(root)) & {os.fsencode(path) for path in moved}:
                raise ValueError("not everything was moved out")
        if snapshot(root) != before:
            raise ValueError("the dataset is not as it was")
        rounds += 1
    return rounds


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long another process takes to do something."""
    started = time.perf_counter()
    if code := run_child(work, lambda _: None):
        raise ValueError(f"ended with {code}")
    return time.perf_counter() - started


def prove_steps(folder: Path, kept: Path, *, step: int) -> int:
    """End a quarantine, or a restore, at its 1st, (1 + step)th, ... call of a function.

    Returns:
        Number of ends.

    Raises:
        ValueError: what came next did not make the dataset what it was.
    """
    root = folder / "dataset"
    paths = make_dataset(root, 8)
    moved = dict.fromkeys(paths, "dark")
    before = snapshot(root)
    there = kept / "quarantine"

    def ending(calls: int, work: Callable[[], object]) -> int:
        def counted() -> None:
            left = calls

            def count(_frame: Any, event: str, _: Any) -> None:
                nonlocal left
                left -= event != "return"
                if not left:
                    os._exit(9)

            sys.setprofile(count)
            work()
            sys.setprofile(None)

        return run_child(counted, lambda _: None)

    quarantine(moved, root, there)  # imports are not what is to be ended
    restore(there / LOG, root)
    ends = 0
    for way, work in (
        ("out", lambda: quarantine(moved, root, there)),
        ("back", lambda: restore(there / LOG, root)),
    ):
        for calls in range(1, 1_000_000, step):
            if way == "back":
                quarantine(moved, root, there)
            code = ending(calls, work)
            if code not in (0, 9):
                raise ValueError(f"failed after an end at call {calls}")
            whole(before, root, there)
            ends += code == 9
            if way == "out" and ends % 2:  # finished first, or undone as it is
                quarantine(moved, root, there)
            if (there / LOG).exists() and restore(there / LOG, root).left:
                raise ValueError(f"something was left after an end at call {calls}")
            if snapshot(root) != before:
                raise ValueError(f"not as it was after an end at call {calls} of the way {way}")
            if there.exists():
                _empty(there)
            if code == 0:
                break
    return ends


def _empty(there: Path) -> None:
    """Remove what an end left of a quarantine: nothing but what holds no photo."""
    for path in sorted(there.rglob("*"), reverse=True):
        if path.is_dir():
            path.rmdir()
        elif path.name.startswith(".") and path.name.endswith(".part"):
            path.unlink()
        else:
            raise ValueError(f"{path} was left behind")
    there.rmdir()


@contextmanager
def across(wanted: bool) -> Iterator[None]:
    """Let no file have a second name, as between two file systems."""
    link = os.link

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    if wanted:
        os.link = refuse
    try:
        yield
    finally:
        os.link = link


def main() -> None:
    """Prove and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--photos", type=int, default=400)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--step", type=int, default=25)
    options = parser.parse_args()
    other = Path("/dev/shm")
    for what in ("within a file system", "across, as the system refuses", "across two, really"):
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as near:
            if what.endswith("really"):
                if not other.is_dir() or other.stat().st_dev == Path(one).stat().st_dev:
                    print(f"{what}: skipped, for there is only one here")
                    continue
                far = tempfile.TemporaryDirectory(dir=other)
                kept = Path(far.name)
            else:
                kept = Path(near)
            with across(what.endswith("refuses")):
                rounds = prove_kills(
                    Path(one) / "a", kept, photos=options.photos, kills=options.kills
                )
                ends = prove_steps(Path(one) / "b", kept, step=options.step)
            print(
                f"{what}: {options.photos} photos out and back {rounds} times, killed "
                f"{options.kills} times; ended at {ends} places between two calls: nothing lost, "
                "and as it was"
            )


if __name__ == "__main__":
    main()
