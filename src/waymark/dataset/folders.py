"""Lay a split out as folders: OUT/train/LABEL/photo.jpg, OUT/val/..., OUT/test/...

In:  a `Dataset` with a split for every photo.
Out: copies of the photos, or links to them; `read_dataset(OUT)` has the same labels and
     splits (but a dash for a slash in an id), and `landmarks.csv` keeps what is known of
     each landmark. The photos themselves are only read.
"""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Literal, cast, get_args

from waymark.dataset.index import SPLITS, UNKNOWN, Dataset, printable
from waymark.errors import ConfigError
from waymark.gazetteer_file import write_landmarks
from waymark.progress import Progress, silent

How = Literal["copy", "link"]


def check_how(word: str | None) -> How | None:
    """Return `copy`, `link` or None.

    Raises:
        ConfigError: if it is another word.
    """
    if word is None:
        return None
    for how in get_args(How):
        if word == how:
            return cast("How", word)
    raise ConfigError(f"--materialise is {word!a}; it may be copy or link.")


def check_outside(source: Path, out: Path) -> None:
    """Refuse to write folders into a folder that is a dataset itself.

    Raises:
        ConfigError: if the dataset would then have every photo twice.
    """
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise ConfigError(
            f"{out} lies within the dataset, which would then have every photo twice; name a "
            "folder elsewhere with --out."
        )


def materialise_split(
    dataset: Dataset, out: Path, *, how: How = "copy", progress: Progress = silent
) -> dict[str, int]:
    """Write the folders of a split dataset.

    Two photos of one name under a label are told apart by a number. Negatives go under
    `unknown`. Where it is stopped, `out` is taken away again.

    Args:
        dataset: what `split_dataset` returns.
        out: a folder that is not there yet, or empty.
        how: `copy` the files, or `link` to where they are (symbolic links).
        progress: told of each photo.

    Returns:
        Number of files for each split.

    Raises:
        ConfigError: if `out` holds something, or a photo has no split.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} is not an empty folder; name another one with --out.")
    places = _places(dataset)
    out.mkdir(parents=True, exist_ok=True)
    try:
        for done, (source, place) in enumerate(places, start=1):
            target = out / place
            target.parent.mkdir(parents=True, exist_ok=True)
            if how == "link":
                target.symlink_to(source.resolve())
            else:
                shutil.copyfile(source, target)
            progress(done, len(places), "copying photos" if how == "copy" else "linking photos")
        _write_landmarks(out / "landmarks.csv", dataset)
    except BaseException:
        shutil.rmtree(out)
        raise
    return dict(Counter(place.parts[0] for _, place in places))


def _write_landmarks(file: Path, dataset: Dataset) -> None:
    """Keep what the dataset knows of each landmark beside names and places: category and more."""
    known = sorted(dataset.landmarks.items())
    with file.open("w", newline="", encoding="utf-8") as stream:
        write_landmarks(stream, (replace(mark, id=_folder(label)) for label, mark in known))


def _folder(label: str) -> str:
    """Return the name of a label's folder: an id like `parent/name` has a dash in it there."""
    return label.replace("/", "-")


def _places(dataset: Dataset) -> list[tuple[Path, Path]]:
    """Return each file, and where it goes below the folder."""
    rows = [(photo.path, photo.split, photo.label) for photo in dataset.photos]
    splits = dataset.negative_splits or (None,) * len(dataset.negatives)
    rows += [(path, split, UNKNOWN) for path, split in zip(dataset.negatives, splits, strict=True)]
    folders = {label: _folder(label) for _, _, label in rows}
    if len(set(folders.values())) < len(folders):
        raise ConfigError(
            "two labels would share a folder, because '/' becomes '-' in a folder's name; "
            "rename one of them, or use split.csv, which keeps every name."
        )
    taken: Counter[Path] = Counter()
    places = []
    for path, split, label in rows:
        if split not in SPLITS:
            raise ConfigError(
                f"{printable(path)} belongs to no split; part the dataset first with split_dataset."
            )
        wanted = Path(split) / folders[label] / path.name
        place = wanted
        while taken[place]:
            place = wanted.with_name(f"{wanted.stem}-{taken[wanted]}{wanted.suffix}")
            taken[wanted] += 1
        taken[place] += 1
        places.append((path, place))
    return places
