"""`waymark tag --engine ray`: tag a folder or an object store on a cluster."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from waymark.cli.terminal import say_skipped, shown
from waymark.errors import ConfigError

if TYPE_CHECKING:
    from waymark.scale.report import ScaleReport


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
    from waymark.scale.place import as_typed
    from waymark.scale.results import find_results, read_lines
    from waymark.scale.tag import tag_at_scale

    if given := [name for name, value in without.items() if value]:
        raise ConfigError(
            f"{given[0]} belongs to --engine local; --engine ray writes Parquet files to --out."
        )
    if len(sources) != 1:
        raise ConfigError(f"{len(sources)} sources; --engine ray takes one folder or address.")
    where = as_typed(sources[0])
    if where != where.encode(errors="replace").decode():
        raise ConfigError(
            f"{where!a} has bytes that are no text, and Ray takes no such command; name the "
            "folder above it, or a link to it."
        )
    target = as_typed(out) if out is not None else _named_after(where)
    # Ray prints to stdout what happens in a cluster: that a worker was killed, say
    with redirect_stdout(sys.stderr), tag_bar() as progress:
        report = tag_at_scale(
            where, target, bundle=bundle, unknown_threshold=unknown_threshold, progress=progress
        )
    if as_json:
        for line in read_lines(find_results(target)):
            print(line)
    _say(report, target, quiet=as_json)
    if report.failed or report.unfinished or report.skipped:
        raise typer.Exit(1)


def _say(report: ScaleReport, target: str, *, quiet: bool) -> None:
    """Sum up what was done, on stderr where stdout has the photos."""
    from waymark.scale.place import without_keys

    speed = report.recognised / report.seconds if report.seconds > 0.01 else 0.0
    pace = f" ({speed:,.1f} photos/s)" if report.recognised else ""
    absent = f"{report.unfetched:,} not handed out, " if report.unfetched else ""
    again = ": run the same command again"
    lines = [
        f"{_counted(report.photos, 'photo', 'photos')}: {report.recognised:,} recognised{pace}, "
        f"{absent}{report.earlier:,} done before"
    ]
    left = (
        (report.failed, "photo cannot be", "photos cannot be", " read (column error says why)"),
        (report.unfetched, "of them was", "of them were", f" not handed out{again}"),
        (report.unfinished, "part killed its", "parts killed their", f" workers{again}"),
    )
    lines += [_counted(count, one, many) + rest for count, one, many, rest in left if count]
    lines.append(f"results: {shown(without_keys(target))}")
    print("\n".join(lines), file=sys.stderr if quiet else sys.stdout)
    say_skipped(report.skipped)


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _named_after(where: str) -> str:
    from waymark.scale.place import without_keys

    last = re.sub(r"[^A-Za-z0-9._-]+", "-", without_keys(where).rpartition("/")[2])
    return f"tags-{last.lstrip('.-') or 'photos'}"
