"""Lay a split out as folders: OUT/train/LABEL/photo.jpg, OUT/val/..., OUT/test/...

In:  a `Dataset` with a split for every photo.
Out: copies of the photos, or links to them; `read_dataset(OUT)` has the same labels and
     splits. The photos themselves are only read.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Literal, cast, get_args

from waymark.dataset.index import SPLITS, UNKNOWN, Dataset, printable
from waymark.errors import ConfigError
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
    except BaseException:
        shutil.rmtree(out)
        raise
    return dict(Counter(place.parts[0] for _, place in places))


def _places(dataset: Dataset) -> list[tuple[Path, Path]]:
    """Return each file, and where it goes below the folder."""
    rows = [(photo.path, photo.split, photo.label) for photo in dataset.photos]
    splits = dataset.negative_splits or (None,) * len(dataset.negatives)
    rows += [(path, split, UNKNOWN) for path, split in zip(dataset.negatives, splits, strict=True)]
    folders = {label: label.replace("/", "-") for _, _, label in rows}
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
