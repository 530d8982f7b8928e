"""What every training has: a folder to fill, and the files that it ends with."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waymark.progress import Progress
from waymark.training.history import read_history
from waymark.training.recipe import Recipe
from waymark.training.timing import machine

if TYPE_CHECKING:
    from waymark.bundle.format import Bundle
    from waymark.dataset.index import Dataset
    from waymark.evaluation.evaluate import Evaluation
    from waymark.evaluation.report_run import RunFacts
    from waymark.training.index import PhotoIndex

MODEL = "model.waymark"


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
class Job:
    """One training under way."""

    dataset: Dataset
    recipe: Recipe
    folder: Path
    origin: Origin
    slim: bool
    progress: Progress


def finish(
    job: Job,
    bundle: Bundle,
    said: Evaluation,
    *,
    measured_on: str,
    training: dict[str, Any],
    index: PhotoIndex,
    extra: dict[str, Any] | None = None,
) -> Run:
    """Write figures, report, card, the bundle that carries both, and the index beside it."""
    from waymark.bundle.format import write_bundle
    from waymark.evaluation.report import write_report
    from waymark.recognise.recogniser import Recogniser
    from waymark.training.card import model_card

    figures = said.to_dict()
    kept = {key: value for key, value in figures.items() if key not in ("skipped", "dataset")}
    manifest = replace(bundle.manifest, metrics={**kept, **bundle.manifest.metrics})
    origin = manifest.provenance
    training |= {
        "recipe": job.recipe.name,
        "command": job.origin.command,
        "start": origin.get("start"),
        "labels_seen_before": origin.get("labels_seen_before"),
        "hardware": machine(),
    }
    parameters = manifest.metrics.get("parameters")
    card = model_card(
        said.dataset,
        manifest,
        figures,
        measured_on=measured_on,
        training=training,
        sizes={"parameters": parameters, "bundle_mb": _megabytes(bundle)},
    )
    saved = write_bundle(job.folder / MODEL, replace(bundle, manifest=manifest, card=card))
    index.write(job.folder / MODEL)
    write_report(
        replace(said, bundle=saved.short_hash),
        job.folder,
        title=f"{said.dataset}: {measured_on}",
        run=_facts(job, saved, training),
        recogniser=Recogniser(saved),
        progress=job.progress,
    )
    metrics = {**figures, **(extra or {}), "parameters": parameters, "training": training}
    text = json.dumps(metrics, indent=1) + "\n"
    (job.folder / "metrics.json").write_text(text, encoding="utf-8")
    (job.folder / "README.md").write_text(card, encoding="utf-8")
    return Run(folder=job.folder, bundle=saved, metrics=metrics)


def _facts(job: Job, bundle: Bundle, training: dict[str, Any]) -> RunFacts:
    """Say what was trained on what, for the report."""
    from waymark.dataset.split import read_split
    from waymark.evaluation.report_run import RunFacts

    recipe, manifest = job.recipe, bundle.manifest
    origin = manifest.provenance
    return RunFacts.of(
        read_split(job.folder / "split.csv", job.dataset),
        recipe=recipe.name,
        about=recipe.about,
        toml=recipe.to_toml(),
        command=job.origin.command,
        terms=job.origin.terms,
        network=str(manifest.backbone.get("timm_name") or ""),
        start=str(origin.get("start") or ""),
        labels_seen_before=origin.get("labels_seen_before"),
        parameters=manifest.metrics.get("parameters"),
        preprocess=manifest.preprocess,
        device=str(training["hardware"]),
        history=tuple(read_history(job.folder / "history.csv")),
        seconds=60 * training["minutes"],
        memory_mb=training["memory_mb"],
        stages=tuple(f"{stage.trains}, {stage.optimiser} {stage.lr:g}" for stage in recipe.stages),
    )


def _megabytes(bundle: Bundle) -> float:
    """Return the size that the bundle's file will have, but for its card."""
    from waymark.bundle.statistics import encode

    parts = (bundle.model, encode(bundle.statistics), bundle.backbone or b"")
    return round(sum(map(len, parts)) / 1e6, 1)
