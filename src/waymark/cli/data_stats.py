"""`waymark data stats`: count and measure the photos of a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from waymark.cli.terminal import say_skipped, shown, sizes_of

if TYPE_CHECKING:
    from waymark.dataset.stats import Stats
    from waymark.preprocess import Preprocess

_BAR = 24  # characters of the bar of the largest landmark


def stats(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="Folder or manifest.")],
    *,
    levels: Annotated[
        str | None, typer.Option(help="Folder levels: category,landmark or place,landmark.")
    ] = None,
    bundle: Annotated[
        str | None,
        typer.Option(help="Normalise as this bundle does. Default: as ImageNet's networks do."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="PNG", help="Draw counts, and colours before and after normalising."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Count and measure photos: labels, splits, sizes, mean and deviation of each channel."""
    from waymark.cli.progress import bar
    from waymark.dataset.index import read_dataset
    from waymark.dataset.stats import counts_by_split, dataset_stats
    from waymark.errors import ConfigError

    if plot is not None and plot.suffix.lower() != ".png":
        raise ConfigError(f"--plot is {plot}; give a file that ends in .png.")
    ways = _ways(bundle)
    read = read_dataset(dataset, levels=levels)
    with bar() as progress:
        found = dataset_stats(read, progress)
    if plot is not None:
        _draw(plot, found, counts_by_split(read), ways)
    if as_json:
        from json import dumps

        print(dumps(found.to_dict() | {"normalised": found.normalised(ways.mean, ways.std)}))
        return
    say_skipped(found.skipped)
    _print(found, sizes_of(read), ways)
    if plot is not None:
        print(f"   drawn in {plot}")


def _ways(bundle: str | None) -> Preprocess:
    from waymark.preprocess import Preprocess

    if bundle is None:
        return Preprocess()
    from waymark.bundle.format import find_bundle, read_bundle

    return read_bundle(find_bundle(bundle)).manifest.preprocess


def _print(found: Stats, sizes: str, ways: Preprocess) -> None:
    facts = found.to_dict()
    most = max(facts["counts"].values(), default=1)
    for label, count in facts["counts"].items():
        length = max(1, round(_BAR * count / most)) if count else 0
        print(f"{count:7}  {'#' * length:{_BAR}}  {shown(label)}")
    print(f"{facts['photos']:7}  photos of {len(facts['counts'])} landmarks: {sizes}")
    print(f"{facts['negatives']:7}  negatives")
    for name, size in facts["sizes"].items():
        print(f"{name:>8} {'x'.join(map(str, size or []))} px")
    for name in ("mean", "std"):
        print(f"{name:>8} {_row(facts[name])} (R G B, 0-1)")
    if found.photos:
        after: dict[str, Any] = found.normalised(ways.mean, ways.std)
        for name in ("mean", "std"):
            print(f"{name:>8} {_row(after[name])} (R G B, normalised)")


def _row(values: list[float]) -> str:
    return "  ".join(f"{value:7.4f}" for value in values)


def _draw(file: Path, found: Stats, counts: dict[str, list[int]], ways: Preprocess) -> None:
    import numpy as np

    from waymark.evaluation.plots import to_png
    from waymark.evaluation.plots_dataset import plot_dataset

    figure = plot_dataset(
        list(found.counts),
        {split: np.array(photos) for split, photos in counts.items()},
        found.histograms,
        mean=ways.mean,
        std=ways.std,
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(to_png(figure))
