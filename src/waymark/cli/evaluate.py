"""`waymark evaluate`: how good a bundle is on photos with labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from waymark.cli.terminal import shown

if TYPE_CHECKING:
    from waymark.evaluation.evaluate import Evaluation


def evaluate(
    bundle: Annotated[str, typer.Argument(help="`world`, a .waymark file or a run.")],
    dataset: Annotated[Path, typer.Argument(help="Folder, manifest or reviewed library.")],
    *,
    split: Annotated[
        str | None, typer.Option(metavar="S", help="train, val, test or all; test by default.")
    ] = None,
    levels: Annotated[
        str | None, typer.Option(metavar="L", help="Folder levels, such as place,landmark.")
    ] = None,
    negatives: Annotated[
        Path | None, typer.Option(metavar="P", help="Folder of photos of no landmark.")
    ] = None,
    absent_as_unknown: Annotated[
        bool, typer.Option("--absent-as-unknown", help="Labels the bundle lacks are unknown.")
    ] = False,
    per_class: Annotated[
        bool, typer.Option("--per-class", help="Precision, recall and F1 of every class.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write figures and a page into DIR.")
    ] = None,
    tta: Annotated[bool, typer.Option("--tta", help="Four views a photo: surer, slower.")] = False,
    fast: Annotated[bool, typer.Option("--fast", help="A smaller input: faster.")] = False,
) -> None:
    """Measure a bundle: accuracy with its interval, calibration, and honesty about unknowns."""
    import waymark
    from waymark.cli.dataset import read
    from waymark.cli.progress import bar
    from waymark.evaluation.evaluate import evaluate as measure

    if report is not None:
        from waymark.evaluation.report import check_vacant, write_report

        check_vacant(report)
    photos = read(dataset, levels=levels, negatives=negatives)
    recogniser = waymark.load(bundle, tta=tta, fast=fast)
    with bar() as progress:
        measured = measure(
            recogniser,
            photos,
            split=split,
            absent_as_unknown=absent_as_unknown,
            progress=progress,
        )
        if report is not None:
            page = write_report(measured, report, recogniser=recogniser, progress=progress)
    print(_json_object(measured) if json else _text(measured, per_class=per_class))
    if report is not None:
        typer.echo(f"report: {page}", err=json)


def _json_object(measured: Evaluation) -> str:
    """Return one object in ASCII, so that any name survives any terminal."""
    import json

    return json.dumps(measured.to_dict(), allow_nan=False)


def _text(measured: Evaluation, *, per_class: bool) -> str:
    """Return what a person reads: the figures, the hardest landmarks, what was skipped."""
    figures = measured.to_dict()
    rows = [
        ("top-1", "top1"),
        ("top-3", "top3"),
        ("top-5", "top5"),
        ("macro F1", "macro_f1"),
        ("calibration error", "ece"),
        ("unknown AUROC", "unknown_auroc"),
        ("FPR at 95 % recall", "unknown_fpr95"),
        ("GAP", "gap"),
    ]
    lines = [f"{figures['n']} photos of known landmarks, {figures['n_unknown']} of none"]
    lines += [_line(name, figures, key) for name, key in rows if figures[key] is not None]
    for name, row in figures["unknown_by_source"].items():
        if row["auroc"] is not None:
            lines.append(f"  AUROC of {shown(name)}: {row['auroc']:.1%} ({row['n']} photos)")
    category = figures["category"]
    if category is not None and category["n"]:
        lines += [
            _line("category top-1", category, "top1"),
            _line("category macro F1", category, "macro_f1"),
        ]
    hardest = sorted(figures["per_class"].items(), key=lambda item: item[1]["f1"])[:3]
    if hardest:
        named = ", ".join(f"{shown(name)} ({row['f1']:.0%})" for name, row in hardest)
        lines.append(f"  hardest by F1: {named}")
    if skipped := figures["skipped"]:
        first = shown(f"{skipped[0]['path']}: {skipped[0]['reason']}")
        lines.append(f"  skipped {len(skipped)}, the first {first}")
    if per_class:
        for heading, found in (("landmarks", figures), ("categories", category)):
            if found is not None:
                lines += ["", heading, *_table(found)]
    return "\n".join(lines)


def _line(name: str, figures: Mapping[str, Any], key: str) -> str:
    """Return a figure with its interval."""
    low, high = figures.get(f"{key}_interval") or (None, None)
    span = "" if low is None else f"  ({low:.1%} to {high:.1%})"
    return f"  {name:<20}{figures[key]:7.1%}{span}"


def _table(figures: Mapping[str, Any]) -> list[str]:
    """Return the classification report of one task."""
    from waymark.evaluation.classification import classification_report

    rows = [(shown(name), row) for name, row in figures["per_class"].items()]
    lines = classification_report(rows, accuracy=figures["top1"])
    return [f"  {line}" if line else "" for line in lines]
