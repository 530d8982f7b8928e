"""`torchrun -m waymark train`: several processes train, and one of them writes and speaks.

`accelerate launch` starts several GPU processes the same way; of CPU ones it starts one only.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from waymark.bundle.format import read_bundle
from waymark.dataset.index import read_dataset
from waymark.dataset.split import read_split
from waymark.samples import DISTRACTORS, SAMPLES, write_samples

NAMES = SAMPLES[:2]
TINY = {
    "backbone": "mobilenetv2_100",
    "start": "random",
    "size": 32,
    "workers": 0,
    "batch": 8,
    "distil": 0.5,
    "distil_size": 32,
    "stages.0.epochs": 1,
    "stages.1.epochs": 1,
    "stages.1.warmup": 0.5,
}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a dataset of two rendered landmarks and of views that show none."""
    folder = write_samples(tmp_path / "samples", per_landmark=10, size=(80, 64), names=NAMES)
    write_samples(folder / "unknown", per_landmark=2, size=(80, 64), names=DISTRACTORS[:3])
    return folder


def launched(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `waymark train` in `folder`, in two processes on the CPU."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    settings = {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*launch, "--nproc_per_node", "2", "-m", "waymark", "train", *words],
        cwd=folder,
        check=False,
        env={**os.environ, **settings, "XDG_CACHE_HOME": str(folder / "cache")},
        capture_output=True,
        text=True,
    )


def test_two_processes_leave_one_run(photos: Path, tmp_path: Path) -> None:
    """Without --out both use one numbered folder; each epoch and result is said once."""
    pytest.importorskip("torch")
    settings = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]

    done = launched(tmp_path, str(photos), "--recipe", "finetune", *settings)

    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "bundle:",
        "report:",
        "val_top1",
    ]
    assert [done.stderr.count(f"epoch {number}: loss") for number in (1, 2, 3)] == [1, 1, 0]
    [run] = (tmp_path / "runs").iterdir()
    assert {path.name for path in run.iterdir()} >= {
        *("recipe.toml", "split.csv", "history.csv", "metrics.json", "report.html"),
        *("README.md", "model.waymark", "plots", "checkpoint"),
    }
    assert not list(run.rglob("*.partial"))
    with (run / "history.csv").open(newline="") as stream:
        assert [row["epoch"] for row in csv.DictReader(stream)] == ["1", "2"]
    assert sorted(read_bundle(run).manifest.tasks[0].ids) == sorted(NAMES)
    assert read_split(run / "split.csv", read_dataset(photos)).of_split("val").photos


def test_an_error_of_the_main_process_ends_both(photos: Path, tmp_path: Path) -> None:
    """A folder in use is refused, not waited for, and stays as it is."""
    pytest.importorskip("torch")
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine.txt").write_text("")

    done = launched(tmp_path, str(photos), "--recipe", "finetune", "--out", "used")

    assert done.returncode != 0
    assert "used is not empty" in done.stderr
    assert [path.name for path in (tmp_path / "used").iterdir()] == ["mine.txt"]
