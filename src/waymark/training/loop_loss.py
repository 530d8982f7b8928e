"""What a training minimises: cross-entropy with soft targets, class weights and negatives.

`nll` is the same without soft targets, as the seeds write it: LogSoftmax and NLLLoss.
`arcface` makes the true class's cosine harder first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torchvision.transforms import v2

from waymark.dataset.loader import NEGATIVE
from waymark.models.heads import arcface_margin
from waymark.training.recipe import Recipe

Mixer = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class ClassLoss(nn.Module):
    """Weighted cross-entropy against soft targets; negatives ask for no opinion.

    A negative's target is the uniform distribution (outlier exposure).
    Source: Hendrycks et al. 2019, https://arxiv.org/abs/1812.04606
    """

    def __init__(
        self, recipe: Recipe, labels: Sequence[int], *, classes: int, margin: bool = True
    ) -> None:
        super().__init__()
        known = torch.tensor([label for label in labels if label != NEGATIVE])
        counts = torch.bincount(known, minlength=classes).clamp(min=1).float()
        weights = {
            "none": torch.ones(classes),
            "inverse": 1 / counts,
            "balanced": counts.sum() / (classes * counts),
        }[recipe.class_weights]
        self.register_buffer("weights", torch.cat([weights, torch.tensor([recipe.negatives])]))
        self.classes = classes
        plain = recipe.loss == "arcface" and not margin  # a head that is not one of cosines
        self.kind = "cross-entropy" if plain else recipe.loss
        self.margin, self.scale = recipe.margin, recipe.scale
        self.smoothing = recipe.label_smoothing

    def targets(self, labels: Tensor) -> Tensor:
        """Return (N, C) target distributions of (N,) labels."""
        known = (labels != NEGATIVE).unsqueeze(1)
        hard = nn.functional.one_hot(labels.clamp(min=0), self.classes).float()
        smooth = hard * (1 - self.smoothing) + self.smoothing / self.classes
        return torch.where(known, smooth, torch.full_like(smooth, 1 / self.classes))

    def forward(self, logits: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss of (N, C) logits; each photo counts by its label's weight."""
        weights = self.get_buffer("weights")
        if self.kind == "nll":
            log_probs = nn.functional.log_softmax(logits, dim=1)
            known = weights[:-1]
            total = nn.functional.nll_loss(
                log_probs, labels, known, ignore_index=NEGATIVE, reduction="sum"
            )
            return total / known[labels[labels != NEGATIVE]].sum().clamp(min=1e-12)
        if self.kind == "arcface":
            logits = self.scale * arcface_margin(logits / self.scale, labels, self.margin)
        each = -(targets * nn.functional.log_softmax(logits, dim=1)).sum(1)
        counts = weights[labels]  # -1 is the last: the negatives' weight
        return (counts * each).sum() / counts.sum().clamp(min=1e-12)


def mixer(recipe: Recipe) -> Mixer:
    """Return a function that mixes the photos of a batch and their targets.

    Source: Zhang et al. 2018, https://arxiv.org/abs/1710.09412 (mixup);
    Yun et al. 2019, https://arxiv.org/abs/1905.04899 (cutmix).
    """
    choices: list[nn.Module] = []
    if recipe.mixup:
        choices.append(v2.MixUp(alpha=recipe.mixup))
    if recipe.cutmix:
        choices.append(v2.CutMix(alpha=recipe.cutmix))
    if not choices:
        return lambda photos, targets: (photos, targets)
    mix = v2.RandomChoice(choices)

    def apply(photos: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        mixed, soft = mix(photos, targets)
        return mixed, soft

    return apply
