"""Keep the general features of the start network while the head learns its landmarks.

The start network's features of every training photo are computed once, unchanged and at
a higher resolution, and kept on disk. While training, a linear map of the embedding of
the changed photo must point where they point. So the embedding stays useful for
landmarks that it was never trained on, and a softened or cropped photo keeps the
features of the clean one.

Source: after Heo et al. 2019, https://arxiv.org/abs/1904.01866, and Budnik & Avrithis
2021, https://arxiv.org/abs/2006.16331 (regression of a teacher's embedding).
"""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from waymark.dataset.loader import Source, plain_loader
from waymark.models.build import Classifier, to_device
from waymark.preprocess import Preprocess
from waymark.progress import Progress
from waymark.training.recipe import Recipe


class KeepNothing(nn.Module):
    """Where a recipe does not distil: no parameters, no loss."""

    def forward(self, embedding: Tensor, items: Tensor) -> Tensor:  # noqa: ARG002
        """Return zero."""
        return embedding.new_zeros(())


class KeepFeatures(nn.Module):
    """One minus the cosine between the mapped embedding and the start network's features."""

    def __init__(self, features: Path, count: int, width: int, weight: float) -> None:
        super().__init__()
        self.features = np.memmap(features, np.float16, "r", shape=(count, width))
        sample = np.asarray(self.features[:: max(1, count // 4096)], dtype=np.float32)
        self.register_buffer("mean", torch.from_numpy(sample.mean(0)))
        self.register_buffer("std", torch.from_numpy(sample.std(0) + 1e-3))
        self.map = nn.Linear(width, width)
        nn.init.eye_(self.map.weight)
        nn.init.zeros_(self.map.bias)
        self.weight = weight

    def forward(self, embedding: Tensor, items: Tensor) -> Tensor:
        """Return the weighted loss of (N, D) embeddings of the photos `items` (N,)."""
        mean, std = self.get_buffer("mean"), self.get_buffer("std")
        kept = torch.from_numpy(np.asarray(self.features[items.cpu().numpy()], dtype=np.float32))
        wanted = (kept.to(embedding.device) - mean) / std
        mapped = self.map((embedding - mean) / std)
        return self.weight * (1 - nn.functional.cosine_similarity(mapped, wanted)).mean()


def keeper(
    model: Classifier,
    train: Source,
    recipe: Recipe,
    preprocess: Preprocess,
    *,
    folder: Path,
    progress: Progress,
) -> nn.Module:
    """Return the loss that keeps the features of `model` as it is now, if the recipe asks.

    The features are computed once and found again in `folder` by a resumed run.
    """
    if not recipe.distil:
        return KeepNothing()
    width = model.spec.num_features
    file = folder / "start-features.f16"
    if not file.exists() or file.stat().st_size != 2 * width * len(train.paths):
        partial = file.with_suffix(".partial")
        _write(model, train, recipe, preprocess.at(recipe.distil_size), partial, progress=progress)
        partial.replace(file)
    return KeepFeatures(file, len(train.paths), width, recipe.distil)


@torch.inference_mode()
def _write(
    model: Classifier,
    train: Source,
    recipe: Recipe,
    preprocess: Preprocess,
    file: Path,
    *,
    progress: Progress,
) -> None:
    start = copy.deepcopy(model).eval()
    device = next(start.parameters()).device
    mean = torch.tensor(preprocess.mean, device=device).view(3, 1, 1)
    std = torch.tensor(preprocess.std, device=device).view(3, 1, 1)
    file.parent.mkdir(parents=True, exist_ok=True)
    loader = plain_loader(train, preprocess, batch=64, workers=recipe.workers)
    with file.open("wb") as out:
        for number, batch in enumerate(loader):
            photos = to_device(
                batch.photos.to(device), mean, std, channels_last=recipe.channels_last
            )
            out.write(start(photos).embedding.to(torch.float16).cpu().numpy().tobytes())
            progress(number + 1, len(loader), "features of the start network")
