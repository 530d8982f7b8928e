"""Photos are written into only by exiftool, and the original always comes back."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from waymark.errors import MissingExtra, SidecarError
from waymark.gazetteer import Landmark
from waymark.library import embed_file
from waymark.library.embed import apply_embeds, plan_embeds
from waymark.library.embed_file import find_exiftool
from waymark.library.journal import Journal
from waymark.library.store import Store
from waymark.library.tagged import Tagged
from waymark.library.undo import apply_undo, plan_undo
from waymark.library.write_change import Outcome
from waymark.library.write_plan import WriteOptions

EIFFEL = Landmark(id="eiffel_tower", name="Eiffel Tower", place="Paris", country="FR")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Return the journal of a library on disk."""
    return Journal(Store.open(tmp_path / "library.sqlite").connection)


@pytest.fixture
def photo(tmp_path: Path, tool: Callable[[str], str]) -> Path:
    """Return a JPEG that has a keyword of its own."""
    path = tmp_path / "photos" / "-odd \n name.jpg"
    path.parent.mkdir()
    Image.new("RGB", (16, 16), "red").save(path, quality=90)
    orders = ["-q", "-overwrite_original", "-XMP-dc:Subject=Holiday", str(path)]
    subprocess.run([tool("exiftool"), *orders], check=True)
    os.utime(path, ns=(10**18, 10**18))
    return path


def tag(photo: Path) -> Tagged:
    """Return an approved tag of a photo."""
    return Tagged(
        path=photo, sha256=hashlib.sha256(photo.read_bytes()).hexdigest(), landmark=EIFFEL,
        score=0.97, confidence=0.97,
        unknown_score=0.1, evidence="photo", state="approved", bundle="0123456789ab",
        tagged_at=datetime(2026, 5, 17, tzinfo=UTC),
    )  # fmt: skip


def embedded(tagged: Tagged, journal: Journal) -> Outcome:
    """Write into a photo."""
    changes = plan_embeds([tagged], WriteOptions(), journal)
    return apply_embeds(changes, journal, command="waymark write --embed", options={})


def undone(journal: Journal) -> Outcome:
    """Take the last write back."""
    return apply_undo(journal, journal.find(None).id)


def test_a_plan_touches_nothing(photo: Path, journal: Journal) -> None:
    """A dry run shows the packet's difference."""
    before = photo.read_bytes()
    (change,) = plan_embeds([tag(photo)], WriteOptions(), journal)

    assert any("+" in line and "Eiffel Tower" in line for line in change.difference())
    assert photo.read_bytes() == before
    assert len(list(photo.parent.iterdir())) == 1


def test_in_and_out_again(photo: Path, journal: Journal) -> None:
    """exiftool reads both keywords, the pixels are the same, and undo gives the file of before."""
    before, pixels = photo.read_bytes(), np.asarray(Image.open(photo))
    outcome = embedded(tag(photo), journal)
    said = subprocess.run(
        [find_exiftool(), "-j", "-XMP-dc:Subject", "-XMP-digiKam:TagsList", str(photo)],
        capture_output=True,
        check=True,
    )

    assert outcome.changed == 1
    found = json.loads(said.stdout)[0]
    assert found["Subject"] == ["Holiday", "Eiffel Tower", "Paris", "France"]
    assert found["TagsList"] == ["Holiday", "Places/France/Paris/Eiffel Tower"]
    assert (np.asarray(Image.open(photo)) == pixels).all()
    assert photo.stat().st_mtime_ns == 10**18
    kept = photo.with_name(photo.name + "_original")
    assert kept.read_bytes() == before
    assert embedded(tag(photo), journal).same == 1

    assert undone(journal).changed == 1
    assert photo.read_bytes() == before
    assert [path.name for path in photo.parent.iterdir()] == [photo.name]


def test_an_original_that_is_there_already_is_kept(photo: Path, journal: Journal) -> None:
    """Somebody's own `_original` is never written over."""
    kept = photo.with_name(photo.name + "_original")
    kept.write_bytes(b"mine")
    before = photo.read_bytes()
    outcome = embedded(tag(photo), journal)

    assert len(outcome.left) == 1
    assert (photo.read_bytes(), kept.read_bytes()) == (before, b"mine")


def test_a_photo_that_was_changed_since_is_left(photo: Path, journal: Journal) -> None:
    """Undo does not throw away what somebody did to the photo."""
    embedded(tag(photo), journal)
    edited = photo.read_bytes() + b"edited"
    photo.write_bytes(edited)
    outcome = undone(journal)

    assert "changed since" in outcome.left[0].reason
    assert photo.read_bytes() == edited


@pytest.mark.parametrize("at", ["make_part", "note", "link", "replace"])
def test_a_kill_at_any_step(
    photo: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """Whatever was done when it ended, the next run finishes and undo gives the file of before."""
    before = photo.read_bytes()

    def killed(*_: object, **__: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr("waymark.library.embed.settle_all", lambda _: None)
        where = {
            "make_part": "waymark.library.embed.make_part",
            "note": "waymark.library.journal.Journal.note_after",
            "link": "waymark.library.embed_file.os.link",
            "replace": "waymark.library.embed_file.sync_folder",
        }
        patch.setattr(where[at], killed)
        with pytest.raises(SystemExit):
            embedded(tag(photo), journal)
    assert journal.unsettled()
    outcome = embedded(tag(photo), journal)

    assert outcome.changed + outcome.same == 1
    assert not journal.unsettled()
    assert undone(journal).changed == 1
    assert photo.read_bytes() == before
    assert len(list(photo.parent.iterdir())) == 1


@pytest.mark.parametrize(
    ("named", "more"),
    [
        ('xmpNote:HasExtendedXMP="0123456789ABCDEF0123456789ABCDEF"', b""),
        ("", b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"></rdf:RDF>'),
    ],
    ids=["extended", "two packets"],
)
def test_xmp_in_several_parts_is_left(
    photo: Path, journal: Journal, named: str, more: bytes
) -> None:
    """Depth maps of phones are kept so, and exiftool would write the first part only."""
    first = (
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        f'xmlns:xmpNote="http://ns.adobe.com/xmp/note/" rdf:about="" {named}/></rdf:RDF>'
    ).encode()
    segments = b""
    for packet in filter(None, (first, more)):
        data = b"http://ns.adobe.com/xap/1.0/\0" + packet
        segments += b"\xff\xe1" + (len(data) + 2).to_bytes(2, "big") + data
    Image.new("RGB", (8, 8)).save(photo)
    plain = photo.read_bytes()
    photo.write_bytes(before := plain[:2] + segments + plain[2:])
    outcome = embedded(tag(photo), journal)

    assert "several parts" in outcome.left[0].reason
    assert photo.read_bytes() == before


def test_a_loss_by_exiftool_is_noticed(
    photo: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What exiftool says of the copy is compared with what it said of the photo."""
    before = photo.read_bytes()
    told = embed_file._told

    def less(exiftool: str, file: Path) -> dict[str, object]:
        said = told(exiftool, file)
        if file != photo:
            del said["File:ImageWidth"]
        return said

    monkeypatch.setattr(embed_file, "_told", less)
    outcome = embedded(tag(photo), journal)

    assert "File:ImageWidth" in outcome.left[0].reason
    assert photo.read_bytes() == before
    assert list(photo.parent.iterdir()) == [photo]


def test_a_folder_that_looks_like_a_code(photo: Path, journal: Journal) -> None:
    """exiftool takes a % in the name of an output for the photo's name, date or number."""
    folder = photo.parent / "100%done %f"
    folder.mkdir()
    moved = photo.rename(folder / "a.jpg")

    assert embedded(tag(moved), journal).changed == 1
    assert {path.name for path in folder.iterdir()} == {"a.jpg", "a.jpg_original"}
    assert undone(journal).changed == 1
    assert list(photo.parent.rglob("*.jpg*")) == [moved]


def test_a_correction_replaces_what_was_embedded(photo: Path, journal: Journal) -> None:
    """Once the originals are gone, as they may be; a keyword that was taken out stays out."""
    embedded(tag(photo), journal)
    kept = photo.with_name(photo.name + "_original")
    kept.unlink()
    orders = [find_exiftool(), "-q", "-overwrite_original", "-XMP-dc:Subject-=France", str(photo)]
    subprocess.run(orders, check=True)
    (plan,) = plan_undo(journal, 1)
    louvre = Landmark(id="louvre", name="Louvre", place="Paris", country="FR")
    embedded(replace(tag(photo), landmark=louvre), journal)

    said = subprocess.run([find_exiftool(), "-j", str(photo)], capture_output=True, check=True)
    found = json.loads(said.stdout)[0]
    assert found["Subject"] == ["Holiday", "Louvre", "Paris"]
    assert found["TagsList"] == ["Holiday", "Places/France/Paris/Louvre"]
    assert plan.action == "left"


def test_an_estimate_stays_once_it_was_asked_for(photo: Path, journal: Journal) -> None:
    """As in a sidecar: the same without --write-gps is no change."""
    placed = replace(tag(photo), landmark=replace(EIFFEL, lat=48.8584, lon=2.2945))
    changes = plan_embeds([placed], WriteOptions(gps=True), journal)
    assert apply_embeds(changes, journal, command="write", options={}).changed == 1
    outcome = embedded(placed, journal)

    assert (outcome.same, outcome.left) == (1, ())


def test_keywords_of_the_photo_are_not_hidden(photo: Path, journal: Journal) -> None:
    """IPTC keywords go into the new TagsList, which programs read instead of them."""
    orders = ["-q", "-overwrite_original", "-XMP:all=", "-IPTC:Keywords=Ann", str(photo)]
    subprocess.run([find_exiftool(), *orders], check=True)
    embedded(tag(photo), journal)

    said = subprocess.run([find_exiftool(), "-j", str(photo)], capture_output=True, check=True)
    assert json.loads(said.stdout)[0]["TagsList"] == ["Ann", "Places/France/Paris/Eiffel Tower"]


def test_a_file_system_without_links_keeps_whole_originals(
    photo: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The original is copied under another name until it is whole."""
    before = photo.read_bytes()

    def no_links(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    def half(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("waymark.library.embed_file.os.link", no_links)
    with monkeypatch.context() as patch:
        patch.setattr("waymark.library.embed_file.shutil.copyfile", half)
        with pytest.raises(SidecarError, match="make room"):
            embedded(tag(photo), journal)
    assert list(photo.parent.iterdir()) == [photo]
    assert embedded(tag(photo), journal).changed == 1
    assert photo.with_name(photo.name + "_original").read_bytes() == before


def test_nobody_else_reads_an_unfinished_copy(
    photo: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The photo may be private; the finished one is as open as it was."""
    photo.chmod(0o640)
    seen = []
    dress = embed_file.dress

    def looked(descriptor: int, old: Path) -> None:
        seen.append(os.fstat(descriptor).st_mode & 0o777)
        dress(descriptor, old)

    def no_links(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(embed_file, "dress", looked)
    monkeypatch.setattr("waymark.library.embed_file.os.link", no_links)
    assert embedded(tag(photo), journal).changed == 1
    assert seen == [0o600, 0o600]
    kept = photo.with_name(photo.name + "_original")
    assert {path.stat().st_mode & 0o777 for path in (photo, kept)} == {0o640}
    assert kept.stat().st_mtime_ns == 10**18


def test_formats_that_only_have_sidecars(photo: Path, journal: Journal) -> None:
    """RAW files are never written into."""
    raw = photo.rename(photo.with_suffix(".CR2"))
    (change,) = plan_embeds([tag(raw)], WriteOptions(), journal)

    assert change.action == "left"


def test_without_exiftool(photo: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says how to get it."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingExtra, match="exiftool"):
        list(plan_embeds([tag(photo)], WriteOptions(), journal))
