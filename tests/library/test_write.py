"""Sidecars are written once, journalled first, and never against anybody's will."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from waymark.errors import ConfigError, SidecarError
from waymark.gazetteer import Landmark
from waymark.library.journal import Journal
from waymark.library.sidecar import merge
from waymark.library.sidecar_mark import mark_of
from waymark.library.store import Store
from waymark.library.tagged import Tagged
from waymark.library.undo import apply_undo
from waymark.library.write import apply_writes
from waymark.library.write_change import Change, Outcome
from waymark.library.write_plan import WriteOptions, is_wanted, plan_writes

EIFFEL = Landmark(
    id="eiffel_tower", name="Eiffel Tower", local_name="Tour Eiffel", place="Paris", country="FR",
    lat=48.8584, lon=2.2945, extent_m=150, wikidata="Q243",
)  # fmt: skip
LOUVRE = Landmark(
    id="louvre",
    name="Louvre",
    place="Paris",
    country="FR",
    lat=48.861,
    lon=2.336,
    wikidata="Q19675",
)
TEXT = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n <rdf:Description rdf:about="" '
    b'xmlns:dc="http://purl.org/dc/elements/1.1/">\n  <dc:subject><rdf:Bag><rdf:li>Paris</rdf:li>'
    b"<rdf:li>Ann</rdf:li></rdf:Bag></dc:subject>\n </rdf:Description></rdf:RDF></x:xmpmeta>\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of nine photos; three have a sidecar, three another's form of one."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for n in range(9):
        (folder / f"{n}.jpg").write_bytes(b"photo %d" % n)
        if n % 3:
            name = (f"{n}.jpg.xmp", f"{n}.XMP")[n % 3 - 1]
            (folder / name).write_bytes(TEXT.replace(b"Ann", b"Ann %d" % n))
    return folder


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Return the journal of a library on disk."""
    return Journal(Store.open(tmp_path / "library.sqlite").connection)


def tags(folder: Path, **changes: object) -> list[Tagged]:
    """Return a tag for each photo of a folder."""
    return [
        replace(
            Tagged(
                path=path, sha256=hashlib.sha256(path.read_bytes()).hexdigest(), landmark=EIFFEL,
                score=0.97, confidence=0.97,
                unknown_score=0.1, evidence="photo", state="approved",
                bundle="0123456789ab", tagged_at=datetime(2026, 5, 17, tzinfo=UTC),
            ),
            **changes,  # type: ignore[arg-type]
        )
        for path in sorted(folder.glob("*.jpg"))
    ]  # fmt: skip


def written(
    tagged: Sequence[Tagged], journal: Journal, options: WriteOptions | None = None
) -> Outcome:
    """Write sidecars."""
    options = options or WriteOptions()
    changes = plan_writes(tagged, options, journal)
    return apply_writes(changes, journal, command="waymark write", options=options.to_dict())


def undone(journal: Journal, write_id: int | None = None) -> Outcome:
    """Take back a write."""
    return apply_undo(journal, journal.find(write_id).id)


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def times(folder: Path) -> dict[str, int]:
    """Return when every file of a folder was last changed."""
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_a_plan_touches_nothing(folder: Path, journal: Journal) -> None:
    """A dry run shows each sidecar's difference and changes no file."""
    before = contents(folder), times(folder)
    changes = list(plan_writes(tags(folder), WriteOptions(), journal))

    assert [change.action for change in changes] == ["create", "change", "change"] * 3
    assert all(any("+" in line for line in change.difference()) for change in changes)
    assert (contents(folder), times(folder)) == before


def test_written_once_and_only_where_something_changes(folder: Path, journal: Journal) -> None:
    """A second write finds nothing to do; no file's time moves, no photo's ever."""
    photos = {name: time for name, time in times(folder).items() if name.endswith("jpg")}
    first = written(tags(folder), journal)
    after = times(folder)
    second = written(tags(folder), journal)

    assert (first.created, first.changed, first.left) == (3, 6, ())
    assert second.same == 9
    assert second.write_id is None
    assert times(folder) == after
    assert photos.items() <= after.items()
    assert len(journal.writes()) == 1


def test_undo_gives_the_folder_of_before(folder: Path, journal: Journal) -> None:
    """Every sidecar is what it was, byte for byte; those that were made are gone."""
    before = contents(folder)
    written(tags(folder), journal)
    outcome = undone(journal)

    assert contents(folder) == before
    assert (outcome.changed, outcome.removed) == (6, 3)
    with pytest.raises(ConfigError):
        journal.find(None)


def test_what_the_user_did_since_stays(folder: Path, journal: Journal) -> None:
    """After an edit only waymark's part goes."""
    written(tags(folder), journal)
    for path in folder.glob("*.[xX][mM][pP]"):
        data = path.read_bytes()
        path.write_bytes(data.replace(b"<rdf:li>Eiffel Tower</rdf:li>", b"<rdf:li>Mine</rdf:li>"))
    outcome = undone(journal)

    assert not outcome.left
    for path in folder.glob("*.[xX][mM][pP]"):
        text = path.read_text("utf-8")
        assert "Mine" in text
        assert "waymark:" not in text
        assert "France" not in text
        assert ("Ann" in text) == ("Paris" in text)


def test_a_corrected_photo_says_the_new_landmark_only(folder: Path, journal: Journal) -> None:
    """What an earlier write said otherwise goes; undo brings it back, and then all back."""
    before = contents(folder)
    written(tags(folder), journal)
    first = contents(folder)
    written(tags(folder, landmark=LOUVRE, state="corrected"), journal)

    assert not any(b"Eiffel" in data for data in contents(folder).values())
    assert b"Louvre" in contents(folder)["0.jpg.xmp"]
    assert len(undone(journal, 1).left) == 9  # the later write is in the way
    undone(journal)
    assert contents(folder) == first
    undone(journal)
    assert contents(folder) == before


def test_a_corrected_photo_edited_since(folder: Path, journal: Journal) -> None:
    """Undoing the later of two writes brings back what the earlier one said, edits kept."""
    written(tags(folder), journal)
    written(tags(folder, landmark=LOUVRE, state="corrected"), journal)
    path = folder / "1.jpg.xmp"
    path.write_bytes(path.read_bytes().replace(b"Ann 1", b"Bob", 1))
    undone(journal)

    text = path.read_text()
    assert "Bob" in text
    assert "Louvre" not in text
    assert "Places/France/Paris/Eiffel Tower" in text
    undone(journal)
    assert path.read_bytes() == TEXT.replace(b"Ann", b"Bob")


def test_what_the_user_took_out_is_not_put_in_again(folder: Path, journal: Journal) -> None:
    """waymark does not fight over a keyword."""
    written(tags(folder), journal)
    path = folder / "0.jpg.xmp"
    path.write_bytes(path.read_bytes().replace(b"<rdf:li>France</rdf:li>", b""))
    again = written(tags(folder), journal)
    touched = written(tags(folder, tagged_at=datetime(2026, 6, 1, tzinfo=UTC)), journal)
    later = written(tags(folder, score=0.98), journal)

    assert again.same == touched.same == 9
    assert later.changed == 9
    assert b"<rdf:li>France</rdf:li>" not in path.read_bytes()


@pytest.mark.parametrize(
    ("changes", "least", "wanted"),
    [
        ({}, None, True),
        ({"state": "corrected"}, None, True),
        ({"state": "new"}, None, False),
        ({"state": "new"}, 0.9, True),
        ({"state": "new"}, 0.98, False),
        ({"state": "approved"}, 0.98, True),
        ({"state": "rejected"}, 0.1, False),
        ({"state": "not-a-landmark"}, 0.1, False),
    ],
)
def test_which_photos_are_written(
    folder: Path, changes: dict[str, object], least: float | None, wanted: bool
) -> None:
    """What a person approved, and what is sure enough; never what a person refused."""
    assert is_wanted(tags(folder, **changes)[0], WriteOptions(min_score=least)) == wanted


def test_positions_are_estimated_once_asked_for(folder: Path, journal: Journal) -> None:
    """`--write-gps` adds them; a later write without it leaves them."""
    written(tags(folder), journal)
    assert not any(b"waymark estimate" in data for data in contents(folder).values())
    written(tags(folder), journal, WriteOptions(gps=True))
    after = contents(folder)
    assert sum(b"waymark estimate" in data for data in after.values()) == 9
    assert written(tags(folder), journal).same == 9
    written(tags(folder, gps=(1.0, 2.0)), journal, WriteOptions(gps=True))
    assert not any(b"waymark estimate" in data for data in contents(folder).values())


def test_a_position_in_the_other_sidecar_counts(folder: Path, journal: Journal) -> None:
    """Where a photo has two sidecars, either may say where it was taken."""
    placed = merge(None, mark_of(tags(folder)[0], gps=True)).data
    (folder / "1.xmp").write_bytes(placed)
    written(tags(folder)[1:2], journal, WriteOptions(gps=True))

    assert b"GPSProcessingMethod" not in (folder / "1.jpg.xmp").read_bytes()


def test_what_cannot_be_written_is_left_and_counted(folder: Path, journal: Journal) -> None:
    """A damaged sidecar, a link, a photo that changed or is gone: each is named, none stops."""
    tagged = tags(folder)
    (folder / "1.jpg.xmp").write_bytes(b"broken")
    (folder / "there").write_bytes(TEXT)
    (folder / "0.jpg.xmp").symlink_to(folder / "there")
    (folder / "3.jpg").write_bytes(b"another photo")
    (folder / "4.jpg").unlink()
    outcome = written(tagged, journal)

    reasons = {Path(row.path).name: row.reason for row in outcome.left}
    assert set(reasons) == {"0.jpg.xmp", "1.jpg.xmp", "3.jpg.xmp", "4.jpg"}
    assert "link" in reasons["0.jpg.xmp"]
    assert "XML" in reasons["1.jpg.xmp"]
    assert "changed" in reasons["3.jpg.xmp"]
    assert (folder / "there").read_bytes() == TEXT
    assert (outcome.created, outcome.changed) == (1, 4)


def test_another_programs_save_wins(folder: Path, journal: Journal) -> None:
    """A sidecar that changes between the plan and the write is left as it is now."""
    changes = list(plan_writes(tags(folder), WriteOptions(), journal))
    (folder / "1.jpg.xmp").write_bytes(b"just saved")
    (folder / "0.jpg.xmp").write_bytes(b"just made")
    outcome = apply_writes(changes, journal, command="", options={})

    assert len(outcome.left) == 2
    assert (folder / "1.jpg.xmp").read_bytes() == b"just saved"
    assert (folder / "0.jpg.xmp").read_bytes() == b"just made"
    before = contents(folder)
    undone(journal)
    assert contents(folder)["1.jpg.xmp"] == before["1.jpg.xmp"]


def test_tags_inside_a_photo_are_not_hidden(
    tmp_path: Path, journal: Journal, tool: Callable[[str], str]
) -> None:
    """A program that prefers the sidecar's TagsList finds the photo's own tags there too."""
    photo = tmp_path / "x" / "a.jpg"
    photo.parent.mkdir()
    Image.new("RGB", (8, 8)).save(photo)
    orders = ["-q", "-overwrite_original", "-IPTC:Keywords=Ann", "-IPTC:Keywords=Bob"]
    subprocess.run([tool("exiftool"), *orders, str(photo)], check=True)
    written(tags(photo.parent), journal)
    corrected = tags(photo.parent, landmark=LOUVRE, state="corrected")
    written(corrected, journal)
    say = [tool("exiftool"), "-j", "-XMP-digiKam:TagsList", str(photo) + ".xmp"]
    said = subprocess.run(say, capture_output=True, check=True).stdout

    assert json.loads(said)[0]["TagsList"] == ["Ann", "Bob", "Places/France/Paris/Louvre"]
    assert written(corrected, journal).same == 1
    undone(journal)
    undone(journal)
    assert [path.name for path in photo.parent.iterdir()] == ["a.jpg"]


def test_names_that_no_text_can_hold(tmp_path: Path, journal: Journal) -> None:
    """Bytes, line ends and control codes in names are written, journalled and shown."""
    folder = tmp_path / "x"
    folder.mkdir()
    for name in (b"a\xff.jpg", b"b\n\x1b[31m.jpg", "é\u202e.jpg".encode()):
        (folder / os.fsdecode(name)).write_bytes(name)
    before = contents(folder)
    changes = list(plan_writes(tags(folder), WriteOptions(), journal))

    assert not any("\x1b" in line for change in changes for line in change.difference())
    assert written(tags(folder), journal).created == 3
    undone(journal)
    assert contents(folder) == before


def test_the_same_folder_by_another_way(folder: Path, journal: Journal) -> None:
    """A folder that is reached by a link is the same folder, also for the journal."""
    written(tags(folder), journal)
    (folder.parent / "way").symlink_to(folder)

    assert written(tags(folder.parent / "way"), journal).same == 9


def test_an_interrupted_write_goes_on(
    folder: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run settles what was open, finishes, and is one write to take back."""
    before = contents(folder)
    real, calls = os.replace, []

    def stop(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == 3:
            raise KeyboardInterrupt
        real(self, target)
        return target

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            written(tags(folder), journal)
    assert not journal.unsettled()
    (one,) = journal.writes()
    assert one.open
    written(tags(folder), journal)
    (one,) = journal.writes()
    assert (one.open, one.files) == (False, 9)
    undone(journal)
    assert contents(folder) == before


def test_a_full_disk_stops_with_everything_whole(
    folder: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says what to do; what was written is in the journal, and goes back."""
    before = contents(folder)
    real, calls = os.fsync, []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 4:
            raise OSError(28, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(SidecarError, match="make room"):
            written(tags(folder), journal)
    assert not list(folder.glob(".waymark-*"))
    undone(journal)
    assert contents(folder) == before


def test_one_writer_at_a_time(folder: Path, journal: Journal) -> None:
    """A second write while one is under way is refused, and says so."""
    with journal.writing(), pytest.raises(SidecarError, match="at work"):
        written(tags(folder), journal)
    assert written(tags(folder), journal).created == 3


@pytest.mark.parametrize(
    "options", [{"min_score": 1.5}, {"style": "x"}, {"language": "fr"}, {"min_score": -1}]
)
def test_options_that_cannot_be_meant(options: dict[str, object]) -> None:
    """Each is refused with what may be given."""
    with pytest.raises(ConfigError):
        WriteOptions(**options)  # type: ignore[arg-type]


def test_adobes_names(tmp_path: Path, journal: Journal) -> None:
    """`photo.xmp`, unless two photos could mean it."""
    for name in ("a.jpg", "b.jpg", "b.png"):
        (tmp_path / name).touch()
    changes: list[Change] = list(plan_writes(tags(tmp_path), WriteOptions(style="adobe"), journal))

    assert [change.file.name for change in changes] == ["a.xmp", "b.jpg.xmp"]
