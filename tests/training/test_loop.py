"""The loop: repeatable, resumable, the same on one process and two."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from waymark.dataset.loader import Source  # noqa: E402
from waymark.errors import RunError  # noqa: E402
from waymark.models.build import Classifier, build  # noqa: E402
from waymark.preprocess import Preprocess  # noqa: E402
from waymark.training.loop import EpochReport, fit, load_best  # noqa: E402
from waymark.training.recipe import Recipe, Stage  # noqa: E402

SMALL = Recipe(
    backbone="resnet18",
    start="random",
    size=32,
    batch=8,
    workers=0,
    augment="light",
    stages=(
        Stage(epochs=1, trains="head", lr=1e-2),
        Stage(epochs=2, optimiser="sgd", lr=1e-2, schedule="cosine", warmup=0.5),
    ),
    ema=0.9,
    clip=1.0,
    label_smoothing=0.1,
)


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[Source, Source]:
    """24 training and 10 validation photos of two colours, and 4 negatives."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    paths, labels = [], []
    for number in range(38):
        label = number % 2 if number < 34 else -1
        colour = [(200, 40, 40), (40, 40, 200), (90, 160, 90)][label]
        pixels = rng.normal(colour, 30, (40, 48, 3)).clip(0, 255).astype(np.uint8)
        paths.append(folder / f"{number:02}.png")
        Image.fromarray(pixels).save(paths[-1])
        labels.append(label)
    order = [*range(24), *range(34, 38)]
    train = Source(paths=tuple(paths[i] for i in order), labels=tuple(labels[i] for i in order))
    return train, Source(paths=tuple(paths[24:34]), labels=tuple(labels[24:34]))


def run(
    sides: tuple[Source, Source], recipe: Recipe, folder: Path, *, resume: bool = False
) -> tuple[Classifier, list[EpochReport]]:
    torch.manual_seed(0)
    model = build(recipe.backbone, {"landmark": 2}, dropout=recipe.dropout)
    reports = fit(
        model,
        *sides,
        recipe,
        preprocess=Preprocess(size=recipe.size),
        folder=folder,
        resume=resume,
    )
    return model, list(reports)


def figures(reports: list[EpochReport]) -> list[tuple[float, float, float]]:
    return [(r.train_loss, r.val_loss, r.val_top1) for r in reports]


def test_the_same_seed_gives_the_same_metrics(
    sides: tuple[Source, Source], tmp_path: Path
) -> None:
    """Two CPU runs agree to the last digit."""
    first = run(sides, SMALL, tmp_path / "a")[1]
    second = run(sides, SMALL, tmp_path / "b")[1]

    assert figures(first) == figures(second)


def test_a_resumed_run_ends_like_one_that_was_not_stopped(
    sides: tuple[Source, Source], tmp_path: Path
) -> None:
    """Stopped after the second of three epochs, the third comes out the same."""
    whole = run(sides, SMALL, tmp_path / "whole")[1]
    torch.manual_seed(0)
    model = build(SMALL.backbone, {"landmark": 2})
    cut = fit(
        model, *sides, SMALL, preprocess=Preprocess(size=32), folder=tmp_path / "cut", resume=False
    )
    next(cut), next(cut)
    cut.close()
    rest = run(sides, SMALL, tmp_path / "cut", resume=True)[1]

    assert np.allclose(figures(rest), figures(whole)[2:], rtol=1e-5)


def test_another_recipe_cannot_resume(sides: tuple[Source, Source], tmp_path: Path) -> None:
    """A checkpoint belongs to its recipe."""
    run(sides, SMALL, tmp_path)

    with pytest.raises(RunError, match="another recipe"):
        run(sides, SMALL.with_settings({"seed": 1}), tmp_path, resume=True)


def test_a_damaged_checkpoint_is_a_run_error(
    sides: tuple[Source, Source], tmp_path: Path
) -> None:
    """It says to start again."""
    (tmp_path / "last.pt").write_bytes(b"not a checkpoint")

    with pytest.raises(RunError, match="start again"):
        run(sides, SMALL, tmp_path, resume=True)


@pytest.mark.parametrize(
    "settings",
    [
        {"mixup": 0.4, "cutmix": 1.0},
        {"negatives": 0.5, "balance": 0.5, "class_weights": "inverse"},
        {"distil": 1.0, "distil_size": 64, "negatives": 0.5},
        {"accumulate": 2, "augment": "strong", "precision": "bfloat16"},
        {"stages.1.optimiser": "rmsprop", "ema": 0.0, "channels_last": False},
        {"stages.1.optimiser": "adam", "stages.1.size": 64, "dropout": 0.3},
    ],
    ids=lambda settings: "-".join(settings),
)
def test_every_option_trains_to_finite_losses(
    settings: dict[str, object], sides: tuple[Source, Source], tmp_path: Path
) -> None:
    """Losses are finite, and the best weights can be loaded."""
    model, reports = run(sides, SMALL.with_settings(settings), tmp_path)
    load_best(model, tmp_path)

    assert len(reports) == 3
    assert all(np.isfinite(row).all() for row in figures(reports))
    assert any(r.is_best for r in reports)


def test_a_frozen_backbone_does_not_move(sides: tuple[Source, Source], tmp_path: Path) -> None:
    """Weights and batch-norm statistics of a head-only stage stay as they were."""
    recipe = SMALL.with_settings({"ema": 0.0})
    recipe = Recipe(**{**vars(recipe), "stages": recipe.stages[:1]})
    torch.manual_seed(0)
    before = build(recipe.backbone, {"landmark": 2}).backbone.state_dict()
    after = run(sides, recipe, tmp_path)[0].backbone.state_dict()

    assert all(torch.equal(before[name], after[name].contiguous()) for name in before)


def test_patience_stops_early(sides: tuple[Source, Source], tmp_path: Path) -> None:
    """A learning rate that ruins the network ends the run before its epochs do."""
    recipe = Recipe(
        **{**vars(SMALL), "stages": (Stage(epochs=30, lr=1e-9),), "patience": 1, "ema": 0.9}
    )
    reports = run(sides, recipe, tmp_path)[1]

    assert len(reports) < 30


SCRIPT = """
import json, sys
import torch
from accelerate import PartialState
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from waymark.dataset.loader import Source
from waymark.models.build import build
from waymark.preprocess import Preprocess
from waymark.training.loop import fit
from waymark.training.recipe import Recipe, Stage
torch.set_num_threads(1)
folder = Path(sys.argv[2])
given = json.loads((folder / "sides.json").read_text())
sides = [Source(paths=tuple(map(Path, s["paths"])), labels=tuple(s["labels"])) for s in given]
recipe = Recipe(backbone="resnet18", size=32, batch=8, workers=0, augment="flip",
                stages=(Stage(epochs=2, trains="head", lr=1e-2),))
torch.manual_seed(0)
model = build("resnet18", {"landmark": 2})
out = [(r.train_loss, r.val_loss, r.val_top1) for r in
       fit(model, *sides, recipe, preprocess=Preprocess(size=32), folder=folder / sys.argv[3])]
if PartialState().is_main_process:
    (folder / (sys.argv[3] + ".json")).write_text(json.dumps(out))
"""


def test_two_processes_give_the_metrics_of_one(
    sides: tuple[Source, Source], tmp_path: Path
) -> None:
    """A batch shared by two processes trains the same; each validation photo counts once."""
    train = Source(paths=sides[0].paths[:24], labels=sides[0].labels[:24])
    val = Source(paths=sides[1].paths[:9], labels=sides[1].labels[:9])  # an uneven last batch
    plain = [{"paths": list(map(str, s.paths)), "labels": s.labels} for s in (train, val)]
    (tmp_path / "sides.json").write_text(json.dumps(plain))
    (tmp_path / "script.py").write_text(SCRIPT)
    arguments = [str(tmp_path / "script.py"), str(Path(__file__).parent), str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *arguments, "one"], check=True, env=environment)
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
    launch += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    launch += ["--main_process_port", "0"]
    subprocess.run([*launch, *arguments, "two"], check=True, env=environment)
    one, two = (json.loads((tmp_path / f"{n}.json").read_text()) for n in ("one", "two"))

    assert np.allclose(one, two, atol=1e-5)
