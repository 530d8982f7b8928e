"""A split as folders: the same dataset again, and the photos untouched."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from waymark.dataset.folders import check_outside, materialise_split
from waymark.dataset.index import Dataset, read_dataset
from waymark.dataset.split import split_dataset
from waymark.errors import ConfigError


@pytest.fixture
def parted(save, tmp_path: Path) -> Dataset:
    """Two landmarks of ten photos each, and some negatives."""
    for number in range(10):
        save(f"in/mill/{number}.jpg")
        save(f"in/tower bridge/{number}.jpg")
        save(f"in/unknown/{number}.png")
    return split_dataset(read_dataset(tmp_path / "in"), val=0.2, test=0.2)


@pytest.mark.parametrize("how", ["copy", "link"])
def test_the_folders_are_the_dataset_again(parted: Dataset, tmp_path: Path, how: str) -> None:
    """Labels, splits and bytes are the same; the photos stay where they were."""
    before = {path: path.read_bytes() for path in (tmp_path / "in").rglob("*.*")}

    counts = materialise_split(parted, tmp_path / "out", how=how)  # type: ignore[arg-type]
    again = read_dataset(tmp_path / "out")

    assert sum(counts.values()) == 30
    assert again.labels == parted.labels

    def said(data: Dataset) -> Counter[tuple[str | None, str, bytes]]:
        return Counter((p.split, p.label, p.path.read_bytes()) for p in data.photos)

    assert said(again) == said(parted)
    assert Counter(again.negative_splits) == Counter(parted.negative_splits)
    assert {path: path.read_bytes() for path in before} == before
    photos = (tmp_path / "out").rglob("*.[jp][pn]g")
    assert all(path.is_symlink() == (how == "link") for path in photos)


def test_photos_of_one_name_are_told_apart(save, tmp_path: Path) -> None:
    """A manifest may take photos of one name from several folders."""
    for folder in "abc":
        save(f"{folder}/1.jpg")
    save("a/1-1.jpg")
    rows = "a/1.jpg,x,train\na/1-1.jpg,x,train\nb/1.jpg,x,train\nc/1.jpg,x,train\n"
    (tmp_path / "m.csv").write_text("path,label,split\n" + rows)

    materialise_split(read_dataset(tmp_path / "m.csv"), tmp_path / "out")

    found = {path.read_bytes() for path in (tmp_path / "out" / "train" / "x").iterdir()}
    assert found == {path.read_bytes() for path in tmp_path.glob("[abc]/*.jpg")}


def test_a_folder_in_use_is_left_alone(parted: Dataset, tmp_path: Path) -> None:
    """Nothing of a user's is overwritten."""
    with pytest.raises(ConfigError, match="not an empty folder"):
        materialise_split(parted, tmp_path / "in")


def test_categories_and_places_stay(save, tmp_path: Path) -> None:
    """What two folder levels said of a landmark is in landmarks.csv."""
    for number in range(5):
        save(f"in/tower/north/{number}.jpg")
        save(f"in/bridge/=old/{number}.jpg")
    data = read_dataset(tmp_path / "in", levels="category,landmark")
    materialise_split(split_dataset(data, val=0.2), tmp_path / "out")

    again = read_dataset(tmp_path / "out")
    assert {label: again.landmarks[label].category for label in again.labels} == {
        "north": "tower",
        "=old": "bridge",
    }


def test_not_into_the_dataset_itself(tmp_path: Path) -> None:
    """It would have every photo twice from then on; beside a manifest there is room."""
    (tmp_path / "m.csv").touch()
    check_outside(tmp_path / "m.csv", tmp_path / "parts")
    with pytest.raises(ConfigError, match="lies within the dataset"):
        check_outside(tmp_path, tmp_path / "parts")


def test_what_fails_leaves_nothing_behind(parted: Dataset, tmp_path: Path) -> None:
    """A photo that is gone ends it, and half a dataset is not left lying."""
    parted.photos[7].path.unlink()

    with pytest.raises(FileNotFoundError):
        materialise_split(parted, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_photos_without_a_split_are_refused(parted: Dataset, tmp_path: Path) -> None:
    """They have no folder to go to."""
    with pytest.raises(ConfigError, match="belongs to no split"):
        materialise_split(read_dataset(tmp_path / "in"), tmp_path / "out")
