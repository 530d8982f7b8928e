"""Decide what the photos of a library show, those near each other in time together.

In:  a `Store` with photos that wait for a decision.
Out: their tags, and what a person's answer about each is worth: the chance that it changes the
     tag, times the doubtful photos of the same minutes that it would settle too. A slice of
     photos is one transaction, and waits again if that is cut short.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from waymark.gazetteer import Landmark
from waymark.library.context import WINDOW_S, Shot, Tag, alone, together
from waymark.library.near import Point, Says, compare
from waymark.library.store import Store
from waymark.library.store_landmark import all_landmarks
from waymark.progress import Progress, silent

_SLICE = 1_000  # photos decided at a time
_AROUND = 1_000  # neighbours asked on either side
_BURST_S = 600  # within which an answer about one photo helps another
_DOUBTFUL, _MOST_LEANING = 0.1, 9
_CONTRADICTED = 0.8  # doubt of a tag that the photo's GPS contradicts
_CONFIRMED = 0.25  # what is left of the doubt where the GPS agrees
_ASKED = 0.25  # an unknown photo with less chance to show its best guess is not asked about
_LEAST = 1e-4  # what an answer about a named landmark is worth, however sure
_USABLE = "bundle = ? AND error IS NULL AND guesses IS NOT NULL"


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
    count: int,
    context: bool = True,
    progress: Progress = silent,
) -> int:
    """Decide on all photos that wait, and on those whose neighbours have changed.

    Args:
        store: the library.
        bundle: first 12 hex digits of the hash of the bundle that they were recognised by.
        threshold: of the unknown score.
        count: number of the bundle's landmarks.
        context: whether neighbours are asked.
        progress: is told of photos decided.

    Returns:
        The number of photos whose tag changed.
    """
    with store.faults():
        store.connection.execute("DROP TABLE IF EXISTS temp.window")
        store.connection.execute("CREATE TEMP TABLE window (id INTEGER PRIMARY KEY, m INTEGER)")
        reach = WINDOW_S if context else 0
        total = _gather(store, bundle, reach)
    with store.faults():
        landmarks = all_landmarks(store.connection)
    changed, done, after = 0, 0, (-(2**62), -1)
    while True:
        with store.transaction() as connection:
            found = connection.execute(
                f"SELECT {_COLUMNS} FROM photo JOIN temp.window USING (id) "
                f"WHERE (m, id) > (?, ?) ORDER BY m, id LIMIT {_SLICE}",
                after,
            )
            rows = [_Row._make(row) for row in found]
            if not rows:
                break
            around = _around(connection, rows, bundle) if context else ([], [])
            changed += _decide(
                connection,
                rows,
                around,
                landmarks,
                threshold=threshold,
                count=count,
                context=context,
            )
        after = (rows[-1].moment, rows[-1].id)
        done += len(rows)
        progress(done, total, "asking the neighbours" if context else "deciding")
    with store.transaction() as connection:  # nothing will ever be decided about these
        connection.execute(
            f"UPDATE photo SET pending = 0 WHERE pending AND NOT coalesce(({_USABLE}), 0)", [bundle]
        )
    return changed


def _gather(store: Store, bundle: str, reach: int) -> int:
    """List the photos to decide on: those that wait, and those within reach of one that does."""
    connection = store.connection
    connection.execute("CREATE INDEX temp.window_order ON window (m, id)")
    start: int | None = None
    end = 0
    spans: list[tuple[int, int]] = []
    # as few spans as there are gaps longer than twice the reach
    for (moment,) in connection.execute(
        "SELECT moment FROM photo WHERE pending AND missing = 0 ORDER BY moment"
    ):
        if start is not None and moment - end <= 2 * reach:
            end = moment
            continue
        if start is not None:
            spans.append((start, end))
        start = end = moment
    if start is not None:
        spans.append((start, end))
    for low, high in spans:
        connection.execute(
            "INSERT OR IGNORE INTO temp.window (id, m) SELECT id, moment FROM photo "
            f"WHERE moment BETWEEN ? AND ? AND {_USABLE} AND missing = 0 "
            "AND (pending OR taken IS NOT NULL)",
            [low - reach, high + reach, bundle],
        )
    (total,) = connection.execute("SELECT count(*) FROM temp.window").fetchone()
    return int(total)


def _around(connection: Any, rows: Sequence[_Row], bundle: str) -> tuple[list[_Row], list[_Row]]:
    """Return neighbours before and after a slice, the nearest."""
    first, last = rows[0], rows[-1]
    query = (
        f"SELECT {_COLUMNS} FROM photo WHERE (moment, id) {{}} (?, ?) AND moment BETWEEN ? AND ? "
        f"AND {_USABLE} AND missing = 0 AND taken IS NOT NULL "
        f"ORDER BY moment {{}}, id {{}} LIMIT {_AROUND}"
    )
    before = connection.execute(
        query.format("<", "DESC", "DESC"),
        [first.moment, first.id, first.moment - WINDOW_S, first.moment, bundle],
    )
    behind = connection.execute(
        query.format(">", "ASC", "ASC"),
        [last.moment, last.id, last.moment, last.moment + WINDOW_S, bundle],
    )
    return [_Row._make(row) for row in before][::-1], [_Row._make(row) for row in behind]


def _decide(
    connection: Any,
    rows: Sequence[_Row],
    around: tuple[list[_Row], list[_Row]],
    landmarks: Mapping[int, Landmark],
    *,
    threshold: float,
    count: int,
    context: bool,
) -> int:
    shots = [_shot(row) for row in (*around[0], *rows, *around[1])]
    if context:
        positions = {
            number: None if each.lat is None or each.lon is None else (each.lat, each.lon)
            for number, each in landmarks.items()
        }
        tags = together(shots, positions, threshold=threshold, count=count)
        tags = tags[len(around[0]) : len(around[0]) + len(rows)]
    else:
        tags = [alone(shot.guesses, shot.unknown_score, threshold) for shot in shots]
    doubts = {row.id: _doubt(row, tag, landmarks) for row, tag in zip(rows, tags, strict=True)}
    changes, worths = [], []
    for row, tag, lean in zip(rows, tags, _leaning(rows, doubts), strict=True):
        if row.state != "new":
            continue
        was = (row.landmark, row.score, row.confidence, row.evidence, row.gps_says)
        sure = (_rounded(tag.score), _rounded(tag.confidence))
        now = (tag.landmark, *sure, tag.evidence, _says(row, tag, landmarks))
        if now != was:
            changes.append((*now, row.id))
        worth = round(doubts[row.id] * (1 + lean), 4)
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
        "UPDATE photo SET pending = 0 WHERE id = ?", [(row.id,) for row in rows if row.pending]
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
    doubt = 1 - tag.confidence
    says = _says(row, tag, landmarks)
    if says == "disagree":
        return max(doubt, _CONTRADICTED)
    return doubt * _CONFIRMED if says == "agree" else doubt


def _leaning(rows: Sequence[_Row], doubts: Mapping[int, float]) -> list[int]:
    """Return for each photo how many doubtful ones of the same minutes an answer helps too."""
    moments = sorted(row.moment for row in rows if row.taken and doubts[row.id] > _DOUBTFUL)
    found = []
    for row in rows:
        near = 0
        if row.taken:
            near = bisect_right(moments, row.moment + _BURST_S)
            near -= bisect_left(moments, row.moment - _BURST_S)
            near -= doubts[row.id] > _DOUBTFUL
        found.append(min(near, _MOST_LEANING))
    return found


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 6)


def _shot(row: _Row) -> Shot:
    return Shot(
        moment=row.moment if row.taken else None,
        utc=row.taken_from == "takeout",
        guesses=row.likely,
        unknown_score=row.unknown_score,
        gps=row.gps,
        said=row.landmark if row.state in ("approved", "corrected") else None,
        silent=row.state in ("rejected", "not-a-landmark"),
    )
