"""Google Takeout: which JSON belongs to which photo, and what it says."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waymark.library.takeout import Facts, metadata_name, read_takeout

LONG = "Screenshot_2019-08-21-23-26-21-345_com.example"  # 46 characters


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
        (f"{LONG}x.jpg", f"{LONG}.json"),
        ("noending", "noending.json"),
    ],
)
def test_the_file_of_a_photo_is_found(photo: str, json_name: str) -> None:
    """Under all the names that Takeout has given it over the years, among others."""
    others = {"metadata.json", "photo2.jpg.json", "phot.jpg.json", "shared_album_comments.json"}

    assert metadata_name(photo, {json_name, *others} - {photo}) == json_name


@pytest.mark.parametrize(
    ("photo", "json_name"),
    [
        ("photo.jpg", "photo.jpg(1).json"),
        ("photo(1).jpg", "photo.jpg.json"),
        ("photo(1).jpg", "photo.jpg(2).json"),
        ("photo.jpg", "photo.png.json"),
        ("photo.jpg", "photo.json"),
        ("IMG_1.jpg", "IMG_10.jpg.json"),
        ("IMG_10.jpg", "IMG_1.jpg.json"),
    ],
)
def test_another_photos_file_is_not_taken(photo: str, json_name: str) -> None:
    """A place of another photo would be worse than none."""
    assert metadata_name(photo, {json_name}) is None


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
        gps=(48.8584, 2.2945), taken=datetime(2019, 1, 1, tzinfo=UTC)
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
