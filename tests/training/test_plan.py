"""A dry run says what would be done, and does none of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from waymark.bundle.format import write_bundle
from waymark.bundle.tiny import tiny_bundle
from waymark.dataset.index import Dataset, read_dataset
from waymark.errors import DatasetError, RunError
from waymark.samples import SAMPLES, write_samples
from waymark.training.cost import Cost, Pace, say_pace
from waymark.training.plan import bundle_size, plan_training, say_plan
from waymark.training.recipe import Recipe, Stage
from waymark.training.recipes import RECIPES


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Return two rendered landmarks; work in an empty folder beside them."""
    photos = write_samples(tmp_path / "s", per_landmark=6, size=(48, 48), names=SAMPLES[:2])
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path / "work")
    return read_dataset(photos)


def test_the_fast_path(dataset: Dataset, tmp_path: Path) -> None:
    """Photos, seconds, and where it would go; nothing is written, not even to the cache."""
    parent = tmp_path / "tiny.waymark"
    write_bundle(parent, tiny_bundle(features=16))
    plan = plan_training(dataset, RECIPES["linear"], parent=str(parent))
    assert plan.photos == {"train": 12}
    assert list(plan.classes.values()) == [6, 6]
    assert plan.seconds > 0
    assert plan.folder == Path("runs/s-linear-1")
    assert any(line.startswith("time: about") for line in say_plan(plan))
    assert list(Path().iterdir()) == []
    assert not (tmp_path / "cache" / "waymark").exists()


def test_the_deep_path(dataset: Dataset) -> None:
    """Every stage has its cost and its time; the steps an epoch are the loader's."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    recipe = Recipe(
        name="mine",
        backbone="resnet18",
        size=32,
        batch=4,
        val=0.34,
        augment="flip",
        workers=0,
        stages=(Stage(epochs=3, trains="head"), Stage(epochs=2, trains="all")),
    )
    plan = plan_training(dataset, recipe)  # nothing is downloaded for it
    head, whole = plan.paces
    learnt = plan.photos["train"]
    assert plan.photos == {"train": learnt, "val": 12 - learnt}
    assert head.steps == whole.steps == learnt // 4
    assert head.before > 0  # the frozen backbone's features are kept
    assert whole.before == 0
    assert head.epochs == 3
    assert 0 < head.epoch < head.total
    lines = say_plan(plan)
    assert "start: timm's hub (to be downloaded)" in lines
    assert lines[-1] == "run: runs/s-mine-1 (nothing was written)"
    assert list(Path().iterdir()) == []


def test_what_training_refuses_is_refused(dataset: Dataset) -> None:
    """A folder in use, and too few photos to choose by, are told before anything is timed."""
    Path("full").mkdir()
    Path("full/file").touch()
    with pytest.raises(RunError, match="not empty"):
        plan_training(dataset, RECIPES["linear"], out=Path("full"))
    pytest.importorskip("torch")
    few = dataset.with_photos(tuple(replace(p, split="train") for p in dataset.photos))
    with pytest.raises(DatasetError, match="validation"):
        plan_training(few.with_photos(few.photos[:1] + few.photos[-1:]), Recipe(val=0.01))


def test_the_world_bundle_has_the_size_that_is_foretold(world_path: Path) -> None:
    """Within a tenth of the file, from its network's figures alone."""
    from waymark.bundle.format import read_bundle

    manifest = read_bundle(world_path).manifest
    classes, width = len(manifest.landmarks), int(manifest.backbone["num_features"])
    cost = Cost(
        backbone="", parameters=5_858_704 + classes * (width + 1), width=width, batch=1,
        program=0, stages=(),
    )  # fmt: skip
    foretold = bundle_size(cost, classes, slim=False)
    assert foretold == pytest.approx(world_path.stat().st_size, rel=0.1)
    assert bundle_size(cost, classes, slim=True) < 0.7 * foretold


def test_times_add_up() -> None:
    """Stages of some epochs, and what comes once before them."""
    paces = [
        Pace(number=0, epochs=2, steps=10, step=0.5, validation=2, saving=1, before=4),
        Pace(number=1, epochs=1, steps=10, step=2.0, validation=2, saving=1, before=0),
    ]
    assert [pace.total for pace in paces] == [20, 23]
    lines = say_pace(paces)
    assert "of which 4 s for the frozen features" in lines[0]
    assert lines[-1].startswith("time: about 43 s on this machine")
