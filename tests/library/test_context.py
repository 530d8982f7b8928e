"""Neighbours in time: what they may change, what they never do, and what clocks do to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waymark.errors import ConfigError
from waymark.gazetteer import Landmark
from waymark.library.context import Rule, Shot, Tag, alone, together
from waymark.library.near import compare, metres

# Eiffel Tower, Arc de Triomphe (2 km away), Sydney Opera House, others whose place nobody knows
PLACES = {0: (48.858, 2.294), 1: (48.874, 2.295), 2: (-33.857, 151.215)}
LANDMARKS = {
    i: Landmark(id=f"l{i}", name=f"L{i}", lat=PLACES[i][0], lon=PLACES[i][1])
    if i in PLACES
    else Landmark(id=f"l{i}", name=f"L{i}")
    for i in range(50)
}
HOUR = 3_600


def shot(moment: int | None, *scores: float, unknown: float = 0.1, **more: Any) -> Shot:
    """Make a photo with a score for each landmark in turn."""
    guesses = sorted(enumerate(scores), key=lambda pair: -pair[1])
    return Shot(moment=moment, guesses=guesses, unknown_score=unknown, **more)


def decided(shots: Sequence[Shot]) -> list[Tag]:
    """Apply the rule among fifty landmarks, four of which are in play."""
    return together(shots, LANDMARKS, threshold=0.5)


def sure(landmark: int, score: float) -> Tag:
    """Return the tag of a photo that says so by itself, of the usual unknown score."""
    share = pytest.approx(0.9 * score)
    return Tag(landmark=landmark, score=score, confidence=share, evidence="photo", belief=share)


SURE = (0.99, 0.004, 0.003, 0.003)
TORN = (0.40, 0.05, 0.50, 0.05)  # Eiffel Tower or Sydney: alone it is Sydney


def test_a_sure_photo_of_the_same_hour_settles_a_doubt() -> None:
    """And the tag says that it was context that did."""
    first, second = decided([shot(0, *SURE), shot(60, *TORN)])

    assert first == sure(0, 0.99)
    assert (second.landmark, second.evidence) == (0, "context")
    assert second.score is not None
    assert second.score > 0.8


def test_where_they_agree_the_photo_has_said_it() -> None:
    """Score and confidence stay its own; an answer of a person is worth less."""
    tag = decided([shot(0, *SURE), shot(60, 0.6, 0.1, 0.2, 0.1)])[1]

    assert (tag.landmark, tag.evidence) == (0, "photo")
    assert (tag.score, tag.confidence) == (0.6, pytest.approx(0.54))
    assert tag.belief is not None
    assert tag.belief > 0.9


def test_what_neighbours_speak_against_is_less_sure() -> None:
    """Though it stays what the photo says."""
    tag = decided([shot(0, *SURE), shot(60, 0.005, 0.0, 0.85, 0.0)])[1]

    assert (tag.landmark, tag.evidence) == (2, "photo")
    assert tag.confidence is not None
    assert tag.confidence < 0.7


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
    assert four == sure(2, 0.7)


def test_a_sure_photo_is_never_changed() -> None:
    """However many neighbours say otherwise."""
    crowd = [shot(second, *SURE) for second in range(20)]

    tag = decided([*crowd, shot(20, 0.03, 0.01, 0.95, 0.01)])[-1]

    assert tag == sure(2, 0.95)


def test_a_crowd_is_one_witness() -> None:
    """Twenty photos of one burst move a doubt no further than a few do."""
    few = decided([*(shot(s, *SURE) for s in range(3)), shot(20, *TORN)])[-1]
    many = decided([*(shot(s, *SURE) for s in range(20)), shot(20, *TORN)])[-1]

    assert many.score == pytest.approx(few.score)


def test_its_own_position_counts_most() -> None:
    """A camera that knows it is in Sydney is not talked into Paris."""
    tag = decided([shot(0, *SURE), shot(60, *TORN, gps=(-33.86, 151.21))])[1]

    assert tag.landmark == 2
    assert tag.belief is not None
    assert tag.belief > 0.9


@pytest.mark.parametrize(("away", "landmark"), [(0.2, 0), (1, 0), (10, None), (30, None)])
def test_a_position_names_nothing_that_is_out_of_reach(away: float, landmark: int | None) -> None:
    """However far the next landmark is: from 30 km off the tower it is not in the photo."""
    maybe = shot(None, 0.3, 0.0, 0.4, 0.0, unknown=0.8, gps=(48.858 + away / 111.2, 2.294))

    assert decided([maybe])[0].landmark == landmark


def test_a_large_landmark_is_where_its_edge_is() -> None:
    """Who stands within Cappadocia may photograph it, 15 km from its middle."""
    wide = LANDMARKS | {0: replace(LANDMARKS[0], extent_m=20_000)}
    maybe = shot(None, 0.4, 0.0, 0.3, 0.0, unknown=0.7, gps=(48.858 + 15 / 111.2, 2.294))

    assert together([maybe], wide, threshold=0.5)[0].landmark == 0
    assert decided([maybe])[0].landmark is None


def test_what_other_bundles_know_changes_nothing() -> None:
    """Their landmarks are places of neighbours that a person named, no more."""
    tombs = {100 + i: replace(LANDMARKS[0], id=f"tomb{i}") for i in range(200)}
    shots = [shot(0, *SURE), shot(60, *TORN)]
    said = shot(0, *TORN, said=105)

    assert together(shots, LANDMARKS, threshold=0.5, others=tombs) == decided(shots)
    assert together([said, shots[1]], LANDMARKS, threshold=0.5, others=tombs)[1].landmark == 0


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
    mixed = decided([shot(None, *SURE, utc=0), shot(60, *TORN)])[1]

    assert same.score is not None
    assert mixed.score is not None
    assert (same.landmark, mixed.landmark) == (0, 0)
    assert mixed.score < same.score - 0.1


def test_utc_counts_where_both_know_it() -> None:
    """Two clocks that show the same may be 22 hours apart, two that do not at one instant."""
    east, west = 12 * HOUR, -10 * HOUR
    torn = shot(60, *TORN, utc=60 - west)

    assert decided([shot(0, *SURE, utc=-east), torn])[1].score == pytest.approx(
        decided([shot(0, *SURE), shot(60 + east - west, *TORN)])[1].score
    )
    assert (
        decided([shot(None, *SURE, utc=-west), torn])[1]
        == (decided([shot(0, *SURE), shot(60, *TORN)])[1])
    )


def test_without_a_time_there_are_no_neighbours() -> None:
    """The time of a file is when it was copied."""
    assert decided([shot(None, *SURE), shot(None, *TORN)])[1].landmark == 2
    assert decided([shot(0, *SURE), shot(None, *TORN)])[1].landmark == 2


times = st.none() | st.integers(0, 5 * 24 * HOUR)
points = st.none() | st.tuples(st.floats(-90, 90), st.floats(-180, 180))
photos = st.builds(
    shot, times, *[st.floats(0.001, 0.25)] * 3, unknown=st.floats(0, 1), utc=times,
    gps=points, said=st.none() | st.integers(0, 3), silent=st.booleans(),
)  # fmt: skip


@given(st.lists(photos, max_size=8))
def test_only_what_the_photo_suggests_is_named(shots: list[Shot]) -> None:
    """Scores are probabilities, and a landmark beyond the photo's own guesses never comes up."""
    for each, tag in zip(shots, decided(shots), strict=True):
        assert tag.landmark is None or tag.landmark in dict(each.guesses)
        assert tag.score is None or 0 <= tag.confidence <= tag.score <= 1
        own = alone(each.guesses, each.unknown_score, 0.5)
        if tag.evidence == "photo":  # and no neighbour has made it any surer
            assert tag.landmark == own.landmark
            assert tag.score <= own.score
            assert tag.confidence <= own.confidence
        else:
            assert tag.landmark is None or tag.landmark != own.landmark


@given(st.lists(photos, max_size=8), st.integers(-(10**9), 10**9))
def test_a_clock_that_is_wrong_for_all_changes_nothing(shots: list[Shot], off: int) -> None:
    """Only the time between photos counts."""
    moved = [
        replace(
            each,
            moment=None if each.moment is None else each.moment + off,
            utc=None if each.utc is None else each.utc + off,
        )
        for each in shots
    ]
    assert decided(moved) == decided(shots)


def test_a_rule_that_makes_no_sense_is_refused() -> None:
    """Its lists are of one length, its probabilities are some."""
    with pytest.raises(ConfigError):
        Rule(weights=(1.0,))
    with pytest.raises(ConfigError):
        Rule(sure=0.0)


def test_a_position_is_compared_with_the_extent() -> None:
    """Within it they agree, in sight of it they are near, beyond they disagree."""
    tower = Landmark(id="t", name="T", lat=48.858, lon=2.294, extent_m=500)
    north = [(48.858 + away / 111_195, 2.294) for away in (450, 4_000, 8_000)]

    assert [compare(at, tower) for at in north] == ["agree", "near", "disagree"]
    assert compare(None, tower) is None
    assert compare(north[0], Landmark(id="x", name="X")) is None
    assert metres(north[0], (48.858, 2.294)) == pytest.approx(450, rel=0.01)


def test_a_landmark_of_nowhere_that_the_bundle_lacks_says_nothing() -> None:
    """A correction to a name without a position leaves photos of the same minute alone."""
    mine = Landmark(id="house", name="My house")
    shots = [shot(0, *TORN, said=99), shot(30, *TORN)]
    there = replace(mine, lat=PLACES[0][0], lon=PLACES[0][1])

    nowhere, placed = (
        together(shots, LANDMARKS, threshold=0.5, others={99: each})[1] for each in (mine, there)
    )
    assert nowhere == sure(2, 0.5)
    assert placed.landmark == 0
