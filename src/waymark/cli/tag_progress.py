"""Draw how a library is being tagged: done, photos a second, time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from waymark.progress import Progress

PLAIN_SECONDS = 5.0


@contextmanager
def tag_bar(*, stream: TextIO | None = None) -> Iterator[Progress]:
    """Give a `Progress` that draws on stderr while the block runs; plain lines when piped."""
    stream = stream or sys.stderr
    if not stream.isatty():
        yield rated_lines(lambda line: print(line, file=stream, flush=True))
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    drawing = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}", markup=False),
        console=Console(file=stream),
        transient=True,
    )
    tasks = {}
    rates: dict[str, Rate] = {}
    with drawing:

        def progress(done: int, total: int, what: str) -> None:
            if what not in tasks:
                tasks[what] = drawing.add_task(what, total=None, pace="")
            pace = rates.setdefault(what, Rate()).words(done, total)
            drawing.update(tasks[what], completed=done, total=total or None, pace=pace)

        yield progress


class Rate:
    """How fast something goes, over the last half minute or so."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._marks: list[tuple[float, int]] = []

    def words(self, done: int, total: int) -> str:
        """Return such as `41.2 photos/s, 0:12:05 left`; "" where nothing can be said yet."""
        now = self._clock()
        if not self._marks or now - self._marks[-1][0] >= 1:
            self._marks = [*self._marks[-29:], (now, done)]
        since, then = self._marks[0]
        if now - since < 1 or done <= then:
            return ""
        speed = (done - then) / (now - since)
        if not total:
            return f"{speed:,.0f} photos/s"
        seconds = round((total - done) / speed)
        left = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        return f"{speed:,.1f} photos/s, {left} left"


def rated_lines(
    write: Callable[[str], None],
    *,
    every: float = PLAIN_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> Progress:
    """Report by lines such as `tagging photos: 128/1391, 40.1 photos/s, 0:00:31 left`."""
    rates: dict[str, Rate] = {}
    last: dict[str, float] = {}

    def progress(done: int, total: int, what: str) -> None:
        now = clock()
        pace = rates.setdefault(what, Rate(clock)).words(done, total)
        if now - last.setdefault(what, now) >= every:
            last[what] = now
            count = f"{done}/{total}" if total else f"{done}"
            write(", ".join(part for part in (f"{what}: {count}", pace) if part))

    return progress
