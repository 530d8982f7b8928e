"""Time a few real steps of each stage, and say how long a training will take here."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from torch.utils.data import DataLoader

from waymark.dataset.loader import Batch, Source, plain_loader
from waymark.dataset.loader_augment import VIEWS
from waymark.models.build import Classifier
from waymark.progress import Progress, silent
from waymark.training import loop, loop_feed
from waymark.training.cost import Pace
from waymark.training.loop_bench import Bench, Photos, at_stage, drawn, open_bench, photo_feed
from waymark.training.loop_state import Checkpoint
from waymark.training.recipe import Recipe
from waymark.training.tasks import Phase, Tasks, phases

TIMED = 2  # steps
SAMPLE = 16  # validation photos that are timed


def time_stages(
    model: Classifier, photos: Photos, recipe: Recipe, *, tasks: Tasks, progress: Progress = silent
) -> Iterator[Pace]:
    """Take a few real steps of each stage, reading included, and yield how long it will take.

    The first step is not counted: it starts the readers. Distillation and compiling are left
    out.

    Args:
        model: with any weights; the steps move them.
        photos: what the training will read.
        recipe: how.
        tasks: what there is to learn.
        progress: told of each stage.
    """
    found = phases(recipe)
    with open_bench(model, photos, recipe, tasks) as setup:
        for done, phase in enumerate(found):
            progress(done, len(found), "timing steps of each stage")
            yield _pace(setup, photos, phase)
    progress(len(found), len(found), "timing steps of each stage")


def _pace(setup: loop.Setup, photos: Photos, phase: Phase) -> Pace:
    recipe, stage = setup.recipe, phase.stage
    size = stage.size or recipe.size
    fed = photo_feed(setup, photos, size=size, phase=phase)
    steps = len(fed.train)
    bench = at_stage(setup, fed, phase)
    each, before = _validation(bench, photos, phase), 0.0
    batches = drawn(fed, setup)
    if loop_feed.keeps(setup.model, photos.train, recipe, phase, size):
        views = VIEWS[recipe.augment]
        before = each * (len(photos.train.paths) * views + len(photos.val.paths))
        each = 0.0
        batches = _as_features(batches, setup.model, size)
        kept = replace(fed, prepare=lambda maps: maps, wrap=loop_feed.OnFeatures)
        bench = at_stage(setup, kept, phase)
    bench.take(batches, phase)
    count = max(TIMED, recipe.workers)  # one from each reader
    started = time.perf_counter()
    bench.take(batches, phase, count)
    seconds = (time.perf_counter() - started) / count
    saving = _saving(bench)
    setup.accelerator.free_memory(bench.network, bench.optimiser)
    return Pace(
        number=phase.number,
        epochs=stage.epochs,
        steps=steps,
        step=seconds,
        validation=each * len(photos.val.paths),
        saving=saving,
        before=before,
    )


def _as_features(batches: Iterator[Batch], model: Classifier, size: int) -> Iterator[Batch]:
    """Yield one batch again and again, random features in the place of photos."""
    batch = next(batches)
    shape = loop_feed.map_shape(model, size)
    maps = torch.rand(len(batch.labels), *shape, device=batch.labels.device)
    while True:
        yield batch._replace(photos=maps)


def _validation(bench: Bench, photos: Photos, phase: Phase) -> float:
    """Return the seconds that one validation photo takes, reading included."""
    few = Source(paths=photos.val.paths[:SAMPLE], labels=photos.val.labels[:SAMPLE])
    loader = plain_loader(few, photos.preprocess, batch=SAMPLE, workers=0)
    device = bench.setup.accelerator.device

    def take() -> float:
        started = time.perf_counter()
        batches = [Batch(*(part.to(device) for part in batch)) for batch in loader]
        loop.measure(bench.setup, bench.fed, cast("DataLoader[Batch]", batches), phase.learns)
        return time.perf_counter() - started

    take()
    return take() / len(few.paths)


def _saving(bench: Bench) -> float:
    """Return the seconds that a checkpoint takes; 0 where there is no room to try."""
    setup = bench.setup
    weights = sum(value.numel() for value in setup.model.state_dict().values())
    with tempfile.TemporaryDirectory(prefix="waymark-") as name:
        if shutil.disk_usage(name).free < 40 * weights:
            return 0.0
        checkpoint = Checkpoint(Path(name), setup.recipe, average=setup.average, keep=setup.keep)
        started = time.perf_counter()
        checkpoint.save(bench.optimiser, stage=0, epoch=1, best=0.0, stale=0, is_best=True)
        return time.perf_counter() - started
