"""Forgetting photos that are gone: these and no others, and nothing that was said."""

from __future__ import annotations

import os
import shutil
from typing import Any

import pytest

from waymark.library.forget import forget, gone


@pytest.fixture
def home(home: Any) -> Any:
    """Return a home with two folders of tagged photos."""
    for number, name in enumerate(("a/1.jpg", "a/2.jpg", "b/3.jpg")):
        home.photo(name, number)
    home.tag()
    return home


def names(home: Any, *paths: Any) -> list[str]:
    """Return which photos below paths are gone."""
    return [os.path.relpath(os.fsdecode(path), home.folder) for path in gone(home.store, paths)]


def test_what_is_there_is_not_forgotten(home: Any) -> None:
    """Whether or not tagging has noticed yet what went."""
    (home.folder / "a/1.jpg").unlink()
    assert names(home, home.folder) == ["a/1.jpg"]
    assert names(home, home.folder / "b") == []
    home.tag()
    shutil.rmtree(home.folder / "b")

    assert names(home, home.folder / "b", home.folder / "a") == ["a/1.jpg", "b/3.jpg"]
    assert forget(home.store, [home.folder / "b"]) == 1
    assert set(home.listed(missing=True)) == {"a/1.jpg", "a/2.jpg"}
    assert forget(home.store, [home.folder.parent]) == 1
    assert home.rows() == 1


def test_what_cannot_be_looked_at_may_be_there(home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails, a folder that is shut."""

    def failing(path: Any, **_: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "lstat", failing)
    assert list(gone(home.store, [home.folder])) == []


def test_a_pair_is_gone_when_both_are(home: Any) -> None:
    """The RAW file alone is a photo still."""
    raw = home.folder / "b/3.cr2"
    raw.write_bytes(b"raw")
    home.tag()
    (home.folder / "b/3.jpg").unlink()
    assert names(home, home.folder) == []
    raw.unlink()
    assert names(home, home.folder) == ["b/3.jpg"]


def test_what_was_said_outlives_it(home: Any) -> None:
    """The photo comes back, and is what a person said; that can still be taken back."""
    path = home.folder / "a/1.jpg"
    home.store.correct(home.number("a/1.jpg"), "landmark-3")
    content = path.read_bytes()
    path.unlink()
    assert forget(home.store, [path]) == 1
    path.write_bytes(content)
    home.tag()
    assert home.said()["a/1.jpg"] == ("corrected", "landmark-3")
    assert home.store.undo_review() == 1
    assert home.said()["a/1.jpg"][0] == "new"


def test_neighbours_are_asked_again(home: Any) -> None:
    """Those of a photo that was there until now, as far as anybody knew."""
    path = home.photo("a/9.jpg", 9, taken="2024:05:17 18:30:00")
    home.tag()
    path.unlink()
    forget(home.store, [path])
    assert home.store.connection.execute("SELECT count(*) FROM stale").fetchone() == (1,)
