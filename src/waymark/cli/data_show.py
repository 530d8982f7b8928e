"""`waymark data show`: a contact sheet of a dataset."""

from pathlib import Path
from typing import Annotated

import typer


def show(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="Folder or manifest.")],
    *,
    out: Annotated[
        Path | None,
        typer.Option(metavar="PNG", help="Default: DATASET-sheet.png here; replaced if there."),
    ] = None,
    photos: Annotated[int, typer.Option(help="Photos of each landmark.")] = 8,
    labels: Annotated[
        str | None, typer.Option(metavar="L,L", help="Only these; `unknown`: the negatives.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Only photos of this split.")] = None,
    levels: Annotated[
        str | None, typer.Option(help="Folder levels: category,landmark or place,landmark.")
    ] = None,
    negatives: Annotated[
        Path | None, typer.Option(metavar="DIR", help="More photos of no landmark.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Which photos are drawn.")] = 0,
) -> None:
    """Draw a sheet with some photos of each landmark, by chance, and their names.

    With more than 40 landmarks there are several: OUT-1.png, OUT-2.png ...
    """
    from waymark.cli.progress import bar
    from waymark.cli.terminal import say_skipped
    from waymark.dataset.index import read_dataset
    from waymark.dataset.sheet import ROWS, choose_rows, draw_sheets
    from waymark.errors import ConfigError

    read = read_dataset(dataset, levels=levels, negatives=negatives)
    out = out or Path(f"{read.name}-sheet.png")
    if out.suffix.lower() != ".png":
        raise ConfigError(f"--out is {out}; give a file that ends in .png.")
    wanted = [label.strip() for label in labels.split(",")] if labels else None
    rows = choose_rows(read, photos=photos, labels=wanted, split=split, seed=seed)
    title = f"{read.name}: {split}" if split else read.name
    out.parent.mkdir(parents=True, exist_ok=True)
    with bar() as progress:
        for number, sheet in enumerate(draw_sheets(rows, title=title, progress=progress), start=1):
            file = out if len(rows) <= ROWS else out.with_stem(f"{out.stem}-{number}")
            sheet.save(file)
            print(file)
    say_skipped(read.skipped)
