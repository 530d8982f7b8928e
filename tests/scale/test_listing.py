"""Parts: every photo in one of them, and the same ones the next time."""

from __future__ import annotations

import os
import unicodedata
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import fs

from waymark.dataset.index import Skipped
from waymark.errors import ConfigError
from waymark.scale.listing import Part, list_parts, quoted
from waymark.scale.place import find_place


def store(root: Path) -> object:
    """Return a folder as if it were an object store."""
    return fs.SubTreeFileSystem(str(root), fs.LocalFileSystem())


@pytest.mark.parametrize("part_photos", [1, 3, 100])
def test_every_photo_is_in_one_part(photos: Path, part_photos: int) -> None:
    """Parts are never too large, never mix prefixes, and hold each photo once."""
    parts = list(list_parts(find_place(photos), part_photos=part_photos))
    names = [name for part in parts for name in part.names]

    assert len(names) == len(set(names)) == 24
    assert all(0 < len(part.names) <= part_photos for part in parts)
    assert all(str(Path(n).parent) == (p.prefix or ".") for p in parts for n in p.names)
    assert len({(part.folder, part.number) for part in parts}) == len(parts)


def test_parts_are_the_same_the_next_time(photos: Path) -> None:
    """Two listings of the same photos are equal."""
    place = find_place(photos)
    assert list(list_parts(place)) == list(list_parts(place))


def test_a_store_offers_what_content_must_tell(photos: Path) -> None:
    """In an object store nothing is opened: what is not named like another thing may be a photo."""
    place = find_place("s3://photos", filesystem=store(photos.parent))
    by_store = {n for p in list_parts(place) for n in p.names}
    local = {n for p in list_parts(find_place(photos)) for n in p.names}

    assert by_store == {"thing", *local}


class Google:
    """Google's store as pyarrow lists it: files, but no prefix that is not an object itself."""

    type_name = "gcs"

    def __init__(self, root: Path) -> None:
        self._all = store(root)

    def get_file_info(self, selector: fs.FileSelector) -> list[fs.FileInfo]:
        """List what a prefix holds."""
        return [entry for entry in self._all.get_file_info(selector) if entry.is_file]


def test_prefixes_that_google_does_not_list_are_found(photos: Path) -> None:
    """The parts are those of any other store."""
    ours, other = Google(photos.parent), store(photos.parent)
    by_google, by_other = (
        list(list_parts(find_place("s3://photos", filesystem=each), part_photos=3))
        for each in (ours, other)
    )

    key = attrgetter("prefix", "number")
    assert sorted(by_google, key=key) == sorted(by_other, key=key)
    prefixes = [prefix for prefix, _ in groupby(by_google, attrgetter("prefix"))]
    assert len(prefixes) == len(set(prefixes)) > 3


class Odd:
    """A store with keys that have an empty part, as pyarrow lists S3, and a prefix that goes."""

    type_name = "s3"

    def get_file_info(self, selector: fs.FileSelector) -> list[fs.FileInfo]:
        """List what a prefix holds."""
        folder, file = fs.FileType.Directory, fs.FileType.File
        match selector.base_dir:
            case "b":
                named = {"b/": folder, "b/dbl": folder, "b/gone": folder, "b/a.jpg": file}
            case "b/dbl":
                named = {"b/dbl": folder, "b/dbl/y.jpg": file}  # the first is b/dbl//
            case _:
                assert selector.allow_not_found
                named = {}
        return [fs.FileInfo(path, type=kind, size=1) for path, kind in named.items()]


def test_keys_with_an_empty_part_are_said_and_passed_over() -> None:
    """pyarrow cannot read them; all others are found. A prefix that has gone is an empty one."""
    found = list(list_parts(find_place("s3://b", filesystem=Odd())))

    assert [each.path for each in found if isinstance(each, Skipped)] == ["s3://b", "s3://b/dbl"]
    names = [each.names for each in found if isinstance(each, Part)]
    assert names == [("a.jpg",), ("dbl/y.jpg",)]


def test_results_are_no_photos(photos: Path, tmp_path: Path) -> None:
    """What a run keeps among photos of a store is not fetched to see whether it is one."""
    names = ("_bundle.waymark", "prefix=a/_part-00000.tries", "_x.json.0a.partial", "a.jpg")
    for name in names:
        (tmp_path / "b" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "b" / name).touch()
    (part,) = list_parts(find_place("s3://b", filesystem=store(tmp_path)))

    assert part.names == ("a.jpg",)


def test_broken_photos_are_found_by_their_bytes(tmp_path: Path) -> None:
    """Whatever form of Unicode, or none, the folders above them have."""
    folders = [unicodedata.normalize("NFD", "Île").encode(), b"\xff"]
    for folder in (tmp_path / os.fsdecode(name) for name in folders):
        folder.mkdir()
        (folder / "bad.jpg").write_bytes(b"no photo")
    parts = list(list_parts(find_place(tmp_path)))

    assert {os.fsencode(part.prefix) for part in parts} == set(folders)
    assert all((tmp_path / name).is_file() for part in parts for name in part.names)


def test_a_closed_folder_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be looked into is not passed over in silence (played: root may read all)."""
    for name in ("open", "closed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jpg").write_bytes(b"no photo")
    (tmp_path / "open" / "again").symlink_to(tmp_path / "open")
    scandir = os.scandir

    def refuse(path: Path) -> Any:
        if path.name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = list(list_parts(find_place(tmp_path)))

    assert [each.names for each in found if isinstance(each, Part)] == [("open/a.jpg",)]
    (skipped,) = [each for each in found if isinstance(each, Skipped)]
    assert skipped.path == str(tmp_path / "closed")
    assert "permission denied" in skipped.reason


def test_a_changed_photo_changes_its_part(photos: Path) -> None:
    """A photo of another size gives the part another hash."""
    part = next(list_parts(find_place(photos)))
    sizes = (part.sizes[0] + 1, *part.sizes[1:])
    grown = Part(prefix=part.prefix, number=part.number, names=part.names, sizes=sizes)

    assert grown.listing != part.listing


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=300))
def test_a_prefix_is_one_level_of_a_path(prefix: str) -> None:
    """A prefix gives one short, plain name; a short one can be read back from it."""
    name = quoted(prefix)

    assert name.isascii()
    assert "/" not in name
    assert len(f"prefix={name}") < 256
    assert "~" in name or unquote(name) == prefix


def test_names_that_are_no_text_stay_apart() -> None:
    """Two folders whose bytes are no text get two names."""
    assert quoted("a\udcff") != quoted("a\udcfe")


def test_no_such_folder_is_said(tmp_path: Path) -> None:
    """A folder that is not there is the user's error; so is a part of no photos."""
    with pytest.raises(ConfigError, match="is not a folder"):
        list(list_parts(find_place(tmp_path / "none")))
    with pytest.raises(ConfigError, match="cannot be listed"):
        list(list_parts(find_place("s3://b/none", filesystem=store(tmp_path))))
    with pytest.raises(ConfigError, match="at least 1"):
        list(list_parts(find_place(tmp_path), part_photos=0))
