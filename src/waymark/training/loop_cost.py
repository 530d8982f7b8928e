"""Count what a training asks for: parameters, multiply-adds, memory.

They are counted on a network of fake tensors, which have shapes and no values: in about a
second, with no memory taken. Parameters and multiply-adds are exact. Memory is what will be
held at once: weights, gradients, the optimiser's values, what autograd keeps of a batch for
the backward pass (asked of autograd itself), and photos read ahead; it was found to be
within a third of the process's peak.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from waymark.models.build import Classifier, build, count_parameters, freeze, set_training
from waymark.training.cost import Cost, Memory, StageCost
from waymark.training.loop import precision
from waymark.training.recipe import Recipe, Stage
from waymark.training.tasks import Phase, phases

FLOAT = 4  # bytes
WATCHED = 128  # photos of a validation batch


def cost_of(recipe: Recipe, tasks: Mapping[str, int]) -> Cost:
    """Count what a recipe's network asks for.

    Args:
        recipe: how it will be trained.
        tasks: number of classes a task.

    Raises:
        ConfigError: if the network cannot be built.
    """
    program = _resident()
    with FakeTensorMode():
        model = build(recipe.design, tasks)
        sizes = {stage.size or recipe.size for stage in recipe.stages}
        through = {size: multiply_adds(model, size) for size in sizes}
        return Cost(
            backbone=recipe.backbone,
            parameters=count_parameters(model),
            width=model.num_features,
            batch=recipe.batch,
            program=program,
            stages=tuple(_stage_cost(model, recipe, phase, through) for phase in phases(recipe)),
        )


def multiply_adds(model: nn.Module, size: int) -> int:
    """Count the multiply-adds of one photo on its way through a network.

    Convolutions and matrix products count; the few additions and comparisons between them
    (norms, activations, poolings) do not, as is usual.

    Args:
        model: takes (1, 3, size, size) photos.
        size: side in pixels.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model(torch.empty(1, 3, size, size, device=device))
    model.train(was_training)
    return int(counter.get_total_flops()) // 2  # a multiplication and an addition each


def _stage_cost(
    model: Classifier, recipe: Recipe, phase: Phase, through: Mapping[int, int]
) -> StageCost:
    stage = phase.stage
    size = stage.size or recipe.size
    freeze(model, trains=stage.trains, tasks=phase.learns)
    set_training(model, training=True)
    learnt = sum(p.numel() for p in model.parameters() if p.requires_grad)
    held = [*model.parameters(), *model.buffers()]
    weights = sum(value.numel() * value.element_size() for value in held)
    shown = max(WATCHED, recipe.batch)
    half = precision(recipe) == "bf16"
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        kept, passing = _kept(model, size), _passing(model, size)
    watching = passing * WATCHED * recipe.design.size**2 // size**2
    return StageCost(
        number=phase.number,
        trains=stage.trains,
        optimiser=stage.optimiser,
        epochs=stage.epochs,
        size=size,
        learnt=learnt,
        multiply_adds=through[size],
        memory=Memory(
            weights=weights * (3 if recipe.ema else 2),
            gradients=FLOAT * learnt,
            optimiser=FLOAT * learnt * _states(stage),
            activations=max((kept + passing) * recipe.batch, watching),
            photos=3 * size**2 * (recipe.batch * (3 * recipe.workers + 1) + shown),
        ),
    )


def _kept(model: nn.Module, size: int) -> int:
    """Return the bytes a photo that autograd keeps for the backward pass.

    What a third photo adds to two is counted: weights that a layer keeps do not grow with
    the batch.
    """
    two, three = (_kept_of(model, torch.empty(photos, 3, size, size)) for photos in (2, 3))
    return three - two


def _kept_of(model: nn.Module, photos: Tensor) -> int:
    seen: dict[int, int] = {}

    def keep(value: Tensor) -> Tensor:
        storage = value.untyped_storage()
        seen[storage._cdata] = storage.nbytes()
        return value

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        out = model(photos)  # its graph holds the storages, so that no address comes twice
    del out
    return sum(seen.values())


def _passing(model: nn.Module, size: int) -> int:
    """Return the bytes a photo that the widest layer of a forward pass takes and gives."""
    widest = 0

    def look(_: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal widest
        values = [value for value in (*inputs, output) if isinstance(value, Tensor)]
        widest = max(widest, sum(value.numel() * value.element_size() for value in values))

    leaves = [layer for layer in model.modules() if not any(True for _ in layer.children())]
    handles = [layer.register_forward_hook(look) for layer in leaves]
    was_training = [layer.training for layer in model.modules()]
    model.eval()
    with torch.no_grad():
        model(torch.empty(1, 3, size, size))
    for layer, training in zip(model.modules(), was_training, strict=True):
        layer.training = training
    for handle in handles:
        handle.remove()
    return widest


def _states(stage: Stage) -> int:
    """Return how many values an optimiser remembers of a weight."""
    match stage.optimiser:
        case "adam" | "adamw":
            return 2
        case "rmsprop":
            return 1 + (stage.momentum > 0)
        case "sgd":
            return int(stage.momentum > 0)


def _resident() -> int:
    """Return the memory that this process holds now, in bytes; its peak where that is hidden."""
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * resource.getpagesize()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
