"""A training from a dataset to a run folder, at either speed.

RUN/  recipe.toml  split.csv  history.csv  metrics.json  report.html  README.md
      plots/*.png  wrong/  model.waymark  checkpoint/ (resume)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waymark.errors import ConfigError, DatasetError, RunError, WaymarkError
from waymark.progress import Progress, silent
from waymark.training.history import draw_history
from waymark.training.processes import from_main, is_main
from waymark.training.recipe import Recipe, read_recipe

if TYPE_CHECKING:
    from waymark.bundle.format import Bundle
    from waymark.dataset.index import Dataset
    from waymark.evaluation.evaluate import Evaluation
    from waymark.models.build import Classifier
    from waymark.training.linear import Fitted
    from waymark.training.loop import EpochReport

MODEL = "model.waymark"
ENOUGH_TO_VALIDATE = 2
"""The fewest photos that a temperature can be fitted on."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A finished training.

    Attributes:
        folder: where everything is.
        bundle: the result, as saved in `folder/model.waymark`.
        metrics: what `metrics.json` holds.
    """

    folder: Path
    bundle: Bundle
    metrics: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a run says of where it comes from.

    Attributes:
        command: the command line, or the call.
        terms: what may be done with the photos.
    """

    command: str = ""
    terms: str = "not stated"


@dataclass(frozen=True, kw_only=True)
class _Job:
    """One training under way."""

    dataset: Dataset
    recipe: Recipe
    folder: Path
    origin: Origin
    slim: bool
    progress: Progress


def train(
    dataset: Dataset,
    recipe: Recipe,
    *,
    out: Path | None = None,
    resume: bool = False,
    weights: Path | None = None,
    parent: str = "world",
    slim: bool = False,
    origin: Origin | None = None,
    progress: Progress = silent,
    on_epoch: Callable[[EpochReport], None] | None = None,
) -> Run:
    """Train by a recipe, and leave a run folder behind.

    Of several processes (`accelerate launch`) the main one writes and reports; all return.

    Args:
        dataset: photos with labels, perhaps with splits and negatives.
        recipe: how; `kind` decides between the fast path and the deep one.
        out: the run folder; numbered under `runs/` where None.
        resume: go on with the run in `out`.
        weights: what a deep training starts from, instead of what the recipe says.
        parent: the bundle whose embedding the fast path uses.
        slim: leave out the weights that further deep training would start from.
        origin: what the card says of command and terms.
        progress: told of everything that takes time.
        on_epoch: told of each epoch of a deep training.

    Raises:
        ConfigError: if `weights` are given to the fast path, or are not there.
        DatasetError: if there are fewer than two landmarks.
        MissingExtra: if the recipe is deep, and what it needs is not installed.
        RunError: if `out` is not empty and `resume` not asked for, or cannot be resumed.
        WaymarkError: as reading, training and writing raise them.
    """
    from waymark.dataset.places import estimate_places

    _check(dataset, recipe, weights)
    progress = progress if is_main() else silent
    folder = from_main(lambda: open_folder(out, dataset.name, recipe, resume=resume))
    with _vacated_unless_begun(folder, resume=resume):
        if is_main():
            (folder / "recipe.toml").write_text(recipe.to_toml(), encoding="utf-8")
        job = _Job(
            dataset=from_main(lambda: estimate_places(dataset, progress=progress)),
            recipe=recipe,
            folder=folder,
            origin=origin or Origin(),
            slim=slim,
            progress=progress,
        )
        if recipe.kind == "linear":
            return from_main(lambda: _fast(job, parent))
        return _deep(job, weights=weights, resume=resume, on_epoch=on_epoch)


def _check(dataset: Dataset, recipe: Recipe, weights: Path | None) -> None:
    """Refuse, before anything heavy is loaded, what could not be trained."""
    from waymark.models.backbones import find_backbone

    find_backbone(recipe.backbone)
    if recipe.kind == "linear" and weights is not None:
        raise ConfigError(
            f"weights are for deep training, and the recipe {recipe.name!r} fits a head on a "
            "bundle's embedding. Leave out --weights, or choose --recipe finetune."
        )
    if weights is not None and not weights.is_file():
        raise ConfigError(
            f"cannot read the weights {weights}: there is no such file. "
            "--weights takes a .safetensors file."
        )
    if len(dataset.labels) < 2:
        raise DatasetError(
            f"{dataset.name} has one landmark, {dataset.labels[0]!r}; training needs at least "
            "two. `waymark teach` adds a single one to a bundle."
        )
    if recipe.kind != "linear":
        from waymark.training.deep import check_installed

        check_installed()


@contextmanager
def _vacated_unless_begun(folder: Path, *, resume: bool) -> Iterator[None]:
    """Where a user's error stops a run before it has anything to resume, remove its folder."""
    try:
        yield
    except WaymarkError:
        if is_main() and not resume:
            written = {path.name for path in folder.iterdir()}
            if written <= {"recipe.toml", "split.csv"}:
                for name in written:
                    (folder / name).unlink()
                folder.rmdir()
        raise


def open_folder(out: Path | None, dataset: str, recipe: Recipe, *, resume: bool) -> Path:
    """Return the folder of a run, made where it is missing.

    Raises:
        RunError: if it holds something and `resume` is not asked for, or the other way round.
    """
    if out is None:
        if resume:
            raise RunError("--resume needs --out: the folder of the run to go on with.")
        stem = f"{dataset}-{recipe.name}"
        out = next(p for n in count(1) if not (p := Path("runs") / f"{stem}-{n}").exists())
    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file; a run needs a folder of its own.")
    if resume:
        if not (out / "recipe.toml").is_file():
            raise RunError(f"{out} holds no run to resume; leave out --resume to start one.")
        if read_recipe(out / "recipe.toml") != recipe:
            raise RunError(
                f"{out} was started with another recipe; resume it with --recipe "
                f"{out / 'recipe.toml'} and no --set."
            )
    elif out.exists() and any(out.iterdir()):
        raise RunError(
            f"{out} is not empty. Give another --out, or go on with the run in it by --resume."
        )
    out.mkdir(parents=True, exist_ok=True)
    return out


def _fast(job: _Job, parent: str) -> Run:
    from waymark.bundle.format import read_bundle
    from waymark.dataset.places import count_places
    from waymark.dataset.split import split_hash, write_split
    from waymark.training.linear import fit_linear

    known = read_bundle(parent)
    has_val = any(photo.split == "val" for photo in job.dataset.photos)
    fitted = fit_linear(
        job.dataset,
        known,
        views=job.recipe.views,
        seed=job.recipe.seed,
        slim=job.slim,
        provenance={
            "command": job.origin.command,
            "terms": job.origin.terms,
            "start": f"bundle {known.short_hash}",
            "labels_seen_before": len(known.manifest.landmarks),
            "places": count_places(job.dataset),
            "chosen_by": "validation" if has_val else "cross-validation",
        },
        progress=job.progress,
    )
    photos = tuple(p if p.split else replace(p, split="train") for p in job.dataset.photos)
    split = job.dataset.with_photos(photos)
    write_split(job.folder / "split.csv", split)
    provenance = fitted.bundle.manifest.provenance | {"split": split_hash(split)}
    manifest = replace(fitted.bundle.manifest, provenance=provenance)
    bundle = replace(fitted.bundle, manifest=manifest)
    said = _held_out(fitted, bundle, job.dataset.name)
    extra = {**fitted.metrics, "candidates": list(fitted.candidates)}
    return _finish(job, bundle, said, extra, "photos held out in turn")


def _held_out(fitted: Fitted, bundle: Bundle, name: str) -> Evaluation:
    """Return what heads that had not seen a photo said of it, as an evaluation."""
    import numpy as np

    from waymark.evaluation.evaluate import Evaluation
    from waymark.recognise.decision import Decision
    from waymark.training.linear import unseen

    examples, judged = fitted.examples, fitted.held_out.judged
    decision = Decision(bundle.manifest, bundle.statistics)
    logits = fitted.held_out.logits[judged].astype(np.float32)
    embedding = unseen(examples, bundle.statistics)[judged]
    paths = [photo.path for photo, kept in zip(examples.photos, judged, strict=True) if kept]
    return Evaluation(
        dataset=name,
        split=None,
        bundle="",
        landmarks=bundle.manifest.landmarks,
        paths=tuple(paths),
        labels=examples.labels[judged].astype(np.int64),
        sources=("",) * len(paths),
        scores=decision.scores(logits),
        unknown=decision.unknown(logits, embedding),
        threshold=decision.threshold,
        skipped=examples.skipped,
    )


def _deep(
    job: _Job,
    *,
    weights: Path | None,
    resume: bool,
    on_epoch: Callable[[EpochReport], None] | None,
) -> Run:
    from waymark.training.deep import train_network

    split = from_main(lambda: _split(job, resume=resume))
    network = train_network(
        split,
        job.recipe,
        folder=job.folder,
        weights=weights,
        resume=resume,
        progress=job.progress,
        on_epoch=on_epoch,
    )
    return from_main(lambda: _measured(job, split, network, weights))


def _split(job: _Job, *, resume: bool) -> Dataset:
    """Return the dataset parted as `split.csv` says, which is written where it is missing."""
    from waymark.dataset.split import read_split, write_split
    from waymark.training.deep import split_for

    file = job.folder / "split.csv"
    if resume and file.exists():
        split = read_split(file, job.dataset)
    else:
        split = split_for(job.dataset, job.recipe, progress=job.progress)
        write_split(file, split)
    held_out = sum(photo.split == "val" for photo in split.photos)
    if held_out < ENOUGH_TO_VALIDATE:
        raise DatasetError(
            f"{split.name} has {held_out} photos for validation; deep training needs at least "
            f"{ENOUGH_TO_VALIDATE}. Add photos (5 of a landmark give one for validation), or "
            "leave out --recipe: the fast path does with one photo a landmark."
        )
    return split


def _measured(job: _Job, split: Dataset, network: Classifier, weights: Path | None) -> Run:
    """Make a bundle of a trained network, and measure it on the validation photos."""
    from waymark.dataset.places import count_places
    from waymark.dataset.split import split_hash
    from waymark.evaluation.evaluate import evaluate
    from waymark.recognise.recogniser import Recogniser
    from waymark.training.assemble import assemble
    from waymark.training.deep import exported, notice_of, preprocess_of, start_knows

    recipe, progress = job.recipe, job.progress
    preprocess = preprocess_of(recipe)
    model, head, backbone = exported(network, preprocess)
    bundle = assemble(
        model,
        head,
        split,
        backbone=None if job.slim else backbone,
        timm_name=recipe.backbone,
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
            "start": weights.name if weights else recipe.start,
            "labels_seen_before": start_knows(recipe, weights),
            "chosen_by": "lowest validation loss",
        },
        notice=notice_of(recipe, weights),
        seed=recipe.seed,
        progress=progress,
    )
    said = evaluate(Recogniser(bundle), split, split="val", progress=progress)
    return _finish(job, bundle, said, {}, "validation photos")


def _finish(
    job: _Job, bundle: Bundle, said: Evaluation, extra: dict[str, Any], measured_on: str
) -> Run:
    """Write figures, report, card and the bundle that carries both."""
    from waymark.bundle.format import write_bundle
    from waymark.evaluation.report import write_report
    from waymark.training.card import model_card

    figures = said.to_dict()
    kept = {key: value for key, value in figures.items() if key not in ("skipped", "dataset")}
    manifest = replace(bundle.manifest, metrics={**kept, **bundle.manifest.metrics})
    card = model_card(said.dataset, manifest, figures, measured_on=measured_on)
    saved = write_bundle(job.folder / MODEL, replace(bundle, manifest=manifest, card=card))
    write_report(
        replace(said, bundle=saved.short_hash),
        job.folder,
        title=f"{said.dataset}: {measured_on}",
        history=draw_history(job.folder / "history.csv"),
        progress=job.progress,
    )
    metrics = {**figures, **extra}
    text = json.dumps(metrics, indent=1) + "\n"
    (job.folder / "metrics.json").write_text(text, encoding="utf-8")
    (job.folder / "README.md").write_text(card, encoding="utf-8")
    return Run(folder=job.folder, bundle=saved, metrics=metrics)
