"""`waymark sweep`: what it says, where it writes, and how it ends."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from waymark.bundle.format import write_bundle
from waymark.bundle.tiny import tiny_bundle
from waymark.cli import app
from waymark.samples import SAMPLES, write_samples
from waymark.training import sweep_run

GRID = 'recipe = "linear"\n[grid]\nviews = [1, 2]\n'


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a dataset of two rendered landmarks, in a folder with a sweep file and a bundle."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Path("tries.toml").write_text(GRID, encoding="utf-8")
    write_bundle(tmp_path / "tiny.waymark", tiny_bundle(features=32))
    return write_samples(tmp_path / "samples", per_landmark=3, size=(80, 64), names=SAMPLES[:2])


def sweep(*words: Any) -> Result:
    """Run `waymark sweep`."""
    return CliRunner().invoke(app, ["sweep", *map(str, words)])


def test_a_sweep_ends_with_the_leaderboard(photos: Path) -> None:
    """Without --out it has a folder by dataset and file, and again it only prints."""
    Path("tries.toml").write_text(GRID.replace("[1, 2]", "[1]"), encoding="utf-8")
    words = ("tries.toml", photos, "--bundle", "tiny.waymark")

    done, again = sweep(*words), sweep(*words)

    assert done.exit_code == again.exit_code == 0, done.output
    folder = Path("runs/samples-tries")
    assert {"leaderboard.csv", "leaderboard.html", "sweep.toml", "01-views-1"} <= {
        path.name for path in folder.iterdir()
    }
    assert "01-views-1: finished" in done.stderr
    assert "01-views-1" not in again.stderr
    assert again.stdout == done.stdout
    assert done.stdout.splitlines()[-1] == f"leaderboard: {folder / 'leaderboard.html'}"
    assert done.stdout.splitlines()[1].split()[:2] == ["1", "01-views-1"]
    compared = CliRunner().invoke(app, ["compare", str(folder)])
    assert compared.stdout.splitlines() == done.stdout.splitlines()[:-1]


def test_failed_runs_are_told_and_counted_in_the_exit_code(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line each, without control codes; exit code 1."""
    Path("fails.py").write_text("import sys\nsys.exit('no \\x1b[1m room')\n")
    monkeypatch.setattr(sweep_run, "_PROGRAM", (sys.executable, "-S", "fails.py"))

    done = sweep("tries.toml", photos, "--out", "S", "--jobs", 1)

    assert done.exit_code == 1, done.output
    assert "01-views-1: failed: no ?[1m room" in done.stderr
    assert "02-views-2: failed: no ?[1m room" in done.stdout
    assert "\x1b" not in done.output


def test_mistakes_are_found_before_anything_starts(photos: Path) -> None:
    """In the sweep's name, its file and the dataset: exit code 2, one line, and no folder."""
    Path("wrong.toml").write_text(GRID.replace("views", "veiws"), encoding="utf-8")

    for words, said in (
        (("korea-tabel", photos), "did you mean 'korea-table'"),
        (("wrong.toml", photos), "did you mean 'views'"),
        (("tries.toml", "nowhere"), "nowhere"),
        (("tries.toml", photos, "--jobs", 0), "at least 1"),
    ):
        done = sweep(*words, "--out", "S")
        assert done.exit_code == 2, done.output
        assert said in done.stderr
    assert not Path("S").exists()
