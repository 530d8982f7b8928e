"""`waymark data split`: part a dataset, once or in folds, as tables or as folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from waymark.cli.terminal import say_skipped, sizes_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waymark.dataset.index import Dataset
    from waymark.dataset.split_folds import Folds
    from waymark.progress import Progress

_PART = "share of each landmark, or, from 1 on, photos of each"


def split(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="Folder or manifest.")],
    *,
    val: Annotated[
        float | None, typer.Option(help=f"For choosing: {_PART}. Default: 0.1.", show_default=False)
    ] = None,
    test: Annotated[float, typer.Option(help=f"For the final measurement: {_PART}.")] = 0.0,
    folds: Annotated[
        int | None, typer.Option(metavar="K", help="K splits; each photo is in val of one of them.")
    ] = None,
    fold: Annotated[
        int | None, typer.Option(metavar="I", help="Of the K splits, only this one, 1 to K.")
    ] = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Forget the splits that the dataset has.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the shuffle.")] = 0,
    levels: Annotated[
        str | None, typer.Option(help="Folder levels: category,landmark or place,landmark.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|DIR",
            help="Default: split.csv, or fold-1.csv to fold-K.csv, in the dataset; with "
            "--materialise DATASET-split or DATASET-folds here.",
        ),
    ] = None,
    materialise: Annotated[
        str | None, typer.Option(metavar="copy|link", help="Write train/, val/, test/ folders.")
    ] = None,
) -> None:
    """Write split.csv: which photo is for training, which for choosing, which for testing.

    Near-duplicates stay on one side. The file is a manifest: give it to train and evaluate.
    With --materialise there are folders instead, of copies of the photos or links to them.
    Where numbers are given, half of the photos of a small landmark stay for training.
    Splits that the dataset has already are kept, and said, but for --anew.
    """
    from waymark.cli.progress import bar
    from waymark.dataset.folders import check_how, check_outside, materialise_split
    from waymark.dataset.index import read_dataset
    from waymark.dataset.split import unsplit, write_split

    _check_folds(folds, fold, val)
    how = check_how(materialise)
    read = read_dataset(dataset, levels=levels)
    if anew:
        read = unsplit(read)
    elif read.splits:
        kept = ", ".join(read.splits)
        typer.echo(f"kept as the dataset has it: {kept} (--anew parts all of it)", err=True)
    targets = _targets(read, folds, fold, out, folders=how is not None)
    if how is not None:
        check_outside(dataset, next(iter(targets.values())))
    with bar() as progress:
        for number, parted, dealt in _parts(
            read, folds, targets, val=val, test=test, seed=seed, progress=progress
        ):
            target = targets[number]
            if how is None:
                target.parent.mkdir(parents=True, exist_ok=True)
                write_split(target, parted, folds=dealt)
            else:
                materialise_split(parted, target, how=how, progress=progress)
            print(f"{target}: {sizes_of(parted)}")
    say_skipped(read.skipped)


def _check_folds(folds: int | None, fold: int | None, val: float | None) -> None:
    from waymark.errors import ConfigError

    if fold is not None and (folds is None or not 1 <= fold <= folds):
        raise ConfigError(
            f"--fold is {fold}; it is one of the folds, 1 to K, of --folds K. Give both."
        )
    if folds is not None and val is not None:
        raise ConfigError(
            "--val and --folds exclude each other: with K folds, val is one K-th. Leave one out."
        )


def _targets(
    read: Dataset, folds: int | None, fold: int | None, out: Path | None, *, folders: bool
) -> dict[int, Path]:
    """Return where each split goes, by fold; 0 where there are none."""
    from waymark.errors import ConfigError

    suffix = "" if folders else ".csv"
    here = Path() if folders else read.root
    if folds is None:
        name = f"{read.name}-split" if folders else "split.csv"
        targets = {0: out or here / name}
    elif fold is not None and out is not None:
        targets = {fold: out}
    else:
        parent = out or (Path(f"{read.name}-folds") if folders else here)
        wanted = range(1, folds + 1) if fold is None else (fold,)
        targets = {number: parent / f"fold-{number}{suffix}" for number in wanted}
    for target in targets.values():
        if target.exists():
            raise ConfigError(f"{target} exists; remove it, or name another one with --out.")
    return targets


def _parts(
    read: Dataset,
    folds: int | None,
    targets: dict[int, Path],
    *,
    val: float | None,
    test: float,
    seed: int,
    progress: Progress,
) -> Iterator[tuple[int, Dataset, list[int] | None]]:
    """Yield each split that is wanted, with its number and the fold of each photo."""
    from waymark.dataset.split import split_dataset
    from waymark.dataset.split_folds import fold_dataset

    if folds is None:
        share = 0.1 if val is None else val
        yield 0, split_dataset(read, val=share, test=test, seed=seed, progress=progress), None
        return
    found: Folds = fold_dataset(read, k=folds, test=test, seed=seed, progress=progress)
    for number in targets:
        yield number, found.part(number - 1), found.numbers.tolist()
