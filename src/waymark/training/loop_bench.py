"""A few steps of a training, outside of one: for what is tried or timed before it starts.

The steps are the training loop's own. Nothing is written but to a folder that is removed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from torch import nn
from torch.utils.data import DataLoader

from waymark.dataset.loader import Batch, Source, training_loader
from waymark.errors import ConfigError
from waymark.models.build import Classifier, freeze, set_training
from waymark.preprocess import Preprocess
from waymark.progress import silent
from waymark.training import loop
from waymark.training.loop_feed import Feed
from waymark.training.loop_norms import settle, unsettled
from waymark.training.loop_optim import optimiser
from waymark.training.loop_tally import Figures
from waymark.training.recipe import Recipe
from waymark.training.tasks import Phase, Tasks


@dataclass(frozen=True, kw_only=True)
class Photos:
    """What a training reads.

    Attributes:
        train: photos to learn from.
        val: photos to choose by.
        preprocess: as prediction prepares photos.
    """

    train: Source
    val: Source
    preprocess: Preprocess


@contextmanager
def open_bench(
    model: Classifier, photos: Photos, recipe: Recipe, tasks: Tasks
) -> Iterator[loop.Setup]:
    """Give what a training has before its first stage; distillation and compiling are left out.

    Raises:
        ConfigError: if several processes were started.
    """
    plain = replace(recipe, distil=0.0, compile=False, accumulate=1)
    with tempfile.TemporaryDirectory(prefix="waymark-") as folder:
        setup = loop.begin(
            model,
            photos.train,
            plain,
            tasks=tasks,
            preprocess=photos.preprocess,
            folder=Path(folder),
            progress=silent,
        )
        if setup.accelerator.num_processes > 1:
            raise ConfigError(
                "several processes were started; checks and dry runs are done by one. "
                "Leave out `accelerate launch` or `torchrun`."
            )
        yield setup


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One stage, ready to take a step.

    Attributes:
        setup: what is the same for all stages.
        fed: what the stage is fed with.
        network: takes what `fed.prepare` returns.
        optimiser: moves what the stage learns.
    """

    setup: loop.Setup
    fed: Feed
    network: nn.Module
    optimiser: Any

    def take(self, batches: Iterator[Batch], phase: Phase, steps: int = 1) -> Figures:
        """Take so many steps, and return what was counted before each moved the weights.

        Args:
            batches: at least `steps` of them.
            phase: whose stage says the learning rate.
            steps: how many.
        """
        some = cast("DataLoader[Batch]", Some(batches, steps))
        figures, _ = loop.one_epoch(
            self.setup, self.fed, self.network, some, self.optimiser, phase=phase, epoch=1, first=0
        )
        return figures


def at_stage(setup: loop.Setup, fed: Feed, phase: Phase) -> Bench:
    """Let learn what a stage lets learn, and make its optimiser."""
    model = setup.model
    freeze(model, trains=phase.stage.trains, tasks=phase.learns)
    step = optimiser(model, setup.keep, phase.stage)
    network, step = setup.accelerator.prepare(fed.wrap(model), step)
    set_training(model, training=True)
    return Bench(setup=setup, fed=fed, network=network, optimiser=step)


def steady(phase: Phase, lr: float | None = None) -> Phase:
    """Return a stage whose learning rate stays as it is: `lr`, or the stage's peak."""
    stage = phase.stage
    return replace(phase, stage=replace(stage, schedule="constant", warmup=0.0, lr=lr or stage.lr))


def photo_feed(setup: loop.Setup, photos: Photos, *, size: int, phase: Phase) -> Feed:
    """Return a feed of photos of `size` pixels a side; features are never kept."""
    recipe = setup.recipe
    loader, sampler = training_loader(
        photos.train,
        photos.preprocess.at(size),
        augment=recipe.augment,
        batch=recipe.batch,
        balance=recipe.balance,
        negatives=recipe.negatives > 0,
        workers=recipe.workers,
        seed=recipe.seed,
        copies=recipe.copies,
    )
    if unsettled(recipe, phase):
        settle(setup.model, loader, setup.normalised)
    return Feed(
        train=loader, sampler=sampler, watch=loader, prepare=setup.normalised, wrap=lambda m: m
    )


def drawn(fed: Feed, setup: loop.Setup) -> Iterator[Batch]:
    """Yield training batches without end, epoch after epoch, where the network is."""
    device = setup.accelerator.device
    while True:
        fed.sampler.epoch += 1
        for batch in fed.train:
            yield Batch(*(part.to(device) for part in batch))


class Some:
    """The next few batches of an endless stream, as a loader of just these."""

    def __init__(self, batches: Iterator[Batch], count: int) -> None:
        self.batches = batches
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Batch]:
        for _ in range(self.count):
            yield next(self.batches)
