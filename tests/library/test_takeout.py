"""Google Takeout: which JSON belongs to which photo, and what it says."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waymark.library.takeout import Facts, MetadataNames, belongs, read_takeout

LONG = "Screenshot_2019-08-21-23-26-21-345_com.example"  # 46 characters
CAFE = "Backyard_ceremony_wedding_photography_xxxxxxx_"
SMILES = "\N{GRINNING FACE}" * 23  # 46 units, as Takeout counts


def own(photo: str, files: dict[str, str | None]) -> str | None:
    """Return which of the files, with the titles inside, is a photo's."""
    found = MetadataNames(files).of(photo)
    return next((name for name in found if belongs(photo, name, files[name])), None)


@pytest.mark.parametrize(
    ("photo", "json_name"),
    [
        ("photo.jpg", "photo.jpg.json"),
        ("photo.jpg", "photo.jpg.supplemental-metadata.json"),
        ("photo.jpg", "photo.jpg.supplemental-me.json"),
        ("photo.jpg", "photo.jpg.s.json"),
        ("PXL_20230101_123456789.jpg", "PXL_20230101_123456789.jpg.supplemental-metada.json"),
        ("photo(1).jpg", "photo.jpg(1).json"),
        ("photo(1).jpg", "photo.jpg.supplemental-metadata(1).json"),
        ("photo(12).jpg", "photo(12).jpg.json"),
        ("photo-edited.jpg", "photo.jpg.json"),
        ("photo-bearbeitet.jpg", "photo.jpg.supplemental-metadata.json"),
        ("photo-edited(2).jpg", "photo.jpg(2).json"),
        ("photo(2)-edited.jpg", "photo.jpg(2).json"),
        ("photo(1)-edited(2).jpg", "photo(1).jpg.supplemental-metadata(2).json"),
        ("photo(1)-editat.jpg", "photo(1).jpg.supplemental-metadata.json"),
        (normalize("NFD", "Été-modifié.jpg"), normalize("NFD", "Été.jpg.json")),
        (f"{LONG}.jpg", f"{LONG}.jpg.json"),
        ("noending", "noending.json"),
    ],
)
def test_the_file_of_a_photo_is_found(photo: str, json_name: str) -> None:
    """Under all the names that Takeout has given it over the years, among others."""
    others = {"metadata.json", "photo2.jpg.json", "phot.jpg.json", "shared_album_comments.json"}

    assert MetadataNames({json_name, *others} - {photo}).of(photo) == (json_name,)
    assert belongs(photo, json_name, None)


@pytest.mark.parametrize(
    ("photo", "json_name", "title"),
    [
        (f"{LONG}x.jpg", f"{LONG}.json", f"{LONG}x.jpg"),
        (f"{LONG}x.jpg", f"{LONG}(3).json", f"{LONG}x.jpg"),
        (f"{LONG}x.jpg", f"{LONG}.json", f"{LONG}xyz.jpg"),
        (f"{LONG}x-edited.jpg", f"{LONG}.json", f"{LONG}x.jpg"),
        (f"{CAFE}m(494).jpg", f"{CAFE}(494).json", f"{CAFE}magnolia-371.jpg"),
        (f"{SMILES}:)x.jpg", f"{SMILES}.json", f"{SMILES}:)x.jpg"),
        ("Tom _ Jerry.jpg", "Tom _ Jerry.json", "Tom & Jerry"),
        ("Peanut Balls.jpg", "Peanut Balls.supplemental-metadata.json", "Peanut Balls"),
        ("Peanut Balls-edited.jpg", "Peanut Balls.supplemental-metadata.json", "Peanut Balls"),
        ("20030616.jpg", "20030616.json", "20030616.jpg"),
        ("photo(1).jpg", "photo(1).json", "photo.jpg"),
        ("PHOTO.JPG", "photo.json", "photo.jpg"),
        (f"{LONG.upper()}X.JPG", f"{LONG}.json", f"{LONG}x.jpg"),
    ],
)
def test_where_the_name_leaves_it_open_the_title_tells(
    photo: str, json_name: str, title: str
) -> None:
    """The name was cut, or has no ending; with another title, or none, it is another photo's."""
    assert own(photo, {json_name: title, "metadata.json": None}) == json_name
    assert own(photo, {json_name: "another.jpg"}) is None
    assert own(photo, {json_name: None}) is None


def test_photos_whose_names_were_cut_to_one_get_each_its_own() -> None:
    """A wrong place would be worse than none."""
    files: dict[str, str | None] = {
        f"{LONG}.json": f"{LONG}1.jpg",
        f"{LONG}(1).json": f"{LONG}2.jpg",
    }

    assert own(f"{LONG}1.jpg", files) == f"{LONG}.json"
    assert own(f"{LONG}2.jpg", files) == f"{LONG}(1).json"
    assert own(f"{LONG}3.jpg", files) is None
    assert own(f"{CAFE}m(185).jpg", {f"{CAFE}(494).json": f"{CAFE}magnolia-371.jpg"}) is None


@pytest.mark.parametrize(
    ("photo", "json_name"),
    [
        ("photo.jpg", "photo.jpg(1).json"),
        ("photo(1).jpg", "photo.jpg.json"),
        ("photo(1).jpg", "photo.jpg(2).json"),
        ("photo.jpg", "photo.png.json"),
        ("IMG_1.jpg", "IMG_10.jpg.json"),
        ("IMG_10.jpg", "IMG_1.jpg.json"),
    ],
)
def test_another_photos_file_is_not_taken(photo: str, json_name: str) -> None:
    """A place of another photo would be worse than none."""
    assert MetadataNames([json_name]).of(photo) == ()


@pytest.mark.parametrize(
    ("photo", "json_name"),
    [
        ("a.JPG", "a.jpg.json"),
        ("a.jpg", "A.JPG.supplemental-metadata.json"),
        ("a-edited.jpg", "a.HEIC.supplemental-metadata.json"),
        ("a(2)-EDITED.jpg", "A.heic(2).json"),
    ],
)
def test_large_and_small_letters_are_the_same_where_nothing_else_is(
    photo: str, json_name: str
) -> None:
    """The edited version of a HEIC file, which is a JPEG, among them."""
    original = json_name.partition(".sup")[0].removesuffix("(2).json")
    others = [photo, original] if "dited" in photo.lower() else [photo]
    assert MetadataNames([json_name], others).of(photo) == (json_name,)
    assert belongs(photo, json_name, None)
    assert MetadataNames([json_name, f"{photo}.json"]).of(photo) == (f"{photo}.json",)


def test_a_photo_of_the_very_name_goes_first() -> None:
    """Where there are both, on a disk that tells them apart."""
    files = MetadataNames(["a.jpg.s.json"], ["a.jpg", "a.JPG", "A-edited.JPG"])

    assert files.of("A-edited.JPG") == ("a.jpg.s.json",)
    assert files.of("a.jpg") == ("a.jpg.s.json",)
    assert files.of("a.JPG") == ()


names = st.text(st.sampled_from("ab(1).é😀"), min_size=1, max_size=60)


@given(names, names)
def test_any_name_has_an_answer(photo: str, other: str) -> None:
    """Whatever it is made of: a photo's very name is its own, and nothing fails."""
    assert own(photo, {f"{photo}.json": None, f"{other}.json": other}) is not None
    own(photo, {f"{other}.json": other})


def metadata(**changes: Any) -> bytes:
    """Return a file as Takeout writes it."""
    place = {"latitude": 48.8584, "longitude": 2.2945, "altitude": 0.0, "latitudeSpan": 0.0}
    none = {"latitude": 0.0, "longitude": 0.0, "altitude": 0.0}
    values = {
        "title": "photo.jpg",
        "photoTakenTime": {"timestamp": "1546300800", "formatted": "1 Jan 2019, 00:00:00 UTC"},
        "geoData": place,
        "geoDataExif": none,
    }
    return json.dumps(values | changes).encode()


def test_place_and_time_are_read() -> None:
    """The place that Google shows counts, else the camera's; time is UTC."""
    exif = {"latitude": 1.5, "longitude": -2.5}
    zero = {"latitude": 0.0, "longitude": 0.0}

    assert read_takeout(metadata()) == Facts(
        title="photo.jpg", gps=(48.8584, 2.2945), taken=datetime(2019, 1, 1, tzinfo=UTC)
    )
    assert read_takeout(metadata(geoData=zero, geoDataExif=exif)).gps == (1.5, -2.5)
    assert read_takeout(metadata(geoData=zero)).gps is None


@pytest.mark.parametrize(
    "changes",
    [
        {"geoData": {"latitude": 91, "longitude": 2}, "photoTakenTime": {"timestamp": "x"}},
        {"geoData": {"latitude": True, "longitude": 2}, "photoTakenTime": {"timestamp": 5}},
        {"geoData": [1, 2], "photoTakenTime": []},
        {"geoData": {"latitude": float("nan"), "longitude": 2}, "photoTakenTime": None},
        {"geoData": {"latitude": 1e999}, "photoTakenTime": {"timestamp": "1e9"}},
    ],
)
def test_what_makes_no_sense_is_nothing(changes: dict[str, Any]) -> None:
    """Wrong types and impossible values are as if they were not there."""
    facts = read_takeout(metadata(**changes))

    assert facts.gps is None
    assert facts.taken is None


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["geoData", "photoTakenTime", "latitude"]), inner),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_nothing_makes_it_fail(data: bytes) -> None:
    """Whatever the file holds, there is an answer."""
    assert isinstance(read_takeout(data), Facts)


def test_deep_nesting_is_no_trouble() -> None:
    """A file that would exhaust the parser says nothing."""
    assert read_takeout(b"[" * 100_000) == Facts()


def test_a_library_has_the_place_of_each(home: Any) -> None:
    """Two photos whose names are cut to the same, in one folder."""
    for number in (1, 2):
        home.photo(f"{LONG}{number}.jpg", number)
        file = home.folder / f"{LONG}{'' if number == 1 else '(1)'}.json"
        place = {"latitude": 10.0 * number, "longitude": 2.0}
        file.write_bytes(metadata(title=f"{LONG}{number}.jpg", geoData=place))

    assert home.tag().with_gps == 2
    assert [home.listed()[f"{LONG}{number}.jpg"].gps for number in (1, 2)] == [
        (10.0, 2.0),
        (20.0, 2.0),
    ]
