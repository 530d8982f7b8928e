"""From what a bundle said of photos to the figures that are published, with intervals.

In:  labels, scores and unknown scores.
Out: dictionaries of plain values, unrounded; None where there are no photos to measure on.

What each figure means stands in `metrics.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waymark.evaluation import metrics

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]
Bools = NDArray[np.bool_]
Interval = tuple[float, float]
CONFUSED = 10
_APART = ("auroc", "auroc_interval", "fpr95", "fpr95_interval")


def task_figures(
    labels: Ints, scores: Floats, names: Sequence[str], *, ks: Sequence[int] = (1,)
) -> dict[str, Any]:
    """Measure the answers to one question, over photos whose answer is known.

    Args:
        labels: (N,), true class indices, 0 to C-1.
        scores: (N, C), each row sums to 1.
        names: ids of the C classes.
        ks: which top-k to give.

    Returns:
        `n`, `top<k>` and `top<k>_interval`, `macro_f1`, `macro_f1_interval`, `ece`, and
        `per_class`, with precision, recall, f1 and n of each class that has a photo.
    """
    n = len(labels)
    figures: dict[str, Any] = {"n": n}
    for k in ks:
        share = metrics.top_k_accuracy(scores, labels, k) if n else None
        figures[f"top{k}"] = share
        figures[f"top{k}_interval"] = (
            None if share is None else metrics.wilson_interval(round(share * n), n)
        )
    if not n:
        nothing = dict.fromkeys(("macro_f1", "macro_f1_interval", "ece"))
        return figures | nothing | {"per_class": {}}
    guesses = scores.argmax(axis=1)

    def f1(rows: Ints) -> float:
        return metrics.macro_f1(metrics.confusion_counts(labels[rows], guesses[rows], len(names)))

    figures["macro_f1"], figures["macro_f1_interval"] = f1(np.arange(n)), _interval(f1, n)
    figures["ece"] = metrics.calibration_error(scores, labels)
    each = metrics.class_figures(metrics.confusion_counts(labels, guesses, len(names)))
    figures["per_class"] = {
        name: {
            "precision": float(each.precision[i]),
            "recall": float(each.recall[i]),
            "f1": float(each.f1[i]),
            "n": int(each.n[i]),
        }
        for i, name in enumerate(names)
        if each.n[i]
    }
    return figures


def confused(counts: Ints, names: Sequence[str], *, most: int = CONFUSED) -> list[dict[str, Any]]:
    """List the pairs of classes that are taken for each other most often.

    Args:
        counts: (C, C), confusion counts; rows are truth.
        names: ids of the C classes.
        most: at most so many pairs.

    Returns:
        `truth`, `guess`, `n` photos and `of` how many of that truth; most photos first.
    """
    return [
        {
            "truth": names[row],
            "guess": names[column],
            "n": int(counts[row, column]),
            "of": int(counts[row].sum()),
        }
        for row, column in metrics.most_confused(counts, most)
    ]


def unknown_figures(
    *,
    unknown: Floats,
    known: Bools,
    correct: Bools,
    confidence: Floats,
    sources: Sequence[str],
    threshold: float,
) -> dict[str, Any]:
    """Measure how well photos of known landmarks are told from all others.

    Args:
        unknown: (N,), unknown scores of all photos.
        known: (N,), whether a photo shows a landmark of the bundle.
        correct: (N,), whether it does and the first guess is right.
        confidence: (N,), what GAP ranks by.
        sources: (N,), where an unknown photo comes from; "" for known ones.
        threshold: a photo with a higher unknown score is called unknown.
    """
    n = len(unknown)
    inside, outside = unknown[known], unknown[~known]
    both = len(inside) > 0 and len(outside) > 0

    def gap(rows: Ints) -> float:
        found = known[rows].sum()
        return metrics.gap(confidence[rows], correct[rows], int(found)) if found else 0.0

    of = np.array(sources)
    apart = _apart(inside, outside) if both else dict.fromkeys(_APART)
    return {
        "n_unknown": len(outside),
        **{f"unknown_{name}": value for name, value in apart.items()},
        "unknown_by_source": {
            name: {"n": int((of == name).sum())}
            | (_apart(inside, unknown[of == name]) if both else dict.fromkeys(_APART))
            for name in sorted(set(sources) - {""})
        },
        "gap": gap(np.arange(n)) if len(inside) else None,
        "gap_interval": _interval(gap, n) if len(inside) else None,
        "unknown_threshold": threshold,
        "known_called_unknown": _share(inside > threshold),
        "unknown_called_known": _share(outside <= threshold),
    }


def rounded(value: Any) -> Any:
    """Return plain JSON values, numbers with six decimals."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [rounded(inner) for inner in value]
    return round(value, 6) if isinstance(value, float) else value


def _apart(known: Floats, unknown: Floats) -> dict[str, float | Interval | None]:
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


def _interval(figure: Callable[[Ints], float], n: int) -> Interval:
    """Bootstrap, or Wilson's where all is right and drawing again can show nothing else."""
    low, high = metrics.bootstrap_interval(figure, n)
    return metrics.wilson_interval(n, n) if low == 1 else (low, high)


def _share(rows: Bools) -> float | None:
    return float(rows.mean()) if len(rows) else None
