"""Walking a person's folders: what counts as a photo, and what is left alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from waymark.errors import ConfigError
from waymark.library.scan import Census, Found, walk
from waymark.samples import SAMPLES, render


def photo(path: Path, content: bytes = b"\xff\xd8\xff rest") -> Path:
    """Write something that is named like a photo."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def found_in(*sources: Path) -> tuple[list[Found], Census]:
    """Walk sources to the end."""
    census = Census()
    return list(walk(sources, census)), census


def names_in(*sources: Path) -> list[str]:
    """Return the names of the photos found."""
    return [Path(os.fsdecode(found.path)).name for found in found_in(*sources)[0]]


def test_hidden_and_closed_folders_are_left_alone(tmp_path: Path) -> None:
    """So are recycle bins, a NAS's own thumbnails, and all that lies below a .nomedia."""
    photo(tmp_path / "a.jpg")
    for name in (".hidden/b.jpg", "@eaDir/c.jpg", "shut/d.jpg", "shut/below/e.jpg", ".f.jpg",
                 "$RECYCLE.BIN/S-1/g.jpg", "@Recycle/h.jpg", "#snapshot/i.jpg"):  # fmt: skip
        photo(tmp_path / name)
    (tmp_path / "shut" / ".nomedia").touch()

    found, census = found_in(tmp_path)

    assert [each.path for each in found] == [os.fsencode(tmp_path / "a.jpg")]
    assert census.closed == 1
    assert names_in(tmp_path / ".hidden") == ["b.jpg"]


def test_links_in_circles_end(tmp_path: Path) -> None:
    """A folder is read once, under its real path, however many links lead to it."""
    photo(tmp_path / "in" / "a.jpg")
    (tmp_path / "in" / "up").symlink_to(tmp_path)
    (tmp_path / "again").symlink_to(tmp_path / "in")
    (tmp_path / "nowhere.jpg").symlink_to(tmp_path / "gone.jpg")

    found, census = found_in(tmp_path, tmp_path / "again")

    assert [each.path for each in found] == [os.fsencode((tmp_path / "in" / "a.jpg").resolve())]
    assert [row.path for row in census.skipped] == [str(tmp_path / "nowhere.jpg")]


def test_videos_and_moving_halves_are_counted(tmp_path: Path) -> None:
    """A video with the name of a photo is the moving half of a Live Photo."""
    for name in ("IMG_1.HEIC", "IMG_1.MOV", "trip.mp4", "x.jpg", "x.jpg.mp4", "PXL_1.MP.jpg",
                 "PXL_1.MP", "PXL_2.MP~2.jpg", "PXL_2.MP~2"):  # fmt: skip
        photo(tmp_path / name)

    found, census = found_in(tmp_path)

    assert (len(found), census.moving, census.videos) == (4, 4, 1)


def test_what_programs_leave_behind_is_no_photo(tmp_path: Path) -> None:
    """Backups and downloads by halves; unless they are all there is, or are asked for."""
    for name in ("a.jpg", "a.jpg_original", "b.jpg_original", "c.jpg~", "d.jpg.part",
                 "e.jpg.crdownload", "f.jpg.tmp", "g~2.jpg"):  # fmt: skip
        photo(tmp_path / name)

    assert names_in(tmp_path) == ["a.jpg", "b.jpg_original", "g~2.jpg"]
    assert names_in(tmp_path / "c.jpg~") == ["c.jpg~"]


def test_raw_files_of_other_makers_are_counted(tmp_path: Path) -> None:
    """They are left alone, whatever their content looks like."""
    for name in ("a.RAF", "b.orf", "c.rw2", "d.crw", "e.pef", "f.nef"):
        photo(tmp_path / name, b"II*\0")

    found, census = found_in(tmp_path)
    assert (len(found), census.other_raws) == (1, 5)


def test_files_that_are_no_photos_are_named(tmp_path: Path) -> None:
    """Who names them one by one is told; a photo is one whatever it is called."""
    for name in ("notes.txt", "notes", "a.mp4", "b.orf"):
        (tmp_path / name).write_text("no photo")
    photo(tmp_path / "c.txt")

    found, census = found_in(*tmp_path.iterdir())

    assert [each.path for each in found] == [os.fsencode(tmp_path.resolve() / "c.txt")]
    assert sorted(row.path for row in census.skipped) == [
        str(tmp_path / name) for name in ("notes", "notes.txt")
    ]
    assert all("no photo" in row.reason for row in census.skipped)
    assert (census.videos, census.other_raws) == (1, 1)
    assert not census.shut


def test_nothing_is_counted_twice(tmp_path: Path) -> None:
    """A folder, and what lies in it, in any order; hidden ones that are named are found."""
    for name in ("a.jpg", "a.cr2", "v.mp4", ".b.jpg", "deep/c.jpg"):
        photo(tmp_path / name)
    names = [tmp_path, *(tmp_path / n for n in ("a.jpg", "a.cr2", "v.mp4", ".b.jpg", "deep"))]

    for sources in (names, names[::-1]):
        found, census = found_in(*sources)
        assert sorted(Path(os.fsdecode(each.path)).name for each in found) == [
            ".b.jpg",
            "a.jpg",
            "c.jpg",
        ]
        assert (census.photos, census.pairs, census.videos, census.moving) == (3, 1, 1, 0)


def test_a_walk_tells_where_it_was(tmp_path: Path) -> None:
    """Folders that links lead to, the photo of a RAW file that was named, what lies behind ..."""
    root = tmp_path.resolve()
    for name in ("in/a.jpg", "in/a.cr2", "disk/deep/b.jpg", "other/c.jpg"):
        photo(tmp_path / name)
    (tmp_path / "in" / "link").symlink_to(root / "disk")
    (tmp_path / "in" / "more").symlink_to(root / "disk" / "deep")
    (tmp_path / "up").symlink_to(root / "disk" / "deep")

    for sources, roots in (
        (["in"], ["in", "disk"]),
        (["in/a.cr2"], ["in/a.jpg"]),
        (["up/.."], ["disk"]),
        (["up/../deep/b.jpg", "other"], ["other", "disk/deep/b.jpg"]),
    ):
        _, census = found_in(*(Path(f"{tmp_path}/{source}") for source in sources))
        expected = [os.fsencode(root / name) for name in roots]
        assert sorted(census.roots) == sorted(expected)


def test_raw_and_jpeg_are_one_photo(tmp_path: Path) -> None:
    """The JPEG names it; a RAW file alone stands for itself."""
    for name in ("a.CR2", "a.jpg", "b.nef", "c.heic", "c.dng", "d.jpg"):
        photo(tmp_path / name)

    found, census = found_in(tmp_path)

    pairs = {each.path.rpartition(b"/")[2]: each.raw for each in found}
    assert list(pairs) == [b"a.jpg", b"b.nef", b"c.heic", b"d.jpg"]
    assert pairs[b"a.jpg"] == os.fsencode(tmp_path / "a.CR2")
    assert pairs[b"b.nef"] is pairs[b"d.jpg"] is None
    assert census.pairs == 2
    named, _ = found_in(tmp_path / "a.CR2")
    assert [each.path for each in named] == [os.fsencode(tmp_path / "a.jpg")]


def test_photos_without_a_suffix_are_found_by_content(tmp_path: Path) -> None:
    """And files that are neither named nor made like photos are passed over."""
    render(SAMPLES[0], seed=0, size=(32, 24)).save(tmp_path / "scan-0001", "PNG")
    (tmp_path / "notes").write_text("no photo")
    (tmp_path / "list.txt").write_text("no photo")

    assert names_in(tmp_path) == ["scan-0001"]


def test_what_lies_beside_a_photo_is_seen_and_watched(tmp_path: Path) -> None:
    """`beside` changes when a sidecar comes, changes or goes; the photo's own facts do not."""
    photo(tmp_path / "a.jpg")
    before = found_in(tmp_path)[0][0]
    (tmp_path / "a.jpg.xmp").write_text("<x/>")
    (tmp_path / "a.jpg.supplemental-metadata.json").write_text("{}")
    after = found_in(tmp_path)[0][0]
    (tmp_path / "a.jpg.xmp").write_text("<xy/>")
    changed = found_in(tmp_path)[0][0]

    assert before.beside == ""
    assert after.sidecars == (os.fsencode(tmp_path / "a.jpg.xmp"),)
    assert after.takeout == (os.fsencode(tmp_path / "a.jpg.supplemental-metadata.json"),)
    assert len({before.beside, after.beside, changed.beside}) == 3
    assert before.mtime_ns == changed.mtime_ns


def test_pipes_and_folders_named_like_photos_are_passed_over(tmp_path: Path) -> None:
    """Nothing waits for a pipe."""
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()

    assert names_in(tmp_path) == []


def test_a_folder_that_may_not_be_read_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest is found all the same."""
    photo(tmp_path / "shut" / "a.jpg")
    photo(tmp_path / "b.jpg")
    shut = os.fsencode(tmp_path.resolve() / "shut")
    real = os.scandir

    def failing(folder: Any) -> Any:
        if folder == shut:  # root may read everything
            raise PermissionError(13, "Permission denied")
        return real(folder)

    monkeypatch.setattr(os, "scandir", failing)
    found, census = found_in(tmp_path)

    assert len(found) == 1
    assert "cannot be read" in census.skipped[0].reason
    assert census.shut == [shut]


@pytest.mark.parametrize("source", ["no-such-folder", "s3://bucket/photos"])
def test_what_does_not_exist_is_an_error(source: str) -> None:
    """It names what was given."""
    with pytest.raises(ConfigError, match=source.split("/", maxsplit=1)[0]):
        found_in(Path(source))


@given(name=st.binary(min_size=1, max_size=40))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_name_survives(name: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever bytes a file is called by, its path comes back byte for byte."""
    name = (name.replace(b"/", b"_").replace(b"\0", b"_").lstrip(b".") or b"x") + b".jpg"
    folder = tmp_path_factory.mktemp("names").resolve()
    (folder / os.fsdecode(name)).write_bytes(b"\xff\xd8\xff")

    found, _ = found_in(folder)

    assert [each.path for each in found] == [os.fsencode(folder) + b"/" + name]
