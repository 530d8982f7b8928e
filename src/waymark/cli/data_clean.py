"""`waymark data clean`: act on what `waymark data check` found."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from waymark.curate.clean import Plan
    from waymark.curate.quarantine import Moved
    from waymark.dataset.index import Dataset

_EXAMPLES = 5  # shown of each remark


def clean(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="Folder or manifest.")],
    *,
    check: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="check.json of this dataset.")
    ] = None,
    levels: Annotated[
        str | None, typer.Option(help="Folder levels: category,landmark or place,landmark.")
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(metavar="KINDS", help="Act on all of these: duplicates,off-topic ..."),
    ] = None,
    relabel: Annotated[
        bool, typer.Option("--relabel", help="Give photos and classes the label suggested.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Default: clean.csv in the dataset.")
    ] = None,
    quarantine: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Move the photos there instead.")
    ] = None,
    restore: Annotated[
        Path | None, typer.Option(metavar="LOG", help="Bring back what a quarantine took.")
    ] = None,
) -> None:
    """Write clean.csv: a manifest of the dataset without what `data check` says to drop.

    Nothing is moved, unless --quarantine says where to; its quarantine.jsonl is the LOG from
    which --restore brings each photo back. Exit code 1 if a photo could not be moved.
    """
    from waymark.cli.progress import bar
    from waymark.curate import quarantine as moving
    from waymark.dataset.index import read_dataset

    choosing = levels is not None or only is not None or relabel
    _check_options(check, out, quarantine, restore, choosing=choosing, relabel=relabel)
    if restore is not None:
        with bar() as progress:
            moved = moving.restore(restore, _root(dataset), progress=progress)
        _say_moved(moved, f"brought back to {_shown(dataset)}")
    if check is None:
        return
    read = read_dataset(dataset, levels=levels)
    held = moving.held(quarantine, read.root) if quarantine else frozenset[str]()
    plan = _plan(check, read, only, relabel=relabel, held=held)
    if quarantine is None:
        _write(plan, out)
        return
    with bar() as progress:
        kept = plan.kept()
        moved = moving.quarantine(
            plan.drop,
            read.root,
            quarantine,
            staying=(*(photo.path for photo in kept.photos), *kept.negatives),
            progress=progress,
        )
    _say_moved(moved, f"moved to {_shown(quarantine)}; --restore {_shown(moved.log)} undoes it")


def _check_options(
    check: Path | None,
    out: Path | None,
    quarantine: Path | None,
    restore: Path | None,
    *,
    choosing: bool,
    relabel: bool,
) -> None:
    """Refuse options that do not go together."""
    from waymark.errors import ConfigError

    if (check is None) == (restore is None):
        raise ConfigError(
            "data clean wants either --from check.json, which `waymark data check` writes, or "
            "--restore LOG, to undo a quarantine."
        )
    if restore is not None and (out or quarantine or choosing):
        raise ConfigError("--restore brings back everything; leave the other options out.")
    if quarantine is not None and (out or relabel):
        raise ConfigError(
            "--quarantine moves photos and writes no manifest; --out and --relabel are for the "
            "manifest. Do one after the other."
        )


def _root(dataset: Path) -> Path:
    from waymark.errors import DatasetError

    root = dataset.parent if dataset.is_file() else dataset
    if not root.is_dir():
        raise DatasetError(
            f"{dataset} does not exist; name the dataset that the photos go back to."
        )
    return root


def _plan(
    check: Path,
    dataset: "Dataset",
    only: str | None,
    *,
    relabel: bool,
    held: frozenset[str],
) -> "Plan":
    """Make the plan, and say on stderr what one would not expect."""
    from waymark.curate.clean import parse_kinds, plan_clean
    from waymark.curate.finding import read_check
    from waymark.dataset.index import printable

    found, kinds = read_check(check), parse_kinds(only)
    made = check.stat().st_mtime if found.made is None else found.made
    plan = plan_clean(found, dataset, only=kinds, relabel=relabel, made=made)
    there = frozenset(map(printable, held))
    stale = [f"{row.path} {row.reason}" for row in plan.stale if row.path not in there]
    if held:
        typer.echo(f"{len(held)} are in the quarantine already", err=True)
    _say("left as they are, for check.json no longer fits", stale)
    _say("outside the dataset, left alone", plan.outside)
    _say("kept as the last sound copy", plan.spared)
    _say("landmarks that lose their last photo", plan.emptied)
    if plan.waiting:
        typer.echo(
            f"{plan.waiting} findings suggest another label: --relabel gives it, and with "
            "--only wrong-label,similar-classes also where that is for review",
            err=True,
        )
    for kind, count in plan.counts().items():
        print(f"{count:7}  {kind}")
    if plan.relabel:
        print(f"{len(plan.relabel):7}  get another label")
    return plan


def _write(plan: "Plan", out: Path | None) -> None:
    from waymark.curate.clean_manifest import MANIFEST, leading_out, write_manifest

    kept = plan.kept()
    out = out or plan.dataset.root / MANIFEST
    missing = write_manifest(out, kept)
    _say("not in the manifest", [f"{row.path}: {row.reason}" for row in missing])
    _say("links that lead out of the dataset", leading_out(kept))
    whole = len(plan.dataset.photos) + len(plan.dataset.negatives)
    written = len(kept.photos) + len(kept.negatives) - len(missing)
    print(f"{_shown(out)}: {written} of {whole} photos")


def _say_moved(moved: "Moved", what: str) -> None:
    """Say what was moved; exit with 1 if something was not."""
    _say("not moved", [f"{row.path}: {row.reason}" for row in moved.left])
    print(f"{moved.moved} photos {what}")
    if moved.left:
        raise typer.Exit(1)


def _say(what: str, rows: Sequence[str]) -> None:
    """Say how many, and show some, on stderr."""
    if rows:
        typer.echo(f"{len(rows)} {what}:", err=True)
        for row in rows[:_EXAMPLES]:
            typer.echo(f"    {_shown(row)}", err=True)
        if len(rows) > _EXAMPLES:
            typer.echo("    ...", err=True)


def _shown(name: str | Path) -> str:
    from waymark.cli.terminal import shown
    from waymark.dataset.index import printable

    return shown(printable(name))
