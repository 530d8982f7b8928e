"""Evaluating a recogniser whose every word is known, with scikit-learn as the oracle."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as oracle_metrics

from waymark.dataset.index import read_dataset
from waymark.errors import DatasetError
from waymark.evaluation.evaluate import evaluate, negative_sources

NAMES = ("bridge", "palace", "tower")
KEYS = {
    "n", "top1", "top1_interval", "top3", "top5", "macro_f1", "ece", "per_class", "skipped",
    "n_unknown", "unknown_auroc", "unknown_fpr95", "gap", "loss", "confused", "category",
}  # fmt: skip


def random_say(seed=0):
    """Say something else of every photo, better than chance for photos in a class folder."""
    rng = np.random.default_rng(seed)
    said = {}

    def say(path: Path):
        if path not in said:
            logits, unknown = rng.normal(0, 1.5, 3), rng.integers(2, 9) / 10
            if path.parent.name in NAMES:
                logits[NAMES.index(path.parent.name)] += 2
                unknown = rng.integers(0, 7) / 10
            said[path] = (logits, unknown)
        return said[path]

    return say


def test_figures_equal_scikit_learn(oracle, photos):
    """Every figure of the JSON, from folders to numbers, is scikit-learn's."""
    root = photos({"bridge": 30, "palace": 20, "tower": 9})
    others = photos({"objects": 15, "travel/deep": 12}, "others")
    recogniser = oracle(NAMES, random_say(), 0.55)

    measured = evaluate(recogniser, read_dataset(root, negatives=others))
    figures = measured.to_dict()

    known = measured.known
    truth, scores = measured.labels[known], measured.scores[known]
    guesses = scores.argmax(axis=1)
    assert set(figures) >= KEYS
    assert (figures["n"], figures["n_unknown"]) == (59, 27)
    assert figures["top1"] == pytest.approx(oracle_metrics.accuracy_score(truth, guesses), abs=1e-6)
    assert figures["top3"] == figures["top5"] == 1
    assert figures["macro_f1"] == pytest.approx(
        oracle_metrics.f1_score(truth, guesses, average="macro"), abs=1e-6
    )
    report = oracle_metrics.classification_report(
        truth, guesses, target_names=NAMES, output_dict=True, zero_division=0
    )
    for name in NAMES:
        ours = figures["per_class"][name]
        assert ours["recall"] == pytest.approx(report[name]["recall"], abs=1e-6)
        assert ours["precision"] == pytest.approx(report[name]["precision"], abs=1e-6)
        assert ours["n"] == report[name]["support"]
    assert figures["unknown_auroc"] == pytest.approx(
        oracle_metrics.roc_auc_score(~known, measured.unknown), abs=1e-6
    )
    fpr, tpr, _ = oracle_metrics.roc_curve(known, -measured.unknown, drop_intermediate=False)
    assert figures["unknown_fpr95"] == pytest.approx(fpr[tpr >= 0.95][0], abs=1e-6)
    correct = known & (measured.scores.argmax(axis=1) == measured.labels)
    ranked = measured.scores.max(axis=1) * (1 - measured.unknown)
    expected = oracle_metrics.average_precision_score(correct, ranked) * correct.sum() / 59
    assert figures["gap"] == pytest.approx(expected, abs=1e-6)
    exact = scores.astype(float) / scores.sum(axis=1, keepdims=True, dtype=float)
    assert figures["loss"] == pytest.approx(
        oracle_metrics.log_loss(truth, exact, labels=range(3)), abs=1e-5
    )
    assert figures["category"] is None
    assert {name: row["n"] for name, row in figures["unknown_by_source"].items()} == {
        "objects": 15,
        "travel": 12,
    }


def test_confused_pairs_are_those_of_the_matrix(oracle, photos):
    """Each pair with its photos and how many of that truth there are, the most first."""
    measured = evaluate(
        oracle(NAMES, random_say(), 0.5), read_dataset(photos({"bridge": 30, "tower": 9}))
    )
    pairs = measured.to_dict()["confused"]

    assert pairs
    assert [row["n"] for row in pairs] == sorted((row["n"] for row in pairs), reverse=True)
    assert sum(row["n"] for row in pairs) == int((measured.guesses != measured.labels).sum())
    for row in pairs:
        truth, guess = NAMES.index(row["truth"]), NAMES.index(row["guess"])
        assert row["n"] == measured.counts[truth, guess]
        assert row["of"] == {"bridge": 30, "tower": 9}[row["truth"]]


def test_the_json_survives_json(oracle, photos):
    """The object is plain values, and reading it back gives the same."""
    figures = evaluate(oracle(NAMES, random_say(), 0.5), read_dataset(photos({"tower": 3})))

    assert json.loads(json.dumps(figures.to_dict(), allow_nan=False)) == figures.to_dict()


def test_the_same_photos_give_the_same_figures(oracle, photos):
    """Intervals drawn by chance are drawn from a seed."""
    dataset = read_dataset(photos({"bridge": 9, "tower": 9}))
    first, second = (evaluate(oracle(NAMES, random_say(), 0.5), dataset) for _ in range(2))

    assert first.to_dict() == second.to_dict()


def test_test_is_read_by_default_and_all_on_request(oracle, photos):
    """Where there is a test split only it is read, unless another or all is asked for."""
    root = photos({"train/tower": 4, "test/tower": 2, "val/tower": 1})
    dataset, recogniser = read_dataset(root), oracle(NAMES, random_say(), 0.5)

    found = {
        split: evaluate(recogniser, dataset, split=split).to_dict()
        for split in (None, "val", "all")
    }

    assert {split: row["n"] for split, row in found.items()} == {None: 2, "val": 1, "all": 7}
    assert [row["split"] for row in found.values()] == ["test", "val", None]
    with pytest.raises(DatasetError, match="extra"):
        evaluate(recogniser, dataset, split="extra")


def test_labels_the_bundle_lacks_are_listed(oracle, photos):
    """An error names each of them, and the option that counts their photos as unknown."""
    dataset = read_dataset(photos({"tower": 2, "castle": 1, "abbey": 1}))

    with pytest.raises(DatasetError, match=r"abbey, castle.*--absent-as-unknown"):
        evaluate(oracle(NAMES, random_say(), 0.5), dataset)


def test_absent_labels_can_be_unknown_photos(oracle, photos):
    """With the option their photos join the negatives, and n counts the others only."""
    dataset = read_dataset(
        photos({"tower": 2, "castle": 3, "unknown": 1}), negatives=photos({"": 4}, "odd")
    )
    recogniser = oracle(NAMES, random_say(), 0.5)

    figures = evaluate(recogniser, dataset, absent_as_unknown=True).to_dict()

    assert (figures["n"], figures["n_unknown"]) == (2, 8)
    counts = {name: row["n"] for name, row in figures["unknown_by_source"].items()}
    assert counts == {"absent labels": 3, "unknown": 1, "odd": 4}


def test_without_known_photos_figures_are_null(oracle, photos):
    """Nothing known: no accuracy, no AUROC, but the share called unknown is there."""
    dataset = read_dataset(photos({"castle": 3}))

    figures = evaluate(oracle(NAMES, random_say(), 0.0), dataset, absent_as_unknown=True).to_dict()

    assert set(figures) >= KEYS
    assert figures["n"] == 0
    assert figures["top1"] is figures["unknown_auroc"] is figures["gap"] is figures["loss"] is None
    assert figures["unknown_called_known"] == 0


def test_all_right_has_an_interval_that_does_not_collapse(oracle, photos):
    """Twelve of twelve is no certainty for any figure."""
    dataset = read_dataset(photos({"bridge": 6, "tower": 6}))

    def right(path):
        return np.eye(3)[NAMES.index(path.parent.name)] * 9, 0.1

    figures = evaluate(oracle(NAMES, right, 0.5), dataset).to_dict()

    assert figures["top1"] == figures["macro_f1"] == figures["gap"] == 1
    for name in ("top1", "macro_f1", "gap"):
        assert figures[f"{name}_interval"][0] < 0.8


def test_broken_photos_are_rows_not_crashes(oracle, photos):
    """A photo that cannot be read is skipped with its reason and counts nowhere."""
    dataset = read_dataset(photos({"tower": 5}))
    say = random_say()
    calls = []

    measured = evaluate(
        oracle(NAMES, lambda path: None if path.name == "3.png" else say(path), 0.5),
        dataset,
        progress=lambda *call: calls.append(call[:2]),
    )

    assert measured.to_dict()["n"] == 4
    assert [Path(row.path).name for row in measured.skipped] == ["3.png"]
    assert "broken" in measured.skipped[0].reason
    assert calls[-1] == (5, 5)


def test_nothing_readable_is_an_error(oracle, photos):
    """Where no photo can be read there is nothing to report."""
    with pytest.raises(DatasetError, match="none of the 2 photos"):
        evaluate(oracle(NAMES, lambda _: None, 0.5), read_dataset(photos({"tower": 2})))


def test_sources_of_negatives_are_the_folders_below_what_they_share(tmp_path):
    """Kinds of negatives bear the name of their topmost folder; lone ones that of theirs."""
    paths = [tmp_path / "n" / name for name in ("a/1.png", "b/c/2.png", "3.png")]

    assert negative_sources(paths, tmp_path / "data") == ["a", "b", "n"]
    assert negative_sources(paths[:1], tmp_path / "data") == ["a"]
    assert negative_sources([], tmp_path) == []
    assert negative_sources([tmp_path / "unknown" / "1.png"], tmp_path) == ["unknown"]
    mixed = [Path("data/a/1.png"), tmp_path / "n" / "2.png"]  # a table's own, and --negatives
    assert len(negative_sources(mixed, Path("data"))) == 2
