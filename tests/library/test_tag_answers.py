"""What a person said of a photo stays with it, whatever happens to files, rows and bundles."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from waymark.library.tag_claims import Claims

SAID = ("approved", "rejected", "corrected", "not-a-landmark")
NAMES = [f"{number}.jpg" for number in range(5)] + ["deep/0.jpg", "deep/1.jpg"]
layouts = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 5), max_size=6)


def say(home: Any, name: str, what: str) -> None:
    """Say something of a photo."""
    number = home.number(name)
    if what == "corrected":
        home.store.correct(number, "landmark-3")
    else:
        {
            "approved": home.store.approve,
            "rejected": home.store.reject,
            "not-a-landmark": home.store.not_a_landmark,
        }[what]([number])


def lay_out(home: Any, contents: list[bytes], layout: dict[str, int]) -> None:
    """Replace the folder's files by others; which stays the same is not touched."""
    for name in NAMES:
        path = home.folder / name
        content = contents[layout[name]] if name in layout else None
        if path.exists() and path.read_bytes() != content:
            path.unlink()
        if content is not None and not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)


@given(first=layouts, second=layouts, other=st.booleans())
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_answers_follow_the_content(
    new_home: Callable[[], Any],
    all_known: Callable[..., Any],
    *,
    first: dict[str, int],
    second: dict[str, int],
    other: bool,
) -> None:
    """Moved, renamed, swapped, copied, replaced, gone and back, by the same or another bundle."""
    home = new_home()
    contents = [home.photo("x.jpg", seed).read_bytes() for seed in range(6)]
    (home.folder / "x.jpg").unlink()
    lay_out(home, contents, {f"{number}.jpg": number for number in range(4)})
    home.tag()
    for number, what in enumerate(SAID):
        say(home, f"{number}.jpg", what)
    said = [home.said()[f"{number}.jpg"] for number in range(4)]

    for layout in (first, second):
        lay_out(home, contents, layout)
        report = home.tag(bundle=all_known(1) if other else home.recogniser)
        found = home.said()
        assert set(found) == set(layout)
        for name, content in layout.items():
            if content >= 4:
                assert found[name][0] == "new"
            elif said[content][0] != "rejected" or not other:
                assert found[name] == said[content]
            elif found[name][0] == "new":  # another bundle may find another landmark
                assert found[name][1] != said[content][1]
        assert report.photos == len(layout)
    for _ in SAID:
        home.store.undo_review()
    assert {state for state, _ in home.said().values()} <= {"new"}


def test_photos_that_were_renumbered_are_not_recognised_again(home: Any) -> None:
    """Each takes the place of the next one; all are known, and nothing is left behind."""
    for number in range(1, 6):
        home.photo(f"{number}.jpg", number)
    home.tag()
    for number, what in enumerate(("approved", "rejected", "corrected"), start=1):
        say(home, f"{number}.jpg", what)
    before = list(home.said().values())
    for number in range(5, 0, -1):
        (home.folder / f"{number}.jpg").rename(home.folder / f"{number + 1}.jpg")

    report = home.tag()

    assert (report.recognised, report.reused, report.missing) == (0, 5, 1)
    assert list(home.said().values()) == before
    assert home.tag().unchanged == 5


@pytest.mark.parametrize("spoil", ["cut", "shut"])
def test_a_photo_that_cannot_be_read_for_a_while_is_known_again(
    home: Any, spoil: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is listed as failed meanwhile; nothing has to be recognised, or said, again."""
    path = home.photo("a.jpg", 0, taken="2024:05:17 18:30:00")
    home.tag()
    say(home, "a.jpg", "corrected")
    before, content = home.listed()["a.jpg"], path.read_bytes()
    real = os.open

    def failing(file: Any, *rest: Any, **options: Any) -> int:
        if file == os.fsencode(path):
            raise PermissionError(13, "Permission denied")
        return real(file, *rest, **options)

    with monkeypatch.context() as patch:
        if spoil == "cut":
            path.write_bytes(content[:700])
        else:
            os.utime(path, (1, 1))
            patch.setattr(os, "open", failing)
        assert (home.tag().failed, home.tag().failed) == (1, 1)
    failed = home.listed(failed=True)["a.jpg"]
    assert (failed.landmark, failed.state, failed.taken) == (None, "new", before.taken)
    path.write_bytes(content)
    report = home.tag()

    assert (report.recognised, report.reused, report.failed) == (0, 1, 0)
    after = home.listed()["a.jpg"]
    assert (after.id, after.state, after.landmark) == (before.id, "corrected", before.landmark)
    assert after.guesses == before.guesses


@pytest.mark.parametrize("taken", [None, "2024:05:17 18:30:00"])
@pytest.mark.parametrize(
    "change", ["-Orientation#=6", "-AllDates=2020:01:01 10:00:00", "-Subject=x"]
)
def test_rewritten_metadata_is_the_same_picture(
    home: Any, tool: Any, taken: str | None, change: str
) -> None:
    """Turned, dated anew or with keywords, by another program; the number stays, too."""
    path = home.photo("a.jpg", 0, **({"taken": taken} if taken else {}))
    home.tag()
    say(home, "a.jpg", "corrected")
    before = home.listed()["a.jpg"]
    command = [tool("exiftool"), "-q", "-overwrite_original", change, str(path)]
    subprocess.run(command, check=True, capture_output=True)

    assert home.tag().recognised == 1
    after = home.listed()["a.jpg"]
    assert (after.id, after.state, after.landmark) == (before.id, "corrected", before.landmark)


def test_rows_of_before_are_compared_by_what_the_network_said(home: Any, tool: Any) -> None:
    """In a library where no pictures are noted yet."""
    path = home.photo("a.jpg", 0)
    home.photo("b.jpg", 1)
    home.tag()
    say(home, "a.jpg", "corrected")
    say(home, "b.jpg", "corrected")
    home.store.connection.execute("UPDATE photo SET picture = NULL")
    command = [tool("exiftool"), "-q", "-overwrite_original", "-Subject=x", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    home.photo("b.jpg", 2)

    home.tag()
    assert [state for state, _ in home.said().values()] == ["corrected", "new"]


@pytest.mark.parametrize("copy", ["a.jpg", "z.jpg"])
def test_all_files_of_a_picture_have_its_answer(home: Any, copy: str) -> None:
    """Edited and copied before the library hears of it, whichever is read first."""
    path = home.photo("m.jpg", 0, taken="2020:01:01 10:00:00")
    home.tag()
    say(home, "m.jpg", "corrected")
    home.photo("m.jpg", 0, taken="2021:01:01 10:00:00")
    shutil.copy(path, home.folder / copy)

    home.tag()
    assert home.said() == dict.fromkeys(("m.jpg", copy), ("corrected", "landmark-3"))
    say(home, copy, "not-a-landmark")
    home.photo("other.jpg", 0, taken="2020:01:01 10:00:00")
    home.tag()
    assert {state for state, _ in home.said().values()} == {"not-a-landmark"}
    home.store.approve([home.number("other.jpg")])
    assert {state for state, _ in home.said().values()} == {"approved"}
    home.store.undo_review()
    home.store.undo_review()
    assert set(home.said().values()) == {("corrected", "landmark-3")}


@pytest.mark.parametrize("by_other", [True, False])
def test_a_file_may_be_renamed_edited_and_cut_at_once(
    home: Any, all_known: Callable[..., Any], *, by_other: bool
) -> None:
    """And recognised by another bundle meanwhile."""
    path = home.photo("a.jpg", 0, taken="2020:01:01 10:00:00")
    home.tag()
    say(home, "a.jpg", "corrected")
    path.write_bytes(path.read_bytes()[:-200])
    bundle = {"bundle": all_known(1)} if by_other else {}
    for _ in range(2):
        assert home.tag(**bundle).failed == 1
    path.unlink()
    home.photo("b.jpg", 0, taken="2021:01:01 10:00:00")

    home.tag(**bundle)
    assert home.said() == {"b.jpg": ("corrected", "landmark-3")}


def test_as_many_dots_of_a_colour_are_not_the_same_picture(home: Any) -> None:
    """Codes and drawings have few colours, and often equally much of each."""
    for number, place in enumerate(((8, 8, 24, 24), (16, 8, 32, 24))):
        image = Image.new("RGB", (90, 70), "white")
        image.paste("black", place)
        image.save(home.folder / f"{number}.png")
    home.tag()
    say(home, "0.png", "corrected")

    assert [state for state, _ in home.said().values()] == ["corrected", "new"]
    home.tag()
    assert [state for state, _ in home.said().values()] == ["corrected", "new"]


def test_the_next_shot_of_a_second_is_another_picture(home: Any) -> None:
    """It inherits nothing by its name, size and time, and keeps what was said of itself."""
    home.photo("a.jpg", 0, taken="2024:05:17 18:30:00")
    second = home.photo("b.jpg", 1, taken="2024:05:17 18:30:00")
    home.tag()
    say(home, "a.jpg", "corrected")
    say(home, "b.jpg", "not-a-landmark")
    second.replace(home.folder / "a.jpg")
    home.tag()
    assert [state for state, _ in home.said().values()] == ["not-a-landmark"]
    home.photo("a.jpg", 2, taken="2024:05:17 18:30:00")
    home.tag()
    assert [state for state, _ in home.said().values()] == ["new"]


def test_what_was_said_last_of_a_picture_counts(home: Any, tool: Any) -> None:
    """Even when its file is again what it was when less was said."""
    path = home.photo("a.jpg", 0)
    home.tag()
    say(home, "a.jpg", "approved")
    plain = path.read_bytes()
    command = [tool("exiftool"), "-q", "-overwrite_original", "-Subject=x", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    home.tag()
    say(home, "a.jpg", "corrected")
    path.write_bytes(plain)
    home.tag()
    assert home.said() == {"a.jpg": ("corrected", "landmark-3")}
    assert home.store.undo_review() == 1
    assert home.said()["a.jpg"][0] == "approved"
    assert home.store.undo_review() == 1
    assert home.said()["a.jpg"][0] == "new"


def test_an_answer_is_taken_back_of_what_it_was_about(home: Any) -> None:
    """Not of the photo that has replaced it since; of every copy that came since."""
    path = home.photo("a.jpg", 0)
    home.tag()
    say(home, "a.jpg", "corrected")
    say(home, "a.jpg", "approved")
    shutil.copy(path, home.folder / "b.jpg")
    home.photo("a.jpg", 1)
    home.tag()
    fresh = home.said()["a.jpg"]
    assert (fresh[0], home.said()["b.jpg"]) == ("new", ("approved", "landmark-3"))
    home.store.undo_review()
    assert home.said() == {"a.jpg": fresh, "b.jpg": ("corrected", "landmark-3")}
    home.store.undo_review()
    home.tag()
    assert home.said()["a.jpg"] == fresh
    assert home.said()["b.jpg"][0] == "new"


def test_a_moved_folder_of_duplicates_leaves_nothing_behind(home: Any) -> None:
    """Each of the new paths takes one of the old rows, though only the new folder is tagged."""
    home.photo("old/a.jpg", 0)
    for name in ("b", "c"):
        shutil.copy(home.folder / "old/a.jpg", home.folder / f"old/{name}.jpg")
    home.tag()
    (home.folder / "old").rename(home.folder / "new")

    report = home.tag(home.folder / "new")

    assert (report.reused, home.rows()) == (3, 3)
    assert set(home.listed()) == {"new/a.jpg", "new/b.jpg", "new/c.jpg"}


def test_equal_new_photos_are_recognised_once(home: Any) -> None:
    """If they can be read at all: what cannot is said of each."""
    for name in "abcd":
        home.photo(f"{name}.jpg", 0)
        (home.folder / f"{name}.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")

    report = home.tag()

    assert (report.recognised, report.reused, report.failed) == (1, 3, 4)
    assert len({photo.guesses for photo in home.listed(failed=False).values()}) == 2
    assert home.tag().unchanged == 8


def test_photos_that_vanish_are_let_go_of(home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No other run waits for them; they are marked as gone, and the rest is done."""
    paths = [home.photo(f"{number}.jpg", number) for number in range(9)]
    home.tag()
    for number in range(9):
        home.photo(f"{number}.jpg", number + 20)
    held = set[bytes]()
    for name, change in (("claim", held.add), ("release", held.discard)):
        real = getattr(Claims, name)

        def told(self: Claims, path: bytes, *, real: Any = real, change: Any = change) -> Any:
            change(path)
            return real(self, path)

        monkeypatch.setattr(Claims, name, told)

    def remove(_done: int, _total: int, what: str) -> None:
        if what == "looking for photos":
            for path in paths[::2]:
                Path(path).unlink(missing_ok=True)

    report = home.tag(progress=remove)

    assert not held
    assert (report.recognised, report.missing) == (4, 5)
    assert set(home.listed()) == {f"{number}.jpg" for number in range(1, 9, 2)}


def test_facts_of_a_photo_that_is_cut_short_are_kept(home: Any) -> None:
    """Its header says when and where it was taken."""
    path = home.photo("a.jpg", 0, taken="2024:05:17 18:30:00", gps=(48.0, 2.0))
    path.write_bytes(path.read_bytes()[:-200])

    assert home.tag().failed == 1
    photo = home.listed(failed=True)["a.jpg"]
    assert str(photo.taken) == "2024-05-17 18:30:00"
    assert photo.gps == (48.0, 2.0)
