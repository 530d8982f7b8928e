"""What a training keeps on disk, so that a kill costs at most the epoch in flight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from timm.utils.model_ema import ModelEmaV3
from torch import nn

from waymark.errors import RunError
from waymark.training.recipe import Recipe


class Checkpoint:
    """Saves after each epoch, each file replaced in one step; loads for a resume."""

    def __init__(
        self,
        folder: Path,
        recipe: Recipe,
        *,
        model: nn.Module,
        ema: ModelEmaV3 | None,
        keep: nn.Module,
    ) -> None:
        self.folder = folder
        self.recipe = recipe.to_toml()
        self.model = model
        self.ema = ema
        self.keep = keep
        self.saved: dict[str, Any] = {}

    def save(
        self,
        optimiser: torch.optim.Optimizer,
        *,
        stage: int,
        epoch: int,
        best: float,
        stale: int,
        is_best: bool,
    ) -> None:
        """Write `last.pt`, and `best.safetensors` where this epoch is the best."""
        from safetensors.torch import save_file

        self.folder.mkdir(parents=True, exist_ok=True)
        if is_best:
            shown = self.ema.module if self.ema else self.model
            weights = {name: value.contiguous() for name, value in shown.state_dict().items()}
            save_file(weights, self.folder / "best.partial")
            (self.folder / "best.partial").replace(self.folder / "best.safetensors")
        state = {
            "recipe": self.recipe,
            "stage": stage,
            "epoch": epoch,
            "best": best,
            "stale": stale,
            "model": self.model.state_dict(),
            "ema": self.ema.module.state_dict() if self.ema else None,
            "keep": self.keep.state_dict(),
            "optimiser": optimiser.state_dict(),
        }
        torch.save(state, self.folder / "last.partial")
        (self.folder / "last.partial").replace(self.folder / "last.pt")

    def load(self, device: torch.device) -> tuple[int, float, int]:
        """Restore weights; return epochs done, best loss, and epochs since the best.

        Raises:
            RunError: if there is no checkpoint, it is damaged, or of another recipe.
        """
        file = self.folder / "last.pt"
        if not file.exists():
            return 0, float("inf"), 0  # killed within the first epoch: start again
        try:
            self.saved = torch.load(file, map_location=device, weights_only=True)
        except Exception as error:  # torch raises errors of many kinds on damage
            raise RunError(
                f"the checkpoint {file} is damaged ({error}); start again in a new folder."
            ) from error
        if self.saved["recipe"] != self.recipe:
            raise RunError(
                f"{file} is of another recipe; resume with the recipe.toml beside it, "
                "or start again in a new folder with --out."
            )
        self.model.load_state_dict(self.saved["model"])
        self.keep.load_state_dict(self.saved["keep"])
        if self.ema:
            self.ema.module.load_state_dict(self.saved["ema"])
        return self.saved["epoch"], self.saved["best"], self.saved["stale"]

    def restore_best(self) -> None:
        """Give the model, and its average, the weights of the best epoch so far."""
        from safetensors.torch import load_file

        weights = load_file(self.folder / "best.safetensors")
        self.model.load_state_dict(weights)
        if self.ema:
            self.ema.module.load_state_dict(weights)

    def load_optimiser(self, optimiser: torch.optim.Optimizer, *, stage: int) -> None:
        """Restore the optimiser where the saved epoch lies within this stage."""
        if self.saved.get("stage") == stage:
            optimiser.load_state_dict(self.saved["optimiser"])
