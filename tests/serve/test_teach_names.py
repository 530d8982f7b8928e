"""Names: which landmark they mean, what ids they get, and what is no name."""

from __future__ import annotations

import pytest

from waymark.gazetteer import Landmark
from waymark.serve.problems import Problem
from waymark.serve.teach_names import MAX_NAME, Names, clean_name, with_facts

KNOWN = (
    Landmark(id="tower", name="Old Tower", local_name="Vieille Tour"),
    Landmark(id="new_gate", name="Gate of the City"),
)


@pytest.fixture(scope="module")
def names() -> Names:
    """Return the names of a bundle of two landmarks, and of the gazetteer."""
    return Names(KNOWN)


@pytest.mark.parametrize("text", ["tower", "Old Tower", "old  TOWER", "vieille tour", "Old-Tower"])
def test_a_known_landmark_is_found_by_any_of_its_names(names: Names, text: str) -> None:
    """By id, name or local name, whatever the case."""
    assert names.find(text) is KNOWN[0]


def test_the_gazetteer_knows_where_it_is(names: Names) -> None:
    """A landmark that the bundle lacks gets its place and its id from the gazetteer."""
    found = names.find("tour eiffel")
    assert (found.id, found.country) == ("eiffel_tower", "FR")
    assert not names.is_known(found.id)


def test_a_new_name_gets_an_id_of_its_own(names: Names) -> None:
    """Also where its letters are those of another's id; and the same name, the same id."""
    new = names.find("New Gate!")  # the id of another landmark, spelt otherwise
    assert new is KNOWN[1]
    first = names.find("Köln, Brücke")
    assert first.id == "koln_brucke"
    assert names.find("koln brucke", [first]) is first
    other = names.find("???", [Landmark(id="landmark", name="!!!")])
    assert other.id == "landmark_2"


def test_search_finds_what_begins_like_it(names: Names) -> None:
    """The bundle's, the gazetteer's and the draft's; no more than asked for."""
    draft = Landmark(id="towering", name="Towering Rock")
    found = [one.id for one in names.search("tower", [draft])]
    assert {"tower", "towering", "eiffel_tower"} <= set(found)
    assert len(found) <= 8
    assert names.search("") == []
    assert names.search("x" * 5000) == []


def test_what_is_shown_hides_nothing() -> None:
    """No control or direction characters, no runs of spaces; composed letters."""
    assert clean_name("Eiffel\u200b\u00ad \ufeffTower\U000e0041") == "Eiffel Tower"
    for nothing in ("\u200b", "\u2060\u200d", "\u3164", "\u2800 \u115f"):
        with pytest.raises(Problem, match="no name"):
            clean_name(nothing)
    assert clean_name("\u202e a\u0308\t\n b\u2066") == "ä b"
    assert len(clean_name("n" * MAX_NAME)) == MAX_NAME
    for bad in ("", " \u200f", "n" * (MAX_NAME + 1)):
        with pytest.raises(Problem):
            clean_name(bad)


def test_facts_are_checked_and_what_is_empty_changes_nothing(names: Names) -> None:
    """Degrees in any usual spelling; a category by what it is called."""
    kind = next(kind for kind in names.kinds.values() if "_" not in kind)
    given = {"lat": "48,5°", "lon": "\u22122.25", "country": "fr", "category": kind.upper()}
    one = with_facts(KNOWN[0], given, names.kinds)
    assert (one.lat, one.lon, one.country, one.category) == (48.5, -2.25, "FR", kind)
    assert with_facts(one, {"lat": "", "place": " "}, names.kinds) == one


def test_ids_stay_short(names: Names) -> None:
    """Also where one letter stands for a sentence; two such names are told apart."""
    one = names.find("\ufdfa" * 100)
    two = names.find("\ufdfa" * 101, [one])
    assert len(one.id) <= 60
    assert len({one.id, two.id}) == 2
    assert len(two.id) <= 64
