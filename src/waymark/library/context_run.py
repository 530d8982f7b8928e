"""Decide what the photos of a library show, those near each other in time together.

In:  a `Store` with photos that wait for a decision.
Out: their tags, and what a person's answer about each is worth: the chance that the tag is
     wrong, times the doubtful photos of the same minutes that it would settle too. A slice of
     photos is one transaction, and waits again if that is cut short.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from waymark.library.context import WINDOW_S, Shot, Tag, alone, together
from waymark.library.near import compare
from waymark.library.store import LANDMARK_COLUMNS, Store, landmark_of
from waymark.progress import Progress, silent

_SLICE = 1_000  # photos decided at a time
_AROUND = 1_000  # neighbours asked on either side
_BURST_S = 600  # within which an answer about one photo helps another
_DOUBTFUL, _MOST_LEANING = 0.1, 9
_CONTRADICTED = 0.8  # doubt of a tag that the photo's GPS contradicts
_COLUMNS = (
    "id, moment, taken, taken_from, guesses, unknown_score, lat, lon, landmark, score, evidence, "
    "gps_says, state, pending, worth"
)
_USABLE = "bundle = ? AND error IS NULL AND guesses IS NOT NULL"


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
    landmarks = _landmarks(store)
    changed, done, after = 0, 0, (-(2**62), -1)
    while True:
        with store.transaction() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM photo JOIN temp.window USING (id) "
                f"WHERE (m, id) > (?, ?) ORDER BY m, id LIMIT {_SLICE}",
                after,
            ).fetchall()
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
        after = (rows[-1][1], rows[-1][0])
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


def _around(connection: Any, rows: Sequence[Any], bundle: str) -> tuple[list[Any], list[Any]]:
    """Return neighbours before and after a slice, the nearest."""
    first, last = rows[0], rows[-1]
    query = (
        f"SELECT {_COLUMNS} FROM photo WHERE (moment, id) {{}} (?, ?) AND moment BETWEEN ? AND ? "
        f"AND {_USABLE} AND missing = 0 AND taken IS NOT NULL "
        f"ORDER BY moment {{}}, id {{}} LIMIT {_AROUND}"
    )
    before = connection.execute(
        query.format("<", "DESC", "DESC"),
        [first[1], first[0], first[1] - WINDOW_S, first[1], bundle],
    ).fetchall()
    behind = connection.execute(
        query.format(">", "ASC", "ASC"),
        [last[1], last[0], last[1], last[1] + WINDOW_S, bundle],
    ).fetchall()
    return before[::-1], behind


def _decide(
    connection: Any,
    rows: Sequence[Any],
    around: tuple[list[Any], list[Any]],
    landmarks: Mapping[int, Any],
    *,
    threshold: float,
    count: int,
    context: bool,
) -> int:
    shots = [_shot(row) for row in (*around[0], *rows, *around[1])]
    if context:
        positions = {
            number: None if each.lat is None else (each.lat, each.lon)
            for number, each in landmarks.items()
        }
        tags = together(shots, positions, threshold=threshold, count=count)
        tags = tags[len(around[0]) : len(around[0]) + len(rows)]
    else:
        tags = [alone(shot.guesses, shot.unknown_score, threshold) for shot in shots]
    doubts = _doubts(rows, tags)
    changes, worths = [], []
    for row, tag, lean in zip(rows, tags, _leaning(rows, doubts), strict=True):
        if row[12] != "new":
            continue
        was = (row[8], row[9], row[10], row[11])
        gps = None if row[6] is None else (row[6], row[7])
        says = compare(gps, landmarks.get(tag.landmark) if tag.landmark is not None else None)
        now = (tag.landmark, _rounded(tag), tag.evidence, says)
        if now != was:
            changes.append((*now, row[0]))
        doubt = max(doubts[row[0]], _CONTRADICTED if says == "disagree" else 0.0)
        worth = round(doubt * (1 + lean), 4)
        if worth != row[14]:
            worths.append((worth, row[0]))
    connection.executemany(
        "UPDATE photo SET landmark = ?, score = ?, evidence = ?, gps_says = ? WHERE id = ?", changes
    )
    connection.executemany("UPDATE photo SET worth = ? WHERE id = ?", worths)
    connection.executemany(
        "UPDATE photo SET pending = 0 WHERE id = ?", [(row[0],) for row in rows if row[13]]
    )
    return len(changes)


def _doubts(rows: Sequence[Any], tags: Sequence[Tag]) -> dict[int, float]:
    """Return, by photo, the chance that its tag is not what it should be.

    A named landmark may be another one; an unknown photo may show its best guess after all.
    """
    doubts = {}
    for row, tag in zip(rows, tags, strict=True):
        if tag.score is not None:
            doubts[row[0]] = 1 - tag.score
        else:
            guesses = json.loads(row[4])
            doubts[row[0]] = (1 - row[5]) * (guesses[0][1] if guesses else 0.0)
    return doubts


def _leaning(rows: Sequence[Any], doubts: Mapping[int, float]) -> list[int]:
    """Return for each photo how many doubtful ones of the same minutes an answer helps too."""
    moments = sorted(row[1] for row in rows if row[2] is not None and doubts[row[0]] > _DOUBTFUL)
    found = []
    for row in rows:
        near = 0
        if row[2] is not None:
            near = bisect_right(moments, row[1] + _BURST_S) - bisect_left(
                moments, row[1] - _BURST_S
            )
            near -= doubts[row[0]] > _DOUBTFUL
        found.append(min(near, _MOST_LEANING))
    return found


def _rounded(tag: Tag) -> float | None:
    return None if tag.score is None else round(tag.score, 6)


def _shot(row: Sequence[Any]) -> Shot:
    state = row[12]
    return Shot(
        moment=None if row[2] is None else row[1],
        utc=row[3] == "takeout",
        guesses=[(int(number), float(score)) for number, score in json.loads(row[4])],
        unknown_score=row[5],
        gps=None if row[6] is None else (row[6], row[7]),
        said=row[8] if state in ("approved", "corrected") else None,
        silent=state in ("rejected", "not-a-landmark"),
    )


def _landmarks(store: Store) -> dict[int, Any]:
    with store.faults():
        rows = store.connection.execute(f"SELECT id, {LANDMARK_COLUMNS} FROM landmark").fetchall()
    return {row[0]: landmark_of(row[1:]) for row in rows}
