"""What a person said of a library, as photos to learn from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from waymark.cli.dataset import read
from waymark.errors import ConfigError, DatasetError
from waymark.evaluation.evaluate import evaluate
from waymark.gazetteer import Landmark
from waymark.library.lessons import count_lessons, lessons
from waymark.library.store import Store, is_library

HALL = Landmark(id="hall", name="Town Hall", place="Aix", category="palace", lat=43.5, lon=5.4)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Return a library of eight photos: approved, corrected, a copy, of no landmark, and others."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rows: list[tuple[str, str, dict[str, Any]]] = [
        ("a.jpg", "approved", {}),
        ("b.jpg", "corrected", {"evidence": "person"}),
        ("copy of b.jpg", "corrected", {"sha256": b"b.jpg"}),
        ("none.jpg", "not-a-landmark", {}),
        ("new.jpg", "new", {}),
        ("wrong.jpg", "rejected", {}),
        ("gone.jpg", "approved", {"missing": 1}),
        ("raw.cr2", "approved", {"format": "cr2"}),
    ]
    file = tmp_path / "library.sqlite"
    with Store.open(file) as store, store.transaction() as connection:
        (number,) = store.landmark_ids([HALL])
        for index, (name, state, columns) in enumerate(rows):
            if name != "gone.jpg":
                Image.new("RGB", (40, 30), (index * 20, 90, 90)).save(folder / name, "JPEG")
            values = {
                "path": bytes(folder / name), "size": 1, "mtime_ns": 1, "inode": 1, "beside": "",
                "moment": 0, "sha256": name.encode(), "format": "jpeg", "landmark": number,
                "state": state, "tagged_at": "2024-05-17T18:30:00+02:00",
            } | columns  # fmt: skip
            connection.execute(
                f"INSERT INTO photo ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})",
                list(values.values()),
            )
    return file


def test_what_a_person_said_is_a_dataset(library: Path) -> None:
    """Of copies one; what shows no landmark are negatives; what cannot be read is skipped."""
    with Store.open(library, readonly=True) as store:
        found, counts = lessons(store), count_lessons(store)

    assert [photo.path.name for photo in found.photos] == ["a.jpg", "b.jpg"]
    assert {(p.label, p.place, p.category) for p in found.photos} == {("hall", "Aix", "palace")}
    assert found.landmarks == {"hall": HALL}
    assert [path.name for path in found.negatives] == ["none.jpg"]
    assert sorted(Path(row.path).name for row in found.skipped) == ["gone.jpg", "raw.cr2"]
    assert counts == {HALL: 3}  # the RAW file among them: nothing is opened to count


def test_commands_take_a_library_for_a_dataset(library: Path, tmp_path: Path) -> None:
    """Other negatives are added; what only folders have is refused."""
    Image.new("RGB", (40, 30)).save(tmp_path / "photos" / "other.jpg")

    assert is_library(library)
    assert not is_library(tmp_path / "photos" / "a.jpg")
    assert not is_library(tmp_path / "photos")
    assert len(read(library).photos) == 2
    assert len(read(library, negatives=tmp_path / "photos").negatives) == 6
    places = tmp_path / "places.csv"
    places.write_text("id,name,place,lat,lon\nhall,Hall of Aix,Aix-en-Provence,43.53,5.45\n")
    told = read(library, landmarks=places)
    assert told.landmarks["hall"].place == "Aix-en-Provence"
    assert told.places_from == {"hall": "--landmarks"}
    with pytest.raises(ConfigError, match="--levels"):
        read(library, levels="place,landmark")


def test_a_library_that_nobody_reviewed_teaches_nothing(tmp_path: Path) -> None:
    """The message says where to review."""
    Store.open(tmp_path / "l.sqlite").close()
    with pytest.raises(DatasetError, match="waymark serve --library"):
        read(tmp_path / "l.sqlite")


def test_landmarks_of_one_id_are_taught_apart(library: Path) -> None:
    """Two castles are two classes, whoever called both so; one castle described anew is one."""
    castles = [
        replace(HALL, place="Foix", lat=42.965, lon=1.605),
        replace(HALL, place="Conwy", lat=53.28, lon=-3.826),
        replace(HALL, place="Conway", lat=53.28, lon=-3.826),
    ]
    with Store.open(library) as store:
        for number, castle in zip((5, 6, 1), castles, strict=True):
            store.correct(number, castle)
        found = lessons(store)

    assert {photo.path.name: photo.label for photo in found.photos} == {
        "a.jpg": "Conwy/hall", "b.jpg": "hall", "new.jpg": "Foix/hall", "wrong.jpg": "Conwy/hall",
    }  # fmt: skip
    assert set(found.landmarks) == {"hall", "Foix/hall", "Conwy/hall"}


@pytest.mark.parametrize("gone", ["a.jpg", "b.jpg", "c.jpg"])
def test_of_copies_one_that_is_there_is_learnt_from(home: Any, gone: str) -> None:
    """Whichever of them went; and a picture whose file was rewritten is still one lesson."""
    first = home.photo("a.jpg", 0, taken="2020:01:01 10:00:00")
    for name in ("b.jpg", "c.jpg"):
        (home.folder / name).write_bytes(first.read_bytes())
    home.tag()
    home.store.approve([home.number("a.jpg")])
    (home.folder / gone).unlink()
    home.photo("b.jpg", 0, taken="2021:01:01 10:00:00")
    home.tag()

    assert (len(lessons(home.store).photos), lessons(home.store).skipped) == (1, ())
    assert list(count_lessons(home.store).values()) == [1]
    home.store.not_a_landmark([each.id for each in home.listed().values()])
    found = lessons(home.store)
    assert (len(found.negatives), found.photos, found.skipped) == (1, (), ())


def test_a_landmark_that_the_bundle_lacks_can_be_measured_all_the_same(home: Any) -> None:
    """The message says how; a library has no folders to rename."""
    home.photo("a.jpg", 0)
    home.tag()
    home.store.correct(home.number("a.jpg"), HALL)
    with pytest.raises(DatasetError, match=r"hall\. .*--absent-as-unknown.*waymark teach"):
        evaluate(home.recogniser, lessons(home.store))
    measured = evaluate(home.recogniser, lessons(home.store), absent_as_unknown=True)
    assert measured.figures
