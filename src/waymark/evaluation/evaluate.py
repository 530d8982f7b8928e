"""Measure a bundle on a dataset: the same torch-free code after every kind of training.

In:  a recogniser and a dataset, perhaps with negatives.
Out: an `Evaluation`: what was said of each photo, and from it the figures that
     `waymark evaluate --json` prints. How they are made stands in `figures.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from waymark.bundle.format import Bundle
from waymark.dataset.index import UNKNOWN, Dataset, Skipped, printable
from waymark.errors import DatasetError
from waymark.evaluation import metrics
from waymark.evaluation.category import CategoryEvaluation, true_categories
from waymark.evaluation.figures import confused, rounded, task_figures, unknown_figures
from waymark.gazetteer import Landmark
from waymark.progress import Progress, silent
from waymark.recognise.decision import Decision, softmax
from waymark.recognise.prediction import PhotoFailure, Seen

ABSENT = "absent labels"
EVERYTHING = "all"
CHUNK = 256


class Classifier(Protocol):
    """What `evaluate` needs of a `Recogniser`."""

    bundle: Bundle
    decision: Decision
    threshold: float

    def classify(self, photos: Sequence[Path]) -> Iterator[Seen | PhotoFailure]:
        """Yield the outputs of the network for each photo, in order."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What a bundle said of every photo of a dataset.

    Attributes:
        dataset: name of the dataset.
        split: which split was read; None where all photos were.
        bundle: first 12 hex digits of the bundle's SHA-256.
        landmarks: the C classes, in index order.
        paths: (N,) where each photo is.
        labels: (N,) int64, index of the true class; -1 for photos of no known landmark.
        sources: (N,) where an unknown photo comes from; "" for known ones.
        scores: (N, C) float32, calibrated; each row sums to 1.
        unknown: (N,) float32, unknown scores, 0 to 1.
        threshold: a photo with a higher unknown score is called unknown.
        skipped: photos that could not be read, and why.
        category: what was said of the category of the same photos; None where the bundle
            has no such task.
    """

    dataset: str
    split: str | None
    bundle: str
    landmarks: tuple[Landmark, ...]
    paths: tuple[Path, ...]
    labels: NDArray[np.int64]
    sources: tuple[str, ...]
    scores: NDArray[np.float32]
    unknown: NDArray[np.float32]
    threshold: float
    skipped: tuple[Skipped, ...] = ()
    category: CategoryEvaluation | None = None

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """(N,), whether a photo shows a landmark of the bundle."""
        return self.labels >= 0

    @cached_property
    def guesses(self) -> NDArray[np.int64]:
        """(N,), index of the first guess."""
        best: NDArray[np.int64] = self.scores.argmax(axis=1)
        return best

    @cached_property
    def confidence(self) -> NDArray[np.float32]:
        """(N,), score x (1 - unknown score) of the first guess: what GAP ranks by."""
        ranked: NDArray[np.float32] = self.scores.max(axis=1) * (1 - self.unknown)
        return ranked

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """(C, C), confusion counts of the known photos; rows are truth."""
        return metrics.confusion_counts(
            self.labels[self.known], self.guesses[self.known], len(self.landmarks)
        )

    @cached_property
    def figures(self) -> dict[str, Any]:
        """All figures, unrounded; see `to_dict`."""
        labels, scores = self.labels[self.known], self.scores[self.known]
        names = [landmark.id for landmark in self.landmarks]
        return {
            **task_figures(labels, scores, names, ks=(1, 3, 5)),
            "loss": metrics.log_loss(scores, labels) if len(labels) else None,
            "confused": confused(self.counts, names),
            **unknown_figures(
                unknown=self.unknown,
                known=self.known,
                correct=self.known & (self.guesses == self.labels),
                confidence=self.confidence,
                sources=self.sources,
                threshold=self.threshold,
            ),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the object that `waymark evaluate --json` prints.

        Every key is always there; None where there are no photos to measure it on.
        """
        about = {"dataset": self.dataset, "split": self.split, "bundle": self.bundle}
        skipped = [{"path": row.path, "reason": row.reason} for row in self.skipped]
        plain: dict[str, Any] = rounded(self.figures)
        category = None if self.category is None else self.category.to_dict()
        return {**about, **plain, "category": category, "skipped": skipped}


def evaluate(
    recogniser: Classifier,
    dataset: Dataset,
    *,
    split: str | None = None,
    absent_as_unknown: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Run a bundle over a dataset.

    Args:
        recogniser: a loaded bundle.
        dataset: photos with labels, and perhaps negatives.
        split: train, val, test, or `all`; None is test where there is one, else all.
        absent_as_unknown: take photos with a label that the bundle lacks as unknown.
        progress: told of each photo.

    Raises:
        DatasetError: labels the bundle does not have, a split that is not there, or no
            photo that can be read.
    """
    if split is None and "test" in dataset.splits:
        split = "test"
    if split not in (None, EVERYTHING):
        dataset = dataset.of_split(split)
    index = {name: i for i, name in enumerate(recogniser.bundle.manifest.tasks[0].ids)}
    absent = sorted({photo.label for photo in dataset.photos} - set(index))
    if absent and not absent_as_unknown:
        raise DatasetError(
            f"{dataset.name} has labels that the bundle does not have: {', '.join(absent)}. "
            "Count their photos as unknown with --absent-as-unknown, or measure a bundle that "
            "knows them (`waymark teach` adds landmarks); folders that are merely called "
            "otherwise can be renamed."
        )
    manifest = recogniser.bundle.manifest
    kinds = true_categories(dataset.photos, dataset, manifest)
    rows = [
        _Row(photo.path, index.get(photo.label, -1), "" if photo.label in index else ABSENT, kind)
        for photo, kind in zip(dataset.photos, kinds, strict=True)
    ]
    sources = negative_sources(dataset.negatives, dataset.root)
    rows += [_Row(path, -1, of, -1) for path, of in zip(dataset.negatives, sources, strict=True)]
    return replace(
        _run(recogniser, rows, dataset, progress or silent),
        split=None if split == EVERYTHING else split,
    )


def negative_sources(negatives: Sequence[Path], root: Path) -> list[str]:
    """Name where each negative comes from, so that kinds of negatives can be told apart.

    Those of the dataset's own label `unknown` are `unknown`; any other bears the name of
    its folder just below the one that holds them all.
    """
    own = [
        path.is_relative_to(root) and UNKNOWN in path.relative_to(root).parts for path in negatives
    ]
    # made absolute, without dots: some may be relative while others are not
    folders = [os.path.abspath(path.parent) for path in negatives]  # noqa: PTH100
    others = [folder for folder, mine in zip(folders, own, strict=True) if not mine]
    top = Path(os.path.commonpath(others)) if others else root
    names = []
    for folder, mine in zip(folders, own, strict=True):
        below = () if mine else Path(folder).relative_to(top).parts
        names.append(UNKNOWN if mine else printable(below[0] if below else top.resolve().name))
    return names


class _Row(NamedTuple):
    """A photo, index of its landmark or -1, where it comes from if -1, index of its category."""

    path: Path
    label: int
    source: str
    category: int


def _run(
    recogniser: Classifier, rows: list[_Row], dataset: Dataset, progress: Progress
) -> Evaluation:
    kept: list[_Row] = []
    skipped = list(dataset.skipped)
    scores: list[NDArray[np.float32]] = []
    unknown: list[NDArray[np.float32]] = []
    kinds: list[NDArray[np.float32]] = []
    waiting: list[Seen] = []

    def decide() -> None:
        if waiting:
            logits = np.stack([seen.logits for seen in waiting])
            embedding = np.stack([seen.embedding for seen in waiting])
            scores.append(recogniser.decision.scores(logits))
            unknown.append(recogniser.decision.unknown(logits, embedding))
            kinds.extend(softmax(s.categories[None]) for s in waiting if s.categories is not None)
            waiting.clear()

    outputs = recogniser.classify([row.path for row in rows])
    for done, (row, seen) in enumerate(zip(rows, outputs, strict=True), start=1):
        if isinstance(seen, PhotoFailure):
            skipped.append(Skipped(printable(row.path), str(seen.error)))
        else:
            kept.append(row)
            waiting.append(seen)
        if len(waiting) == CHUNK:
            decide()
        progress(done, len(rows), "evaluating photos")
    decide()
    if not kept:
        raise DatasetError(
            f"none of the {len(rows)} photos of {dataset.name} can be read; the first: "
            f"{skipped[-1].reason if skipped else 'there is none'}"
        )
    manifest = recogniser.bundle.manifest
    return Evaluation(
        dataset=dataset.name,
        split=None,
        bundle=recogniser.bundle.short_hash,
        landmarks=manifest.landmarks,
        paths=tuple(row.path for row in kept),
        labels=np.array([row.label for row in kept], np.int64),
        sources=tuple(row.source for row in kept),
        scores=np.concatenate(scores),
        unknown=np.concatenate(unknown),
        threshold=recogniser.threshold,
        skipped=tuple(skipped),
        category=CategoryEvaluation(
            names=tuple(kind.id for kind in manifest.categories),
            labels=np.array([row.category for row in kept], np.int64),
            scores=np.concatenate(kinds),
        )
        if manifest.categories
        else None,
    )
