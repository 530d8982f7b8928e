"""A photo of the library with what waymark says of it: tagging gives it, writing takes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from waymark.gazetteer import Landmark

State = Literal["new", "approved", "corrected", "rejected", "not-a-landmark"]
Evidence = Literal["photo", "context", "person"]
DISMISSED: tuple[State, ...] = ("rejected", "not-a-landmark")
"""States of photos that do not show the landmark of their tag: a person said so."""
SHOWN = f"error IS NULL AND landmark IS NOT NULL AND state NOT IN {DISMISSED}"
"""In SQL, whether a photo shows a landmark, as far as anybody knows."""
GAINSAID = f"error IS NULL AND state IN {DISMISSED}"
"""In SQL, whether a person said that a photo does not show its tag, or no landmark at all."""


@dataclass(frozen=True, kw_only=True)
class Tagged:
    """One photo and its tag.

    Attributes:
        path: the photo's file; of a RAW+JPEG pair, the one that names the sidecar.
        sha256: of the file's content when it was tagged, 64 hex digits.
        landmark: what it shows, with place, country, position and Wikidata id.
        score: calibrated probability given that some landmark of the bundle is in the photo,
            0 to 1; 1 where a person said it.
        confidence: that it shows this landmark, whether or not one is in it: 0 to 1.
        unknown_score: 0 to 1, high means that no landmark of the bundle is in the photo.
        evidence: `photo` alone, `context` where neighbours decided, `person` where corrected.
        state: what a person said of it so far.
        bundle: first 12 hex digits of the bundle's SHA-256.
        tagged_at: when, with its offset from UTC.
        gps: latitude and longitude that the photo, its sidecar or its Takeout file carries.
        stamp: bytes, time of change in ns and inode of the file when it was tagged, if known.
    """

    path: Path
    sha256: str
    landmark: Landmark
    score: float
    confidence: float
    unknown_score: float
    evidence: Evidence
    state: State
    bundle: str
    tagged_at: datetime
    gps: tuple[float, float] | None = None
    stamp: tuple[int, int, int] | None = None
