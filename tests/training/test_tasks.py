"""Two tasks in five orders: who learns when, and what stays as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from waymark.dataset.loader import Source  # noqa: E402
from waymark.models.build import Classifier, build  # noqa: E402
from waymark.preprocess import Preprocess  # noqa: E402
from waymark.training.loop import EpochReport, fit, load_best  # noqa: E402
from waymark.training.recipe import Recipe, Stage  # noqa: E402
from waymark.training.tasks import TaskLosses, Tasks, phases  # noqa: E402

torch.set_num_threads(1)

TASKS = Tasks(
    classes={"landmark": 4, "category": 2}, category_of=(0, 0, 1, 1), categories=("a", "b")
)
BASE = Recipe(
    backbone="sequential",
    depth=3,
    start="random",
    size=32,
    pool="flatten",
    hidden=(16,),
    batch=8,
    workers=0,
    augment="flip",
    stages=(
        Stage(epochs=2, trains="head", optimiser="adam", lr=1e-2),
        Stage(epochs=1, trains="output", optimiser="adam", lr=1e-2),
    ),
    precision="float32",  # losses are compared to the digit
)
STRATEGIES = (
    "parallel",
    "category-first",
    "landmark-first",
    "category-as-feature",
    "landmark-as-feature",
)


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[Source, Source]:
    """Photos of four colours: 32 to learn from, 8 to choose by."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    colours = [(200, 40, 40), (220, 120, 30), (40, 40, 200), (40, 150, 210)]
    paths, labels = [], []
    for number in range(40):
        pixels = rng.normal(colours[number % 4], 25, (32, 32, 3)).clip(0, 255)
        paths.append(folder / f"{number:02}.png")
        Image.fromarray(pixels.astype(np.uint8)).save(paths[-1])
        labels.append(number % 4)
    return (
        Source(paths=tuple(paths[:32]), labels=tuple(labels[:32])),
        Source(paths=tuple(paths[32:]), labels=tuple(labels[32:])),
    )


def train(
    sides: tuple[Source, Source], recipe: Recipe, folder: Path, *, resume: bool = False
) -> tuple[Classifier, list[EpochReport]]:
    model = build(recipe.design, TASKS.classes, seed=0)
    reports = fit(
        model,
        *sides,
        recipe,
        tasks=TASKS,
        preprocess=Preprocess(size=32),
        folder=folder,
        resume=resume,
    )
    return model, list(reports)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_strategy_reports_what_it_learns(
    strategy: str, sides: tuple[Source, Source], tmp_path: Path
) -> None:
    """Figures of the task that a stage does not learn are missing, the others are numbers."""
    recipe = replace(BASE, task=strategy)  # type: ignore[arg-type]
    reports = train(sides, recipe, tmp_path)[1]

    learnt = {
        "parallel": ["both", "both"],
        "category-first": ["category"] * 2 + ["landmark"],
        "category-as-feature": ["category"] * 2 + ["landmark"],
        "landmark-first": ["landmark"] * 2 + ["category"],
        "landmark-as-feature": ["landmark"] * 2 + ["category"],
    }[strategy]
    assert len(reports) == len(learnt)
    for report, what in zip(reports, learnt, strict=True):
        assert np.isfinite(report.val_top1) == (what in ("landmark", "both"))
        assert np.isfinite(report.category_val_top1) == (what in ("category", "both"))
        parts = np.array([report.landmark_val_loss, report.category_val_loss])
        assert report.val_loss == pytest.approx(np.nansum(parts))


@pytest.mark.parametrize("strategy", STRATEGIES[1:])
def test_an_output_stage_moves_one_layer_only(
    strategy: str, sides: tuple[Source, Source], tmp_path: Path
) -> None:
    """From the best of the first stage on, everything but the second output stays."""
    recipe = replace(BASE, task=strategy)  # type: ignore[arg-type]
    first = train(sides, replace(recipe, stages=(BASE.stages[0], BASE.stages[1])), tmp_path)[0]
    whole = {name: value.clone() for name, value in first.state_dict().items()}
    model = build(recipe.design, TASKS.classes, seed=0)
    cut = fit(
        model, *sides, recipe, tasks=TASKS, preprocess=Preprocess(size=32), folder=tmp_path / "cut"
    )
    next(cut), next(cut)  # the first stage
    cut.close()
    load_best(model, tmp_path / "cut")

    second = "landmark" if strategy.startswith("category") else "category"
    moved = {n for n, value in model.state_dict().items() if not torch.equal(value, whole[n])}
    assert moved == {f"heads.{second}.weight", f"heads.{second}.bias"}


def test_a_resumed_second_stage_ends_like_one_that_was_not_stopped(
    sides: tuple[Source, Source], tmp_path: Path
) -> None:
    """Cut between the stages, the second goes on from the best of the first."""
    recipe = replace(BASE, task="landmark-as-feature")
    whole = train(sides, recipe, tmp_path / "whole")[1]
    model = build(recipe.design, TASKS.classes, seed=0)
    cut = fit(
        model, *sides, recipe, tasks=TASKS, preprocess=Preprocess(size=32), folder=tmp_path / "cut"
    )
    next(cut), next(cut)
    cut.close()
    rest = train(sides, recipe, tmp_path / "cut", resume=True)[1]

    assert [r.epoch for r in rest] == [3]
    assert rest[0].category_val_loss == pytest.approx(whole[2].category_val_loss, rel=1e-5)


def test_kept_features_train_as_photos_do(
    sides: tuple[Source, Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frozen backbone's features from disk give the losses that its photos give."""
    recipe = replace(BASE, task="parallel", augment="five", copies=5)
    kept = train(sides, recipe, tmp_path / "kept")[1]
    monkeypatch.setattr("waymark.training.loop_feed.LARGEST", 0)
    streamed = train(sides, recipe, tmp_path / "streamed")[1]

    for one, other in zip(kept, streamed, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, rel=5e-3)
        assert one.val_loss == pytest.approx(other.val_loss, rel=5e-3)
        assert one.photos == other.photos == 32 * 5


def test_no_features_are_left_behind(sides: tuple[Source, Source], tmp_path: Path) -> None:
    """A finished training keeps its checkpoint only."""
    train(sides, replace(BASE, task="parallel"), tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {"best.safetensors", "last.pt"}


def test_parallel_has_no_second_stage() -> None:
    """Both outputs are learnt in the first; a stage for one output has nothing left."""
    assert [phase.learns for phase in phases(replace(BASE, task="parallel"))] == [
        ("landmark", "category")
    ]


def test_the_category_follows_from_the_landmark() -> None:
    """Labels and targets of both tasks, negatives included."""
    losses = TaskLosses(BASE, [0, 1, 2, 3, -1], TASKS)
    labels = torch.tensor([3, 0, -1])

    assert losses.labels(labels)["category"].tolist() == [1, 0, -1]
    targets = losses.targets(labels)
    assert targets.shape == (3, 6)
    assert targets[0].tolist() == [0, 0, 0, 1, 0, 1]
    assert torch.allclose(targets[2], torch.tensor([0.25] * 4 + [0.5] * 2))
