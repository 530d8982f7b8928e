"""`waymark data collect`: photos from the world into a folder that is a dataset."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from waymark.curate.collect import Report
    from waymark.curate.sources import Source

collect = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Take photos from a source into a folder, with their author, licence and page.\n\n"
    "Run the same command again to go on where a run ended: nothing is fetched twice.",
)

_OUT = Annotated[Path, typer.Option("--out", metavar="DIR", help="New, or of an earlier run.")]
_LABEL = Annotated[str | None, typer.Option(help="What all the photos show.")]
_LICENCE = Annotated[
    str | None,
    typer.Option(metavar="L,L", help="Only these: cc0, pd, cc-by, cc-by-sa ... (all versions)."),
]
_LIMIT = Annotated[
    int | None, typer.Option(min=1, help="Photos a label, those there already included.")
]
_MAX_PHOTO = Annotated[str, typer.Option(metavar="SIZE", help="Largest photo.")]
_MAX_TOTAL = Annotated[str, typer.Option(metavar="SIZE", help="Most bytes in one run.")]
_PAUSE = Annotated[
    float, typer.Option(min=0, help="Seconds between two requests to the same host.")
]
_CONTACT = Annotated[
    str | None,
    typer.Option(
        envvar="WAYMARK_CONTACT",
        metavar="MAIL|PAGE",
        help="How a site's operators reach you; sent along, as Wikimedia and others ask.",
    ),
]
_PRIVATE = Annotated[
    bool, typer.Option("--allow-private", help="Ask private and loopback addresses, too.")
]


@collect.command()
def commons(
    *,
    category: Annotated[str | None, typer.Option(help="Category, e.g. 'Eiffel Tower'.")] = None,
    search: Annotated[str | None, typer.Option(help="Words, as Commons searches them.")] = None,
    item: Annotated[str | None, typer.Option(metavar="QID", help="Wikidata item: Q243.")] = None,
    label: Annotated[str, typer.Option(help="What the photos show.")],
    out: _OUT,
    depth: Annotated[int, typer.Option(help="Levels of subcategories to go down.")] = 0,
    width: Annotated[
        int, typer.Option(help="Pixels: 250, 330, 500, 960, 1280, 1920, 3840; 0: as they are.")
    ] = 960,
    licence: _LICENCE = None,
    limit: _LIMIT = None,
    api: Annotated[
        str | None, typer.Option(metavar="URL", help="api.php of another MediaWiki, 1.39 or newer.")
    ] = None,
    max_photo: _MAX_PHOTO = "32MB",
    max_total: _MAX_TOTAL = "10GB",
    pause: _PAUSE = 0.5,
    contact: _CONTACT = None,
    allow_private: _PRIVATE = False,
) -> None:
    """Photos of Wikimedia Commons: of a category, a search, or a Wikidata item."""
    from waymark.curate.licence import read_licences
    from waymark.curate.sources.commons import API, Commons

    source = Commons(
        category=category,
        search=search,
        item=item,
        label=label,
        depth=depth,
        width=width or None,
        licences=read_licences(licence),
        api=api or API,
    )
    _collect(
        source,
        out,
        limit=limit,
        sizes=(max_photo, max_total),
        pause=pause,
        contact=contact,
        allow_private=allow_private,
    )


@collect.command()
def gldv2(
    *,
    landmark: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[=LABEL]", help="As its Commons category is called; repeat."),
    ] = None,
    category: Annotated[
        list[str] | None, typer.Option(metavar="KIND", help="Kind of landmark: bridge; repeat.")
    ] = None,
    out: _OUT,
    licence: _LICENCE = None,
    limit: _LIMIT = None,
    base: Annotated[
        str | None, typer.Option(metavar="URL", help="A mirror of the dataset.")
    ] = None,
    max_photo: _MAX_PHOTO = "32MB",
    max_total: _MAX_TOTAL = "10GB",
    pause: _PAUSE = 0.1,
    contact: _CONTACT = None,
    allow_private: _PRIVATE = False,
) -> None:
    """Photos of Google Landmarks v2; only the tars (1 GB each) that hold wanted ones.

    The tables (over 1 GB) are read first, once. With --limit, fewer tars are needed.
    """
    from waymark.curate.licence import read_licences
    from waymark.curate.sources.gldv2 import BASE, Gldv2

    source = Gldv2(
        landmarks=tuple(landmark or ()),
        categories=tuple(category or ()),
        licences=read_licences(licence),
        base=(base or BASE).rstrip("/"),
    )
    _collect(
        source,
        out,
        limit=limit,
        sizes=(max_photo, max_total),
        pause=pause,
        contact=contact,
        allow_private=allow_private,
    )


@collect.command()
def archive(
    where: Annotated[str, typer.Argument(metavar="FILE|URL|NAME", help="NAME: udacity50.")],
    *,
    out: _OUT,
    label: _LABEL = None,
    licence: Annotated[str | None, typer.Option(help="Licence of its photos, if known.")] = None,
    limit: _LIMIT = None,
    max_photo: _MAX_PHOTO = "32MB",
    max_total: _MAX_TOTAL = "10GB",
    contact: _CONTACT = None,
    allow_private: _PRIVATE = False,
) -> None:
    """Photos of a zip or a tar: label/photo.jpg, with or without train|val|test above."""
    from waymark.curate.sources.archive import Archive

    source = Archive(where=where, label=label, licence=licence)
    _collect(
        source,
        out,
        limit=limit,
        sizes=(max_photo, max_total),
        contact=contact,
        allow_private=allow_private,
    )


@collect.command()
def urls(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV with a header, or text.")],
    *,
    out: _OUT,
    label: _LABEL = None,
    url_column: Annotated[str, typer.Option(help="Column of the addresses.")] = "url",
    label_column: Annotated[str, typer.Option(help="Column of the labels.")] = "label",
    source: Annotated[str, typer.Option(help="What the manifest says where they are from.")] = (
        "urls"
    ),
    licence: _LICENCE = None,
    limit: _LIMIT = None,
    max_photo: _MAX_PHOTO = "32MB",
    max_total: _MAX_TOTAL = "10GB",
    pause: _PAUSE = 0.5,
    contact: _CONTACT = None,
    allow_private: _PRIVATE = False,
) -> None:
    """Photos of a list of addresses, as a hashtag or an image search exports it."""
    from waymark.curate.licence import read_licences
    from waymark.curate.sources.urls import Urls

    found = Urls(
        file=file,
        label=label,
        url_column=url_column,
        label_column=label_column,
        licences=read_licences(licence),
        source=source,
    )
    _collect(
        found,
        out,
        limit=limit,
        sizes=(max_photo, max_total),
        pause=pause,
        contact=contact,
        allow_private=allow_private,
    )


@collect.command()
def folder(
    where: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the photos are.")],
    *,
    out: _OUT,
    label: _LABEL = None,
    pattern: Annotated[
        str | None,
        typer.Option(help="Regular expression with (?P<label>...), searched in the paths."),
    ] = None,
    source: Annotated[str, typer.Option(help="What the manifest says where they are from.")] = (
        "folder"
    ),
    licence: Annotated[str | None, typer.Option(help="Licence of the photos, if known.")] = None,
    limit: _LIMIT = None,
    max_photo: _MAX_PHOTO = "32MB",
    max_total: _MAX_TOTAL = "10GB",
) -> None:
    """Photos in a folder, as another downloader left them; they are copied."""
    from waymark.curate.sources.folder import Folder

    found = Folder(folder=where, pattern=pattern, label=label, source=source, licence=licence)
    _collect(found, out, limit=limit, sizes=(max_photo, max_total))


def _collect(
    source: "Source",
    out: Path,
    *,
    limit: int | None,
    sizes: tuple[str, str],
    pause: float = 0.5,
    contact: str | None = None,
    allow_private: bool = False,
) -> None:
    """Run one collection and say what became of it."""
    from waymark.cli.progress import bar
    from waymark.curate.collect import Caps, collect
    from waymark.curate.fetch import CONTACT, Manners, Web

    manners = Manners(pause=pause, contact=contact or CONTACT, allow_private=allow_private)
    caps = Caps(
        per_label=limit,
        photo_bytes=_bytes(sizes[0], "--max-photo"),
        total_bytes=_bytes(sizes[1], "--max-total"),
    )
    try:
        with bar() as progress:
            report = collect(source, out, web=Web(manners), caps=caps, progress=progress)
    except KeyboardInterrupt:
        typer.echo("stopped; run the same command again to go on", err=True)
        raise
    _say(report, out)


def _say(report: "Report", out: Path) -> None:
    from collections import Counter

    shown = Counter(miss.reason for miss in report.failed)
    for reason, count in shown.most_common(20):
        typer.echo(f"{count:7}  not taken: {_line(reason)}", err=True)
    for reason, count in Counter(miss.reason for miss in report.refused).most_common(5):
        typer.echo(f"{count:7}  left out: {_line(reason)}", err=True)
    if report.failed or report.refused:
        typer.echo(f"{out / 'skipped.csv'} says which", err=True)
    print(
        f"{out / 'manifest.csv'}: {report.taken} photos more, {report.counts.total()} in all, "
        f"of {len(report.counts)} landmarks"
    )
    if report.stopped:
        typer.echo(report.stopped, err=True)
    if not (report.taken or report.known or report.failed or report.refused):
        typer.echo("the source has nothing of that name: check how it is written", err=True)
    if report.stopped or any(miss.again for miss in report.failed):
        raise typer.Exit(1)


def _line(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


def _bytes(text: str, option: str) -> int:
    """Read a size such as 32MB."""
    import re

    from waymark.errors import ConfigError

    units = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
    match = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*([kmgt]?)i?b?\s*", text.lower())
    if match is None:
        raise ConfigError(f"{option} is {text!r}; write a size such as 500KB, 32MB or 10GB.")
    return int(float(match[1]) * units[match[2]])
