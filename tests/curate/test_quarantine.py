"""Photos leave a dataset and come back, whatever happens in between."""

from __future__ import annotations

import importlib
import json
import os
import shutil
from pathlib import Path
from types import ModuleType

import pytest

from waymark.curate.quarantine import LOG, held, quarantine, restore
from waymark.errors import ConfigError, RunError


@pytest.fixture
def proof(monkeypatch: pytest.MonkeyPatch, root: Path) -> ModuleType:
    """Return benchmarks/proof_clean.py."""
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    return importlib.import_module("proof_clean")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a dataset of four files."""
    folder = tmp_path / "dataset"
    for name in ("one/a.jpg", "one/b.jpg", "two/a.jpg", "two/b.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


@pytest.mark.parametrize("disk", ["within", "across"])
@pytest.mark.parametrize("place", ["elsewhere", "dataset/.quarantine"])
def test_there_and_back(proof: ModuleType, tmp_path: Path, place: str, disk: str) -> None:
    """Names, content, times, permissions and links are what they were; nothing is left."""
    root, folder = tmp_path / "dataset", tmp_path / place
    paths = proof.make_dataset(root, 60)
    before = proof.snapshot(root)
    with proof.across(disk == "across"):
        there = quarantine(dict.fromkeys(paths, "blurred"), root, folder)
        during = proof.snapshot(root)
        again = quarantine(dict.fromkeys(paths, "blurred"), root, folder)
        back = restore(there.log, root)

    assert (there.moved, again.moved, back.moved) == (60, 60, 60)
    assert there.left == again.left == back.left == ()
    if place == "elsewhere":
        assert {kind for kind, *_ in during.values()} == {"folder"}
    assert proof.snapshot(root) == before
    assert not folder.exists()


def test_the_log_says_what_and_why(photos: Path, tmp_path: Path) -> None:
    """A line of JSON a photo, below a head with the dataset."""
    log = quarantine({"one/a.jpg": "dark"}, photos, tmp_path / "q").log
    head, row = (json.loads(line) for line in log.read_text().splitlines())

    assert log.name == LOG
    assert head["root"] == str(photos.resolve())
    assert row == {"path": "one/a.jpg", "at": "one/a.jpg", "kind": "dark"}
    assert (tmp_path / "q" / "one" / "a.jpg").read_text() == "one/a.jpg"


@pytest.mark.parametrize("disk", ["within", "across"])
def test_killed_at_any_call(proof: ModuleType, tmp_path: Path, disk: str) -> None:
    """Ended at many places: nothing is lost, and what comes next finishes or undoes it."""
    (tmp_path / "kept").mkdir()
    with proof.across(disk == "across"):
        assert proof.prove_steps(tmp_path / "a", tmp_path / "kept", step=997) > 5


def test_killed_at_random(proof: ModuleType, tmp_path: Path) -> None:
    """The short form of `make proof`."""
    (tmp_path / "kept").mkdir()
    assert proof.prove_kills(tmp_path / "a", tmp_path / "kept", photos=40, kills=6) >= 1


def test_a_place_that_is_taken_is_left(photos: Path, tmp_path: Path) -> None:
    """The other photos come back; with the place free again, so does the last."""
    folder = tmp_path / "q"
    log = quarantine({"one/a.jpg": "dark", "two/a.jpg": "dark"}, photos, folder).log
    (photos / "one" / "a.jpg").write_text("new")
    back = restore(log, photos)

    assert back.moved == 1
    ((path, reason),) = ((row.path, row.reason) for row in back.left)
    assert path == "one/a.jpg"
    assert "another file" in reason
    assert (photos / "one" / "a.jpg").read_text() == "new"
    assert (folder / "one" / "a.jpg").read_text() == "one/a.jpg"
    (photos / "one" / "a.jpg").unlink()
    assert restore(log, photos).moved == 1
    assert (photos / "one" / "a.jpg").read_text() == "one/a.jpg"
    assert not folder.exists()


def test_a_name_that_is_taken_in_the_quarantine(photos: Path, tmp_path: Path) -> None:
    """A new photo under an old name is kept beside the old one; the first comes back."""
    folder = tmp_path / "q"
    quarantine({"one/a.jpg": "dark"}, photos, folder)
    (photos / "one" / "a.jpg").write_text("new")
    log = quarantine({"one/a.jpg": "dark"}, photos, folder).log
    kept = sorted(path.read_text() for path in folder.rglob("*.jpg"))
    back = restore(log, photos)

    assert kept == ["new", "one/a.jpg"]
    assert (back.moved, len(back.left)) == (1, 1)
    assert (photos / "one" / "a.jpg").read_text() == "one/a.jpg"
    assert [path.read_text() for path in folder.rglob("*.jpg")] == ["new"]


@pytest.mark.parametrize("place", ["dataset/q", "dataset", "dataset/one", "other"])
def test_folders_that_will_not_do(photos: Path, tmp_path: Path, place: str) -> None:
    """In sight of the dataset's reader, or with something else in it."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").touch()
    with pytest.raises(ConfigError):
        quarantine({"one/a.jpg": "dark"}, photos, tmp_path / place)
    assert len(list(photos.rglob("*.jpg"))) == 4


def test_nothing_is_taken_from_behind_a_link(photos: Path, tmp_path: Path) -> None:
    """A folder of another place is not emptied; nor is a folder moved, or what is not there."""
    (tmp_path / "family").mkdir()
    (tmp_path / "family" / "a.jpg").write_text("mine")
    (photos / "three").symlink_to(tmp_path / "family")
    done = quarantine(
        dict.fromkeys(["three/a.jpg", "one", "one/none.jpg"], "dark"), photos, tmp_path / "q"
    )

    assert done.moved == 0
    reasons = {row.path: row.reason for row in done.left}
    assert "leads out" in reasons["three/a.jpg"]
    assert reasons["one"] == "is a folder"
    assert reasons["one/none.jpg"] == "is gone"
    assert (tmp_path / "family" / "a.jpg").read_text() == "mine"


def test_a_log_of_another_dataset(photos: Path, tmp_path: Path) -> None:
    """Its photos are not brought back to here, unless theirs was moved here."""
    log = quarantine({"one/a.jpg": "dark"}, photos, tmp_path / "q").log
    shutil.copytree(photos, tmp_path / "copy")
    for act in (
        lambda: restore(log, tmp_path / "copy"),
        lambda: quarantine({"one/b.jpg": "dark"}, tmp_path / "copy", tmp_path / "q"),
    ):
        with pytest.raises(RunError, match="is of"):
            act()
    photos.rename(tmp_path / "moved")
    assert restore(log, tmp_path / "moved").moved == 1
    assert (tmp_path / "moved" / "one" / "a.jpg").exists()


@pytest.mark.parametrize(
    "line",
    [
        "no JSON",
        "[]",
        '{"path": "one/a.jpg"}',
        '{"path": "../a.jpg", "at": "x"}',
        '{"path": "one/a.jpg", "at": "/etc/x"}',
        '{"path": "a\\u0000", "at": "x"}',
    ],
)
def test_a_log_that_is_damaged_or_hostile(photos: Path, tmp_path: Path, line: str) -> None:
    """Is not acted on at all."""
    log = quarantine({"one/a.jpg": "dark"}, photos, tmp_path / "q").log
    log.write_text(f"{log.read_text()}{line}\n")
    with pytest.raises(RunError, match="no log of a quarantine"):
        restore(log, photos)
    assert not (photos / "one" / "a.jpg").exists()
    with pytest.raises(RunError, match="is no file"):
        restore(photos, photos)


def test_a_last_line_that_was_cut_off_is_passed_over(photos: Path, tmp_path: Path) -> None:
    """Its photo had not been moved yet; the next quarantine writes on after it."""
    log = quarantine({"one/a.jpg": "dark"}, photos, tmp_path / "q").log
    with log.open("a") as file:
        file.write('{"path": "one/b.j')
    quarantine({"one/b.jpg": "dark"}, photos, tmp_path / "q")

    assert restore(log, photos).moved == 2
    assert len(list(photos.rglob("*.jpg"))) == 4


def test_one_at_a_time(photos: Path, tmp_path: Path) -> None:
    """A second process has to wait."""
    fcntl = pytest.importorskip("fcntl")
    log = quarantine({"one/a.jpg": "dark"}, photos, tmp_path / "q").log
    descriptor = os.open(tmp_path / "q", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        with pytest.raises(RunError, match="at work"):
            restore(log, photos)
    finally:
        os.close(descriptor)
    assert restore(log, photos).moved == 1


def test_what_a_kept_link_leads_to_stays(photos: Path, tmp_path: Path) -> None:
    """A link that stays, and each link on its way, would hang in the air without its file."""
    (photos / "one" / "b.jpg").unlink()
    (photos / "one" / "b.jpg").symlink_to("../two/a.jpg")
    (photos / "kept.jpg").symlink_to("one/b.jpg")
    (photos / "circle.jpg").symlink_to("circle.jpg")
    wanted = dict.fromkeys(("one/a.jpg", "one/b.jpg", "two/a.jpg"), "exact-duplicate")
    staying = [photos / "kept.jpg", photos / "circle.jpg", photos / "two" / "b.jpg"]
    found = quarantine(wanted, photos, tmp_path / "q", staying=staying)

    assert found.moved == 1
    assert {row.path for row in found.left} == {"one/b.jpg", "two/a.jpg"}
    assert (photos / "kept.jpg").read_text() == "two/a.jpg"


def test_it_says_what_it_holds(photos: Path, tmp_path: Path) -> None:
    """Photos that were moved are held, until they are back; nothing is held before."""
    folder = tmp_path / "q"
    assert held(folder, photos) == frozenset()
    log = quarantine({"one/a.jpg": "dark", "two/b.jpg": "dark"}, photos, folder).log
    assert held(folder, photos) == {"one/a.jpg", "two/b.jpg"}

    (photos / "one" / "a.jpg").write_text("new")
    assert held(folder, photos) == {"two/b.jpg"}
    (photos / "one" / "a.jpg").unlink()
    restore(log, photos)
    assert held(folder, photos) == frozenset()
