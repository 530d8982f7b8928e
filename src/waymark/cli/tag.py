"""`waymark tag`: recognise the photos of folders, and keep what they show in a library."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from waymark.errors import ConfigError

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
    bundle: Annotated[
        str | None,
        typer.Option(help="A .waymark file or a run; default: the last one, else `world`."),
    ] = None,
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
            bundle=bundle or "world",
            unknown_threshold=unknown_threshold,
            as_json=as_json,
            without={"--library": library, "--csv": csv},
        )
        return
    if out is not None:
        raise ConfigError("--out belongs to --engine ray; the local engine fills --library.")
    from waymark.cli.tag_progress import tag_bar
    from waymark.cli.tag_summary import say
    from waymark.library.export import check_target, write_export
    from waymark.library.scan import part_sources
    from waymark.library.store import Store
    from waymark.library.store_query import Filter, every
    from waymark.library.tag import last_bundle
    from waymark.library.tag import tag as tag_photos

    part_sources(sources)  # a typo makes no library
    with Store.open(library) as store:
        if csv is not None:
            check_target(csv, form="csv", library=store.path)
        with tag_bar() as progress, kept(sources):
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
        say(report, store.path, last_bundle(store) or "", quiet=as_json)
    if report.failed or report.skipped:
        raise typer.Exit(1)


@contextmanager
def kept(sources: Sequence[Path]) -> Iterator[None]:
    """Say on Ctrl-C that nothing is lost, and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        import shlex

        names = shlex.join(map(str, sources))
        print(f"\nWhat was tagged is kept; `waymark tag {names}` goes on.", file=sys.stderr)
        raise
