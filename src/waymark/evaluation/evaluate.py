"""Measure a bundle on a dataset: the same torch-free code after every kind of training.

In:  a recogniser and a dataset, perhaps with negatives.
Out: an `Evaluation`: what was said of each photo, and from it the figures that
     `waymark evaluate --json` prints. What the figures mean stands in `metrics.py`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from waymark.bundle.format import Bundle
from waymark.dataset.index import UNKNOWN, Dataset, Skipped, printable
from waymark.errors import DatasetError
from waymark.evaluation import metrics
from waymark.gazetteer import Landmark
from waymark.progress import Progress, silent
from waymark.recognise.decision import Decision
from waymark.recognise.prediction import PhotoFailure, Seen

Interval = tuple[float, float]
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
        return {**_of_known(self), **_of_unknown(self)}

    def to_dict(self) -> dict[str, Any]:
        """Return the object that `waymark evaluate --json` prints.

        Every key is always there; None where there are no photos to measure it on.
        """
        about = {"dataset": self.dataset, "split": self.split, "bundle": self.bundle}
        skipped = [{"path": row.path, "reason": row.reason} for row in self.skipped]
        rounded: dict[str, Any] = _round(self.figures)
        return {**about, **rounded, "skipped": skipped}


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
            f"{dataset.name} has {len(absent)} labels that the bundle does not have: "
            f"{', '.join(absent)}. Rename them, or count their photos as unknown with "
            "--absent-as-unknown."
        )
    rows = [
        (photo.path, index.get(photo.label, -1), ABSENT if photo.label not in index else "")
        for photo in dataset.photos
    ]
    sources = negative_sources(dataset.negatives, dataset.root)
    rows += [(path, -1, of) for path, of in zip(dataset.negatives, sources, strict=True)]
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


def _run(
    recogniser: Classifier,
    rows: list[tuple[Path, int, str]],
    dataset: Dataset,
    progress: Progress,
) -> Evaluation:
    kept: list[tuple[Path, int, str]] = []
    skipped = list(dataset.skipped)
    scores: list[NDArray[np.float32]] = []
    unknown: list[NDArray[np.float32]] = []
    waiting: list[Seen] = []

    def decide() -> None:
        if waiting:
            logits = np.stack([seen.logits for seen in waiting])
            embedding = np.stack([seen.embedding for seen in waiting])
            scores.append(recogniser.decision.scores(logits))
            unknown.append(recogniser.decision.unknown(logits, embedding))
            waiting.clear()

    outputs = recogniser.classify([path for path, _, _ in rows])
    for done, (row, seen) in enumerate(zip(rows, outputs, strict=True), start=1):
        if isinstance(seen, PhotoFailure):
            skipped.append(Skipped(printable(row[0]), str(seen.error)))
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
    paths, labels, sources = zip(*kept, strict=True)
    return Evaluation(
        dataset=dataset.name,
        split=None,
        bundle=recogniser.bundle.short_hash,
        landmarks=recogniser.bundle.manifest.landmarks,
        paths=paths,
        labels=np.array(labels, np.int64),
        sources=sources,
        scores=np.concatenate(scores),
        unknown=np.concatenate(unknown),
        threshold=recogniser.threshold,
        skipped=tuple(skipped),
    )


def _of_known(said: Evaluation) -> dict[str, Any]:
    """Figures over photos of known landmarks only."""
    labels, scores = said.labels[said.known], said.scores[said.known]
    n, classes = len(labels), len(said.landmarks)
    figures: dict[str, Any] = {"n": n}
    for k in (1, 3, 5):
        share = metrics.top_k_accuracy(scores, labels, k) if n else None
        figures[f"top{k}"] = share
        figures[f"top{k}_interval"] = (
            None if share is None else metrics.wilson_interval(round(share * n), n)
        )
    names = ("macro_f1", "macro_f1_interval", "ece")
    if not n:
        return figures | dict.fromkeys(names) | {"per_class": {}}
    guesses = said.guesses[said.known]

    def f1(rows: NDArray[np.integer]) -> float:
        return metrics.macro_f1(metrics.confusion_counts(labels[rows], guesses[rows], classes))

    values = (f1(np.arange(n)), _interval(f1, n), metrics.calibration_error(scores, labels))
    figures |= dict(zip(names, values, strict=True))
    each = metrics.class_figures(said.counts)
    figures["per_class"] = {
        landmark.id: {
            "precision": float(each.precision[i]),
            "recall": float(each.recall[i]),
            "f1": float(each.f1[i]),
            "n": int(each.n[i]),
        }
        for i, landmark in enumerate(said.landmarks)
        if each.n[i]
    }
    return figures


def _of_unknown(said: Evaluation) -> dict[str, Any]:
    """Figures over known and unknown photos together."""
    known, unknown = said.unknown[said.known], said.unknown[~said.known]
    correct = said.known & (said.guesses == said.labels)
    n, both = len(said.labels), len(known) > 0 and len(unknown) > 0

    def gap(rows: NDArray[np.integer]) -> float:
        found = said.known[rows].sum()
        return metrics.gap(said.confidence[rows], correct[rows], int(found)) if found else 0.0

    of = np.array(said.sources)
    sources = sorted(set(said.sources) - {""})
    apart = _apart(known, unknown) if both else dict.fromkeys(_APART)
    return {
        "n_unknown": len(unknown),
        **{f"unknown_{name}": value for name, value in apart.items()},
        "unknown_by_source": {
            name: {"n": int((of == name).sum())}
            | (_apart(known, said.unknown[of == name]) if both else dict.fromkeys(_APART))
            for name in sources
        },
        "gap": gap(np.arange(n)) if len(known) else None,
        "gap_interval": _interval(gap, n) if len(known) else None,
        "unknown_threshold": said.threshold,
        "known_called_unknown": _share(known > said.threshold),
        "unknown_called_known": _share(unknown <= said.threshold),
    }


_APART = ("auroc", "auroc_interval", "fpr95", "fpr95_interval")


def _apart(
    known: NDArray[np.float32], unknown: NDArray[np.float32]
) -> dict[str, float | Interval | None]:
    """How well unknown scores tell two kinds of photo apart."""
    area, fpr = metrics.auroc(known, unknown), metrics.fpr_at_recall(known, unknown)
    m = len(unknown)
    values = (
        area,
        metrics.auroc_interval(area, len(known), m),
        fpr,
        metrics.wilson_interval(round(fpr * m), m),
    )
    return dict(zip(_APART, values, strict=True))


def _interval(figure: Callable[[NDArray[np.integer]], float], n: int) -> Interval:
    """Bootstrap, or Wilson's where all is right and drawing again can show nothing else."""
    low, high = metrics.bootstrap_interval(figure, n)
    return metrics.wilson_interval(n, n) if low == 1 else (low, high)


def _share(rows: NDArray[np.bool_]) -> float | None:
    return float(rows.mean()) if len(rows) else None


def _round(value: Any) -> Any:
    """Return plain JSON values, numbers with six decimals."""
    if isinstance(value, dict):
        return {key: _round(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_round(inner) for inner in value]
    return round(value, 6) if isinstance(value, float) else value
