"""Optimisers and learning rates: who learns how fast, and when."""

from __future__ import annotations

import itertools

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from waymark.models.build import Classifier, blocks, build, freeze  # noqa: E402
from waymark.models.design import Design  # noqa: E402
from waymark.training.loop_optim import factor, learning_rate, optimiser  # noqa: E402
from waymark.training.recipe import Stage  # noqa: E402


@pytest.fixture(scope="module")
def model() -> Classifier:
    """Return the smallest network of the registry; its weights are not looked at."""
    return build(Design(backbone="mobilenetv2_100"), {"landmark": 3})


def scale_of(step: torch.optim.Optimizer, parameter: nn.Parameter) -> float:
    """Return what the head's learning rate is multiplied by for one parameter."""
    [found] = [g["scale"] for g in step.param_groups if any(p is parameter for p in g["params"])]
    return float(found)


def test_each_earlier_block_learns_slower(model: Classifier) -> None:
    """The head at 1, the last block at backbone_lr, each one before it times layer_decay."""
    step = optimiser(model, nn.Identity(), Stage(backbone_lr=0.5, layer_decay=0.8))
    parts = [next(module.parameters()) for module, *_ in blocks(model)]

    found = [scale_of(step, parameter) for parameter in parts]

    assert scale_of(step, model.heads["landmark"].weight) == 1.0
    assert found == pytest.approx([0.5 * 0.8**depth for depth in range(len(parts))][::-1])


def test_every_weight_learns_exactly_once(model: Classifier) -> None:
    """Each parameter of network and distillation is in one group."""
    keep = nn.Linear(4, 4)
    step = optimiser(model, keep, Stage())
    given = [id(p) for group in step.param_groups for p in group["params"]]

    assert sorted(given) == sorted(id(p) for m in (model, keep) for p in m.parameters())


def test_biases_and_norms_do_not_decay(model: Classifier) -> None:
    """Weight decay pulls on matrices and kernels only."""
    step = optimiser(model, nn.Identity(), Stage(weight_decay=0.1))

    for group in step.param_groups:
        for parameter in group["params"]:
            assert group["weight_decay"] == (0.1 if parameter.ndim > 1 else 0.0)


def test_a_frozen_backbone_is_not_given_to_the_optimiser(model: Classifier) -> None:
    """Only the head's weight and bias are left."""
    freeze(model, trains="head", tasks=("landmark",))
    step = optimiser(model, nn.Identity(), Stage(trains="head"))
    freeze(model, trains="all", tasks=("landmark",))

    assert sum(len(group["params"]) for group in step.param_groups) == 2


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("adamw", torch.optim.AdamW),
        ("adam", torch.optim.Adam),
        ("rmsprop", torch.optim.RMSprop),
        ("sgd", torch.optim.SGD),
    ],
)
def test_each_optimiser_by_name(name: str, kind: type, model: Classifier) -> None:
    """The recipe's word makes torch's class; SGD has Nesterov's momentum unless it has none."""
    step = optimiser(model, nn.Identity(), Stage(optimiser=name))  # type: ignore[arg-type]

    assert type(step) is kind
    if name == "sgd":
        still = optimiser(model, nn.Identity(), Stage(optimiser="sgd", momentum=0.0))
        assert [s.param_groups[0]["nesterov"] for s in (step, still)] == [True, False]


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_a_schedule_rises_to_its_peak_and_falls_to_its_end(schedule: str) -> None:
    """From near 0 over the warm-up to 1, and from there down to final_lr, never up again."""
    stage = Stage(epochs=10, schedule=schedule, warmup=2.0, final_lr=0.1)  # type: ignore[arg-type]
    rising = [factor(stage, at / 10) for at in range(21)]
    falling = [factor(stage, 2 + at / 10) for at in range(81)]

    assert rising[0] < 0.001
    assert rising == sorted(rising)
    assert falling[0] == pytest.approx(1.0)
    assert falling[-1] == pytest.approx(1.0 if schedule == "constant" else 0.1)
    assert all(later <= earlier for earlier, later in itertools.pairwise(falling))


def test_halfway_down_a_schedule_is_half_the_rate() -> None:
    """Linear and cosine meet in the middle."""
    for schedule in ("linear", "cosine"):
        assert factor(Stage(epochs=4, schedule=schedule), 2.0) == pytest.approx(0.5)  # type: ignore[arg-type]


def test_without_a_warm_up_the_first_step_is_at_the_peak() -> None:
    """Nothing rises where nothing was asked to."""
    assert factor(Stage(epochs=3, schedule="cosine"), 0.0) == 1.0


def test_learning_rates_are_set_for_every_group(model: Classifier) -> None:
    """The head gets the rate that is returned, the others their part of it."""
    stage = Stage(epochs=2, lr=0.4, schedule="linear", backbone_lr=0.5, layer_decay=0.5)
    step = optimiser(model, nn.Identity(), stage)

    assert learning_rate(step, stage, 1.0) == pytest.approx(0.2)
    for group in step.param_groups:
        assert group["lr"] == pytest.approx(0.2 * group["scale"])
