"""Read, decode and recognise photos at the same time, on all cores, with bounded memory.

In:  jobs, taken as they are needed.
Out: (job, reading, prediction) in order; the prediction is None where there is nothing new.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from waymark.library.scan import Found
from waymark.library.tag_read import Reading, read_one
from waymark.photo import cores

if TYPE_CHECKING:
    from waymark.recognise.prediction import Prediction
    from waymark.recognise.recogniser import Recogniser

GUESSES = 10
"""How many guesses of a photo are kept: its neighbours may speak for one that is not the first."""
_BATCH = 8

Read = tuple[Found, Reading | None]
Done = tuple[Found, Reading | None, "Prediction | None"]


def recognise(
    jobs: Iterable[Found],
    recogniser: Recogniser,
    *,
    known: Callable[[bytes], bool],
    workers: int | None = None,
) -> Iterator[Done]:
    """Recognise photos, a few at a time; closing the generator ends the threads.

    Args:
        jobs: what to read.
        recogniser: what names the landmarks.
        known: see `read_one`.
        workers: threads that decode, and as many for the network; None is one a core.

    Yields:
        Each job in its turn; its reading is None where the file is gone.
    """
    threads = workers or cores()
    read = _readings(iter(jobs), recogniser, known, threads)
    waiting: deque[tuple[list[Read], Future[list[Prediction]]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="waymark-network") as pool:
        try:
            while batch := list(islice(read, _BATCH)):
                views = [r.views for _, r in batch if r is not None and r.views is not None]
                slim = [(job, r and replace(r, views=r.views[:0] if _new(r) else None))
                        for job, r in batch]  # fmt: skip
                waiting.append((slim, pool.submit(_answer, recogniser, views)))
                while len(waiting) > threads or (waiting and waiting[0][1].done()):
                    yield from _joined(*waiting.popleft())
            while waiting:
                yield from _joined(*waiting.popleft())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            read.close()


def _new(reading: Reading) -> bool:
    return reading.views is not None


def _answer(recogniser: Recogniser, views: list[np.ndarray]) -> list[Prediction]:
    return recogniser.answer(np.stack(views), GUESSES) if views else []


def _joined(batch: list[Read], said: Future[list[Prediction]]) -> Iterator[Done]:
    answers = iter(said.result())
    for job, reading in batch:
        recognised = reading is not None and reading.views is not None
        yield job, reading, next(answers) if recognised else None


def _readings(
    jobs: Iterator[Found],
    recogniser: Recogniser,
    known: Callable[[bytes], bool],
    threads: int,
) -> Iterator[Read]:
    """Read and decode in threads, a bounded window ahead of the caller, in order."""

    def work(job: Found) -> Read:
        return job, read_one(job.path, recogniser.preprocess, tta=recogniser.tta, known=known)

    pool = ThreadPoolExecutor(threads, thread_name_prefix="waymark-read")
    try:
        waiting: deque[Future[Read]] = deque()
        for job in islice(jobs, 3 * threads):  # one in each thread, two in waiting
            waiting.append(pool.submit(work, job))
        while waiting:
            yield waiting.popleft().result()
            for job in islice(jobs, 1):
                waiting.append(pool.submit(work, job))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
