"""Fit a frozen backbone to itself where some of its layers started at random.

Trained layers expect inputs of the size that they were trained with, and frozen batch norms
the statistics. Behind layers that started at random neither fits: features come out
thousands or millions of times too large, and no head can learn from them. So, before
anything is learnt, batch norms are measured on the training photos, and in a network
without any, each random convolution is scaled until its outputs have a deviation of one.

Source of the latter: Mishkin & Matas 2016, LSUV, https://arxiv.org/abs/1511.06422
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
def settle(model: Classifier, batches: DataLoader[Batch], prepare: Prepare) -> None:
    """Fit the layers of a backbone to each other.

    Args:
        model: statistics of its batch norms, or some of its weights, are replaced.
        batches: photos; at most the first 30 batches are looked at.
        prepare: turns photos into the network's input.
    """
    device = next(model.parameters()).device
    norms = [m for m in model.backbone.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    if norms:
        some = (prepare(b.photos.to(device)) for b in islice(batches, BATCHES))
        _measure_norms(model, norms, some)
    elif layers := _random_layers(model):
        batch = next(iter(batches))
        _scale(model, layers, prepare(batch.photos.to(device)))


def _measure_norms(
    model: Classifier, norms: list[nn.modules.batchnorm._BatchNorm], inputs: Iterable[Tensor]
) -> None:
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
        norm.train()
    for photos in inputs:
        model.features(photos)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


def _random_layers(model: Classifier) -> list[nn.Module]:
    """Return the layers whose weights no file had, in order from input to output."""
    names = [n.removesuffix(".weight") for n in model.untrained if n.endswith(".weight")]
    return [model.backbone.get_submodule(name) for name in names]


def _scale(model: Classifier, layers: list[nn.Module], photos: Tensor) -> None:
    """Divide the weights of each layer by the deviation of its outputs, one after the other."""
    for layer in layers:
        seen: list[Tensor] = []
        hook = layer.register_forward_hook(lambda _, __, out, seen=seen: seen.append(out))
        model.features(photos)
        hook.remove()
        deviation = seen[0].float().std().clamp(min=1e-6)
        for value in layer.parameters():
            value.div_(deviation)
