"""A dataset is a folder of any accepted shape; what cannot be used is said, not fatal."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from waymark.dataset import index
from waymark.dataset.index import list_photos, read_dataset, why_not_photo
from waymark.errors import ConfigError, DatasetError, WaymarkError
from waymark.photo import read_photo


def test_a_folder_a_label(save, tmp_path: Path) -> None:
    """`label/photo.jpg`: the folder's name is the label, one photo is enough for one."""
    for name in ("mill/1.jpg", "mill/2.png", "07.Old_Tower/1.webp"):
        save(name)

    dataset = read_dataset(tmp_path)

    assert dataset.counts() == {"07.Old_Tower": 1, "mill": 2}
    assert dataset.labels == ("07.Old_Tower", "mill")
    assert dataset.landmarks["07.Old_Tower"].name == "Old Tower"
    assert dataset.name == tmp_path.name
    assert (dataset.splits, dataset.negatives, dataset.skipped) == ((), (), ())
    assert [photo.path for photo in dataset.photos] == sorted(p.path for p in dataset.photos)


def test_folders_of_splits(save, tmp_path: Path) -> None:
    """`train|val|test/label/photo.jpg`: each side keeps the labels of the whole."""
    for name in ("train/mill/1.jpg", "train/tower/1.jpg", "val/mill/2.jpg", "test/mill/3.jpg"):
        save(name)

    dataset = read_dataset(tmp_path)

    assert dataset.splits == ("train", "val", "test")
    assert [p.path.name for p in dataset.of_split("test").photos] == ["3.jpg"]
    assert dataset.of_split("test").labels == ("mill", "tower")
    assert dataset.of_split("test").counts() == {"mill": 1, "tower": 0}


def test_of_split_names_what_there_is(save, tmp_path: Path) -> None:
    """A split that is not there is an error that lists the others."""
    save("train/mill/1.jpg")

    with pytest.raises(DatasetError, match="no photos for 'test'; it has train"):
        read_dataset(tmp_path).of_split("test")


@pytest.mark.parametrize("level", ["category", "place"])
def test_two_levels(save, tmp_path: Path, level: str) -> None:
    """`--levels` says what the outer folder is, also below folders of splits."""
    for name in ("train/old_town/mill/1.jpg", "test/old_town/mill/2.jpg"):
        save(name)

    dataset = read_dataset(tmp_path, levels=f"{level},landmark")

    assert dataset.counts() == {"mill": 2}
    assert getattr(dataset.landmarks["mill"], level).replace("_", " ") == "old town"


def test_two_levels_unsaid_is_an_error_with_the_option(save, tmp_path: Path) -> None:
    """Two folder levels without `--levels` names it."""
    save("bridge/old_bridge/1.jpg")

    with pytest.raises(DatasetError, match="--levels category,landmark or --levels place,landmark"):
        read_dataset(tmp_path)


def test_a_stray_photo_is_no_level(save, tmp_path: Path) -> None:
    """One photo too deep among twenty is told of, and the others are a dataset."""
    for i in range(20):
        save(f"tower/{i}.jpg")
    save("tower/edited/0.jpg")

    found = read_dataset(tmp_path)

    assert len(found.photos) == 20
    assert [row.reason for row in found.skipped] == ["misplaced; expected label/photo.jpg"]


def test_equal_names_under_two_parents(save, tmp_path: Path) -> None:
    """They become `parent/name`; a name that is unique stays as it is."""
    for name in ("nice/opera/1.jpg", "avignon/opera/1.jpg", "nice/port/1.jpg"):
        save(name)

    dataset = read_dataset(tmp_path, levels="place,landmark")

    assert dataset.labels == ("avignon/opera", "nice/opera", "port")
    assert dataset.landmarks["nice/opera"].name == "opera (nice)"


@pytest.mark.parametrize(
    "levels", ["landmark,place", "city,landmark", "", "place", "place,place,landmark"]
)
def test_wrong_levels(save, tmp_path: Path, levels: str) -> None:
    """Names that mean nothing are an error with those that do."""
    save("a/b/1.jpg")

    with pytest.raises(ConfigError, match="use category,landmark or place,landmark"):
        read_dataset(tmp_path, levels=levels)


def test_unknown_is_never_a_label(save, tmp_path: Path) -> None:
    """Photos of `unknown`, at any depth and in any split, are negatives."""
    for name in (
        "train/mill/1.jpg",
        "train/unknown/a/b/2.jpg",
        "test/mill/3.jpg",
        "test/unknown/4.jpg",
    ):
        save(name)

    dataset = read_dataset(tmp_path)

    assert dataset.labels == ("mill",)
    assert len(dataset.negatives) == 2
    assert [path.name for path in dataset.of_split("test").negatives] == ["4.jpg"]


def test_unknown_beside_splits_belongs_to_each(save, tmp_path: Path) -> None:
    """Negatives without a split go with every split."""
    for name in ("train/mill/1.jpg", "test/mill/2.jpg", "unknown/3.jpg"):
        save(name)

    dataset = read_dataset(tmp_path)

    assert len(dataset.of_split("train").negatives) == len(dataset.of_split("test").negatives) == 1


def test_more_negatives_from_any_folder(save, tmp_path: Path) -> None:
    """`negatives` adds photos of any depth; train and test above them count."""
    for name in ("data/mill/1.jpg", "data/unknown/2.jpg", "no/deep/deeper/3.jpg", "no/test/4.jpg"):
        save(name)

    dataset = read_dataset(tmp_path / "data", negatives=tmp_path / "no")

    assert [path.name for path in dataset.negatives] == ["2.jpg", "3.jpg", "4.jpg"]
    assert dataset.negative_splits == (None, None, "test")


def test_negatives_that_the_dataset_has_are_left_out(save, tmp_path: Path) -> None:
    """A labelled photo is no negative, and none counts twice, whatever way leads to it."""
    save("data/mill/1.jpg")
    save("data/unknown/2.jpg")
    save("no/3.jpg")
    (tmp_path / "no/all").symlink_to(tmp_path / "data")

    dataset = read_dataset(tmp_path / "data", negatives=tmp_path / "no")

    assert dataset.counts() == {"mill": 1}
    assert [path.name for path in dataset.negatives] == ["2.jpg", "3.jpg"]


def test_negatives_without_photos_is_an_error(save, tmp_path: Path) -> None:
    """An empty folder of negatives is a mistake, and so is a file."""
    save("data/mill/1.jpg")
    (tmp_path / "no").mkdir()

    for path, message in ((tmp_path / "no", "has no photos"), (tmp_path / "x", "not a folder")):
        with pytest.raises(DatasetError, match=message):
            read_dataset(tmp_path / "data", negatives=path)


def test_photos_are_found_by_content(save, tmp_path: Path) -> None:
    """A JPEG named .dat is a photo; a text, an empty file and a page named like photos are not."""
    save("mill/1.jpg").rename(tmp_path / "mill/1.dat")
    save("mill/2.jpg").rename(tmp_path / "mill/no-suffix")
    (tmp_path / "mill/words.JPG").write_text("not a photo")
    (tmp_path / "mill/page.webp").write_text("<html>404</html>")
    (tmp_path / "mill/nothing.png").touch()
    for plain in ("README.txt", "notes.csv", "Thumbs.db", "empty"):
        (tmp_path / "mill" / plain).touch()

    dataset = read_dataset(tmp_path)

    assert {photo.path.name for photo in dataset.photos} == {"1.dat", "no-suffix"}
    assert {Path(row.path).name: row.reason for row in dataset.skipped} == {
        "words.JPG": "named like a photo, but its content is not one",
        "page.webp": "named like a photo, but its content is not one",
        "nothing.png": "an empty file",
    }


def test_hidden_files_are_passed_over(save, tmp_path: Path) -> None:
    """Neither counted nor reported: what begins with a dot, and systems' own folders."""
    save("mill/1.jpg")
    for name in ("mill/.2.jpg", ".git/3.jpg", "__MACOSX/mill/4.jpg", "mill/@eaDir/5.jpg"):
        save(name)

    dataset = read_dataset(tmp_path)

    assert (dataset.counts(), dataset.skipped) == ({"mill": 1}, ())


def test_misplaced_photos_are_reported(save, tmp_path: Path) -> None:
    """A photo beside the label folders is skipped with what was expected."""
    for name in ("mill/1.jpg", "stray.jpg"):
        save(name)

    (row,) = read_dataset(tmp_path).skipped

    assert (Path(row.path).name, row.reason) == ("stray.jpg", "misplaced; expected label/photo.jpg")


def test_a_label_without_photos_is_reported(save, tmp_path: Path) -> None:
    """An empty folder is no class, and is said."""
    save("mill/1.jpg")
    (tmp_path / "tower").mkdir()

    dataset = read_dataset(tmp_path)

    assert dataset.labels == ("mill",)
    assert [row.reason for row in dataset.skipped] == ["a folder without photos"]


def test_other_folders_beside_splits_are_an_error(save, tmp_path: Path) -> None:
    """A label beside train/ would silently be lost or leak."""
    for name in ("train/mill/1.jpg", "mill/2.jpg"):
        save(name)

    with pytest.raises(DatasetError, match="beside them, 'mill'"):
        read_dataset(tmp_path)


def test_nothing_usable_says_why(save, tmp_path: Path) -> None:
    """An empty folder, only broken files, only negatives: each says what is there."""
    with pytest.raises(DatasetError, match=r"no photos with a label; expected label/photo\.jpg"):
        read_dataset(tmp_path)
    (tmp_path / "mill").mkdir()
    (tmp_path / "mill/1.jpg").touch()
    with pytest.raises(DatasetError, match="1 files were skipped, most of them: an empty file"):
        read_dataset(tmp_path)
    save("unknown/1.jpg")
    with pytest.raises(DatasetError, match="negatives"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("name", ["missing", "file.txt", "photo.jpg"])
def test_neither_folder_nor_manifest(save, tmp_path: Path, name: str) -> None:
    """A path that is not there, and a file that is no table, say what was expected."""
    save("photo.jpg")
    (tmp_path / "file.txt").touch()

    with pytest.raises(DatasetError, match="expected a folder of photos"):
        read_dataset(tmp_path / name)


def test_loops_of_links_end(save, tmp_path: Path) -> None:
    """A link to a folder above is read once and reported; a link to itself is no photo."""
    save("mill/1.jpg")
    (tmp_path / "mill/again").symlink_to(tmp_path)
    (tmp_path / "mill/self.jpg").symlink_to("self.jpg")
    (tmp_path / "mill/gone.jpg").symlink_to("nowhere")

    dataset = read_dataset(tmp_path)

    assert dataset.counts() == {"mill": 1}
    reasons = [row.reason for row in dataset.skipped]
    assert len(reasons) == 3
    assert {"a broken link or no such file", "a link to a folder read already"} < set(reasons)


def test_linked_photos_and_folders_count(save, tmp_path: Path) -> None:
    """A dataset may be made of links."""
    one = save("elsewhere/1.jpg")
    (tmp_path / "data/mill").mkdir(parents=True)
    (tmp_path / "data/mill/1.jpg").symlink_to(one)
    (tmp_path / "data/tower").symlink_to(one.parent)

    assert read_dataset(tmp_path / "data").counts() == {"mill": 1, "tower": 1}


def test_a_pipe_named_like_a_photo_does_not_hang(save, tmp_path: Path) -> None:
    """Only regular files are opened."""
    save("mill/1.jpg")
    os.mkfifo(tmp_path / "mill/2.jpg")

    assert [row.reason for row in read_dataset(tmp_path).skipped] == ["not a regular file"]


def test_folders_that_may_not_be_read_are_skipped(save, tmp_path: Path, monkeypatch) -> None:
    """The rest of the dataset is read."""
    save("mill/1.jpg")
    save("tower/1.jpg")
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "tower":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(index.os, "scandir", refuse)
    dataset = read_dataset(tmp_path)

    assert dataset.labels == ("mill",)
    assert [row.reason for row in dataset.skipped] == ["cannot be read (permission denied)"]


def test_strange_names(save, tmp_path: Path) -> None:
    """Bytes that are no text, control codes and two spellings of one letter become one label."""
    photo = save("Ville e\u0301/1.jpg")
    save("Ville \u00e9/2.jpg")
    folder = tmp_path / os.fsdecode(b"caf\xe9\n")
    folder.mkdir()
    (folder / "3.jpg").write_bytes(photo.read_bytes())

    dataset = read_dataset(tmp_path)

    assert dataset.counts() == {"Ville \u00e9": 2, "caf\ufffd\ufffd": 1}
    assert all(read_photo(photo.path).size == (96, 72) for photo in dataset.photos)


def test_list_photos_of_any_depth(save, tmp_path: Path) -> None:
    """All photos, sorted, and what was skipped; a file is refused."""
    paths = sorted([save("b/1.jpg"), save("a/c/d/2.gif"), save("3.bmp")])
    (tmp_path / "b/bad.tiff").touch()

    photos, skipped = list_photos(tmp_path)

    assert photos == paths
    assert [row.reason for row in skipped] == ["an empty file"]
    with pytest.raises(DatasetError, match="not a folder"):
        list_photos(tmp_path / "3.bmp")


def test_with_photos_keeps_only_their_labels(save, tmp_path: Path) -> None:
    """A part of the photos has a part of the labels."""
    for name in ("mill/1.jpg", "tower/1.jpg"):
        save(name)
    dataset = read_dataset(tmp_path)

    part = dataset.with_photos(photo for photo in dataset.photos if photo.label == "mill")

    assert part.labels == ("mill",)
    assert part.landmarks["mill"] == dataset.landmarks["mill"]


def test_why_not_photo_of_a_name_with_nul() -> None:
    """A path that no file can have is a reason, not a crash."""
    assert "cannot be read" in (why_not_photo(Path("a\0.jpg")) or "")


def test_every_error_is_a_users_error() -> None:
    """What a dataset can do wrong is translated by the command line."""
    assert issubclass(DatasetError, WaymarkError)


@pytest.mark.shared
def test_the_shared_datasets(shared: Path) -> None:
    """The shapes that the world and provence photos come in are read whole."""
    world = read_dataset(shared / "data/world")
    provence = read_dataset(shared / "data/provence", levels="place,landmark")

    assert (len(world.labels), len(world.of_split("train").photos)) == (54, 20_029)
    assert all(place.lat is not None for place in world.landmarks.values())
    assert set(world.places_from.values()) == {"gazetteer"}
    assert (len(provence.labels), len(provence.photos)) == (23, 1_391)
    assert provence.landmarks["velodrome"].place == "marseille"
