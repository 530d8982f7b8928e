"""Deciding on a library: in slices, again where something changed, and what an answer is worth."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from waymark.gazetteer import Landmark
from waymark.library.context import Shot, alone
from waymark.library.context_run import _Row, _shot, decide, waits
from waymark.library.store import Store
from waymark.library.store_moments import leave

# Eiffel Tower, Arc de Triomphe (2 km away), Sydney Opera House, others whose place nobody knows
PLACES = {0: (48.858, 2.294), 1: (48.874, 2.295), 2: (-33.857, 151.215)}
LANDMARKS = {
    i: Landmark(id=f"l{i}", name=f"L{i}", lat=PLACES[i][0], lon=PLACES[i][1])
    if i in PLACES
    else Landmark(id=f"l{i}", name=f"L{i}")
    for i in range(50)
}
HOUR = 3_600
SURE = (0.99, 0.004, 0.003, 0.003)
TORN = (0.40, 0.05, 0.50, 0.05)  # Eiffel Tower or Sydney: alone it is Sydney


def shot(moment: int | None, *scores: float, unknown: float = 0.1, **more: Any) -> Shot:
    """Make a photo with a score for each landmark in turn."""
    guesses = sorted(enumerate(scores), key=lambda pair: -pair[1])
    return Shot(moment=moment, guesses=guesses, unknown_score=unknown, **more)


def fill(store: Store, shots: Sequence[Shot], names: Sequence[int] | None = None) -> None:
    """Put photos into a library as tagging does; they are called by numbers."""
    with store.transaction() as connection:
        numbers = store.landmark_ids(LANDMARKS.values())
        for index, each in zip(names or range(len(shots)), shots, strict=True):
            guesses = [[numbers[i], score] for i, score in each.guesses]
            own = alone([(n, s) for n, s in guesses], each.unknown_score, 0.5)
            connection.execute(
                "INSERT INTO photo (path, size, mtime_ns, inode, beside, moment, taken, bundle, "
                "guesses, unknown_score, lat, lon, landmark, score, confidence, evidence, "
                "tagged_at) VALUES (?, 1, 1, 1, '', ?, ?, 'b', ?, ?, ?, ?, ?, ?, ?, ?, "
                "'2024-01-01T00:00:00+00:00')",
                [
                    f"/{index:06}".encode(), each.moment or 0,
                    None if each.moment is None else "2024-01-01T00:00:00", json.dumps(guesses),
                    each.unknown_score, *(each.gps or (None, None)), own.landmark, own.score,
                    own.confidence, own.evidence,
                ],
            )  # fmt: skip


def decide_all(store: Store, **options: Any) -> int:
    """Decide on what waits in such a library."""
    ours = {number + 1: landmark for number, landmark in LANDMARKS.items()}
    return decide(store, bundle="b", threshold=0.5, landmarks=ours, **options)


def tags_in(store: Store) -> list[tuple[Any, ...]]:
    """Return landmark and evidence of each photo, by path."""
    return store.connection.execute(
        "SELECT landmark.key, evidence FROM photo LEFT JOIN landmark "
        "ON landmark.id = photo.landmark ORDER BY path"
    ).fetchall()


def test_a_library_is_decided_as_its_photos_together_are(tmp_path: Path) -> None:
    """Cut into slices or not, whoever waits; and a new neighbour makes the others ask again."""
    shots = [shot(0, *SURE), shot(60, *TORN), shot(40 * 24 * HOUR, *TORN), shot(None, *TORN)]
    with Store.open(tmp_path / "l.sqlite") as store:
        fill(store, shots)
        assert decide_all(store) == 1
        assert tags_in(store) == [
            ("l0", "photo"), ("l0", "context"), ("l2", "photo"), ("l2", "photo"),
        ]  # fmt: skip
        assert decide_all(store) == 0
        store.correct(3, "l0")
        fill_one = [shot(40 * 24 * HOUR + 60, *TORN)]
        with store.transaction() as connection:
            connection.execute("UPDATE photo SET path = path || 'x'")
        fill(store, fill_one)
        assert decide_all(store) == 1
        store.undo_review()
        decide_all(store)
        assert ("l0", "context") in tags_in(store)
        assert len([tag for tag in tags_in(store) if tag == ("l2", "photo")]) == 3
        assert decide_all(store, context=False) == 0


def test_slices_see_across_their_edges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slice of three photos has the same neighbours as one of all."""
    shots = [shot(20 * i, *(SURE if i % 5 == 0 else TORN)) for i in range(12)]
    results = []
    for size in (3, 1_000):
        monkeypatch.setattr("waymark.library.context_run._SLICE", size)
        with Store.open(tmp_path / f"{size}.sqlite") as store:
            fill(store, shots)
            decide_all(store)
            results.append(tags_in(store))
            waiting = store.connection.execute("SELECT count(*) FROM photo WHERE pending")
            assert waiting.fetchone() == (0,)
    assert results[0] == results[1]
    assert {landmark for landmark, _ in results[0]} == {"l0"}


def any_shots(rng: random.Random) -> list[Shot]:
    """Make photos of some trips: sure ones, torn ones, with GPS, without a time."""
    days = [rng.uniform(0, 40) for _ in range(4)]
    shots = []
    for moment in rng.sample(range(0, 12 * HOUR, 60), rng.randrange(10, 25)):
        scores = list(SURE if rng.random() < 0.4 else TORN)
        rng.shuffle(scores)
        more: dict[str, Any] = {"unknown": rng.choice((0.05, 0.3, 0.6))}
        if rng.random() < 0.15:
            more["gps"] = PLACES[rng.randrange(3)]
        when = moment + round(rng.choice(days) * 24 * HOUR)
        shots.append(shot(None if rng.random() < 0.1 else when, *scores, **more))
    return shots


def say_some(store: Store, names: Sequence[int], seed: int) -> None:
    """Say something of some photos, the same of each whenever it is asked about."""
    for name in names:
        rng = random.Random(f"{seed} {name}")
        (number,) = store.connection.execute(
            "SELECT id FROM photo WHERE path = ?", [f"/{name:06}".encode()]
        ).fetchone()
        act = rng.random()
        if act < 0.1:
            store.correct(number, f"l{rng.randrange(6)}")
        elif act < 0.2:
            store.not_a_landmark([number])


def all_of(store: Store) -> list[tuple[Any, ...]]:
    """Return what the library says of each photo; one dismissed keeps the tag of that time."""
    return store.connection.execute(
        "SELECT path, landmark.key, round(score, 5), round(confidence, 5), evidence, state, "
        "CASE state WHEN 'new' THEN round(worth, 3) END FROM photo "
        "LEFT JOIN landmark ON landmark.id = photo.landmark "
        "WHERE missing = 0 AND state != 'not-a-landmark' ORDER BY path"
    ).fetchall()


@pytest.mark.parametrize("seed", range(12))
def test_what_is_said_does_not_depend_on_how_runs_were_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """In one run or in some, in any order, in small slices: tags and worth are the same.

    In between, photos come that are gone later, another bundle runs without context, and a
    person says what a photo shows.
    """
    rng = random.Random(seed)
    shots = any_shots(rng)
    names = list(range(len(shots)))
    monkeypatch.setattr("waymark.library.context_run._AROUND", rng.choice((3, 1_000)))
    with Store.open(tmp_path / "once.sqlite") as store:
        fill(store, shots)
        say_some(store, names, seed)
        decide_all(store)
        once = all_of(store)

    monkeypatch.setattr("waymark.library.context_run._SLICE", 4)
    rng.shuffle(names)
    cut = rng.randrange(1, len(names))
    passing = [shot((shots[name].moment or 0) + 7, *SURE) for name in names[:3]]
    with Store.open(tmp_path / "parts.sqlite") as store:
        fill(store, passing, [1_000, 1_001, 1_002])
        for part in (names[:cut], names[cut:]):
            fill(store, [shots[name] for name in part], part)
            decide_all(store)
            say_some(store, part, seed)
        with store.transaction() as connection:
            leave(connection, "path >= ?", [b"/001000"])
            connection.execute(
                "UPDATE photo SET missing = 1, pending = 1 WHERE path >= ?", [b"/001000"]
            )
        decide(store, bundle="a", threshold=0.5, landmarks={}, context=False)
        decide_all(store)
        parts = all_of(store)
    assert parts == once


def worths(store: Store, shots: Sequence[Shot]) -> list[float]:
    """Decide on photos; return what an answer about each is worth."""
    fill(store, shots)
    decide_all(store)
    return [w for (w,) in store.connection.execute("SELECT worth FROM photo ORDER BY path")]


def test_an_answer_is_worth_the_doubts_that_it_settles(tmp_path: Path) -> None:
    """Most within a burst of doubts, least of a sure photo."""
    burst = [shot(5_000_000 + i, 0.3, 0.3, 0.35, 0.05) for i in range(3)]
    alone_ = shot(9_000_000, 0.3, 0.3, 0.35, 0.05)
    with Store.open(tmp_path / "l.sqlite") as store:
        sure, *crowd, single = worths(store, [shot(0, *SURE), *burst, alone_])

    assert crowd[0] == crowd[1] == crowd[2]
    assert crowd[0] == pytest.approx(3 * single, rel=0.01)
    assert single == pytest.approx(1 - 0.35 * 0.9, rel=0.01)
    assert 0 < sure < 0.2


def test_a_position_settles_a_doubt_or_raises_one(tmp_path: Path) -> None:
    """What the GPS agrees with is asked later, what it gainsays sooner."""
    there, elsewhere = {"gps": PLACES[0]}, {"gps": PLACES[2]}
    shots = [shot(i * 10**6, *SURE, **more) for i, more in enumerate(({}, there, elsewhere))]
    with Store.open(tmp_path / "l.sqlite") as store:
        plain, agrees, gainsaid = worths(store, shots)

    assert agrees < plain / 2 < gainsaid
    assert gainsaid == pytest.approx(0.8)


def test_only_unknown_photos_that_may_show_something_are_asked_about(tmp_path: Path) -> None:
    """Of most there is nothing to say."""
    shots = [shot(0, 0.9, unknown=0.6), shot(10**6, 0.9, unknown=0.95)]
    with Store.open(tmp_path / "l.sqlite") as store:
        maybe, surely_not = worths(store, shots)

    assert maybe == pytest.approx(0.36)
    assert surely_not == 0


def put(home: Any, name: str, scores: Sequence[float]) -> None:
    """Let a photo of a tagged folder be one that is sure, or torn."""
    numbers = [number for (number,) in home.store.connection.execute("SELECT id FROM landmark")]
    guesses = sorted(zip(numbers, scores, strict=False), key=lambda pair: -pair[1])
    home.store.connection.execute(
        "UPDATE photo SET guesses = ?, unknown_score = 0.1, pending = 1 WHERE id = ?",
        [json.dumps(guesses), home.number(name)],
    )


@pytest.fixture
def trip(home: Any) -> Any:
    """Return a home with a sure photo of one landmark, and one that is torn two minutes later."""
    home.photo("sure.jpg", 0, taken="2024:05:17 18:30:00")
    home.photo("torn.jpg", 1, taken="2024:05:17 18:32:00")
    home.tag()
    put(home, "sure.jpg", SURE)
    put(home, "torn.jpg", TORN)
    home.tag()
    assert said(home) == ("landmark-0", "context")
    return home


def said(home: Any) -> tuple[str | None, str | None]:
    """Return landmark and evidence of the photo that is torn."""
    torn = home.listed()["torn.jpg"]
    return torn.landmark and torn.landmark.id, torn.evidence


ALONE = ("landmark-2", "photo")


def test_neighbours_that_went_are_not_heard(trip: Any) -> None:
    """Nor those of another day now; back again, they are."""
    sure = trip.folder / "sure.jpg"
    sure.rename(trip.folder.parent / "away.jpg")
    trip.tag()
    assert said(trip) == ALONE
    (trip.folder.parent / "away.jpg").rename(sure)
    trip.tag()
    assert said(trip) == ("landmark-0", "context")
    sure.write_bytes(b"\xff\xd8\xff cut")
    assert trip.tag().failed == 1
    assert said(trip) == ALONE


def test_a_photo_that_was_dated_anew_has_left_its_neighbours(trip: Any) -> None:
    """Whatever stood beside it is decided anew where it was, and where it is."""
    trip.photo("sure.jpg", 0, taken="2014:05:17 18:30:00")
    trip.tag()
    assert said(trip) == ALONE


def test_nothing_waits_for_ever(trip: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Photos that are gone or broken keep no later run from being done at once."""
    trip.photo("gone.jpg", 5, taken="2024:05:17 18:33:00")
    trip.tag()
    (trip.folder / "gone.jpg").unlink()
    (trip.folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    trip.tag()
    trip.tag(context=False)
    monkeypatch.setattr("waymark.library.context_run.decide", lambda *_, **__: pytest.fail("again"))
    trip.tag(context=False)


def test_a_run_that_is_cut_short_forgets_nobody(trip: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what had to be decided anew, what was not reached waits, though it itself is unchanged."""
    (trip.folder / "sure.jpg").unlink()

    def stop(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("waymark.library.context_run._store", stop)
        with pytest.raises(KeyboardInterrupt):
            trip.tag()
    assert said(trip) == ("landmark-0", "context")
    trip.tag()
    assert said(trip) == ALONE


def test_another_bundle_decides_nothing_of_ours(trip: Any, all_known: Any) -> None:
    """Its settings are its own; photos that wait for their bundle wait on."""
    put(trip, "torn.jpg", (0.3, 0.0, 0.6, 0.1))
    trip.photo("other/a.jpg", 7, taken="2024:05:17 18:31:00")
    before = said(trip)

    report = trip.tag(trip.folder / "other", bundle=all_known(1), context=False)
    assert (report.recognised, said(trip), report.resettled) == (1, before, False)
    assert waits(trip.store, trip.recogniser.bundle.short_hash)
    assert not trip.tag().resettled
    assert trip.tag(context=False).resettled
    assert said(trip) == ALONE


def test_clocks_are_read_as_far_as_they_go(home: Any) -> None:
    """EXIF with an offset tells both, without one the wall clock, Takeout UTC."""
    for name, offset in (("a", "+09:00"), ("b", None), ("c", None)):
        more = {"offset": offset} if offset else {}
        if name != "c":
            more["taken"] = "2020:05:01 10:00:00"
        home.photo(f"{name}.jpg", ord(name), **more)
    takeout = {"photoTakenTime": {"timestamp": "1588294800"}}  # 01:00 UTC
    (home.folder / "c.jpg.json").write_text(json.dumps(takeout))
    home.tag()
    columns = ", ".join(_Row._fields)
    rows = home.store.connection.execute(f"SELECT {columns} FROM photo ORDER BY path")
    clocks = [(shot.moment, shot.utc) for shot in map(_shot, map(_Row._make, rows))]

    wall, utc = 1_588_327_200, 1_588_294_800
    assert clocks == [(wall, utc), (wall, None), (None, utc)]
