"""Sweeps of real trainings: killed, interrupted and resumed."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from waymark.bundle.format import write_bundle
from waymark.bundle.tiny import tiny_bundle
from waymark.samples import SAMPLES, write_samples
from waymark.training.recipe import read_recipe
from waymark.training.recipes import RECIPES


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a dataset of three rendered landmarks, and beside it a tiny bundle to learn from."""
    folder = tmp_path_factory.mktemp("photos")
    write_bundle(folder / "tiny.waymark", tiny_bundle(features=32))
    return write_samples(folder / "photos", per_landmark=8, size=(80, 64), names=SAMPLES[:3])


DEEP = """
[[runs]]
name = "deep"
recipe = "korea-sequential"
size = 32
depth = 4
filters = 4
hidden = [8]
copies = 1
workers = 0
batch = 8
stages.0.epochs = 3
[[runs]]
name = "fast"
recipe = "linear"
views = 1
"""


def start(file: Path, photos: Path, out: Path) -> subprocess.Popen[bytes]:
    """Start `waymark sweep`, two trainings at once."""
    words = [file, photos, "--out", out, "--jobs", 2, "--bundle", photos.parent / "tiny.waymark"]
    return subprocess.Popen(
        [sys.executable, "-m", "waymark", "sweep", *map(str, words)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(file.parent / "cache")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=hear_ctrl_c,  # noqa: PLW1509 (calls one function of the system)
    )


def hear_ctrl_c() -> None:
    """Take SIGINT as in a terminal: what a shell starts in the background ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait(until: Callable[[], Any], process: subprocess.Popen[bytes]) -> None:
    """Wait for something that a process does before it ends."""
    deadline = time.monotonic() + 300
    while not until():
        assert process.poll() is None, process.communicate()[0].decode()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def trainings(out: Path) -> list[int]:
    """Return the processes that write into a sweep's folder, and are not the sweep itself."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            continue
        if "train" in words and any(word.startswith(f"{out}/") for word in words):
            found.append(int(folder.name))
    return found


def epochs(run: Path) -> int:
    """Return how many epochs a run's history has."""
    file = run / "history.csv"
    return len(file.read_text().splitlines()) - 1 if file.exists() else 0


def figures(out: Path) -> list[dict[str, str]]:
    """Return the leaderboard without what a clock says."""
    with (out / "leaderboard.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        for timing in ("minutes", "photos_per_s"):
            row.pop(timing)
    return rows


def test_killed_three_times_the_leaderboard_is_the_same(photos: Path, tmp_path: Path) -> None:
    """kill -9 of the sweep takes its trainings along; the resumed one ends like an unhurt one."""
    pytest.importorskip("torch")
    file, whole, hurt = tmp_path / "tries.toml", tmp_path / "whole", tmp_path / "hurt"
    file.write_text(DEEP, encoding="utf-8")
    unhurt = start(file, photos, whole)
    said = unhurt.communicate(timeout=500)[0].decode()
    assert unhurt.returncode == 0, said
    assert "02-fast: finished" in said

    deep = hurt / "01-deep"
    for moment in (
        (deep / "recipe.toml").exists,
        (deep / "checkpoint" / "last.pt").exists,
        lambda: epochs(deep) >= 2,
    ):
        process = start(file, photos, hurt)
        wait(moment, process)
        assert trainings(hurt)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        deadline = time.monotonic() + 10
        while trainings(hurt):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    last = start(file, photos, hurt)
    said = last.communicate(timeout=500)[0].decode()

    assert last.returncode == 0, said
    assert "01-deep: resumed" in said
    assert figures(hurt) == figures(whole)
    assert epochs(deep) == 3


def test_ctrl_c_leaves_everything_to_be_resumed(photos: Path, tmp_path: Path) -> None:
    """The trainings end with the sweep, nothing is marked as failed, and the run is done later."""
    file, out = tmp_path / "tries.toml", tmp_path / "S"
    file.write_text('recipe = "linear"\n[grid]\nviews = [1]\n', encoding="utf-8")
    process = start(file, photos, out)
    wait((out / "01-views-1" / "recipe.toml").exists, process)

    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[0].decode()

    assert process.returncode == 130, said
    assert not trainings(out)
    state = json.loads((out / "sweep.json").read_text())
    assert [run["fault"] for run in state["runs"].values()] == [None]
    again = start(file, photos, out)
    said = again.communicate(timeout=300)[0].decode()
    assert again.returncode == 0, said
    assert re.search("^1 01-views-1 ", said, re.MULTILINE)
    recipe = read_recipe(out / "01-views-1" / "recipe.toml")
    assert recipe == RECIPES["linear"].with_settings({"views": 1})
    assert tomllib.loads((out / "sweep.toml").read_text())["grid"] == {"views": [1]}
