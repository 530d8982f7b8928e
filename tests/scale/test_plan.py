"""Plans: what is to do is what has no rows, and no rows are left of what is not there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from waymark.errors import RunError
from waymark.scale import plan as planning
from waymark.scale.listing import Part
from waymark.scale.place import Place, find_place
from waymark.scale.place_files import write_file
from waymark.scale.plan import plan
from waymark.scale.report import Tally
from waymark.scale.results import Kept, find_results, list_results


class Desk:
    """A folder with photos, one with results, and what a run would make of them."""

    def __init__(self, root: Path) -> None:
        self.photos, self.out = root / "photos", root / "out"

    def photo(self, name: str, size: int = 9) -> None:
        path = self.photos / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"?" * size)

    def plan(self) -> tuple[list[Part], Tally]:
        tally = Tally()
        waves = plan(find_place(self.photos), find_results(self.out), tally, part_photos=2)
        return [part for wave in waves for part in wave], tally

    def keep(self, part: Part, *, unfetched: int = 0) -> None:
        """Write what stands for the rows of a part."""
        count = {"photos": len(part.names), "failed": unfetched, "unfetched": unfetched}
        kept = Kept(number=part.number, listing=part.listing, **count)
        write_file(find_results(self.out), f"{part.folder}/{kept.name}", b"", run="r")

    def run(self, *, unfetched: int = 0) -> list[Part]:
        """Do all that is to do."""
        parts, _ = self.plan()
        for part in parts:
            self.keep(part, unfetched=unfetched)
        return parts

    @property
    def kept(self) -> list[str]:
        """Return folder and name of what is in the results."""
        paths = (path for path in self.out.rglob("*") if path.is_file())
        return sorted(path.relative_to(self.out).as_posix() for path in paths)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Return six photos in three folders, without results."""
    desk = Desk(tmp_path)
    for name in ("0.jpg", "1.jpg", "2.jpg", "a/0.jpg", "a/1.jpg", "a/b/0.jpg"):
        desk.photo(name)
    return desk


def test_what_is_done_is_not_planned(desk: Desk) -> None:
    """At first everything is to do, then nothing, and counts are as before."""
    assert len(desk.run()) == 4
    parts, tally = desk.plan()

    assert not parts
    assert (tally.parts, tally.earlier, tally.failed) == (4, 6, 0)


def test_photos_that_were_not_handed_out_are_planned_again(desk: Desk) -> None:
    """The best rows that there are stay until there are better ones; they do not count as done."""
    (part,) = (each for each in desk.run() if each.prefix == "a")
    desk.keep(part, unfetched=2)  # a second file of the part, of a run that was killed
    desk.keep(part, unfetched=1)
    next((desk.out / part.folder).glob("*-2-0-0.parquet")).unlink()
    parts, tally = desk.plan()

    assert [(each.prefix, each.again) for each in parts] == [("a", True)]
    assert [name for name in desk.kept if name.startswith("prefix=a/")] == [
        f"prefix=a/part-00000-{part.listing}-2-1-1.parquet"
    ]
    assert tally.earlier == 4


def test_rows_of_other_photos_are_never_taken_for_these(desk: Desk) -> None:
    """A photo comes while the store is down, and goes again: what was written then is not these."""
    desk.run()
    desk.photo("a/00.jpg")
    assert [part.names for part in desk.run(unfetched=1)] == [
        ("a/0.jpg", "a/00.jpg"),
        ("a/1.jpg",),
    ]
    (desk.photos / "a/00.jpg").unlink()
    parts, tally = desk.plan()

    assert [(part.names, part.again) for part in parts] == [(("a/0.jpg", "a/1.jpg"), False)]
    assert tally.failed == 0
    assert not [name for name in desk.kept if name.startswith("prefix=a/")]


def test_stale_rows_go_before_their_part_is_begun(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part that kills its workers has no rows of what it was before; neither in a later wave."""
    monkeypatch.setattr(planning, "WAVE", 1)
    desk.run()
    for name in ("0.jpg", "2.jpg", "a/0.jpg"):
        desk.photo(name, size=99)
    waves = plan(find_place(desk.photos), find_results(desk.out), Tally(), part_photos=2)
    for wave in waves:
        assert not [name for part in wave for name in desk.kept if _is_of(name, part)]
    assert len(desk.kept) == 1


def _is_of(name: str, part: Part) -> bool:
    return name.startswith(f"{part.folder}/part-{part.number:05d}-")


def test_folders_that_are_gone_leave_no_rows(desk: Desk) -> None:
    """Whether they were removed or renamed; what else lies in the results stays."""
    desk.run()
    (desk.out / "mine.parquet").touch()
    (desk.photos / "a" / "b").rename(desk.photos / "c")
    (desk.photos / "a" / "0.jpg").unlink()
    (desk.photos / "a" / "1.jpg").unlink()
    parts, _ = desk.plan()

    assert [part.prefix for part in parts] == ["c"]
    assert {name.split("/")[0] for name in desk.kept} == {"prefix=.", "mine.parquet"}
    assert not (desk.out / "prefix=a").exists()


def test_parts_behind_a_gap_go_too(desk: Desk) -> None:
    """Fewer photos are fewer parts, also where one of the others is missing or was not finished."""
    for number in range(3, 9):
        desk.photo(f"{number}.jpg")
    parts = desk.run()
    for part in parts:
        if part.number == 2:
            next((desk.out / part.folder).glob("part-00002-*")).unlink()
            (desk.out / part.folder / "_part-00002.tries").write_text("{}")
    for number in range(2, 9):
        (desk.photos / f"{number}.jpg").unlink()
    assert not desk.plan()[0]

    assert [name for name in desk.kept if name.startswith("prefix=./")] == [
        f"prefix=./part-00000-{parts[0].listing}-2-0-0.parquet"
    ]


def test_nothing_goes_for_a_folder_that_cannot_be_read(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in it is not known, so its rows stay; the listing says so."""
    desk.run()
    before = desk.kept
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if os.fspath(path).endswith("/a"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    parts, tally = desk.plan()

    assert not parts
    assert desk.kept == before
    assert len(tally.skipped) == 1


def test_nothing_goes_for_a_place_without_photos(desk: Desk) -> None:
    """A disk that is not mounted is an empty folder."""
    desk.run()
    before = desk.kept
    desk.photos.rename(desk.photos.with_name("unmounted"))
    desk.photos.mkdir()
    parts, tally = desk.plan()

    assert (parts, tally.parts) == ([], 0)
    assert desk.kept == before


def test_nothing_goes_for_a_link_that_leads_nowhere(desk: Desk) -> None:
    """What it led to may be a folder on a disk that is not there now."""
    (desk.photos / "a").rename(desk.photos.with_name("disk"))
    (desk.photos / "a").symlink_to(desk.photos.with_name("disk"))
    desk.run()
    before = desk.kept
    desk.photos.with_name("disk").rename(desk.photos.with_name("unmounted"))
    parts, tally = desk.plan()

    assert not parts
    assert desk.kept == before
    assert [row.reason for row in tally.skipped] == ["a link that leads nowhere"]


def test_a_plan_needs_one_listing_of_the_results(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not one question a part: with a million parts these would take hours."""
    desk.run()
    asked: list[Place] = []

    def counted(out: Place) -> dict[str, list[str]]:
        asked.append(out)
        return list_results(out)

    monkeypatch.setattr(planning, "list_results", counted)
    monkeypatch.setattr("waymark.scale.results.read_json", None)
    assert not desk.plan()[0]
    assert len(asked) == 1


def test_results_that_cannot_be_read_are_one_error(desk: Desk, tmp_path: Path) -> None:
    """Not a fault of the system's that nobody has translated."""
    desk.out.write_text("a file")
    with pytest.raises(RunError, match="cannot be written"):
        desk.plan()
