"""Tables and maps of a library: whole, safe for spreadsheets and browsers, and readable back."""

from __future__ import annotations

import csv
import json
import os
import stat
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waymark.errors import ConfigError, LibraryError
from waymark.gazetteer import Landmark
from waymark.library.export import (
    COLUMNS,
    as_csv,
    as_geojson,
    as_json,
    as_kml,
    check_target,
    write_export,
)
from waymark.library.store_query import Listed

TOWER = Landmark(
    id="=tower", name="=<b>Tower & co</b>", place="@Paris", country="FR", lat=48.8, lon=-2.2
)
KML = "{http://www.opengis.net/kml/2.2}"


def photo(path: str | bytes = "/a.jpg", **changes: Any) -> Listed:
    """Make a photo of a list."""
    values: dict[str, Any] = {
        "id": 1, "path": Path(os.fsdecode(path)), "raw": None, "landmark": TOWER, "score": 0.9,
        "confidence": 0.81, "taken": datetime(2024, 5, 17, 18, 30), "unknown_score": 0.1,
        "evidence": "photo",
        "state": "new", "gps": None, "gps_from": None, "gps_says": None,
        "guesses": ((TOWER, 0.9),), "error": None, "bundle": "0" * 12, "key": (0, 1),
    }  # fmt: skip
    return Listed(**values | changes)


PHOTOS = [
    photo(),
    photo("/b.jpg", landmark=None, score=None, confidence=None, evidence=None, gps=(1.5, -2.5)),
    photo(
        "/c.jpg",
        landmark=None,
        score=None,
        confidence=None,
        evidence=None,
        taken=None,
        error="damaged",
    ),
]


def table(photos: Sequence[Listed]) -> list[dict[str, str]]:
    """Return the rows of the CSV, read back."""
    return list(csv.DictReader("".join(as_csv(photos)).splitlines()))


def test_the_table_has_every_column() -> None:
    """Empty where nothing is known."""
    rows = table(PHOTOS)

    assert list(rows[0]) == list(COLUMNS)
    assert [row["path"] for row in rows] == ["/a.jpg", "/b.jpg", "/c.jpg"]
    assert (rows[0]["lon"], rows[1]["camera_lon"]) == ("-2.2", "-2.5")
    assert rows[2]["taken"] == rows[2]["score"] == ""


def test_no_cell_is_a_formula() -> None:
    """Whatever a landmark or a file is called."""
    rows = table([photo("/=1+1.jpg", error="@SUM(A1)")])

    assert rows[0]["name"] == "'=<b>Tower & co</b>"
    assert (rows[0]["place"], rows[0]["error"]) == ("'@Paris", "'@SUM(A1)")


@given(st.binary(min_size=1, max_size=30).map(lambda name: name.replace(b"\0", b"_")))
@settings(max_examples=80)
def test_any_name_goes_through_every_form(name: bytes) -> None:
    """Each form can be read back, and the CSV's `uri` is the path byte for byte."""
    path = b"/photos-" + name.replace(b"/", b"_")  # a name cannot be . or ..
    photos = [photo(path, gps=(1.0, 2.0))]

    assert unquote_to_bytes(urlsplit(table(photos)[0]["uri"]).path) == path
    (row,) = json.loads("".join(as_json(photos)))
    assert os.fsencode(row["photo"]) == path
    assert len(json.loads("".join(as_geojson(photos)))["features"]) == 1
    ElementTree.fromstring("".join(as_kml(photos)))


def test_a_map_shows_the_landmark_else_the_camera() -> None:
    """GeoJSON is longitude first; a photo without any position has no geometry."""
    features = json.loads("".join(as_geojson(PHOTOS)))["features"]

    assert [f["geometry"] and f["geometry"]["coordinates"] for f in features] == [
        [-2.2, 48.8],
        [-2.5, 1.5],
        None,
    ]
    assert [f["properties"]["position"] for f in features] == ["landmark", "camera", None]


def test_a_map_does_not_show_a_landmark_that_is_not_there() -> None:
    """Where a person said so, the photo is where the camera stood, and is called by its path."""
    photos = [
        photo("/a.jpg", state="rejected", gps=(1.5, -2.5)),
        photo("/b.jpg", state="not-a-landmark"),
    ]
    features = json.loads("".join(as_geojson(photos)))["features"]

    assert [f["geometry"] and f["geometry"]["coordinates"] for f in features] == [[-2.5, 1.5], None]
    assert [f["properties"]["position"] for f in features] == ["camera", None]
    (mark,) = ElementTree.fromstring("".join(as_kml(photos))).findall(f".//{KML}Placemark")
    assert mark.findtext(f"{KML}name") == "/a.jpg"


def test_kml_is_escaped_and_has_what_has_a_place() -> None:
    """Names are text, never markup."""
    root = ElementTree.fromstring("".join(as_kml(PHOTOS)))
    marks = root.findall(f".//{KML}Placemark")

    assert [mark.findtext(f"{KML}name") for mark in marks] == ["=<b>Tower & co</b>", "/b.jpg"]
    assert marks[0].findtext(f".//{KML}coordinates") == "-2.2,48.8"
    assert marks[0].findtext(f".//{KML}when") == "2024-05-17T18:30:00"


@pytest.mark.parametrize("form", ["csv", "json", "geojson", "kml"])
def test_nothing_is_a_whole_file_too(form: str, tmp_path: Path) -> None:
    """An empty list makes an empty table or map, not a broken one."""
    file = tmp_path / f"empty.{form}"

    assert write_export(file, []) == 0
    text = file.read_text()
    if form == "kml":
        ElementTree.fromstring(text)
    elif form == "csv":
        assert text.strip() == ",".join(COLUMNS)
    else:
        json.loads(text)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    """What fails midway leaves the file that was there, and nothing beside it."""
    file = tmp_path / "a.csv"
    write_export(file, PHOTOS)
    before = file.read_text()

    def broken() -> Any:
        yield photo()
        raise LibraryError("gone")

    with pytest.raises(LibraryError):
        write_export(file, broken())
    assert file.read_text() == before
    assert [each.name for each in tmp_path.iterdir()] == ["a.csv"]
    assert write_export(file, PHOTOS) == 3


@pytest.mark.parametrize("form", ["csv", "json", "geojson", "kml"])
def test_only_an_export_is_replaced(form: str, tmp_path: Path) -> None:
    """Neither a photo that a shell put in its place, nor the library, nor another form."""
    library, file = tmp_path / "l.sqlite", tmp_path / "a.jpg"
    library.write_bytes(b"SQLite format 3")
    for content in (b"\xff\xd8\xff a photo", b"{}", b"my own notes"):
        file.write_bytes(content)
        for refuse in (
            lambda: write_export(file, PHOTOS, form=form),
            lambda: check_target(file, form=form, library=library),
        ):
            with pytest.raises(ConfigError, match=r"a\.jpg is there"):
                refuse()
        assert file.read_bytes() == content
    file.write_bytes(b"")
    with pytest.raises(ConfigError, match="is the library"):
        check_target(file, form=form, library=file)
    check_target(file, form=form, library=library)
    for photos in ([], PHOTOS, []):
        write_export(file, photos, form=form)
    with pytest.raises(LibraryError, match="written"):
        check_target(tmp_path / "none" / "a.csv", library=library)


def test_where_and_how_must_make_sense(tmp_path: Path) -> None:
    """An ending that nobody knows, a folder that is not there."""
    with pytest.raises(ConfigError, match="geojson"):
        write_export(tmp_path / "a.xlsx", [])
    with pytest.raises(LibraryError, match="written"):
        write_export(tmp_path / "none" / "a.csv", [])
    assert write_export(tmp_path / "a.txt", PHOTOS, form="csv") == 3
