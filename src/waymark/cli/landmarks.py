"""`waymark landmarks`: what waymark knows of the world's landmarks."""

from typing import Annotated

import typer


def landmarks(
    text: Annotated[
        list[str] | None, typer.Argument(metavar="[TEXT]...", help="Name, place, id or category.")
    ] = None,
    *,
    limit: Annotated[int, typer.Option(min=1, help="Most landmarks to find.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line.")] = False,
) -> None:
    """List the landmarks of the gazetteer, or search it in any spelling.

    Exit code 1 if nothing was found.
    """
    from waymark.gazetteer import load_gazetteer

    gazetteer = load_gazetteer()
    wanted = " ".join(text or ())
    found = [entry for entry, _ in gazetteer.search(wanted, limit)] if text else gazetteer.landmarks
    if as_json:
        from json import dumps

        for entry in found:
            print(dumps(entry.to_dict()))
    else:
        for entry in found:
            place = ", ".join(part for part in (entry.place, entry.country) if part)
            at = "" if entry.lat is None else f"{entry.lat:.4f}, {entry.lon:.4f}"
            known_as = f"  {entry.local_name}" if entry.local_name else ""
            print(
                f"{entry.id:34} {place:32} {at:21} {entry.category or '':16} {entry.name}{known_as}"
            )
    if not found:
        typer.echo(f"no landmark is like {wanted!r}; `waymark landmarks` lists all.", err=True)
        raise typer.Exit(1)
