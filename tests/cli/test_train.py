"""`waymark train`, at both speeds: what lies in the run folder, and how a run is resumed."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from waymark.bundle.format import read_bundle, write_bundle
from waymark.bundle.tiny import tiny_bundle
from waymark.cli import app
from waymark.dataset.index import read_dataset
from waymark.dataset.split import read_split
from waymark.models.design import Design
from waymark.samples import DISTRACTORS, SAMPLES, write_samples
from waymark.training.recipe import read_recipe
from waymark.training.recipes import RECIPES

NAMES = SAMPLES[:2]
TINY = {
    "start": "random",
    "size": 32,
    "workers": 0,
    "batch": 8,
    "stages.0.epochs": 1,
    "stages.1.epochs": 1,
    "stages.1.warmup": 0.5,
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a dataset of two rendered landmarks and of views that show none."""
    folder = write_samples(
        tmp_path_factory.mktemp("d") / "samples", per_landmark=10, size=(80, 64), names=NAMES
    )
    write_samples(folder / "unknown", per_landmark=2, size=(80, 64), names=DISTRACTORS[:3])
    return folder


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tiny bundle to learn from."""
    file = tmp_path_factory.mktemp("b") / "tiny.waymark"
    write_bundle(file, tiny_bundle(features=32))
    return file


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep caches and numbered runs in the test's own folder, and torch on one core."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def train(*words: Any) -> Result:
    """Run `waymark train`."""
    return CliRunner().invoke(app, ["train", *map(str, words)])


def deep(backbone: str, **settings: Any) -> list[str]:
    """Return the options of a tiny deep training."""
    chosen = {"backbone": backbone, **TINY, **settings}
    words = [word for key, value in chosen.items() for word in ("--set", f"{key}={value}")]
    return ["--recipe", "finetune", *words]


def evaluated(run: Path, photos: Path) -> dict[str, Any]:
    """Return what `waymark evaluate RUN DATASET --json` prints."""
    done = CliRunner().invoke(app, ["evaluate", str(run), str(photos), "--json"])
    assert done.exit_code == 0, done.output
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def history(run: Path) -> list[dict[str, str]]:
    """Return the rows of a run's `history.csv`."""
    with (run / "history.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_fast_path_leaves_a_whole_run_folder(photos: Path, parent: Path) -> None:
    """Recipe, split, figures, page, card, plots and a bundle that knows what was shown."""
    done = train(photos, "--bundle", parent, "--out", "run", "--terms", "CC0")

    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1].startswith("cv_top1 0.")
    assert f"bundle: {Path('run/model.waymark')}" in done.stdout
    assert "places: 2 unknown" in done.stderr.splitlines()
    run = Path("run")
    names = {path.name for path in run.iterdir()}
    assert names >= {
        *("recipe.toml", "split.csv", "metrics.json", "report.html", "README.md"),
        *("model.waymark", "plots"),
    }
    assert any((run / "plots").glob("*.png"))
    assert read_recipe(run / "recipe.toml") == RECIPES["linear"]
    figures = json.loads((run / "metrics.json").read_text())
    assert figures["n"] == figures["cv_n"] == 20
    assert figures["n_unknown"] == 0 or figures["n_unknown"] == 6
    assert figures["cv_top1"] == pytest.approx(figures["top1"])
    bundle = read_bundle(run)
    assert bundle.card == (run / "README.md").read_text(encoding="utf-8")
    assert "| terms of the data | CC0 |" in bundle.card
    assert "| places | 2 unknown |" in bundle.card
    assert sorted(bundle.manifest.tasks[0].ids) == sorted(NAMES)
    split = read_split(run / "split.csv", read_dataset(photos))
    assert {photo.split for photo in split.photos} == {"train"}
    said = evaluated(run, photos)
    assert (said["n"], said["n_unknown"]) == (20, 6)
    assert said["top1"] > 0.9


def test_without_out_runs_are_numbered(photos: Path, parent: Path) -> None:
    """runs/DATASET-RECIPE-N, and nothing is ever written over."""
    for _ in range(2):
        assert train(photos, "--bundle", parent, "--set", "views=1").exit_code == 0

    assert sorted(path.name for path in Path("runs").iterdir()) == [
        "samples-linear-1",
        "samples-linear-2",
    ]
    one, two = (json.loads(p.read_text()) for p in sorted(Path("runs").glob("*/metrics.json")))
    assert one.pop("training").keys() == two.pop("training").keys()  # minutes and memory differ
    assert one == two  # the same seed gives the same figures


def test_splits_of_the_dataset_are_kept(photos: Path, parent: Path) -> None:
    """With train and val in the dataset, val is what is measured, and test is not read."""
    for label in NAMES:
        for number, file in enumerate(sorted((photos / label).iterdir())):
            split = "train" if number < 6 else "val" if number < 9 else "test"
            target = Path("parted") / split / label
            target.mkdir(parents=True, exist_ok=True)
            target.joinpath(file.name).write_bytes(file.read_bytes())

    done = train("parted", "--bundle", parent, "--out", "run")

    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1].startswith("val_top1 ")
    assert json.loads(Path("run/metrics.json").read_text())["n"] == 6


def test_a_run_is_resumed_only_as_it_was_started(photos: Path, parent: Path) -> None:
    """In use without --resume; then only with the recipe that lies in the folder."""
    start = (photos, "--bundle", parent, "--out", "run")
    assert train(*start, "--set", "seed=3").exit_code == 0

    again = train(*start, "--set", "seed=3")
    other = train(*start, "--resume")
    same = train(*start, "--resume", "--recipe", "run/recipe.toml")

    assert again.exit_code == other.exit_code == 2
    assert "--resume" in again.stderr
    assert "another recipe" in other.stderr
    assert "run/recipe.toml" in other.stderr
    assert same.exit_code == 0, same.output


def test_the_deep_path_ends_in_the_same_kind_of_run(photos: Path) -> None:
    """Two epochs from random weights: a line each, history, and a bundle that evaluates."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)

    done = train(photos, *deep("resnet18"), "--out", "run")

    assert done.exit_code == 0, done.output
    assert "epoch 2: loss" in done.stderr
    assert done.stdout.splitlines()[-1].startswith("val_top1 ")
    run = Path("run")
    names = {path.name for path in run.iterdir()}
    assert names >= {
        *("recipe.toml", "split.csv", "history.csv", "metrics.json", "report.html"),
        *("README.md", "model.waymark", "plots", "checkpoint"),
    }
    assert [row["epoch"] for row in history(run)] == ["1", "2"]
    assert read_recipe(run / "recipe.toml").backbone == "resnet18"
    bundle = read_bundle(run)
    network = bundle.manifest.backbone
    assert (network["timm_name"], network["num_features"]) == ("resnet18", 512)
    assert network["input_size"] == 32
    assert Design.from_dict(network["design"]) == read_recipe(run / "recipe.toml").design
    assert bundle.backbone is not None
    split = read_split(run / "split.csv", read_dataset(photos))
    figures = json.loads((run / "metrics.json").read_text())
    assert figures["n"] == len(split.of_split("val").photos)
    assert evaluated(run, photos)["n"] == 20


def test_a_killed_training_goes_on_where_it_was(photos: Path) -> None:
    """SIGKILL after the first epoch; --resume does the others, each epoch once."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    words = [str(photos), *deep("mobilenetv2_100", **{"stages.1.epochs": 2}), "--out", "run"]
    started = subprocess.Popen(
        [sys.executable, "-m", "waymark", "train", *words],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 300
    while not Path("run/checkpoint/last.pt").exists() and started.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    started.send_signal(signal.SIGKILL)
    complaint = started.communicate()[1]
    assert started.returncode == -signal.SIGKILL, complaint
    assert not Path("run/model.waymark").exists()

    refused = train(*words)
    done = train(*words, "--resume")

    assert refused.exit_code == 2
    assert "--resume" in refused.stderr
    assert done.exit_code == 0, done.output
    assert "epoch 1:" not in done.stderr
    assert [row["epoch"] for row in history(Path("run"))] == ["1", "2", "3"]
    assert evaluated(Path("run"), photos)["n"] == 20
