"""Multiply-adds and weights are counted exactly; memory is near what a process needs."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from waymark.training.cost import count, duration, megabytes, say_cost
from waymark.training.recipe import Recipe, Stage
from waymark.training.recipes import RECIPES

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from waymark.models.build import build, count_parameters  # noqa: E402
from waymark.samples import SAMPLES, render  # noqa: E402
from waymark.training.loop_cost import cost_of, multiply_adds  # noqa: E402

TASKS = {"landmark": 5}
PLAIN = Recipe(backbone="resnet18", start="random", size=64, batch=8)


def by_hand(model: nn.Module, size: int) -> int:
    """Count by hooks on convolutions and dense layers: each output is a sum of products."""
    total = 0

    def look(layer: nn.Module, _: object, out: torch.Tensor) -> None:
        nonlocal total
        total += out[0].numel() * layer.weight[0].numel()

    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(look)
    with torch.no_grad():
        model.eval()(torch.zeros(1, 3, size, size))
    return total


def test_layers_counted_on_paper() -> None:
    """A convolution, one with a stride, one a channel at a time, and a dense layer."""
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),  # 16 x 16 places, 8 filters of 3 x 3 x 3
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 4, 5, stride=2, padding=2),  # 8 x 8 places, 4 filters of 8 x 5 x 5
        nn.Conv2d(4, 4, 3, padding=1, groups=4),  # 8 x 8 places, 4 filters of 3 x 3
        nn.Flatten(),
        nn.Linear(256, 10),
    )
    paper = 16 * 16 * 8 * 27 + 8 * 8 * 4 * 200 + 8 * 8 * 4 * 9 + 2560
    assert multiply_adds(model, 16) == paper
    assert model.training  # as it was


def test_resnet50_at_224_px() -> None:
    """The network whose figure everybody knows: 4.09 G with its head of a thousand classes."""
    recipe = replace(PLAIN, backbone="resnet50", size=224)
    (stage,) = cost_of(recipe, {"landmark": 1000}).stages
    assert stage.multiply_adds / 1e9 == pytest.approx(4.09, abs=0.005)
    assert count(stage.multiply_adds) == "4.09 G"


@pytest.mark.parametrize("name", ["tf_efficientnet_b0", "resnet18", "scratch_cnn5", "sequential"])
def test_two_ways_to_count_agree(name: str) -> None:
    """Counting each layer's sums gives the same number, to the last one."""
    recipe = replace(PLAIN, backbone=name, hidden=(12,))
    (stage,) = cost_of(recipe, TASKS).stages
    assert stage.multiply_adds == by_hand(build(recipe.design, TASKS), 64)


def test_a_head_of_cosines_counts_every_centre() -> None:
    """Three centres a landmark are three products with the embedding."""
    plain, cosine = PLAIN, replace(PLAIN, loss="arcface", centres=3)
    one, three = (cost_of(recipe, TASKS).stages[0].multiply_adds for recipe in (plain, cosine))
    assert three - one == 512 * 5 * 2


DEEP = [recipe for recipe in RECIPES.values() if recipe.kind == "deep"]


@pytest.mark.parametrize("recipe", DEEP, ids=lambda recipe: recipe.name)
def test_every_recipe_can_be_counted(recipe: Recipe) -> None:
    """Parameters are those of the built network; what learns is never more than that."""
    tasks = TASKS if recipe.task == "landmark" else {**TASKS, "category": 2}
    cost = cost_of(recipe, tasks)
    with torch.device("meta"):
        model = build(recipe.design, tasks)
    assert (cost.parameters, cost.width) == (count_parameters(model), model.num_features)
    assert [stage.number for stage in cost.stages] == list(range(len(recipe.stages)))
    for stage in cost.stages:
        assert 0 < stage.learnt <= cost.parameters
        assert (stage.learnt == cost.parameters) == (stage.trains == "all")
        assert stage.memory.gradients == 4 * stage.learnt
    assert all(len(line) < 200 for line in say_cost(cost))


def test_what_an_optimiser_remembers() -> None:
    """Adam two values a weight, SGD one where it has momentum, RMSprop one more than that."""

    def states(optimiser: str, momentum: float) -> float:
        stage = Stage(optimiser=optimiser, momentum=momentum)  # type: ignore[arg-type]
        memory = cost_of(replace(PLAIN, stages=(stage,)), TASKS).stages[0].memory
        return memory.optimiser / memory.gradients

    assert [states("adam", 0.9), states("adamw", 0.0)] == [2, 2]
    assert [states("sgd", 0.0), states("sgd", 0.9), states("rmsprop", 0.9)] == [0, 1, 2]


def test_activations_grow_with_the_batch_and_halve_in_half_precision() -> None:
    """Twice the photos leave twice as much behind; bfloat16 about half."""

    def activations(**values: object) -> int:
        recipe = replace(PLAIN, **{"batch": 128, **values})  # type: ignore[arg-type]
        return cost_of(recipe, TASKS).stages[0].memory.activations

    whole = activations(precision="float32")
    assert activations(precision="float32", batch=256) == 2 * whole
    assert 0.4 < activations(precision="bfloat16") / whole < 0.75


REAL = """
import json, sys, tempfile
from pathlib import Path
import torch
from waymark.dataset.loader import Source
from waymark.models.build import build
from waymark.preprocess import Preprocess
from waymark.training import loop
from waymark.training.loop_cost import cost_of
from waymark.training.recipe import Recipe
from waymark.training.tasks import Tasks
from waymark.training.timing import peak_mb
torch.set_num_threads(1)
recipe = Recipe(backbone="resnet18", start="random", size=96, batch=32, workers=0)
tasks = Tasks(classes={"landmark": 2})
cost = cost_of(recipe, tasks.classes)
def photos(n):
    return Source(paths=(Path(sys.argv[1]),) * n, labels=tuple(i % 2 for i in range(n)))
with tempfile.TemporaryDirectory() as folder:
    list(loop.fit(build(recipe.design, tasks.classes), photos(32), photos(16), recipe,
                  tasks=tasks, preprocess=Preprocess(size=96), folder=Path(folder)))
peak = peak_mb() * 2**20
print(json.dumps([cost.stages[0].memory.total, peak - cost.program]))
"""


def test_memory_is_near_what_a_training_needs(tmp_path: Path) -> None:
    """Beside the program itself, within a factor of two of the peak of a real epoch."""
    photo = tmp_path / "photo.jpg"
    render(SAMPLES[0], seed=0, size=(96, 96)).save(photo)
    done = subprocess.run(
        [sys.executable, "-c", REAL, str(photo)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said, needed = json.loads(done.stdout.splitlines()[-1])
    assert 0.5 < said / needed < 2


def test_large_numbers_are_written_short() -> None:
    """Three digits and a unit; times and sizes in the unit that suits them."""
    assert [count(n) for n in (7, 1_030, 999_800, 11_176_512, 127_000_000)] == [
        "7", "1.03 k", "1 M", "11.2 M", "127 M",
    ]  # fmt: skip
    assert [duration(s) for s in (0.34, 12, 300, 9000)] == ["0.34 s", "12 s", "5 min", "2.5 h"]
    assert [megabytes(b) for b in (2e5, 4.6e7, 1.26e9)] == ["0.2 MB", "46 MB", "1.3 GB"]
