"""`waymark tag --engine ray`: tag a folder or an object store on a cluster."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import typer

from waymark.cli.terminal import say_skipped, shown
from waymark.errors import ConfigError


def tag_ray(
    sources: Sequence[Path],
    out: Path | None,
    *,
    bundle: str,
    unknown_threshold: float | None,
    as_json: bool,
    without: dict[str, object],
) -> None:
    """Tag, and say what was done.

    Args:
        sources: what was named: one address.
        out: where results go; a folder named after the address where None.
        bundle: name or path of a bundle.
        unknown_threshold: instead of the bundle's own.
        as_json: print the rows.
        without: options that were given and belong to the local engine.
    """
    from waymark.cli.tag_progress import tag_bar
    from waymark.scale.place import as_typed, find_place, without_keys
    from waymark.scale.results import read_lines
    from waymark.scale.tag import tag_at_scale

    if given := [name for name, value in without.items() if value]:
        raise ConfigError(
            f"{given[0]} belongs to --engine local; --engine ray writes Parquet files to --out."
        )
    if len(sources) != 1:
        raise ConfigError(f"{len(sources)} sources; --engine ray takes one folder or address.")
    where = as_typed(sources[0])
    target = as_typed(out) if out is not None else _named_after(where)
    with tag_bar() as progress:
        report = tag_at_scale(
            where, target, bundle=bundle, unknown_threshold=unknown_threshold, progress=progress
        )
    if as_json:
        for line in read_lines(find_place(target)):
            print(line)
    speed = report.recognised / report.seconds if report.seconds > 0.01 else 0.0
    pace = f" ({speed:,.1f} photos/s)" if report.recognised else ""
    typer.echo(
        f"{report.photos:,} photos: {report.recognised:,} recognised{pace}, "
        f"{report.photos - report.recognised:,} done before",
        err=as_json,
    )
    left = (
        (report.failed, "photos cannot be read (column error says why)"),
        (report.unfetched, "of them were not handed out: run the same command again"),
        (report.unfinished, "parts killed their workers: run the same command again"),
    )
    for count, what in left:
        if count:
            typer.echo(f"{count:,} {what}", err=as_json)
    typer.echo(f"results: {shown(without_keys(target))}", err=as_json)
    say_skipped(report.skipped)
    if report.failed or report.unfinished or report.skipped:
        raise typer.Exit(1)


def _named_after(where: str) -> str:
    from waymark.scale.place import without_keys

    last = re.sub(r"[^A-Za-z0-9._-]+", "-", without_keys(where).rpartition("/")[2])
    return f"tags-{last.lstrip('.-') or 'photos'}"
