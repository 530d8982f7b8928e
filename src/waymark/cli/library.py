"""`waymark library`: look at what a library knows."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from waymark.cli.tag import Library
from waymark.cli.terminal import counted, shown
from waymark.errors import ConfigError, UnknownName

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from waymark.library.store import Store
    from waymark.library.store_query import Filter, Listed

library = typer.Typer(rich_markup_mode=None, no_args_is_help=True, add_completion=False)

_KEY = re.compile(r"-?[0-9]{1,18},[0-9]{1,18}")  # both fit into SQLite's numbers

Landmark = Annotated[str | None, typer.Option("--landmark", help="Id or name.")]
Place = Annotated[str | None, typer.Option("--place", help="City or region.")]
Country = Annotated[str | None, typer.Option("--country", help="Code or name.")]
Category = Annotated[str | None, typer.Option("--category", help="Bridge, tower, palace ...")]
Since = Annotated[
    str | None, typer.Option(metavar="DAY", help="First day of capture: 2023-05-31, 2023-05, 2023.")
]
Until = Annotated[
    str | None, typer.Option(metavar="DAY", help="Last day of capture, month or year.")
]
MinScore = Annotated[
    float | None, typer.Option("--min-score", metavar="S", help="At least this sure, 0 to 1.")
]
MaxScore = Annotated[
    float | None, typer.Option("--max-score", metavar="S", help="At most this sure, 0 to 1.")
]
State = Annotated[
    str | None,
    typer.Option("--state", help="new, approved, corrected, rejected or not-a-landmark."),
]
Evidence = Annotated[
    str | None, typer.Option("--evidence", help="Who decided: photo, context or person.")
]
Gps = Annotated[
    str | None, typer.Option("--gps", help="Beside the landmark: agree, near or disagree.")
]
Unknown = Annotated[bool, typer.Option("--unknown", help="Only photos of no known landmark.")]
Failed = Annotated[bool, typer.Option("--failed", help="Only photos that cannot be read.")]
Missing = Annotated[bool, typer.Option("--missing", help="Also photos that are gone.")]
Path_ = Annotated[
    list[Path] | None, typer.Option("--path", metavar="PATH", help="Only below this.")
]
Limit = Annotated[int, typer.Option("-n", "--limit", min=1, help="Photos a page.")]
After = Annotated[
    str | None, typer.Option("--after", metavar="KEY", help="The page after; see the last line.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@library.callback()
def group() -> None:
    """List, search, count, export and forget the photos that `waymark tag` has seen."""


@library.command("list", short_help="List photos by landmark, place, date, score, state.")
def list_photos(
    *,
    library: Library = None,
    landmark: Landmark = None,
    place: Place = None,
    country: Country = None,
    category: Category = None,
    since: Since = None,
    until: Until = None,
    min_score: MinScore = None,
    max_score: MaxScore = None,
    state: State = None,
    evidence: Evidence = None,
    gps: Gps = None,
    unknown: Unknown = False,
    failed: Failed = False,
    missing: Missing = False,
    path: Path_ = None,
    limit: Limit = 50,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """List photos, oldest first, a page at a time."""
    wanted = _filter(
        landmark=landmark, place=place, country=country, category=category, since=since,
        until=until, min_score=min_score, max_score=max_score, state=state, evidence=evidence,
        gps=gps, unknown=unknown, failed=failed, missing=missing, paths=path,
    )  # fmt: skip
    _show(library, wanted, limit, after, as_json=as_json)


@library.command(short_help="Find photos by any spelling of a landmark or place.")
def search(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Any spelling.")],
    *,
    library: Library = None,
    since: Since = None,
    until: Until = None,
    min_score: MinScore = None,
    state: State = None,
    limit: Limit = 50,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """Find photos by any spelling of a landmark, place, country or category, oldest first."""
    wanted = _filter(text=text, since=since, until=until, min_score=min_score, state=state)
    _show(library, wanted, limit, after, as_json=as_json)


@library.command(short_help="Count photos by landmark, country, year and state.")
def stats(*, library: Library = None, as_json: AsJson = False) -> None:
    """Count what the library holds."""
    from waymark.library.store import Store
    from waymark.library.store_stats import library_stats

    with Store.open(library, readonly=True) as store:
        found = library_stats(store).to_dict()
    if as_json:
        from json import dumps

        print(dumps(found))
        return
    for name, value in found.items():
        if isinstance(value, int):
            print(f"{value:9,}  {name.replace('_', ' ')}")
    for name, counts in found.items():
        if isinstance(counts, dict) and counts:
            print(f"\n{name}")
            for key, count in counts.items():
                print(f"{count:9,}  {shown(key)}")


@library.command(short_help="Write photos as CSV, JSON, GeoJSON or KML.")
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Ends in .csv, .json, ...")],
    *,
    library: Library = None,
    landmark: Landmark = None,
    place: Place = None,
    country: Country = None,
    category: Category = None,
    since: Since = None,
    until: Until = None,
    min_score: MinScore = None,
    max_score: MaxScore = None,
    state: State = None,
    evidence: Evidence = None,
    gps: Gps = None,
    unknown: Unknown = False,
    failed: Failed = False,
    missing: Missing = False,
    path: Path_ = None,
    form: Annotated[
        str | None, typer.Option("--format", help="csv, json, geojson or kml, whatever FILE is.")
    ] = None,
) -> None:
    """Write photos as a table (CSV, JSON) or a map (GeoJSON, KML)."""
    from waymark.library.export import check_target, write_export
    from waymark.library.store import Store
    from waymark.library.store_query import every

    wanted = _filter(
        landmark=landmark, place=place, country=country, category=category, since=since,
        until=until, min_score=min_score, max_score=max_score, state=state, evidence=evidence,
        gps=gps, unknown=unknown, failed=failed, missing=missing, paths=path,
    )  # fmt: skip
    with Store.open(library, readonly=True) as store:
        check_target(file, form=form, library=store.path)
        _tell_strange(store, wanted)
        count = write_export(file, every(store, wanted), form=form)
    placed = " with a place" if (form or file.suffix[1:]).lower() == "kml" else ""
    print(f"{counted(count, 'photo')}{placed}: {shown(str(file))}")


@library.command(short_help="Take photos that are gone out of the library.")
def forget(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Photos and folders, there or not.")
    ],
    *,
    library: Library = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Forget them; else only list them.")
    ] = False,
) -> None:
    """Take photos that are gone out of the library; without --apply, only list them.

    No file is touched. What you said of a photo is kept, and holds again if it comes back.
    """
    from waymark.dataset.index import printable
    from waymark.library.forget import forget as forget_photos
    from waymark.library.forget import gone
    from waymark.library.store import Store

    with Store.open(library, readonly=not apply) as store:
        if apply:
            print(f"{counted(forget_photos(store, paths), 'photo')} forgotten")
            return
        count = 0
        for path in gone(store, paths):
            print(shown(printable(Path(os.fsdecode(path)))))
            count += 1
    told = f"{counted(count, 'photo')} gone; --apply forgets them" if count else "no photo is gone"
    print(told, file=sys.stderr)


def _filter(**asked: Any) -> Filter:
    from waymark.library.store_query import Filter

    asked["since"] = _day("--since", asked["since"], last=False)
    asked["until"] = _day("--until", asked["until"], last=True)
    return Filter(**asked | {"paths": tuple(asked.get("paths") or ())})


def _day(option: str, text: str | None, *, last: bool) -> date | None:
    """Return a day; of a month or a year the first, or the last."""
    if text is None:
        return None
    from calendar import monthrange
    from datetime import date

    try:
        year, *rest = (int(part) for part in text.split("-", 2))
        month = rest[0] if rest else 12 if last else 1
        day = rest[1] if len(rest) > 1 else monthrange(year, month)[1] if last else 1
        return date(year, month, day)
    except ValueError:
        raise ConfigError(
            f"{option} is {text!a}; give a day, a month or a year, as 2023-05-31, 2023-05 or 2023."
        ) from None


def _show(
    library: Path | None, wanted: Filter, limit: int, after: str | None, *, as_json: bool
) -> None:
    """Print a page of photos, and how to ask for the next."""
    from waymark.library.store import Store

    key = None
    if after is not None:
        if not _KEY.fullmatch(after):
            raise ConfigError(f"--after is {after!a}; copy it from the last line of a page.")
        first, second = after.split(",")
        key = (int(first), int(second))
    with Store.open(library, readonly=True) as store:
        _tell_strange(store, wanted)
        found = _page(store, wanted, limit, key)
    if as_json:
        from json import dumps

        for photo in found:
            print(dumps(photo.to_dict(), allow_nan=False))
    else:
        _print(found)
    if len(found) == limit:
        moment, number = found[-1].key
        print(f"next page: {_command(f'--after={moment},{number}')}", file=sys.stderr)


def _tell_strange(store: Store, wanted: Filter) -> None:
    """Say on stderr which paths `waymark tag` has never seen anything of."""
    from waymark.dataset.index import printable
    from waymark.library.store_query import strange_paths

    for path in strange_paths(store, wanted):
        print(f"nothing of the library is below {shown(printable(path))}", file=sys.stderr)


def _page(store: Store, wanted: Filter, limit: int, key: tuple[int, int] | None) -> list[Listed]:
    """Return a page; nothing is found of a text that nothing is called."""
    from waymark.library.store_query import page

    try:
        return page(store, wanted, limit=limit, after=key)
    except UnknownName:
        if wanted.text is None:
            raise
        return []


def _command(*more: str) -> str:
    """Return the command as it was given, for another page."""
    import shlex

    words, given = [], iter(sys.argv[1:])
    for word in given:
        if word == "--after":
            next(given, None)
        elif not word.startswith("--after="):
            words.append(word)
    return shlex.join(["waymark", *words, *more])


def _print(found: Sequence[Listed]) -> None:
    """Print a line a photo: when, what, how sure, by whom, which file; why one cannot be read."""
    rows = [_cells(photo) for photo in found]
    wide = [max((len(row[i]) for row in rows), default=0) for i in range(4)]
    for row, photo in zip(rows, found, strict=True):
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row, wide, strict=False))
        print(f"{cells}  {row[4]}")
        if photo.error is not None:
            print(f"    {shown(photo.error)}")
    if not rows:
        print("no photos", file=sys.stderr)


def _cells(photo: Listed) -> tuple[str, ...]:
    from waymark.dataset.index import printable

    day = photo.taken.date().isoformat() if photo.taken else ""
    landmark = photo.landmark
    what, sure = "unknown", ""
    if photo.error is not None:
        what = "cannot be read"
    elif photo.state == "not-a-landmark":
        what = "no landmark"
    elif landmark is not None:
        parts = (landmark.name, landmark.place, landmark.country)
        what = ", ".join(part for part in parts if part)
        sure = "" if photo.confidence is None else f"{photo.confidence:.1%}"
    notes: list[str] = [photo.state] if photo.state not in ("new", "not-a-landmark") else []
    notes += [photo.evidence] if photo.evidence == "context" else []
    notes += ["GPS disagrees"] if photo.gps_says == "disagree" else []
    notes += ["gone"] if photo.missing else []
    return day, shown(what), sure, ", ".join(notes), shown(printable(photo.path))
