"""`waymark undo`: take back what `waymark write` wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from waymark.cli.tag import Library
from waymark.cli.write import Apply, Brief, show, sum_up

if TYPE_CHECKING:
    from waymark.library.journal import Journal
_NOTHING = "Nothing of it is left to be taken back; `waymark undo --list` says what is."


def undo(
    write_id: Annotated[
        int | None, typer.Argument(metavar="WRITE_ID", help="Default: the last write.")
    ] = None,
    *,
    library: Library = None,
    all_: Annotated[bool, typer.Option("--all", help="Take back every write.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="List the writes instead.")] = False,
    brief: Brief = False,
    apply: Apply = False,
) -> None:
    """Take back a write: what waymark added goes, what anybody changed since stays.

    Without --apply it only shows what would change. Exit code 1 if some sidecar had to be left
    alone.
    """
    from waymark.cli.progress import bar
    from waymark.errors import ConfigError
    from waymark.library.journal import Journal
    from waymark.library.store import Store
    from waymark.library.undo import apply_undo, plan_undo

    with Store.open(library, readonly=not apply) as store:
        journal = Journal(store.connection)
        if list_:
            _list(journal)
            return
        if all_ and write_id is not None:
            raise ConfigError("--all and a WRITE_ID exclude each other; give one of them.")
        number = None if all_ else journal.find(write_id).id
        if not apply:
            show(plan_undo(journal, number), brief=brief, nothing=_NOTHING)
            return
        with bar() as progress:
            outcome = apply_undo(journal, number, progress=progress)
    sum_up(outcome)
    if outcome.left:
        raise typer.Exit(1)


def _list(journal: Journal) -> None:
    """Print a line for each write, the last one first."""
    from waymark.cli.terminal import shown

    for write in journal.writes():
        when = write.at.astimezone().strftime("%Y-%m-%d %H:%M")
        state = f"{write.files:,} files"
        if write.undone:
            state += f", {write.undone:,} taken back"
        if write.open:
            state += ", interrupted"
        print(f"{write.id:4}  {when}  {state}  {shown(write.command)}")
