"""`waymark landmarks --match`: which landmarks the labels of a dataset may be."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from waymark.cli.terminal import shown

if TYPE_CHECKING:
    from waymark.dataset.match import Match
    from waymark.gazetteer import Gazetteer, Landmark

_HEADER = ("label", "photos", "landmark", "score", "clear", "name", "place", "country")
_TRIED = ("second", "second_score", "third", "third_score")


def check_options(
    text: Sequence[str] | None,
    *,
    match: Path | None,
    levels: str | None,
    out: Path | None,
    pick: Sequence[str] | None,
) -> None:
    """Refuse options that do not go together.

    Raises:
        ConfigError: with what to do instead.
    """
    from waymark.errors import ConfigError

    if match is None and (levels is not None or out is not None or pick):
        raise ConfigError("--levels, --out and --pick belong to --match DATASET; give it, too.")
    if match is not None and text:
        raise ConfigError("--match and words to search for exclude each other; leave one out.")
    if pick and out is None:
        raise ConfigError("--pick says what --out FILE.csv is to hold; give it, too.")
    if out is not None and out.exists():
        raise ConfigError(f"{out} exists; remove it, or name another one with --out.")


def match_dataset(
    path: Path,
    own: Gazetteer | None,
    *,
    levels: str | None,
    out: Path | None,
    least: float,
    picks: Sequence[str],
    form: str,
) -> None:
    """Print what each label may be; write what was asked for."""
    from waymark.dataset.index import read_dataset
    from waymark.dataset.match import match_labels, taken
    from waymark.gazetteer import Gazetteer, load_gazetteer

    gazetteer = load_gazetteer()
    if own is not None:  # theirs first, ours for what they do not have
        rest = (entry for entry in gazetteer.landmarks if own.get(entry.id) is None)
        gazetteer = Gazetteer([*own.landmarks, *rest])
    matches = match_labels(read_dataset(path, levels=levels), gazetteer)
    if out is not None:
        picked = dict(_pick(words) for words in picks)
        chosen = taken(matches, gazetteer, least=least, picks=picked)
    _print(matches, form)
    if out is not None:
        _write(out, chosen)
        said = f"{out}: {len(chosen)} of {len(matches)} labels"
        typer.echo(f"{said}; the others were not clear, or below {least:g}.", err=True)


def _pick(words: str) -> tuple[str, str]:
    from waymark.errors import ConfigError

    label, equals, landmark = words.rpartition("=")
    if not equals or not label:
        raise ConfigError(f"--pick is {words!a}; expected LABEL=ID, or LABEL= for none.")
    return label, landmark


def _write(file: Path, chosen: dict[str, tuple[Landmark, float]]) -> None:
    from waymark.gazetteer_file import write_landmarks

    rows = [replace(landmark, id=label) for label, (landmark, _) in sorted(chosen.items())]
    further = {
        "matched": {label: landmark.id for label, (landmark, _) in chosen.items()},
        "match_score": {label: f"{score:.3f}" for label, (_, score) in chosen.items()},
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as stream:
        write_landmarks(stream, rows, further)


def _print(matches: Sequence[Match], form: str) -> None:
    if form == "csv":
        _print_csv(matches)
        return
    for match in matches:
        if form == "json":
            from json import dumps

            print(dumps(match.to_dict()))
            continue
        line = f"{match.label:34} {match.photos:6}  "
        if not match.found:
            print(shown(f"{line}      nothing like it"))
            continue
        best, score = match.found[0]
        place = ", ".join(part for part in (best.place, best.country) if part)
        doubt = "" if match.is_clear else " ?"
        print(shown(f"{line}{score:5.2f}{doubt} {best.id} ({best.name}; {place})"))
        for landmark, less in match.found[1:]:
            print(shown(f"{'':43}{less:5.2f}   {landmark.id}"))


def _print_csv(matches: Sequence[Match]) -> None:
    import csv

    from waymark.dataset.manifest import escaped

    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow([*_HEADER, *_TRIED])
    for match in matches:
        cells: list[object] = [match.label, match.photos]
        if match.found:
            best = match.found[0][0]
            cells += [best.id, f"{match.score:.3f}", "yes" if match.is_clear else "no"]
            cells += [best.name, best.place or "", best.country or ""]
            for landmark, score in match.found[1:3]:
                cells += [landmark.id, f"{score:.3f}"]
        cells += [""] * (len(_HEADER) + len(_TRIED) - len(cells))
        table.writerow([escaped(str(cell)) for cell in cells])
