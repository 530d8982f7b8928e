"""What a run did: counts while it goes on, and the report of them in the end."""

from __future__ import annotations

from dataclasses import dataclass, field

from waymark.dataset.index import Skipped
from waymark.scale.results import Kept

DARK_PARTS, DARK_PHOTOS = 4, 100
"""A place of which so many parts, with so many photos, hand out none at all has nothing to give."""


@dataclass(frozen=True, kw_only=True)
class ScaleReport:
    """What a run did.

    Attributes:
        photos: rows that there are now, of this run and of earlier ones.
        recognised: of these, photos that this run looked at; some may be damaged.
        failed: rows with an error.
        unfetched: of these, photos that were not handed out; run again for them.
        parts: of the place.
        unfinished: parts whose workers were killed again and again; run again for them.
        skipped: what of the place could not be looked into, and why.
        seconds: how long recognising took, without the start of a cluster.
    """

    photos: int = 0
    recognised: int = 0
    failed: int = 0
    unfetched: int = 0
    parts: int = 0
    unfinished: int = 0
    skipped: tuple[Skipped, ...] = ()
    seconds: float = 0.0

    @property
    def earlier(self) -> int:
        """Photos whose rows an earlier run has written."""
        return self.photos - self.recognised - self.unfetched


@dataclass(kw_only=True)
class Tally:
    """Counts of a run that goes on.

    Attributes:
        listed: photos of the parts that are to do, as far as they are known.
        photos: rows that this run has written.
        other: files that it looked at and that are no photos.
        finished: parts that it has done.
        earlier: rows of parts that were done before it.
        failed: rows with an error, of both.
        unfetched: rows of photos that were not handed out.
        parts: of the place.
        unfinished: parts that it has given up.
        skipped: what could not be looked into.
    """

    listed: int = 0
    photos: int = 0
    other: int = 0
    finished: int = 0
    earlier: int = 0
    failed: int = 0
    unfetched: int = 0
    parts: int = 0
    unfinished: int = 0
    skipped: list[Skipped] = field(default_factory=list)

    def add(self, kept: Kept, *, other: int) -> None:
        """Count a part that is finished, with the files in it that are no photos."""
        self.finished += 1
        self.photos += kept.photos
        self.other += other
        self.failed += kept.failed
        self.unfetched += kept.unfetched

    def add_earlier(self, kept: Kept) -> None:
        """Count a part that an earlier run has done."""
        self.earlier += kept.photos
        self.failed += kept.failed

    @property
    def is_dark(self) -> bool:
        """Say whether the place hands out nothing, so that going on is for nothing."""
        nothing = self.unfetched == self.photos and not self.other
        return nothing and self.finished >= DARK_PARTS and self.photos >= DARK_PHOTOS

    def report(self, seconds: float) -> ScaleReport:
        """Sum up a run that took so long."""
        return ScaleReport(
            photos=self.earlier + self.photos,
            recognised=self.photos - self.unfetched,
            failed=self.failed,
            unfetched=self.unfetched,
            parts=self.parts,
            unfinished=self.unfinished,
            skipped=tuple(self.skipped),
            seconds=seconds,
        )
