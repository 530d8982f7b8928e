"""Filters of a library: any of them together find what a look at every photo finds."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waymark.errors import ConfigError, UnknownName
from waymark.gazetteer import Landmark
from waymark.library.store import Store
from waymark.library.store_query import STATES, Filter, Key, Listed, keys, page
from waymark.library.store_queue import standing
from waymark.library.store_stats import library_stats
from waymark.library.tagged import DISMISSED
from waymark.serve.library_rows import overview

LANDMARKS = [
    Landmark(
        id=f"l{number}", name=("Tower", "Bridge", "Big Ben")[number % 3],
        place=("Paris", None)[number % 2], country=("FR", "GB", None)[number % 3],
        lat=10.0 * number, lon=0.0,
    )
    for number in range(5)
]  # fmt: skip
FOLDERS = ("a", "a/b", "a b", "a-", "a0", "z")
TIMES = (None, datetime(1, 1, 1), datetime(2020, 5, 3, 23, 59), datetime(9999, 12, 31, 23, 59))
COLUMNS = (
    *("path", "taken", "moment", "error", "landmark", "score", "confidence", "evidence"),
    *("gps_says", "state", "missing", "unknown_score", "worth"),
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that the library's photos are said to be in."""
    root = tmp_path_factory.mktemp("home").resolve()
    for name in FOLDERS:
        (root / name).mkdir(parents=True)
    (root / "link").symlink_to("a/b")
    return root


@pytest.fixture(scope="module")
def store(home: Path) -> Iterator[Store]:
    """Return a library of photos of every kind, at random."""
    rng = random.Random(0)
    with Store.open(home / "l.sqlite") as opened:
        with opened.transaction() as connection:
            numbers = opened.landmark_ids(LANDMARKS)
            marks = ", ".join("?" * len(COLUMNS))
            for index in range(300):
                connection.execute(
                    f"INSERT INTO photo ({', '.join(COLUMNS)}, size, mtime_ns, inode, beside, "
                    f"guesses, tagged_at) VALUES ({marks}, 1, 1, 1, '', '[]', "
                    "'2024-05-17T18:30:00+02:00')",
                    row_of(home, index, numbers, rng),
                )
        yield opened


def row_of(home: Path, index: int, numbers: list[int], rng: random.Random) -> list[Any]:
    """Make a photo."""
    taken = rng.choice(TIMES)
    moment = rng.choice((0, -1, 1_588_550_399))
    if taken is not None:
        moment = round((taken - datetime(1970, 1, 1)).total_seconds())
    failed = rng.random() < 0.1
    landmark = None if failed or rng.random() < 0.3 else rng.choice(numbers)
    sure = None if landmark is None else rng.choice((0.0, 0.3, 0.5, 1.0))
    said = STATES if landmark is not None else ("new",) if failed else ("new", "not-a-landmark")
    return [
        os.fsencode(home / rng.choice(FOLDERS) / f"{index}.jpg"), taken and taken.isoformat(),
        moment, "bad" if failed else None, landmark, sure, sure,
        None if landmark is None else rng.choice(("photo", "context", "person")),
        rng.choice((None, "agree", "disagree")), rng.choice(said),
        rng.random() < 0.1, 0.5, 0.0,
    ]  # fmt: skip


def is_wanted(photo: Listed, gone: set[int], home: Path, wanted: Filter) -> bool:
    """Say whether a photo is one of a filter's, the long way."""
    landmark, sure, day = photo.landmark, photo.confidence, photo.taken and photo.taken.date()
    names = {"landmark": "name", "place": "place", "country": "country"}
    roots = {Path(os.path.realpath(path)) for path in wanted.paths}
    dismissed = wanted.state is None and photo.state in DISMISSED
    showing = wanted.names or wanted.evidence or wanted.gps
    return (
        (wanted.missing or photo.id not in gone)
        and all(
            getattr(wanted, asked) in (None, landmark and getattr(landmark, field))
            for asked, field in names.items()
        )
        and (wanted.since is None or (day is not None and day >= wanted.since))
        and (wanted.until is None or (day is not None and day <= wanted.until))
        and (wanted.min_score is None or (sure is not None and sure >= wanted.min_score))
        and (wanted.max_score is None or (sure is not None and sure <= wanted.max_score))
        and wanted.state in (None, photo.state)
        and wanted.evidence in (None, photo.evidence)
        and wanted.gps in (None, photo.gps_says)
        and not (wanted.unknown and (landmark or photo.error or dismissed))
        and not (showing and (dismissed or landmark is None))
        and not (wanted.failed and photo.error is None)
        and (not roots or bool(roots & {photo.path, *photo.path.parents}))
    )


days = st.sampled_from([date(1, 1, 1), date(2020, 5, 3), date(9999, 12, 31)])
scores = st.sampled_from([0.0, 0.3, 0.5, 1.0])
folders = st.sampled_from([*FOLDERS, "link", "nothing", "link/..", "a/"])
asked = st.fixed_dictionaries(
    {},
    optional={
        "landmark": st.sampled_from(["Tower", "Bridge"]), "place": st.just("Paris"),
        "country": st.just("FR"), "since": days, "until": days, "min_score": scores,
        "max_score": scores, "state": st.sampled_from(STATES),
        "evidence": st.sampled_from(["photo", "context", "person"]),
        "gps": st.sampled_from(["agree", "disagree"]), "unknown": st.booleans(),
        "failed": st.booleans(), "missing": st.booleans(), "paths": st.lists(folders, max_size=2),
    },
)  # fmt: skip


@given(asked, st.sampled_from([7, 99]))
@settings(deadline=None, max_examples=100)
def test_filters_find_what_a_look_at_every_photo_finds(
    store: Store, home: Path, asked: dict[str, Any], size: int
) -> None:
    """In order, page by page and by their keys alone."""
    wanted = Filter(**asked | {"paths": tuple(home / name for name in asked.get("paths", ()))})
    gone = {number for (number,) in store.connection.execute("SELECT id FROM photo WHERE missing")}
    every = page(store, Filter(missing=True), limit=1_000)
    expected = [photo.key for photo in every if is_wanted(photo, gone, home, wanted)]

    found: list[Key] = []
    after = None
    with suppress(UnknownName):  # of no landmark of the library are all names true
        while rows := page(store, wanted, limit=size, after=after):
            found += [row.key for row in rows]
            after = rows[-1].key
        assert list(keys(store, wanted)) == found
    assert found == expected


def test_lists_stats_and_pins_count_the_same(store: Store) -> None:
    """What a person dismissed is at no landmark, by whomever it is asked."""

    def listed(**wanted: Any) -> int:
        return len(list(keys(store, Filter(**wanted))))

    stats = library_stats(store)
    pins = dict.fromkeys(stats.landmarks, 0)
    for place in overview(store, Filter())["places"]:
        pins[place["name"]] += place["photos"]

    assert stats.landmarks == {name: listed(landmark=name) for name in stats.landmarks} == pins
    assert stats.countries == {code: listed(country=code) for code in stats.countries}
    assert stats.evidence == {by: listed(evidence=by) for by in stats.evidence}
    assert stats.gps == {says: listed(gps=says) for says in stats.gps}
    assert stats.unknown == listed(unknown=True) == standing(store).unknown
    assert listed(landmark="Tower", state="rejected") > 0


@pytest.mark.parametrize("bar", [{"min_score": 5}, {"max_score": -0.1}, {"min_score": math.nan}])
def test_a_bar_that_nothing_can_reach_is_refused(bar: dict[str, float]) -> None:
    """Rather than that nothing is found."""
    with pytest.raises(ConfigError, match="from 0 to 1"):
        Filter(**bar)  # type: ignore[arg-type]
