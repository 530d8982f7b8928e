"""Measure batch norm's statistics where a backbone is frozen that was not trained whole.

Frozen layers normalise by the statistics they came with. Where some layers before them
started at random, these do not fit, and features come out millions of times too large. So
they are measured on the training photos first: means over a few batches.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from waymark.dataset.loader import Batch
from waymark.models.build import Classifier
from waymark.training.recipe import Recipe
from waymark.training.tasks import Phase

BATCHES = 30

Prepare = Callable[[Tensor], Tensor]


def unsettled(recipe: Recipe, phase: Phase) -> bool:
    """Say whether a first stage freezes a backbone whose weights are not all trained ones."""
    whole = not recipe.partial and recipe.start != "random"
    return phase.number == 0 and phase.stage.trains != "all" and not whole


@torch.no_grad()
def settle_norms(model: Classifier, batches: DataLoader[Batch], prepare: Prepare) -> None:
    """Measure mean and variance of every batch norm of the backbone anew.

    Args:
        model: its running statistics are replaced.
        batches: photos; the first 30 batches are looked at.
        prepare: turns photos into the network's input.
    """
    norms = [m for m in model.backbone.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
        norm.train()
    device = next(model.parameters()).device
    for batch in islice(batches, BATCHES):
        model.features(prepare(batch.photos.to(device)))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()
