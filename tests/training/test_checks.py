"""The conclusions drawn from a few steps: learnt or not, and which learning rate."""

from __future__ import annotations

import csv
from dataclasses import fields
from math import inf, log10, nan
from pathlib import Path

import numpy as np
import pytest

from waymark.training.checks import (
    BatchStep,
    RateStep,
    exploded,
    judge,
    plot_rates,
    smoothed,
    still,
    suggest_rate,
    write_rates,
)
from waymark.training.recipe import Recipe
from waymark.training.recipes import RECIPES


def steps(*losses: float, right: float = 1.0) -> list[BatchStep]:
    """Return the steps of a batch with these losses, which ends so well."""
    wrong = () if right == 1 else (Path("a.jpg"),)
    return [
        BatchStep(step=number, loss=loss, top1={"landmark": right}, wrong=wrong)
        for number, loss in enumerate(losses)
    ]


def ranged(losses: list[float], lowest: float = 1e-6, highest: float = 1.0) -> list[RateStep]:
    """Return a range test with these losses, without noise."""
    rates = np.geomspace(lowest, highest, len(losses))
    return [
        RateStep(rate=rate, loss=loss, smoothed=loss)
        for rate, loss in zip(rates.tolist(), losses, strict=True)
    ]


def test_a_batch_that_was_learnt() -> None:
    """Every photo named right: the sentence has steps and losses, and no advice."""
    verdict = judge(steps(2.3, 1.0, 0.004))
    assert verdict.learns
    assert verdict.text.startswith("learns it: 100 % after 2 steps (loss 2.3 -> 0.004)")
    assert verdict.advice == ()


@pytest.mark.parametrize(
    ("losses", "word"),
    [
        ((2.3, 9.0), "too high"),
        ((2.3, nan), "too high"),
        ((2.3, 2.29), "too low"),
        ((2.3, 0.7), "look at the photos"),
        ((2.3, 0.01), "labels at odds"),
    ],
)
def test_a_batch_that_was_not_learnt(losses: tuple[float, ...], word: str) -> None:
    """Each way to fail is told what to look at first."""
    verdict = judge(steps(*losses, right=0.5))
    assert not verdict.learns
    assert "50% landmark" in verdict.text
    assert word in verdict.advice[0]


def test_a_loss_that_is_no_number_is_never_learnt() -> None:
    """All right by chance with a loss of NaN is not a success."""
    assert not judge(steps(2.3, nan)).learns


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda r: r.name)
def test_still_changes_only_what_is_in_the_way(recipe: Recipe) -> None:
    """Network, loss, stages and batch are the recipe's own."""
    changed = still(recipe)
    assert (changed.dropout, changed.augment, changed.copies) == (0.0, "none", 1)
    kept = {"backbone", "pool", "hidden", "loss", "stages", "batch", "size", "task", "seed"}
    assert kept <= {
        f.name for f in fields(recipe) if getattr(recipe, f.name) == getattr(changed, f.name)
    }
    assert still(changed) == changed


def test_the_running_mean_of_equal_losses_is_that_loss() -> None:
    """From the first step on: there is no pull towards zero."""
    done: list[RateStep] = []
    for _ in range(5):
        done.append(RateStep(rate=1.0, loss=3.0, smoothed=smoothed(done, 3.0)))
    assert [step.smoothed for step in done] == pytest.approx([3.0] * 5)


def test_the_running_mean_weighs_by_age() -> None:
    """It equals the mean whose weights fall by 0.9 a step."""
    losses = [3.0, 1.0, 4.0, 1.5]
    done: list[RateStep] = []
    for loss in losses:
        done.append(RateStep(rate=1.0, loss=loss, smoothed=smoothed(done, loss)))
    weights = 0.9 ** np.arange(len(losses))[::-1]
    assert done[-1].smoothed == pytest.approx(np.average(losses, weights=weights))


def test_a_range_test_ends_when_the_loss_explodes() -> None:
    """At over four times its best, or when it is no number."""
    assert not exploded(ranged([2.0, 1.0, 3.9]))
    assert exploded(ranged([2.0, 1.0, 4.1]))
    assert exploded(ranged([2.0, nan]))
    assert exploded(ranged([2.0, inf]))


def test_the_suggestion_lies_where_the_loss_falls_fastest() -> None:
    """A curve that falls like a sigmoid about 1e-3 and explodes at the end."""
    rates = np.geomspace(1e-6, 1.0, 61)
    losses = 2 - 1.5 / (1 + np.exp(-4 * (np.log10(rates) + 3)))
    losses[-5:] = 9.0
    found = suggest_rate(ranged(losses.tolist()))
    assert found is not None
    assert log10(found.steepest) == pytest.approx(-3, abs=0.11)
    assert found.best == pytest.approx(rates[-6])
    assert found.cautious == pytest.approx(found.best / 10)
    assert found.rate == min(found.steepest, found.cautious)


@pytest.mark.parametrize("losses", [[1.0, 2.0, 3.0, 4.0], [2.0] * 9, [nan] * 5, [1.0, 0.5]])
def test_no_suggestion_where_nothing_fell(losses: list[float]) -> None:
    """A loss that only rises, stays, or is no number suggests nothing."""
    assert suggest_rate(ranged(losses)) is None


def test_the_table_and_the_picture(tmp_path: Path) -> None:
    """A row a step that can be read back; a figure with and without a suggestion."""
    done = ranged([2.0, 1.5, 1.0, 0.5, nan])
    write_rates(tmp_path / "lr.csv", done)
    with (tmp_path / "lr.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["lr"]) for row in rows] == pytest.approx([s.rate for s in done], rel=1e-5)
    for suggestion in (suggest_rate(done), None):
        plot_rates(done, suggestion).savefig(tmp_path / "lr.png")
        assert (tmp_path / "lr.png").stat().st_size > 1000
