"""A DATASET of the command line: a folder, a manifest, or what a person said of a library."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from waymark.errors import ConfigError, DatasetError

if TYPE_CHECKING:
    from waymark.dataset.index import Dataset


def read(
    path: Path,
    *,
    levels: str | None = None,
    negatives: Path | None = None,
    landmarks: Path | None = None,
) -> Dataset:
    """Read a dataset; arguments as `read_dataset`'s, but `path` may be a library's file.

    Raises:
        ConfigError: an option that a library has no use for.
        DatasetError: nobody has said anything of the library's photos yet.
    """
    from dataclasses import replace

    from waymark.dataset.index import add_negatives, read_dataset
    from waymark.dataset.places import with_places
    from waymark.library.lessons import lessons
    from waymark.library.store import Store, is_library

    if not is_library(path):
        return read_dataset(path, levels=levels, negatives=negatives, landmarks=landmarks)
    if levels is not None:
        raise ConfigError(f"--levels is for folders; {path} is a library, which knows that.")
    with Store.open(path, readonly=True) as store:
        dataset = lessons(store)
    if not dataset.photos:
        raise DatasetError(
            f"{path} has no photo that somebody approved or corrected; review some first: "
            f"waymark serve --library {path}"
        )
    if landmarks is not None:
        placed = with_places(dataset, landmarks)
        told = {key for key, by in placed.places_from.items() if by == "--landmarks"}
        dataset = replace(
            dataset,
            landmarks={
                k: (placed if k in told else dataset).landmarks[k] for k in placed.landmarks
            },
            places_from=dataset.places_from | dict.fromkeys(told, "--landmarks"),
        )
    return dataset if negatives is None else add_negatives(dataset, negatives)
