"""Decide what the photos of a library show, those near each other in time together.

In:  a `Store` with photos that wait for a decision, and moments that a photo has left.
Out: their tags, and what a person's answer about each is worth: the chance that it changes the
     tag, times the doubtful photos of the same minutes that it would settle too. A slice of
     photos is one transaction; what is not through with waits on if that is cut short.

Both follow from the photos, what was said of them, and the settings: never from how runs or
slices were cut. So what may have changed is asked for wide enough, and each photo is decided
with the same neighbours whichever slice it falls into.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from waymark.gazetteer import Landmark
from waymark.library.context import WINDOW_S, Shot, Tag, alone, together
from waymark.library.near import Point, Says, compare
from waymark.library.store import Store
from waymark.library.store_landmark import all_landmarks
from waymark.progress import Progress, silent

_SLICE = 1_000  # photos decided at a time
_AROUND = 1_000  # neighbours that a photo has on either side, at most
_BURST_S = 600  # within which an answer about one photo helps another
_DOUBTFUL, _MOST_LEANING = 0.1, 9
_CONTRADICTED = 0.8  # doubt of a tag that the photo's GPS contradicts
_CONFIRMED = 0.25  # what is left of the doubt where the GPS agrees
_ASKED = 0.25  # an unknown photo with less chance to show its best guess is not asked about
_LEAST = 1e-4  # what an answer about a named landmark is worth, however sure
_USABLE = "error IS NULL AND guesses IS NOT NULL AND missing = 0"
# within which a photo may change what another is, or is worth: two wall clocks may be 26 hours
# apart at the same time, and what is worth an answer looks at the photos of some minutes more
_REACH_S = WINDOW_S + 26 * 3_600 + _BURST_S


class _Row(NamedTuple):
    """What is asked of a photo here, a column each."""

    id: int
    moment: int
    taken: str | None
    taken_from: str | None
    guesses: str
    unknown_score: float
    lat: float | None
    lon: float | None
    landmark: int | None
    score: float | None
    confidence: float | None
    evidence: str | None
    gps_says: str | None
    state: str
    pending: int
    worth: float

    @property
    def gps(self) -> Point | None:
        """Where the camera stood."""
        return None if self.lat is None or self.lon is None else (self.lat, self.lon)

    @property
    def likely(self) -> list[tuple[int, float]]:
        """(landmark, score) of the photo alone, best first."""
        return [(int(number), float(score)) for number, score in json.loads(self.guesses)]


_COLUMNS = ", ".join(_Row._fields)


def decide(
    store: Store,
    *,
    bundle: str,
    threshold: float,
    landmarks: Mapping[int, Landmark],
    context: bool = True,
    progress: Progress = silent,
) -> int:
    """Decide on all photos that wait, and on those whose neighbours have changed.

    Args:
        store: the library.
        bundle: first 12 hex digits of the hash of the bundle that they were recognised by.
        threshold: of the unknown score.
        landmarks: those of the bundle, by their numbers in the library.
        context: whether neighbours are asked.
        progress: is told of photos decided.

    Returns:
        The number of photos whose tag changed.
    """
    with store.faults():
        store.connection.execute("DROP TABLE IF EXISTS temp.window")
        store.connection.execute("CREATE TEMP TABLE window (id INTEGER PRIMARY KEY, m INTEGER)")
        store.connection.execute("CREATE INDEX temp.window_order ON window (m, id)")
        known = all_landmarks(store.connection)
    spans, total = _gather(store, bundle)
    changed = done = 0
    for low, high in spans:
        after = (low, -1)
        while True:
            with store.transaction() as connection:
                found = connection.execute(
                    f"SELECT {_COLUMNS} FROM photo JOIN temp.window USING (id) "
                    f"WHERE (m, id) > (?, ?) AND m <= ? ORDER BY m, id LIMIT {_SLICE}",
                    [*after, high],
                )
                rows = [_Row._make(row) for row in found]
                if not rows:
                    break
                seen, ours = _with_neighbours(connection, rows, bundle)
                shots = [_shot(row) for row in seen]
                if context:
                    tags = together(
                        shots,
                        landmarks,
                        threshold=threshold,
                        others=known,
                        wanted=_and_burst(seen, ours),
                        most=_AROUND,
                    )
                else:
                    tags = [alone(shot.guesses, shot.unknown_score, threshold) for shot in shots]
                changed += _store(connection, seen, tags, ours, known)
            after = (rows[-1].moment, rows[-1].id)
            done += len(rows)
            progress(done, total, "asking the neighbours" if context else "deciding")
    return changed


def waits(store: Store, bundle: str) -> bool:
    """Say whether there is anything to decide on."""
    with store.faults():
        row = store.connection.execute(
            "SELECT EXISTS (SELECT 1 FROM stale) OR EXISTS "
            f"(SELECT 1 FROM photo WHERE pending AND bundle = ? AND {_USABLE})",
            [bundle],
        ).fetchone()
    return bool(row[0])


def _gather(store: Store, bundle: str) -> tuple[list[tuple[int, int]], int]:
    """List the photos to decide on: those that wait, and those within reach of one that does.

    All of them wait from now on, those of other bundles too, so that none is forgotten if this
    run is cut short, or asks no neighbours.

    Returns:
        Spans of time, apart from each other, within which all photos wait that have a time; and
        the number of this bundle's photos in them.
    """
    with store.transaction() as connection:
        moments = connection.execute(
            f"SELECT moment FROM photo WHERE pending AND (bundle = ? OR NOT ({_USABLE})) "
            "UNION SELECT moment FROM stale ORDER BY 1",
            [bundle],
        )
        spans = [
            (low - _REACH_S, high + _REACH_S)
            for low, high in _spans((moment for (moment,) in moments), 2 * _REACH_S)
        ]
        connection.executemany(
            "UPDATE photo SET pending = 1 WHERE moment BETWEEN ? AND ? AND pending = 0 "
            f"AND taken IS NOT NULL AND {_USABLE}",
            spans,
        )
        connection.execute("DELETE FROM stale")
        # of these nothing can be decided
        connection.execute(f"UPDATE photo SET pending = 0 WHERE pending AND NOT ({_USABLE})")
        connection.execute(
            "INSERT INTO temp.window (id, m) SELECT id, moment FROM photo WHERE pending "
            "AND bundle = ?",
            [bundle],
        )
        (total,) = connection.execute("SELECT count(*) FROM temp.window").fetchone()
    return spans, int(total)


def _spans(moments: Iterator[int], gap: int) -> Iterator[tuple[int, int]]:
    """Yield where ordered moments begin and end, as one as long as gaps are no longer."""
    start = end = next(moments, None)
    if start is None or end is None:
        return
    for moment in moments:
        if moment - end > gap:
            yield start, end
            start = moment
        end = moment
    yield start, end


def _with_neighbours(
    connection: Any, rows: Sequence[_Row], bundle: str
) -> tuple[list[_Row], range]:
    """Return a slice of a span with its neighbours in order, and where in there it lies."""
    sides = []
    for compared, order, edge, reach in (
        ("<", "DESC", rows[0], -_REACH_S),
        (">", "ASC", rows[-1], _REACH_S),
    ):
        found = connection.execute(
            f"SELECT {_COLUMNS} FROM photo WHERE (moment, id) {compared} (?, ?) "
            f"AND moment BETWEEN ? AND ? AND bundle = ? AND {_USABLE} AND taken IS NOT NULL "
            f"ORDER BY moment {order}, id {order} LIMIT {2 * _AROUND}",
            [edge.moment, edge.id, *sorted((edge.moment, edge.moment + reach)), bundle],
        )
        side = list[_Row]()
        burst = 0  # the doubts of these count, so that they have neighbours as well
        for row in map(_Row._make, found):
            side.append(row)
            burst += abs(row.moment - edge.moment) <= _BURST_S
            if len(side) >= _AROUND + min(burst, _AROUND):
                break
        sides.append(side)
    before, behind = sides
    return [*before[::-1], *rows, *behind], range(len(before), len(before) + len(rows))


def _and_burst(rows: Sequence[_Row], ours: range) -> range:
    """Return where a slice lies among its neighbours, with those of the same minutes."""
    first, last = rows[ours[0]].moment - _BURST_S, rows[ours[-1]].moment + _BURST_S
    return range(
        bisect_left(rows, first, key=lambda row: row.moment),
        bisect_right(rows, last, key=lambda row: row.moment),
    )


def _store(
    connection: Any,
    seen: Sequence[_Row],
    tags: Sequence[Tag],
    ours: range,
    landmarks: Mapping[int, Landmark],
) -> int:
    """Note what was decided on a slice; return the number of photos whose tag changed."""
    doubts = [_doubt(row, tag, landmarks) for row, tag in zip(seen, tags, strict=True)]
    leaning = _leaning(seen, doubts)
    changes, worths = [], []
    for i in ours:
        row, tag = seen[i], tags[i]
        if row.state != "new":
            continue
        was = (row.landmark, row.score, row.confidence, row.evidence, row.gps_says)
        sure = (_rounded(tag.score), _rounded(tag.confidence))
        now = (tag.landmark, *sure, tag.evidence, _says(row, tag, landmarks))
        if now != was:
            changes.append((*now, row.id))
        worth = round(doubts[i] * (1 + leaning[i]), 4)
        if tag.landmark is not None:
            worth = max(worth, _LEAST)
        if worth != row.worth:
            worths.append((worth, row.id))
    connection.executemany(
        "UPDATE photo SET landmark = ?, score = ?, confidence = ?, evidence = ?, gps_says = ? "
        "WHERE id = ?",
        changes,
    )
    connection.executemany("UPDATE photo SET worth = ? WHERE id = ?", worths)
    connection.executemany(
        "UPDATE photo SET pending = 0 WHERE id = ?",
        [(seen[i].id,) for i in ours if seen[i].pending],
    )
    return len(changes)


def _says(row: _Row, tag: Tag, landmarks: Mapping[int, Landmark]) -> Says | None:
    """Compare a tag with the GPS position of its photo."""
    return compare(row.gps, None if tag.landmark is None else landmarks.get(tag.landmark))


def _doubt(row: _Row, tag: Tag, landmarks: Mapping[int, Landmark]) -> float:
    """Return the chance that a person's answer changes a tag.

    A named landmark may be another one; an unknown photo may show its best guess after all.
    """
    if tag.confidence is None:
        chance = (1 - row.unknown_score) * (row.likely[0][1] if row.likely else 0.0)
        return chance if chance >= _ASKED else 0.0
    doubt = 1 - (tag.belief or tag.confidence)
    says = _says(row, tag, landmarks)
    if says == "disagree":
        return max(doubt, _CONTRADICTED)
    return doubt * _CONFIRMED if says == "agree" else doubt


def _leaning(rows: Sequence[_Row], doubts: Sequence[float]) -> list[int]:
    """Return for each photo how many doubtful ones of the same minutes an answer helps too."""
    taken = [i for i, row in enumerate(rows) if row.taken]
    doubtful = [(rank, i) for rank, i in enumerate(taken) if doubts[i] > _DOUBTFUL]
    ranks = [rank for rank, _ in doubtful]
    moments = [rows[i].moment for _, i in doubtful]
    found = [0] * len(rows)
    for rank, i in enumerate(taken):
        low = bisect_left(moments, rows[i].moment - _BURST_S)
        high = bisect_right(moments, rows[i].moment + _BURST_S)
        near = min(high, bisect_right(ranks, rank + _AROUND))
        near -= max(low, bisect_left(ranks, rank - _AROUND))
        found[i] = min(near - (doubts[i] > _DOUBTFUL), _MOST_LEANING)
    return found


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 6)


def _shot(row: _Row) -> Shot:
    wall, utc = _clocks(row)
    return Shot(
        moment=wall,
        utc=utc,
        guesses=row.likely,
        unknown_score=row.unknown_score,
        gps=row.gps,
        said=row.landmark if row.state in ("approved", "corrected") else None,
        silent=row.state in ("rejected", "not-a-landmark"),
    )


def _clocks(row: _Row) -> tuple[int | None, int | None]:
    """Return when a photo was taken, by the wall clock and in UTC."""
    if row.taken is None:
        return None, None
    offset = datetime.fromisoformat(row.taken).utcoffset()
    if row.taken_from == "takeout":  # which knows the one only
        return None, row.moment
    return row.moment, None if offset is None else row.moment - round(offset.total_seconds())
