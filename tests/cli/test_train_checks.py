"""What `waymark train` can do instead of training, and which options do not go together."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from waymark.cli import app
from waymark.samples import SAMPLES, write_samples
from waymark.training import tensorboard

CNN = {
    "backbone": "scratch_cnn5",
    "size": 32,
    "batch": 8,
    "pool": "flatten",
    "hidden": [32],
    "hidden_norm": "true",
    "workers": 0,
    "stages.0.epochs": 1,
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a dataset of two rendered landmarks."""
    folder = tmp_path_factory.mktemp("d") / "samples"
    return write_samples(folder, per_landmark=8, size=(48, 48), names=SAMPLES[:2])


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def train(
    photos: Path, *words: Any, recipe: str = "sssingh-scratch-cnn", **settings: Any
) -> Result:
    """Run `waymark train` on S2's network, made tiny."""
    options = [str(photos), "--recipe", recipe]
    if recipe != "linear":
        for key, value in {**CNN, **settings}.items():
            options += ["--set", f"{key}={value}"]
    return CliRunner().invoke(app, ["train", *options, *map(str, words)])


def deep() -> Any:
    """Return torch, on one core; skip where it is not installed."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return torch


def test_one_batch_is_learnt(photos: Path) -> None:
    """A line now and then, a verdict, exit code 0, and nothing written."""
    deep()
    done = train(photos, "--overfit-one-batch")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("step 0: loss ")
    assert re.match(r"learns it: 100 % after \d+ steps \(loss", done.stdout.splitlines()[-1])
    assert list(Path().iterdir()) == []


def test_one_batch_is_not_learnt(photos: Path) -> None:
    """With a rate of nothing: exit code 1, advice, and the photos that are still wrong."""
    deep()
    done = train(photos, "--overfit-one-batch", **{"stages.0.lr": 1e-9})
    assert done.exit_code == 1
    assert "does not: " in done.stdout
    assert "--lr-find" in done.stdout
    assert str(photos) in done.stdout.split("still wrong: ")[1]


def test_a_rate_is_found(photos: Path) -> None:
    """A table, a suggestion that can be pasted, a CSV of every step and a picture."""
    deep()
    done = train(photos, "--lr-find", "--out", "found")
    assert done.exit_code == 0, done.output
    assert re.search(r"^suggested: --set stages\.0\.lr=[\d.e-]+$", done.stdout, re.M)
    with Path("found/lr-find.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert float(rows[0]["lr"]) == pytest.approx(1e-7)
    assert len(done.stdout.splitlines()) < 45
    assert Path("found/lr-find.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in Path("found").iterdir()) == ["lr-find.csv", "lr-find.png"]


def test_a_dry_run_foretells_the_run(photos: Path) -> None:
    """The same folder, photos and cost as the training that follows, and a bundle so large."""
    deep()
    dry = train(photos, "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert list(Path().iterdir()) == []
    real = train(photos)
    assert real.exit_code == 0, real.output

    folder = re.search(r"^run: (\S+)", dry.stdout, re.M)
    assert folder is not None
    bundle = Path(folder[1]) / "model.waymark"
    assert bundle.exists()
    size = re.search(r"^bundle: about ([\d.]+) MB", dry.stdout, re.M)
    assert size is not None
    assert float(size[1]) * 1e6 == pytest.approx(bundle.stat().st_size, rel=0.3)
    split = (Path(folder[1]) / "split.csv").read_text()
    said = re.search(r"^photos: (\d+) to learn from, (\d+) to choose by", dry.stdout, re.M)
    assert said is not None
    counted = [int(said[1]), int(said[2])]
    rows = list(csv.DictReader(split.splitlines()))
    assert counted == [sum(r["split"] == name for r in rows) for name in ("train", "val")]
    shared = [line for line in dry.stdout.splitlines() if "multiply-adds" in line]
    assert shared  # what the dry run said of parameters, the training says before it starts
    assert set(shared) <= set(real.stderr.splitlines())
    assert real.stderr.index("multiply-adds") < real.stderr.index("epoch 1:")


def test_a_dry_run_of_the_fast_path(photos: Path) -> None:
    """Photos and seconds, without torch's help."""
    done = train(photos, "--dry-run", recipe="linear")
    assert done.exit_code == 0, done.output
    assert "photos: 16 to learn from" in done.stdout
    assert "time: about" in done.stdout
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("recipe", "words", "say"),
    [
        ("finetune", ["--bundle", "world"], "--bundle"),
        ("linear", ["--bundle", "world", "--weights", "w.safetensors"], "give one"),
        ("linear", ["--overfit-one-batch"], "deep recipe"),
        ("linear", ["--lr-find"], "deep recipe"),
        ("linear", ["--tensorboard"], "no"),
        ("finetune", ["--lr-find", "--dry-run"], "--dry-run and --lr-find"),
        ("finetune", ["--dry-run", "--resume"], "--resume"),
    ],
)
def test_options_that_do_not_go_together(
    photos: Path, recipe: str, words: list[str], say: str
) -> None:
    """Each is an error that names them; none is silently left out."""
    done = CliRunner().invoke(app, ["train", str(photos), "--recipe", recipe, *words])
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert say in line
    assert list(Path().iterdir()) == []


def test_tensorboard_is_told_of_before_the_training(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the package is not installed, nothing starts, and the command is named."""
    monkeypatch.setattr(tensorboard, "find_spec", lambda _: None)
    done = train(photos, "--tensorboard")
    assert done.exit_code == 2
    assert "waymark[tensorboard]" in done.stderr
    assert list(Path().iterdir()) == []


def test_tensorboard_files_lie_in_the_run(photos: Path) -> None:
    """Event files beside the rest, also where the run's folder is numbered."""
    deep()
    pytest.importorskip("tensorboard")
    done = train(photos, "--tensorboard")
    assert done.exit_code == 0, done.output
    assert list(Path("runs/samples-sssingh-scratch-cnn-1/tensorboard").glob("events.out.*"))
