"""Metrics against scikit-learn and SciPy, ties included."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn import metrics as oracle
from sklearn.calibration import calibration_curve

from waymark.errors import ShapeError
from waymark.evaluation.metrics import (
    auroc,
    auroc_interval,
    bootstrap_interval,
    calibration_error,
    class_figures,
    confusion_counts,
    fpr_at_recall,
    gap,
    log_loss,
    macro_f1,
    most_confused,
    ranking,
    reliability,
    top_k_accuracy,
    wilson_interval,
)

SEEDS = pytest.mark.parametrize("seed", range(6))


def tied(rng, *shape):
    """Scores in 0..1 of which many are equal."""
    return rng.integers(0, 8, shape) / 8


@SEEDS
@pytest.mark.parametrize("k", [1, 2, 3])
def test_top_k_equals_scikit_learn_with_ties(seed, k):
    """Top-k is scikit-learn's; among equals the lower index comes first, as in argmax."""
    rng = np.random.default_rng(seed)
    scores, labels = tied(rng, 200, 6), rng.integers(0, 6, 200)

    expected = oracle.top_k_accuracy_score(5 - labels, scores[:, ::-1], k=k, labels=range(6))

    assert top_k_accuracy(scores, labels, k) == pytest.approx(expected)


def test_ranking_starts_with_argmax():
    """The first of the ranking is argmax, also where scores are equal."""
    scores = tied(np.random.default_rng(0), 100, 5)

    assert (ranking(scores, 3)[:, 0] == scores.argmax(axis=1)).all()
    assert ranking(scores, 9).shape == (100, 5)


@pytest.mark.parametrize(("right", "n"), [(0, 10), (10, 10), (1, 2), (1930, 2010), (87, 90)])
def test_wilson_interval_equals_scipy(right, n):
    """The interval is SciPy's Wilson interval."""
    expected = binomtest(right, n).proportion_ci(method="wilson")

    assert wilson_interval(right, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_interval_of_nothing_is_everything():
    """Without photos nothing is known of a share."""
    assert wilson_interval(0, 0) == (0.0, 1.0)


@SEEDS
def test_class_figures_equal_scikit_learn(seed):
    """Confusion counts, precision, recall, F1 and n are scikit-learn's."""
    rng = np.random.default_rng(seed)
    labels, guesses = rng.integers(0, 5, 40), rng.integers(0, 7, 40)
    classes = range(8)

    counts = confusion_counts(labels, guesses, 8)
    expected = oracle.precision_recall_fscore_support(
        labels, guesses, labels=classes, zero_division=0
    )

    assert (counts == oracle.confusion_matrix(labels, guesses, labels=classes)).all()
    for ours, theirs in zip(class_figures(counts), expected, strict=True):
        assert np.allclose(ours, theirs)


@SEEDS
def test_macro_f1_averages_the_classes_present(seed):
    """A class without a photo does not count, even when it was guessed."""
    rng = np.random.default_rng(seed)
    labels, guesses = rng.integers(0, 4, 60), rng.integers(0, 6, 60)

    expected = oracle.f1_score(
        labels, guesses, labels=np.unique(labels), average="macro", zero_division=0
    )

    assert macro_f1(confusion_counts(labels, guesses, 6)) == pytest.approx(expected)


@SEEDS
def test_log_loss_equals_scikit_learn(seed):
    """The mean negative log-likelihood is scikit-learn's."""
    rng = np.random.default_rng(seed)
    probs, labels = rng.dirichlet([0.3] * 5, 80), rng.integers(0, 5, 80)

    assert log_loss(probs, labels) == pytest.approx(oracle.log_loss(labels, probs, labels=range(5)))


def test_a_true_class_of_no_probability_costs_much_and_not_everything():
    """The loss stays finite, so that it can be averaged and written as JSON."""
    assert 80 < log_loss(np.array([[1.0, 0.0]], np.float32), np.array([1])) < 90


def test_the_most_confused_pairs_come_first_and_the_right_ones_never():
    """Ties keep the order of the classes; pairs without a photo are left out."""
    counts = np.array([[9, 2, 0], [0, 5, 4], [2, 0, 8]])

    assert most_confused(counts, 9) == [(1, 2), (0, 1), (2, 0)]
    assert most_confused(counts, 1) == [(1, 2)]
    assert most_confused(np.diag([3, 4]), 5) == []


@SEEDS
def test_calibration_error_equals_the_one_from_scikit_learns_curve(seed):
    """The gaps are those of scikit-learn's calibration curve, weighted by photos."""
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet([0.5] * 4, 300)
    labels = rng.integers(0, 4, 300)
    sure, right = probs.max(axis=1), probs.argmax(axis=1) == labels

    accuracy, confidence = calibration_curve(right, sure, n_bins=15)
    n = reliability(sure, right).n
    expected = (np.abs(accuracy - confidence) * n[n > 0]).sum() / 300

    assert n.sum() == 300
    assert calibration_error(probs, labels) == pytest.approx(expected)


def test_confident_and_always_wrong_is_the_worst_calibration():
    """Certainty 1.0 with accuracy 0.0 gives an error of exactly 1."""
    probs = np.array([[1.0, 0.0], [1.0, 0.0]])

    assert calibration_error(probs, np.array([1, 1])) == 1.0


@SEEDS
def test_auroc_and_fpr_equal_scikit_learn_with_ties(seed):
    """AUROC and FPR at 95 % recall, known photos as positives, are scikit-learn's."""
    rng = np.random.default_rng(seed)
    known, unknown = tied(rng, 70) * 0.7, tied(rng, 50)
    truth = np.repeat([1, 0], [70, 50])
    likely_known = -np.concatenate([known, unknown])

    fpr, tpr, _ = oracle.roc_curve(truth, likely_known, drop_intermediate=False)

    assert auroc(known, unknown) == pytest.approx(oracle.roc_auc_score(truth, likely_known))
    assert fpr_at_recall(known, unknown) == pytest.approx(fpr[tpr >= 0.95][0])


def test_auroc_interval_covers_the_truth_as_often_as_it_says():
    """Of 400 samples about 95 % of the intervals hold the true area."""
    rng = np.random.default_rng(0)
    truth = 0.921  # Phi(2 / sqrt(2)): normal scores two deviations apart
    inside = 0
    for _ in range(400):
        area = auroc(rng.normal(0, 1, 60), rng.normal(2, 1, 40))
        low, high = auroc_interval(area, 60, 40)
        inside += low <= truth <= high

    assert inside / 400 == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize("area", [0.0, 0.5, 0.93, 1.0])
def test_auroc_interval_holds_the_area_and_never_collapses(area):
    """Even a perfect area of few photos has an interval of some width."""
    low, high = auroc_interval(area, 30, 20)

    assert 0 <= low <= area <= high <= 1
    assert high - low > 0.05


@SEEDS
def test_gap_equals_scikit_learn_with_ties(seed):
    """GAP is average precision, scaled from photos found to photos that could be found."""
    rng = np.random.default_rng(seed)
    confidence = tied(rng, 120)
    correct = (rng.random(120) < confidence) & (np.arange(120) < 90)

    expected = oracle.average_precision_score(correct, confidence) * correct.sum() / 90

    assert gap(confidence, correct, 90) == pytest.approx(expected)


def test_gap_is_one_only_when_unknown_photos_come_last():
    """All right and every unknown photo below them is 1; one unknown on top costs."""
    correct = np.array([True, True, False])

    assert gap(np.array([0.9, 0.8, 0.1]), correct, 2) == 1.0
    assert gap(np.array([0.9, 0.8, 0.95]), correct, 2) == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert gap(np.array([0.9, 0.8]), np.array([False, False]), 2) == 0.0


def test_bootstrap_interval_is_repeatable_and_holds_the_mean():
    """The same seed gives the same interval, near the one of theory."""
    values = np.random.default_rng(1).normal(0, 1, 400)

    low, high = bootstrap_interval(lambda rows: float(values[rows].mean()), 400, rounds=500)

    assert (low, high) == bootstrap_interval(lambda r: float(values[r].mean()), 400, rounds=500)
    assert (high - low) / 2 == pytest.approx(1.96 * values.std() / 20, rel=0.15)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: top_k_accuracy(np.zeros((0, 3)), np.zeros(0, int)),
        lambda: top_k_accuracy(np.zeros((2, 3)), np.zeros(3, int)),
        lambda: calibration_error(np.zeros(3), np.zeros(3, int)),
        lambda: log_loss(np.zeros((0, 3)), np.zeros(0, int)),
        lambda: confusion_counts(np.zeros(2, int), np.zeros(3, int), 4),
        lambda: macro_f1(np.zeros((3, 3), int)),
        lambda: reliability(np.zeros(0), np.zeros(0, bool)),
        lambda: auroc(np.zeros(0), np.zeros(3)),
        lambda: fpr_at_recall(np.zeros(0), np.zeros(3)),
        lambda: gap(np.zeros(2), np.ones(2, bool), 1),
        lambda: gap(np.zeros(2), np.ones(3, bool), 3),
    ],
)
def test_arrays_that_do_not_fit_are_refused(wrong):
    """A wrong shape is a ShapeError, never a silent number."""
    with pytest.raises(ShapeError):
        wrong()
