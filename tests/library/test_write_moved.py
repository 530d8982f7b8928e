"""Sidecars whose photos are moved, copied, edited or replaced: each is known by content."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from waymark.library import store_review, write
from waymark.library.journal import Journal
from waymark.library.journal_settle import foreseen
from waymark.library.sidecar_forms import BAG, DESCRIPTION, LI, SUBJECT
from waymark.library.sidecar_mark import Mark
from waymark.library.sidecar_parse import Packet
from waymark.library.sidecar_read import facts_of, texts
from waymark.library.sidecar_text import decode_sidecar
from waymark.library.tagged import State
from waymark.library.undo import apply_undo, plan_undo
from waymark.library.write import apply_writes
from waymark.library.write_change import Outcome
from waymark.library.write_plan import WriteOptions, plan_withdrawals, plan_writes

OWN = (
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:subject><rdf:Bag>'
    b"<rdf:li>Ann</rdf:li></rdf:Bag></dc:subject></rdf:Description></rdf:RDF>"
)


class Owner:
    """A person with photos, a library that is tagged for real, and sidecars."""

    def __init__(self, home: Any) -> None:
        self.home, self.folder = home, home.folder
        self.journal = Journal(home.store.connection)

    def add(self, name: str, seed: int = 1, own: bytes = b"") -> Path:
        """Take a photo, with a sidecar of another program or none; return that."""
        photo = self.home.photo(name, seed)
        sidecar = photo.with_name(photo.name + ".xmp")
        if own:
            sidecar.write_bytes(own)
        return sidecar

    def move(self, old: str, new: str) -> Path:
        """Move a photo with its sidecar; return the sidecar."""
        (self.folder / new).parent.mkdir(parents=True, exist_ok=True)
        for tail in (".xmp", ""):
            if (self.folder / f"{old}{tail}").exists():
                shutil.move(self.folder / f"{old}{tail}", self.folder / f"{new}{tail}")
        return self.folder / f"{new}.xmp"

    def say(self, state: State, *names: str) -> None:
        """Review photos, all unless told which, as they are found now."""
        self.home.tag(workers=1)
        numbers = [self.home.number(name) for name in names or self.home.listed()]
        store_review.say(self.home.store, numbers, state)

    def write(self, other: Any = None) -> Outcome:
        """Write sidecars, by this library or another one."""
        home = other or self.home
        journal, options = Journal(home.store.connection), WriteOptions()
        tagged = home.store.tagged(None, min_score=None, approved=True)
        changes = chain(
            plan_withdrawals(None, options, journal), plan_writes(tagged, options, journal)
        )
        return apply_writes(changes, journal, command="write", options={})

    def undo(self, write_id: int | None = None) -> Outcome:
        """Take back a write, all unless told."""
        return apply_undo(self.journal, write_id)

    def sidecars(self) -> list[str]:
        """Return the sidecars that there are."""
        found = self.folder.rglob("*.[xX][mM][pP]")
        return sorted(each.relative_to(self.folder).as_posix() for each in found)


@pytest.fixture
def owner(home: Any) -> Owner:
    """Return a person whose library is empty."""
    return Owner(home)


def facts(sidecar: Path) -> dict[str, str]:
    """Return what waymark says of itself in a sidecar."""
    return facts_of(Packet(decode_sidecar(sidecar.read_bytes()).text))


def keywords(sidecar: Path) -> list[str]:
    """Return the keywords of a sidecar."""
    return texts(Packet(decode_sidecar(sidecar.read_bytes()).text), SUBJECT)


def add_keyword(sidecar: Path, word: str) -> None:
    """Add a keyword, as another program would."""
    root = etree.fromstring(sidecar.read_bytes())
    lists = [bag for one in root.iter(SUBJECT) for bag in one.iter(BAG)]
    if not lists:
        top = next(root.iter(DESCRIPTION))
        lists = [etree.SubElement(etree.SubElement(top, SUBJECT), BAG)]
    etree.SubElement(lists[0], LI).text = word
    sidecar.write_bytes(etree.tostring(root))


@pytest.mark.parametrize("number", [2, None])
def test_undo_gives_no_sidecar_another_photos_landmark(owner: Owner, number: int | None) -> None:
    """A new photo has the name of one that moved: their sidecars have no past in common."""
    owner.add("a.jpg")
    owner.say("approved")
    owner.write()
    moved = owner.move("a.jpg", "trip/a.jpg")
    sidecar = owner.add("a.jpg", seed=2, own=OWN)
    owner.say("approved")
    owner.write()
    add_keyword(sidecar, "Mine")
    planned = {change.file for change in plan_undo(owner.journal, number)}

    assert owner.undo(number).left == ()
    assert keywords(sidecar) == ["Ann", "Mine"]
    assert facts(sidecar) == {}
    assert moved.exists() == (number is not None)
    assert planned == ({sidecar} if number else {sidecar, moved})


def test_the_write_of_a_moved_photo_is_taken_back_alone(owner: Owner) -> None:
    """It is not in the way that a later write has used its name."""
    owner.add("a.jpg")
    owner.say("approved")
    owner.write()
    owner.move("a.jpg", "trip/a.jpg")
    owner.add("a.jpg", seed=2)
    owner.say("approved")
    owner.write()

    assert owner.undo(1).removed == 1
    assert owner.sidecars() == ["a.jpg.xmp"]
    assert owner.undo().removed == 1
    assert owner.sidecars() == []


@pytest.mark.parametrize("to", ["trip/a.jpg.xmp", "a.jpg.XMP", "copy/a.jpg.xmp"])
def test_a_rejected_tag_goes_wherever_the_sidecar_is(owner: Owner, to: str) -> None:
    """Moved with its photo, renamed, or copied; and undo brings back each."""
    sidecar = owner.add("a.jpg")
    owner.say("approved")
    owner.write()
    if to.startswith("trip"):
        owner.move("a.jpg", "trip/a.jpg")
    elif to.startswith("copy"):
        (owner.folder / "copy").mkdir()
        for name in ("a.jpg", "a.jpg.xmp"):
            shutil.copy(owner.folder / name, owner.folder / "copy" / name)
    else:
        sidecar.rename(owner.folder / to)
    there = owner.sidecars()
    owner.say("rejected")
    owner.write()

    assert owner.sidecars() == []
    assert owner.undo(2).left == ()
    assert owner.sidecars() == there
    assert owner.undo().left == ()
    assert owner.sidecars() == []


@pytest.mark.parametrize("seen", [True, False])
def test_a_photo_that_was_edited_and_then_moved_keeps_its_sidecar(owner: Owner, seen: bool) -> None:
    """Its content is another one, its picture is not; whether or not a write has seen it."""
    sidecar = owner.add("a.jpg")
    owner.say("approved")
    owner.write()
    with sidecar.with_suffix("").open("ab") as photo:
        photo.write(b"metadata")
    owner.home.tag(workers=1)
    if seen:
        assert owner.write().same == 1
    moved = owner.move("a.jpg", "trip/b.jpg")
    owner.say("rejected")
    owner.write()

    assert not moved.exists()
    assert owner.undo().left == ()
    assert owner.sidecars() == []


def test_undo_takes_nothing_from_a_copy_with_a_row_of_its_own(owner: Owner) -> None:
    """The write of a photo that is gone is left; it does not become that of the copy."""
    kept = owner.add("y/a.jpg")
    owner.say("approved")
    owner.write()
    owner.add("x/a.jpg")
    owner.say("approved")
    owner.write()
    shutil.rmtree(owner.folder / "x")
    owner.home.tag(workers=1)
    said = kept.read_bytes()

    assert "not there" in owner.undo(2).left[0].reason
    assert kept.read_bytes() == said


@pytest.mark.parametrize("again", [True, False])
def test_photos_that_swapped_and_say_the_same(owner: Owner, again: bool) -> None:
    """Though their sidecars are the same to the byte, each goes with its own photo."""
    owner.add("a.jpg", seed=1)
    owner.add("b.jpg", seed=2)
    owner.home.tag(workers=1)
    numbers = [photo.id for photo in owner.home.listed().values()]
    store_review.correct(owner.home.store, numbers, "landmark-1")
    owner.write()
    owner.move("a.jpg", "tmp.jpg")
    owner.move("b.jpg", "a.jpg")
    owner.move("tmp.jpg", "trip/c.jpg")
    owner.home.tag(workers=1)
    if again:
        store_review.correct(owner.home.store, [owner.home.number("trip/c.jpg")], "landmark-2")
        assert owner.write().changed == 1
    assert owner.sidecars() == ["a.jpg.xmp", "trip/c.jpg.xmp"]

    assert owner.undo().left == ()
    assert owner.sidecars() == []


def test_a_copy_in_a_folder_that_is_gone_is_passed_over(owner: Owner) -> None:
    """The moved sidecar is found nevertheless."""
    owner.add("x/a.jpg")
    owner.add("b/copy.jpg")
    owner.say("approved", "x/a.jpg")
    owner.write()
    shutil.rmtree(owner.folder / "b")
    owner.move("x/a.jpg", "z/a.jpg")
    shutil.rmtree(owner.folder / "x")
    owner.home.tag(owner.folder / "z", workers=1)
    left = owner.undo().left

    assert owner.sidecars() == []
    assert [reason.reason[:12] for reason in left] == ["is not there"]  # that of the copy


def test_a_withdrawal_is_taken_back_though_somebody_wrote_since(owner: Owner) -> None:
    """The landmark comes back beside the new keyword, and all of it goes again."""
    sidecar = owner.add("a.jpg", own=OWN)
    owner.say("approved")
    owner.write()
    owner.say("rejected")
    owner.write()
    assert facts(sidecar) == {}
    add_keyword(sidecar, "Mine")
    owner.undo(2)

    assert facts(sidecar)
    assert {"Ann", "Mine"} < set(keywords(sidecar))
    owner.undo()
    assert keywords(sidecar) == ["Ann", "Mine"]
    assert facts(sidecar) == {}


def test_a_sidecar_that_was_put_back_from_a_backup(owner: Owner) -> None:
    """It is that of the earlier write again; what came later is not waited for."""
    sidecar = owner.add("a.jpg", own=OWN)
    owner.say("approved")
    owner.write()
    backup = sidecar.read_bytes()
    owner.say("rejected")
    owner.write()
    sidecar.write_bytes(backup)
    owner.write()

    assert sidecar.read_bytes() == OWN
    assert owner.undo().left == ()
    assert sidecar.read_bytes() == OWN


@pytest.mark.parametrize("first", ["mine", "other"])
@pytest.mark.parametrize("own", [b"", OWN])
def test_two_libraries_take_back_each_its_own(
    owner: Owner, new_home: Callable[[], Any], first: str, own: bytes
) -> None:
    """In either order nothing stays; who goes first says that another has written since."""
    sidecar = owner.add("a.jpg", own=own)
    other = new_home()
    owner.say("approved")
    owner.write()
    other.tag(owner.folder, workers=1)
    number = other.store.connection.execute("SELECT id FROM photo").fetchone()[0]
    other.store.connection.execute("UPDATE photo SET tagged_at = '2031-01-01T00:00:00+00:00'")
    store_review.say(other.store, [number], "approved")
    owner.write(other)
    journals = [owner.journal, Journal(other.store.connection)]
    outcomes = [apply_undo(each, None) for each in journals[:: 1 if first == "mine" else -1]]

    assert [outcome.left for outcome in outcomes] == [(), ()]
    if first == "mine":
        assert "another library" in outcomes[0].notes[-1].reason
        assert (sidecar.read_bytes() if sidecar.exists() else b"") == own
    else:
        assert not sidecar.exists() or facts(sidecar) == {}


def test_a_dry_run_after_a_kill_is_what_will_be_done(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was left open is read as it will be settled; the journal does not change for it."""
    owner.add("a.jpg")
    owner.add("b.jpg", seed=2)
    owner.say("approved")

    names, replace_file = list[str](), write.replace_file

    def killed(path: Path, *arguments: object, **options: object) -> None:
        if names:
            raise KeyboardInterrupt
        names.append(path.name)
        replace_file(path, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(write, "replace_file", killed)
    monkeypatch.setattr(write, "settle_all", lambda *_: None)
    monkeypatch.setattr(Journal, "settle", lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        owner.write()
    monkeypatch.undo()
    before = owner.journal.connection.execute("SELECT * FROM written_files").fetchall()

    assert [change.file.name for change in plan_undo(owner.journal, None)] == owner.sidecars()
    assert owner.journal.connection.execute("SELECT * FROM written_files").fetchall() == before
    assert owner.undo().removed == 1


def test_what_an_undo_that_was_cut_short_gave_back_is_foreseen(owner: Owner) -> None:
    """The write before is read with what is its own again."""
    sidecar = owner.add("a.jpg", own=OWN)
    owner.say("approved")
    owner.write()
    store_review.correct(owner.home.store, [owner.home.number("a.jpg")], "landmark-1")
    owner.write()
    first, second = sorted(owner.journal.rows(None), key=lambda row: row.id)
    assert first.before is not None
    kept = Mark(subject=("France",))
    owner.journal.plan_undo([(second, OWN, kept)])
    sidecar.write_bytes(OWN)

    with foreseen(owner.journal):
        assert [row.id for row in owner.journal.rows(None)] == [first.id]
        assert next(owner.journal.rows(None)).added == kept
    assert next(owner.journal.rows(None)).added == first.added
