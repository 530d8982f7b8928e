"""`waymark write`: write what the library knows into sidecars."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from waymark.cli.tag import Library

if TYPE_CHECKING:
    from waymark.library.write_change import Change, Outcome

Apply = Annotated[bool, typer.Option("--apply", help="Do it; without, it is only shown.")]
Brief = Annotated[bool, typer.Option("--brief", help="Show a line a file, not what changes in it.")]
_NOTHING = (
    "Nothing to write: no photo there is approved or corrected. Review them with "
    "`waymark serve --library default`, or let --min-score say how sure is enough."
)


def write(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH", help="Folders or photos.")
    ] = None,
    *,
    library: Library = None,
    min_score: Annotated[
        float | None,
        typer.Option(
            metavar="S", help="Also photos not reviewed yet, if at least this sure, 0 to 1."
        ),
    ] = None,
    approved: Annotated[
        bool, typer.Option("--approved", help="Only what you approved or corrected (default).")
    ] = False,
    write_gps: Annotated[
        bool, typer.Option("--write-gps", help="Estimate a position where there is none.")
    ] = False,
    sidecar_style: Annotated[
        Literal["default", "adobe"],
        typer.Option(help="photo.jpg.xmp, or photo.xmp."),
    ] = "default",
    language: Annotated[
        Literal["english", "local"],
        typer.Option(help="Of the landmark's name."),
    ] = "english",
    embed: Annotated[
        bool, typer.Option("--embed", help="Into the photos themselves, by exiftool.")
    ] = False,
    backup: Annotated[
        bool, typer.Option("--i-have-a-backup", help="Needed for --embed --apply.")
    ] = False,
    brief: Brief = False,
    apply: Apply = False,
) -> None:
    """Write landmarks and places into XMP sidecars; photos are not touched, but for --embed.

    Without --apply it only shows what would change. Sidecars that exist are merged into, and
    `waymark undo` takes everything back. Exit code 1 if some file had to be left alone.
    """
    from waymark.cli.progress import bar
    from waymark.errors import ConfigError
    from waymark.library.embed import apply_embeds, plan_embeds
    from waymark.library.journal import Journal
    from waymark.library.journal_settle import foreseen
    from waymark.library.store import Store
    from waymark.library.write import apply_writes
    from waymark.library.write_plan import WriteOptions, plan_changes

    if approved and min_score is not None:
        raise ConfigError("--approved and --min-score exclude each other; give one of them.")
    if embed and apply and not backup:
        raise ConfigError(
            "--embed rewrites your photos. If you have a backup, say so with --i-have-a-backup."
        )
    options = WriteOptions(
        min_score=min_score, gps=write_gps, style=sidecar_style, language=language
    )  # fmt: skip
    with Store.open(library, readonly=not apply) as store:
        tagged = store.tagged(paths, min_score=min_score, approved=min_score is None)
        journal = Journal(store.connection)
        store.check_known(paths or ())
        if embed:
            changes, do = plan_embeds(tagged, options, journal, paths=paths), apply_embeds
        else:
            changes, do = plan_changes(tagged, paths, options, journal), apply_writes
        if not apply:
            with foreseen(journal):
                show(changes, brief=brief, nothing=_NOTHING)
            return
        below = [str(path.absolute()) for path in paths or ()]
        said = {**options.to_dict(), "paths": below, "embed": embed}
        with bar() as progress:
            outcome = do(changes, journal, command=_command(), options=said, progress=progress)
    sum_up(outcome)
    if outcome.write_id is not None:
        print(f"Take it back with: waymark undo {outcome.write_id} --apply")
    if outcome.left:
        raise typer.Exit(1)


def show(changes: Iterable[Change], *, brief: bool, nothing: str) -> None:
    """Print the differences, and on stderr what they come to; exit 1 if a file is left alone.

    Args:
        changes: what is to be done.
        brief: a line a file.
        nothing: what is said where there is no change at all.
    """
    from waymark.library.write_change import Tally

    tally = Tally()
    for change in changes:
        tally.note(change)
        if change.action in ("create", "change", "remove"):
            tally.count(change)
        for line in _told(change, brief=brief):
            print(line)
    outcome = tally.outcome(None)
    sum_up(outcome, would=True)
    if outcome.created or outcome.changed or outcome.removed:
        print("Nothing was changed. To do it: the same command with --apply", file=sys.stderr)
    elif not tally.seen:
        print(nothing, file=sys.stderr)
    if outcome.left:
        raise typer.Exit(1)


def _told(change: Change, *, brief: bool) -> Iterator[str]:
    """Yield the lines that say what is to become of a file."""
    from waymark.cli.terminal import shown
    from waymark.dataset.index import printable

    lines = [shown(line.replace("\t", "    ")) for line in change.difference()]
    if brief and lines:
        tag = "".join(f"  {shown(tag)}" for tag in change.mark.tags)
        yield f"{change.action:6}  {shown(printable(change.file))}{tag}"
    elif lines:
        yield from _coloured(lines)
    elif change.action == "change":
        yield f"{shown(printable(change.file))}: the original comes back"


def sum_up(outcome: Outcome, *, would: bool = False) -> None:
    """Print how many files were made, changed, removed, or left alone, and why."""
    from waymark.cli.terminal import say_reasons

    done = "to be " if would else ""
    counts = (
        (outcome.created, f"{done}made"),
        (outcome.changed, f"{done}changed"),
        (outcome.removed, f"{done}removed"),
        (outcome.same, "already as they should be"),
        (len(outcome.left), "left alone"),
    )
    text = ", ".join(f"{count:,} {what}" for count, what in counts if count)
    print(f"files: {text}" if text else "nothing to do", file=sys.stderr if would else sys.stdout)
    say_reasons(outcome.notes, "note")
    say_reasons(outcome.left, "left")


def _coloured(lines: Iterable[str]) -> Iterator[str]:
    """Colour a diff on a terminal."""
    colours = {"+": "\x1b[32m", "-": "\x1b[31m", "@": "\x1b[36m"} if sys.stdout.isatty() else {}
    for line in lines:
        colour = colours.get(line[:1])
        yield f"{colour}{line}\x1b[0m" if colour else line


def _command() -> str:
    """Return the command line as it was given."""
    import shlex

    return shlex.join(["waymark", *sys.argv[1:]])
