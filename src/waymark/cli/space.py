"""`waymark space`: a bundle as a folder to put on Hugging Face."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def space(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="Bundle, or a run's folder.")],
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write; new or empty.")],
    title: Annotated[str, typer.Option(help="Title of the page.")] = "Which landmark is this?",
    example: Annotated[
        list[Path] | None,
        typer.Option(metavar="PHOTO", help="Photo to offer as an example; may be repeated."),
    ] = None,
    licence: Annotated[
        str, typer.Option(metavar="ID", help="Licence in the Space's header, such as mit.")
    ] = "other",
) -> None:
    """Write a Gradio app for BUNDLE into DIR, ready to become a Hugging Face Space.

    Examples are published without their metadata; without any, pictures are rendered.
    """
    from waymark.space import write_space

    print(write_space(bundle, out, title=title, examples=example or (), licence=licence))
    typer.echo(
        f"next: pip install -r {out}/requirements.txt && python {out}/app.py, or push it", err=True
    )
