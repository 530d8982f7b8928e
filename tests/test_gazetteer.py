"""The gazetteer holds facts that can be true, and finds them in any spelling."""

from __future__ import annotations

import csv
import json
from itertools import pairwise
from pathlib import Path

import pytest

from waymark import gazetteer
from waymark.errors import GazetteerError, UnknownName
from waymark.gazetteer import Gazetteer, Landmark, display_name, load_gazetteer, outline


def write(folder: Path, text: str) -> Path:
    """Save a landmarks file."""
    path = folder / "landmarks.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_packaged_landmark_is_complete() -> None:
    """Each of the 106 has a place, a country, a category, a position and an extent."""
    landmarks = load_gazetteer().landmarks

    assert len(landmarks) == 106
    for landmark in landmarks:
        known = landmark.to_dict()
        assert None not in [known[key] for key in ("place", "country", "category", "lat", "lon")]
        assert not landmark.estimated


def test_every_packaged_fact_has_a_source() -> None:
    """No row of the packaged file leaves its source open."""
    path = Path(gazetteer.__file__).parent / "landmarks.csv"
    with path.open(encoding="utf-8", newline="") as file:
        assert all(row["source"].strip() for row in csv.DictReader(file))


@pytest.mark.parametrize("landmark", load_gazetteer().landmarks, ids=lambda entry: entry.id)
def test_a_landmark_is_found_by_what_it_is_called(landmark: Landmark) -> None:
    """Its name, local name, id and Wikidata id each find it with the full score."""
    for text in (landmark.name, landmark.local_name, landmark.id, landmark.wikidata):
        if text:
            found = dict(load_gazetteer().search(text.upper(), limit=200))
            assert found[landmark] == 1.0


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("eiffel", "eiffel_tower"),
        ("Eifel towr", "eiffel_tower"),
        ("sacre coeur", "sacre_coeur_basilica"),
        ("suleymaniye", "suleymaniye_mosque"),
        ("TOPKAPI", "topkapi_palace"),
        ("kiz kulesi", "maidens_tower"),
        ("hagia sofia", "hagia_sophia"),
        ("st pauls", "st_pauls_cathedral"),
        ("Спас на крови", "church_of_the_savior_on_blood"),
        ("храм василия", "saint_basils_cathedral"),
        ("长城", "great_wall_of_china"),
        ("창덕궁", "changdeokgung"),
        ("أهرامات", "pyramids_of_giza"),
        ("ताज महल", "taj_mahal"),
        ("ναος του ολυμπιου", "temple_of_olympian_zeus_athens"),
        ("q243", "eiffel_tower"),
        ("collosseum", "colosseum"),
        ("bridge venice", "rialto_bridge"),
        ("tour eiffel", "eiffel_tower"),
        ("Ayasofya", "hagia_sophia"),
        ("ayasofia", "hagia_sophia"),
        ("Tah Mahal", "taj_mahal"),
        ("ताजमहल", "taj_mahal"),
        ("برج خليفه", "burj_khalifa"),
        ("أهرامات الجيزه", "pyramids_of_giza"),
        ("万里长城", "great_wall_of_china"),
        ("goldengatebridge", "golden_gate_bridge"),
        ("sacrecoeur", "sacre_coeur_basilica"),
        ("Saint Paul's", "st_pauls_cathedral"),
        ("mt rushmore", "mount_rushmore"),
        ("Chichenitza", "chichen_itza"),
        ("niagra falls", "niagara_falls"),
        ("cristo redentor", "christ_the_redeemer"),
    ],
)
def test_any_spelling_finds_it(text: str, wanted: str) -> None:
    """Case, accents, script, a wrong letter and word order do not hide a landmark."""
    found = load_gazetteer().search(text)

    assert found[0][0].id == wanted
    assert 0 < found[0][1] <= 1


def test_a_place_finds_all_its_landmarks() -> None:
    """The name of a city gives what stands there."""
    found = {landmark.id for landmark, _ in load_gazetteer().search("Istanbul", limit=50)}

    assert {"hagia_sophia", "galata_tower", "ortakoy_mosque"} <= found


def test_the_name_of_a_country_finds_its_landmarks() -> None:
    """As people say it, not by its code alone."""
    found = load_gazetteer().search("italy", limit=50)

    assert {landmark.country for landmark, score in found if score >= 0.8} == {"IT"}


@pytest.mark.parametrize(
    "text", ["", "   ", "!?", "zzzzqqqq", "sagrada familia", "moulin rouge", "badshahi masjid"]
)
def test_nothing_like_it_is_no_result(text: str) -> None:
    """Search does not make up a landmark."""
    assert load_gazetteer().search(text) == []


def test_a_mistyped_id_gets_the_nearest_one() -> None:
    """`find` says which id was meant."""
    with pytest.raises(UnknownName, match="did you mean 'eiffel_tower'"):
        load_gazetteer().find("eifel_tower")


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("09.Golden_Gate_Bridge", "Golden Gate Bridge"),
        ("golden_gate_bridge", "golden gate bridge"),
        ("001-Petra", "Petra"),
        ("12", "12"),
        ("9_11_memorial", "9 11 memorial"),
        ("___", "___"),
        ("nice/opera", "opera (nice)"),
        ("长城", "长城"),
    ],
)
def test_display_name(label: str, shown: str) -> None:
    """A leading index and underscores go; something always stays."""
    assert display_name(label) == shown


def test_a_landmark_survives_json() -> None:
    """Every landmark is the same after to_dict, JSON and from_dict."""
    for landmark in load_gazetteer().landmarks:
        assert Landmark.from_dict(json.loads(json.dumps(landmark.to_dict()))) == landmark


def test_a_users_file_needs_only_ids(tmp_path: Path) -> None:
    """Without a name the id is shown; a byte order mark and unknown columns do not matter."""
    path = write(tmp_path, "\ufeffid,colour\n07.Old_Mill,red\n")

    assert load_gazetteer(path).landmarks == (Landmark(id="07.Old_Mill", name="Old Mill"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has the columns"),
        ("name,lat\nx,1\n", "expected id"),
        ("id,id\nx,y\n", "once each"),
        ("id;lat\nx;1\n", "separated by commas"),
        ("id,lat,lon\nx,91,0\n", "line 2: lat of 'x' is 91"),
        ("id,lat,lon\nx,0,-180.5\n", "lon of 'x'"),
        ("id,lat,lon\nx,nan,0\n", "lat of 'x' is nan"),
        ("id,lat,lon\nx,north,0\n", "lat is 'north'; expected a number"),
        ("id,lat,lon\nx,1,\n", "only one of lat and lon"),
        ("id,country\nx,France\n", "two capitals"),
        ("id,country\nx,fr\n", "two capitals"),
        ("id,extent_m\nx,-5\n", "extent_m of 'x'"),
        ("id,extent_m\nx,inf\n", "extent_m of 'x'"),
        ("id,wikidata\nx,243\n", "such as Q243"),
        ("id,name\nx,X\ny,Y\nx,Z\n", "line 4: the id 'x' was used before"),
        ("id,name\n,X\n", "line 2: a landmark has no id"),
        ("id\nx,y\n", "more cells than the header"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, text: str, message: str) -> None:
    """What cannot be right is an error that says where it is and what was expected."""
    path = write(tmp_path, text)

    with pytest.raises(GazetteerError, match=message) as caught:
        load_gazetteer(path)
    assert str(path) in str(caught.value)


def test_not_a_text_file(tmp_path: Path) -> None:
    """Bytes that are no UTF-8, and a file that is not there, are clear errors."""
    path = tmp_path / "landmarks.csv"
    path.write_bytes(b"id,name\nx,caf\xe9\n")

    with pytest.raises(GazetteerError, match="UTF-8"):
        load_gazetteer(path)
    with pytest.raises(GazetteerError, match="cannot be read"):
        load_gazetteer(tmp_path / "missing.csv")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "no id"),
        ({"id": 5}, "id of a landmark is 5"),
        ({"id": "x", "name": None}, "name of a landmark is None"),
        ({"id": "x", "name": "a\nb"}, "printable"),
        ({"id": "x", "lat": "1", "lon": 2}, "lat of a landmark is '1'"),
        ({"id": "x", "lat": True, "lon": True}, "lat of a landmark is True"),
        ({"id": "x", "estimated": None}, "estimated of a landmark is None"),
    ],
)
def test_values_of_the_wrong_type_are_refused(values: dict[str, object], message: str) -> None:
    """A damaged record, as in a hostile bundle, is refused."""
    with pytest.raises(GazetteerError, match=message):
        Landmark.from_dict(values)


def test_lookup_is_by_the_very_id() -> None:
    """`get` does not guess."""
    own = Gazetteer([Landmark(id="mill", name="Mill")])

    assert own.get("mill") is own.landmarks[0]
    assert own.get("Mill") is None


def test_the_outline_is_closed_small_and_on_the_globe() -> None:
    """Rings close, coordinates are degrees, and the file is at most 40 KB."""
    rings = outline()

    assert len(rings) > 50
    assert all(ring[0] == ring[-1] and len(ring) >= 4 for ring in rings)
    assert all(-180 <= lon <= 180 and -90 <= lat <= 90 for ring in rings for lon, lat in ring)
    assert (Path(gazetteer.__file__).parent / "land.json").stat().st_size <= 40_000


def test_most_landmarks_stand_on_land() -> None:
    """Outline and positions agree: all but those on straits, islets and reefs are inside."""

    def inside(landmark: Landmark) -> bool:
        lat, lon = landmark.lat or 0.0, landmark.lon or 0.0
        crossed = False
        for ring in outline():
            for (x0, y0), (x1, y1) in pairwise(ring):
                if (y0 > lat) != (y1 > lat) and lon < x0 + (lat - y0) / (y1 - y0) * (x1 - x0):
                    crossed = not crossed
        return crossed

    landmarks = load_gazetteer().landmarks
    assert sum(map(inside, landmarks)) >= 0.75 * len(landmarks)
