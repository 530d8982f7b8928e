"""`waymark data`: look after the photos that a model is taught with."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from waymark.dataset.index import Dataset, Skipped

data = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Split and measure a dataset.")

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
        Path | None, typer.Option(metavar="FILE", help="Default: split.csv in the dataset.")
    ] = None,
) -> None:
    """Write split.csv: which photo is for training, which for choosing, which for testing.

    Near-duplicates stay on one side. The file is a manifest: give it to train and evaluate.
    """
    from waymark.cli.progress import bar
    from waymark.dataset.index import read_dataset
    from waymark.dataset.split import split_dataset, write_split
    from waymark.errors import ConfigError

    read = read_dataset(dataset, levels=levels)
    out = out or read.root / "split.csv"
    if out.exists():
        raise ConfigError(f"{out} exists; remove it, or name another file with --out.")
    with bar() as progress:
        parted = split_dataset(read, val=val, test=test, seed=seed, progress=progress)
    write_split(out, parted)
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
