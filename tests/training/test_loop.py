"""The loop: repeatable, resumable, the same on one process and two."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from waymark.dataset.loader import Source, plain_loader  # noqa: E402
from waymark.errors import RunError  # noqa: E402
from waymark.models.build import Classifier, build, to_device  # noqa: E402
from waymark.preprocess import Preprocess  # noqa: E402
from waymark.training.loop import EpochReport, fit, load_best  # noqa: E402
from waymark.training.loop_feed import shared  # noqa: E402
from waymark.training.recipe import Recipe, Stage  # noqa: E402
from waymark.training.tasks import Tasks  # noqa: E402

torch.set_num_threads(1)

TASKS = Tasks(classes={"landmark": 2})

SMALL = Recipe(
    backbone="mobilenetv2_100",
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
    precision="float32",  # losses are compared to the digit
)

HEAD = replace(SMALL, stages=SMALL.stages[:1], ema=0.0)
"""One epoch in which only the head learns."""


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
    model = build(recipe.design, TASKS.classes)
    reports = fit(
        model,
        *sides,
        recipe,
        tasks=TASKS,
        preprocess=Preprocess(size=recipe.size),
        folder=folder,
        resume=resume,
    )
    return model, list(reports)


@pytest.fixture(scope="module")
def whole(
    sides: tuple[Source, Source], tmp_path_factory: pytest.TempPathFactory
) -> list[EpochReport]:
    """What the three epochs of `SMALL` report."""
    return run(sides, SMALL, tmp_path_factory.mktemp("whole"))[1]


def figures(reports: list[EpochReport]) -> list[tuple[float, float, float]]:
    return [(r.train_loss, r.val_loss, r.val_top1) for r in reports]


def test_the_same_seed_gives_the_same_metrics(sides: tuple[Source, Source], tmp_path: Path) -> None:
    """Two CPU runs agree to the last digit."""
    first = run(sides, SMALL, tmp_path / "a")[1]
    second = run(sides, SMALL, tmp_path / "b")[1]

    assert figures(first) == figures(second)


def test_a_resumed_run_ends_like_one_that_was_not_stopped(
    sides: tuple[Source, Source], whole: list[EpochReport], tmp_path: Path
) -> None:
    """Stopped after the second of three epochs, the third comes out the same."""
    torch.manual_seed(0)
    model = build(SMALL.design, TASKS.classes)
    cut = fit(
        model,
        *sides,
        SMALL,
        tasks=TASKS,
        preprocess=Preprocess(size=32),
        folder=tmp_path / "cut",
    )
    next(cut), next(cut)
    cut.close()
    rest = run(sides, SMALL, tmp_path / "cut", resume=True)[1]

    assert np.allclose(figures(rest), figures(whole)[2:], rtol=1e-5)


def test_another_recipe_cannot_resume(sides: tuple[Source, Source], tmp_path: Path) -> None:
    """A checkpoint belongs to its recipe."""
    run(sides, HEAD, tmp_path)

    with pytest.raises(RunError, match="another recipe"):
        run(sides, HEAD.with_settings({"seed": 1}), tmp_path, resume=True)


def test_a_damaged_checkpoint_is_a_run_error(sides: tuple[Source, Source], tmp_path: Path) -> None:
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
        {"loss": "arcface", "pool": "gem", "centres": 2, "negatives": 0.5, "balance": 0.5},
        {"loss": "nll", "label_smoothing": 0.0, "hidden": [8, 4], "augment": "flip"},
        {"augment": "five", "copies": 5, "pool": "grid", "hidden": [8], "ema": 0.0},
    ],
    ids="-".join,
)
def test_every_option_trains_to_finite_losses(
    settings: dict[str, object], sides: tuple[Source, Source], tmp_path: Path
) -> None:
    """Losses are finite, and the best weights can be loaded."""
    recipe = SMALL.with_settings({"stages.1.epochs": 1, **settings})
    model, reports = run(sides, recipe, tmp_path)
    load_best(model, tmp_path)

    assert len(reports) == 2
    assert all(np.isfinite(row).all() for row in figures(reports))
    assert any(r.is_best for r in reports)


def test_a_frozen_backbone_does_not_move(sides: tuple[Source, Source], tmp_path: Path) -> None:
    """Weights and batch-norm statistics of a head-only stage stay as they were."""
    torch.manual_seed(0)
    before = build(HEAD.design, TASKS.classes).backbone.state_dict()
    whole = replace(HEAD, start="pretrained")  # as if the weights had come from somewhere
    after = run(sides, whole, tmp_path)[0].backbone.state_dict()

    assert all(torch.equal(before[name], after[name].contiguous()) for name in before)


def test_patience_stops_early(sides: tuple[Source, Source], tmp_path: Path) -> None:
    """A learning rate that ruins the network ends the run before its epochs do."""
    ruinous = Stage(epochs=30, trains="head", optimiser="sgd", lr=50.0)
    recipe = replace(HEAD, stages=(ruinous,), patience=1, clip=0.0)
    reports = run(sides, recipe, tmp_path)[1]

    assert len(reports) < 30
    assert not reports[-1].is_best


def test_a_training_that_goes_astray_says_so(tmp_path: Path) -> None:
    """Where no validation loss was ever a number, the advice is to learn more slowly."""
    with pytest.raises(RunError, match=r"Lower the\s+learning rate"):
        load_best(build(SMALL.design, TASKS.classes), tmp_path)


SCRIPT = """
import json, sys
from pathlib import Path
from accelerate import PartialState
sys.path.insert(0, sys.argv[1])
from test_loop import train_shared
given = json.loads(Path(sys.argv[2]).read_text())
out = train_shared(given, Path(sys.argv[3]))
state = PartialState()
assert state.num_processes == 2
if state.is_main_process:
    print("FIGURES", json.dumps(out))
state.destroy_process_group()
"""


def train_shared(given: list[dict[str, list[Any]]], folder: Path) -> list[Any]:
    """Train the head on what both processes of the test below share."""
    train, val = (
        Source(paths=tuple(map(Path, s["paths"])), labels=tuple(s["labels"])) for s in given
    )
    recipe = replace(HEAD, augment="flip", stages=(Stage(epochs=2, trains="head", lr=1e-2),))
    return [list(row) for row in figures(run((train, val), recipe, folder)[1])]


def test_two_processes_give_the_metrics_of_one(
    sides: tuple[Source, Source], tmp_path: Path
) -> None:
    """A batch shared by two processes trains the same; each validation photo counts once."""
    given = [
        {"paths": [str(path) for path in side.paths[:n]], "labels": list(side.labels[:n])}
        for side, n in zip(sides, (24, 9), strict=True)  # 9: an uneven last batch
    ]
    (tmp_path / "sides.json").write_text(json.dumps(given))
    (tmp_path / "script.py").write_text(SCRIPT)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    launch += ["--nproc_per_node", "2", str(tmp_path / "script.py")]
    launch += [str(Path(__file__).parent), str(tmp_path / "sides.json"), str(tmp_path / "two")]
    done = subprocess.run(
        launch,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
        stdout=subprocess.PIPE,
        text=True,
    )
    [line] = [row for row in done.stdout.splitlines() if row.startswith("FIGURES")]

    one = train_shared(given, tmp_path / "one")
    assert np.allclose(one, json.loads(line.removeprefix("FIGURES")), atol=1e-5)


def test_a_frozen_random_backbone_gets_statistics_that_fit(
    sides: tuple[Source, Source], tmp_path: Path
) -> None:
    """Features of a network with random layers stay of the size that a head can learn from."""
    recipe = replace(HEAD, augment="none")
    model = run(sides, recipe, tmp_path)[0]
    loader = plain_loader(sides[0], Preprocess(size=32), batch=24, workers=0)
    photos = next(iter(loader)).photos
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229,) * 3))
    model.eval()
    with torch.no_grad():
        maps = model.features(to_device(photos, mean, std, channels_last=False))

    assert 0.05 < maps.std() < 5


def test_an_average_keeps_up_with_few_steps(sides: tuple[Source, Source], tmp_path: Path) -> None:
    """After a dozen steps the averaged weights have learnt nearly what the weights have."""
    stages = (Stage(epochs=4, trains="head", optimiser="adam", lr=1e-2),)
    plain = replace(HEAD, stages=stages, augment="none")
    losses = {
        decay: run(sides, replace(plain, ema=decay), tmp_path / str(decay))[1][-1].val_loss
        for decay in (0.0, 0.998)
    }

    start = float(np.log(2))
    assert losses[0.0] < 0.7 * start
    assert losses[0.998] < 0.5 * (start + losses[0.0])


def test_what_is_validated_is_what_is_kept(sides: tuple[Source, Source], tmp_path: Path) -> None:
    """With an average, and a frozen stage after one of all layers: the saved network's loss."""
    both = (
        Stage(epochs=1, optimiser="sgd", lr=1e-2),
        Stage(epochs=1, trains="head", optimiser="adam", lr=1e-2),
    )
    recipe = replace(HEAD, stages=both, augment="none", ema=0.99)
    model, reports = run(sides, recipe, tmp_path)
    best = min(reports, key=lambda report: report.val_loss)
    load_best(model, tmp_path)
    model.eval()
    mean, std = (
        torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    batch = next(iter(plain_loader(sides[1], Preprocess(size=32), batch=16, workers=0)))
    with torch.no_grad():
        logits = model(to_device(batch.photos, mean, std, channels_last=False)).logits["landmark"]

    assert float(torch.nn.functional.cross_entropy(logits, batch.labels)) == pytest.approx(
        best.val_loss, rel=1e-4
    )


def test_patience_ends_the_stage_only(sides: tuple[Source, Source], tmp_path: Path) -> None:
    """The next stage is trained all the same, also where the run is resumed in between."""
    stages = (
        Stage(epochs=30, trains="head", optimiser="sgd", lr=50.0),
        Stage(epochs=1, trains="head", optimiser="sgd", lr=1e-3),
    )
    recipe = replace(HEAD, stages=stages, patience=1, clip=0.0, augment="none")
    whole = run(sides, recipe, tmp_path / "whole")[1]
    model = build(recipe.design, TASKS.classes)
    cut = fit(
        model, *sides, recipe, tasks=TASKS, preprocess=Preprocess(size=32), folder=tmp_path / "cut"
    )
    first = [next(cut) for _ in whole[:-1]]
    cut.close()
    rest = run(sides, recipe, tmp_path / "cut", resume=True)[1]

    assert len(first) < 30
    assert {report.stage for report in first} == {0}
    assert [report.stage for report in rest] == [report.stage for report in whole[-1:]] == [1]


@pytest.mark.parametrize(("batch", "processes", "even"), [(8, 3, 6), (128, 7, 126), (2, 4, 4)])
def test_batches_can_be_shared(batch: int, processes: int, even: int) -> None:
    """Any number of processes gets even shares of a batch."""
    assert shared(batch, processes) == even
