"""Rows of a part: of photos that cannot be had, and of what is no photo."""

from __future__ import annotations

import json
import os
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from pyarrow import fs

from waymark import Recogniser
from waymark.bundle.tiny import tiny_bundle
from waymark.scale.listing import Part, list_parts
from waymark.scale.place import find_place
from waymark.scale.recognise import Recognised, recognise


@pytest.fixture(scope="module")
def tiny() -> Recogniser:
    """Return a recogniser that is quick."""
    return Recogniser(tiny_bundle(4))


def done(tiny: Recogniser, root: Path, *, store: bool = False) -> Recognised:
    """Recognise the only part of a folder, as a folder or as a store."""
    sub = fs.SubTreeFileSystem(str(root.parent), fs.LocalFileSystem()) if store else None
    place = find_place(f"s3://{root.name}" if store else root, filesystem=sub)
    (part,) = list_parts(place)
    assert isinstance(part, Part)
    return recognise(tiny, place, part)


def test_a_file_that_may_not_be_read_is_worth_another_run(
    tiny: Recogniser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it may be, its row is made anew: its name and size do not tell (played)."""
    (tmp_path / "a.jpg").write_bytes(b"no photo")
    (tmp_path / "b.jpg").write_bytes(b"no photo")
    opening = os.open

    def refuse(path: Any, *rest: Any, **more: Any) -> int:
        if os.fspath(path) == str(tmp_path / "a.jpg"):
            raise PermissionError(13, "Permission denied")
        return opening(path, *rest, **more)

    monkeypatch.setattr(os, "open", refuse)
    found = done(tiny, tmp_path)

    assert (found.failed, found.unfetched) == (2, 1)
    assert found.why.startswith("cannot be opened (Permission denied)")


def test_a_broken_link_is_not(tiny: Recogniser, tmp_path: Path) -> None:
    """Once it leads somewhere, the size of its part's photos changes: that is enough."""
    (tmp_path / "a.jpg").symlink_to(tmp_path / "gone.jpg")
    found = done(tiny, tmp_path)

    assert (found.failed, found.unfetched) == (1, 0)


def test_what_a_store_does_not_hand_out_is(tiny: Recogniser, tmp_path: Path) -> None:
    """The row says why, and that another run may have more luck."""
    place = find_place("s3://b", filesystem=fs.SubTreeFileSystem("/", fs.LocalFileSystem()))
    found = recognise(tiny, place, Part(prefix="", number=0, names=("a.jpg",), sizes=(9,)))

    assert (found.failed, found.unfetched) == (1, 1)
    assert found.rows[0]["error"].startswith("s3://b/a.jpg: cannot be fetched (")


@pytest.mark.parametrize("store", [False, True])
def test_a_film_of_any_size_has_no_row(
    tiny: Recogniser, tmp_path: Path, photos: Path, store: bool
) -> None:
    """What is too large to be opened is told by its beginning, unless it is named like a photo."""
    root = tmp_path / "root"
    root.mkdir()
    for name in ("film", "film.jpg"):
        (root / name).write_bytes(b"\0\0\0\x18ftypisom\0\0\0\0isommp42")
        os.truncate(root / name, 300 * 2**20)
    found = done(tiny, root, store=store)

    assert [Path(row["photo"]).name for row in found.rows] == ["film.jpg"]
    assert "at most 268,435,456" in found.rows[0]["error"]
    assert (found.unfetched, found.other) == (0, 1 if store else 0)


def test_names_in_any_form_are_those_of_predict(tiny: Recogniser, tmp_path: Path) -> None:
    """Not NFC, not text: the file is found, and called as it is."""
    root = tmp_path / unicodedata.normalize("NFD", "Île") / os.fsdecode(b"\xff")
    root.mkdir(parents=True)
    (root / "bad.jpg").write_bytes(b"no photo")
    (row,) = done(tiny, root).rows
    (said,) = tiny.predict_many([root / "bad.jpg"])

    assert json.loads(row["json"]) == said.to_dict()
    assert row["photo"].isprintable()
