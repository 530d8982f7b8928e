"""The table of classes has scikit-learn's numbers, averages included."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as oracle

from waymark.evaluation.classification import classification_report
from waymark.evaluation.figures import task_figures


@pytest.mark.parametrize("seed", range(4))
def test_every_number_is_scikit_learns(seed: int) -> None:
    """Each class, accuracy, and both averages, as they are printed."""
    rng = np.random.default_rng(seed)
    names = [f"place {i}" for i in range(5)]
    labels, scores = rng.integers(0, 5, 90), rng.dirichlet([0.5] * 5, 90)
    scores[np.arange(90), labels] += 0.3
    figures = task_figures(labels, scores / scores.sum(axis=1, keepdims=True), names)

    lines = classification_report(figures["per_class"].items(), accuracy=figures["top1"])
    report: Any = oracle.classification_report(
        labels, scores.argmax(axis=1), target_names=names, output_dict=True, zero_division=0
    )

    found = {}
    for line in filter(None, lines[1:]):
        name, *cells = re.split(r"  +", line.strip())
        found[name.replace("average", "avg")] = [float(cell) for cell in cells]
    assert found.pop("accuracy") == pytest.approx([report.pop("accuracy"), 90], abs=5.01e-4)
    assert found.keys() == report.keys()
    for name, row in report.items():
        assert found[name] == pytest.approx(list(row.values()), abs=5.01e-4)
    assert len({len(line) for line in lines if line}) == 1


def test_nothing_to_report_is_a_heading() -> None:
    """Without photos there are no rows, and no average of none."""
    assert len(classification_report([], accuracy=None)) == 1
