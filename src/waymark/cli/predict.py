"""`waymark predict`: name the landmark in photos."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from waymark.cli.terminal import shown

if TYPE_CHECKING:
    from waymark.recognise.prediction import Guess, PhotoFailure, Prediction
    from waymark.recognise.recogniser import Recogniser

_BAR = 10  # characters of a full score bar


def predict(
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTO", help="Photos or folders.")],
    *,
    k: Annotated[int, typer.Option("-k", help="Guesses a photo.")] = 5,
    bundle: Annotated[str, typer.Option(help="`world`, a .waymark file or a run.")] = "world",
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    explain: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a heatmap a photo into DIR.")
    ] = None,
    tta: Annotated[bool, typer.Option("--tta", help="Four views a photo: surer, slower.")] = False,
    fast: Annotated[bool, typer.Option("--fast", help="A smaller input: faster.")] = False,
    unknown_threshold: Annotated[
        float | None, typer.Option(metavar="T", help="Unknown above this score, 0 to 1.")
    ] = None,
    allow_truncated: Annotated[
        bool, typer.Option("--allow-truncated", help="Read what is there of cut-off photos.")
    ] = False,
) -> None:
    """Name the landmark in each photo, and say where it stands or that it is unknown.

    Exit code 0 if every photo was read, 1 if some were not, 2 for wrong usage.
    """
    # The cores belong to the photos: NumPy's own threads would only get in their way.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import waymark

    paths = list(_expand(photos))
    recogniser = waymark.load(
        bundle,
        tta=tta,
        fast=fast,
        unknown_threshold=unknown_threshold,
        allow_truncated=allow_truncated,
    )
    complete = True
    for path, said in zip(paths, recogniser.predict_many(paths, k), strict=True):
        readable = not hasattr(said, "error")
        complete &= readable
        print(_json_line(said) if json else _text(said), flush=True)
        if explain and readable:
            written = _write_heatmap(recogniser, path, explain)
            typer.echo(f"heatmap: {shown(str(written))}", err=True)
    if not complete:
        raise typer.Exit(1)


def _expand(photos: Iterable[Path]) -> Iterator[Path]:
    """Yield the photos in order, those of a folder in the folder's place.

    What is named like a photo and is none comes too: reading it says why.
    """
    from waymark.dataset.index import list_photos
    from waymark.errors import DatasetError

    for path in photos:
        try:
            folder = path.is_dir()
        except OSError:  # a name that is too long, say: reading it will tell
            folder = False
        if not folder:
            yield path
            continue
        found, skipped = list_photos(path)
        broken = [row.file for row in skipped if row.file is not None]
        if not found and not broken:
            raise DatasetError(f"no photos in {str(path)!a}; name photos, or a folder with some.")
        yield from sorted([*found, *broken])


def _json_line(said: Prediction | PhotoFailure) -> str:
    """Return one line of ASCII, so that any name of a file survives any terminal."""
    import json

    return json.dumps(said.to_dict(), allow_nan=False)


def _text(said: Any) -> str:
    """Return what a person reads of one photo; bars only on a terminal."""
    import sys

    photo = shown(said.photo)
    if hasattr(said, "error"):
        reason = str(said.error).removeprefix(f"{said.photo}: ")
        return f"{photo}\n  cannot be read: {shown(reason)}"
    if not said.known:
        nearest = ", ".join(shown(guess.name) for guess in said.predictions[:3])
        return f"{photo}\n  unknown: no landmark I know (nearest: {nearest})"
    bars = sys.stdout.isatty()
    rows = [(_named(guess), _placed(guess), guess.score) for guess in said.predictions]
    wide = [max(len(row[i]) for row in rows) for i in (0, 1)]
    lines = [
        f"  {name:<{wide[0]}}  {place:<{wide[1]}}  {_bar(score) if bars else ''}{score:6.1%}"
        for name, place, score in rows
    ]
    if said.category_predictions:
        kinds = (f"{shown(c.category)} {c.score:.1%}" for c in said.category_predictions[:3])
        lines.append(f"  category: {', '.join(kinds)}")
    return "\n".join([photo, *lines])


def _named(guess: Guess) -> str:
    local = guess.local_name
    known_as = f" ({local})" if local and local != guess.name else ""
    return shown(guess.name + known_as)


def _placed(guess: Guess) -> str:
    return shown(", ".join(part for part in (guess.place, guess.country) if part))


def _bar(score: float) -> str:
    full = round(score * _BAR)
    return "█" * full + "░" * (_BAR - full)


def _write_heatmap(recogniser: Recogniser, photo: Path, folder: Path) -> Path:
    """Write DIR/NAME.png, or DIR/NAME-2.png ... where that is taken; nothing is overwritten."""
    import io

    drawn = io.BytesIO()
    recogniser.explain(photo).save(drawn, "PNG")
    folder.mkdir(parents=True, exist_ok=True)
    name, number = photo.stem[:60], 1
    while True:
        target = folder / (f"{name}-{number}.png" if number > 1 else f"{name}.png")
        try:
            with target.open("xb") as file:
                file.write(drawn.getvalue())
        except FileExistsError:
            number += 1
        else:
            return target
