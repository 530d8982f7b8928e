"""The review queue: what comes first, and how far one is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from waymark.gazetteer import Landmark
from waymark.library import store_review
from waymark.library.store import Store
from waymark.library.store_neighbours import neighbours
from waymark.library.store_query import Filter, keys
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
        assert standing(store) == Standing(left=count + 2, done=0, unknown=0, last=None)
        store.approve([1, 2])
        last = Act(photos=2, photo=1, state="approved", name="Tower")
        assert standing(store) == Standing(left=count, done=2, unknown=0, last=last)
        assert len(queue_numbers(store)) == count
        store.undo_review()
        assert standing(store).left == count + 2


def test_a_filter_leaves_all_of_it_that_nobody_looked_at(tmp_path: Path) -> None:
    """Unknown photos and sure ones too, those worth most first; not what cannot be read."""
    unknown = {"landmark": None, "score": None, "confidence": None, "evidence": None}
    photos = [
        {"worth": 0.2, "moment": DAY},
        {"worth": 0.9, "moment": 9 * DAY},
        {"worth": 0.0},
        unknown,
        unknown | {"error": "damaged"},
        {"state": "approved"},
        unknown | {"missing": 1},
    ]
    with stocked(tmp_path, photos) as store:
        assert standing(store).unknown == 1
        for wanted, expected in (
            (Filter(missing=True), [2, 1, 3, 4]),
            (Filter(landmark="tower"), [2, 1, 3]),
            (Filter(unknown=True), [4]),
            (Filter(landmark="tower", max_score=0.4), []),
            (Filter(landmark="nowhere"), []),
            (Filter(failed=True), []),
            (Filter(state="approved"), []),
        ):
            assert queue_numbers(store, wanted) == expected
            assert standing(store, wanted).left == len(expected)
        assert queue_numbers(store, Filter(missing=True), limit=2) == [2, 1]


def test_what_fails_shows_no_landmark(tmp_path: Path) -> None:
    """Two conditions of a filter both hold; what an old library has of such a photo is no tag."""
    with stocked(tmp_path, [{}, {"error": "damaged"}]) as store:
        for wanted, found in (
            (Filter(failed=True), [2]),
            (Filter(failed=True, state="new"), [2]),
            (Filter(landmark="tower"), [1]),
            (Filter(landmark="tower", failed=True), []),
        ):
            assert [number for _, number in keys(store, wanted)] == found


def test_many_are_corrected_as_one_act(tmp_path: Path) -> None:
    """Which changed is told, copies included; one undo takes all of it back."""
    photos = [{"sha256": b"a"}, {"sha256": b"a"}, {"sha256": b"b"}, {}]
    with stocked(tmp_path, photos) as store:
        bridge = Landmark(id="bridge", name="Bridge")
        assert store_review.correct(store, [1, 3], bridge) == [1, 2, 3]
        assert store_review.correct(store, 3, bridge) == []
        assert store_review.say(store, [3, 4], "approved") == [3, 4]
        last = standing(store).last
        assert (last and last.photos, store.undo_review(), store.undo_review()) == (2, 2, 3)


def test_neighbours_are_of_the_same_days(tmp_path: Path) -> None:
    """Three before and three after, nearest in time; no copies, nothing without a time."""
    taken = {"taken": "2024-05-17T18:30:00"}
    times = [0, 1, 2, 3, 4, 5, 6, 7, 8, 8 + 3 * DAY, 9 + 3 * DAY]
    photos = [{"moment": at, "sha256": b"%d" % at} | taken for at in times]
    photos[5] = {"moment": 5, "sha256": b"4"} | taken  # a copy of the one before
    photos[6] = {"moment": 6}  # the time is the file's
    photos[2] |= {"missing": 1}

    def around(number: int) -> list[list[int]]:
        return [[one.id for one in side] for side in neighbours(store, number)]

    with stocked(tmp_path, photos) as store:
        assert around(5) == [[1, 2, 4], [8, 9]]
        assert around(9) == [[4, 6, 8], [10]]
        assert around(1) == [[], [2, 4, 5]]
        assert around(7) == around(99) == [[], []]
