"""Neighbours in time: what they may change, what they never do, and what clocks do to it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waymark.errors import ConfigError
from waymark.gazetteer import Landmark
from waymark.library.context import Rule, Shot, Tag, alone, together
from waymark.library.context_run import decide
from waymark.library.near import compare, metres
from waymark.library.store import Store

# Eiffel Tower, Arc de Triomphe (2 km away), Sydney Opera House, one whose place nobody knows
PLACES = {0: (48.858, 2.294), 1: (48.874, 2.295), 2: (-33.857, 151.215), 3: None}
HOUR = 3_600


def shot(moment: int | None, *scores: float, unknown: float = 0.1, **more: Any) -> Shot:
    """Make a photo with a score for each landmark in turn."""
    guesses = sorted(enumerate(scores), key=lambda pair: -pair[1])
    return Shot(moment=moment, guesses=guesses, unknown_score=unknown, **more)


def decided(shots: Sequence[Shot]) -> list[Tag]:
    """Apply the rule among fifty landmarks, four of which are in play."""
    return together(shots, PLACES, threshold=0.5, count=50)


SURE = (0.99, 0.004, 0.003, 0.003)
TORN = (0.40, 0.05, 0.50, 0.05)  # Eiffel Tower or Sydney: alone it is Sydney


def test_a_sure_photo_of_the_same_hour_settles_a_doubt() -> None:
    """And the tag says that it was context that did."""
    first, second = decided([shot(0, *SURE), shot(60, *TORN)])

    assert first == Tag(landmark=0, score=0.99, confidence=pytest.approx(0.891), evidence="photo")
    assert (second.landmark, second.evidence) == (0, "context")
    assert second.score is not None
    assert second.score > 0.8


def test_where_they_agree_the_photo_has_said_it() -> None:
    """The score rises, the evidence is the photo."""
    tag = decided([shot(0, *SURE), shot(60, 0.6, 0.1, 0.2, 0.1)])[1]

    assert (tag.landmark, tag.evidence) == (0, "photo")
    assert tag.score is not None
    assert tag.score > 0.6


def test_a_landmark_nearby_gains_too() -> None:
    """Two kilometres away and an hour later, the other landmark of the city is likelier."""
    torn = shot(HOUR, 0.0, 0.4, 0.5, 0.1)

    assert decided([torn])[0].landmark == 2
    assert decided([shot(0, *SURE), torn])[1].landmark == 1


def test_an_unknown_photo_may_be_recognised_by_its_neighbours() -> None:
    """If it looks like their landmark; one that looks like nothing stays unknown."""
    like = shot(30, 0.8, 0.1, 0.05, 0.05, unknown=0.7)
    unlike = shot(40, 0.01, 0.01, 0.01, 0.01, unknown=0.97)

    assert [tag.landmark for tag in decided([shot(0, *SURE), like, unlike])] == [0, 0, None]
    assert decided([like])[0] == Tag()


def test_days_later_neighbours_say_next_to_nothing() -> None:
    """Four days on, nobody is asked; two days on, hardly."""
    minute, two, four = (
        decided([shot(0, *SURE), shot(after, 0.1, 0.1, 0.7, 0.1)])[1]
        for after in (60, 48 * HOUR, 96 * HOUR)
    )

    assert (minute.landmark, two.landmark) == (0, 2)
    assert four == Tag(landmark=2, score=0.7, confidence=pytest.approx(0.63), evidence="photo")


def test_a_sure_photo_is_never_changed() -> None:
    """However many neighbours say otherwise."""
    crowd = [shot(second, *SURE) for second in range(20)]

    tag = decided([*crowd, shot(20, 0.03, 0.01, 0.95, 0.01)])[-1]

    assert tag == Tag(landmark=2, score=0.95, confidence=pytest.approx(0.855), evidence="photo")


def test_a_crowd_is_one_witness() -> None:
    """Twenty photos of one burst move a doubt no further than a few do."""
    few = decided([*(shot(s, *SURE) for s in range(3)), shot(20, *TORN)])[-1]
    many = decided([*(shot(s, *SURE) for s in range(20)), shot(20, *TORN)])[-1]

    assert many.score == pytest.approx(few.score)


def test_its_own_position_counts_most() -> None:
    """A camera that knows it is in Sydney is not talked into Paris."""
    tag = decided([shot(0, *SURE), shot(60, *TORN, gps=(-33.86, 151.21))])[1]

    assert tag.landmark == 2
    assert tag.score is not None
    assert tag.score > 0.9


def test_positions_of_neighbours_count() -> None:
    """A photo of no landmark, with GPS, says where the next one was taken."""
    nothing = Shot(moment=0, gps=(48.86, 2.30), guesses=[(3, 0.3)], unknown_score=0.99)

    assert decided([nothing, shot(60, *TORN)])[1].landmark == 0


def test_a_photo_that_may_show_no_landmark_is_no_witness() -> None:
    """However high the score among landmarks: its confidence counts, and that is low."""
    doubtful = shot(0, *SURE, unknown=0.4)

    assert decided([doubtful, shot(60, *TORN)])[1].landmark == 2


def test_what_a_person_said_counts_as_sure() -> None:
    """A rejected tag, on the other hand, is no neighbour."""
    unsure = shot(0, 0.5, 0.3, 0.1, 0.1, said=0)
    rejected = shot(0, *SURE, silent=True)

    assert decided([unsure, shot(60, *TORN)])[1].landmark == 0
    assert decided([rejected, shot(60, *TORN)])[1].landmark == 2


def test_a_wall_clock_and_utc_are_not_taken_for_one() -> None:
    """Between them lie hours that nobody knows: the neighbour counts less."""
    same = decided([shot(0, *SURE), shot(60, *TORN)])[1]
    mixed = decided([shot(0, *SURE, utc=True), shot(60, *TORN)])[1]

    assert same.score is not None
    assert mixed.score is not None
    assert (same.landmark, mixed.landmark) == (0, 0)
    assert mixed.score < same.score - 0.1


def test_without_a_time_there_are_no_neighbours() -> None:
    """The time of a file is when it was copied."""
    assert decided([shot(None, *SURE), shot(None, *TORN)])[1].landmark == 2
    assert decided([shot(0, *SURE), shot(None, *TORN)])[1].landmark == 2


times = st.none() | st.integers(0, 5 * 24 * HOUR)
points = st.none() | st.tuples(st.floats(-90, 90), st.floats(-180, 180))
photos = st.builds(
    shot, times, *[st.floats(0.001, 0.25)] * 3, unknown=st.floats(0, 1), utc=st.booleans(),
    gps=points, said=st.none() | st.integers(0, 3), silent=st.booleans(),
)  # fmt: skip


@given(st.lists(photos, max_size=8))
def test_only_what_the_photo_suggests_is_named(shots: list[Shot]) -> None:
    """Scores are probabilities, and a landmark beyond the photo's own guesses never comes up."""
    for each, tag in zip(shots, decided(shots), strict=True):
        assert tag.landmark is None or tag.landmark in dict(each.guesses)
        assert tag.score is None or 0 <= tag.confidence <= tag.score <= 1
        own = alone(each.guesses, each.unknown_score, 0.5)
        assert tag.evidence != "photo" or tag.landmark == own.landmark


@given(st.lists(photos, max_size=8), st.integers(-(10**9), 10**9))
def test_a_clock_that_is_wrong_for_all_changes_nothing(shots: list[Shot], off: int) -> None:
    """Only the time between photos counts."""
    from dataclasses import replace

    moved = [
        replace(each, moment=None if each.moment is None else each.moment + off) for each in shots
    ]
    assert decided(moved) == decided(shots)


def test_a_rule_that_makes_no_sense_is_refused() -> None:
    """Its lists are of one length, its probabilities are some."""
    with pytest.raises(ConfigError):
        Rule(weights=(1.0,))
    with pytest.raises(ConfigError):
        Rule(sure=0.0)


def fill(store: Store, shots: Sequence[Shot]) -> None:
    """Put photos into a library as tagging does."""
    with store.transaction() as connection:
        numbers = store.landmark_ids(
            Landmark(id=f"l{i}", name=f"L{i}", lat=at and at[0], lon=at and at[1])
            for i, at in PLACES.items()
        )
        for index, each in enumerate(shots):
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
        assert decide(store, bundle="b", threshold=0.5, count=50) == 1
        assert tags_in(store) == [
            ("l0", "photo"), ("l0", "context"), ("l2", "photo"), ("l2", "photo"),
        ]  # fmt: skip
        assert decide(store, bundle="b", threshold=0.5, count=50) == 0
        store.correct(3, "l0")
        fill_one = [shot(40 * 24 * HOUR + 60, *TORN)]
        with store.transaction() as connection:
            connection.execute("UPDATE photo SET path = path || 'x'")
        fill(store, fill_one)
        assert decide(store, bundle="b", threshold=0.5, count=50) == 1
        store.undo_review()
        decide(store, bundle="b", threshold=0.5, count=50)
        assert ("l0", "context") in tags_in(store)
        assert len([tag for tag in tags_in(store) if tag == ("l2", "photo")]) == 3
        assert decide(store, bundle="b", threshold=0.5, count=50, context=False) == 0


def test_slices_see_across_their_edges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slice of three photos has the same neighbours as one of all."""
    shots = [shot(20 * i, *(SURE if i % 5 == 0 else TORN)) for i in range(12)]
    results = []
    for size in (3, 1_000):
        monkeypatch.setattr("waymark.library.context_run._SLICE", size)
        with Store.open(tmp_path / f"{size}.sqlite") as store:
            fill(store, shots)
            decide(store, bundle="b", threshold=0.5, count=50)
            results.append(tags_in(store))
            waiting = store.connection.execute("SELECT count(*) FROM photo WHERE pending")
            assert waiting.fetchone() == (0,)
    assert results[0] == results[1]
    assert {landmark for landmark, _ in results[0]} == {"l0"}


def worths(store: Store, shots: Sequence[Shot]) -> list[float]:
    """Decide on photos; return what an answer about each is worth."""
    fill(store, shots)
    decide(store, bundle="b", threshold=0.5, count=50)
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


def test_a_position_is_compared_with_the_extent() -> None:
    """Within it they agree, in sight of it they are near, beyond they disagree."""
    tower = Landmark(id="t", name="T", lat=48.858, lon=2.294, extent_m=500)
    north = [(48.858 + away / 111_195, 2.294) for away in (450, 4_000, 8_000)]

    assert [compare(at, tower) for at in north] == ["agree", "near", "disagree"]
    assert compare(None, tower) is None
    assert compare(north[0], Landmark(id="x", name="X")) is None
    assert metres(north[0], (48.858, 2.294)) == pytest.approx(450, rel=0.01)
