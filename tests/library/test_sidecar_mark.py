"""What waymark says of a photo: keywords, place, and how sure it is."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waymark.gazetteer import Landmark
from waymark.gazetteer_country import country_name
from waymark.library.sidecar_mark import Mark, clean, degrees_of, mark_of, xmp_degrees
from waymark.library.tagged import Tagged

HAGIA = Landmark(
    id="hagia_sophia", name="Hagia Sophia", local_name="Ayasofya", place="Istanbul", country="TR",
    lat=41.0083, lon=28.98, extent_m=100, wikidata="Q12506",
)  # fmt: skip


def tagged(landmark: Landmark = HAGIA, **changes: object) -> Tagged:
    """Return a tagged photo."""
    one = Tagged(
        path=Path("a.jpg"), sha256="0" * 64, landmark=landmark, score=0.5, confidence=0.5,
        unknown_score=0.1,
        evidence="context", state="new", bundle="0123456789ab",
        tagged_at=datetime(2026, 5, 17, 14, 30, tzinfo=timezone(timedelta(hours=2))),
    )  # fmt: skip
    return replace(one, **changes)  # type: ignore[arg-type]


def test_keywords_in_three_forms() -> None:
    """Flat for PhotoPrism, with slashes for digiKam and Immich, with bars for Lightroom."""
    mark = mark_of(tagged())

    country = country_name("TR")
    assert mark.subject == ("Hagia Sophia", "Istanbul", country)
    assert mark.tags == (f"Places/{country}/Istanbul/Hagia Sophia",)
    assert mark.hierarchy == (f"Places|{country}|Istanbul|Hagia Sophia",)


def test_the_local_name_where_it_is_wanted() -> None:
    """`--language local` names the landmark as it is called there, and English in the place."""
    mark = mark_of(tagged(), language="local")

    assert mark.subject[0] == "Ayasofya"
    assert mark.shown is not None
    assert dict(mark.shown.names) == {
        "x-default": "Ayasofya",
        "en": "Hagia Sophia",
        "tr": "Ayasofya",
    }


def test_what_only_neighbours_suggest_says_so() -> None:
    """The evidence is always written."""
    assert dict(mark_of(tagged()).facts)["Evidence"] == "context"


def test_the_time_is_in_utc() -> None:
    """One moment is written in one way."""
    assert dict(mark_of(tagged()).facts)["TaggedAt"] == "2026-05-17T12:30:00Z"


@pytest.mark.parametrize(
    ("changes", "there"),
    [
        ({}, True),
        ({"gps": (1.0, 2.0)}, False),
        ({"landmark": replace(HAGIA, lat=None, lon=None)}, False),
    ],
)
def test_an_estimate_only_where_nothing_else_is_known(
    changes: dict[str, object], there: bool
) -> None:
    """A photo that carries a position, or a landmark without one, gets no estimate."""
    mark = mark_of(tagged(**changes), gps=True)

    assert (mark.estimate is not None) == there
    if mark.estimate:
        assert mark.estimate.radius == "100/1"
        assert "estimate" in (mark.estimate.method or "")


def test_separators_in_names_do_not_make_levels() -> None:
    """A slash or a bar in a name would be a level of its own."""
    mark = mark_of(tagged(Landmark(id="a/b|c", name="a/b|c", place="x|y/z")))

    assert mark.tags[0].count("/") == 2
    assert mark.hierarchy[0].count("|") == 2


@given(st.text())
def test_every_name_can_stand_in_xml(text: str) -> None:
    """Whatever a name holds, what is written of it is legal and on one line."""
    from lxml import etree

    found = clean(text)
    if found is not None:
        assert found == found.strip()
        assert "\n" not in found
        etree.Element("a").text = found


@given(st.floats(-90, 90))
def test_degrees_come_back(degrees: float) -> None:
    """Written as XMP wants them, coordinates are off by less than a centimetre."""
    text = xmp_degrees(degrees, "NS")
    back = degrees_of(text)

    assert back is not None
    assert abs(back - degrees) < 1e-7


@pytest.mark.parametrize("text", ["", "48.5", "48,51", "x,1N", "48,51.5Q", None])
def test_what_is_no_coordinate(text: str | None) -> None:
    """Other forms say nothing."""
    assert degrees_of(text) is None


@pytest.mark.parametrize("gps", [False, True])
def test_json_keeps_a_mark(gps: bool) -> None:
    """What the journal stores comes back equal."""
    mark = mark_of(tagged(), gps=gps)

    assert Mark.from_dict(json.loads(json.dumps(mark.to_dict()))) == mark
    assert mark.is_within(mark)
    assert Mark().is_within(mark)
    assert mark.joined(Mark()) == mark
    assert not mark.is_within(mark_of(tagged(tagged_at=datetime(2027, 1, 1, tzinfo=UTC))))
