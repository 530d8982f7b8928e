"""A landmarks file is read with all its faults named, and written so that it comes back."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waymark.errors import GazetteerError
from waymark.gazetteer import Gazetteer, Landmark, load_gazetteer
from waymark.gazetteer_countries import COUNTRIES
from waymark.gazetteer_file import load_landmarks, read_landmarks, write_landmarks


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where a landmarks file may be."""
    return tmp_path / "landmarks.csv"


def test_every_fault_is_named_with_its_line(file: Path) -> None:
    """Several in one row too; the right rows are there all the same."""
    file.write_text(
        "id,name,country,lat,lon,extent_m,wikidata\n"
        "mill,Mill,DE,48.4,9.9,50,Q1\n"
        "gate,Gate,UK,91,200,-5,243\n"
        "arch,Arch,fr,48.8,,3000000,\n"
        "mill,Again,,,,,\n"
        ",Nameless,,,,,\n"
        "unknown,X,XX,north,2,far,\n"
        "a,b,c,d,e,f,g,h\n"
        "tower,Tower,,,,,\n",
        encoding="utf-8",
    )

    found, faults = read_landmarks(file)

    assert [landmark.id for landmark in found] == ["mill", "tower"]
    assert found[0].name == "Mill"
    said = [(fault.line, fault.text) for fault in faults]
    wanted = [
        (3, "country of 'gate' is 'UK'"),
        (3, "lat of 'gate' is 91"),
        (3, "lon of 'gate' is 200"),
        (3, "extent_m of 'gate' is -5"),
        (3, "wikidata of 'gate'"),
        (4, "extent_m of 'arch' is 3e+06; it is a radius in metres, at most 2,000,000"),
        (4, "'arch' has only one of lat and lon"),
        (4, "country of 'arch' is 'fr'; use the two capitals"),
        (5, "the id 'mill' was used before, in line 2"),
        (6, "a landmark has no id"),
        (7, "lat is 'north'; expected a number"),
        (7, "extent_m is 'far'; expected a number"),
        (7, "the id 'unknown' is reserved"),
        (7, "country of 'unknown' is 'XX'"),
        (8, "more cells than the header"),
    ]
    assert len(said) == len(wanted)
    for (line, text), (at, words) in zip(said, wanted, strict=True):
        assert line == at
        assert words in text
    assert "use 'GB'" in said[0][1]


def test_loading_names_the_first_and_counts_the_rest(file: Path) -> None:
    """One fault is said alone; of several, how many more there are and what lists them."""
    file.write_text("id,lat,lon\nx,91,0\n")
    with pytest.raises(GazetteerError, match=r"line 2: lat of 'x' is 91.*to 90\.$"):
        load_landmarks(file)
    file.write_text("id,lat,lon\nx,91,0\ny,0,181\nz,99,0\n")
    with pytest.raises(GazetteerError, match="2 more faults: `waymark landmarks --landmarks"):
        load_landmarks(file)


texts = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp", "Cf")), min_size=1, max_size=8
).filter(lambda text: text.strip() == text)


@given(
    st.lists(
        st.builds(
            Landmark,
            id=(texts | st.sampled_from(["=cmd", "'-x", "+1", "@a", 'a,"b'])).filter(
                lambda text: text != "unknown"
            ),
            name=texts | st.sampled_from(["=1+1", "'=1"]),
            local_name=st.none() | texts,
            country=st.none() | st.sampled_from(sorted(COUNTRIES)),
            extent_m=st.none() | st.floats(0.1, 2e6),
        )
        | st.builds(
            Landmark,
            id=texts.filter(lambda text: text != "unknown"),
            name=texts,
            lat=st.floats(-90, 90),
            lon=st.floats(-180, 180),
        ),
        unique_by=lambda landmark: landmark.id,
        max_size=4,
    )
)
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_read_back(tmp_path_factory, landmarks) -> None:
    """Formulas, quotes and numbers of every size included; no cell begins like a formula."""
    file = tmp_path_factory.mktemp("round") / "landmarks.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        write_landmarks(stream, landmarks)

    assert load_landmarks(file) == landmarks
    for line in file.read_text(encoding="utf-8").splitlines():
        assert not line.startswith(("=", "+", "@", "-"))


def test_ours_is_right_and_comes_back(tmp_path: Path) -> None:
    """The packaged landmarks written, with a further column, and read are the same."""
    ours = load_gazetteer().landmarks
    stream = io.StringIO()
    write_landmarks(stream, ours, {"colour": {"eiffel_tower": "brown"}})
    (tmp_path / "l.csv").write_text(stream.getvalue(), encoding="utf-8")

    assert Gazetteer(load_landmarks(tmp_path / "l.csv")).landmarks == ours
    assert ",Q243,brown\n" in stream.getvalue()
