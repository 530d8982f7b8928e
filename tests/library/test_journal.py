"""The journal knows what was written, what stood there before, and how far a kill let it come."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from waymark.errors import ConfigError, SidecarError
from waymark.library.journal import Entry, FileState, Journal, Row
from waymark.library.journal_chain import earlier, head
from waymark.library.journal_schema import LINKED
from waymark.library.journal_settle import settle_all
from waymark.library.sidecar import merge
from waymark.library.sidecar_file import digest
from waymark.library.sidecar_mark import Mark
from waymark.library.store import Store
from waymark.library.store_schema import migrations

OLD = (
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>x</dc:title>'
    b"</rdf:Description></rdf:RDF>"
)
MARK = Mark(subject=("Paris",))
NEW = merge(OLD, MARK).data


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Return the journal of a library on disk."""
    return Journal(Store.open(tmp_path / "library.sqlite").connection)


def planned(journal: Journal, file: Path, *, follows: Row | None = None) -> Row:
    """Note a sidecar that is to be written, after another write of it or not."""
    entry = Entry(
        photo=file.with_suffix(".jpg"), file=file, before=OLD, before_sha256=digest(OLD),
        after_sha256=digest(NEW) or b"", mark=MARK, added=MARK,
        follows=None if follows is None else follows.id,
    )  # fmt: skip
    (row,) = journal.plan(journal.begin("waymark write", {"a": 1}), [entry])
    return row


def test_a_row_comes_back_as_it_went_in(journal: Journal, tmp_path: Path) -> None:
    """Bytes, hashes, names of any bytes and marks survive."""
    file = tmp_path / "a\udcff\n.xmp"
    row = planned(journal, file)

    assert journal.unsettled() == [row]
    assert row.before == OLD
    assert row.file == file


def test_only_what_stands_is_live(journal: Journal, tmp_path: Path) -> None:
    """Of several rows of a file the last written one counts; planned and undone ones do not."""
    file = tmp_path / "a.xmp"
    first = planned(journal, file)
    second = planned(journal, file, follows=first)
    assert journal.live(file) is None
    journal.settle({first.id: "written", second.id: "written"})

    assert (journal.live(file) or first).id == second.id
    assert head(journal, first).id == second.id
    assert (earlier(journal, second) or second).id == first.id
    journal.settle({second.id: "undone"})
    assert (journal.live(file) or second).id == first.id
    assert head(journal, first).id == first.id


def test_pages_of_a_large_write(journal: Journal, tmp_path: Path) -> None:
    """Every file of a write is seen once, the last one first, though states change meanwhile."""
    rows = [planned(journal, tmp_path / f"{n}.xmp") for n in range(150)]
    journal.settle(dict.fromkeys((row.id for row in rows), "written"))
    seen = []
    for row in journal.rows(rows[0].write_id):
        seen.append(row.id)
        journal.settle({row.id: "undone"})

    assert seen == [row.id for row in reversed(rows)]
    assert journal.count(rows[0].write_id) == 0


def test_an_interrupted_write_is_taken_up_again(journal: Journal) -> None:
    """The same options continue the write that was not finished; others begin a new one."""
    first = journal.begin("waymark write", {"a": 1})

    assert journal.begin("waymark write", {"a": 1}) == first
    assert journal.begin("waymark write", {"a": 2}) != first


def test_a_write_of_nothing_is_forgotten(journal: Journal) -> None:
    """No number is left behind that could be taken back."""
    journal.finish(journal.begin("waymark write", {}))

    assert journal.writes() == []


def test_writes_are_found_by_number(journal: Journal, tmp_path: Path) -> None:
    """An unknown number is an error that lists those there are."""
    row = planned(journal, tmp_path / "a.xmp")

    assert journal.find(None).id == row.write_id
    with pytest.raises(ConfigError, match=str(row.write_id)):
        journal.find(99)


@pytest.mark.parametrize(
    ("state", "now", "after"),
    [
        ("planned", OLD, "dropped"),
        ("planned", NEW, "written"),
        ("planned", None, "dropped"),
        ("planned", OLD.replace(b">x<", b">edited<"), "dropped"),
        ("planned", NEW.replace(b">x<", b">edited<"), "written"),
        ("planned", b"broken", "written"),
        ("undoing", OLD, "undone"),
        ("undoing", NEW, "written"),
        ("undoing", NEW.replace(b">x<", b">edited<"), "written"),
    ],
)
def test_what_a_kill_left_open(
    journal: Journal, tmp_path: Path, state: FileState, now: bytes | None, after: FileState
) -> None:
    """The file on disk says how far it came; the unfinished one is removed."""
    row = planned(journal, tmp_path / "a.xmp")
    journal.settle({row.id: state})
    if now is not None:
        row.file.write_bytes(now)
    row.part.write_bytes(b"half")
    settle_all(journal)

    (found,) = journal.connection.execute("SELECT state FROM written_files").fetchone()
    assert found == after
    assert not row.part.exists()
    assert not journal.unsettled()


@pytest.mark.parametrize("left", [NEW.replace(b">x<", b">edited<"), None])
def test_an_undo_that_was_cut_short_is_known_by_what_it_leaves(
    journal: Journal, tmp_path: Path, left: bytes | None
) -> None:
    """Of a sidecar that was edited since, or removed; and the write before gets its words back."""
    first = planned(journal, tmp_path / "a.xmp")
    row = planned(journal, tmp_path / "a.xmp", follows=first)
    journal.settle({first.id: "written", row.id: "written"})
    kept = Mark(subject=("France",))
    journal.plan_undo([(row, left, kept)])
    if left is not None:
        row.file.write_bytes(left)
    settle_all(journal)

    states = journal.connection.execute("SELECT state FROM written_files ORDER BY id").fetchall()
    assert states == [("written",), ("undone",)]
    found = journal.live(row.file)
    assert found is not None
    assert found.added == kept


def test_a_disk_that_is_not_there_waits(journal: Journal, tmp_path: Path) -> None:
    """Files of a folder that is not mounted are settled another day."""
    planned(journal, tmp_path / "gone" / "a.xmp")
    settle_all(journal)

    assert len(journal.unsettled()) == 1


def test_each_step_reaches_the_disk(journal: Journal) -> None:
    """While writing, every commit is synchronised; the library's own setting comes back."""
    journal.connection.execute("PRAGMA synchronous = NORMAL")
    with journal.writing():
        assert journal.connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert journal.connection.execute("PRAGMA synchronous").fetchone() == (1,)


def test_errors_of_the_library_are_said_in_words(journal: Journal) -> None:
    """A library that cannot be written is an error with a remedy."""
    with pytest.raises(SidecarError, match="journal"), journal.writing():
        raise sqlite3.OperationalError("database or disk is full")


def test_marks_are_plain_json(journal: Journal, tmp_path: Path) -> None:
    """Other tools can read what was added."""
    planned(journal, tmp_path / "a.xmp")
    (added,) = journal.connection.execute("SELECT added FROM written_files").fetchone()

    assert json.loads(added)["subject"] == ["Paris"]


def test_a_library_of_before_gets_its_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By name and photo, as they were told apart then; what was taken back is linked to by none."""
    steps = migrations()
    monkeypatch.setattr(
        "waymark.library.store_schema.migrations", lambda: steps[: steps.index(LINKED)]
    )
    old = Store.open(tmp_path / "old.sqlite")
    old.connection.execute("INSERT INTO writes VALUES (1, '2026-05-17T00:00', '', '{}', 'done')")
    rows = [  # file, state, photo
        (b"a", "written", b"1"), (b"b", "written", b"1"), (b"a", "undone", b"1"),
        (b"a", "written", b"1"), (b"a", "written", b"2"), (b"b", "written", None),
    ]  # fmt: skip
    old.connection.executemany(
        "INSERT INTO written_files (write_id, kind, photo, file, state, after_sha256, mark, added,"
        " photo_sha256) VALUES (1, 'sidecar', '', ?, ?, '', '{}', '{}', ?)",
        rows,
    )
    old.close()
    monkeypatch.undo()
    new = Store.open(tmp_path / "old.sqlite")

    found = new.connection.execute("SELECT follows FROM written_files ORDER BY id").fetchall()
    assert [link for (link,) in found] == [None, None, None, 1, None, 2]
