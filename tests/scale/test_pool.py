"""Actors: whatever goes wrong comes back as one sentence. No cluster is started here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from waymark.bundle.format import read_bundle, write_bundle
from waymark.bundle.tiny import tiny_bundle
from waymark.errors import RunError
from waymark.progress import silent
from waymark.scale.listing import Part
from waymark.scale.place import find_place
from waymark.scale.place_files import write_file
from waymark.scale.pool import TRIES, Job, Tagger, run_wave
from waymark.scale.report import DARK_PARTS, DARK_PHOTOS, Tally
from waymark.scale.results import BUNDLE, Kept, begun, find_results, list_results

PART = Part(prefix="", number=0, names=("0.jpg", "1.jpg"), sizes=(8, 8))


@pytest.fixture
def job(tmp_path: Path, photos: Path) -> Job:
    """Return what is to be done with two photos."""
    (tmp_path / "photos").mkdir()
    for name, photo in zip(PART.names, sorted(photos.rglob("00*.jpg")), strict=False):
        (tmp_path / "photos" / name).write_bytes(photo.read_bytes())
    write_bundle(tmp_path / "b.waymark", tiny_bundle(4))
    out = find_results(tmp_path / "out")
    write_file(out, BUNDLE, (tmp_path / "b.waymark").read_bytes(), run="r")
    return Job(
        place=find_place(tmp_path / "photos"),
        out=out,
        bundle=read_bundle(tmp_path / "b.waymark").sha256,
        k=2,
        run="r",
    )


def said(job: Job, part: Part = PART) -> dict[str, Any]:
    """Return what an actor says of a part."""
    found: dict[str, Any] = json.loads(Tagger(job)({"part": json.dumps(asdict(part))})["said"])
    return found


def test_a_part_is_done(job: Job) -> None:
    """Its rows are written, what is said of them is the file's name, and no note is left."""
    kept = Kept(**said(job)["kept"])

    assert (kept.photos, kept.failed, kept.unfetched) == (2, 0, 0)
    assert list_results(job.out) == {"prefix=.": [kept.name]}


def test_a_try_that_was_killed_leaves_nothing_behind(job: Job) -> None:
    """It may have written rows before it died, fewer than those of the next try."""
    begun(job.out, PART, run=job.run)
    killed = Kept(number=0, listing=PART.listing, photos=2, failed=1, unfetched=1)
    write_file(job.out, f"prefix=./{killed.name}", b"", run=job.run)
    kept = Kept(**said(job)["kept"])

    assert list_results(job.out) == {"prefix=.": [kept.name]}


def test_a_part_that_kills_its_workers_is_given_up(job: Job) -> None:
    """After some tries, and in this run only."""
    for _ in range(TRIES):
        begun(job.out, PART, run=job.run)

    assert said(job) == {"given_up": True}
    assert "kept" in said(replace(job, run="another"))


def test_a_damaged_bundle_is_said(job: Job) -> None:
    """Also one of the same size; and one that is whole, but another."""
    path = Path(job.out.child(BUNDLE))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    assert BUNDLE in said(job)["stopped"]

    write_bundle(path, tiny_bundle(5))
    assert "is not the bundle of this run; run the same command" in said(job)["stopped"]
    path.unlink()
    assert "cannot be written" in said(job)["stopped"]


def test_another_waymark_is_said(job: Job) -> None:
    """All machines of a cluster have the same one."""
    assert "install the same on all machines" in said(replace(job, version="0.0.1"))["stopped"]


def test_what_cannot_be_loaded_is_said(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """An actor that dies of a missing library would be started again and again."""
    monkeypatch.setitem(__import__("sys").modules, "waymark.recognise.recogniser", None)
    assert "a worker cannot begin" in said(job)["stopped"]


class Played:
    """Ray, as far as a wave needs it, where the actors say what they are told to."""

    def __init__(self, rows: Iterator[dict[str, Any]]) -> None:
        self._rows = rows
        self.data = self.DataContext = self

    def __getattr__(self, _: str) -> Any:
        return lambda *_, **__: self

    def iter_rows(self) -> Iterator[dict[str, str]]:
        for row in self._rows:
            yield {"said": json.dumps(row)}


def dark(photos: int, *, unfetched: int, other: int = 0) -> dict[str, Any]:
    """Return what an actor says of a part that was not handed out, or not all of it."""
    kept = Kept(number=0, listing="0", photos=photos, failed=unfetched, unfetched=unfetched)
    return {"kept": asdict(kept), "other": other, "why": "no route to host"}


def run(job: Job, rows: Iterator[dict[str, Any]], parts: int = 9) -> Tally:
    """Play a wave."""
    tally = Tally()
    run_wave(Played(rows), [PART] * parts, job, tally, workers=1, tell=silent)
    return tally


def test_a_store_that_hands_out_nothing_ends_the_run(job: Job) -> None:
    """Rows of errors for a million photos are no help; one photo that came is another matter."""
    size = DARK_PHOTOS // DARK_PARTS
    nothing = dark(size, unfetched=size)
    with pytest.raises(RunError, match=r"none of the first 100 photos.*no route to host"):
        run(job, iter([nothing] * 9))
    for else_ in (dark(size, unfetched=size - 1), dark(size, unfetched=size, other=1)):
        tally = run(job, iter([nothing, else_, *[nothing] * 7]))
        assert tally.finished == 9
    assert run(job, iter([dark(1, unfetched=1)] * 9)).unfetched == 9  # a few may be bad luck


def test_a_cluster_that_fails_is_one_sentence(job: Job) -> None:
    """The last line of Ray's hundred is what says why."""

    def fail() -> Iterator[dict[str, Any]]:
        yield dark(2, unfetched=0)
        raise LookupError("Traceback\n  File x\n\nModuleNotFoundError: No module named 'waymark'\n")

    with pytest.raises(RunError, match=r"No module named 'waymark'\); what is done") as caught:
        run(job, fail())
    assert "Traceback" not in str(caught.value)


def test_parts_that_nobody_finished_are_counted(job: Job) -> None:
    """Those that were given up, and those of which nothing was heard."""
    tally = run(job, iter([dark(2, unfetched=0), {"given_up": True}]), parts=3)
    assert (tally.finished, tally.unfinished) == (1, 2)
    assert tally.report(1.0).recognised == 2


def test_recognised_is_what_was_looked_at(job: Job) -> None:
    """A photo that was not handed out has a row, and was not recognised."""
    report = run(job, iter([dark(5, unfetched=3), dark(4, unfetched=0)])).report(1.0)
    assert (report.photos, report.recognised, report.unfetched, report.earlier) == (9, 6, 3, 0)
