"""Recognise the photos of a person's folders, and keep what they show in a library.

In:  folders and photos, a bundle, a library.
Out: a `TagReport`; the tags are in the library.

Only what is new or changed is read. Photos are read, decoded and recognised at the same time
and stored in small batches: a kill loses the batch in hand, and the next run goes on from
there. Runs at the same time share the work. The folders themselves are never written to.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from waymark.bundle.format import find_bundle
from waymark.dataset.index import Skipped
from waymark.errors import BundleError, LibraryError
from waymark.library.scan import Census, Found, walk
from waymark.library.store import Store
from waymark.library.store_paths import below
from waymark.library.tag_claims import Claims
from waymark.library.tag_plan import Plan
from waymark.progress import Progress, silent

if TYPE_CHECKING:
    from waymark.library.tag_save import Result, Saver
    from waymark.recognise.recogniser import Recogniser

BATCH, BATCH_S = 64, 2.0
"""A batch is stored when it has that many photos, or is that many seconds old."""
_PATIENCE_S = 0.5  # between two looks whether another run is through with a photo
_SETTING = "decision"


@dataclass(frozen=True, kw_only=True)
class TagReport:
    """What a run found and did.

    Attributes:
        photos: on disk, below what was named; a RAW+JPEG pair is one.
        recognised: new or changed ones that went through the network.
        reused: those whose content the library had: moved, copied, merely touched.
        unchanged: the rest, which were not even opened.
        failed: photos that cannot be read, of this run and of earlier ones.
        known: photos below what was named that have a landmark.
        by_context: of these, those where neighbours decided.
        disagree: of these, those whose GPS position lies elsewhere.
        with_gps: photos with a GPS position of their own.
        missing: photos that the library knows and that are gone.
        pairs: RAW+JPEG pairs.
        videos: left alone.
        moving: moving halves of Live Photos, left alone.
        closed: folders left alone for a `.nomedia` or `.noimage`.
        skipped: what could not be looked into.
        seconds: how long recognising took.
    """

    photos: int = 0
    recognised: int = 0
    reused: int = 0
    unchanged: int = 0
    failed: int = 0
    known: int = 0
    by_context: int = 0
    disagree: int = 0
    with_gps: int = 0
    missing: int = 0
    pairs: int = 0
    videos: int = 0
    moving: int = 0
    closed: int = 0
    skipped: tuple[Skipped, ...] = field(default=())
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def tag(
    sources: Sequence[str | os.PathLike[str]],
    store: Store,
    *,
    bundle: str | os.PathLike[str] | Recogniser = "world",
    unknown_threshold: float | None = None,
    context: bool = True,
    workers: int | None = None,
    progress: Progress = silent,
) -> TagReport:
    """Recognise what is new or changed below `sources`.

    Args:
        sources: folders and photos.
        store: the library.
        bundle: name or path of a bundle, or a recogniser.
        unknown_threshold: 0 to 1, instead of the bundle's own.
        context: whether photos near each other in time support each other.
        workers: threads that decode, and as many for the network; None is one a core.
        progress: is told of photos found, recognised and decided.

    Raises:
        ConfigError: a source does not exist, or an option is impossible.
        BundleError: the bundle cannot be used.
        LibraryError: the library cannot be written; what was stored before is kept.
    """
    run = _Run(store, bundle, unknown_threshold)
    census = Census()
    plan = Plan(store, run.hash)
    for seen in plan.note(walk(sources, census)):
        progress(seen, 0, "looking for photos")
    plan.compare()
    progress(plan.seen, plan.seen, "looking for photos")
    plan.note_missing(sources)
    started = time.monotonic()
    if plan.todo:
        _work(run, plan, workers, progress)
    seconds = time.monotonic() - started
    _decide(run, unknown_threshold, context=context, progress=progress)
    saver = run.saver
    recognised, reused = (saver.recognised, saver.reused) if saver else (0, 0)
    return TagReport(
        photos=plan.seen,
        recognised=recognised,
        reused=reused,
        unchanged=plan.seen - plan.todo,
        pairs=census.pairs,
        videos=census.videos,
        moving=census.moving,
        closed=census.closed,
        skipped=tuple(census.skipped),
        seconds=seconds,
        **_counts(store, sources),
    )


class _Run:
    """A run's bundle, which is loaded only where there is something to recognise."""

    def __init__(
        self,
        store: Store,
        bundle: str | os.PathLike[str] | Recogniser,
        threshold: float | None,
    ) -> None:
        self.store = store
        self.saver: Saver | None = None
        self._threshold = threshold
        self._recogniser: Recogniser | None = None
        if isinstance(bundle, str | os.PathLike):
            self._file = find_bundle(bundle)
            try:
                self.hash = sha256(self._file.read_bytes()).hexdigest()[:12]
            except OSError as error:
                raise BundleError(f"{self._file} cannot be read: {error.strerror}.") from error
        else:
            self._recogniser = bundle
            self.hash = bundle.bundle.short_hash

    def recogniser(self) -> Recogniser:
        """Return the recogniser, loading it the first time."""
        if self._recogniser is None:
            import waymark

            self._recogniser = waymark.load(self._file, unknown_threshold=self._threshold)
        return self._recogniser


def _work(run: _Run, plan: Plan, workers: int | None, progress: Progress) -> None:
    """Do all jobs; those that another run has in hand when it is through with them."""
    from waymark.library.tag_save import Saver
    from waymark.library.tag_stream import recognise

    recogniser = run.recogniser()
    run.saver = saver = Saver(
        run.store,
        recogniser.bundle.manifest.landmarks,
        bundle=run.hash,
        threshold=recogniser.threshold,
    )
    known = _Known(run.store, run.hash)
    total, left = plan.todo, 0
    try:
        claims = Claims(run.store.path)
    except OSError as error:
        raise LibraryError(
            f"beside the library {run.store.path} nothing can be written ({error.strerror}); "
            "name another with --library."
        ) from error
    with claims, known:
        while True:
            queue = _Queue(plan, claims)
            batch = _Batch(saver, claims)
            stream = recognise(queue, recogniser, known=known, workers=workers)
            try:
                for result in stream:
                    batch.add(result)
                    left += 1
                    progress(min(left, total), total, "tagging photos")
                batch.store()
            finally:
                stream.close()
            left += queue.passed
            if not queue.others:
                progress(total, total, "tagging photos")
                return
            left = total - queue.others
            if not batch.stored:
                time.sleep(_PATIENCE_S)


class _Queue:
    """The jobs that this run takes, in order, each claimed.

    Attributes:
        others: jobs left to other runs, which have them in hand.
        passed: jobs that another run has done since.
    """

    def __init__(self, plan: Plan, claims: Claims) -> None:
        self._plan, self._claims = plan, claims
        self.others = self.passed = 0

    def __iter__(self) -> Iterator[tuple[Found, bool]]:
        for job, content in self._plan.jobs():
            if not self._claims.claim(job.path):
                self.others += 1
            elif self._plan.done(job):
                self._claims.release(job.path)
                self.passed += 1
            else:
                yield job, content


class _Batch:
    """Results that wait to be stored together.

    Attributes:
        stored: number of results stored.
    """

    def __init__(self, saver: Saver, claims: Claims) -> None:
        self._saver, self._claims = saver, claims
        self._waiting: list[Result] = []
        self._since = time.monotonic()
        self.stored = 0

    def add(self, result: Result) -> None:
        """Take a result; store the batch where it is full or old."""
        self._waiting.append(result)
        if len(self._waiting) >= BATCH or time.monotonic() - self._since >= BATCH_S:
            self.store()

    def store(self) -> None:
        """Store what waits, and let go of these photos."""
        self._saver.save(self._waiting)
        for result in self._waiting:
            self._claims.release(result.job.path)
        self.stored += len(self._waiting)
        self._waiting = []
        self._since = time.monotonic()


class _Known:
    """Says, in any thread, whether a content was recognised by this bundle before."""

    def __init__(self, store: Store, bundle: str) -> None:
        from threading import Lock

        self._store = Store.open(store.path, readonly=True)
        self._lock = Lock()
        self._bundle = bundle

    def __call__(self, digest: bytes) -> bool:
        with self._lock, self._store.faults():
            row = self._store.connection.execute(
                "SELECT 1 FROM photo WHERE sha256 = ? AND bundle = ? LIMIT 1",
                [digest, self._bundle],
            ).fetchone()
        return row is not None

    def __enter__(self) -> _Known:
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()


def _decide(run: _Run, threshold: float | None, *, context: bool, progress: Progress) -> None:
    """Let neighbours speak where something has changed, or all where the settings have."""
    store = run.store
    setting = json.dumps({"bundle": run.hash, "threshold": threshold, "context": context})
    with store.faults():
        row = store.connection.execute(
            "SELECT value FROM setting WHERE key = ?", [_SETTING]
        ).fetchone()
        waiting = store.connection.execute("SELECT 1 FROM photo WHERE pending LIMIT 1").fetchone()
    if row is not None and row[0] == setting and waiting is None:
        return
    from waymark.library.context_run import decide

    recogniser = run.recogniser()
    if row is None or row[0] != setting:
        with store.transaction() as connection:
            connection.execute("UPDATE photo SET pending = 1 WHERE bundle = ?", [run.hash])
            connection.execute(
                "INSERT OR REPLACE INTO setting (key, value) VALUES (?, ?)", [_SETTING, setting]
            )
    decide(
        store,
        bundle=run.hash,
        threshold=recogniser.threshold,
        count=len(recogniser.bundle.manifest.landmarks),
        context=context,
        progress=progress,
    )


def _counts(store: Store, sources: Sequence[str | os.PathLike[str]]) -> dict[str, int]:
    where, arguments = below(sources)
    with store.faults():
        row = store.connection.execute(
            "SELECT count(error), count(landmark), coalesce(sum(evidence = 'context'), 0), "
            "coalesce(sum(gps_says = 'disagree'), 0), count(lat) "
            f"FROM photo WHERE missing = 0 AND {where}",
            arguments,
        ).fetchone()
        gone = store.connection.execute(
            f"SELECT count(*) FROM photo WHERE missing AND {where}", arguments
        ).fetchone()
    names = ("failed", "known", "by_context", "disagree", "with_gps", "missing")
    row = (*row, *gone)
    return dict(zip(names, map(int, row), strict=True))
