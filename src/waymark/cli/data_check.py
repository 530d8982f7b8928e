"""`waymark data check`: what is wrong with the photos of a dataset."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from waymark.curate.finding import Check

_FILES = ("check.json", "check.html")


def check(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="Folder or manifest.")],
    *,
    levels: Annotated[
        str | None, typer.Option(help="Folder levels: category,landmark or place,landmark.")
    ] = None,
    negatives: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Folder of photos of no landmark.")
    ] = None,
    landmarks: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CSV with places of landmarks.")
    ] = None,
    bundle: Annotated[str, typer.Option(help="Whose network looks at the photos.")] = "world",
    only: Annotated[
        str | None, typer.Option(metavar="KIND,KIND", help="Look for these: blurred,duplicates.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the folds that doubt labels.")] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Default: DATASET-check here.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier check in DIR.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print check.json instead.")] = False,
) -> None:
    """Find broken, blurred, doubled, misplaced and mislabelled photos; nothing is changed.

    Writes DIR/check.json, for `waymark data clean`, and DIR/check.html, to look at.
    """
    from waymark.bundle.format import read_bundle
    from waymark.cli.progress import bar
    from waymark.curate.check import check_dataset
    from waymark.curate.check_page import check_page
    from waymark.curate.check_read import entries_of
    from waymark.curate.clean import parse_kinds
    from waymark.curate.finding import KINDS
    from waymark.dataset.index import UNKNOWN, read_dataset

    kinds = parse_kinds(only) or KINDS
    read = read_dataset(dataset, levels=levels, negatives=negatives, landmarks=landmarks)
    out = _free(out or Path(f"{read.name}-check"), overwrite=overwrite)
    loaded = read_bundle(bundle)
    fresh = not out.exists()
    out.mkdir(parents=True, exist_ok=True)  # what cannot be written is said before the work
    try:
        with bar() as progress:
            found = check_dataset(
                read, bundle=loaded, kinds=kinds, seed=seed, source=dataset, progress=progress
            )
            labels = {entry.name: entry.label or UNKNOWN for entry in entries_of(read)}
            page = check_page(found, read.root, labels=labels, levels=levels, progress=progress)
    except BaseException:
        if fresh:
            out.rmdir()
        raise
    found.write(out / _FILES[0])
    (out / _FILES[1]).write_text(page, encoding="utf-8")
    if as_json:
        print((out / _FILES[0]).read_text(encoding="utf-8"), end="")
    else:
        _print(found, out)


def _free(out: Path, *, overwrite: bool) -> Path:
    """Return a folder that may be written: a new one, an empty one, or an earlier check's."""
    from waymark.errors import ConfigError

    inside = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file; name a folder with --out.")
    if set(inside) - set(_FILES):
        raise ConfigError(f"{out} holds other things ({inside[0]}); name another with --out.")
    if inside and not overwrite:
        raise ConfigError(
            f"{out} holds an earlier check; replace it with --overwrite, or name another folder "
            "with --out."
        )
    return out


def _print(found: "Check", out: Path) -> None:
    """Print a line for each kind, what was not looked for, and where to read on."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from waymark.cli.compare import PIPED
    from waymark.cli.terminal import shown

    console = Console(highlight=False, emoji=False)
    if not console.is_terminal:
        console = Console(highlight=False, emoji=False, width=PIPED, color_system=None)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("kind", no_wrap=True)
    table.add_column("findings", justify="right", no_wrap=True)
    table.add_column("photos", justify="right", no_wrap=True)
    table.add_column("suggested")
    table.add_column("worst", overflow="fold")
    for kind, count in found.counts().items():
        findings = [finding for finding in found.findings if finding.kind == kind]
        photos = {path for finding in findings for path in finding.paths}
        worst = findings[0]
        example = f"{worst.paths[0]}: {worst.reason}" if worst.paths else worst.reason
        suggested = ", ".join(dict.fromkeys(finding.suggest for finding in findings))
        cells = (kind, f"{count:,}", f"{len(photos):,}", suggested, shown(example))
        table.add_row(*map(Text, cells))
    if found.findings:
        console.print(table)
    for note in found.notes:
        typer.echo(shown(note), err=True)
    print(f"{found.photos:,} photos, {len(found.findings):,} findings: {out / _FILES[1]}")
