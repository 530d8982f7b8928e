"""`waymark landmarks`: what waymark knows of the world's landmarks, or you know of yours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from waymark.cli.terminal import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from waymark.gazetteer import Gazetteer, Landmark


def landmarks(
    text: Annotated[
        list[str] | None, typer.Argument(metavar="[TEXT]...", help="Name, place, id or category.")
    ] = None,
    *,
    limit: Annotated[int, typer.Option(min=1, help="Most landmarks to find.")] = 10,
    own: Annotated[
        Path | None,
        typer.Option(
            "--landmarks", metavar="CSV", help="Your own file: check it, and list or search it."
        ),
    ] = None,
    match: Annotated[
        Path | None,
        typer.Option(metavar="DATASET", help="Say which landmarks its labels may be."),
    ] = None,
    levels: Annotated[
        str | None, typer.Option(help="Of DATASET: category,landmark or place,landmark.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="With --match: write a landmarks file for DATASET."),
    ] = None,
    min_score: Annotated[
        float, typer.Option(help="With --out: take clear matches from this score on.")
    ] = 0.95,
    pick: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL=ID", help="With --out: take this one; LABEL= takes none."),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a table for a spreadsheet.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line.")] = False,
) -> None:
    """List the landmarks of the gazetteer, or search it in any spelling.

    With --landmarks, your own file is checked, listed and searched instead: every fault is named
    with its line. With --match, each label of a dataset is shown with the landmarks it may be
    and a score, 0 to 1; nothing is taken over but what --out writes.

    Exit code 1 if nothing was found, 2 if your file has faults.
    """
    from waymark.cli.landmarks_match import check_options, match_dataset
    from waymark.gazetteer import load_gazetteer

    check_options(text, match=match, levels=levels, out=out, pick=pick)
    gazetteer = load_gazetteer() if own is None else _own(own)
    if match is not None:
        match_dataset(
            match,
            None if own is None else gazetteer,
            levels=levels,
            out=out,
            least=min_score,
            picks=pick or (),
            form="csv" if as_csv else "json" if as_json else "text",
        )
        return
    wanted = " ".join(text or ())
    found = [entry for entry, _ in gazetteer.search(wanted, limit)] if text else gazetteer.landmarks
    _print(found, as_csv=as_csv, as_json=as_json)
    if not found:
        typer.echo(f"no landmark is like {wanted!a}; `waymark landmarks` lists all.", err=True)
        raise typer.Exit(1)


def _own(file: Path) -> Gazetteer:
    """Read the user's file; say all that is wrong with it."""
    from waymark.gazetteer import Gazetteer
    from waymark.gazetteer_file import read_landmarks

    found, faults = read_landmarks(file)
    for fault in faults:
        typer.echo(shown(f"{file}, line {fault.line}: {fault.text}"), err=True)
    if faults:
        said = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}"
        typer.echo(f"{said}; rows without one: {len(found)}.", err=True)
        raise typer.Exit(2)
    return Gazetteer(found)


def _print(found: Iterable[Landmark], *, as_csv: bool, as_json: bool) -> None:
    if as_csv:
        import sys

        from waymark.gazetteer_file import write_landmarks

        write_landmarks(sys.stdout, found)
        return
    for entry in found:
        if as_json:
            from json import dumps

            print(dumps(entry.to_dict()))
            continue
        place = ", ".join(part for part in (entry.place, entry.country) if part)
        at = "" if entry.lat is None else f"{entry.lat:.4f}, {entry.lon:.4f}"
        known_as = f"  {entry.local_name}" if entry.local_name else ""
        print(
            shown(f"{entry.id:34} {place:32} {at:21} {entry.category or '':16} {entry.name}")
            + shown(known_as)
        )
