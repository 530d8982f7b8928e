"""Doubt the classes of a dataset: their names, their photos' labels, their number of photos.

In:  a `Reading`, and who is a copy of whom.
Out: findings: off-topic, wrong-label, few-photos, similar-classes.

Two names that look like one landmark are found first, and count as one class from there on:
a photo under the one is not called wrong for looking like the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from waymark.curate.check_copies import Copies, Rows, joined
from waymark.curate.check_read import Reading
from waymark.curate.finding import Finding
from waymark.dataset.index import Dataset
from waymark.errors import MissingExtra

if TYPE_CHECKING:
    from waymark.curate.check_labels import Doubts

FEW = 10
"""With fewer different photos than this, a landmark can hardly be learnt."""
_SHOWN = 6  # photos of a class that stand for it


@dataclass(frozen=True, kw_only=True)
class Similar:
    """Two classes that look like one landmark: their numbers, and what to say of them.

    Attributes:
        one: number of a class.
        two: number of another.
        same: whether their names say the same, too.
        finding: what to say.
    """

    one: int
    two: int
    same: bool
    finding: Finding


@dataclass(frozen=True, kw_only=True)
class Classes:
    """Labels of the readable photos.

    Attributes:
        labels: name of each class.
        rows: (R,), class of each photo; -1 for negatives.
        merged: (R,), the same, two names of one landmark being one class.
    """

    labels: tuple[str, ...]
    rows: Rows
    merged: Rows

    @classmethod
    def of(cls, dataset: Dataset, reading: Reading) -> Classes:
        """Take the labels of a dataset, each for itself."""
        number = {label: i for i, label in enumerate(dataset.labels)}
        labels = (reading.entry(r).label for r in range(len(reading.rows)))
        rows = np.array([-1 if label is None else number[label] for label in labels], np.intp)
        return cls(labels=dataset.labels, rows=rows, merged=rows)

    def counts(self) -> NDArray[np.intp]:
        """(C,), number of photos of each class."""
        return np.bincount(self.rows[self.rows >= 0], minlength=len(self.labels))

    def merge(self, pairs: Sequence[Similar]) -> Classes:
        """Count classes of the same name as one: the one of them that has the most photos."""
        counts, into = self.counts(), np.arange(len(self.labels))
        for pair in pairs:
            if not pair.same:
                continue
            one, two = into[pair.one], into[pair.two]
            kept, gone = (one, two) if counts[one] >= counts[two] else (two, one)
            into[into == gone] = kept
        merged = np.where(self.rows < 0, -1, into[self.rows])
        return Classes(labels=self.labels, rows=self.rows, merged=merged)


def similar(classes: Classes, reading: Reading) -> Iterator[Similar]:
    """Find names that look like the same landmark."""
    mine = classes.rows >= 0
    embeddings = reading.embeddings
    if embeddings is None or len(classes.labels) < 2 or not mine.any():
        return
    from waymark.curate.check_names import SAME, similar_classes

    counts = classes.counts()
    for one, two, severity, reason in similar_classes(
        classes.labels, embeddings[mine], classes.rows[mine]
    ):
        rare, common = sorted((one, two), key=lambda number: (counts[number], number))
        paths = [*_some(reading, classes, rare), *_some(reading, classes, common)]
        finding = Finding(
            kind="similar-classes",
            paths=tuple(paths),
            severity=min(1.0, severity),
            suggest="review",
            label_suggested=classes.labels[common] if severity >= SAME else None,
            reason=reason,
        )
        yield Similar(one=one, two=two, same=severity >= SAME, finding=finding)


def _some(reading: Reading, classes: Classes, number: int) -> Iterable[str]:
    rows = np.flatnonzero(classes.rows == number)
    return (reading.entry(row).name for row in rows[:: max(1, len(rows) // _SHOWN)][:_SHOWN])


def few_photos(reading: Reading, classes: Classes, copies: Copies) -> Iterator[Finding]:
    """Yield classes with too few different photos to learn from."""
    learnt = np.array(
        [reading.entry(row).split in ("train", None) for row in range(len(reading.rows))], bool
    )
    for number, label in enumerate(classes.labels):
        mine = (classes.rows == number) & learnt
        count = len(set(copies.near[mine].tolist()))
        if count < FEW:
            shown = list(_some(reading, classes, number)) or [
                entry.name for entry in reading.entries if entry.label == label
            ]
            yield Finding(
                kind="few-photos",
                paths=tuple(shown[:_SHOWN]),
                severity=1 - count / FEW,
                suggest="review",
                reason=f"{label} has {count} different photos to learn from; {FEW} are few",
            )


def doubted(
    reading: Reading,
    classes: Classes,
    copies: Copies,
    *,
    known: NDArray[np.float32] | None,
    wrong_labels: bool,
    seed: int,
) -> tuple[list[Finding], list[str]]:
    """Find photos that do not belong, or belong to another class.

    Args:
        reading: R readable photos.
        classes: what they are labelled.
        copies: who is a copy of whom.
        known: (K, D), what a bundle knows of photos that show no landmark.
        wrong_labels: whether to look for wrong labels as well.
        seed: of the folds.

    Returns:
        The findings; and what could not be looked for, and why, a sentence each.
    """
    from waymark.curate.check_labels import check_cleanlab, doubt_labels

    notes = []
    if wrong_labels:
        try:
            check_cleanlab()
        except MissingExtra as error:
            wrong_labels = False
            notes.append(str(error))
    embeddings = reading.embeddings
    clear = np.array([_is_clear(reading, row) for row in range(len(reading.rows))], bool)
    mine = np.flatnonzero((classes.rows >= 0) & clear)
    if embeddings is None or not len(mine):
        return [], notes
    used, labels = np.unique(classes.merged[mine], return_inverse=True)
    negatives = embeddings[(classes.rows < 0) & clear]
    if known is not None:
        negatives = np.concatenate([negatives, known.astype(np.float32)])
    doubts = doubt_labels(
        embeddings[mine],
        labels.astype(np.intp),
        classes=len(used),
        groups=_together(reading, copies)[mine],
        negatives=negatives if len(negatives) else None,
        wrong_labels=wrong_labels,
        seed=seed,
    )
    return list(_doubts(reading, classes, doubts, mine, used)), notes


def _doubts(
    reading: Reading, classes: Classes, doubts: Doubts, mine: Rows, used: Rows
) -> Iterator[Finding]:
    """Say what is doubted: of a photo that may be both, what is surer."""
    for place, row in enumerate(mine):
        name, label = reading.entry(row).name, reading.entry(row).label
        off_topic, wrong = float(doubts.off_topic[place]), float(doubts.wrong[place])
        better = int(doubts.suggested[place])
        if wrong > 0 and wrong >= off_topic:
            other = classes.labels[used[better]] if better >= 0 else None
            yield Finding(
                kind="wrong-label",
                paths=(name,),
                severity=min(1.0, wrong),
                suggest="review" if other is None else "relabel",
                label_suggested=other,
                reason=f"does not look like the other photos of {label}"
                + (f", but like those of {other}" if other else ""),
            )
        elif off_topic > 0:
            yield Finding(
                kind="off-topic",
                paths=(name,),
                severity=min(1.0, off_topic),
                suggest="review",
                reason=f"looks like none of the other photos of {label}",
            )


def _is_clear(reading: Reading, row: int) -> bool:
    """Say whether a photo shows enough to be doubted: neither blank nor blurred."""
    return not any(fault.kind in ("blank", "blurred") for fault in reading.seen(row).faults)


def _together(reading: Reading, copies: Copies) -> Rows:
    """Number what has to stay on one side of a fold: copies, and groups of the dataset's own."""
    groups = copies.near
    named: dict[str, int] = {}
    first, second = [], []
    for row in range(len(reading.rows)):
        group = reading.entry(row).group
        if group is not None:
            first.append(groups[named.setdefault(group, row)])
            second.append(groups[row])
    size = int(groups.max()) + 1
    return joined(size, np.array(first, np.intp), np.array(second, np.intp))[groups]
