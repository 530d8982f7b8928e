"""A run of the deep path: part the photos, train a network, make a bundle of it, measure it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from waymark.errors import DatasetError
from waymark.training.history import read_history
from waymark.training.processes import from_main
from waymark.training.run_job import Job, Run, finish
from waymark.training.timing import summary

if TYPE_CHECKING:
    from waymark.dataset.index import Dataset
    from waymark.models.build import Classifier
    from waymark.preprocess import Preprocess
    from waymark.training.cost import Cost
    from waymark.training.loop import EpochReport

ENOUGH_TO_VALIDATE = 2
"""The fewest photos that a temperature can be fitted on."""


def run_deep(
    job: Job,
    *,
    weights: Path | None,
    resume: bool,
    on_start: Callable[[Cost], None] | None = None,
    on_epoch: Callable[[EpochReport], None] | None = None,
) -> Run:
    """Part the photos, train a network on them, and make a bundle of it.

    Args:
        job: what to train on, how, and where to.
        weights: what the backbone starts from, instead of what the recipe says.
        resume: go on after the last finished epoch of an earlier call.
        on_start: told what the network asks for, before the first step.
        on_epoch: told of each epoch.
    """
    from waymark.training.deep import preprocess_of, train_network

    split = from_main(lambda: _split(job, resume=resume))
    preprocess = from_main(lambda: preprocess_of(job.recipe, split, progress=job.progress))
    network = train_network(
        split,
        job.recipe,
        preprocess=preprocess,
        folder=job.folder,
        weights=weights,
        resume=resume,
        progress=job.progress,
        on_start=on_start,
        on_epoch=on_epoch,
    )
    return from_main(lambda: _measured(job, split, network, preprocess))


def _split(job: Job, *, resume: bool) -> Dataset:
    """Return the dataset parted as `split.csv` says, which is written where it is missing."""
    from waymark.dataset.split import read_split, write_split
    from waymark.training.deep import split_for

    file = job.folder / "split.csv"
    if resume and file.exists():
        split = read_split(file, job.dataset)
    else:
        split = split_for(job.dataset, job.recipe, progress=job.progress)
        write_split(file, split)
    enough_held_out(split)
    return split


def enough_held_out(split: Dataset) -> None:
    """Refuse to train where there is too little to choose by.

    Raises:
        DatasetError: if fewer than `ENOUGH_TO_VALIDATE` photos are held out.
    """
    held_out = sum(photo.split == "val" for photo in split.photos)
    if held_out < ENOUGH_TO_VALIDATE:
        raise DatasetError(
            f"{split.name} has {held_out} photos for validation; deep training needs at least "
            f"{ENOUGH_TO_VALIDATE}. Add photos (5 of a landmark give one for validation), or "
            "leave out --recipe: the fast path does with one photo a landmark."
        )


def _measured(
    job: Job,
    split: Dataset,
    network: Classifier,
    preprocess: Preprocess,
) -> Run:
    """Make a bundle of a trained network, and measure it on the validation photos."""
    from waymark.dataset.places import count_places
    from waymark.dataset.split import split_hash
    from waymark.evaluation.evaluate import evaluate
    from waymark.recognise.recogniser import Recogniser
    from waymark.training.assemble import assemble
    from waymark.training.deep import START, export
    from waymark.training.index import PhotoIndex, network_of

    recipe, progress = job.recipe, job.progress
    started = json.loads((job.folder / "checkpoint" / START).read_text(encoding="utf-8"))
    made = export(network, split, recipe, preprocess)
    index = PhotoIndex(network="", classes=len(split.labels))
    bundle = assemble(
        made.model,
        made.head,
        split,
        backbone=None if job.slim else made.backbone,
        design=recipe.design,
        normalise=made.normalise,
        categories=made.categories,
        parameters=made.parameters,
        preprocess=preprocess,
        fast_size=recipe.fast_size,
        provenance={
            "recipe_name": recipe.name,
            "recipe": recipe.to_toml(),
            "command": job.origin.command,
            "data": job.dataset.name,
            "terms": job.origin.terms,
            "photos": len(split.of_split("train").photos),
            "negatives": len(split.of_split("train").negatives),
            "places": count_places(split),
            "split": split_hash(split),
            "seed": recipe.seed,
            "start": started["start"],
            "labels_seen_before": started["labels_seen_before"],
            "chosen_by": "lowest validation loss",
        },
        notice=started["notice"],
        seed=recipe.seed,
        note=index.add,
        progress=progress,
    )
    index.network = network_of(bundle)
    said = evaluate(Recogniser(bundle), split, split="val", progress=progress)
    training = summary(read_history(job.folder / "history.csv"))
    return finish(
        job, bundle, said, measured_on="validation photos", training=training, index=index
    )
