"""Show that 2,000 hostile uploads leave the server as it was.

A real `waymark serve` is sent what `serve_attacks.py` makes: photos that are cut off,
damaged, bombs or something else as well, forms and headers that no browser sends, senders
that are slow or hang up. Every answer must be one that is meant (no 500), good photos sent
in between must be answered as before, no worker may die, and memory must stay within a
limit. What a file did to its decoder shows in how many decoders were replaced.

    python benchmarks/proof_serve.py [--uploads 2000] [--at-once 8] [--limit-mb 3000]
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import struct
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import psutil

from serve_attacks import ATTACKS, Attack, photo, request
from serve_load import memory, serving, tree

MEANT = {200, 204, 303, 400, 403, 404, 405, 408, 413, 415, 421, 422, 431, 503}
ANSWER_S = 60.0


def send(port: int, attack: Attack) -> int | None:
    """Send an attack; return the status of the answer, or None where there was none."""
    data = attack.data if attack.cut is None else attack.data[: attack.cut]
    with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S) as link:
        # What is refused early is not read: the connection ends while we still send.
        with suppress(ConnectionError):
            for start in range(0, len(data), attack.piece):
                link.sendall(data[start : start + attack.piece])
                time.sleep(attack.pause)
        if attack.reset:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return None
        if attack.cut is not None:
            return None
        link.settimeout(attack.patience)
        said = b""
        with suppress(ConnectionError, TimeoutError):
            while part := link.recv(65_536):
                said += part
    return int(said.split(b" ", 2)[1]) if said.startswith(b"HTTP/1.1 ") else None


def good(port: int) -> Any:
    """Send a good photo; return what is said of it. A full queue is waited out."""
    until = time.monotonic() + ANSWER_S
    while True:
        with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S) as link:
            link.sendall(request(photo("JPEG")))
            said = b""
            while part := link.recv(65_536):
                said += part
        head, _, body = said.partition(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 200 "):
            return json.loads(body)
        if not head.startswith(b"HTTP/1.1 503 ") or time.monotonic() > until:
            raise ValueError(f"a good photo was answered {head[:200]!r}")
        time.sleep(0.2)


class Watch(threading.Thread):
    """Notes the most memory that a server has, and all decoders it ever had."""

    def __init__(self, process: psutil.Process) -> None:
        super().__init__(daemon=True)
        self._process = process
        self._ended = threading.Event()
        self.peak = 0.0
        self.decoders: set[int] = set()

    def run(self) -> None:
        while not self._ended.wait(0.05):
            with suppress(psutil.Error):
                self.peak = max(self.peak, memory(self._process))
                self.decoders |= members(self._process, "waymark.serve.decoder")

    def end(self) -> None:
        self._ended.set()
        self.join()


def members(process: psutil.Process, what: str) -> set[int]:
    """Return the processes of a server whose command has these words."""
    found = set()
    for one in tree(process):
        with suppress(psutil.Error):
            if what in " ".join(one.cmdline()):
                found.add(one.pid)
    return found


def prove(
    *,
    uploads: int,
    at_once: int,
    limit_mb: float,
    bundle: str = "world",
    seed: int = 0,
    patience: float = ANSWER_S,
) -> dict[str, Any]:
    """Send the attacks, wait at most `patience` seconds each; return what came of them.

    Raises:
        ValueError: if an answer was none that is meant, a good photo was answered otherwise
            than before, a worker died, or memory grew beyond the limit.
    """
    kinds, weights = zip(*ATTACKS, strict=True)
    rng = random.Random(seed)
    chosen = [(kind, kind(rng)) for kind in rng.choices(kinds, weights, k=uploads)]
    chosen = [
        (kind, replace(attack, patience=min(attack.patience, patience))) for kind, attack in chosen
    ]
    answers: dict[str, Counter[Any]] = {kind.__name__: Counter() for kind in kinds}
    with serving("--bundle", bundle) as (url, process):
        port = int(url.rstrip("/").rpartition(":")[2])
        before = good(port)
        workers = members(process, "spawn_main")
        watch = Watch(process)
        watch.start()
        rest = memory(process)
        with ThreadPoolExecutor(at_once) as pool:
            for start in range(0, len(chosen), 100):
                some = chosen[start : start + 100]
                statuses = pool.map(lambda pair: send(port, pair[1]), some)
                for (kind, _), status in zip(some, statuses, strict=True):
                    answers[kind.__name__][status] += 1
                if good(port) != before:
                    raise ValueError("a good photo is answered otherwise than before")
        watch.end()
        after = memory(process)
        if members(process, "spawn_main") != workers:
            raise ValueError("a worker died")
    strange = {status for seen in answers.values() for status in seen} - MEANT - {None}
    if strange:
        raise ValueError(f"answers that are not meant: {strange} among {answers}")
    if watch.peak > limit_mb:
        raise ValueError(f"memory grew to {watch.peak:.0f} MB; at most {limit_mb:.0f} are allowed")
    return {
        "answers": {name: dict(seen) for name, seen in answers.items()},
        "before_mb": rest,
        "peak_mb": watch.peak,
        "after_mb": after,
        "decoders": len(watch.decoders),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--uploads", type=int, default=2000)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--limit-mb", type=float, default=3000)
    options = parser.parse_args()
    try:
        found = prove(uploads=options.uploads, at_once=options.at_once, limit_mb=options.limit_mb)
    except ValueError as error:
        sys.exit(f"WRONG: {error}")
    for name, seen in found["answers"].items():
        told = ", ".join(
            f"{count} x {status or 'no answer'}"
            for status, count in sorted(seen.items(), key=lambda pair: -pair[1])
        )
        print(f"{name:12} {sum(seen.values()):5}  {told}")
    print(
        f"{options.uploads} hostile uploads: no answer that is not meant, no worker lost, good "
        f"photos answered as before; {found['decoders']} decoders in all; memory of all "
        f"processes {found['before_mb']:.0f} MB before, {found['peak_mb']:.0f} MB at most, "
        f"{found['after_mb']:.0f} MB after"
    )


if __name__ == "__main__":
    main()
