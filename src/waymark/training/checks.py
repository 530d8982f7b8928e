"""What a careful trainer asks first: can this be learnt at all, and how fast?

`loop_checks` takes the steps and yields a record of each; this module draws the
conclusions. NumPy only, matplotlib where it draws.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from waymark.training.recipe import Recipe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SMALL = 0.05
"""A loss is small when it is this part of what it was before the first step."""

MEMORY = 0.9
"""Of the smoothed loss, this part comes from the steps before."""

EXPLODED = 4.0
"""A smoothed loss of so many times its best has exploded (Smith 2017 looks at the curve)."""

CAUTIOUS = 10.0
"""The highest safe rate is taken to be the best loss's rate, divided by this."""


@dataclass(frozen=True, kw_only=True)
class BatchStep:
    """What one step on the one batch found before it moved the weights.

    Attributes:
        step: from 0: what the network said before it learnt anything.
        loss: of the batch, over the tasks that are learnt.
        top1: for each task that is learnt, the part of its photos named right, 0 to 1.
        wrong: photos that are not named right in every task.
    """

    step: int
    loss: float
    top1: Mapping[str, float]
    wrong: tuple[Path, ...]

    @property
    def learnt(self) -> bool:
        """Whether every photo is named right."""
        return not self.wrong and isfinite(self.loss)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the steps on one batch say.

    Attributes:
        learns: whether the network named every photo of the batch right in the end.
        text: one sentence.
        advice: what to look at, one thing an entry; empty where it learns.
    """

    learns: bool
    text: str
    advice: tuple[str, ...] = ()


def still(recipe: Recipe) -> Recipe:
    """Return the recipe without what makes it harder to learn photos by heart."""
    return replace(
        recipe,
        dropout=0.0,
        drop_path=0.0,
        conv_dropout=0.0,
        label_smoothing=0.0,
        mixup=0.0,
        cutmix=0.0,
        balance=0.0,
        negatives=0.0,
        distil=0.0,
        ema=0.0,
        augment="none",
        copies=1,
        workers=0,
    )


def judge(steps: Sequence[BatchStep]) -> Verdict:
    """Say whether one batch was learnt, and if not, what to look at.

    Args:
        steps: in order; at least one.
    """
    first, last = steps[0], steps[-1]
    fall = f"loss {first.loss:.3g} -> {last.loss:.3g}"
    if last.learnt:
        return Verdict(
            learns=True,
            text=f"learns it: 100 % after {last.step} steps ({fall}): "
            "the network and the labels can be learnt",
        )
    share = " and ".join(f"{value:.0%} {task}" for task, value in last.top1.items())
    return Verdict(
        learns=False,
        text=f"does not: {share} after {last.step} steps ({fall})",
        advice=_advice(first, last),
    )


def _advice(first: BatchStep, last: BatchStep) -> tuple[str, ...]:
    """Return what to look at, the likeliest first."""
    rate = "`waymark train ... --lr-find` suggests a rate"
    if not isfinite(last.loss) or last.loss > 2 * first.loss:
        return (
            f"the loss exploded: the learning rate is too high; {rate}",
            "or clip gradients: --set clip=1",
        )
    frozen = (
        "if the backbone is frozen (trains = head), its features may not tell these photos "
        "apart: start from pretrained weights, or train all layers"
    )
    if last.loss > 0.9 * first.loss:
        return (f"the loss hardly moved: the learning rate is too low; {rate}", frozen)
    if last.loss < SMALL * first.loss:
        return ("the loss is small, so the last photos have labels at odds with photos like them",)
    return (
        "look at the photos still wrong, below: is the label right, is the landmark in it?",
        f"the loss is still falling: the learning rate may be too low; {rate}",
        frozen,
        "the network may be too small, or the input size too small to see the difference",
    )


@dataclass(frozen=True, kw_only=True)
class RateStep:
    """What one step at one learning rate found before it moved the weights.

    Attributes:
        rate: of the head.
        loss: of the step's batch.
        smoothed: mean of the losses so far, recent ones counting most.
    """

    rate: float
    loss: float
    smoothed: float


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """Which learning rates a range test suggests.

    Attributes:
        steepest: where the smoothed loss falls fastest.
        cautious: a tenth of the rate of the lowest smoothed loss.
        best: the rate of the lowest smoothed loss, already at the edge.
    """

    steepest: float
    cautious: float
    best: float

    @property
    def rate(self) -> float:
        """The suggested rate: the lower of the two, since too low is slow and too high fails."""
        return min(self.steepest, self.cautious)


def smoothed(before: Sequence[RateStep], loss: float) -> float:
    """Return the running mean after one more loss, without the bias towards zero."""
    weight = MEMORY ** len(before)
    total = before[-1].smoothed * (1 - weight) if before else 0.0
    return (MEMORY * total + (1 - MEMORY) * loss) / (1 - MEMORY * weight)


def exploded(steps: Sequence[RateStep]) -> bool:
    """Say whether the loss has left the range in which a higher rate could be any use."""
    if not isfinite(steps[-1].smoothed):
        return True
    return steps[-1].smoothed > EXPLODED * min(step.smoothed for step in steps)


def suggest_rate(steps: Sequence[RateStep]) -> Suggestion | None:
    """Return the rates that a range test suggests; None where no rate lowered the loss.

    The loss's slope is taken over the logarithm of the rate, up to the lowest loss.

    Args:
        steps: with rising rates.

    Source: Smith 2017, section 3.3, https://arxiv.org/abs/1506.01186
    """
    found = [step for step in steps if isfinite(step.smoothed)]
    losses = np.array([step.smoothed for step in found])
    rates = np.array([step.rate for step in found])
    if len(found) < 3:
        return None
    lowest = int(losses.argmin())
    noise = float(np.std([step.loss - step.smoothed for step in found[: lowest + 1]]))
    if lowest < 2 or losses[0] - losses[lowest] <= noise / 2:
        return None
    slopes = np.gradient(losses[: lowest + 1], np.log10(rates[: lowest + 1]))
    return Suggestion(
        steepest=float(rates[slopes.argmin()]),
        cautious=float(rates[lowest]) / CAUTIOUS,
        best=float(rates[lowest]),
    )


def write_rates(file: Path, steps: Sequence[RateStep]) -> None:
    """Write a row a step: lr, loss, smoothed_loss."""
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["lr", "loss", "smoothed_loss"])
        writer.writerows(
            [f"{step.rate:.6g}", f"{step.loss:.6g}", f"{step.smoothed:.6g}"] for step in steps
        )


def plot_rates(steps: Sequence[RateStep], suggestion: Suggestion | None) -> Figure:
    """Draw the loss over the learning rate, with what is suggested.

    Args:
        steps: with rising rates; losses that are not numbers end the curve.
        suggestion: drawn as a line; None draws none.
    """
    from matplotlib.figure import Figure

    from waymark.evaluation.plots import LIGHT

    rates = [step.rate for step in steps]
    fig = Figure(figsize=(7, 4), layout="constrained", facecolor=LIGHT.paper)  # inches
    axes = fig.subplots()
    axes.plot(rates, [step.loss for step in steps], ".", color=LIGHT.faint, label="of the batch")
    axes.plot(rates, [step.smoothed for step in steps], color=LIGHT.first, label="smoothed")
    if suggestion is not None:
        axes.axvline(
            suggestion.rate,
            color=LIGHT.second,
            linestyle="--",
            label=f"suggested: {suggestion.rate:.2g}",
        )
    values = [step.smoothed for step in steps if isfinite(step.smoothed)]
    top = min(1.5 * values[0], EXPLODED * min(values)) if values else inf
    if isfinite(top) and top > 0:
        axes.set_ylim(0, max(top, 1.1 * values[0]))
    axes.set_xscale("log")
    axes.set_xlabel("learning rate of the head")
    axes.set_ylabel("training loss")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return fig
