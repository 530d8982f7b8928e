"""Draw progress on stderr: a bar on a terminal, a plain line now and then when piped."""

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
def bar(*, stream: TextIO | None = None) -> Iterator[Progress]:
    """Give a `Progress` that draws while the block runs.

    Args:
        stream: where to draw; stderr by default, so that stdout stays clean for a pipe.
    """
    stream = stream or sys.stderr
    if stream.isatty():
        with _rich_bar(stream) as progress:
            yield progress
    else:
        yield plain_lines(lambda line: print(line, file=stream, flush=True))


def plain_lines(
    write: Callable[[str], None],
    *,
    every: float = PLAIN_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> Progress:
    """Report by lines such as `embedding photos: 128/1391`, at most one in `every` seconds.

    Quick work stays silent. A step that lasted long enough to be seen also says when it ends.
    """
    started: dict[str, float] = {}
    last: dict[str, float] = {}

    def progress(done: int, total: int, what: str) -> None:
        now = clock()
        began = started.setdefault(what, now)
        due = now - last.get(what, began) >= every
        ended = bool(total) and done >= total and what in last
        if due or ended:
            last[what] = now
            write(f"{what}: {done}/{total}" if total else f"{what}: {done}")
        if total and done >= total:
            started.pop(what, None)
            last.pop(what, None)

    return progress


@contextmanager
def _rich_bar(stream: TextIO) -> Iterator[Progress]:
    """Draw a rich bar for each kind of work; it goes away when the block ends."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(file=stream), transient=True) as drawing:

        def progress(done: int, total: int, what: str) -> None:
            if what not in tasks:
                tasks[what] = drawing.add_task(what, total=None)
            drawing.update(tasks[what], completed=done, total=total or None)

        yield progress
