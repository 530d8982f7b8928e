"""`waymark tag --engine ray`: what it prints of a run; the run itself is played."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from waymark.cli import app
from waymark.dataset.index import Skipped
from waymark.scale.report import ScaleReport


@pytest.fixture
def tag(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return a function that runs the command, with the report of a run and options."""

    def run(report: ScaleReport, *options: str) -> Any:
        def played(*_: Any, **__: Any) -> ScaleReport:
            sys.stdout.write("(raylet) A worker died.\n")  # as Ray does
            return report

        monkeypatch.setattr("waymark.scale.tag.tag_at_scale", played)
        out = str(tmp_path / "out")
        return CliRunner().invoke(app, ["tag", "--engine", "ray", "p", "--out", out, *options])

    return run


def test_all_went_well(tag: Any, tmp_path: Path) -> None:
    """Two lines on stdout, and exit code 0."""
    done = tag(ScaleReport(photos=1, recognised=0, parts=1))

    assert done.stdout == f"1 photo: 0 recognised, 1 done before\nresults: {tmp_path / 'out'}\n"
    assert done.exit_code == 0


def test_what_was_not_handed_out_was_not_recognised(tag: Any) -> None:
    """The sum says how many were looked at, and what to do about the others."""
    report = ScaleReport(photos=600, recognised=25, failed=576, unfetched=575, seconds=5.0)
    said = tag(report).stdout.splitlines()

    assert said[:3] == [
        "600 photos: 25 recognised (5.0 photos/s), 575 not handed out, 0 done before",
        "576 photos cannot be read (column error says why)",
        "575 of them were not handed out: run the same command again",
    ]


def test_one_is_one(tag: Any) -> None:
    """No `1 parts`."""
    said = tag(ScaleReport(photos=2, recognised=1, failed=1, unfetched=1, unfinished=1)).stdout

    assert "1 photo cannot be read" in said
    assert "1 of them was not handed out" in said
    assert "1 part killed its workers" in said


def test_a_folder_that_was_not_looked_into_is_said(tag: Any) -> None:
    """As `tag` without a cluster does it: on stderr, with exit code 1."""
    done = tag(ScaleReport(photos=1, recognised=1, skipped=(Skipped("p/a", "cannot be read"),)))

    assert done.exit_code == 1
    assert "skipped p/a: cannot be read" in done.stderr


def test_json_has_stdout_to_itself(tag: Any) -> None:
    """What Ray prints of its workers goes where the sum goes."""
    done = tag(ScaleReport(photos=1, recognised=1), "--json")

    assert done.stdout == ""
    assert "A worker died" in done.stderr
    assert "1 photo: 1 recognised" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="names of files are bytes on POSIX only")
def test_an_address_that_is_no_text_is_refused(tag: Any) -> None:
    """Ray keeps the command line as text; folders further down may have any name."""
    done = CliRunner().invoke(app, ["tag", "--engine", "ray", "p/\udcff"])

    assert done.exit_code == 2
    assert "has bytes that are no text" in done.stderr
