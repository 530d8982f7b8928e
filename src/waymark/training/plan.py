"""A dry run: what a training would do, how long it would take, and where it would go.

Nothing is written but to temporary folders, and no weights are downloaded.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from waymark.bundle.statistics import RANK, WIDE
from waymark.dataset.index import Dataset
from waymark.progress import Progress, silent
from waymark.training.cost import Cost, Pace, duration, megabytes, say_cost, say_pace
from waymark.training.recipe import Recipe
from waymark.training.run import check_training, find_folder

if TYPE_CHECKING:
    from waymark.bundle.format import Bundle

EMBEDDED = 16
"""Photos whose embedding is timed."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a training would do.

    Attributes:
        recipe: how.
        folder: where the run would go.
        photos: number of each split that has any.
        classes: photos to learn from, for each landmark.
        categories: how many there are to learn; 0 where they are not learnt.
        negatives: photos that show no landmark.
        skipped: files that cannot be used.
        start: where the weights come from.
        cost: what the network asks for; None for the fast path.
        paces: how long each stage takes; none for the fast path.
        seconds: of embedding, for the fast path; 0 for the deep one.
        bundle: size of the bundle in bytes, about; 0 where it depends on the parent.
        peak: memory that this process needed at its peak while it tried, in bytes; 0 where
            nothing was tried.
    """

    recipe: Recipe
    folder: Path
    photos: dict[str, int]
    classes: dict[str, int]
    categories: int = 0
    negatives: int
    skipped: int
    start: str
    cost: Cost | None = None
    paces: tuple[Pace, ...] = ()
    seconds: float = 0.0
    bundle: int = 0
    peak: int = 0


def plan_training(
    dataset: Dataset,
    recipe: Recipe,
    *,
    out: Path | None = None,
    weights: Path | None = None,
    parent: str = "world",
    slim: bool = False,
    progress: Progress = silent,
) -> Plan:
    """Say what `train` would do with the same arguments.

    Raises:
        WaymarkError: as `train` would before its first step, but for weights that it would
            have to download.
    """
    check_training(dataset, recipe, weights)
    folder = find_folder(out, dataset.name, recipe, resume=False)
    if recipe.kind == "linear":
        return _fast(dataset, recipe, folder, parent=parent, weights=weights)
    return _deep(dataset, recipe, folder, weights=weights, slim=slim, progress=progress)


def _deep(
    dataset: Dataset,
    recipe: Recipe,
    folder: Path,
    *,
    weights: Path | None,
    slim: bool,
    progress: Progress,
) -> Plan:
    from waymark.training.deep import counted, preprocess_of, source, split_for, start_network
    from waymark.training.run_deep import enough_held_out
    from waymark.training.timing import peak_mb

    split = split_for(dataset, recipe, progress=progress)
    enough_held_out(split)
    cost = counted(split, recipe)
    from waymark.training.loop_bench import Photos
    from waymark.training.loop_pace import time_stages
    from waymark.training.tasks import Tasks

    tasks = Tasks.of(split, recipe)
    unknown = recipe.start == "pretrained" and weights is None  # a download, and nothing to time
    started = replace(recipe, start="random") if unknown else recipe
    model = start_network(started, tasks, weights=weights)
    photos = Photos(
        train=source(split.of_split("train"), negatives=True),
        val=source(split.of_split("val"), negatives=False),
        # which mean and deviation photos are normalised by takes no time to use
        preprocess=preprocess_of(replace(recipe, normalise="backbone"), split),
    )
    paces = tuple(time_stages(model, photos, recipe, tasks=tasks, progress=progress))
    hub = "timm's hub (to be downloaded)"
    return _plan(
        split,
        recipe,
        folder,
        categories=len(tasks.categories),
        start=str(weights) if weights else hub if unknown else recipe.start,
        cost=cost,
        paces=paces,
        bundle=bundle_size(cost, len(split.labels), slim=slim),
        peak=int(peak_mb() * 2**20),
    )


def _fast(
    dataset: Dataset, recipe: Recipe, folder: Path, *, parent: str, weights: Path | None
) -> Plan:
    from waymark.bundle.format import read_bundle

    if weights is None:
        known = read_bundle(parent)
    else:
        from waymark.training.bare import bare_bundle

        known = bare_bundle(recipe, weights)
    learnt = [photo.path for photo in dataset.photos if photo.split != "test"]
    paths = [*learnt, *dataset.negatives]
    return _plan(
        dataset.with_photos(tuple(replace(p, split=p.split or "train") for p in dataset.photos)),
        recipe,
        folder,
        start=str(weights) if weights else f"the embedding of {parent}",
        seconds=_embedding(known, paths, recipe.views),
    )


def _embedding(bundle: Bundle, paths: list[Path], views: int) -> float:
    """Return the seconds that embedding photos takes, from a few, evenly chosen."""
    from waymark.training.features import embed_photos

    chosen = paths[:: max(1, len(paths) // EMBEDDED)][:EMBEDDED]

    def take(some: list[Path]) -> float:
        started = perf_counter()
        embed_photos(bundle, some, views=views, cached=False)
        return perf_counter() - started

    opening = take(chosen[:1])
    each = max(0.0, take(chosen) - opening) / max(1, len(chosen) - 1)
    return opening + each * len(paths)


def _plan(dataset: Dataset, recipe: Recipe, folder: Path, **values: object) -> Plan:
    train = Counter(photo.label for photo in dataset.photos if photo.split == "train")
    splits = Counter(str(photo.split) for photo in dataset.photos)
    return Plan(
        recipe=recipe,
        folder=folder,
        photos={name: splits[name] for name in ("train", "val", "test") if splits[name]},
        classes={label: train[label] for label in dataset.labels},
        negatives=len(dataset.negatives),
        skipped=len(dataset.skipped),
        **values,  # type: ignore[arg-type]
    )


def bundle_size(cost: Cost, classes: int, *, slim: bool) -> int:
    """Return the size in bytes that a bundle will have, about.

    The network stands in it twice, as ONNX and as weights to train on from (unless `slim`),
    in float16; beside it the means, the head and the covariance of the embedding.
    """
    width = cost.width
    spread = width * width if width <= WIDE else width
    half = spread + width * min(RANK, width)
    return 2 * cost.parameters * (1 if slim else 2) + 2 * half + 4 * 2 * classes * width


def say_plan(plan: Plan) -> list[str]:
    """Return the lines of a dry run."""
    names = {"train": "to learn from", "val": "to choose by (val)", "test": "for test"}
    photos = [f"{number} {names[name]}" for name, number in plan.photos.items()]
    extra = [(plan.negatives, "negatives"), (plan.skipped, "that cannot be used")]
    photos += [f"{number} {what}" for number, what in extra if number]
    counts = sorted(plan.classes.values())
    kinds = f" in {plan.categories} categories" if plan.categories else ""
    lines = [
        f"recipe: {plan.recipe.name}",
        f"photos: {', '.join(photos)}",
        f"landmarks: {len(counts)}{kinds}, of {counts[0]} to {counts[-1]} photos to learn from, "
        f"median {median(counts):g}",
        f"start: {plan.start}",
    ]
    if plan.cost is None:
        lines.append(
            f"time: about {duration(plan.seconds)} to embed the photos (those embedded before "
            "take none), then seconds for the head, and the figures and the report"
        )
    else:
        lines += [*say_cost(plan.cost), *say_pace(plan.paces)]
    if plan.peak:
        lines.append(f"memory: {megabytes(plan.peak)} at the peak of the steps that were tried")
    if plan.bundle:
        lines.append(f"bundle: about {megabytes(plan.bundle)}")
    return [*lines, f"run: {plan.folder} (nothing was written)"]
