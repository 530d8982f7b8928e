"""Names are alike in any spelling, and unlike where they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waymark.gazetteer_search import likeness, plain, ratio


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Kız KULESİ", "kiz kulesi"),
        ("Sacré-Cœur", "sacre coeur"),
        ("St. Paul's", "st pauls"),
        ("Saint Pauls", "st pauls"),
        ("Straße_8", "strasse 8"),
        ("الجيزة", plain("الجيزه")),
        ("ＡＢＣ", "abc"),
        ("长城", "长城"),
        ("  —  ", ""),
    ],
)
def test_plain(text: str, wanted: str) -> None:
    """Case, accents, ligatures, width and punctuation go; scripts stay."""
    assert plain(text) == wanted


@given(st.text())
def test_plain_is_plain(text: str) -> None:
    """What is plain stays as it is, without double or outer spaces."""
    once = plain(text)
    assert " ".join(once.split()) == once
    assert plain(once) == once


@given(st.text(alphabet="abc ", min_size=1), st.text(alphabet="abc ", min_size=1))
def test_likeness_is_a_score(one: str, two: str) -> None:
    """0 to 1; 1 for the same and only for it."""
    one, two = plain(one), plain(two)
    if one and two:
        score = likeness(one, two)
        assert 0 <= score <= 1
        assert (score == 1) == (one == two)


def test_better_kinds_of_likeness_score_higher() -> None:
    """The very name, joined words, its beginning, its words, a part, a slip: in this order."""
    queries = ("golden gate", "goldengate", "golden", "gate", "olden", "goldne gaet", "silver")
    scores = [likeness(query, "golden gate") for query in queries]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == len(scores)
    assert scores[-1] == 0


@given(st.text(max_size=8), st.text(max_size=8), st.floats(0.6, 1))
def test_the_shortcuts_of_ratio_change_nothing(one: str, two: str, least: float) -> None:
    """Below `least` it is 0, above it what difflib says."""
    from difflib import SequenceMatcher

    true = SequenceMatcher(None, one, two, autojunk=False).ratio()
    assert ratio(one, two, least=least) == (true if true >= least else 0.0)
