"""Do a run's jobs: read and recognise what is new, store it in batches, leave others to others.

In:  a `Plan`, a recogniser, a library.
Out: rows of the library, and a `Saver` that has counted them.

Several runs may work on one library. Each photo is claimed by the run that reads it, until it is
stored; what another has in hand is looked at again when the rest is done.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from threading import Lock
from typing import TYPE_CHECKING, Self

from waymark.errors import LibraryError
from waymark.library.scan import Found
from waymark.library.store import Store
from waymark.library.tag_claims import Claims
from waymark.library.tag_plan import Plan
from waymark.library.tag_save import Result, Saver
from waymark.library.tag_stream import recognise
from waymark.progress import Progress

if TYPE_CHECKING:
    from waymark.gazetteer import Landmark
    from waymark.recognise.recogniser import Recogniser

BATCH, BATCH_S = 64, 2.0
"""A batch is stored when it has that many photos, or is that many seconds old."""
_PATIENCE_S = 0.5  # between two looks whether another run is through with a photo


def do_jobs(
    plan: Plan,
    store: Store,
    recogniser: Recogniser,
    landmarks: Mapping[int, Landmark],
    *,
    workers: int | None,
    progress: Progress,
) -> Saver:
    """Do all jobs; those that another run has in hand when it is through with them.

    Args:
        plan: what there is to do.
        store: the library.
        recogniser: what names the landmarks.
        landmarks: those that it knows, by their numbers in the library.
        workers: threads that decode, and as many for the network; None is one a core.
        progress: is told of photos tagged.

    Raises:
        LibraryError: the library cannot be written; what was stored before is kept.
    """
    bundle = recogniser.bundle.short_hash
    saver = Saver(store, landmarks, bundle=bundle, threshold=recogniser.threshold)
    try:
        claims = Claims(store.path)
    except OSError as error:
        raise LibraryError(
            f"beside the library {store.path} nothing can be written ({error.strerror}); "
            "name another with --library."
        ) from error
    total, left = plan.todo, 0
    with claims, _Known(store, bundle) as known:
        while True:
            queue = _Queue(plan, claims)
            batch = _Batch(saver, claims, known)
            stream = recognise(queue, recogniser, known=known, workers=workers)
            try:
                for result in stream:
                    batch.add(result)
                    left += 1
                    progress(min(left, total), total, "tagging photos")
                batch.store()
            finally:
                stream.close()
            left = total - queue.others - batch.again
            if left == total:
                progress(total, total, "tagging photos")
                return saver
            if not batch.stored:
                time.sleep(_PATIENCE_S)


class _Queue:
    """The jobs that this run takes, in order, each claimed.

    Attributes:
        others: jobs left to other runs, which have them in hand.
    """

    def __init__(self, plan: Plan, claims: Claims) -> None:
        self._plan, self._claims = plan, claims
        self.others = 0

    def __iter__(self) -> Iterator[tuple[Found, bool]]:
        for job, content in self._plan.jobs():
            if not self._claims.claim(job.path):
                self.others += 1
            elif self._plan.done(job):
                self._claims.release(job.path)
            else:
                yield job, content


class _Batch:
    """Results that wait to be stored together.

    Attributes:
        stored: number of results stored.
        again: number of those that must be read again.
    """

    def __init__(self, saver: Saver, claims: Claims, known: _Known) -> None:
        self._saver, self._claims, self._known = saver, claims, known
        self._waiting: list[Result] = []
        self._since = time.monotonic()
        self.stored = self.again = 0

    def add(self, result: Result) -> None:
        """Take a result; store the batch where it is full or old."""
        self._waiting.append(result)
        if len(self._waiting) >= BATCH or time.monotonic() - self._since >= BATCH_S:
            self.store()

    def store(self) -> None:
        """Store what waits, and let go of these photos."""
        again = self._saver.save(self._waiting)
        self._known.stored(self._waiting, again)
        for result in self._waiting:
            self._claims.release(result.job.path)
        self.stored += len(self._waiting)
        self.again += len(again)
        self._waiting = []
        self._since = time.monotonic()


class _Known:
    """Says, in any thread, whether a content was recognised by this bundle, or soon will be.

    Of copies that are new together one is recognised; the others find it in the library when
    their turn to be stored comes.
    """

    def __init__(self, store: Store, bundle: str) -> None:
        self._store = Store.open(store.path, readonly=True)
        self._lock = Lock()
        self._bundle = bundle
        self._in_hand = set[bytes]()
        self._each = set[bytes]()  # contents of which copies could not rely on one another

    def __call__(self, digest: bytes) -> bool:
        with self._lock, self._store.faults():
            row = self._store.connection.execute(
                "SELECT 1 FROM photo WHERE sha256 = ? AND bundle = ? AND guesses IS NOT NULL "
                "LIMIT 1",
                [digest, self._bundle],
            ).fetchone()
            if row is not None or digest in self._each:
                return row is not None
            first = digest not in self._in_hand
            self._in_hand.add(digest)
            return not first

    def stored(self, results: Iterable[Result], again: Iterable[Result]) -> None:
        """Take down that results are in the library, some to be read again."""
        with self._lock:
            self._in_hand.difference_update(_contents(results))
            self._each.update(_contents(again))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()


def _contents(results: Iterable[Result]) -> Iterator[bytes]:
    for result in results:
        if result.reading is not None and result.reading.sha256 is not None:
            yield result.reading.sha256
