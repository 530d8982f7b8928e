"""What a training will ask of the machine, before it starts: the figures, and how they read.

`loop_cost` finds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from waymark.training.recipe import Optimiser, Trains

TINY = 100_000
"""Bytes that are not worth a word."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What a stage keeps in memory at its peak, in bytes, besides the program itself.

    Attributes:
        weights: of the network, once more while the best are saved, and once more where
            averaged weights are kept.
        gradients: one for each weight that learns.
        optimiser: what it remembers of each weight that learns.
        activations: what a batch's layers leave behind for the backward pass; or, where that
            is more, what a forward pass alone holds at a time.
        photos: batches read ahead.
    """

    weights: int
    gradients: int
    optimiser: int
    activations: int
    photos: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.optimiser + self.activations + self.photos


@dataclass(frozen=True, kw_only=True)
class StageCost:
    """What one stage asks for.

    Attributes:
        number: of the stage in the recipe, from 0.
        trains: what learns.
        optimiser: how.
        epochs: passes over the training photos.
        size: input side in pixels.
        learnt: number of weights that learn.
        multiply_adds: of one photo on its way through the network, forward only.
        memory: at the peak.
    """

    number: int
    trains: Trains
    optimiser: Optimiser
    epochs: int
    size: int
    learnt: int
    multiply_adds: int
    memory: Memory


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a recipe asks for, whatever the number of photos.

    Attributes:
        backbone: name.
        parameters: number of weights, heads included.
        width: of the embedding.
        batch: photos a step.
        program: memory that the process holds before there is a network, in bytes.
        stages: one after the other.
    """

    backbone: str
    parameters: int
    width: int
    batch: int
    program: int
    stages: tuple[StageCost, ...]


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How long a stage takes here, from a few steps that were timed.

    Attributes:
        number: of the stage in the recipe, from 0.
        epochs: of the stage.
        steps: an epoch.
        step: seconds, photos read and changed included.
        validation: seconds an epoch.
        saving: seconds an epoch, for a checkpoint that is the best so far.
        before: seconds once: the features of a frozen backbone, where the stage keeps them.
    """

    number: int
    epochs: int
    steps: int
    step: float
    validation: float
    saving: float
    before: float

    @property
    def epoch(self) -> float:
        """Seconds an epoch."""
        return self.steps * self.step + self.validation + self.saving

    @property
    def total(self) -> float:
        """Seconds of the stage."""
        return self.before + self.epochs * self.epoch


def say_cost(cost: Cost) -> list[str]:
    """Return a line on the network, and two on each stage."""
    lines = [f"network: {cost.backbone}, {count(cost.parameters)} parameters"]
    for stage in cost.stages:
        memory = stage.memory
        parts = {
            "program": cost.program,
            "weights": memory.weights,
            "gradients": memory.gradients,
            stage.optimiser: memory.optimiser,
            f"a batch of {cost.batch}": memory.activations,
            "photos read ahead": memory.photos,
        }
        lines += [
            f"stage {stage.number} ({stage.trains}, {stage.epochs} "
            f"epoch{'s' if stage.epochs > 1 else ''}, {stage.size} px): learns "
            f"{count(stage.learnt)} parameters, {count(stage.multiply_adds)} multiply-adds a photo",
            f"stage {stage.number} memory: about {megabytes(cost.program + memory.total)} ("
            + ", ".join(
                f"{megabytes(value)} {name}" for name, value in parts.items() if value > TINY
            )
            + ")",
        ]
    return lines


def say_pace(paces: Sequence[Pace]) -> list[str]:
    """Return a line on each stage's time, and one on all of them."""
    lines = [
        f"stage {pace.number} time: {pace.step:.2g} s a step, {pace.steps} "
        f"step{'s' if pace.steps > 1 else ''} an epoch; "
        f"{duration(pace.epoch)} an epoch, {duration(pace.total)} in all"
        + (f", of which {duration(pace.before)} for the frozen features" if pace.before else "")
        for pace in paces
    ]
    total = duration(sum(pace.total for pace in paces))
    return [*lines, f"time: about {total} on this machine, then the figures and the report"]


def count(number: int) -> str:
    """Write a large number with three digits: 11.2 M."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size * 0.9995:
            digits = f"{number / size:.3g}"
            return f"{float(digits):.0f} {unit}" if "e" in digits else f"{digits} {unit}"
    return str(number)


def megabytes(size: float) -> str:
    """Write a size in MB, from a thousand of them on in GB."""
    if size >= 1e9:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.0f} MB" if size >= 1e7 else f"{size / 1e6:.1f} MB"


def duration(seconds: float) -> str:
    """Write a time in the unit that suits it."""
    if seconds < 90:
        return f"{seconds:.2g} s" if seconds < 9.5 else f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
