"""Take photos from a source into a folder that is a dataset.

In:  a `Source` and a folder.
Out: `label/name-key.jpg` and manifest.csv; skipped.csv says what was not taken, and why.

Every photo is checked as it arrives (a photo, whole, within the limits), no address is asked
and no content kept twice, and a run that was stopped at any moment is continued by the next.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from waymark.curate.address import same_url
from waymark.curate.answer import FetchFailed, TooLarge
from waymark.curate.fetch import Web
from waymark.curate.ledger import Ledger, Miss, clean, key_of, open_ledger, path_for
from waymark.curate.sources import Desk, Find, Source
from waymark.errors import ConfigError, PhotoError
from waymark.photo import LIMITS, Limits, read_photo, sniff
from waymark.progress import Progress, silent

_MAX_CELL = 500  # characters of an author or a licence
_MAX_LABEL = 300


@dataclass(frozen=True, kw_only=True)
class Caps:
    """How much to take.

    Attributes:
        per_label: most photos of one label, those already there included; None: no limit.
        photo_bytes: largest photo.
        total_bytes: most bytes of photos in one run, those that turned out useless included.
    """

    per_label: int | None = None
    photo_bytes: int = 32 << 20
    total_bytes: int = 10 << 30

    def __post_init__(self) -> None:
        limit = 1 if self.per_label is None else self.per_label
        if min(self.photo_bytes, self.total_bytes, limit) < 1:
            raise ConfigError("--limit, --max-photo and --max-total start at 1.")
        if self.photo_bytes > LIMITS.max_bytes:
            raise ConfigError(
                f"--max-photo is {self.photo_bytes:,} bytes; no photo over "
                f"{LIMITS.max_bytes:,} bytes is ever read."
            )


@dataclass(kw_only=True)
class Report:
    """What became of one run.

    Attributes:
        taken: photos taken in this run.
        known: photos met that were there already, or known to be useless.
        refused: photos that the source itself left out (licence, kind of file).
        failed: photos that could not be had or used in this run.
        counts: photos in the folder, by label, after the run.
        stopped: why the run ended before the source did; empty where it did not.
    """

    taken: int = 0
    known: int = 0
    refused: list[Miss] = field(default_factory=list)
    failed: list[Miss] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    stopped: str = ""


def collect(
    source: Source,
    out: str | Path,
    *,
    web: Web | None = None,
    caps: Caps | None = None,
    progress: Progress = silent,
) -> Report:
    """Take what a source has into a folder; an earlier run's work is continued.

    Args:
        source: see `waymark.curate.sources`.
        out: a new folder, or one of an earlier collection, of this or another source.
        web: the polite client; closed at the end.
        caps: how much to take.
        progress: told of photos done.

    Raises:
        CollectError: the source cannot be asked at all, or `out` is another's folder.
        RunError: another run is at work in `out`.
    """
    web, caps = web or Web(), caps or Caps()
    report = Report()
    try:
        with open_ledger(Path(out)) as ledger:
            _Run(source, ledger, web, caps, report).all(progress)
            report.counts = ledger.counts
    finally:
        web.close()
    return report


class _Full(Exception):
    """The cap on the bytes of a run is reached."""


class _Run:
    """One run over one source."""

    def __init__(
        self, source: Source, ledger: Ledger, web: Web, caps: Caps, report: Report
    ) -> None:
        self.source, self.ledger, self.web = source, ledger, web
        self.caps, self.report = caps, report
        self.seen: set[str] = set()
        self.read = 0  # bytes of photos that sources gave

    def all(self, progress: Progress) -> None:
        desk = Desk(
            web=self.web,
            work=self.ledger.work,
            wants=self.wants,
            taken=lambda name: self.ledger.taken(key_of(same_url(name))),
            progress=progress,
            max_total=self.caps.total_bytes,
            trouble=self.trouble,
        )
        found = self.source.find(desk)
        try:
            for done, find in enumerate(found, start=1):
                self.one(find)
                progress(
                    done, max(desk.expected, done) if desk.expected else 0, "collecting photos"
                )
        except _Full:
            self.report.stopped = (
                f"the cap of {self.caps.total_bytes:,} bytes is reached; run the same command "
                "again, or raise --max-total"
            )

    def wants(self, label: str) -> bool:
        return self.caps.per_label is None or self.ledger.counts[label] < self.caps.per_label

    def one(self, find: Find) -> None:
        find = replace(find, label=clean(find.label))
        key = key_of(same_url(find.name))
        if key in self.seen or self.ledger.taken(key):
            self.report.known += key not in self.seen
            self.seen.add(key)
            return
        self.seen.add(key)
        if find.refused:
            self.report.refused.append(self.missed(find, key, find.refused, again=True))
            return
        if not 0 < len(find.label) <= _MAX_LABEL:
            reason = f"its label has over {_MAX_LABEL} characters" if find.label else "no label"
            self.report.failed.append(self.missed(find, key, reason, again=True))
            return
        if not self.wants(find.label):
            return
        try:
            self.keep(find, key, self.fetch(find, key))
        except FetchFailed as error:
            self.report.failed.append(self.missed(find, key, str(error), again=error.again))

    def fetch(self, find: Find, key: str) -> Path:
        """Bring a photo's bytes into the work folder; whole, but not yet judged."""
        whole, half = self.ledger.whole(key), self.ledger.work / f"{key}.half"
        if whole.exists():  # fetched by a run that was killed just then
            return whole
        left = self.caps.total_bytes - self.web.received - self.read
        if left <= 0:
            raise _Full
        cap = min(self.caps.photo_bytes, left)
        try:
            if find.read is None:
                self.web.photo(find.url, half, max_bytes=cap)
            else:
                self.copy(find.read(cap), half, cap)
        except TooLarge:
            if cap < self.caps.photo_bytes:
                raise _Full from None
            raise
        half.replace(whole)
        return whole

    def copy(self, data: bytes, half: Path, cap: int) -> None:
        self.read += min(len(data), cap)
        if len(data) > cap:
            raise TooLarge(f"more than {cap:,} bytes")
        half.write_bytes(data)

    def keep(self, find: Find, key: str, whole: Path) -> None:
        """Check a photo and give it its row and its place."""
        data = whole.read_bytes()
        content = sha256(data).hexdigest()
        try:
            if twin := self.ledger.twin(content):
                raise FetchFailed(f"the same photo as {twin}", again=False)
            try:
                read_photo(data, min_side=64, limits=Limits(max_bytes=self.caps.photo_bytes))
            except PhotoError as error:
                # "this photo: the end of this JPEG is missing (...). Copy it again ..."
                reason = str(error).removeprefix("this photo: ").partition(". ")[0]
                raise FetchFailed(reason, again=False) from error
        except FetchFailed:
            whole.unlink()
            raise
        kind = sniff(data[:32]) or "jpeg"
        self.ledger.take(
            whole,
            {
                "path": path_for(find.label, find.title, key, kind),
                "label": find.label,
                "split": find.split,
                "category": find.category,
                "place": find.place,
                "group": find.group,
                "source": self.source.source,
                "licence": (find.licence or "")[:_MAX_CELL],
                "author": (find.author or "")[:_MAX_CELL],
                "url": find.page or find.url,
                "file_url": find.url,
                "retrieved": _now(),
                "sha256": content,
                "key": key,
            },
        )
        self.report.taken += 1

    def trouble(self, what: str, reason: str, again: bool) -> None:
        find = Find(name=what, label="", title="", url=what)
        miss = self.missed(find, key_of(same_url(what)), reason, again=again)
        self.report.failed.append(miss)

    def missed(self, find: Find, key: str, reason: str, *, again: bool) -> Miss:
        miss = Miss(
            url=find.url or find.name,
            label=find.label,
            reason=reason,
            again=again,
            source=self.source.source,
            retrieved=_now(),
            key=key,
        )
        self.ledger.miss(miss)
        return miss


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
