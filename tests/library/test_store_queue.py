"""The review queue: what comes first, and how far one is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from waymark.gazetteer import Landmark
from waymark.library.store import Store
from waymark.library.store_queue import Act, Standing, queue, queue_numbers, standing

TOWER = Landmark(id="tower", name="Tower")
DAY = 86_400


def stocked(folder: Path, photos: list[dict[str, Any]]) -> Store:
    """Return a library of photos of one landmark; their columns differ as `photos` say."""
    store = Store.open(folder / "l.sqlite")
    with store.transaction() as connection:
        (number,) = store.landmark_ids([TOWER])
        for index, columns in enumerate(photos):
            values = {
                "path": b"/%d.jpg" % index, "size": 1, "mtime_ns": 1, "inode": 1, "beside": "",
                "moment": 0, "tagged_at": "2024-05-17T18:30:00+02:00", "landmark": number,
                "score": 0.5, "confidence": 0.5, "evidence": "photo", "guesses": "[]",
            } | columns  # fmt: skip
            connection.execute(
                f"INSERT INTO photo ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})",
                list(values.values()),
            )
    return store


def test_the_most_valuable_answer_comes_first(tmp_path: Path) -> None:
    """The second photo of a landmark and a day is worth half of the first."""
    photos = [
        {"worth": 0.2},
        {"worth": 0.9, "moment": DAY},
        {"worth": 0.8, "moment": DAY + 60},
        {"worth": 0.5, "moment": 9 * DAY},
        {"worth": 0.0},
        {"worth": 0.9, "state": "approved"},
        {"worth": 0.9, "missing": 1},
    ]
    with stocked(tmp_path, photos) as store:
        assert queue_numbers(store) == [2, 4, 3, 1]
        assert queue_numbers(store, limit=2) == [2, 4]
        store.reject([2])
        assert [photo.id for photo in queue(store)] == [3, 4, 1]


@pytest.mark.parametrize("count", [0, 3])
def test_standing_is_what_waits_and_what_is_done(tmp_path: Path, count: int) -> None:
    """With the last act, which an undo takes back."""
    with stocked(tmp_path, [{"worth": 0.5} for _ in range(count + 2)]) as store:
        assert standing(store) == Standing(left=count + 2, done=0, last=None)
        store.approve([1, 2])
        last = Act(photos=2, photo=1, state="approved", name="Tower")
        assert standing(store) == Standing(left=count, done=2, last=last)
        assert len(queue_numbers(store)) == count
        store.undo_review()
        assert standing(store).left == count + 2
