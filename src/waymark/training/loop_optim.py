"""Optimisers and learning rates of a stage."""

from __future__ import annotations

import math
from itertools import chain
from typing import Any

import torch
from torch import nn

from waymark.models.build import Classifier, blocks
from waymark.training.recipe import Stage


def optimiser(model: Classifier, keep: nn.Module, stage: Stage) -> torch.optim.Optimizer:
    """Return the stage's optimiser over everything that may learn.

    Neck and heads learn at `stage.lr`, the backbone's last block at `backbone_lr` times that,
    and each block before it `layer_decay` times slower. Biases and norms do not decay.
    """
    groups: list[dict[str, Any]] = []
    _add(groups, [model.neck, *model.heads.values(), keep], 1.0, stage)
    parts = list(blocks(model))
    for depth, modules in enumerate(reversed(parts)):
        _add(groups, modules, stage.backbone_lr * stage.layer_decay**depth, stage)
    options: dict[str, Any] = {"lr": stage.lr}
    match stage.optimiser:
        case "adamw":
            return torch.optim.AdamW(groups, **options)
        case "adam":
            return torch.optim.Adam(groups, **options)
        case "rmsprop":
            return torch.optim.RMSprop(groups, momentum=stage.momentum, **options)
        case "sgd":
            nesterov = stage.momentum > 0
            return torch.optim.SGD(groups, momentum=stage.momentum, nesterov=nesterov, **options)


def _add(
    groups: list[dict[str, Any]], modules: list[nn.Module], scale: float, stage: Stage
) -> None:
    parameters = [
        p for p in chain.from_iterable(m.parameters() for m in modules) if p.requires_grad
    ]
    for decays in (True, False):
        chosen = [p for p in parameters if (p.ndim > 1) == decays]
        if chosen:
            decay = stage.weight_decay if decays else 0.0
            groups.append({"params": chosen, "weight_decay": decay, "scale": scale})


def learning_rate(step: torch.optim.Optimizer, stage: Stage, at: float) -> float:
    """Set every group's learning rate for the moment `at`, in epochs since the stage began.

    Returns:
        The head's learning rate.
    """
    rate = stage.lr * factor(stage, at)
    for group in step.param_groups:
        group["lr"] = rate * group["scale"]
    return rate


def factor(stage: Stage, at: float) -> float:
    """Return what the peak rate is multiplied by, `at` epochs into the stage; 0 to 1."""
    if at < stage.warmup:
        return (at + 1e-3) / (stage.warmup + 1e-3)
    part = (at - stage.warmup) / max(1e-9, stage.epochs - stage.warmup)
    match stage.schedule:
        case "constant":
            return 1.0
        case "linear":
            falling = 1 - part
        case "cosine":
            falling = 0.5 * (1 + math.cos(math.pi * part))
    return stage.final_lr + (1 - stage.final_lr) * falling
