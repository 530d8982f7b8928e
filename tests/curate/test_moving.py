"""Files are moved whole, or stay. What a kill does is tested in test_quarantine.py."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from waymark.curate import moving
from waymark.curate.moving import Move, move_all, same


def refuse(*_: object, **__: object) -> None:
    """Stand in for `os.link` between two file systems."""
    raise OSError(errno.EXDEV, "Invalid cross-device link")


@pytest.fixture(params=["within", "across"])
def disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Move within a file system, or as if across two."""
    if request.param == "across":
        monkeypatch.setattr(os, "link", refuse)
    return str(request.param)


def move_of(folder: Path, name: str) -> Move:
    """Return the move of a file from `here` to `there`."""
    return Move(
        source=folder / "here" / name, target=folder / "there" / name, half=folder / f".{name}.part"
    )


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return a folder with a file and a link in `here`."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "file").write_bytes(b"photo")
    (tmp_path / "here" / "file").chmod(0o440)
    os.utime(tmp_path / "here" / "file", ns=(1, 1_234_567_890_123_456_789))
    (tmp_path / "here" / "link").symlink_to("../nowhere")
    return tmp_path


def test_files_and_links_are_moved_as_they_are(files: Path, disk: str) -> None:
    """Content, permissions and time; a link keeps its target, even one that is not there."""
    before = (files / "here" / "file").stat()
    seen: list[tuple[int, int, str]] = []
    failed = move_all(
        [move_of(files, "file"), move_of(files, "link")],
        what="moving",
        progress=lambda *said: seen.append(said),
    )
    after = (files / "there" / "file").stat()

    assert not failed
    assert seen == [(1, 2, "moving"), (2, 2, "moving")]
    assert not list((files / "here").iterdir())
    assert (files / "there" / "file").read_bytes() == b"photo"
    assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
    assert (files / "there" / "link").readlink() == Path("../nowhere")
    assert not list(files.glob(".*.part"))


def test_nothing_is_written_over(files: Path, disk: str) -> None:
    """What is in the new place stays; the other files go on."""
    (files / "there").mkdir()
    (files / "there" / "file").write_bytes(b"other")
    failed = move_all([move_of(files, "file"), move_of(files, "link")], what="moving")

    assert list(failed) == [0]
    assert "exists" in failed[0]
    assert (files / "there" / "file").read_bytes() == b"other"
    assert (files / "here" / "file").read_bytes() == b"photo"
    assert not os.path.lexists(files / "here" / "link")


def test_what_is_in_both_places_is_taken_from_the_old(files: Path, disk: str) -> None:
    """As a kill leaves it; a copy that it left half made goes too."""
    (files / "there").mkdir()
    (files / "there" / "file").write_bytes(b"photo")
    (files / ".file.part").write_bytes(b"pho")

    assert not move_all([move_of(files, "file")], what="moving")
    assert not (files / "here" / "file").exists()
    assert not (files / ".file.part").exists()


def test_one_place_under_two_names_keeps_its_file(files: Path) -> None:
    """Where the new folder is the old one, reached another way, nothing is removed."""
    (files / "there").symlink_to("here")
    failed = move_all([move_of(files, "file")], what="moving")

    assert failed == {0: "both places are one"}
    assert (files / "here" / "file").read_bytes() == b"photo"


def test_a_copy_that_is_not_the_same_is_not_taken(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that errs while copying costs no photo."""

    def err(source: object, copy: Callable[[bytes], int]) -> None:
        copy.write(b"phot?")  # type: ignore[attr-defined]

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(moving.shutil, "copyfileobj", err)
    failed = move_all([move_of(files, "file")], what="moving")

    assert "not as the file is" in failed[0]
    assert (files / "here" / "file").read_bytes() == b"photo"
    assert not (files / "there" / "file").exists()
    assert not (files / ".file.part").exists()


def test_folders_and_missing_files_stay(files: Path) -> None:
    """Only files and links are moved."""
    (files / "here" / "folder").mkdir()
    failed = move_all([move_of(files, "folder"), move_of(files, "none")], what="moving")

    assert set(failed) == {0, 1}
    assert (files / "here" / "folder").is_dir()


def test_links_are_compared_by_where_they_point(files: Path) -> None:
    """Not by what is there; a link and a file are never the same."""
    here = files / "here"
    (here / "again").symlink_to("../nowhere")
    (here / "other").symlink_to("file")
    (here / "copy").write_bytes(b"photo")

    assert same(here / "link", here / "again")
    assert not same(here / "link", here / "other")
    assert not same(here / "other", here / "file")
    assert same(here / "copy", here / "file")


def test_nothing_is_copied_out_of_a_read_only_folder(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Across file systems, a copy of what cannot be taken away would be a second photo."""
    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) != files / "here")
    failed = move_all([move_of(files, "file")], what="")

    assert failed == {0: "its folder is read-only"}
    assert (files / "here" / "file").read_bytes() == b"photo"
    assert not list((files / "there").iterdir())
