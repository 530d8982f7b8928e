"""The weights averaged over the steps: what is validated and kept, where a recipe asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from timm.utils.model_ema import ModelEmaV3
from torch import Tensor

from waymark.models.build import Classifier


class Average:
    """An exponential moving average of a network, or the network itself.

    The average begins short, and grows as long as the decay says: after few steps it must
    not be made of the weights that the training started from.
    """

    def __init__(self, model: Classifier, decay: float) -> None:
        """Average `model` with `decay`; 0 is no average."""
        self.model = model
        self.ema = ModelEmaV3(model, decay=decay, use_warmup=True) if decay else None
        self.steps = 0

    @property
    def shown(self) -> Classifier:
        """The network to validate and to keep."""
        if self.ema is None:
            return self.model
        averaged: Classifier = self.ema.module
        return averaged

    def update(self) -> None:
        """Take in a step."""
        if self.ema is not None:
            self.steps += 1
            self.ema.update(self.model, step=self.steps)

    def restart(self, weights: Mapping[str, Tensor]) -> None:
        """Give network and average the same weights."""
        self.model.load_state_dict(weights)
        if self.ema is not None:
            self.ema.module.load_state_dict(weights)
            self.steps = 0

    def take_backbone(self) -> None:
        """Give the average the network's backbone, which is frozen, as it is."""
        if self.ema is not None:
            self.shown.backbone.load_state_dict(self.model.backbone.state_dict())

    def state(self) -> dict[str, Any]:
        """Return what a resume needs."""
        weights = None if self.ema is None else self.ema.module.state_dict()
        return {"weights": weights, "steps": self.steps}

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.steps = state["steps"]
        if self.ema is not None:
            self.ema.module.load_state_dict(state["weights"])
