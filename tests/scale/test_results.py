"""Results: a file's name says what is in it, and nobody else's files are touched."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from hypothesis import given
from hypothesis import strategies as st

from waymark.errors import ConfigError, RunError
from waymark.scale import results
from waymark.scale.listing import Part
from waymark.scale.place_files import write_file
from waymark.scale.recognise import Recognised
from waymark.scale.results import (
    COLUMNS,
    Kept,
    agree,
    begun,
    claim,
    find_results,
    list_results,
    read_lines,
    sweep,
    write_part,
    written,
)

PART = Part(prefix="a", number=0, names=("a/1.jpg", "a/2.jpg"), sizes=(1, 2))
COUNT = st.integers(min_value=0, max_value=10**6)


def found(*photos: str, unfetched: int = 0) -> Recognised:
    """Return rows of photos, the last `unfetched` of which were not handed out."""
    rows = [dict.fromkeys(COLUMNS) | {"photo": each, "json": each} for each in photos]
    return Recognised(rows=rows, failed=unfetched, unfetched=unfetched, why="", other=0)


HASH = st.text("0123456789abcdef", min_size=16, max_size=16)


@given(st.builds(Kept, number=COUNT, listing=HASH, photos=COUNT, failed=COUNT, unfetched=COUNT))
def test_a_name_says_what_is_in_the_file(kept: Kept) -> None:
    """What a name is made of can be read from it."""
    assert Kept.named(kept.name) == kept


@pytest.mark.parametrize("name", ["part-00000.parquet", "part-0-0-1-2-3.parquet", "x.parquet"])
def test_other_names_say_nothing(name: str) -> None:
    """A file that somebody else has put there is none of results."""
    assert Kept.named(name) is None


def test_a_part_done_again_has_one_file(tmp_path: Path) -> None:
    """Its rows take the place of those that it had, of other counts or of other photos."""
    out = find_results(tmp_path / "out")
    (tmp_path / "out" / PART.folder).mkdir(parents=True)
    (tmp_path / "out" / PART.folder / "_mine.txt").touch()
    write_part(out, PART, found("1", "2", unfetched=1), again=False, run="r")
    begun(out, PART, run="r")
    kept = write_part(out, PART, found("1", "2"), again=True, run="r")

    assert list_results(out) == {PART.folder: [kept.name]}
    assert list(read_lines(out)) == ["1", "2"]
    assert (tmp_path / "out" / PART.folder / "_mine.txt").exists()
    table = ds.dataset(tmp_path / "out", format="parquet", partitioning="hive").to_table()
    assert table["prefix"].to_pylist() == ["a", "a"]


def test_a_prefix_of_digits_is_text(tmp_path: Path) -> None:
    """With the schema that docs/scale.md gives, readers do not make a number of it."""
    out = find_results(tmp_path)
    write_part(out, replace(PART, prefix="007"), found("1"), again=False, run="r")
    parted = ds.partitioning(pa.schema([("prefix", pa.string())]), flavor="hive")

    assert ds.dataset(tmp_path, partitioning=parted).to_table()["prefix"].to_pylist() == ["007"]


def test_tries_are_counted_a_run(tmp_path: Path) -> None:
    """How often a part was begun, by this run; another one starts at 1."""
    out = find_results(tmp_path)
    assert [begun(out, PART, run=run) for run in ("a", "a", "b", "a")] == [1, 2, 1, 1]


def test_a_free_place_is_claimed_once(tmp_path: Path) -> None:
    """What it is of then holds; a file that a kill left half written is nobody's."""
    out = find_results(tmp_path)
    (tmp_path / "__waymark.json.0.0.partial").touch()
    assert agree(out, {"of": "a"}) is None
    claim(out, {"of": "a", "shown": "b"}, run="r")

    assert agree(out, {"of": "a"}) == {"format": results.FORMAT, "of": "a", "shown": "b"}
    with pytest.raises(RunError, match="holds results with of 'a', not 'c'; name another --out"):
        agree(out, {"of": "c"})


def test_results_of_an_earlier_form_are_refused(tmp_path: Path) -> None:
    """They are told by their format, and not mixed with those of this one."""
    (tmp_path / "_waymark.json").write_text(json.dumps({"format": 1, "of": "a"}))
    with pytest.raises(RunError, match="format 1, not 2"):
        agree(find_results(tmp_path), {"of": "a"})


def test_a_place_of_other_things_is_refused(tmp_path: Path) -> None:
    """A folder that is not empty is not filled."""
    (tmp_path / "mine.txt").touch()
    with pytest.raises(RunError, match="is not empty"):
        agree(find_results(tmp_path), {"of": "a"})


def test_what_another_run_is_writing_is_left_to_it(tmp_path: Path) -> None:
    """Half-written files go with their run, or when they are old, so that nobody writes them."""
    out = find_results(tmp_path)
    folder = tmp_path / PART.folder
    folder.mkdir()
    mine, other, old = (folder / f"_x.{run}.0.partial" for run in ("mine", "other", "old"))
    for path in (mine, other, old):
        path.touch()
    yesterday = time.time() - 86_400
    os.utime(old, (yesterday, yesterday))
    sweep(out, {PART.folder}, run="mine")

    assert not mine.exists()
    assert other.exists()
    assert list_results(out) == {PART.folder: [old.name]}


def test_a_file_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is said in one sentence, and the half that was written is gone."""
    out = find_results(tmp_path)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"cannot be written \(No space left"), written(out):
        write_file(out, "a/b.json", b"{}", run="r")
    assert not list((tmp_path / "a").iterdir())


@pytest.mark.skipif(os.name != "posix", reason="names of files are bytes on POSIX only")
def test_a_place_whose_name_is_no_text_is_refused(tmp_path: Path) -> None:
    """pyarrow cannot write there."""
    with pytest.raises(ConfigError, match="no text; name another --out"):
        find_results(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
