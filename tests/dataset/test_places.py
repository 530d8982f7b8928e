"""Where the place of a landmark comes from, in the order that is promised."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from waymark.dataset.index import read_dataset
from waymark.dataset.places import count_places, estimate_places, say_places
from waymark.errors import GazetteerError


def exif(lat: float, lon: float) -> Image.Exif:
    """Make EXIF with a GPS position in degrees."""

    def dms(value: float) -> tuple[float, float, float]:
        value = abs(value)
        minutes = value % 1 * 60
        return (float(int(value)), float(int(minutes)), round(minutes % 1 * 60, 4))

    made = Image.Exif()
    made.get_ifd(0x8825).update(
        {1: "N" if lat >= 0 else "S", 2: dms(lat), 3: "E" if lon >= 0 else "W", 4: dms(lon)}
    )
    return made


def write(path: Path, text: str) -> Path:
    """Save a landmarks file."""
    path.write_text(f"id,name,place,lat,lon\n{text}\n", encoding="utf-8")
    return path


def test_an_exact_gazetteer_id_is_known(save, tmp_path: Path) -> None:
    """Name, place and category come from the gazetteer, which is said; near ids do not count."""
    save("colosseum/1.jpg"), save("Colosseum_2/1.jpg")

    dataset = read_dataset(tmp_path)

    assert dataset.landmarks["colosseum"].place == "Rome"
    assert dataset.places_from == {"colosseum": "gazetteer"}
    assert dataset.landmarks["Colosseum_2"].lat is None


def test_the_order_of_files(save, tmp_path: Path) -> None:
    """The given file comes before the one in the root, that before the gazetteer."""
    for label in ("colosseum", "petra", "stonehenge"):
        save(f"data/{label}/1.jpg")
    write(tmp_path / "data/landmarks.csv", "colosseum,C,Root,1,1\npetra,P,Root,1,1")
    given = write(tmp_path / "mine.csv", "colosseum,C,Given,2,2")

    dataset = read_dataset(tmp_path / "data", landmarks=given)

    assert dataset.places_from == {
        "colosseum": "--landmarks", "petra": "landmarks.csv", "stonehenge": "gazetteer",
    }  # fmt: skip
    assert [dataset.landmarks[label].place for label in dataset.labels[:2]] == ["Given", "Root"]
    assert dataset.landmarks["petra"].category == "ancient_site"  # the file does not say


def test_a_file_with_a_name_only_leaves_the_place_to_the_next(save, tmp_path: Path) -> None:
    """The own name is kept, the place found."""
    save("colosseum/1.jpg")
    write(tmp_path / "landmarks.csv", "colosseum,Kolosseum,,,")

    dataset = read_dataset(tmp_path)

    assert dataset.landmarks["colosseum"].name == "Kolosseum"
    assert dataset.landmarks["colosseum"].place == "Rome"


def test_the_dataset_says_the_category_first(save, tmp_path: Path) -> None:
    """A folder level overrides the gazetteer's category, and adds a place where none is known."""
    save("arena/colosseum/1.jpg")
    assert (
        read_dataset(tmp_path, levels="category,landmark").landmarks["colosseum"].category
        == "arena"
    )

    save("arena/mill/1.jpg")
    dataset = read_dataset(tmp_path, levels="place,landmark")
    assert dataset.landmarks["mill"].place == "arena"
    assert dataset.landmarks["colosseum"].place == "Rome"
    assert dataset.places_from == {"colosseum": "gazetteer", "mill": "dataset"}


@pytest.mark.parametrize("option", [True, False])
def test_a_wrong_landmarks_file_is_an_error(save, tmp_path: Path, option: bool) -> None:
    """Given or found in the root, its faults are not passed over."""
    save("data/mill/1.jpg")
    path = tmp_path / ("mine.csv" if option else "data/landmarks.csv")
    write(path, "mill,Mill,,95,0")

    with pytest.raises(GazetteerError, match="line 2: lat of 'mill' is 95"):
        read_dataset(tmp_path / "data", landmarks=path if option else None)


def test_gps_gives_the_median_and_is_marked(save, draw, tmp_path: Path) -> None:
    """Training photos' positions place a landmark that nothing else places."""
    for number, (lat, lon) in enumerate([(10, 20), (10.5, 20.5), (80, 150)]):
        save(f"train/mill/{number}.jpg", draw(number), exif=exif(lat, lon))
    save("test/mill/9.jpg", draw(9), exif=exif(-50, -50))
    save("train/tower/1.jpg")
    save("train/petra/1.jpg", draw(8), exif=exif(0, 0))

    dataset = estimate_places(read_dataset(tmp_path))
    mill = dataset.landmarks["mill"]

    assert (mill.lat, mill.lon, mill.estimated) == (10.5, 20.5, True)
    assert (dataset.landmarks["tower"].lat, dataset.landmarks["tower"].estimated) == (None, False)
    assert dataset.landmarks["petra"].lat == 30.3289
    assert dataset.places_from == {"mill": "photos", "petra": "gazetteer"}


def test_the_median_crosses_the_date_line(save, draw, tmp_path: Path) -> None:
    """Fiji is not put into Africa."""
    for number, lon in enumerate([179.5, -179.5, -179.0]):
        save(f"mill/{number}.jpg", draw(number), exif=exif(-17, lon))

    assert estimate_places(read_dataset(tmp_path)).landmarks["mill"].lon == -179.5


def test_broken_photos_have_no_position(save, tmp_path: Path) -> None:
    """A photo that cannot be read is passed over, and progress still ends."""
    save("mill/1.jpg")
    (tmp_path / "mill/2.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    calls = []

    dataset = estimate_places(
        read_dataset(tmp_path), progress=lambda done, total, _: calls.append((done, total))
    )

    assert dataset.landmarks["mill"].lat is None
    assert calls == [(1, 2), (2, 2)]


def test_places_are_counted_by_who_says_them(save, draw, tmp_path: Path) -> None:
    """Every landmark counts once, unknown ones last; some may be asked for."""
    save("petra/1.jpg")
    save("mill/1.jpg", draw(1), exif=exif(10, 20))
    save("tower/1.jpg")
    save("arch/1.jpg")

    dataset = estimate_places(read_dataset(tmp_path))

    assert count_places(dataset) == {"gazetteer": 1, "photos": 1, "unknown": 2}
    assert say_places(count_places(dataset)) == (
        "1 from the gazetteer, 1 estimated from photos, 2 unknown"
    )
    assert count_places(dataset, ["mill"]) == {"photos": 1}
    assert say_places(count_places(dataset, [])) == ""


def test_every_origin_has_words(save, tmp_path: Path) -> None:
    """A landmarks file, given or in the root, and the dataset's own places are named too."""
    save("data/arena/mill/1.jpg")
    save("data/arena/tower/1.jpg")
    save("data/arena/arch/1.jpg")
    write(tmp_path / "data/landmarks.csv", "tower,Tower,,1,2")
    write(tmp_path / "mine.csv", "mill,Mill,,1,2")

    dataset = read_dataset(
        tmp_path / "data", levels="place,landmark", landmarks=tmp_path / "mine.csv"
    )

    assert say_places(count_places(dataset)) == (
        "1 from --landmarks, 1 from landmarks.csv, 1 from the dataset"
    )
