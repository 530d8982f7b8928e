"""The steps behind `--overfit-one-batch` and `--lr-find`; `checks.py` draws the conclusions.

Both train a network of their own, which is thrown away, with the steps of the training loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import isfinite
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from waymark.dataset.index import Dataset
from waymark.dataset.loader import NEGATIVE, Batch, Source
from waymark.models.build import Outputs
from waymark.progress import Progress, silent
from waymark.training.checks import SMALL, BatchStep, RateStep, exploded, smoothed, still
from waymark.training.deep import preprocess_of, source, start_network
from waymark.training.loop_bench import (
    Bench,
    Photos,
    at_stage,
    drawn,
    open_bench,
    photo_feed,
    steady,
)
from waymark.training.recipe import Recipe
from waymark.training.tasks import Tasks, phases

LARGEST = 64  # photos of the one batch


def overfit_one_batch(
    dataset: Dataset,
    recipe: Recipe,
    *,
    weights: Path | None = None,
    steps: int = 200,
    progress: Progress = silent,
) -> Iterator[BatchStep]:
    """Train on one batch of unchanged photos until each is named right; yield what it finds.

    Network, loss, optimiser and learning rate are those of the recipe's first stage; what
    makes learning by heart harder (dropout, augmentation, smoothing) is off. It ends early
    when the loss is small, or no longer a number.

    Args:
        dataset: photos with labels; those of `val` and `test` are left alone.
        recipe: how.
        weights: what the backbone starts from, instead of what the recipe says.
        steps: at most so many.
        progress: told of each step.

    Raises:
        ConfigError: if the weights cannot be had, or do not fit.

    Yields:
        First what the network says of the batch before any step.
    """
    recipe = still(recipe)
    chosen = evenly(dataset, min(recipe.batch, LARGEST), seed=recipe.seed)
    tasks = Tasks.of(chosen, recipe)
    photos = _photos(chosen, recipe, progress)
    model = start_network(recipe, tasks, weights=weights)
    phase = steady(phases(recipe)[0])
    said: list[dict[str, Tensor]] = []

    def listen(_: nn.Module, __: object, out: Outputs) -> None:
        said[:] = [{task: logits.detach() for task, logits in out.logits.items()}]

    with open_bench(model, photos, recipe, tasks) as setup:
        fed = photo_feed(setup, photos, size=phase.stage.size or recipe.size, phase=phase)
        batch = next(drawn(fed, setup))
        bench = at_stage(setup, fed, phase)
        handle = model.register_forward_hook(listen)
        first = None
        for number in range(steps + 1):
            figures = bench.take(iter([batch]), phase)
            progress(number, steps, "learning one batch by heart")
            step = BatchStep(
                step=number,
                loss=figures.loss,
                top1=dict(figures.top1),
                wrong=_wrong(bench, batch, said[0], phase.learns, photos.train),
            )
            yield step
            first = first or step.loss
            small = step.learnt and step.loss <= SMALL * first
            if small or not isfinite(step.loss):
                break
        handle.remove()


def find_rate(
    dataset: Dataset,
    recipe: Recipe,
    *,
    weights: Path | None = None,
    lowest: float = 1e-7,
    highest: float = 1.0,
    steps: int = 100,
    progress: Progress = silent,
) -> Iterator[RateStep]:
    """Train with a learning rate that rises at every step, until the loss explodes.

    Everything is as in the recipe's first stage, but for the rate.

    Args:
        dataset: photos with labels; those of `val` and `test` are left alone.
        recipe: how.
        weights: what the backbone starts from, instead of what the recipe says.
        lowest: rate of the first step.
        highest: rate of the last.
        steps: their number; rates rise by the same factor from each to the next.
        progress: told of each step.

    Raises:
        ConfigError: if the weights cannot be had, or do not fit.

    Source: Smith 2017, section 3.3, https://arxiv.org/abs/1506.01186
    """
    recipe = replace(recipe, ema=0.0, distil=0.0)
    chosen = evenly(dataset, steps * recipe.batch, seed=recipe.seed)
    tasks = Tasks.of(chosen, recipe)
    photos = _photos(chosen, recipe, progress)
    model = start_network(recipe, tasks, weights=weights)
    phase = phases(recipe)[0]
    with open_bench(model, photos, recipe, tasks) as setup:
        fed = photo_feed(setup, photos, size=phase.stage.size or recipe.size, phase=phase)
        bench, batches = at_stage(setup, fed, phase), drawn(fed, setup)
        done: list[RateStep] = []
        for rate in np.geomspace(lowest, highest, steps).tolist():
            loss = bench.take(batches, steady(phase, rate)).loss
            done.append(RateStep(rate=rate, loss=loss, smoothed=smoothed(done, loss)))
            progress(len(done), steps, "trying learning rates")
            yield done[-1]
            if exploded(done):
                break


def evenly(dataset: Dataset, most: int, *, seed: int) -> Dataset:
    """Return at most so many photos to learn from, of every landmark alike, as a train split.

    Args:
        dataset: photos of `val` and `test` are left out.
        most: at least 1.
        seed: of the choice.
    """
    rng = np.random.default_rng(seed)
    given = [photo for photo in dataset.photos if photo.split in (None, "train")]
    order = [given[i] for i in rng.permutation(len(given))]
    turns: dict[str, int] = {}
    ranked = []
    for photo in order:
        turns[photo.label] = turns.get(photo.label, -1) + 1
        ranked.append((turns[photo.label], photo))
    ranked.sort(key=lambda pair: pair[0])  # a photo of each landmark, then a second of each
    return dataset.with_photos(tuple(replace(photo, split="train") for _, photo in ranked[:most]))


def _photos(chosen: Dataset, recipe: Recipe, progress: Progress) -> Photos:
    train = source(chosen.of_split("train"), negatives=recipe.negatives > 0)
    nothing = Source(paths=(), labels=())
    preprocess = preprocess_of(recipe, chosen, progress=progress)
    return Photos(train=train, val=nothing, preprocess=preprocess)


def _wrong(
    bench: Bench,
    batch: Batch,
    said: dict[str, Tensor],
    learns: tuple[str, ...],
    photos: Source,
) -> tuple[Path, ...]:
    """Return the photos of the batch that are not named right in every task."""
    labels = bench.setup.losses.labels(batch.labels)
    wrong = torch.zeros_like(batch.labels, dtype=torch.bool)
    for task in learns:
        wrong |= (said[task].argmax(1) != labels[task]) & (labels[task] != NEGATIVE)
    return tuple(photos.paths[item] for item in batch.items[wrong].tolist())
