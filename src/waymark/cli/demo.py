"""`waymark demo`: a page that shows what waymark does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    photos: Annotated[
        list[Path] | None, typer.Argument(metavar="[PHOTOS]", help="Your photos, or a folder.")
    ] = None,
    *,
    out: Annotated[Path, typer.Option(metavar="OUT", help="Folder for the page.")] = Path(
        "demo-out"
    ),
) -> None:
    """Write OUT/index.html: what waymark makes of sample landmarks, or of your PHOTOS.

    Without PHOTOS it renders landmarks, teaches them, and tests what it has learnt.
    """
    from waymark.cli.progress import bar
    from waymark.demo import demo_photos, demo_samples

    with bar() as progress:
        page = (
            demo_photos(photos, out, progress=progress)
            if photos
            else demo_samples(out, progress=progress)
        )
    print(page)
    typer.echo(
        "next: waymark predict PHOTO, or waymark train FOLDER with a folder a landmark", err=True
    )
