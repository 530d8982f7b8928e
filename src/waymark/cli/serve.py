"""`waymark serve`: the app, on this machine or for a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def serve(
    *,
    bundle: Annotated[str, typer.Option(help="`world`, a .waymark file or a run.")] = "world",
    library: Annotated[
        Path | None,
        typer.Option(metavar="DB", help="Show this library; `default` is the usual one."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8000,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="T",
            envvar="WAYMARK_TOKEN",
            help="Ask callers for it. Better given in WAYMARK_TOKEN: others can see options.",
        ),
    ] = None,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="Serve a network without a token.")
    ] = False,
    allow_teach: Annotated[
        bool, typer.Option("--allow-teach", help="Let callers teach landmarks.")
    ] = False,
    workers: Annotated[int, typer.Option(help="Processes that serve.")] = 1,
    batch_window: Annotated[
        float, typer.Option(metavar="MS", help="Wait for photos of others; 0 runs each alone.")
    ] = 10.0,
    queue: Annotated[int, typer.Option(help="Photos a worker takes on before it says 503.")] = 64,
    max_mb: Annotated[int, typer.Option(help="Largest request, in MB.")] = 32,
    max_megapixels: Annotated[int, typer.Option(help="Largest photo.")] = 64,
    shrink: Annotated[
        int, typer.Option(metavar="PX", help="Browsers shrink photos to this; 0: never.")
    ] = 1600,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A name callers know it by.")
    ] = None,
    cors_origin: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="A site whose scripts may call it.")
    ] = None,
    unknown_threshold: Annotated[
        float | None, typer.Option(metavar="T", help="Unknown above this score, 0 to 1.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Log only what goes wrong.")] = False,
) -> None:
    """Serve pages for people and a REST API for programs, until Ctrl-C.

    Photos are answered and forgotten. Without --host only this machine can reach it.
    """
    from waymark.bundle.format import find_bundle
    from waymark.library.store import default_path
    from waymark.serve.run import Serving, address, listen, run
    from waymark.serve.settings import MB, Settings

    if library == Path("default"):
        library = default_path()
    settings = Settings(
        host=host,
        port=port,
        token=token or None,
        auth=not no_auth,
        allow_teach=allow_teach,
        library=library and library.absolute(),
        workers=workers,
        batch_window_ms=batch_window,
        queue=queue,
        max_body=max_mb * MB,
        max_held=max(Settings.max_held, max_mb * MB),
        max_pixels=max_megapixels * 1_000_000,
        shrink=shrink,
        allowed_hosts=tuple(allow_host or ()),
        cors_origins=tuple(cors_origin or ()),
        log="off" if quiet else "json",
    )
    options = {"unknown_threshold": unknown_threshold}
    serving = Serving(bundle=str(find_bundle(bundle)), settings=settings, options=options)
    serving.check()
    with listen(settings) as listening:
        typer.echo(f"waymark serves at {address(settings, listening)} (Ctrl-C stops it)")
        run(serving, listening)
