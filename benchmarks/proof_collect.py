"""Show that collecting survives servers that misbehave, and being killed at any moment.

A real HTTP server misbehaves in every way of `WAYS`; each ends in the right number of photos,
a reason in skipped.csv, and no partial file. Then a collection is killed (SIGKILL) again and
again: nothing that was there is asked for twice, and nothing is lost.

    python benchmarks/proof_collect.py [--photos 300] [--kills 25] [--step 9]
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from collect_server import PRIVATE, Handler, Server, Time, photo, serving, web
from collect_ways import ROBOTS, WAYS, Way, behave, bomb
from waymark.curate.collect import Caps, Report, collect
from waymark.curate.sources import Desk, Find
from waymark.curate.sources.urls import Urls
from waymark.dataset.index import read_dataset
from waymark.errors import DatasetError
from waymark.photo import read_photo

CAP = 1 << 20


def run_way(way: Way, out: Path) -> tuple[Report, Server, Server, Time]:
    """Collect from a server that misbehaves in one way."""
    time_ = Time()
    inside = serving(lambda _, h: h.send(photo()), PRIVATE)
    with serving(behave, robots=ROBOTS) as server, inside as private:
        ports = {"port": server.port, "private": private.port, "name": way.name}
        listed = out.parent / f"{out.name}.txt"
        listed.write_text("".join(f"{url.format(**ports)}\n" for url in way.urls))
        source = Urls(file=listed, label=way.name)
        caps = Caps(photo_bytes=CAP)
        report = collect(source, out, web=web(time_, way.manners), caps=caps)
    return report, server, private, time_


def wrong_with(way: Way, out: Path, report: Report, server: Server, private: Server) -> list[str]:
    """Return what is not as it must be after a way; nothing, if all is well."""
    wrong = []
    files = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    photos = [name for name in files if "/" in name]
    try:
        listed = [
            p.path.relative_to(out).as_posix() for p in read_dataset(out / "manifest.csv").photos
        ]
    except DatasetError:
        listed = []
    skipped = rows_of(out / "skipped.csv")
    if not report.taken == len(photos) == len(listed) == way.taken or photos != sorted(listed):
        wrong.append(f"{report.taken} photos taken, files {photos}, listed {listed}")
    for name in photos:
        read_photo(out / name)
    reasons = [row["reason"] for row in skipped]
    if bool(way.reason) != bool(reasons) or not all(way.reason in reason for reason in reasons):
        wrong.append(f"reasons {reasons}, expected {way.reason!r}")
    if any((row["again"] == "yes") != way.again for row in skipped):
        wrong.append(f"again is {[row['again'] for row in skipped]}, expected {way.again}")
    if set(files) - set(photos) - {"manifest.csv", "skipped.csv"}:
        wrong.append(f"left behind: {files}")
    asked = sum(n for (_, path), n in server.counts.items() if path == "/photo.jpg")
    if way.asked is not None and asked != way.asked:
        wrong.append(f"asked {asked} times, expected {way.asked}")
    if private.counts:
        wrong.append(f"the private server was asked: {private.counts}")
    return wrong


def rows_of(table: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV; none if it is not there."""
    if not table.exists():
        return []
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def prove_kills(folder: Path, *, photos: int, kills: int, seed: int = 0) -> dict[str, int]:
    """Kill a collection again and again; return what was asked for and what is there.

    Raises:
        ValueError: something was fetched twice, or lost.
    """
    rng = random.Random(seed)
    halfway = threading.Event()

    def slowly(_: str, handler: Handler) -> None:
        body = photo(int(handler.path[1:].partition(".")[0]))
        handler.begin(Content_Length=str(len(body)))
        handler.wfile.write(body[: len(body) // 2])
        handler.wfile.flush()
        halfway.set()
        time.sleep(0.004)
        handler.wfile.write(body[len(body) // 2 :])

    out, listed = folder / "out", folder / "list.csv"
    with serving(slowly) as server:
        address = f"http://127.0.0.1:{server.port}"
        lines = [f"{address}/{number}.jpg,{number % 7}\n" for number in range(photos)]
        listed.write_text("url,label\n" + "".join(lines))
        command = [sys.executable, "-m", "waymark", "data", "collect", "urls", str(listed)]
        command += ["--out", str(out), "--allow-private", "--pause", "0"]
        killed, code = 0, -signal.SIGKILL
        while code == -signal.SIGKILL:
            had = {row["file_url"] for row in rows_of(out / "manifest.csv") if row["sha256"]}
            before = Counter(server.counts)
            running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if killed < kills:
                halfway.clear()
                halfway.wait(60)
                time.sleep(rng.uniform(0, 0.012 * photos / kills))
                running.kill()
            said, _ = running.communicate(timeout=300)
            code = running.returncode
            killed += code == -signal.SIGKILL
            again = [path for _, path in server.counts - before if f"{address}{path}" in had]
            if again:
                raise ValueError(f"{again} were there, and were asked for again")
        if code:
            raise ValueError(said.decode())
        asked = {path: n for (_, path), n in server.counts.items() if path != "/robots.txt"}
    check_whole(out, photos)
    twice = sum(count - 1 for count in asked.values())
    if twice > killed:
        raise ValueError(f"{twice} photos asked for again after {killed} kills")
    return {"photos": photos, "kills": killed, "requests": sum(asked.values()), "again": twice}


class Counted:
    """Three photos; writes down each time one of them is read."""

    source = "counted"

    def __init__(self, log: Path) -> None:
        self.log = log

    def find(self, _: Desk) -> Iterator[Find]:
        for number in range(3):
            yield Find(
                name=f"photo {number}",
                label="0",
                title="photo",
                url=f"{number}.jpg",
                read=partial(self.read, number),
            )

    def read(self, number: int, _: int) -> bytes:
        with self.log.open("a") as log:
            log.write(f"{number}\n")
        return photo(number)


def prove_steps(folder: Path, *, step: int) -> dict[str, int]:
    """End a collection at its 1st, (1 + step)th, ... call of a function, as a kill would.

    Raises:
        ValueError: the next run did not make it whole, or read more than one photo again.
    """
    collect(Counted(folder / "log"), folder / "out")  # imports are not what is to be ended

    def run(out: Path, log: Path, calls: int) -> int:
        pid = os.fork()
        if pid == 0:
            left = calls

            def count(_frame: Any, event: str, _: Any) -> None:
                nonlocal left
                left -= event != "return"
                if not left:
                    os._exit(9)

            try:
                sys.setprofile(count)
                collect(Counted(log), out)
                os._exit(0)
            except BaseException:
                os._exit(1)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    again = ends = 0
    for calls in range(1, 1_000_000, step):
        out, log = folder / f"out-{calls}", folder / f"log-{calls}"
        code = run(out, log, calls)
        if code == 0:
            break
        ends += 1
        if code != 9 or run(out, log, 0):
            raise ValueError(f"failed after an end at call {calls}")
        check_whole(out, 3)
        more = len(log.read_text().split()) - 3
        if more > 1:
            raise ValueError(f"{more} photos read again after an end at call {calls}")
        again += more
    return {"ends": ends, "again": again}


def check_whole(out: Path, photos: int) -> None:
    """Raise unless each photo is there once, as it was sent, and nothing else is."""
    rows = rows_of(out / "manifest.csv")
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    listed = {row["path"] for row in rows}
    if not photos == len(rows) == len(listed) or files != {*listed, "manifest.csv"}:
        raise ValueError(f"{photos} photos, {len(rows)} rows, {len(files)} files: {files ^ listed}")
    for row in rows:
        number = int(row["file_url"].rpartition("/")[2].partition(".")[0])
        if (out / row["path"]).read_bytes() != photo(number):
            raise ValueError(f"{row['path']} is another photo than was sent")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photos", type=int, default=300)
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--step", type=int, default=9)
    options = parser.parse_args()
    failed = 0
    print(f"{'the server is':22}{'photos':>7}{'asked':>6}  what skipped.csv says")
    with tempfile.TemporaryDirectory() as folder:
        for way in WAYS:
            out = Path(folder) / way.name
            bomb()  # made before the clock runs
            report, server, private, _ = run_way(way, out)
            reasons = {row["reason"] for row in rows_of(out / "skipped.csv")}
            asked = sum(n for (_, path), n in server.counts.items() if path != "/robots.txt")
            print(f"{way.name:22}{report.taken:7}{asked:6}  {'; '.join(reasons)[:90]}")
            for line in wrong_with(way, out, report, server, private):
                print(f"    WRONG: {line}")
                failed += 1
        print(f"{len(WAYS)} ways, {failed} of them wrong")
    with tempfile.TemporaryDirectory() as folder:
        found = prove_kills(Path(folder), photos=options.photos, kills=options.kills)
    print(
        "{photos} photos, killed {kills} times: {requests} requests; {again} photos that were "
        "on their way at a kill were asked for again, none that had come; none lost".format(**found)
    )
    with tempfile.TemporaryDirectory() as folder:
        found = prove_steps(Path(folder), step=options.step)
    print(
        "3 photos, ended at {ends} places between two calls: {again} times the photo in hand "
        "was read again, never one that had come; none lost".format(**found)
    )
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
