"""A run of the fast path: a head on the embedding of a bundle, or of a backbone's weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from waymark.training.run_job import Job, Run, finish
from waymark.training.timing import peak_mb

if TYPE_CHECKING:
    from waymark.bundle.format import Bundle
    from waymark.evaluation.evaluate import Evaluation
    from waymark.training.linear import Fitted


def run_fast(job: Job, parent: str, weights: Path | None) -> Run:
    """Fit a head on the embedding of the bundle `parent`, or of a backbone with `weights`."""
    from waymark.bundle.format import read_bundle
    from waymark.dataset.places import count_places
    from waymark.dataset.split import split_hash, write_split
    from waymark.training.index import index_examples
    from waymark.training.linear import fit_linear

    started = perf_counter()
    seen: int | None
    if weights is None:
        known = read_bundle(parent)
        before = known.manifest.provenance.get("labels_seen_before") or 0
        start, seen = f"bundle {known.short_hash}", len(known.manifest.landmarks) + before
    else:
        from waymark.training.bare import bare_bundle
        from waymark.training.deep import start_knows

        known = bare_bundle(job.recipe, weights)
        start, seen = weights.name, start_knows(job.recipe, weights)
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
            "start": start,
            "labels_seen_before": seen,
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
    photos_learnt = fitted.bundle.manifest.provenance["photos"]
    training = {
        "minutes": (perf_counter() - started) / 60,
        "photos": photos_learnt,
        "photos_per_s": photos_learnt / max(1e-9, perf_counter() - started),
        "memory_mb": peak_mb(),
        "epochs": 0,
        "best_epoch": None,
    }
    return finish(
        job,
        bundle,
        said,
        measured_on="validation photos" if has_val else "photos held out in turn",
        training=training,
        index=index_examples(bundle, fitted.examples),
        extra=extra,
    )


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
        split="val" if examples.has_val else None,
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
