"""What the pages ask of the library: rows to show, what a filter holds, what to review next.

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
from waymark.library.store import Store
from waymark.library.store_query import Filter, Key, Listed, keys, landmarks_of, page

PAGE = 100  # photos
_BATCH = 10_000
_CANDIDATES = 20_000  # least sure photos, among which the most valuable are looked for
_FACTS = ("id", "name", "local_name", "place", "country", "category", "lat", "lon", "wikidata")


def row_of(photo: Listed, names: dict[str, Landmark] | None = None) -> dict[str, Any]:
    """Return a photo as the pages show it.

    Args:
        photo: of the library.
        names: landmarks by id, for the guesses; None leaves these out.
    """
    guesses = [
        {"landmark": one, "name": names[one].name, "score": score}
        for one, score in (photo.guesses if names else ())
        if names and one in names
    ]
    return {
        "id": photo.id,
        "file": printable(photo.path.name),
        "folder": printable(photo.path.parent),
        "src": f"/library/thumbs/{photo.id}",
        "large": f"/library/pictures/{photo.id}",
        "taken": photo.taken and photo.taken.isoformat(sep=" ", timespec="minutes")[:16],
        "landmark": photo.landmark and {key: getattr(photo.landmark, key) for key in _FACTS},
        "score": photo.score,
        "unknown_score": photo.unknown_score,
        "evidence": photo.evidence,
        "state": photo.state,
        "gps": photo.gps and list(photo.gps),
        "gps_from": photo.gps_from,
        "gps_says": photo.gps_says,
        "guesses": guesses[:5],
        "error": photo.error and printable(photo.error),
        "gone": not os.path.lexists(photo.path),
        "key": f"{photo.key[0]},{photo.key[1]}",
    }


def overview(store: Store, wanted: Filter) -> dict[str, Any]:
    """Say how many photos a filter holds, how to get at any page of them, and where they are.

    Returns:
        `photos`; `size`, of a page; `after`, a key a page, the first of them None; `places`, a
        landmark each: id, name, lat, lon and the number of photos, most first.
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
    return {"photos": total, "size": PAGE, "after": after, "places": places}


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
    """Add up landmarks of photos."""
    if not numbers:
        return
    listed = ",".join(map(str, numbers))  # numbers of ours
    for landmark, count in store.connection.execute(
        f"SELECT landmark, count(*) FROM photo WHERE id IN ({listed}) AND landmark IS NOT NULL "
        "GROUP BY landmark"
    ):
        counts[landmark] = counts.get(landmark, 0) + count


def queue(store: Store, *, limit: int = 200) -> list[int]:
    """Return the photos that nobody has looked at, the most valuable answer first.

    An answer is worth more where it is less sure what it will be (the chance that the tag is
    right is nearer to a half; a GPS position that agrees makes it surer, one that does not
    leaves it open), and where it tells of more: photos of the same landmark and day take an
    answer as evidence. Of such a day, the second photo is worth half of the first, and so on.
    """
    columns = "id, landmark, moment / 86400, score, unknown_score, gps_says"
    free = "state = 'new' AND landmark IS NOT NULL AND missing = 0 AND error IS NULL"
    found = store.connection.execute(
        f"SELECT {columns} FROM photo WHERE {free} ORDER BY score LIMIT {_CANDIDATES}"
    ).fetchall()
    together: dict[tuple[int, int], int] = {}
    for row in found:
        together[row[1:3]] = together.get(row[1:3], 0) + 1
    worth = []
    for number, landmark, day, score, unknown, says in found:
        chance = (score or 0.0) * (1 - (unknown or 0.0))
        chance = 1 - (1 - chance) / 4 if says == "agree" else chance
        chance = 0.5 if says == "disagree" else chance
        doubt = 1 - abs(2 * chance - 1)
        worth.append((doubt * (1 + together[landmark, day]) ** 0.5, -number, (landmark, day)))
    worth.sort(reverse=True)
    seen: dict[tuple[int, int], int] = {}
    ranked = []
    for value, number, group in worth:
        seen[group] = seen.get(group, 0) + 1
        ranked.append((value / seen[group], number))
    ranked.sort(reverse=True)
    return [-number for _, number in ranked[:limit]]


def standing(store: Store) -> dict[str, Any]:
    """Say how far the review is, and what an undo would take back."""
    counts = dict(
        store.connection.execute(
            "SELECT state, count(*) FROM photo WHERE missing = 0 AND "
            "(landmark IS NOT NULL OR state != 'new') GROUP BY state"
        ).fetchall()
    )
    row = store.connection.execute(
        "SELECT count(*), min(review.photo), max(review.state), max(landmark.name) FROM review "
        "LEFT JOIN landmark ON landmark.id = review.landmark "
        "WHERE act = (SELECT max(act) FROM review)"
    ).fetchone()
    last = None
    if row[0]:
        last = {"photos": row[0], "photo": row[1], "state": row[2], "name": row[3]}
    return {
        "left": counts.get("new", 0),
        "done": sum(count for state, count in counts.items() if state != "new"),
        "last": last,
    }


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
                "AND landmark IS NOT NULL AND score >= ?",
                [score],
            )
        ]
    return found
