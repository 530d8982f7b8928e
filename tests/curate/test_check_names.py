"""Names of one landmark are paired, names of two are not."""

from __future__ import annotations

import numpy as np
import pytest

from waymark.curate.check_names import SAME, similar_classes
from waymark.gazetteer import load_gazetteer


def pairs(names: list[str]) -> set[tuple[str, str]]:
    """Return the names that are paired as the same."""
    return {
        (names[pair.one], names[pair.two])
        for pair in similar_classes(names)
        if pair.severity >= SAME
    }


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("badshahi_masjid", "badshahimosque"),
        ("minare_pakistan", "minarepakistan"),
        ("Minar-e-Pakistan", "minare pakistan"),
        ("Lal_Qila", "lal_quila"),
        ("chateau_d_if", "Château d'If"),
        ("eiffel_tower", "tour_eiffel"),
        ("eiffel_tower", "09.Eiffel_Tower"),
        ("eiffel_tower", "Eifel_Tower"),
        ("arc_de_triomphe", "arc_triomphe"),
        ("sankt_peter", "St. Peter"),
        ("taj_mahal", "mahal_taj"),
        ("the_golden_gate", "golden gate"),
    ],
)
def test_spellings_of_one_name_are_paired(one: str, two: str) -> None:
    """Case, accents, spaces, order, words for a mosque and slips make no other landmark."""
    assert pairs([one, "something_else", two]) == {(one, two)}


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("galata_tower", "galata_bridge"),
        ("north_tower", "south_tower"),
        ("east_wing", "west_wing"),
        ("gate_1", "gate_2"),
        ("terminal_2", "terminal_3"),
        ("palais_justice", "palais_des_papes"),
        ("bosphorus_bridge", "fatih_sultan_mehmet_bridge"),
        ("st_pauls_cathedral", "st_peters_basilica"),
        ("petra", "petronas_towers"),
        ("a", "b"),
        ("😀", "🎉"),
        ("", ""),
    ],
)
def test_names_of_two_landmarks_are_not_paired(one: str, two: str) -> None:
    """Other kinds, numbers and directions, or one word in common, are not enough."""
    assert not pairs([one, two])


def test_no_two_entries_of_the_gazetteer_are_paired() -> None:
    """A hundred landmarks that are known to differ give no alarm."""
    assert not pairs([landmark.id for landmark in load_gazetteer().landmarks])


def clouds(places: list[int], each: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Draw embeddings of classes; classes of one place look the same."""
    rng = np.random.default_rng(1)
    means = rng.normal(size=(max(places) + 1, 24))
    labels = np.repeat(np.arange(len(places)), each)
    spread = rng.normal(size=(len(labels), 24)) * 0.4
    return (means[np.array(places)][labels] + spread).astype(np.float32), labels


def test_photos_make_a_pair_surer_or_less_sure() -> None:
    """Names that differ by a slip are surer the same where the photos look alike."""
    names = ["eiffel_tower", "eifel_tower", "petra", "colosseum"]
    alone = similar_classes(names)[0]
    alike = similar_classes(names, *clouds([0, 0, 1, 2]))[0]

    assert alike.severity > alone.severity
    assert "photos look alike" in alike.reason
    apart = [
        pair.severity
        for pair in similar_classes(names, *clouds([0, 1, 1, 0]))
        if (pair.one, pair.two) == (0, 1)
    ]
    assert all(severity < alone.severity for severity in apart)


def test_part_of_a_name_needs_photos_that_agree() -> None:
    """`shahiqila` is `shahiqila(lahore_fort)` only where their photos look alike."""
    names = ["shahiqila", "shahiqila(lahore_fort)", "petra", "colosseum"]

    assert not pairs(names)
    assert similar_classes(names, *clouds([0, 0, 1, 2]))[0].severity >= SAME
    apart = similar_classes(names, *clouds([0, 1, 0, 1]))
    assert not [pair for pair in apart if (pair.one, pair.two) == (0, 1)]


def test_photos_that_look_alike_make_a_weak_pair_of_names_that_differ() -> None:
    """Two bridges that look the same are said to be confused, never to be one."""
    names = ["bosphorus_bridge", "fatih_sultan_mehmet_bridge", "petra"]
    found = similar_classes(names, *clouds([0, 0, 1]))

    assert [(pair.one, pair.two) for pair in found] == [(0, 1)]
    assert 0 < found[0].severity < SAME
    assert "names differ" in found[0].reason


def test_classes_of_a_photo_or_two_are_judged_by_name() -> None:
    """Too few photos neither help nor hinder."""
    names = ["taj_mahal", "tajmahal", "petra"]
    vectors, labels = clouds([0, 1, 2], each=2)

    assert similar_classes(names, vectors, labels) == similar_classes(names)


def test_photos_without_a_class_are_passed_over() -> None:
    """A label of -1 belongs to none of the names."""
    names = ["eiffel_tower", "eifel_tower", "petra"]
    vectors, labels = clouds([0, 0, 1])
    more = np.concatenate([vectors, vectors[:5] * 3]), np.concatenate([labels, np.full(5, -1)])

    assert similar_classes(names, *more) == similar_classes(names, vectors, labels)


def test_the_surest_pair_comes_first() -> None:
    """Pairs are sorted by severity, which is 0 to 1."""
    names = ["eiffel_tower", "eifel_tower", "petra", "Petra", "tour_eiffel"]
    found = [pair.severity for pair in similar_classes(names)]

    assert found == sorted(found, reverse=True)
    assert all(0 < severity <= 1 for severity in found)


def test_one_name_or_none_has_no_pair() -> None:
    """Nothing to compare is no error."""
    assert similar_classes([]) == []
    assert similar_classes(["petra"], np.ones((3, 4), np.float32), np.zeros(3, np.intp)) == []
