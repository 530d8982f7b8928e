"""`waymark train`: photos in, a bundle out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from waymark.training.cost import Cost
    from waymark.training.loop import EpochReport
    from waymark.training.run_job import Run

BUNDLE = "world"


def train(
    dataset: Annotated[Path, typer.Argument(help="Folder, manifest or reviewed library.")],
    *,
    recipe: Annotated[str, typer.Option(metavar="NAME|FILE", help="How to train.")] = "linear",
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a field.")
    ] = None,
    levels: Annotated[
        str | None, typer.Option(metavar="L", help="Folder levels, such as place,landmark.")
    ] = None,
    negatives: Annotated[
        Path | None, typer.Option(metavar="P", help="Folder of photos of no landmark.")
    ] = None,
    landmarks: Annotated[
        Path | None, typer.Option(metavar="F", help="CSV with the places of the landmarks.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Start from these backbone weights.")
    ] = None,
    bundle: Annotated[
        str | None,
        typer.Option(metavar="B", help="Whose embedding the fast path uses; default: world."),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="RUN", help="The run's folder.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    slim: Annotated[bool, typer.Option("--slim", help="Leave the backbone's weights out.")] = False,
    terms: Annotated[
        str, typer.Option(metavar="TEXT", help="Terms of the photos, for the card.")
    ] = "not stated",
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write figures for TensorBoard, too.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and how long it takes.")
    ] = False,
    overfit: Annotated[
        bool, typer.Option("--overfit-one-batch", help="Try whether one batch can be learnt.")
    ] = False,
    lr_find: Annotated[
        bool, typer.Option("--lr-find", help="Find a learning rate; files go to --out.")
    ] = False,
) -> None:
    """Train on a folder of photos: in seconds on the world model's embedding, or deep."""
    import shlex
    import sys
    from contextlib import ExitStack

    from waymark.cli import train_checks as checks
    from waymark.cli.dataset import read
    from waymark.cli.progress import bar
    from waymark.progress import silent
    from waymark.training.processes import from_main, is_main
    from waymark.training.recipe import parse_setting
    from waymark.training.recipes import find_recipe
    from waymark.training.run import find_folder
    from waymark.training.run import train as start
    from waymark.training.run_job import Origin
    from waymark.training.tensorboard import tensorboard_log

    chosen = find_recipe(recipe).with_settings(dict(parse_setting(s) for s in settings or ()))
    checks.check_options(
        chosen,
        {"--dry-run": dry_run, "--overfit-one-batch": overfit, "--lr-find": lr_find},
        bundle=bundle,
        weights=weights,
        resume=resume,
        tensorboard=tensorboard,
    )
    photos = read(dataset, levels=levels, negatives=negatives, landmarks=landmarks)
    if overfit:
        checks.overfit(photos, chosen, weights)
    if lr_find:
        checks.find_rate(photos, chosen, weights, out)
    if dry_run:
        checks.dry_run(photos, chosen, out, weights, bundle or BUNDLE, slim=slim)
    with ExitStack() as stack:
        told: Callable[[EpochReport], None] = _say
        if tensorboard:
            out = from_main(lambda: find_folder(out, photos.name, chosen, resume=resume))
            told = _both(stack.enter_context(tensorboard_log(out)))
        run = start(
            photos,
            chosen,
            out=out,
            resume=resume,
            weights=weights,
            parent=bundle or BUNDLE,
            slim=slim,
            origin=Origin(command="waymark " + shlex.join(sys.argv[1:]), terms=terms),
            progress=stack.enter_context(bar()) if is_main() else silent,
            on_start=_say_cost,
            on_epoch=told,
        )
    if is_main():
        _report(run)


def _say_cost(cost: Cost) -> None:
    """Print what the training asks for."""
    from waymark.training.cost import say_cost

    for line in say_cost(cost):
        typer.echo(line, err=True)


def _both(write: Callable[[EpochReport], None]) -> Callable[[EpochReport], None]:
    """Return a function that writes a report and prints it."""

    def told(epoch: EpochReport) -> None:
        write(epoch)
        _say(epoch)

    return told


def _say(epoch: EpochReport) -> None:
    """Print a line an epoch."""
    typer.echo(
        f"epoch {epoch.epoch}: loss {epoch.train_loss:.3f}, validation loss "
        f"{epoch.val_loss:.3f}, top-1 {epoch.val_top1:.1%}, {epoch.photos / epoch.seconds:.0f} "
        f"photos/s, {epoch.memory_mb:.0f} MB{' (best)' if epoch.is_best else ''}",
        err=True,
    )


def _report(run: Run) -> None:
    from waymark.dataset.places import say_places

    figures = run.metrics
    key = "cv_top1" if figures.get("cv_top1") is not None else "val_top1"
    value = figures.get(key, figures["top1"])
    low, high = figures.get(f"{key}_interval") or figures["top1_interval"] or (0.0, 1.0)
    for skipped in figures["skipped"][:10]:
        typer.echo(f"skipped {skipped['path']}: {skipped['reason']}", err=True)
    typer.echo(f"places: {say_places(run.bundle.manifest.provenance['places'])}", err=True)
    typer.echo(f"bundle: {run.folder / 'model.waymark'}")
    typer.echo(f"report: {run.folder / 'report.html'}")
    if value is None:
        typer.echo("too few photos to measure: every landmark needs at least two")
    else:
        typer.echo(f"{key} {value:.4f} ({low:.4f} to {high:.4f}, 95 %, n = {figures['n']})")
