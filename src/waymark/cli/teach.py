"""`waymark teach`: more landmarks for a bundle, or more examples, without retraining the rest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from waymark.training.teach import Taught


def teach(
    bundle: Annotated[str, typer.Argument(help="`world`, a .waymark file or a run.")],
    dataset: Annotated[Path, typer.Argument(help="Folder, manifest or reviewed library.")],
    *,
    out: Annotated[Path, typer.Option(metavar="B2", help="The new bundle's file.")],
    levels: Annotated[
        str | None, typer.Option(metavar="L", help="Folder levels, such as place,landmark.")
    ] = None,
    negatives: Annotated[
        Path | None, typer.Option(metavar="P", help="Folder of photos of no landmark.")
    ] = None,
    landmarks: Annotated[
        Path | None, typer.Option(metavar="F", help="CSV with the places of the landmarks.")
    ] = None,
    slim: Annotated[bool, typer.Option("--slim", help="Leave the backbone's weights out.")] = False,
) -> None:
    """Add landmarks to a bundle, or examples to those it knows; the result is another bundle."""
    import shlex
    import sys

    from waymark.bundle.format import find_bundle, read_bundle
    from waymark.cli.dataset import read
    from waymark.cli.progress import bar
    from waymark.training.teach import save_taught, vacant
    from waymark.training.teach import teach as start

    vacant(out)
    parent = read_bundle(bundle)
    photos = read(dataset, levels=levels, negatives=negatives, landmarks=landmarks)
    with bar() as progress:
        command = "waymark " + shlex.join(sys.argv[1:])
        taught = start(parent, photos, slim=slim, command=command, progress=progress)
    save_taught(out, taught, parent=find_bundle(bundle))
    _report(taught, out)


def _report(taught: Taught, out: Path) -> None:
    from waymark.dataset.places import say_places

    added, known = len(taught.added), len(taught.strengthened)
    typer.echo(
        f"learnt {added} new landmark{'s' * (added != 1)}; "
        f"{known} known one{'s' * (known != 1)} got more examples"
    )
    figures = taught.metrics
    if figures["taught_top1"] is None:
        typer.echo("too few photos to measure: every landmark needs at least two")
    else:
        low, high = figures["taught_top1_interval"]
        typer.echo(
            f"taught_top1 {figures['taught_top1']:.4f} ({low:.4f} to {high:.4f}, 95 %, "
            f"n = {figures['taught_n']}, held out in turn, among all landmarks)"
        )
    for skipped in taught.examples.skipped[:10]:
        typer.echo(f"skipped {skipped.path}: {skipped.reason}", err=True)
    if places := say_places(taught.bundle.manifest.provenance["places"]):
        typer.echo(f"places: {places}", err=True)
    typer.echo(f"bundle: {out}")
