"""Losses and right answers of an epoch, counted on the device until its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from waymark.dataset.loader import NEGATIVE


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What one pass over the photos amounts to.

    Attributes:
        loss: of everything together.
        losses: mean loss a task.
        top1: part of the photos named right a task, 0 to 1; NaN where there are none.
    """

    loss: float
    losses: Mapping[str, float]
    top1: Mapping[str, float]

    def named(self, side: str) -> dict[str, float]:
        """Return the columns of an `EpochReport` for `train` or `val`."""
        nan = float("nan")
        return {
            f"{side}_top1": self.top1.get("landmark", nan),
            f"category_{side}_top1": self.top1.get("category", nan),
            f"landmark_{side}_loss": self.losses.get("landmark", nan),
            f"category_{side}_loss": self.losses.get("category", nan),
        }


class Tally:
    """Sums over the steps of an epoch, or over its photos."""

    def __init__(self, learns: Sequence[str], device: torch.device) -> None:
        self.learns = tuple(learns)
        # a row a task and one for all: sum of losses, of right answers, of photos
        kind = torch.float32 if device.type == "mps" else torch.float64  # MPS has no doubles
        self.sums = torch.zeros(len(self.learns) + 1, 3, device=device, dtype=kind)
        self.steps = 0

    def step(
        self,
        value: Tensor,
        each: Mapping[str, Tensor],
        logits: Mapping[str, Tensor],
        labels: Mapping[str, Tensor],
    ) -> None:
        """Add a training step: its mean losses, and what its photos were taken for."""
        self.steps += 1
        self.sums[-1, 0] += value.detach()
        for row, task in enumerate(self.learns):
            known = labels[task] != NEGATIVE
            self.sums[row, 0] += each[task].detach()
            self.sums[row, 1] += (logits[task].detach().argmax(1) == labels[task]).sum()
            self.sums[row, 2] += known.sum()

    def photos(self, logits: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> None:
        """Add validation photos: the cross-entropy of each, and what it was taken for."""
        for row, task in enumerate(self.learns):
            known = labels[task] != NEGATIVE
            said, truth = logits[task][known], labels[task][known]
            self.sums[row, 0] += nn.functional.cross_entropy(said, truth, reduction="sum")
            self.sums[row, 1] += (said.argmax(1) == truth).sum()
            self.sums[row, 2] += known.sum()

    def of_steps(self, accelerator: Accelerator) -> Figures:
        """Return means over the steps of all processes."""
        sums = accelerator.reduce(self.sums, "mean")
        losses = sums[:, 0] / max(1, self.steps)
        return self._figures(float(losses[-1]), losses, sums)

    def of_photos(self) -> Figures:
        """Return means over the photos; the loss of everything is the tasks' sum."""
        losses = self.sums[:, 0] / self.sums[:, 2]
        return self._figures(float(losses[:-1].sum()), losses, self.sums)

    def _figures(self, loss: float, losses: Tensor, sums: Tensor) -> Figures:
        shares = sums[:, 1] / sums[:, 2]
        return Figures(
            loss=loss,
            losses={task: float(losses[row]) for row, task in enumerate(self.learns)},
            top1={task: float(shares[row]) for row, task in enumerate(self.learns)},
        )
