"""Read, decode and recognise photos at the same time, on all cores, with bounded memory.

In:  jobs, taken as they are needed.
Out: a `Result` for each, in order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from waymark.library.beside import read_beside
from waymark.library.scan import Found
from waymark.library.scan_names import Kind, kind_of
from waymark.library.tag_read import raw_mark, read_one
from waymark.library.tag_save import Result
from waymark.photo import cores

if TYPE_CHECKING:
    from waymark.recognise.prediction import Prediction
    from waymark.recognise.recogniser import Recogniser

GUESSES = 10
"""How many guesses of a photo are kept: its neighbours may speak for one that is not the first."""
_BATCH = 8

Job = tuple[Found, bool]
Read = tuple[Result, "NDArray[np.float32] | None"]


def recognise(
    jobs: Iterable[Job],
    recogniser: Recogniser,
    *,
    known: Callable[[bytes], bool],
    workers: int | None = None,
) -> Generator[Result, None, None]:
    """Recognise photos, a few at a time; closing the generator ends the threads.

    Args:
        jobs: photos, and of each whether it is to be read, or only what lies beside it.
        recogniser: what names the landmarks.
        known: see `read_one`.
        workers: threads that decode, and as many for the network; None is one a core.

    Yields:
        A result for each job in its turn.
    """
    threads = workers or cores()
    read = _readings(iter(jobs), recogniser, known, threads)
    waiting: deque[tuple[list[Read], Future[list[Prediction]]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="waymark-network") as pool:
        try:
            while batch := list(islice(read, _BATCH)):
                views = [views for _, views in batch if views is not None]
                waiting.append((batch, pool.submit(_answer, recogniser, views)))
                while len(waiting) > threads or (waiting and waiting[0][1].done()):
                    yield from _joined(*waiting.popleft())
            while waiting:
                yield from _joined(*waiting.popleft())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            read.close()


def _answer(recogniser: Recogniser, views: list[NDArray[np.float32]]) -> list[Prediction]:
    return recogniser.answer_and_embed(np.stack(views), GUESSES)[0] if views else []


def _joined(batch: list[Read], said: Future[list[Prediction]]) -> Iterator[Result]:
    answers = iter(said.result())
    for result, views in batch:
        prediction = None if views is None else next(answers)
        yield result if prediction is None else replace(result, prediction=prediction)


def _readings(
    jobs: Iterator[Job],
    recogniser: Recogniser,
    known: Callable[[bytes], bool],
    threads: int,
) -> Generator[Read, None, None]:
    """Read and decode in threads, a bounded window ahead of the caller, in order."""

    def work(found: Found, content: bool) -> Read:
        beside = read_beside(found.path, found.sidecars, found.takeout)
        raw = found.raw or (found.path if kind_of(found.path) is Kind.RAW else None)
        result = Result(job=found, beside=beside, raw_mark=raw_mark(raw) if raw else b"")
        if not content:
            return result, None
        reading, views = read_one(
            found.path, recogniser.preprocess, tta=recogniser.tta, known=known
        )
        if reading is None:
            return replace(result, gone=True), None
        return replace(result, reading=reading), views

    pool = ThreadPoolExecutor(threads, thread_name_prefix="waymark-read")
    try:
        waiting: deque[Future[Read]] = deque()
        for job in islice(jobs, 3 * threads):  # one in each thread, two in waiting
            waiting.append(pool.submit(work, *job))
        while waiting:
            yield waiting.popleft().result()
            for job in islice(jobs, 1):
                waiting.append(pool.submit(work, *job))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
