"""A photo's sidecar is found, and replaced in one step or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from waymark.errors import SidecarError
from waymark.library.sidecar_file import (
    Folder,
    digest,
    read_file,
    remove_file,
    replace_file,
)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["a.jpg"], []),
        (["a.jpg", "a.jpg.xmp"], ["a.jpg.xmp"]),
        (["a.jpg", "a.jpg.XMP", "b.xmp"], ["a.jpg.XMP"]),
        (["a.jpg", "a.Xmp"], ["a.Xmp"]),
        (["a.jpg", "a.xmp", "a.jpg.xmp"], ["a.jpg.xmp", "a.xmp"]),
        (["a.jpg", "a.CR2", "a.xmp"], ["a.xmp"]),
        (["a.jpg", "a.mov", "a.xmp"], ["a.xmp"]),
        (["a.jpg", "a.png", "a.xmp"], []),
        (["a.jpg", "A.xmp"], []),
    ],
)
def test_which_sidecar_is_a_photos(names: list[str], found: list[str]) -> None:
    """`photo.jpg.xmp` always; `photo.xmp` where no other photo could mean it."""
    assert [path.name for path in Folder(names).sidecars(Path("x/a.jpg"))] == found


def test_names_of_new_sidecars() -> None:
    """Adobe's name where it is free of doubt, ours otherwise."""
    photo = Path("x/a.jpg")

    assert Folder(["a.jpg"]).new_sidecar(photo, "default").name == "a.jpg.xmp"
    assert Folder(["a.jpg"]).new_sidecar(photo, "adobe").name == "a.xmp"
    assert Folder(["a.jpg", "a.png"]).new_sidecar(photo, "adobe").name == "a.jpg.xmp"
    assert Folder([".jpg"]).new_sidecar(Path(".jpg"), "adobe").name == ".jpg.xmp"


def swap(path: Path, old: bytes | None, new: bytes) -> None:
    """Replace a file with the photo `a.jpg` beside it."""
    photo, part = path.with_name("a.jpg"), path.with_name(".waymark-1.part")
    replace_file(path, new, expected=digest(old), part=part, like=photo)


def test_a_file_is_replaced_and_stays_its_owners(tmp_path: Path) -> None:
    """Permissions are kept, and nothing else is left in the folder."""
    path = tmp_path / "a.xmp"
    path.write_bytes(b"old")
    path.chmod(0o640)
    swap(path, b"old", b"new")

    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in tmp_path.iterdir()] == ["a.xmp"]


def test_a_new_file_is_no_more_open_than_its_photo(tmp_path: Path) -> None:
    """The sidecar of a private photo is private."""
    (tmp_path / "a.jpg").touch(mode=0o600)
    swap(tmp_path / "a.xmp", None, b"new")

    assert (tmp_path / "a.xmp").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("mode", "kept", "expected"),
    [(0o640, True, 0o640), (0o640, False, 0o600), (0o604, False, 0o600), (0o644, False, 0o644)],
)
def test_a_new_file_is_of_its_photos_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, kept: bool, expected: int
) -> None:
    """Or it is closed to those whom the photo is closed to, where the group cannot be kept."""
    photo = tmp_path / "a.jpg"
    photo.touch()
    group = photo.stat().st_gid + 1
    try:
        os.chown(photo, -1, group)
    except OSError:
        pytest.skip("only root may give a file to any group")
    photo.chmod(mode)

    def refuse(*_: object) -> None:
        raise PermissionError

    if not kept:
        monkeypatch.setattr(os, "fchown", refuse)
    swap(tmp_path / "a.xmp", None, b"new")

    found = (tmp_path / "a.xmp").stat()
    assert (found.st_mode & 0o777, found.st_gid == group) == (expected, kept)


def test_the_umask_counts_for_new_files(tmp_path: Path) -> None:
    """Who closes all that they make to others closes sidecars, too."""
    (tmp_path / "a.jpg").touch()
    (tmp_path / "a.jpg").chmod(0o644)
    mask = os.umask(0o027)
    try:
        swap(tmp_path / "a.xmp", None, b"new")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(mask)

    assert (tmp_path / "a.xmp").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("now", [b"saved by somebody", None])
def test_a_file_that_was_changed_meanwhile_is_left(tmp_path: Path, now: bytes | None) -> None:
    """Another program's save wins, whatever it did."""
    path = tmp_path / "a.xmp"
    if now is not None:
        path.write_bytes(now)

    with pytest.raises(SidecarError, match="meantime"):
        swap(path, b"old", b"new")
    assert read_file(path) == now
    assert not list(tmp_path.glob(".waymark-*"))


def test_a_file_that_appears_meanwhile_is_left(tmp_path: Path) -> None:
    """A new sidecar is never put over one."""
    path = tmp_path / "a.xmp"
    path.write_bytes(b"theirs")

    with pytest.raises(SidecarError, match="meantime"):
        swap(path, None, b"new")
    assert path.read_bytes() == b"theirs"


def test_links_and_folders_are_not_followed(tmp_path: Path) -> None:
    """A link could lead anywhere."""
    (tmp_path / "there.xmp").write_bytes(b"x")
    (tmp_path / "a.xmp").symlink_to(tmp_path / "there.xmp")
    (tmp_path / "b.xmp").mkdir()

    for name in ("a.xmp", "b.xmp"):
        with pytest.raises(SidecarError):
            read_file(tmp_path / name)
    with pytest.raises(SidecarError):
        remove_file(tmp_path / "a.xmp", expected=digest(b"x"))
    assert (tmp_path / "there.xmp").read_bytes() == b"x"


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the new content does not reach the disk, the old one is all there."""
    path = tmp_path / "a.xmp"
    path.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        swap(path, b"old", b"new")
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["a.xmp"]


def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On FAT a new sidecar is renamed into place."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    swap(tmp_path / "a.xmp", None, b"new")

    assert [one.name for one in tmp_path.iterdir()] == ["a.xmp"]
