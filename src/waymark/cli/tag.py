"""`waymark tag`: recognise the photos of folders, and keep what they show in a library."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from waymark.errors import ConfigError

if TYPE_CHECKING:
    from waymark.library.tag import TagReport

Library = Annotated[
    Path | None,
    typer.Option("--library", metavar="DB", help="Default: $XDG_DATA_HOME/waymark/library.sqlite."),
]


class Engine(StrEnum):
    """What does the work."""

    LOCAL = "local"
    RAY = "ray"


def tag(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help="Folders or photos; with ray one folder or address."),
    ],
    *,
    library: Library = None,
    bundle: Annotated[str, typer.Option(help="`world`, a .waymark file or a run.")] = "world",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the photos, one JSON object a line.")
    ] = False,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write the photos as a table.")
    ] = None,
    context: Annotated[
        bool,
        typer.Option("--context/--no-context", help="Let photos near in time support each other."),
    ] = True,
    unknown_threshold: Annotated[
        float | None, typer.Option(metavar="T", help="Unknown above this score, 0 to 1.")
    ] = None,
    engine: Annotated[
        Engine, typer.Option(help="ray: a cluster, into Parquet files; see docs/scale.md.")
    ] = Engine.LOCAL,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where --engine ray writes to.")
    ] = None,
) -> None:
    """Recognise what is new or changed in folders; the photos themselves are never touched.

    Ctrl-C, or anything worse, loses nothing: run it again and it goes on. Exit code 0 if every
    photo was read, 1 if something could not be, 2 for wrong usage.
    """
    # The cores belong to the photos: NumPy's own threads would only get in their way.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if engine is Engine.RAY:
        from waymark.cli.tag_ray import tag_ray

        tag_ray(
            sources,
            out,
            bundle=bundle,
            unknown_threshold=unknown_threshold,
            as_json=as_json,
            without={"--library": library, "--csv": csv},
        )
        return
    if out is not None:
        raise ConfigError("--out belongs to --engine ray; the local engine fills --library.")
    from waymark.cli.tag_progress import tag_bar
    from waymark.library.export import check_target, write_export
    from waymark.library.store import Store
    from waymark.library.store_query import Filter, every
    from waymark.library.tag import tag as tag_photos

    with Store.open(library) as store:
        if csv is not None:
            check_target(csv, form="csv", library=store.path)
        with tag_bar() as progress:
            report = tag_photos(
                sources,
                store,
                bundle=bundle,
                unknown_threshold=unknown_threshold,
                context=context,
                progress=progress,
            )
        wanted = Filter(paths=tuple(map(Path, report.roots)))
        if csv is not None:
            write_export(csv, every(store, wanted), form="csv")
        if as_json:
            import json

            for photo in every(store, wanted):
                print(json.dumps(photo.to_dict(), allow_nan=False))
        _say(report, store.path, quiet=as_json)
    if report.failed or report.skipped:
        raise typer.Exit(1)


def _say(report: TagReport, library: Path, *, quiet: bool) -> None:
    """Sum up what was done, on stderr where stdout has the photos."""
    from waymark.cli.terminal import say_skipped, shown

    speed = report.recognised / report.seconds if report.seconds > 0.01 else 0.0
    pace = f" ({speed:,.1f} photos/s)" if report.recognised else ""
    lines = [
        f"{report.photos:,} photos: {report.recognised:,} recognised{pace}, "
        f"{report.reused:,} known by their content, {report.unchanged:,} unchanged",
        f"{report.known:,} show a landmark, {report.by_context:,} of them by their neighbours; "
        f"{report.unknown:,} unknown",
    ]
    if report.with_gps:
        lines.append(
            f"{report.with_gps:,} carry a GPS position, which is kept; "
            f"{report.disagree:,} of them lie far from the landmark that they show"
        )
    left = (
        (report.refreshed, "photos of which only a sidecar or Takeout file changed"),
        (report.dismissed, "photos whose landmark you rejected"),
        (report.failed, "photos cannot be read (`waymark library list --failed` says why)"),
        (report.missing, "photos of the library are gone"),
        (report.pairs, "RAW+JPEG pairs, each as one photo"),
        (report.videos, "videos left alone"),
        (report.moving, "moving halves of Live Photos left alone"),
        (report.other_raws, "RAW files of formats that waymark does not read, left alone"),
        (report.closed, "folders left alone for a .nomedia or .noimage"),
    )
    lines += [f"{count:,} {what}" for count, what in left if count]
    if report.resettled:
        lines.append(
            "--unknown-threshold or --no-context differ from before: they hold for the whole "
            "library, and all of it was decided anew"
        )
    lines.append(f"library: {shown(str(library))}")
    print("\n".join(lines), file=sys.stderr if quiet else sys.stdout)
    say_skipped(report.skipped)
