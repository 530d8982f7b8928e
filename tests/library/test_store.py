"""The library's file: safe to open, to share, to fill up; reviewed and looked through."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waymark.errors import ConfigError, LibraryError, UnknownName
from waymark.gazetteer import Landmark
from waymark.library.store import Store, default_path
from waymark.library.store_paths import below
from waymark.library.store_query import Filter, every, page
from waymark.library.store_schema import _ANSWERS, migrations
from waymark.library.store_stats import library_stats

EIFFEL = Landmark(
    id="eiffel_tower", name="Eiffel Tower", local_name="Tour Eiffel", place="Paris", country="FR",
    category="tower", lat=48.8584, lon=2.2945, extent_m=150, wikidata="Q243",
)  # fmt: skip
PETRA = Landmark(id="petra", name="Petra", place="Wadi Musa", country="JO", lat=30.33, lon=35.44)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return an empty library."""
    with Store.open(tmp_path / "library.sqlite") as opened:
        yield opened


Add = Callable[..., int]


@pytest.fixture
def add(store: Store) -> Add:
    """Return a function that puts a photo into the library."""

    def put(path: str, landmark: Landmark | None = EIFFEL, **columns: Any) -> int:
        with store.transaction() as connection:
            number = None if landmark is None else store.landmark_ids([landmark])[0]
            values: dict[str, Any] = {
                "path": path.encode(), "size": 1, "mtime_ns": 1, "inode": 1, "beside": "",
                "sha256": path.encode().ljust(32, b".")[:32], "moment": 0, "bundle": "0" * 12,
                "guesses": "[]", "unknown_score": 0.1, "landmark": number,
                "score": None if landmark is None else 0.8,
                "confidence": None if landmark is None else columns.get("score", 0.8),
                "evidence": None if landmark is None else "photo",
                "tagged_at": "2024-05-17T18:30:00+02:00",
            } | columns  # fmt: skip
            marks = ", ".join("?" * len(values))
            done = connection.execute(
                f"INSERT INTO photo ({', '.join(values)}) VALUES ({marks})", list(values.values())
            )
            return int(done.lastrowid or 0)

    return put


def state_of(store: Store, photo: int) -> tuple[Any, ...]:
    """Return what the library says of a photo."""
    row = store.connection.execute(
        "SELECT state, landmark.key, score, confidence, evidence FROM photo "
        "LEFT JOIN landmark ON landmark.id = photo.landmark WHERE photo.id = ?",
        [photo],
    ).fetchone()
    return tuple(row)


def test_the_file_is_the_owners_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mode 0600, where the user's data belongs, the files beside it too."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))

    with Store.open() as store, store.transaction() as connection:
        connection.execute("INSERT INTO setting VALUES ('a', 'b')")

        assert store.path == default_path() == tmp_path / "data" / "waymark" / "library.sqlite"
        for file in store.path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    """The schema is brought up to date once; what is stored stays."""
    path = tmp_path / "l.sqlite"
    with Store.open(path) as store, store.transaction() as connection:
        connection.execute("INSERT INTO setting VALUES ('a', 'b')")
    with Store.open(path) as store:
        assert store.connection.execute("SELECT * FROM setting").fetchall() == [("a", "b")]
        (version,) = store.connection.execute("PRAGMA user_version").fetchone()
        assert version == len(migrations())


def test_an_older_library_is_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each later step is taken once, and a step that fails leaves the file as it was."""
    path = tmp_path / "l.sqlite"
    steps = migrations()
    with Store.open(path) as store, store.transaction() as connection:
        connection.execute("INSERT INTO setting VALUES ('a', 'b')")
    wrong = "CREATE TABLE later (x); CREATE TABLE later (x);"
    monkeypatch.setattr("waymark.library.store_schema.migrations", lambda: (*steps, wrong))
    with pytest.raises(LibraryError):
        Store.open(path)
    monkeypatch.setattr(
        "waymark.library.store_schema.migrations", lambda: (*steps, "CREATE TABLE later (x);")
    )
    with Store.open(path) as store:
        assert store.connection.execute("SELECT count(*) FROM later").fetchone() == (0,)
        assert store.connection.execute("SELECT * FROM setting").fetchall() == [("a", "b")]


def test_what_is_no_library_is_refused(tmp_path: Path) -> None:
    """Another program's database, a newer library, a text, a folder: none is touched."""
    other, newer, text = (tmp_path / name for name in ("other.db", "newer.db", "text.db"))
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    Store.open(newer).close()
    connection = sqlite3.connect(newer)
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    text.write_text("not a database, but long enough to look at " * 40)
    before = other.read_bytes()

    for path, words in ((other, "another program"), (newer, "newer waymark"), (text, "no library")):
        with pytest.raises(LibraryError, match=words):
            Store.open(path)
    with pytest.raises(LibraryError):
        Store.open(tmp_path)
    assert other.read_bytes() == before


def test_reading_needs_a_library(tmp_path: Path) -> None:
    """One that is only to be read is not made."""
    with pytest.raises(LibraryError, match="waymark tag"):
        Store.open(tmp_path / "none.sqlite", readonly=True)
    assert not list(tmp_path.iterdir())


def test_readers_see_whole_transactions(store: Store, add: Add) -> None:
    """A reader beside a writer sees what was committed, and waits for nothing."""
    add("/a.jpg")
    with Store.open(store.path, readonly=True) as reader, store.transaction() as connection:
        connection.execute("DELETE FROM photo")
        assert len(list(reader.tagged())) == 1


def test_a_failed_transaction_leaves_nothing(store: Store, add: Add) -> None:
    """All of it, or nothing of it."""
    add("/a.jpg")

    def fail() -> None:
        with store.transaction() as connection:
            connection.execute("DELETE FROM photo")
            connection.execute("NONSENSE")

    with pytest.raises(LibraryError):
        fail()

    assert len(list(store.tagged())) == 1


def test_a_full_disk_is_said_and_loses_nothing(store: Store, add: Add) -> None:
    """What was committed before is there; the message says what to do."""
    add("/a.jpg")
    (pages,) = store.connection.execute("PRAGMA page_count").fetchone()
    store.connection.execute(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(LibraryError, match=r"disk is full.*kept"), store.transaction() as each:
        each.execute("INSERT INTO setting VALUES ('big', ?)", ["x" * 100_000])

    assert [str(tagged.path) for tagged in store.tagged()] == ["/a.jpg"]


def test_tagged_gives_what_writing_needs(store: Store, add: Add) -> None:
    """Photos with a landmark that nobody objected to, by path, each field as it is stored."""
    add("/b.jpg", lat=1.5, lon=-2.5)
    add("/a.jpg", score=0.9, confidence=0.3)
    add("/c.jpg", None)
    add("/d.jpg", missing=1)
    add("/e.jpg", state="rejected")
    add("/f/g.jpg", state="approved", score=0.2)

    found = list(store.tagged())

    assert [str(each.path) for each in found] == ["/a.jpg", "/b.jpg", "/f/g.jpg"]
    assert found[1].landmark == EIFFEL
    assert found[1].gps == (1.5, -2.5)
    assert found[1].sha256 == b"/b.jpg".ljust(32, b".").hex()
    assert found[1].tagged_at.isoformat() == "2024-05-17T18:30:00+02:00"
    assert [str(t.path) for t in store.tagged(min_score=0.5)] == ["/b.jpg", "/f/g.jpg"]
    assert [str(t.path) for t in store.tagged(approved=True)] == ["/f/g.jpg"]
    assert [str(t.path) for t in store.tagged(["/f"])] == ["/f/g.jpg"]
    assert [str(t.path) for t in store.tagged(["/b.jpg", "/nowhere"])] == ["/b.jpg"]


@given(st.lists(st.text(st.sampled_from("ab0/."), min_size=1, max_size=6), max_size=8), st.data())
@settings(max_examples=60, deadline=None)
def test_below_is_what_lies_below(names: list[str], data: st.DataObject) -> None:
    """The range of paths that SQL looks at is exactly the folder and what is in it."""
    paths = sorted({"/" + name.strip("/.").replace("//", "/") for name in names})
    folder = data.draw(st.sampled_from(["/", "/a", "/a/b", "/b0", *paths]))
    folder = str(Path(folder).resolve())
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE photo (path BLOB)")
    connection.executemany("INSERT INTO photo VALUES (?)", [[path.encode()] for path in paths])

    where, arguments = below([folder])
    found = connection.execute(f"SELECT path FROM photo WHERE {where}", arguments).fetchall()
    connection.close()

    expected = [p for p in paths if p == folder or p.startswith(folder.rstrip("/") + "/")]
    assert sorted(path.decode() for (path,) in found) == expected


def test_below_takes_thousands_of_paths(store: Store, add: Add, tmp_path: Path) -> None:
    """As many as a shell makes of `*.jpg`; of more it says what to name instead."""
    add("/a/b.jpg")
    many = [tmp_path / f"{number}.jpg" for number in range(4_000)]
    for path in many[:2_000]:
        path.touch()

    assert list(store.tagged(many)) == []
    assert len(list(store.tagged([*many, "/a"]))) == 1
    with pytest.raises(ConfigError, match="folders"):
        list(store.tagged([f"/x/{number}" for number in range(20_000)]))


def test_a_library_that_may_not_be_written_says_so(store: Store, add: Add) -> None:
    """The message names the way out."""
    photo = add("/a.jpg")
    with (
        Store.open(store.path, readonly=True) as reader,
        pytest.raises(LibraryError, match=r"may not be written.*--library"),
    ):
        reader.approve([photo])


def test_a_copy_that_may_not_be_written_can_be_read(store: Store, add: Add, tool: Any) -> None:
    """In a folder where no files can be made beside it."""
    add("/a.jpg")
    store.close()
    folder = store.path.parent
    assert [file.name for file in folder.iterdir()] == [store.path.name]
    code = (
        "import sys; from pathlib import Path; from waymark.library.store import Store;"
        "print(len(list(Store.open(Path(sys.argv[1]), readonly=True).tagged())))"
    )
    words = [sys.executable, "-c", code, str(store.path)]
    if os.geteuid() == 0:  # who may do everything, unless the rights are taken away
        words = [tool("setpriv"), "--bounding-set=-all", "--inh-caps=-all", *words]
    folder.chmod(0o555)
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=True)
    finally:
        folder.chmod(0o755)
    assert done.stdout == "1\n"


def test_a_damaged_row_is_said_to_be(store: Store, add: Add) -> None:
    """Whatever in it cannot be read."""
    add("/a.jpg", guesses="[[1, 0.5")
    with pytest.raises(LibraryError, match="damaged"):
        page(store)


def test_review_and_take_it_back(store: Store, add: Add) -> None:
    """Each act changes what it says, and undo goes back act by act, to the start."""
    one, two, none = add("/a.jpg"), add("/b.jpg"), add("/c.jpg", None)
    start = [state_of(store, each) for each in (one, two, none)]

    assert store.approve([one, two, none]) == 2
    assert store.correct(none, "petra") == 1
    assert store.reject([two]) == 1
    assert store.not_a_landmark([one]) == 1
    assert state_of(store, none) == ("corrected", "petra", 1.0, 1.0, "person")
    assert state_of(store, two)[0] == "rejected"
    assert [str(tagged.path) for tagged in store.tagged()] == ["/c.jpg"]

    assert [store.undo_review() for _ in range(5)] == [1, 1, 1, 2, 0]
    assert [state_of(store, each) for each in (one, two, none)] == start


def test_a_library_from_before_confidence_gets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each tag, and of what an undo brings back; all wait to be decided on again."""
    path = tmp_path / "l.sqlite"
    monkeypatch.setattr("waymark.library.store_schema.migrations", lambda: migrations()[:2])
    columns = "size, mtime_ns, inode, beside, moment, tagged_at, pending"
    with Store.open(path) as store, store.transaction() as connection:
        (number,) = store.landmark_ids([EIFFEL])
        for name, score, unknown, evidence in (
            ("a", 0.9, 0.2, "photo"),
            ("b", 1.0, 0.7, "person"),
            ("c", None, 0.9, None),
        ):
            connection.execute(
                "INSERT INTO photo (path, landmark, score, unknown_score, evidence, worth, "
                f"{columns}) VALUES (?, ?, ?, ?, ?, 0.3, 1, 1, 1, '', 0, '', 0)",
                [name.encode(), score and number, score, unknown, evidence],
            )
        connection.execute(
            "INSERT INTO review (act, photo, said_at, was_state, was_landmark, was_score, "
            f"was_evidence, state) VALUES (1, 2, '', 'new', {number}, 0.5, 'photo', 'corrected')"
        )
    monkeypatch.undo()
    with Store.open(path) as store:
        found = store.connection.execute("SELECT confidence, worth, pending FROM photo")
        assert found.fetchall() == [(pytest.approx(0.72), 0.3, 1), (1.0, 0.3, 1), (None, 0, 1)]
        assert store.undo_review() == 1
        assert state_of(store, 2) == ("new", "eiffel_tower", 0.5, pytest.approx(0.15), "photo")


def test_a_library_of_before_keeps_its_reviews(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is of the content that the photo has, unless that was replaced; undo goes on."""
    path = tmp_path / "l.sqlite"
    monkeypatch.setattr(
        "waymark.library.store_schema.migrations",
        lambda: migrations()[: migrations().index(_ANSWERS)],
    )
    with Store.open(path) as store, store.transaction() as connection:
        (number,) = store.landmark_ids([EIFFEL])
        for name, state in ((b"/a", "corrected"), (b"/b", "new")):
            connection.execute(
                "INSERT INTO photo (path, sha256, state, landmark, score, confidence, evidence, "
                "size, mtime_ns, inode, beside, moment, tagged_at) "
                "VALUES (?, ?, ?, ?, 1, 1, 'person', 1, 1, 1, '', 0, '')",
                [name, name * 16, state, number],
            )
        connection.execute(
            "INSERT INTO review (act, photo, said_at, was_state, state, landmark) "
            f"SELECT id, id, '', 'new', 'corrected', {number} FROM photo"
        )
    monkeypatch.undo()
    with Store.open(path) as store:
        contents = store.connection.execute("SELECT photo, sha256 FROM review").fetchall()
        assert contents == [(1, b"/a" * 16), (2, None)]
        assert [store.undo_review() for _ in range(3)] == [1, 1, 0]
        assert [state_of(store, each)[:2] for each in (1, 2)] == [
            ("new", None),
            ("new", "eiffel_tower"),
        ]


def test_bulk_approval_is_one_act(store: Store, add: Add) -> None:
    """It takes what is new and sure enough; what a person judged stays."""
    high, low = add("/a.jpg", score=0.9), add("/b.jpg", score=0.9, confidence=0.5)
    said = add("/c.jpg", score=0.99, state="rejected")

    assert store.approve_above(0.8) == 1
    assert [state_of(store, each)[0] for each in (high, low, said)] == [
        "approved",
        "new",
        "rejected",
    ]
    assert store.undo_review() == 1
    assert state_of(store, high)[0] == "new"


def test_copies_follow(store: Store, add: Add) -> None:
    """What is said of a photo is said of every copy of it."""
    one, copy = add("/a.jpg", sha256=b"x" * 32), add("/b.jpg", sha256=b"x" * 32)

    assert store.correct(one, PETRA) == 2
    assert state_of(store, copy) == ("corrected", "petra", 1.0, 1.0, "person")
    assert store.undo_review() == 2
    assert state_of(store, copy)[1] == "eiffel_tower"


def test_a_correction_is_compared_with_the_gps(store: Store, add: Add) -> None:
    """Far from the landmark that a person names, the GPS disagrees; taken back, it agrees."""
    photo = add("/a.jpg", lat=48.8583, lon=2.2944, gps_says="agree")

    store.correct(photo, PETRA)
    after = store.connection.execute("SELECT gps_says FROM photo").fetchone()
    store.undo_review()
    back = store.connection.execute("SELECT gps_says FROM photo").fetchone()

    assert (after, back) == (("disagree",), ("agree",))


def test_review_of_what_is_not_there(store: Store, add: Add) -> None:
    """Neither an unknown photo nor an unknown landmark changes anything."""
    photo = add("/a.jpg")
    with pytest.raises(LibraryError, match="99"):
        store.approve([photo, 99])
    with pytest.raises(UnknownName, match="no_such"):
        store.correct(photo, "no_such")
    assert state_of(store, photo)[0] == "new"


@pytest.fixture
def trip(add: Add) -> dict[str, int]:
    """Fill the library with a few photos of every kind."""
    day = 86_400
    return {
        "old": add("/old.jpg", moment=0, taken="1970-01-01T00:00:00", confidence=0.4),
        "petra": add("/p/petra.jpg", PETRA, moment=day, taken="1970-01-02T00:00:00"),
        "context": add("/ctx.jpg", moment=2 * day, evidence="context", gps_says="near"),
        "unknown": add("/u.jpg", None, moment=3 * day, taken="1970-01-04T00:00:00"),
        "failed": add("/f.jpg", None, moment=4 * day, error="damaged"),
        "gone": add("/g.jpg", moment=5 * day, missing=1),
        "sure": add("/s.jpg", moment=5 * day, taken="1970-01-06T12:00:00", state="approved"),
    }


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, "old petra context unknown failed sure"),
        ({"landmark": "Tour Eiffel"}, "old context sure"),
        ({"landmark": "eiffel_tower", "min_score": 0.5}, "context sure"),
        ({"country": "jordan"}, "petra"),
        ({"country": "fr", "state": "approved"}, "sure"),
        ({"place": "PARIS"}, "old context sure"),
        ({"category": "tower"}, "old context sure"),
        ({"text": "eifel"}, "old context sure"),
        ({"text": "wadi musa"}, "petra"),
        ({"since": date(1970, 1, 2), "until": date(1970, 1, 4)}, "petra unknown"),
        ({"min_score": 0.5}, "petra context sure"),
        ({"max_score": 0.5}, "old"),
        ({"state": "approved"}, "sure"),
        ({"evidence": "context"}, "context"),
        ({"gps": "near"}, "context"),
        ({"unknown": True}, "unknown"),
        ({"failed": True}, "failed"),
        ({"failed": True, "paths": (Path("/"),)}, "failed"),
        ({"failed": True, "landmark": "petra"}, ""),
        ({"until": date(9999, 12, 31)}, "old petra unknown sure"),
        ({"missing": True, "landmark": "eiffel_tower"}, "old context gone sure"),
        ({"paths": (Path("/p"),)}, "petra"),
        ({"paths": (Path("/p"),), "unknown": True}, ""),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 100])
def test_lists_are_filtered_in_order_and_paged(
    store: Store, trip: dict[str, int], asked: dict[str, Any], expected: str, size: int
) -> None:
    """Every filter alone and together; the pages joined are the list."""
    names = {number: name for name, number in trip.items()}
    found: list[str] = []
    after = None
    while rows := page(store, Filter(**asked), limit=size, after=after):
        found += [names[row.id] for row in rows]
        after = rows[-1].key

    assert found == expected.split()


def test_every_yields_all(store: Store, trip: dict[str, int]) -> None:
    """Page after page, to the end."""
    assert len(list(every(store))) == 6


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"landmark": "atlantis"}, UnknownName),
        ({"text": "zzzz qqqq"}, UnknownName),
        ({"state": "maybe"}, ConfigError),
        ({"evidence": "rumour"}, ConfigError),
        ({"gps": "perhaps"}, ConfigError),
    ],
)
def test_what_nobody_knows_is_an_error(
    store: Store, trip: dict[str, int], asked: dict[str, Any], error: type[Exception]
) -> None:
    """It is named, instead of an empty list."""
    with pytest.raises(error, match=str(next(iter(asked.values())))):
        page(store, Filter(**asked))


def test_numbers_add_up(store: Store, trip: dict[str, int]) -> None:
    """Known, dismissed, unknown and failed are all; what is gone counts apart."""
    found = library_stats(store)

    assert found.photos == found.known + found.dismissed + found.unknown + found.failed == 6
    assert (found.missing, found.known, found.dismissed) == (1, 4, 0)
    assert found.landmarks == {"Eiffel Tower": 3, "Petra": 1}
    assert found.countries == {"FR": 3, "JO": 1}
    assert found.states == {"approved": 1, "new": 5}
    assert found.years == {"1970": 4}


def test_what_a_person_says_is_not_there_counts_nowhere(store: Store, add: Add) -> None:
    """Neither as known nor under the landmark of the tag; it is found by what was said."""
    rejected, none = add("/a.jpg", gps_says="agree"), add("/b.jpg", PETRA)
    store.reject([rejected])
    store.not_a_landmark([none, add("/c.jpg", None)])
    add("/d.jpg")

    found = library_stats(store)

    assert (found.photos, found.known, found.dismissed, found.unknown) == (4, 1, 3, 0)
    assert found.landmarks == {"Eiffel Tower": 1}
    assert (found.evidence, found.gps) == ({"photo": 1}, {})
    assert found.states == {"new": 1, "not-a-landmark": 2, "rejected": 1}
    (listed,) = page(store, Filter(state="rejected"))
    assert (listed.landmark, listed.shows) == (EIFFEL, None)


def test_many_may_open_a_new_library_at_once(tmp_path: Path) -> None:
    """Whoever comes first makes it; nobody fails."""
    code = (
        "import sys; from waymark.library.store import Store; s = Store.open(sys.argv[1]);"
        "c = s.transaction(); c.__enter__().execute(\"INSERT INTO setting VALUES (?, '')\","
        " [sys.argv[2]]); c.__exit__(None, None, None)"
    )
    path = tmp_path / "l.sqlite"
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(path), str(number)])
        for number in range(5)
    ]

    assert [process.wait(60) for process in running] == [0] * 5
    with Store.open(path, readonly=True) as store:
        assert store.connection.execute("SELECT count(*) FROM setting").fetchone() == (5,)
