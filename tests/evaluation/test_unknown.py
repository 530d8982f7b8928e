"""The unknown rule on clouds whose truth is known, applied by `recognise/decision.py`."""

import numpy as np
import pytest

from waymark.errors import ShapeError
from waymark.evaluation.metrics import auroc
from waymark.evaluation.statistics import class_statistics
from waymark.evaluation.unknown import fit_unknown_rule
from waymark.recognise.decision import FEATURES, unknown_features

CLASSES, WIDTH = 6, 24


def world(seed=0, n=300, m=200):
    """Known clouds, a head that reads them, and negatives in clouds of their own."""
    rng = np.random.default_rng(seed)
    means = rng.normal(0, 2, (CLASSES, WIDTH))
    others = rng.normal(0, 2, (8, WIDTH))

    def photos(n):
        labels = rng.integers(0, CLASSES, n)
        labels[:CLASSES] = range(CLASSES)
        return (means[labels] + rng.normal(0, 1, (n, WIDTH))).astype(np.float32), labels

    def strangers(n):
        rows = others[rng.integers(0, 8, n)] + rng.normal(0, 1.2, (n, WIDTH))
        return rows.astype(np.float32)

    train, labels = photos(n)
    statistics = class_statistics(train, labels, CLASSES, strangers(m))
    statistics["head_weight"] = means.astype(np.float32)
    statistics["head_bias"] = (-(means**2).sum(axis=1) / 2).astype(np.float32)
    return statistics, photos, strangers


def logits(embedding, statistics):
    """What the head says."""
    return embedding @ statistics["head_weight"].T + statistics["head_bias"]


def apply(rule, embedding, statistics):
    """Unknown scores by the formula that the bundle states."""
    features = unknown_features(logits(embedding, statistics), embedding, statistics)
    columns = features[:, [FEATURES.index(name) for name in rule.features]]
    raised = rule.bias + ((columns - rule.centre) / rule.scale) @ np.array(rule.weights)
    return 1 / (1 + np.exp(-raised))


def test_the_rule_holds_on_photos_it_never_saw():
    """On new photos AUROC is high, and both error rates are about what the rule states."""
    statistics, photos, strangers = world()
    known, labels = photos(400)
    negatives = strangers(200)

    rule = fit_unknown_rule(
        logits(known, statistics),
        known,
        labels,
        logits(negatives, statistics),
        negatives,
        statistics=statistics,
    )
    fresh = apply(rule, photos(600)[0], statistics)
    strange = apply(rule, strangers(600), statistics)

    assert auroc(fresh, strange) > 0.98
    assert (fresh > rule.threshold).mean() < 0.08
    assert (strange <= rule.threshold).mean() == pytest.approx(rule.fpr, abs=0.05)
    assert "200 negatives" in rule.source


@pytest.mark.parametrize("seed", range(3))
def test_centroids_of_the_same_negatives_do_not_flatter_the_rule(seed):
    """ "Negatives" that are known photos, summed up and judged together, stay a coin toss."""
    statistics, photos, _ = world(seed)
    (known, labels), (same, _) = photos(200), photos(200)
    again = class_statistics(*photos(300), CLASSES, same)

    rule = fit_unknown_rule(
        logits(known, statistics), known, labels, logits(same, statistics), same, statistics=again
    )

    assert rule.fpr > 0.8


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("few", [0, 9])
def test_without_negatives_the_parents_knowledge_serves(few, normalise):
    """What the parent holds for something else teaches a rule that works on real negatives."""
    statistics, photos, strangers = world()
    known, labels = photos(200)
    none = (logits(strangers(few), statistics), strangers(few)) if few else (None, None)
    outsiders = statistics["negative_means"]

    rule = fit_unknown_rule(
        logits(known, statistics),
        known,
        labels,
        *none,
        statistics=statistics,
        outsiders=outsiders,
        normalise=normalise,
    )

    assert rule.fpr is None
    assert "parent" in rule.source
    if not normalise:
        fresh = apply(rule, photos(400)[0], statistics)
        assert auroc(fresh, apply(rule, strangers(400), statistics)) > 0.95
        assert (fresh > rule.threshold).mean() < 0.1


@pytest.mark.parametrize("outsiders", [None, 0, 1])
def test_with_neither_negatives_nor_parent_it_still_beats_chance(outsiders):
    """Points between the landmarks teach enough to see what is far from all of them."""
    statistics, photos, strangers = world()
    del statistics["negative_means"], statistics["negative_counts"]
    known, labels = photos(60)

    rule = fit_unknown_rule(
        logits(known, statistics),
        known,
        labels,
        None,
        None,
        statistics=statistics,
        outsiders=None if outsiders is None else strangers(outsiders),
    )

    assert "between the landmarks" in rule.source
    assert auroc(*(apply(rule, x, statistics) for x in (photos(300)[0], strangers(300)))) > 0.8


def test_a_clear_gap_puts_the_threshold_inside_it():
    """Where known and unknown are far apart, no known photo is given up for nothing."""
    statistics, photos, strangers = world()
    known, labels = photos(200)
    far = strangers(60) + 40

    rule = fit_unknown_rule(
        logits(known, statistics),
        known,
        labels,
        logits(far, statistics),
        far,
        statistics={k: v for k, v in statistics.items() if not k.startswith("negative")},
    )

    assert rule.fpr == 0
    assert (apply(rule, photos(300)[0], statistics) > rule.threshold).mean() < 0.01


def test_the_same_seed_gives_the_same_rule():
    """Nothing in the fit depends on chance but the seed."""
    statistics, photos, strangers = world()
    known, labels = photos(80)
    negatives = strangers(40)
    arguments = (logits(known, statistics), known, labels, logits(negatives, statistics), negatives)

    assert fit_unknown_rule(*arguments, statistics=statistics) == fit_unknown_rule(
        *arguments, statistics=statistics
    )


def test_lengths_that_differ_are_refused():
    """Labels without photos are a ShapeError."""
    statistics, photos, _ = world()
    known, labels = photos(20)
    with pytest.raises(ShapeError):
        fit_unknown_rule(
            logits(known, statistics), known[:5], labels, None, None, statistics=statistics
        )
