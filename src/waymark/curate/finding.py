"""What `data check` found: records, and `check.json`.

In:  findings, each a fault of one photo, of a few together, or of a class.
Out: `check.json`, in the form that `data clean`, the page and other tools read.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from waymark.errors import DatasetError

Kind = Literal[
    "unreadable",
    "truncated",
    "wrong-extension",
    "tiny",
    "blank",
    "dark",
    "blurred",
    "drawing",
    "exact-duplicate",
    "near-duplicate",
    "off-topic",
    "wrong-label",
    "leakage",
    "few-photos",
    "similar-classes",
    "gps-far",
]
Suggestion = Literal["drop", "keep", "relabel", "review"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_UNFIT = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
SUGGESTIONS: tuple[Suggestion, ...] = get_args(Suggestion)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One fault.

    Attributes:
        kind: what is wrong.
        paths: the photos that it is about, the one at fault first; of duplicates, the one
            to keep comes last, and the others are what `suggest` speaks of. Relative to the
            dataset's root where they lie below it, else absolute. Of `few-photos` and
            `similar-classes`, up to a few photos of each class that show it.
        severity: 0 to 1, 1 the worst of its kind.
        suggest: what to do with all of `paths` (of duplicates: all but the last).
        label_suggested: of `wrong-label` and `similar-classes`, the label to use instead.
        reason: what was seen, in words.
    """

    kind: Kind
    paths: tuple[str, ...]
    severity: float
    suggest: Suggestion
    label_suggested: str | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        """Refuse what no check can find."""
        wrong = (
            f"kind is {self.kind!a}"
            if self.kind not in KINDS
            else f"suggest is {self.suggest!a}"
            if self.suggest not in SUGGESTIONS
            else f"severity is {self.severity!r}"
            if not 0 <= self.severity <= 1
            else ""
        )
        if wrong:
            raise DatasetError(
                f"a finding's {wrong}; kinds are {', '.join(KINDS)}; suggestions "
                f"{', '.join(SUGGESTIONS)}; severity is 0 to 1. `waymark data check` writes such."
            )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "kind": self.kind,
            "paths": list(self.paths),
            "severity": round(self.severity, 4),
            "suggest": self.suggest,
            "label_suggested": self.label_suggested,
            "reason": self.reason,
        }


@dataclass(frozen=True, kw_only=True)
class Check:
    """Everything that one check found.

    Attributes:
        dataset: the dataset's folder or manifest, absolute.
        photos: number of photos looked at, negatives among them.
        findings: by kind in the order of `KINDS`, the worst first.
        notes: checks that could not be made, and why, a sentence each.
        made: when it began, in seconds since 1970: what was changed later it has not seen.
    """

    dataset: str
    photos: int
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    made: float | None = field(default=None, compare=False)

    def counts(self) -> dict[str, int]:
        """Number of findings of each kind that has any, in the order of `KINDS`."""
        found = Counter(finding.kind for finding in self.findings)
        return {kind: found[kind] for kind in KINDS if found[kind]}

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "dataset": self.dataset,
            "photos": self.photos,
            "findings": [finding.to_dict() for finding in self.findings],
            "notes": list(self.notes),
            "made": self.made,
        }

    def write(self, file: Path) -> None:
        """Write `check.json`; names that are no UTF-8 keep their bytes as lone surrogates."""
        file.write_text(json.dumps(self.to_dict(), indent=1) + "\n", encoding="utf-8")


def read_check(file: Path) -> Check:
    """Read a `check.json`.

    Raises:
        DatasetError: it is missing, or not of the form that `waymark data check` writes.
    """
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        findings = tuple(
            Finding(
                kind=row["kind"],
                paths=tuple(_text(path) for path in row["paths"]),
                severity=float(row["severity"]),
                suggest=row["suggest"],
                label_suggested=None
                if row.get("label_suggested") is None
                else _text(row["label_suggested"]),
                reason=_text(row.get("reason", "")),
            )
            for row in values["findings"]
        )
        return Check(
            dataset=_text(values["dataset"]),
            photos=int(values["photos"]),
            findings=findings,
            notes=tuple(_text(note) for note in values.get("notes", ())),
            made=None if values.get("made") is None else float(values["made"]),
        )
    except _UNFIT as error:
        raise DatasetError(
            f"{file} is no check.json that can be read ({error!s:.200}); make one with "
            "`waymark data check DATASET`."
        ) from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.50} where a text belongs")
    return value
