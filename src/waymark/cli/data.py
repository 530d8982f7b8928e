"""`waymark data`: look after the photos that a model is taught with."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from waymark.cli.data_collect import collect

if TYPE_CHECKING:
    from waymark.dataset.index import Dataset, Skipped

data = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Collect, split and measure photos."
)
data.add_typer(collect, name="collect", short_help="Take photos from a source into a folder.")

_DATASET = Annotated[Path, typer.Argument(metavar="DATASET", help="Folder or manifest.")]
_LEVELS = Annotated[
    str | None, typer.Option(help="Folder levels: category,landmark or place,landmark.")
]


@data.command()
def split(
    dataset: _DATASET,
    *,
    val: Annotated[float, typer.Option(help="Share for choosing.")] = 0.1,
    test: Annotated[float, typer.Option(help="Share for the final measurement.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the shuffle.")] = 0,
    levels: _LEVELS = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|DIR", help="Default: split.csv in the dataset, or DATASET-split here."
        ),
    ] = None,
    materialise: Annotated[
        str | None, typer.Option(metavar="copy|link", help="Write train/, val/, test/ folders.")
    ] = None,
) -> None:
    """Write split.csv: which photo is for training, which for choosing, which for testing.

    Near-duplicates stay on one side. The file is a manifest: give it to train and evaluate.
    With --materialise there are folders instead, of copies of the photos or links to them.
    """
    from waymark.cli.progress import bar
    from waymark.dataset.folders import check_how, check_outside, materialise_split
    from waymark.dataset.index import read_dataset
    from waymark.dataset.split import split_dataset, write_split
    from waymark.errors import ConfigError

    how = check_how(materialise)
    read = read_dataset(dataset, levels=levels)
    out = out or (read.root / "split.csv" if how is None else Path(f"{read.name}-split"))
    if out.exists():
        raise ConfigError(f"{out} exists; remove it, or name another one with --out.")
    if how is not None:
        check_outside(dataset, out)
    with bar() as progress:
        parted = split_dataset(read, val=val, test=test, seed=seed, progress=progress)
        if how is None:
            write_split(out, parted)
        else:
            materialise_split(parted, out, how=how, progress=progress)
    _say_skipped(read.skipped)
    print(f"{out}: {_sizes(parted)}")


@data.command()
def stats(
    dataset: _DATASET,
    *,
    levels: _LEVELS = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Count and measure photos: labels, splits, sizes, mean and deviation of each channel."""
    from waymark.cli.progress import bar
    from waymark.dataset.index import read_dataset
    from waymark.dataset.stats import dataset_stats

    read = read_dataset(dataset, levels=levels)
    with bar() as progress:
        found = dataset_stats(read, progress)
    facts = found.to_dict()
    if as_json:
        from json import dumps

        print(dumps(facts))
        return
    _say_skipped(found.skipped)
    for label, count in facts["counts"].items():
        print(f"{count:7}  {label}")
    print(f"{facts['photos']:7}  photos of {len(facts['counts'])} landmarks: {_sizes(read)}")
    print(f"{facts['negatives']:7}  negatives")
    for name, size in facts["sizes"].items():
        print(f"{name:>8} {'x'.join(map(str, size or []))} px")
    for name in ("mean", "std"):
        print(f"{name:>8} {'  '.join(f'{value:.4f}' for value in facts[name])} (R G B, 0-1)")


def _sizes(dataset: "Dataset") -> str:
    from collections import Counter

    counts = Counter(photo.split or "no split" for photo in dataset.photos)
    return ", ".join(f"{split} {count}" for split, count in counts.items())


def _say_skipped(skipped: "tuple[Skipped, ...]") -> None:
    for row in skipped[:20]:
        typer.echo(f"skipped {row.path}: {row.reason}", err=True)
    if len(skipped) > 20:
        typer.echo(f"... {len(skipped)} files skipped in all", err=True)
