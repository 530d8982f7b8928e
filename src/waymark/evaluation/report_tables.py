"""The tables of a report that have a row a class: landmarks, categories, photos trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waymark.evaluation import metrics
from waymark.evaluation.evaluate import Evaluation
from waymark.evaluation.report_run import RunFacts

Ints = NDArray[np.integer]


def class_rows(
    counts: Ints, names: Sequence[str], trained: Sequence[int | None] | None = None
) -> list[dict[str, Any]]:
    """Return a row for each class that has photos, the worst first.

    Args:
        counts: (C, C), confusion counts; rows are truth.
        names: C names.
        trained: C numbers of photos trained on, where they are known.

    Returns:
        name, precision, recall, recall_interval, f1, n, trained, and `taken_for`: the class
        it was most often taken for and how often, or None.
    """
    each = metrics.class_figures(counts)
    mistakes = counts - np.diag(np.diag(counts))
    rows = []
    for i in np.flatnonzero(each.n).tolist():
        other = int(mistakes[i].argmax())
        right, n = int(counts[i, i]), int(each.n[i])
        rows.append(
            {
                "name": names[i],
                "precision": float(each.precision[i]),
                "recall": float(each.recall[i]),
                "recall_interval": metrics.wilson_interval(right, n),
                "f1": float(each.f1[i]),
                "n": n,
                "trained": None if trained is None else trained[i],
                "taken_for": (names[other], int(mistakes[i, other])) if n > right else None,
            }
        )
    return sorted(rows, key=lambda row: (row["f1"], row["recall"]))


def averages(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return two rows: the mean over classes, and over photos (each class weighs its `n`)."""
    if not rows:
        return []
    n = np.array([row["n"] for row in rows])
    keys = ("precision", "recall", "f1")
    figures = {key: np.array([row[key] for row in rows]) for key in keys}
    return [
        {"name": name, "n": int(n.sum())}
        | {key: float(np.average(values, weights=weights)) for key, values in figures.items()}
        for name, weights in (("Mean of classes", np.ones(len(n))), ("Mean of photos", n))
    ]


def count_rows(said: Evaluation, run: RunFacts) -> list[dict[str, Any]]:
    """Return a row a landmark with its photos in each split, the most first.

    Returns:
        name, n, and `parts`: for each split (its name, photos, and their share of the most
        that any landmark has).
    """
    names = {landmark.id: landmark.name for landmark in said.landmarks}
    labels = {label: 0 for photos in run.counts.values() for label in photos}
    for photos in run.counts.values():
        for label, n in photos.items():
            labels[label] += n
    most = max(labels.values(), default=0) or 1
    return [
        {
            "name": names.get(label, label),
            "n": n,
            "parts": [
                (split, photos.get(label, 0), photos.get(label, 0) / most)
                for split, photos in run.counts.items()
            ],
        }
        for label, n in sorted(labels.items(), key=lambda item: -item[1])
    ]


def colour_rows(shares: NDArray[np.float64], mean: Any, std: Any) -> list[dict[str, Any]]:
    """Return a row a channel: mean and deviation measured, normalised with, and after it.

    Args:
        shares: (3, 256), the share of pixels with each value.
        mean: (3,) what is subtracted, in the 0-1 range.
        std: (3,) what is divided by, in the 0-1 range.
    """
    values = np.arange(256) / 255
    found = shares @ values
    spread = np.sqrt(np.maximum(0, shares @ values**2 - found**2))
    return [
        {
            "name": name,
            "before": (255 * found[i], 255 * spread[i]),
            "by": (255 * mean[i], 255 * std[i]),
            "after": ((found[i] - mean[i]) / std[i], spread[i] / std[i]),
        }
        for i, name in enumerate(("red", "green", "blue"))
    ]
