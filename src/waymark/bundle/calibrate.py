"""Which photos an int8 model's scales are measured on.

In:  a run's folder with its split.csv, or any folder of photos.
Out: a few hundred prepared photos, evenly over the landmarks, the same ones every time.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice, zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from waymark.bundle.manifest import Manifest
from waymark.dataset.index import UNKNOWN, list_photos
from waymark.dataset.manifest import table_rows
from waymark.errors import DatasetError, PhotoError
from waymark.preprocess import Preprocess, prepare
from waymark.progress import Progress, silent

COUNT = 300
SPLIT = "split.csv"
_BATCH = 16
_WHAT = "--photos takes a folder of photos like those to come; 300 are enough."


def photos_of_run(run: Path, manifest: Manifest) -> list[Path]:
    """Return the photos that a run was trained on, in an order that is even over the landmarks.

    split.csv names them from the dataset's root; where that is, the command says that the
    bundle remembers.

    Args:
        run: the run's folder.
        manifest: of the run's bundle.

    Raises:
        DatasetError: if the photos are not found.
    """
    rows = [row for _, row in table_rows(run / SPLIT)]
    listed = [(Path(str(row["path"])), str(row["label"])) for row in rows if _is_trained_on(row)]
    for root in _roots(run, str(manifest.provenance.get("command", ""))):
        found = [(root / path, label) for path, label in listed if (root / path).is_file()]
        if found:
            return even(found)
    raise DatasetError(
        f"the {len(listed)} training photos of {run / SPLIT} are not where the run's command "
        f"says. Call it from the folder that the training was started in, or give --photos. {_WHAT}"
    )


def photos_of_folder(folder: Path) -> list[Path]:
    """Return the photos in a folder of any depth, in an order that is even over its folders.

    Raises:
        DatasetError: if it is no folder, or holds no photo.
    """
    found, _ = list_photos(folder)
    if not found:
        raise DatasetError(f"{folder} holds no photo to measure int8's scales on. {_WHAT}")
    return even((path, path.parent.as_posix()) for path in found)


def even(photos: Iterable[tuple[Path, str]], *, seed: int = 0) -> list[Path]:
    """Order (photo, label) pairs so that every start of the list is even over the labels.

    The photos of a label come in random order, which `seed` fixes.
    """
    groups: dict[str, list[Path]] = {}
    for path, label in photos:
        groups.setdefault(label, []).append(path)
    rng = np.random.default_rng(seed)
    piles = [[group[i] for i in rng.permutation(len(group))] for group in groups.values()]
    return [path for turn in zip_longest(*piles) for path in turn if path is not None]


def prepared(
    photos: Iterable[Path],
    preprocess: Preprocess,
    *,
    count: int = COUNT,
    progress: Progress = silent,
) -> list[NDArray[np.float32]]:
    """Read and prepare the first `count` photos that can be read.

    Returns:
        Batches (N, 3, size, size) float32, normalised.

    Raises:
        DatasetError: if not one can be read.
    """
    from waymark.photo import decode_many

    decoded = decode_many(
        photos, lambda image: prepare(image, preprocess), min_side=preprocess.min_side
    )
    good = (array for array in decoded if not isinstance(array, PhotoError))
    kept = []
    for array in islice(good, count):
        kept.append(array)
        progress(len(kept), count, "reading photos")
    if not kept:
        raise DatasetError(f"none of the photos to measure int8's scales on can be read. {_WHAT}")
    return [np.stack(kept[i : i + _BATCH]) for i in range(0, len(kept), _BATCH)]


def _is_trained_on(row: Mapping[str, str | None]) -> bool:
    """Say whether a row of split.csv is a photo of a landmark that was learnt from."""
    return row.get("split") in ("train", None) and row.get("label") not in (None, UNKNOWN)


def _roots(run: Path, command: str) -> Iterator[Path]:
    """Yield where the dataset may lie: what the command names, then beside split.csv."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    for word in words:
        path = Path(word)
        if path.is_dir():
            yield path
        elif path.is_file():
            yield path.parent
    yield run
