"""The other side of `serve_load.py`: clients that post photos, in a process of their own.

Each client keeps one connection and posts the bytes of one photo after the other. What it
prints is one JSON object: seconds, statuses, latencies.

    python benchmarks/serve_client.py URL FOLDER --clients 32 (--seconds 60 | --requests 1000)
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

HEAD = (
    "POST /api/v1/predict HTTP/1.1\r\nHost: {host}\r\nContent-Type: image/jpeg\r\n"
    "Content-Length: {length}\r\n\r\n"
)


class Load:
    """What the clients share: when to stop, and what happened."""

    def __init__(self, photos: list[bytes], *, seconds: float, requests: int) -> None:
        self.photos = itertools.cycle(photos)
        self.left = requests or 10**9
        self.until = time.monotonic() + (seconds or 10**9)
        self.statuses: Counter[str] = Counter()
        self.latencies: list[float] = []

    def next(self) -> bytes | None:
        if self.left <= 0 or time.monotonic() > self.until:
            return None
        self.left -= 1
        return next(self.photos)


async def client(load: Load, host: str, port: int) -> None:
    """Post until there is no more to do; connect anew where the server has closed."""
    reader = writer = None
    while (photo := load.next()) is not None:
        started = time.perf_counter()
        try:
            if writer is None:
                reader, writer = await asyncio.open_connection(host, port, limit=2**20)
            writer.write(HEAD.format(host=f"{host}:{port}", length=len(photo)).encode())
            writer.write(photo)
            await writer.drain()
            status, retry, stays = await answer(reader)
        except (OSError, asyncio.IncompleteReadError):
            load.statuses["connection"] += 1
            writer = None
            await asyncio.sleep(0.05)
            continue
        load.statuses[status] += 1
        if status == "200":
            load.latencies.append(time.perf_counter() - started)
        if not stays:
            writer.close()
            writer = None
        if retry:
            await asyncio.sleep(retry)
    if writer is not None:
        writer.close()


async def answer(reader: asyncio.StreamReader) -> tuple[str, float, bool]:
    """Read an answer; return its status, the seconds of Retry-After, and whether to go on."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
    await reader.readexactly(int(fields["content-length"]))
    retry = float(fields.get("retry-after", 0))
    return head.split(" ")[1], retry, fields.get("connection") != "close"


async def run(load: Load, url: str, clients: int) -> dict[str, object]:
    """Let all clients post; return what happened."""
    parts = urlsplit(url)
    started = time.monotonic()
    await asyncio.gather(
        *(client(load, parts.hostname or "", parts.port or 80) for _ in range(clients))
    )
    return {
        "seconds": time.monotonic() - started,
        "statuses": load.statuses,
        "latencies": load.latencies,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--requests", type=int, default=0)
    options = parser.parse_args()
    photos = [path.read_bytes() for path in sorted(options.folder.glob("*.jpg"))]
    load = Load(photos, seconds=options.seconds, requests=options.requests)
    print(json.dumps(asyncio.run(run(load, options.url, options.clients))))


if __name__ == "__main__":
    main()
