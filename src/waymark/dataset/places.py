"""Decide what is known of each landmark of a dataset, and who says so.

The first of these that places the label wins: a landmarks file given by the user, the
`landmarks.csv` in the dataset's root, the gazetteer (exact id). Where none gives a
position, `estimate_places` takes the median GPS position of the training photos.
A category comes from the dataset first (manifest column or folder level), then from the
first of these files that states one; a name from the first file that has the label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median

from waymark.dataset.categories import category_id, stated_category
from waymark.dataset.index import Dataset, Photo
from waymark.errors import PhotoError
from waymark.gazetteer import Landmark, display_name, load_gazetteer
from waymark.progress import Progress, silent

LANDMARKS_FILE = "landmarks.csv"
_ORIGINS = {
    "--landmarks": "from --landmarks",
    LANDMARKS_FILE: f"from {LANDMARKS_FILE}",
    "gazetteer": "from the gazetteer",
    "dataset": "from the dataset",
    "library": "from the library",
    "photos": "estimated from photos",
    "unknown": "unknown",
}


def with_places(dataset: Dataset, landmarks: Path | None = None) -> Dataset:
    """Return the dataset with a `Landmark` record for each label; reads no photo.

    Raises:
        GazetteerError: a landmarks file is wrong.
        DatasetError: photos of one label state two different categories.
    """
    sources = {"--landmarks": landmarks} if landmarks is not None else {}
    own = dataset.root / LANDMARKS_FILE
    if own.is_file():
        sources[LANDMARKS_FILE] = own
    known = [(name, load_gazetteer(path)) for name, path in sources.items()]
    known.append(("gazetteer", load_gazetteer()))

    records: dict[str, Landmark] = {}
    origins: dict[str, str] = {}
    for label, photos in _by_label(dataset.photos).items():
        found = {o: record for o, listed in known if (record := listed.get(label)) is not None}
        placed = {o: r for o, r in found.items() if r.place is not None or r.lat is not None}
        record = next(iter(found.values()), Landmark(id=label, name=display_name(label)))
        if placed:
            origins[label], by = next(iter(placed.items()))
            if record is not by:
                record = replace(by, name=record.name, local_name=record.local_name)
        category = stated_category(label, photos)
        category = category or next((r.category for r in found.values() if r.category), None)
        place = _most(p.place for p in photos)
        if place and record.place is None:
            origins.setdefault(label, "dataset")
        records[label] = replace(
            record,
            category=category and category_id(category),
            place=record.place or place,
        )
    return replace(dataset, landmarks=records, places_from=origins)


def estimate_places(dataset: Dataset, *, progress: Progress = silent) -> Dataset:
    """Return the dataset with positions from GPS for the landmarks that have none.

    Reads the EXIF of the training photos of these landmarks only. A landmark whose photos
    have no GPS keeps no position.
    """
    from waymark.photo import read_facts

    waiting = {label for label, known in dataset.landmarks.items() if known.lat is None}
    photos = [p for p in dataset.photos if p.label in waiting and p.split in ("train", None)]
    points: dict[str, list[tuple[float, float]]] = {}
    for done, photo in enumerate(photos, start=1):
        try:
            gps = read_facts(photo.path).gps
        except PhotoError:
            gps = None
        if gps is not None:
            points.setdefault(photo.label, []).append(gps)
        progress(done, len(photos), "reading positions")
    records, origins = dict(dataset.landmarks), dict(dataset.places_from)
    for label, found in points.items():
        lat, lon = _median_position(found)
        records[label] = replace(records[label], lat=lat, lon=lon, estimated=True)
        origins.setdefault(label, "photos")
    return replace(dataset, landmarks=records, places_from=origins)


def count_places(dataset: Dataset, labels: Iterable[str] | None = None) -> dict[str, int]:
    """Count landmarks, by default all of them, by who says where they are, or `unknown`."""
    wanted = dataset.labels if labels is None else labels
    counts = Counter(dataset.places_from.get(label, "unknown") for label in wanted)
    return {origin: counts[origin] for origin in _ORIGINS if counts[origin]}


def say_places(counts: Mapping[str, int]) -> str:
    """Put what `count_places` found into words; "" where it counted nothing."""
    return ", ".join(f"{count} {_ORIGINS[origin]}" for origin, count in counts.items())


def _median_position(points: list[tuple[float, float]]) -> tuple[float, float]:
    """Median latitude and longitude in degrees, also across the date line."""
    start = points[0][1]
    east = median((lon - start + 180) % 360 - 180 for _, lon in points)
    lon = (start + east + 180) % 360 - 180
    return round(median(lat for lat, _ in points), 6), round(lon, 6)


def _by_label(photos: Iterable[Photo]) -> dict[str, list[Photo]]:
    found: dict[str, list[Photo]] = {}
    for photo in photos:
        found.setdefault(photo.label, []).append(photo)
    return found


def _most(values: Iterable[str | None]) -> str | None:
    counts = Counter(value for value in values if value)
    return counts.most_common(1)[0][0] if counts else None
