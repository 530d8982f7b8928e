"""`waymark compare`: a table that fits a terminal, and stays whole in a pipe."""

from __future__ import annotations

import csv
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from waymark.cli import app
from waymark.evaluation.compare_columns import COLUMNS

RECIPE = 'name = "r"\nkind = "deep"\nbackbone = "sequential"\nsize = 64\n[[stages]]\nepochs = 3\n'
NAMES = ("plain", "a-name-that-is-much-longer-than-a-column-may-be", "[red]x\x1b[31m")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Return a folder of three runs, and of one that is not finished."""
    for i, name in enumerate(NAMES):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        figures: dict[str, Any] = {
            **{"dataset": "d", "n": 200, "top1": 0.9 - i / 10, "top1_interval": [0.5, 0.95]},
            **{"top3": 0.97, "macro_f1": 0.7, "loss": 1.25 + i, "ece": 0.05, "parameters": 3e6},
            "training": {"minutes": 12.5, "photos_per_s": 300, "start": "random"},
        }
        (folder / "metrics.json").write_text(json.dumps(figures))
        (folder / "recipe.toml").write_text(RECIPE)
    (tmp_path / "runs" / "stopped").mkdir()
    (tmp_path / "runs" / "stopped" / "recipe.toml").write_text(RECIPE)
    return tmp_path / "runs"


def compare(*words: Any) -> Result:
    """Run `waymark compare`."""
    return CliRunner().invoke(app, ["compare", *map(str, words)])


def on_a_terminal(columns: int, *words: Any) -> str:
    """Return what `waymark compare` prints on a terminal of so many columns, without colours."""
    control, terminal = pty.openpty()
    subprocess.run(
        [sys.executable, "-m", "waymark", "compare", *map(str, words)],
        env={**os.environ, "COLUMNS": str(columns), "LINES": "50", "TERM": "xterm"},
        stdout=terminal,
        stderr=subprocess.DEVNULL,
        check=True,
        timeout=120,
    )
    os.close(terminal)
    said = b""
    while True:
        try:
            said += os.read(control, 65_536)
        except OSError:  # all read
            break
    os.close(control)
    return re.sub(r"\x1b\[[0-9;]*m", "", said.decode()).replace("\r", "")


def test_piped_a_run_is_a_line(runs: Path) -> None:
    """No line is broken or cut, whatever a run is called, and nothing steers a terminal."""
    done = compare(runs)

    assert done.exit_code == 0, done.output
    head, *lines = done.stdout.splitlines()
    assert " ".join(head.split()) == "# run top-1 from to top-3 F1 loss ECE minutes n"
    figures = ["50.0", "95.0", "97.0", "70.0", "1.250", "5.0", "12.5", "200"]
    assert lines[0].split() == ["1", "plain", "90.0", *figures]
    assert lines[1].split()[:2] == ["2", NAMES[1]]
    assert lines[2].split()[:2] == ["3", "[red]x\ufffd[31m"]
    assert lines[-1] == "stopped: failed: not finished"
    assert "\x1b" not in done.output


def test_eighty_columns_are_enough(runs: Path) -> None:
    """On a terminal long names are folded; figures are never cut."""
    said = on_a_terminal(80, runs)

    assert max(map(len, said.splitlines())) <= 80
    figures = ["90.0", "50.0", "95.0", "97.0", "70.0", "1.250", "5.0", "12.5", "200"]
    assert said.splitlines()[1].split() == ["1", "plain", *figures]
    assert "…" not in said


def test_all_columns_come_in_tables_that_fit(runs: Path) -> None:
    """Each with place and name; every heading is there, on a line that ends within the width."""
    said = on_a_terminal(80, runs, "--all")
    piped = compare(runs, "--all")

    assert max(map(len, said.splitlines())) <= 80
    assert len(re.findall(r"^ *# run", said, re.M)) > 1
    for title in ("photos/s", "parameters", "image size", "1st conv", "max-pool", "later activ"):
        assert title in said or title not in piped.stdout
    assert "photos/s" in piped.stdout.splitlines()[0]
    assert "image size" in piped.stdout.splitlines()[0]


def test_csv_html_and_json_say_the_same(runs: Path, tmp_path: Path) -> None:
    """The files are named on stderr; JSON has every column, null where nothing is known."""
    done = compare(runs, "--json", "--csv", tmp_path / "t.csv", "--html", tmp_path / "p.html")

    rows = json.loads(done.stdout)
    assert [row["run"] for row in rows][:2] == list(NAMES[:2])
    assert all(
        row.keys() == {"place", "run", *(column.key for column in COLUMNS), "note"} for row in rows
    )
    assert rows[-1]["top1"] is None
    assert rows[-1]["note"] == "failed: not finished"
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as stream:
        table = list(csv.DictReader(stream))
    assert [float(row["loss"]) for row in table[:3]] == [row["loss"] for row in rows[:3]]
    assert "<h1>Leaderboard</h1>" in (tmp_path / "p.html").read_text(encoding="utf-8")
    assert done.stderr.splitlines() == [
        f"table: {tmp_path / 't.csv'}",
        f"page: {tmp_path / 'p.html'}",
    ]


def test_no_run_is_an_error(tmp_path: Path) -> None:
    """One line, and exit code 2."""
    done = compare(tmp_path)

    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert "holds no run" in done.stderr
