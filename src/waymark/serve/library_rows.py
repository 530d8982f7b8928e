"""What the pages ask of the library: rows to show, what a filter holds.

In:  a `Store`.
Out: plain JSON values. A path is only told, never taken.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from waymark.dataset.index import printable
from waymark.errors import UnknownName
from waymark.gazetteer import Landmark
from waymark.library.near import metres
from waymark.library.store import Store
from waymark.library.store_query import Filter, Key, Listed, keys, landmarks_of, page, photos
from waymark.library.store_queue import count_waiting
from waymark.library.tagged import SHOWN

PAGE = 100  # photos
_BATCH = 10_000
_FACTS = ("id", "name", "local_name", "place", "country", "category", "lat", "lon", "wikidata")


def row_of(photo: Listed, *, guesses: bool = False) -> dict[str, Any]:
    """Return a photo as the pages show it.

    Args:
        photo: of the library.
        guesses: whether to tell them.
    """
    sure = 1 - (photo.unknown_score or 0)
    told = [
        {"landmark": one.id, "name": one.name, "score": score, "confidence": score * sure}
        for one, score in photo.guesses[:5]
    ]
    content = content_of(photo.sha256)
    return {
        "id": photo.id,
        "file": printable(photo.path.name),
        "folder": printable(photo.path.parent),
        "content": content,
        "src": f"/library/thumbs/{photo.id}?content={content}",
        "large": f"/library/pictures/{photo.id}?content={content}",
        "taken": photo.taken and photo.taken.isoformat(sep=" ", timespec="minutes")[:16],
        "landmark": photo.landmark and {key: getattr(photo.landmark, key) for key in _FACTS},
        "score": photo.score,
        "confidence": photo.confidence,
        "unknown_score": photo.unknown_score,
        "evidence": photo.evidence,
        "state": photo.state,
        "gps": photo.gps and list(photo.gps),
        "gps_from": photo.gps_from,
        "gps_says": photo.gps_says,
        "distance_m": _distance(photo),
        "guesses": told if guesses else [],
        "error": photo.error and printable(photo.error),
        "gone": not os.path.lexists(photo.path),
        "key": f"{photo.key[0]},{photo.key[1]}",
    }


def content_of(sha256: bytes | None) -> str:
    """Return what tells the content of a photo from any other; "" where it could not be read.

    Numbers of photos follow their paths: what is said of one is said of what was seen.
    """
    return "" if sha256 is None else sha256.hex()[:16]


def _distance(photo: Listed) -> int | None:
    """Return how far from its landmark the camera stood."""
    there = photo.landmark
    if photo.gps is None or there is None or there.lat is None or there.lon is None:
        return None
    return round(metres(photo.gps, (there.lat, there.lon)))


def overview(store: Store, wanted: Filter) -> dict[str, Any]:
    """Say how many photos a filter holds, how to get at any page of them, and where they are.

    Returns:
        `photos`; `waiting`, of them for review; `size`, of a page; `after`, a key a page, the
        first of them None; `places`, a landmark each: id, name, lat, lon and the number of
        photos, most first.
    """
    after: list[str | None] = [None]
    counts: dict[int, int] = {}
    total, batch = 0, list[int]()
    for moment, number in _keys(store, wanted):
        total += 1
        batch.append(number)
        if total % PAGE == 0:
            after.append(f"{moment},{number}")
        if len(batch) == _BATCH:
            _count(store, batch, counts)
            batch = []
    _count(store, batch, counts)
    names = landmarks_of(store)
    places = [
        {key: getattr(names[one], key) for key in ("id", "name", "lat", "lon")} | {"photos": count}
        for one, count in sorted(counts.items(), key=lambda pair: -pair[1])
        if names[one].lat is not None
    ]
    return {
        "photos": total,
        "waiting": count_waiting(store, None if wanted == Filter() else wanted),
        "size": PAGE,
        "after": after,
        "places": places,
    }


def listed(
    store: Store, wanted: Filter, *, limit: int = PAGE, after: Key | None = None
) -> list[dict[str, Any]]:
    """Return a page of photos as the pages show them; none where nothing is called so."""
    try:
        return [row_of(one) for one in page(store, wanted, limit=limit, after=after)]
    except UnknownName:
        return []


def _keys(store: Store, wanted: Filter) -> Iterator[Key]:
    try:
        yield from keys(store, wanted)
    except UnknownName:
        return


def _count(store: Store, numbers: Sequence[int], counts: dict[int, int]) -> None:
    """Add up landmarks that photos show."""
    if not numbers:
        return
    listed = ",".join(map(str, numbers))  # numbers of ours
    for landmark, count in store.connection.execute(
        f"SELECT landmark, count(*) FROM photo WHERE id IN ({listed}) AND {SHOWN} GROUP BY landmark"
    ):
        counts[landmark] = counts.get(landmark, 0) + count


def shown(store: Store) -> list[Landmark]:
    """Return the landmarks that a photo of the library shows; others are only guessed at."""
    numbers = store.connection.execute(
        "SELECT id FROM landmark WHERE EXISTS "
        "(SELECT 1 FROM photo WHERE photo.landmark = landmark.id)"
    ).fetchall()
    names = landmarks_of(store)
    return [names[number] for (number,) in numbers]


def guessed(store: Store, numbers: Sequence[int]) -> list[Landmark]:
    """Return what these photos are guessed to show."""
    return [one for photo in photos(store, numbers) for one, _ in photo.guesses]


def above(store: Store, wanted: Filter, score: float) -> list[int]:
    """Return the photos of a filter that a bulk approval above a score would approve."""
    numbers = [number for _, number in _keys(store, wanted)]
    found: list[int] = []
    for start in range(0, len(numbers), _BATCH):
        listed = ",".join(map(str, numbers[start : start + _BATCH]))
        found += [
            number
            for (number,) in store.connection.execute(
                f"SELECT id FROM photo WHERE id IN ({listed}) AND state = 'new' AND missing = 0 "
                "AND landmark IS NOT NULL AND confidence >= ?",
                [score],
            )
        ]
    return found
