"""One write after another, edits in between, and all of it taken back: whose is what."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from PIL import Image

from waymark.gazetteer import Landmark
from waymark.library.beside import sidecar_place
from waymark.library.embed import apply_embeds, plan_embeds
from waymark.library.journal import Journal
from waymark.library.sidecar_forms import (
    BAG,
    DESCRIPTION,
    HIERARCHY,
    LATITUDE,
    LI,
    METHOD,
    SUBJECT,
    TAGS,
)
from waymark.library.sidecar_parse import Packet
from waymark.library.sidecar_read import facts_of, texts
from waymark.library.sidecar_text import EMPTY, decode_sidecar
from waymark.library.store import Store
from waymark.library.tagged import Tagged
from waymark.library.undo import apply_undo, plan_undo
from waymark.library.write import apply_writes
from waymark.library.write_change import Outcome
from waymark.library.write_plan import WriteOptions, plan_changes, plan_writes

EIFFEL = Landmark(
    id="eiffel_tower", name="Eiffel Tower", local_name="Tour Eiffel", place="Paris", country="FR",
    lat=48.8584, lon=2.2945, extent_m=150, wikidata="Q243",
)  # fmt: skip
LOUVRE = Landmark(id="louvre", name="Louvre", place="Paris", country="FR", lat=48.86, lon=2.34)
BIG_BEN = Landmark(id="big_ben", name="Big Ben", place="London", country="GB", lat=51.5, lon=-0.12)
LISTS = (SUBJECT, TAGS, HIERARCHY)
HEAD = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n <rdf:Description rdf:about="" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:exif="http://ns.adobe.com/exif/1.0/" '
    'xmlns:lr="http://ns.adobe.com/lightroom/1.0/" '
    'xmlns:digiKam="http://www.digikam.org/ns/1.0/">\n'
)
TAIL = " </rdf:Description>\n</rdf:RDF></x:xmpmeta>\n"


def sidecar(**lists: tuple[str, ...]) -> bytes:
    """Return a sidecar with keywords: `subject`, `tags`, `hierarchy`."""
    names = {"subject": "dc:subject", "tags": "digiKam:TagsList",
             "hierarchy": "lr:hierarchicalSubject"}  # fmt: skip
    body = ""
    for key, values in lists.items():
        items = "".join(f"<rdf:li>{value}</rdf:li>" for value in values)
        body += f"  <{names[key]}><rdf:Bag>{items}</rdf:Bag></{names[key]}>\n"
    return (HEAD + body + TAIL).encode()


class Desk:
    """A folder of photos, a library, and the hands of waymark and of its user."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "photos"
        self.folder.mkdir(parents=True)
        self.store = Store.open(root / "library.sqlite")
        self.journal = Journal(self.store.connection)

    def photo(self, name: str = "a.jpg", data: bytes | None = None) -> Path:
        """Make a photo, or another one in its place."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data or f"photo {name}".encode())
        return path

    def tag(self, photo: Path, landmark: Landmark = EIFFEL, **changes: Any) -> Tagged:
        """Return a photo's tag."""
        one = Tagged(
            path=photo, sha256=hashlib.sha256(photo.read_bytes()).hexdigest(), landmark=landmark,
            score=0.97, confidence=0.95, unknown_score=0.02, evidence="photo", state="approved",
            bundle="0123456789ab", tagged_at=datetime(2026, 5, 17, tzinfo=UTC),
        )  # fmt: skip
        return replace(one, **changes)

    def know(self, tagged: Tagged) -> None:
        """Put a photo into the library, as it is tagged."""
        with self.store.transaction() as connection:
            (number,) = self.store.landmark_ids([tagged.landmark])
            values = {
                "path": bytes(tagged.path), "sha256": bytes.fromhex(tagged.sha256), "size": 1,
                "mtime_ns": 1, "inode": 1, "beside": "", "moment": 0, "landmark": number,
                "score": tagged.score, "confidence": tagged.confidence, "state": tagged.state,
                "evidence": "photo", "tagged_at": "2026-05-17T00:00:00+00:00", "guesses": "[]",
            }  # fmt: skip
            connection.execute(
                f"INSERT OR REPLACE INTO photo ({', '.join(values)}) "
                f"VALUES ({', '.join('?' * len(values))})",
                list(values.values()),
            )

    def write(self, *tagged: Tagged, **options: Any) -> Outcome:
        """Write sidecars, and take out of them what is not held any more."""
        asked = WriteOptions(**options)
        changes = list(plan_changes(tagged, None, asked, self.journal))
        planned = {change.file: change.after for change in changes if change.action == "change"}
        done = apply_writes(changes, self.journal, command="write", options=asked.to_dict())
        for file, content in planned.items():
            assert file.read_bytes() == content
        return done

    def undo(self, write_id: int | None = None) -> Outcome:
        """Take back a write, the last one unless told; the dry run says what comes of it."""
        number = self.journal.find(write_id).id
        planned = {c.file: c.after for c in plan_undo(self.journal, number) if c.action != "left"}
        done = apply_undo(self.journal, number)
        for file, content in planned.items():
            assert (file.read_bytes() if file.exists() else None) == content
        return done


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Return an empty desk."""
    return Desk(tmp_path)


def packet(file: Path) -> Packet:
    """Parse a sidecar."""
    return Packet(decode_sidecar(file.read_bytes()).text)


def landmark_in(file: Path) -> str | None:
    """Return the landmark that waymark says of itself in a sidecar."""
    return facts_of(packet(file)).get("Landmark")


def edit(file: Path, name: str, *, add: str = "", drop: str = "") -> None:
    """Change a keyword list as another program would: parse, change, write anew."""
    root = etree.fromstring(file.read_bytes())
    lists = [bag for one in root.iter(name) for bag in one.iter(BAG, f"{{{BAG[1:-4]}}}Seq")]
    if add and not lists:
        top = next(root.iter(DESCRIPTION))
        lists = [etree.SubElement(etree.SubElement(top, name), BAG)]
    if add:
        etree.SubElement(lists[0], LI).text = add
    for item in [one for each in lists for one in each if (one.text or "") == drop != ""]:
        item.getparent().remove(item)
    file.write_bytes(etree.tostring(root))


def test_a_strangers_sidecar_under_the_old_name_is_left(desk: Desk) -> None:
    """Photo and sidecar went, and others of that name came: neither undo nor write touches it."""
    file = desk.folder / "1.jpg.xmp"
    desk.write(desk.tag(desk.photo("1.jpg")))
    other = desk.photo("1.jpg", b"another photo")
    file.write_bytes(own := sidecar(subject=("Paris", "Ann")))

    assert "another sidecar" in desk.undo().left[0].reason
    assert file.read_bytes() == own
    desk.write(desk.tag(other, BIG_BEN))
    assert texts(packet(file), SUBJECT)[:2] == ["Paris", "Ann"]
    desk.undo()
    assert file.read_bytes() == own


def test_two_photos_that_swap_names_keep_their_own(desk: Desk) -> None:
    """Each is found by its content, with its sidecar, and gets back just what it had."""
    one, two = desk.photo("1.jpg"), desk.photo("2.jpg")
    own = {n: sidecar(subject=(f"Ann {n}", "Paris")) for n in (1, 2)}
    for n in (1, 2):
        (desk.folder / f"{n}.jpg.xmp").write_bytes(own[n])
    desk.write(desk.tag(one), desk.tag(two, BIG_BEN))
    for tail in ("", ".xmp"):
        shutil.move(f"{one}{tail}", f"{one}{tail}.was")
        shutil.move(f"{two}{tail}", f"{one}{tail}")
        shutil.move(f"{one}{tail}.was", f"{two}{tail}")
    desk.know(desk.tag(one, BIG_BEN))
    desk.know(desk.tag(two))

    outcome = desk.undo()

    assert (outcome.changed, outcome.left) == (2, ())
    assert (desk.folder / "1.jpg.xmp").read_bytes() == own[2]
    assert (desk.folder / "2.jpg.xmp").read_bytes() == own[1]


def test_a_sidecar_that_moved_with_its_photo_is_found(desk: Desk) -> None:
    """Corrected at its new place it says the new landmark alone; undo goes back to the start."""
    photo = desk.photo("a.jpg")
    desk.write(desk.tag(photo))
    moved = desk.folder / "trip" / "b.jpg"
    moved.parent.mkdir()
    photo.rename(moved)
    (desk.folder / "a.jpg.xmp").rename(desk.folder / "trip" / "b.jpg.xmp")
    desk.know(desk.tag(moved, BIG_BEN))
    desk.write(desk.tag(moved, BIG_BEN, state="corrected"))

    file = desk.folder / "trip" / "b.jpg.xmp"
    assert texts(packet(file), SUBJECT) == ["Big Ben", "London", "United Kingdom"]
    desk.undo()
    assert landmark_in(file) == "eiffel_tower"
    assert desk.undo().removed == 1
    assert list(moved.parent.iterdir()) == [moved]


@pytest.mark.parametrize("state", ["rejected", "not-a-landmark"])
def test_a_tag_that_is_not_held_any_more_goes(desk: Desk, state: str) -> None:
    """The next write takes it out; undo brings it back; said again it is written again."""
    made, merged = desk.photo("a.jpg"), desk.photo("b.jpg")
    (desk.folder / "b.jpg.xmp").write_bytes(own := sidecar(subject=("Ann",)))
    tags = [desk.tag(made), desk.tag(merged)]
    desk.write(*tags)
    written = (desk.folder / "a.jpg.xmp").read_bytes()
    for one in tags:
        desk.know(replace(one, state=state))

    outcome = desk.write()

    assert (outcome.removed, outcome.changed) == (1, 1)
    assert not (desk.folder / "a.jpg.xmp").exists()
    assert (desk.folder / "b.jpg.xmp").read_bytes() == own
    assert desk.write().write_id is None
    desk.undo()
    assert (desk.folder / "a.jpg.xmp").read_bytes() == written
    desk.write()
    for one in tags:
        desk.know(one)
    assert desk.write(*tags).created == 1
    apply_undo(desk.journal, None)
    assert (desk.folder / "b.jpg.xmp").read_bytes() == own
    assert not (desk.folder / "a.jpg.xmp").exists()


def test_what_waymark_itself_takes_back_goes_too(desk: Desk) -> None:
    """Another landmark now, and not sure enough to be written: the old one is not left standing."""
    photo = desk.photo()
    desk.write(desk.tag(photo, state="new"), min_score=0.9)
    desk.know(desk.tag(photo, LOUVRE, state="new", confidence=0.5))

    assert desk.write(min_score=0.9).removed == 1
    desk.know(desk.tag(photo, state="new", confidence=0.5))
    assert desk.write(min_score=0.9).write_id is None


def test_all_writes_are_taken_back_at_once(desk: Desk) -> None:
    """As many as went into one file, in the order that is needed; and the dry run shows the end."""
    photo = desk.photo()
    file = desk.folder / "a.jpg.xmp"
    file.write_bytes(own := sidecar(hierarchy=("Holiday|Rome",)))
    for landmark in (EIFFEL, LOUVRE, BIG_BEN):
        desk.write(desk.tag(photo, landmark))
    (change,) = plan_undo(desk.journal, None)
    outcome = apply_undo(desk.journal, None)

    assert change.after == own == file.read_bytes()
    assert (outcome.changed, outcome.left) == (1, ())  # files, however often each was written
    assert list(plan_undo(desk.journal, None)) == []


def test_a_sidecar_that_its_owner_removed_is_not_waited_for(desk: Desk) -> None:
    """Made anew by a later write, it is that write's alone."""
    photo = desk.photo()
    file = desk.folder / "a.jpg.xmp"
    desk.write(desk.tag(photo))
    file.unlink()
    desk.write(desk.tag(photo))

    assert [change.action for change in plan_undo(desk.journal, None)] == ["remove"]
    assert apply_undo(desk.journal, None).left == ()
    assert not file.exists()
    assert list(plan_undo(desk.journal, None)) == []


def test_a_copy_does_not_take_over_the_originals_sidecar(desk: Desk) -> None:
    """Tagged later, and so written with another time: neither is written again."""
    photo, copy = desk.photo("a.jpg"), desk.photo("c.jpg", b"photo a.jpg")
    tags = [desk.tag(photo), desk.tag(copy, tagged_at=datetime(2026, 6, 1, tzinfo=UTC))]
    assert desk.write(*tags).created == 2

    assert desk.write(*tags).same == 2


def test_a_file_written_twice_by_one_write_goes_back_in_one(desk: Desk) -> None:
    """A write that was interrupted and went on after a correction."""
    photo = desk.photo()
    number = desk.journal.begin("write", {})
    for landmark in (EIFFEL, LOUVRE):
        changes = plan_writes([desk.tag(photo, landmark)], WriteOptions(), desk.journal)
        apply_writes(changes, desk.journal, command="write", options={})
        desk.journal.connection.execute("UPDATE writes SET state = 'open'")

    assert desk.journal.count(number) == 2
    outcome = desk.undo(number)
    assert outcome.left == ()
    assert not (desk.folder / "a.jpg.xmp").exists()


def test_an_estimate_gives_way_to_a_real_position(desk: Desk) -> None:
    """Once the photo knows where it was taken, whether or not it is asked for again."""
    photo = desk.photo()
    desk.write(desk.tag(photo), gps=True)
    assert texts(packet(desk.folder / "a.jpg.xmp"), LATITUDE) == ["48,51.504N"]
    desk.write(desk.tag(photo, gps=(50.0, 3.0)))

    assert not packet(desk.folder / "a.jpg.xmp").has(LATITUDE)


@pytest.mark.parametrize("again", [False, True])
def test_an_estimate_that_somebody_put_right_is_theirs(desk: Desk, again: bool) -> None:
    """Written over by another program, it is not marked as waymark's, and the next tag reads it."""
    photo, file = desk.photo(), desk.folder / "a.jpg.xmp"
    desk.write(desk.tag(photo), gps=True)
    moved = file.read_bytes().replace(b"48,51.504N", b"50,30.0N").replace(b"2,17.67E", b"3,15.0E")
    file.write_bytes(moved)
    assert sidecar_place(moved) is None

    outcome = desk.write(desk.tag(photo), gps=again)

    assert "changed since" in outcome.notes[0].reason
    assert sidecar_place(file.read_bytes()) == (50.5, 3.25)
    assert not packet(file).has(METHOD)
    assert desk.write(desk.tag(photo), gps=again).write_id is None
    desk.undo()
    assert file.read_bytes() == moved
    desk.undo()
    assert texts(packet(file), LATITUDE) == ["50,30.0N"]
    assert not packet(file).has(METHOD)


def test_a_photo_whose_own_xmp_has_a_position_gets_no_estimate(desk: Desk) -> None:
    """Some programs keep it there alone."""
    from PIL import Image

    place = b"<exif:GPSLatitude>50,1.0N</exif:GPSLatitude>"
    inside = sidecar().replace(TAIL.encode(), place + TAIL.encode())
    Image.new("RGB", (8, 8)).save(desk.folder / "a.jpg", xmp=inside)
    desk.write(desk.tag(desk.folder / "a.jpg"), gps=True)

    assert not packet(desk.folder / "a.jpg.xmp").has(LATITUDE)


@pytest.mark.parametrize(
    ("first", "second"), [("a.png", "a.png.jpg"), ("a.CR2", "a.CR2.jpg"), ("a.jpg", "a.jfif")]
)
def test_no_two_photos_share_a_sidecar(desk: Desk, first: str, second: str) -> None:
    """`a.png.xmp` is that of `a.png`, not of `a.png.jpg`; nor is `a.xmp` that of two."""
    one, two = desk.photo(first), desk.photo(second)
    for style in ("default", "adobe"):
        desk.write(desk.tag(one), desk.tag(two, BIG_BEN), style=style)
        said = {landmark_in(file) for file in desk.folder.glob("*.xmp")}
        assert said == {"eiffel_tower", "big_ben"}
        apply_undo(desk.journal, None)


@pytest.mark.parametrize("came", ["a.jpg.xmp", "a.png"])
def test_a_sidecar_that_its_photo_has_left_is_not_left_behind(desk: Desk, came: str) -> None:
    """Another program made `a.jpg.xmp`, or `a.xmp` may be that of `a.png`: corrected, it goes."""
    photo, old, new = desk.photo(), desk.folder / "a.xmp", desk.folder / "a.jpg.xmp"
    desk.know(desk.tag(photo))
    desk.write(desk.tag(photo), style="adobe")
    (desk.folder / came).write_bytes(sidecar(subject=("Ann",)))
    corrected = desk.tag(photo, LOUVRE, state="corrected")
    desk.know(corrected)

    assert desk.write(corrected, style="adobe").removed == 1
    assert landmark_in(new) == "louvre"
    assert not old.exists()
    assert desk.write(corrected, style="adobe").write_id is None
    assert desk.undo().left == ()
    assert landmark_in(old) == "eiffel_tower"


def pair(desk: Desk) -> tuple[Path, Path, Path]:
    """Return a RAW, its JPEG, and the sidecar of both, which is there."""
    file = desk.folder / "i.xmp"
    file.write_bytes(sidecar(subject=("Ann",)))
    return desk.photo("i.CR2"), desk.photo("i.jpg"), file


def test_one_of_a_pair_takes_the_sidecar_over(desk: Desk) -> None:
    """The RAW's tag is rejected, the JPEG's corrected: one change, and one back."""
    raw, jpeg, file = pair(desk)
    own = file.read_bytes()
    for photo in (raw, jpeg):
        desk.know(desk.tag(photo))
    desk.write(desk.tag(raw))
    before = file.read_bytes()
    desk.know(desk.tag(raw, state="rejected"))
    corrected = desk.tag(jpeg, LOUVRE, state="corrected")
    desk.know(corrected)
    outcome = desk.write(corrected)

    assert (outcome.changed, outcome.same, outcome.left) == (1, 0, ())
    assert landmark_in(file) == "louvre"
    assert desk.write(corrected).write_id is None
    desk.undo()
    assert file.read_bytes() == before
    assert apply_undo(desk.journal, None).left == ()
    assert file.read_bytes() == own


def test_a_pair_that_agrees_is_written_once(desk: Desk) -> None:
    """It is no conflict; another landmark is one; and the sidecar stays while one of them holds."""
    raw, jpeg, file = pair(desk)
    tags = [desk.tag(raw), desk.tag(jpeg, score=0.9)]
    for one in tags:
        desk.know(one)

    assert desk.write(*tags).left == ()
    assert desk.write(*tags).same == 2
    assert len(desk.write(tags[0], desk.tag(jpeg, LOUVRE)).left) == 1
    desk.know(desk.tag(raw, state="rejected"))
    assert desk.write(tags[1]).left == ()
    assert landmark_in(file) == "eiffel_tower"
    assert desk.write(tags[1]).write_id is None
    desk.know(desk.tag(jpeg, state="rejected"))
    desk.write()
    assert landmark_in(file) is None


def test_a_keyword_that_was_taken_out_stays_out(desk: Desk) -> None:
    """Through another landmark, another language, and back."""
    photo, file = desk.photo(), desk.folder / "a.jpg.xmp"
    desk.write(desk.tag(photo))
    edit(file, SUBJECT, drop="France")
    for landmark, language in ((BIG_BEN, "english"), (EIFFEL, "local"), (EIFFEL, "english")):
        desk.write(desk.tag(photo, landmark), language=language)
        assert "France" not in texts(packet(file), SUBJECT)


@pytest.mark.parametrize("own", [None, sidecar(subject=("Ann",))], ids=["made", "merged"])
@pytest.mark.parametrize("edited", [False, True])
def test_a_keyword_that_was_taken_out_stays_out_of_what_is_written_anew(
    desk: Desk, own: bytes | None, edited: bool
) -> None:
    """Rejected, and so gone; approved after all; whatever was done to the sidecar in between."""
    photo, file = desk.photo(), desk.folder / "a.jpg.xmp"
    if own:
        file.write_bytes(own)
    desk.write(desk.tag(photo))
    edit(file, SUBJECT, drop="France")
    for _ in range(2):
        desk.know(desk.tag(photo, state="rejected"))
        desk.write()
        if edited:
            file.write_bytes(sidecar(subject=("Bob",)))
        desk.know(desk.tag(photo))
        desk.write(desk.tag(photo))
        said = texts(packet(file), SUBJECT)
        assert "Eiffel Tower" in said
        assert "France" not in said
        assert ("Bob" in said) == edited


def test_the_owners_tags_are_not_hidden_by_an_undo(desk: Desk) -> None:
    """Beside a tag that was added since, the copies of the others stay in TagsList."""
    file = desk.folder / "a.jpg.xmp"
    file.write_bytes(sidecar(hierarchy=("Holiday|Rome",)))
    desk.write(desk.tag(desk.photo()))
    edit(file, TAGS, add="Foo")
    desk.undo()

    assert texts(packet(file), TAGS) == ["Holiday/Rome", "Foo"]
    assert texts(packet(file), HIERARCHY) == ["Holiday|Rome"]


def test_a_sidecar_with_somebodys_remark_is_not_removed(desk: Desk) -> None:
    """Though waymark made it, and nothing but the remark is left."""
    file = desk.folder / "a.jpg.xmp"
    desk.write(desk.tag(desk.photo()))
    file.write_bytes(file.read_bytes().replace(b"</rdf:RDF>", b"<!-- my note --></rdf:RDF>"))
    desk.undo()

    assert b"my note" in file.read_bytes()
    assert landmark_in(file) is None


def test_a_rejected_landmark_inside_a_photo_is_named(
    desk: Desk, tool: Callable[[str], str]
) -> None:
    """No write takes it out, but each says which undo does; after that there is nothing to say."""
    tool("exiftool")
    photo = desk.folder / "a.jpg"
    Image.new("RGB", (8, 8)).save(photo)
    before = photo.read_bytes()
    changes = list(plan_embeds([desk.tag(photo)], WriteOptions(), desk.journal))
    assert apply_embeds(changes, desk.journal, command="write", options={}).changed == 1
    desk.know(desk.tag(photo))
    assert desk.write().left == ()

    desk.know(desk.tag(photo, state="rejected"))
    (inside,) = plan_embeds([], WriteOptions(), desk.journal)
    for reason in (desk.write().left[0].reason, inside.reason):
        assert "`waymark undo 1`" in reason
    assert list(plan_embeds([], WriteOptions(), desk.journal, paths=[desk.folder / "x"])) == []
    apply_undo(desk.journal, 1)
    assert photo.read_bytes() == before
    assert desk.write().left == ()


def test_an_empty_sidecar_of_the_owner_stays(desk: Desk) -> None:
    """Though waymark had made one of that name, which its owner removed."""
    photo, file = desk.photo(), desk.folder / "a.jpg.xmp"
    desk.write(desk.tag(photo))
    file.write_bytes(EMPTY)
    desk.write(desk.tag(photo))
    desk.know(desk.tag(photo, state="rejected"))
    desk.write()

    assert file.read_bytes() == EMPTY


def test_a_sidecar_that_was_edited_between_two_writes_is_still_waymarks(desk: Desk) -> None:
    """What its owner put in and took out again does not make it theirs."""
    photo, file = desk.photo(), desk.folder / "a.jpg.xmp"
    desk.write(desk.tag(photo))
    edit(file, SUBJECT, add="Mine")
    desk.write(desk.tag(photo, LOUVRE))
    edit(file, SUBJECT, drop="Mine")
    desk.know(desk.tag(photo, state="rejected"))

    assert desk.write().removed == 1


def test_a_readonly_sidecar_is_left(desk: Desk) -> None:
    """Its owner has closed it."""
    file = desk.folder / "a.jpg.xmp"
    file.write_bytes(own := sidecar(subject=("Ann",)))
    file.chmod(0o444)
    outcome = desk.write(desk.tag(desk.photo()))

    assert "read-only" in outcome.left[0].reason
    assert file.read_bytes() == own


def play(desk: Desk, rng: random.Random) -> None:
    """Write, edit and undo at random; then take back all.

    Raises:
        AssertionError: something of the user's was lost, or something of waymark's was left.
    """
    photo, file = desk.photo(), desk.folder / "a.jpg.xmp"
    own: dict[str, set[str]] = {name: set() for name in LISTS}
    if rng.random() < 0.6:
        words = ("Ann", "Paris", "Holiday")
        file.write_bytes(sidecar(**{
            key: tuple(rng.sample(words, 2)) for key in rng.sample(("subject", "tags"), 1)
        }))  # fmt: skip
        own = {name: set(texts(packet(file), name)) for name in LISTS}
    for _ in range(rng.randint(2, 8)):
        act = rng.choice(("write", "edit", "edit", "undo"))
        before = file.read_bytes() if file.exists() else None
        if act == "write":
            landmark = rng.choice((EIFFEL, LOUVRE, BIG_BEN))
            again = {"language": rng.choice(("english", "local")), "gps": rng.random() < 0.3}
            wrote = desk.write(desk.tag(photo, landmark), **again)
            after = file.read_bytes()
            assert desk.write(desk.tag(photo, landmark), **again).write_id is None
            if wrote.write_id and rng.random() < 0.3:
                desk.undo()
                assert (file.read_bytes() if file.exists() else None) == before
                desk.write(desk.tag(photo, landmark), **again)
                assert file.read_bytes() == after
        elif act == "edit" and before is not None:
            name, word = rng.choice(LISTS), rng.choice(("Mine", "France", "London"))
            if rng.random() < 0.6 and word not in texts(packet(file), name):
                edit(file, name, add=word)
                own[name].add(word)
            elif there := texts(packet(file), name):
                gone = rng.choice(there)
                edit(file, name, drop=gone)
                own[name].discard(gone)
        elif act == "undo" and any(write.files for write in desk.journal.writes()):
            assert desk.undo().left == ()
        now = packet(file) if file.exists() else None
        for name in LISTS:
            assert own[name] <= set(texts(now, name) if now else ())
    assert apply_undo(desk.journal, None).left == ()
    now = packet(file) if file.exists() else None
    for name in LISTS:
        left = set(texts(now, name) if now else ())
        copies = {tag for tag in left if name == TAGS and tag in own[SUBJECT] | own[HIERARCHY]}
        assert left - copies == own[name] - copies
    assert now is None or not facts_of(now)


@pytest.mark.parametrize("seed", range(60))
def test_whatever_happens_in_between_only_ours_goes(tmp_path: Path, seed: int) -> None:
    """Nothing of the user's is ever lost, and nothing of waymark's outlives the last undo."""
    play(Desk(tmp_path), random.Random(seed))
