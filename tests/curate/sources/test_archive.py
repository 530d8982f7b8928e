"""Photos of archives, hostile ones too."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from waymark.curate.collect import Caps, Report, collect
from waymark.curate.sources.archive import KNOWN, Archive
from waymark.dataset.index import read_dataset
from waymark.errors import CollectError, UnknownName


def take(archive: Path | str, out: Path, proof: Any, **more: Any) -> Report:
    """Collect from an archive."""
    caps = more.pop("caps", None)
    source = Archive(where=str(archive), **more)
    return collect(source, out, web=proof.web(proof.Time()), caps=caps)


def zipped(path: Path, members: dict[str, bytes], *, method: int = zipfile.ZIP_STORED) -> Path:
    """Write a zip; names are taken as they are."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo("placeholder")
            info.filename = name
            info.compress_type = method
            archive.writestr(info, data)
    return path


def udacity(proof: Any) -> dict[str, bytes]:
    """Return the members of a small landmark_images.zip."""
    names = [
        f"landmark_images/{split}/{label}/{i}.jpg"
        for split in ("train", "test")
        for label in ("00.Haleakala_National_Park", "09.Golden_Gate_Bridge")
        for i in range(2)
    ]
    junk = {"landmark_images/": b"", "__MACOSX/a/._0.jpg": b"x", "landmark_images/readme.txt": b"x"}
    return {name: proof.photo(i) for i, name in enumerate(names)} | junk


def test_splits_and_labels_of_folders(proof: Any, tmp_path: Path) -> None:
    """train/ and test/ become splits, the folder above a photo its label; the rest is passed by."""
    archive = zipped(tmp_path / "a.zip", udacity(proof), method=zipfile.ZIP_DEFLATED)
    report = take(archive, tmp_path / "out", proof)
    dataset = read_dataset(tmp_path / "out" / "manifest.csv")

    assert (report.taken, report.failed) == (8, [])
    assert dataset.labels == ("00.Haleakala_National_Park", "09.Golden_Gate_Bridge")
    assert dataset.splits == ("train", "test")
    assert take(archive, tmp_path / "out", proof).known == 8


def test_known_by_name_and_fetched_once(
    proof: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name stands for an address; the archive does not stay; a second run fetches no photo."""
    data = zipped(tmp_path / "a.zip", udacity(proof)).read_bytes()
    with proof.serving(lambda _, h: h.send(data)) as server:
        from dataclasses import replace

        known = replace(KNOWN["udacity50"], url=f"http://s3.test:{server.port}/landmark_images.zip")
        monkeypatch.setitem(KNOWN, "udacity50", known)
        report = take("udacity50", tmp_path / "out", proof)
    photo = read_dataset(tmp_path / "out" / "manifest.csv").photos[0]

    assert report.taken == 8
    assert (photo.source, photo.url) == ("udacity50", known.url)
    assert not (tmp_path / "out" / ".collect").exists()


def test_an_archive_cut_off_is_continued(proof: Any, tmp_path: Path) -> None:
    """The server's trouble is named; the next run goes on where it broke off."""
    data = zipped(tmp_path / "a.zip", udacity(proof) | {"x/y.bin": bytes(500_000)}).read_bytes()
    cuts = [9_000, 9_000, 9_000, None]

    def behave(_: str, handler: Any) -> None:
        start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
        more = {"Content_Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
        part, cut = data[start:], cuts.pop(0)
        handler.begin(
            status=206 if start else 200, Content_Length=str(len(part)), ETag='"1"', **more
        )
        handler.wfile.write(part[:cut])
        if cut is not None:
            handler.hang_up()

    with proof.serving(behave) as server:
        url = f"http://s3.test:{server.port}/a.zip"
        with pytest.raises(CollectError, match="Run the same command again"):
            take(url, tmp_path / "out", proof)
        report = take(url, tmp_path / "out", proof)

    assert report.taken == 8
    assert server.seen[-1]["range"] == "bytes=27000-"


@pytest.mark.parametrize(
    "name", ["../up/a.jpg", "/abs/a.jpg", "a/../../b/c.jpg", "C:\\w\\a.jpg", "..\\up\\a.jpg"]
)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_paths_that_lead_out(name: str, kind: str, proof: Any, tmp_path: Path) -> None:
    """They are refused and named; nothing is written outside the collection."""
    inside = {name: proof.photo(), "ok/a.jpg": proof.photo(1)}
    archive = tmp_path / "in" / f"a.{kind}"
    archive.parent.mkdir()
    if kind == "zip":
        zipped(archive, inside)
    else:
        tarred(archive, inside)
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    report = take(archive, tmp_path / "in" / "out", proof)
    new = {path for path in tmp_path.rglob("*") if path.is_file()} - before

    assert report.taken == 1
    assert [miss.reason for miss in report.failed] == ["its path leads out of the archive"]
    assert all(path.is_relative_to(tmp_path / "in" / "out") for path in new)


def tarred(path: Path, members: dict[str, bytes | tarfile.TarInfo], mode: str = "w") -> Path:
    """Write a tar."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            if isinstance(data, tarfile.TarInfo):
                archive.addfile(data)
            else:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return path


def test_links_and_devices_in_a_tar(proof: Any, tmp_path: Path) -> None:
    """Symbolic and hard links, devices and pipes are refused; the photos beside are taken."""
    members: dict[str, Any] = {"ok/a.jpg": proof.photo()}
    for number, kind in enumerate(
        (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE)
    ):
        info = tarfile.TarInfo(f"ok/{number}.jpg")
        info.type, info.linkname = kind, "/etc/passwd"
        members[info.name] = info
    report = take(tarred(tmp_path / "a.tar.gz", members, "w:gz"), tmp_path / "out", proof)

    assert report.taken == 1
    assert [miss.reason for miss in report.failed] == ["a link or a device"] * 4


def test_links_in_a_zip(proof: Any, tmp_path: Path) -> None:
    """A symbolic link in a zip is refused."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("ok/link.jpg")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
        archive.writestr("ok/a.jpg", proof.photo())
    report = take(tmp_path / "a.zip", tmp_path / "out", proof)

    assert report.taken == 1
    assert report.failed[0].reason == "a link or a device"


def test_bombs(proof: Any, tmp_path: Path) -> None:
    """What unpacks to hundreds of times its size is refused; so is a photo over the cap."""
    bomb = zipped(
        tmp_path / "a.zip",
        {"a/bomb.jpg": proof.photo() + bytes(40 << 20), "a/b.jpg": proof.photo(1)},
        method=zipfile.ZIP_DEFLATED,
    )
    report = take(bomb, tmp_path / "out", proof, caps=Caps(photo_bytes=1 << 20))
    assert report.taken == 1
    assert "200 times" in report.failed[0].reason

    tar = tarred(
        tmp_path / "b.tar.xz", {"a/0.bin": bytes(80 << 20), "a/b.jpg": proof.photo()}, "w:xz"
    )
    with pytest.raises(CollectError, match="200 times"):
        take(tar, tmp_path / "out2", proof)


def test_a_member_that_is_damaged(proof: Any, tmp_path: Path) -> None:
    """Its sum is wrong: it is named, the others are taken."""
    archive = zipped(tmp_path / "a.zip", {"a/0.jpg": proof.photo(0), "a/1.jpg": proof.photo(1)})
    data = archive.read_bytes().replace(proof.photo(0)[1000:1010], b"0123456789")
    archive.write_bytes(data)
    report = take(archive, tmp_path / "out", proof)

    assert report.taken == 1
    assert "damaged in the archive" in report.failed[0].reason


def test_photos_are_told_by_content(proof: Any, tmp_path: Path) -> None:
    """A photo without an ending is taken, a text named .jpg is not."""
    members = {
        "a/photo": proof.photo(),
        "a/page.jpg": b"<html>",
        "a/list.csv": b"x",
        "b.jpg": proof.photo(1),
    }
    report = take(zipped(tmp_path / "a.zip", members), tmp_path / "out", proof)

    assert report.taken == 1
    assert [miss.reason for miss in report.failed] == ["not a photo that waymark reads"]
    assert [miss.reason for miss in report.refused] == ["no folder names it; give --label"]
    assert take(tmp_path / "a.zip", tmp_path / "out", proof, label="x").taken == 1


@pytest.mark.parametrize("data", [b"", b"PK\x05\x06", b"no archive" * 99])
def test_what_is_no_archive(data: bytes, proof: Any, tmp_path: Path) -> None:
    """It is said that one was expected."""
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(CollectError, match="archive"):
        take(tmp_path / "a.zip", tmp_path / "out", proof)


def test_a_zip_cut_off_anywhere(proof: Any, tmp_path: Path) -> None:
    """Never anything but photos, misses, or a CollectError."""
    data = zipped(tmp_path / "a.zip", udacity(proof)).read_bytes()
    for number, keep in enumerate((0.1, 0.5, 0.9, 0.999)):
        (tmp_path / "b.zip").write_bytes(data[: int(keep * len(data))])
        with pytest.raises(CollectError):
            take(tmp_path / "b.zip", tmp_path / f"out{number}", proof)


def test_a_name_that_is_not_known(proof: Any, tmp_path: Path) -> None:
    """The nearest name is offered."""
    with pytest.raises(UnknownName, match="did you mean 'udacity50'"):
        take("udacity5", tmp_path / "out", proof)
