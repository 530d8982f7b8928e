"""What is said of a photo is said of its content: one state and one landmark, wherever it is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from waymark.errors import LibraryError
from waymark.library import store_review
from waymark.library.store import Store
from waymark.library.store_query import Filter, every
from waymark.library.store_schema import _SAID, migrations
from waymark.library.store_stats import library_stats


@pytest.fixture
def differing(home: Any, all_known: Callable[..., Any]) -> Any:
    """Return a home with `a/x.jpg` and its copy `b/y.jpg`, which two bundles name differently."""
    for seed in range(20):
        path = home.photo("a/x.jpg", seed)
        (home.folder / "b").mkdir(exist_ok=True)
        shutil.copy(path, home.folder / "b/y.jpg")
        home.tag(home.folder / "a")
        home.tag(home.folder / "b", bundle=all_known(1))
        if len({landmark for _, landmark in home.said().values()}) == 2:
            return home
    pytest.fail("the two bundles agree on everything")


@pytest.mark.parametrize("state", ["approved", "rejected", "not-a-landmark"])
@pytest.mark.parametrize("pressed", ["a/x.jpg", "b/y.jpg"])
def test_copies_take_the_tag_of_the_pressed_one(differing: Any, pressed: str, state: Any) -> None:
    """Whatever another bundle made of them; touched they are as said; undone, as they were."""
    before = differing.said()
    said = (state, before[pressed][1])
    assert len(store_review.say(differing.store, [differing.number(pressed)], state)) == 2
    assert set(differing.said().values()) == {said}
    for name in before:
        os.utime(differing.folder / name, (5, 5))
    differing.tag(differing.folder / "a")
    assert set(differing.said().values()) == {said}

    differing.store.undo_review()
    assert differing.said() == before


def test_a_copy_without_a_tag_gets_the_answer(home: Any) -> None:
    """And is without one again when it is taken back."""
    shutil.copy(home.photo("a.jpg", 0), home.folder / "b.jpg")
    home.tag()
    number = home.number("b.jpg")
    home.store.connection.execute(
        "UPDATE photo SET landmark = NULL, score = NULL, confidence = NULL, evidence = NULL "
        "WHERE id = ?", [number],
    )  # fmt: skip
    before = home.said()
    assert home.store.approve([number]) == 0
    assert home.store.approve([home.number("a.jpg")]) == 2
    assert home.said() == dict.fromkeys(before, ("approved", before["a.jpg"][1]))
    home.store.undo_review()
    assert home.said() == before


@pytest.mark.parametrize("both", [True, False])
def test_a_bulk_approval_changes_what_it_was_told(differing: Any, *, both: bool) -> None:
    """As many as were named; of copies that differ, the surest one's tag counts for all."""
    before = differing.listed()
    sure, less = sorted(before, key=lambda name: -before[name].confidence)
    numbers = [before[less].id, before[sure].id] if both else [before[less].id]

    assert differing.store.approve_above(0.0, numbers) == len(numbers)
    tag = before[sure if both else less].landmark
    after = differing.listed().values()
    assert {(photo.state, photo.landmark) for photo in after} == {("approved", tag)}


def test_a_rejection_outlives_touching_and_copying(home: Any) -> None:
    """Though what was rejected is a correction, and the photo alone says something else."""
    path = home.photo("a.jpg", 0)
    home.tag()
    number, (_, first) = home.number("a.jpg"), home.said()["a.jpg"]
    wrong = next(f"landmark-{each}" for each in range(4) if f"landmark-{each}" != first)
    home.store.correct(number, wrong)
    home.store.reject([number])
    shutil.copy(path, home.folder / "b.jpg")
    os.utime(path, (5, 5))

    home.tag()
    assert home.said() == dict.fromkeys(("a.jpg", "b.jpg"), ("rejected", wrong))


def test_of_what_cannot_be_read_nothing_is_said(home: Any) -> None:
    """A press is refused; what is said of a copy waits until the file is whole again."""
    path = home.photo("a.jpg", 0)
    other = shutil.copy(path, home.folder / "b.jpg")
    home.tag()
    other.write_bytes(path.read_bytes()[:700])
    home.tag()
    broken = home.listed(failed=True)["b.jpg"].id

    with pytest.raises(LibraryError, match="nothing can be said"):
        home.store.correct(broken, "landmark-3")
    assert home.store.correct([broken, home.number("a.jpg")], "landmark-3") == 1
    found = library_stats(home.store)
    assert (found.photos, found.known, found.unknown, found.failed) == (2, 1, 0, 1)
    assert list(home.listed(landmark="landmark-3")) == ["a.jpg"]
    shutil.copy(path, other)
    home.tag()
    assert set(home.said().values()) == {("corrected", "landmark-3")}


def test_a_library_of_before_is_brought_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers keep their tags, with the bundle that was heard; a failed photo has none."""
    steps = migrations()[: migrations().index(_SAID)]
    monkeypatch.setattr("waymark.library.store_schema.migrations", lambda: steps)
    with Store.open(tmp_path / "l.sqlite") as store, store.transaction() as connection:
        connection.execute("INSERT INTO landmark (key, name, estimated) VALUES ('a', 'A', 0)")
        for name, error in ((b"/a", None), (b"/b", "cut short")):
            connection.execute(
                "INSERT INTO photo (path, sha256, error, bundle, state, landmark, score, "
                "confidence, evidence, size, mtime_ns, inode, beside, moment, tagged_at) VALUES "
                "(?, ?, ?, 'x', 'rejected', 1, .5, .4, 'photo', 1, 1, 1, '', 0, '2024-01-01')",
                [name, name * 16, error],
            )
        connection.execute(
            "INSERT INTO review (act, photo, sha256, said_at, was_state, was_landmark, was_score, "
            "was_confidence, was_evidence, state, landmark) SELECT id, id, sha256, '', 'new', 1, "
            ".5, .4, 'photo', 'rejected', 1 FROM photo"
        )
    monkeypatch.undo()
    with Store.open(tmp_path / "l.sqlite") as store:
        said = store.connection.execute(
            "SELECT state, landmark, score, confidence, evidence, bundle FROM review"
        ).fetchall()
        assert said == [("rejected", 1, 0.5, 0.4, "photo", "x")] * 2
        assert [photo.state for photo in every(store, Filter())] == ["rejected", "new"]
