"""Photos of many requests, run through the network together.

In:  one photo's views after the other, from any number of requests.
Out: a future answer for each: whatever the run makes of it.

A run of eight photos costs a fifth less than eight runs. So a photo waits for others, but
only while others are on their way, and never longer than a small window.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Views = NDArray[np.float32]
Run = Callable[[Sequence[Views], int], Sequence[Any]]


class _Waiting(NamedTuple):
    views: Views
    k: int
    since: float
    future: asyncio.Future[Any]


class Batcher:
    """Gathers photos and runs them; belongs to one event loop.

    Attributes:
        on_the_way: photos that are being decoded: worth a short wait. The caller counts.
    """

    def __init__(
        self,
        run: Run,
        pool: Executor,
        *,
        window_s: float,
        max_batch: int,
        at_once: int,
        note: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Make one; it needs a running event loop only once `put` is called.

        Args:
            run: names the landmarks of a batch: each photo's views, and the largest k.
            pool: threads that `run` is called in.
            window_s: longest wait for others; 0 runs each photo by itself.
            max_batch: photos a run.
            at_once: runs at the same time.
            note: told the size of each batch.
        """
        self._run = run
        self._pool = pool
        self._window = window_s
        self._max = max_batch if window_s else 1
        self._at_once = at_once
        self._note = note
        self._waiting: deque[_Waiting] = deque()
        self._running = 0
        self._timer: asyncio.TimerHandle | None = None
        self.on_the_way = 0

    def put(self, views: Views, k: int) -> asyncio.Future[Any]:
        """Hand in a photo; the future has what the run makes of it, for at least `k` guesses."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._waiting.append(_Waiting(views, k, loop.time(), future))
        self.pump()
        return future

    def pump(self) -> None:
        """Start what can start; called whenever something has changed."""
        loop = asyncio.get_running_loop()
        while self._waiting and self._running < self._at_once:
            due = self._waiting[0].since + self._window
            if len(self._waiting) < self._max and self.on_the_way and loop.time() < due:
                if self._timer is None:
                    self._timer = loop.call_at(due, self._ring)
                return
            self._start(loop)

    def _ring(self) -> None:
        self._timer = None
        self.pump()

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        count = min(self._max, len(self._waiting))
        taken = [self._waiting.popleft() for _ in range(count)]
        batch = [one for one in taken if not one.future.cancelled()]
        if not batch:
            return
        self._running += 1
        self._note(len(batch))
        views, k = [one.views for one in batch], max(one.k for one in batch)
        running = loop.run_in_executor(self._pool, self._run, views, k)
        running.add_done_callback(lambda done: self._finish(batch, done))

    def _finish(self, batch: list[_Waiting], done: asyncio.Future[Sequence[Any]]) -> None:
        self._running -= 1
        error = None if done.cancelled() else done.exception()
        for row, one in enumerate(batch):
            if one.future.done():
                continue
            if done.cancelled():
                one.future.cancel()
            elif error is not None:
                one.future.set_exception(error)
            else:
                one.future.set_result(done.result()[row])
        self.pump()
