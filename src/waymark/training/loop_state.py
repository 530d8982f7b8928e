"""What a training keeps on disk, so that a kill costs at most the epoch in flight."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from torch import nn

from waymark.errors import RunError
from waymark.training.loop_average import Average
from waymark.training.recipe import Recipe


class Checkpoint:
    """Saves after each epoch, each file replaced in one step; loads for a resume."""

    def __init__(
        self,
        folder: Path,
        recipe: Recipe,
        *,
        average: Average,
        keep: nn.Module,
    ) -> None:
        self.folder = folder
        self.recipe = recipe.to_toml()
        self.average = average
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
            shown = self.average.shown.state_dict()
            weights = {name: value.contiguous() for name, value in shown.items()}
            save_file(weights, self.folder / "best.partial")
            (self.folder / "best.partial").replace(self.folder / "best.safetensors")
        state = {
            "recipe": self.recipe,
            "stage": stage,
            "epoch": epoch,
            "best": best,
            "stale": stale,
            "model": self.average.model.state_dict(),
            "average": self.average.state(),
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
        self.average.model.load_state_dict(self.saved["model"])
        self.keep.load_state_dict(self.saved["keep"])
        self.average.load(self.saved["average"])
        return self.saved["epoch"], self.saved["best"], self.saved["stale"]

    def restore_best(self, stage: int, *, write: bool) -> None:
        """Give the model, and its average, the weights that were best before `stage`.

        They are set aside first: `best.safetensors` is soon that of another task, and a
        training that is killed then must find them again.
        """
        from safetensors.torch import load_file

        aside = self.folder / f"best-before-{stage}.safetensors"
        if write and not aside.exists():
            partial = aside.with_suffix(".partial")
            shutil.copyfile(self.folder / "best.safetensors", partial)
            partial.replace(aside)
        self.average.restart(load_file(aside))

    def ended(self, stage: int, patience: int) -> bool:
        """Say whether the saved epoch was the one that ended `stage` early."""
        saved = self.saved
        return bool(patience and saved and saved["stage"] == stage and saved["stale"] >= patience)

    def load_optimiser(self, optimiser: torch.optim.Optimizer, *, stage: int) -> None:
        """Restore the optimiser where the saved epoch lies within this stage."""
        if self.saved.get("stage") == stage:
            optimiser.load_state_dict(self.saved["optimiser"])
