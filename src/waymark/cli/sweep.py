"""`waymark sweep`: many trainings over one dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from waymark.training.sweep import Planned


def sweep(
    file: Annotated[str, typer.Argument(metavar="NAME|FILE", help="What to try.")],
    dataset: Annotated[Path, typer.Argument(help="Folder or manifest of photos with labels.")],
    *,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The sweep's folder; resumes what is in it.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(metavar="N", help="Trainings at once; one for 2 cores and 3 GB.")
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
        Path | None, typer.Option(metavar="F", help="Start deep runs from these weights.")
    ] = None,
    bundle: Annotated[
        str, typer.Option(metavar="B", help="Whose embedding `linear` runs use.")
    ] = "world",
    terms: Annotated[
        str, typer.Option(metavar="TEXT", help="Terms of the photos, for the cards.")
    ] = "not stated",
) -> None:
    """Train by every recipe of a sweep file: a grid, a list, or a table such as korea-table.

    The same command goes on where an earlier one was stopped. Exit code 1 if a run failed.
    """
    from waymark.cli.compare import print_leaderboard
    from waymark.cli.progress import bar
    from waymark.dataset.index import read_dataset
    from waymark.training.sweep import find_sweep
    from waymark.training.sweep_run import check_runs, run_sweep
    from waymark.training.sweep_state import Shared

    asked = find_sweep(file)
    photos = read_dataset(dataset, levels=levels, negatives=negatives, landmarks=landmarks)
    folder = out or Path("runs") / f"{photos.name}-{asked.name}"
    shared = Shared(
        dataset=dataset,
        levels=levels,
        negatives=negatives,
        landmarks=landmarks,
        weights=weights,
        bundle=bundle,
        terms=terms,
    )
    check_runs(asked, photos, weights)
    with bar() as progress:
        board = run_sweep(asked, shared, out=folder, jobs=jobs, progress=progress, tell=_say)
    print_leaderboard(board)
    typer.echo(f"leaderboard: {folder / 'leaderboard.html'}")
    if any(row.fault for row in board.rows):
        raise typer.Exit(1)


def _say(run: Planned, happening: str, fault: str) -> None:
    """Print a line when a run begins or ends."""
    from waymark.cli.terminal import shown

    typer.echo(shown(f"{run.folder}: {happening}{': ' if fault else ''}{fault}"), err=True)
