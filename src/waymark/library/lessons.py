"""What a person said of a library, as a dataset: `teach`, `train` and `evaluate` take it.

In:  a `Store` whose photos were approved and corrected.
Out: a `Dataset` of these photos; those that were said to show no landmark are its negatives.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from waymark.dataset.index import Dataset, Photo, Skipped, printable, why_not_photo
from waymark.gazetteer import Landmark
from waymark.library.raw import KINDS
from waymark.library.store import Store
from waymark.library.store_landmark import LANDMARK_COLUMNS, is_same, landmark_of

# of each picture one photo, that is there if any is: the files of a picture may differ in what a
# program wrote into them, and a picture on both sides of a split would flatter the measurement
_TOLD = """
SELECT path, format, state, landmark, missing FROM (
  SELECT *, row_number() OVER (
    PARTITION BY coalesce(picture, sha256, id) ORDER BY missing, path
  ) AS nth FROM photo
  WHERE state IN ('approved', 'corrected', 'not-a-landmark') AND error IS NULL
) WHERE nth = 1
"""
_SHOWS = "told.state IN ('approved', 'corrected')"


def lessons(store: Store) -> Dataset:
    """Collect the photos of which a person has said what they show; of one picture, one.

    RAW files without a JPEG beside them, which training does not read, and photos that are
    gone are among `skipped`.
    """
    with store.faults():
        rows = store.connection.execute(
            f"SELECT told.path, told.format, told.landmark, {LANDMARK_COLUMNS} "
            f"FROM ({_TOLD}) AS told JOIN landmark ON landmark.id = told.landmark "
            f"WHERE {_SHOWS} ORDER BY told.path"
        ).fetchall()
        without = store.connection.execute(
            f"SELECT path, format FROM ({_TOLD}) AS told WHERE NOT {_SHOWS} ORDER BY path"
        ).fetchall()
    photos, negatives, skipped = list[Photo](), list[Path](), list[Skipped]()
    named = _labelled({number: landmark_of(columns) for _, _, number, *columns in rows})
    for path, form, number, *_ in rows:
        file = _usable(path, form, skipped)
        if file is not None:
            each = named[number]
            photos.append(Photo(path=file, label=each.id, category=each.category, place=each.place))
    used = {photo.label for photo in photos}
    landmarks = {each.id: each for each in named.values() if each.id in used}
    for path, form in without:
        file = _usable(path, form, skipped)
        if file is not None:
            negatives.append(file)
    return Dataset(
        root=store.path.parent,
        name=store.path.stem,
        photos=tuple(photos),
        negatives=tuple(negatives),
        skipped=tuple(skipped),
        landmarks=landmarks,
        places_from={key: "library" for key, each in landmarks.items() if each.lat is not None},
    )


def count_lessons(store: Store) -> dict[Landmark, int]:
    """Return how many photos of each landmark there are to learn from, most first."""
    with store.faults():
        rows = store.connection.execute(
            f"SELECT count(*), {LANDMARK_COLUMNS} "
            f"FROM ({_TOLD}) AS told JOIN landmark ON landmark.id = told.landmark "
            f"WHERE {_SHOWS} AND told.missing = 0 "
            "GROUP BY landmark.id ORDER BY 1 DESC, landmark.name"
        ).fetchall()
    return {landmark_of(columns): count for count, *columns in rows}


def _labelled(found: Mapping[int, Landmark]) -> dict[int, Landmark]:
    """Return landmarks, by number, as they are taught: no two that differ under one id."""
    taken = {landmark.id for landmark in found.values()}
    called: dict[str, list[Landmark]] = {}  # by the id that they share
    named = {}
    for number, landmark in sorted(found.items()):
        others = called.setdefault(landmark.id, [])
        known = next((each for each in others if is_same(each, landmark)), None)
        if known is None:
            label = landmark.id
            if others:
                names = (f"{landmark.place}/{label}", f"{number}/{label}")
                label = next(name for name in names if name not in taken)
                taken.add(label)
            known = replace(landmark, id=label)
            others.append(known)
        named[number] = known
    return named


def _usable(path: bytes, form: str | None, skipped: list[Skipped]) -> Path | None:
    """Return a photo's file; or None, with the reason among `skipped`."""
    file = Path(os.fsdecode(path))
    reason = "a RAW file without a JPEG beside it" if form in KINDS else why_not_photo(file)
    if reason is None:
        return file
    skipped.append(Skipped(printable(file), reason or "missing, or not a photo", file))
    return None
