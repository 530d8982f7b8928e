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
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waymark.bundle.format import find_bundle, name_bundle
from waymark.dataset.index import Skipped
from waymark.errors import BundleError
from waymark.library.scan import Census, walk
from waymark.library.store import Store
from waymark.library.store_paths import below
from waymark.library.tag_plan import Plan
from waymark.library.tagged import GAINSAID, SHOWN
from waymark.progress import Progress, silent

if TYPE_CHECKING:
    from waymark.gazetteer import Landmark
    from waymark.recognise.recogniser import Recogniser

_SETTING, _BUNDLE = "decision", "bundle"
_COUNTED = {
    "failed": "missing = 0 AND error IS NOT NULL",
    "known": f"missing = 0 AND {SHOWN}",
    "unknown": f"missing = 0 AND error IS NULL AND NOT ({SHOWN}) AND NOT ({GAINSAID})",
    "dismissed": f"missing = 0 AND {GAINSAID}",
    "by_context": f"missing = 0 AND evidence = 'context' AND {SHOWN}",
    "disagree": f"missing = 0 AND gps_says = 'disagree' AND {SHOWN}",
    "with_gps": "missing = 0 AND lat IS NOT NULL",
    "missing": "missing",
}


@dataclass(frozen=True, kw_only=True)
class TagReport:
    """What a run found and did.

    Attributes:
        photos: on disk, below what was named; a RAW+JPEG pair is one.
        recognised: new or changed ones that went through the network.
        reused: those whose content the library had: moved, copied, merely touched.
        refreshed: those of which only what lies beside them has changed.
        unchanged: the rest, which were not even opened.
        failed: photos that cannot be read, of this run and of earlier ones.
        known: photos below what was named that show a landmark.
        unknown: photos there without one.
        dismissed: photos there whose tag a person rejected, or that show no landmark.
        by_context: of those known, those where neighbours decided.
        disagree: of those known, those whose GPS position lies elsewhere.
        with_gps: photos with a GPS position of their own.
        missing: photos that the library knows and that are gone.
        pairs: RAW+JPEG pairs.
        videos: left alone.
        moving: moving halves of Live Photos, left alone.
        other_raws: RAW files of makers whose RAW files waymark does not read, left alone.
        closed: folders left alone for a `.nomedia` or `.noimage`.
        skipped: what could not be looked into, or is no photo.
        roots: what all this is about: folders, those that links lead to among them, and photos
            named one by one, by their real paths.
        seconds: how long recognising took.
        bundle: first 12 hex digits of its SHA-256.
        resettled: whether the settings differ from those of earlier runs: then all photos of the
            library that this bundle has recognised were decided anew.
    """

    photos: int = 0
    recognised: int = 0
    reused: int = 0
    refreshed: int = 0
    unchanged: int = 0
    failed: int = 0
    known: int = 0
    unknown: int = 0
    dismissed: int = 0
    by_context: int = 0
    disagree: int = 0
    with_gps: int = 0
    missing: int = 0
    pairs: int = 0
    videos: int = 0
    moving: int = 0
    other_raws: int = 0
    closed: int = 0
    skipped: tuple[Skipped, ...] = field(default=())
    roots: tuple[str, ...] = field(default=())
    seconds: float = 0.0
    bundle: str = ""
    resettled: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def tag(
    sources: Sequence[str | os.PathLike[str]],
    store: Store,
    *,
    bundle: str | os.PathLike[str] | Recogniser | None = None,
    unknown_threshold: float | None = None,
    context: bool = True,
    workers: int | None = None,
    progress: Progress = silent,
) -> TagReport:
    """Recognise what is new or changed below `sources`.

    Args:
        sources: folders and photos.
        store: the library.
        bundle: name or path of a bundle, or a recogniser; None is that of the library's last
            run, else `world`.
        unknown_threshold: 0 to 1, instead of the bundle's own; as `context`, for all photos of
            the library that the bundle has recognised.
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
    plan.note_missing(census.roots, census.shut)
    started = time.monotonic()
    saver = None
    if plan.todo:
        from waymark.library.tag_work import do_jobs

        saver = do_jobs(
            plan, store, run.recogniser(), run.landmarks(), workers=workers, progress=progress
        )
    seconds = time.monotonic() - started
    resettled = _decide(run, unknown_threshold, context=context, progress=progress)
    run.remember()
    return TagReport(
        photos=plan.seen,
        recognised=saver.recognised if saver else 0,
        reused=saver.reused if saver else 0,
        refreshed=saver.refreshed if saver else 0,
        unchanged=plan.seen - plan.todo,
        pairs=census.pairs,
        videos=census.videos,
        moving=census.moving,
        other_raws=census.other_raws,
        closed=census.closed,
        skipped=tuple(census.skipped),
        seconds=seconds,
        resettled=resettled,
        roots=tuple(os.fsdecode(root) for root in census.roots),
        bundle=run.hash,
        **_counts(store, census.roots),
    )


def last_bundle(store: Store) -> str | None:
    """Return the bundle, by its name or path, that the library's last run was with."""
    with store.faults():
        row = store.connection.execute(
            "SELECT value FROM setting WHERE key = ?", [_BUNDLE]
        ).fetchone()
    return None if row is None else str(row[0])


class _Run:
    """A run's bundle, which is loaded only where there is something to recognise."""

    def __init__(
        self,
        store: Store,
        bundle: str | os.PathLike[str] | Recogniser | None,
        threshold: float | None,
    ) -> None:
        self.store = store
        self._threshold = threshold
        self._recogniser: Recogniser | None = None
        self._landmarks: dict[int, Landmark] | None = None
        self._file: Path | None = None
        self._last = None if bundle else last_bundle(store)
        bundle = bundle or self._last or "world"
        if isinstance(bundle, str | os.PathLike):
            with self._told():
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

            assert self._file is not None  # by `__init__`
            with self._told():
                self._recogniser = waymark.load(self._file, unknown_threshold=self._threshold)
            self.remember()  # before the work: who stops it goes on with the same
        return self._recogniser

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say of a bundle that nobody named, and that is of no use, why it was asked for."""
        try:
            yield
        except BundleError as error:
            if self._last is None:
                raise
            raise BundleError(
                f"{error} It is the bundle of this library's last run; name another by --bundle."
            ) from error

    def remember(self) -> None:
        """Note which bundle it is, for the runs that name none; not before it could be loaded."""
        if self._file is None:
            return
        name = name_bundle(self._file)
        if name == last_bundle(self.store):
            return
        with self.store.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO setting (key, value) VALUES (?, ?)", [_BUNDLE, name]
            )

    def landmarks(self) -> dict[int, Landmark]:
        """Return the landmarks that the bundle knows, by their numbers in the library."""
        if self._landmarks is None:
            records = self.recogniser().bundle.manifest.landmarks
            with self.store.transaction():
                numbers = self.store.landmark_ids(records)
            self._landmarks = dict(zip(numbers, records, strict=True))
        return self._landmarks


def _decide(run: _Run, threshold: float | None, *, context: bool, progress: Progress) -> bool:
    """Let neighbours speak where something has changed, or all where the settings have.

    The settings are those of all photos in the library that this bundle has recognised: a photo
    and its neighbour in another folder are decided by one rule.

    Returns:
        Whether earlier runs had other settings.
    """
    from waymark.library.context_run import decide, waits

    store = run.store
    key = f"{_SETTING} {run.hash}"
    setting = json.dumps({"threshold": threshold, "context": context})
    with store.faults():
        row = store.connection.execute("SELECT value FROM setting WHERE key = ?", [key]).fetchone()
    if row is not None and row[0] == setting and not waits(store, run.hash):
        return False
    recogniser = run.recogniser()
    landmarks = run.landmarks()
    if row is None or row[0] != setting:
        with store.transaction() as connection:
            connection.execute(
                "UPDATE photo SET pending = 1 WHERE bundle = ? AND missing = 0", [run.hash]
            )
            connection.execute(
                "INSERT OR REPLACE INTO setting (key, value) VALUES (?, ?)", [key, setting]
            )
    decide(
        store,
        bundle=run.hash,
        threshold=recogniser.threshold,
        landmarks=landmarks,
        context=context,
        progress=progress,
    )
    return row is not None and row[0] != setting


def _counts(store: Store, roots: Sequence[bytes]) -> dict[str, int]:
    where, arguments = below(roots)
    with store.faults():
        counts = store.connection.execute(
            f"SELECT {', '.join(f'count(*) FILTER (WHERE {each})' for each in _COUNTED.values())} "
            f"FROM photo WHERE {where}",
            arguments,
        ).fetchone()
    return dict(zip(_COUNTED, counts, strict=True))
