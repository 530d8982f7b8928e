"""`waymark export`: a bundle in a format that other programs read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    bundle: Annotated[
        str,
        typer.Argument(metavar="RUN|BUNDLE", help="A run's folder, a .waymark file or `world`."),
    ],
    *,
    format: Annotated[str, typer.Option(metavar="F", help="onnx, onnx-int8, pt2 or torchscript.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The new file.")],
    photos: Annotated[
        Path | None,
        typer.Option(metavar="P", help="onnx-int8 of a bundle: photos to measure its scales on."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace FILE if it is there.")
    ] = False,
) -> None:
    """Write a bundle for other programs, and see that it still says the same.

    onnx and onnx-int8 take prepared photos; pt2 and torchscript take photos of any size, 0 to
    1, and give probabilities. All carry their class names.
    """
    from waymark.bundle.convert import export as start
    from waymark.cli.progress import bar

    with bar() as progress:
        done = start(
            bundle, out, format=format, photos=photos, overwrite=overwrite, progress=progress
        )
    typer.echo(f"{done.format}: {done.file} ({done.size / 1e6:.1f} MB)")
    if done.difference is not None:
        typer.echo(f"logits differ from the bundle's by at most {done.difference:.1g}")
    if done.agreement is not None:
        typer.echo(
            f"names the same landmark as the bundle on {done.agreement:.1%} of {done.photos} photos"
        )
