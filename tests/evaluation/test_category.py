"""The second task is measured like the first, on the photos whose category is known."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as oracle

from waymark.bundle.manifest import CATEGORY, Task
from waymark.bundle.tiny import tiny_bundle
from waymark.dataset.index import read_dataset
from waymark.evaluation.category import CategoryEvaluation
from waymark.evaluation.evaluate import Evaluation, evaluate
from waymark.gazetteer import Landmark
from waymark.recognise.decision import Decision
from waymark.recognise.prediction import Seen

KINDS = ("bridge", "house", "tower")
OF = {"arch": "bridge", "mill": "tower", "palace": "house", "tomb": "grave"}
PROMISED = {"n", "top1", "top1_interval", "macro_f1", "macro_f1_interval", "per_class", "ece"}


class TwoTasks:
    """A `Classifier` of the landmarks in `OF` and of `KINDS`; nobody is buried in a kind."""

    def __init__(self) -> None:
        bundle = tiny_bundle(len(OF), features=2, categories=len(KINDS))
        landmarks = tuple(Landmark(id=i, name=i, category=kind) for i, kind in OF.items())
        kinds = tuple(Landmark(id=kind, name=kind) for kind in KINDS)
        tasks = (Task(name="landmark", classes=landmarks), Task(name=CATEGORY, classes=kinds))
        self.bundle = replace(bundle, manifest=replace(bundle.manifest, tasks=tasks))
        self.decision = Decision(self.bundle.manifest, self.bundle.statistics)
        self.threshold = 0.5
        self.said: dict[Path, np.ndarray] = {}

    def classify(self, photos: Sequence[Path]) -> Iterator[Seen]:
        """Yield random logits, those of categories better than chance."""
        rng = np.random.default_rng(0)
        for photo in photos:
            logits = rng.normal(0, 1, len(KINDS)).astype(np.float32)
            if (kind := OF.get(photo.parent.name)) in KINDS:
                logits[KINDS.index(kind)] += 1
            self.said[photo] = logits
            landmark = rng.normal(0, 1, len(OF)).astype(np.float32)
            yield Seen(str(photo), landmark, np.ones(2, np.float32), logits)


@pytest.fixture
def measured(photos: Callable[..., Path]) -> Evaluation:
    """Measure photos of three known kinds, of one that the bundle lacks, and of none."""
    root = photos({"arch": 25, "mill": 40, "palace": 14, "tomb": 6, "castle": 3})
    others = photos({"objects": 5}, "others")
    return evaluate(TwoTasks(), read_dataset(root, negatives=others), absent_as_unknown=True)


def test_figures_equal_scikit_learn(measured: Evaluation) -> None:
    """Accuracy, macro F1 and the report of each class are scikit-learn's."""
    said = measured.category
    assert said is not None
    figures = measured.to_dict()["category"]
    truth, guesses = said.labels[said.known], said.scores[said.known].argmax(axis=1)

    report: Any = oracle.classification_report(
        truth, guesses, target_names=KINDS, output_dict=True, zero_division=0
    )

    assert set(figures) == PROMISED
    assert figures["n"] == 79
    assert figures["top1"] == pytest.approx(report["accuracy"], abs=1e-6)
    assert figures["macro_f1"] == pytest.approx(report["macro avg"]["f1-score"], abs=1e-6)
    for kind in KINDS:
        ours, theirs = figures["per_class"][kind], report[kind]
        assert (ours["precision"], ours["recall"], ours["f1"], ours["n"]) == pytest.approx(
            (theirs["precision"], theirs["recall"], theirs["f1-score"], theirs["support"]), abs=1e-6
        )
    assert (said.counts == oracle.confusion_matrix(truth, guesses)).all()
    low, high = figures["top1_interval"]
    assert low < figures["top1"] < high
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures


def test_photos_without_a_known_category_are_left_out(measured: Evaluation) -> None:
    """Negatives, absent labels, and landmarks of a category that the bundle lacks."""
    said = measured.category
    assert said is not None
    assert isinstance(said, CategoryEvaluation)
    folders = {path.parent.name for path, known in zip(measured.paths, said.known, strict=True)
               if not known}  # fmt: skip

    assert folders == {"tomb", "castle", "objects"}
    assert len(said.labels) == len(said.scores) == len(measured.labels)
    assert said.scores.sum(axis=1) == pytest.approx(1)


def test_what_the_dataset_states_counts_more_than_the_bundle(photos: Callable[..., Path]) -> None:
    """A folder level that calls the mill a house is taken at its word; so is a stranger kind."""
    root = photos({"house/mill": 2, "bridge/arch": 1, "folly/palace": 1})
    said = evaluate(TwoTasks(), read_dataset(root, levels="category,landmark")).category

    assert said is not None
    assert sorted(said.labels.tolist()) == [-1, 0, 1, 1]


def test_the_gazetteer_does_not_overrule_the_bundle(photos: Callable[..., Path]) -> None:
    """A landmark in both keeps the category that the bundle was taught, not the gazetteer's."""
    recogniser = TwoTasks()
    first = Landmark(id="colosseum", name="Colosseum", category="house")
    tasks = recogniser.bundle.manifest.tasks
    changed = replace(tasks[0], classes=(first, *tasks[0].classes[1:]))
    manifest = replace(recogniser.bundle.manifest, tasks=(changed, tasks[1]))
    recogniser.bundle = replace(recogniser.bundle, manifest=manifest)

    said = evaluate(recogniser, read_dataset(photos({"colosseum": 1}))).category

    assert said is not None
    assert said.labels.tolist() == [KINDS.index("house")]


def test_nothing_known_gives_nulls(photos: Callable[..., Path]) -> None:
    """Keys stay, figures are null."""
    root = photos({"tomb": 2})
    figures = evaluate(TwoTasks(), read_dataset(root)).to_dict()["category"]

    assert set(figures) == PROMISED
    assert figures["n"] == 0
    assert figures["top1"] is figures["macro_f1"] is figures["ece"] is None
    assert figures["per_class"] == {}


def test_a_broken_photo_shifts_nothing(photos: Callable[..., Path]) -> None:
    """Labels and scores of categories stay beside those of landmarks."""
    from waymark.errors import UnreadablePhoto
    from waymark.recognise.prediction import PhotoFailure

    class Broken(TwoTasks):
        def classify(self, photos: Sequence[Path]) -> Iterator[Any]:
            for seen in super().classify(photos):
                bad = Path(seen.photo).name == "0.png"
                yield PhotoFailure(seen.photo, UnreadablePhoto("no")) if bad else seen

    recogniser = Broken()
    measured = evaluate(recogniser, read_dataset(photos({"arch": 3, "mill": 3})))
    said = measured.category

    assert said is not None
    assert said.labels.tolist() == [0, 0, 2, 2]
    for path, guess in zip(measured.paths, said.guesses, strict=True):
        assert guess == recogniser.said[path].argmax()
