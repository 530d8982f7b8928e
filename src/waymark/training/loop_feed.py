"""Where the batches of a stage come from: photos, or features that were computed once.

Where the backbone is frozen and a photo has only a few views (as it is; mirrored; five of
them), the backbone would say the same of a view in every epoch. So its feature maps are
written to disk once, and the epochs of the stage read them: the same training, many times
quicker for a large backbone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from waymark.dataset.loader import (
    Batch,
    EpochSampler,
    PhotoStream,
    Source,
    collate,
    plain_loader,
    training_loader,
)
from waymark.dataset.loader_augment import VIEWS, pick_view
from waymark.models.build import Classifier, Outputs, set_training
from waymark.preprocess import Preprocess
from waymark.progress import Progress
from waymark.training.loop_average import Average
from waymark.training.loop_norms import Prepare, settle, unsettled
from waymark.training.recipe import Recipe
from waymark.training.tasks import Phase

LARGEST = 4 << 30
"""Feature maps that need more bytes than this are computed anew each time."""
BATCH = 64


@dataclass(frozen=True, kw_only=True)
class Feed:
    """What a stage is fed with.

    Attributes:
        train: batches to learn from.
        sampler: of `train`; its `epoch` is to be set before each pass.
        watch: batches to choose by.
        prepare: turns what is in a batch into the network's input.
        wrap: turns a classifier into the module that takes this input.
    """

    train: DataLoader[Batch]
    sampler: EpochSampler
    watch: DataLoader[Batch]
    prepare: Prepare
    wrap: Callable[[Classifier], nn.Module]


class OnFeatures(nn.Module):
    """A classifier that is given feature maps instead of photos."""

    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, feature_map: Tensor) -> Outputs:
        """Return what the classifier makes of (N, F, h, w) feature maps."""
        return self.model.from_features(feature_map)


def feed(
    model: Classifier,
    train: Source,
    val: Source,
    recipe: Recipe,
    *,
    phase: Phase,
    preprocess: Preprocess,
    prepare: Prepare,
    average: Average,
    folder: Path,
    processes: int,
    progress: Progress,
) -> Feed:
    """Return what a stage is fed with.

    Args:
        model: its backbone makes the features, where they are kept.
        train: photos to learn from.
        val: photos to choose by.
        recipe: how they are changed and drawn.
        phase: the stage.
        preprocess: as prediction prepares photos.
        prepare: turns photos into the network's input.
        average: of the model's weights.
        folder: where feature maps are kept.
        processes: that share a batch; batches are rounded down to a multiple.
        progress: told of each batch of features.
    """
    size = phase.stage.size or recipe.size
    at = preprocess.at(size)
    loader, sampler = training_loader(
        train,
        at,
        augment=recipe.augment,
        batch=shared(recipe.batch, processes),
        balance=recipe.balance,
        negatives=recipe.negatives > 0,
        workers=recipe.workers,
        seed=recipe.seed,
        copies=recipe.copies,
    )
    if unsettled(recipe, phase):
        settle(model, loader, prepare)
        average.take_backbone()
    if not keeps(model, train, recipe, phase, size):
        watch = plain_loader(val, preprocess, batch=shared(128, processes), workers=recipe.workers)
        return Feed(train=loader, sampler=sampler, watch=watch, prepare=prepare, wrap=lambda m: m)
    augment = recipe.augment
    shown = PhotoStream(train, at, augment, recipe.seed)
    plain = PhotoStream(val, preprocess, "none", recipe.seed)
    changed = sum(stage.trains == "all" for stage in recipe.stages[: phase.number])
    kept = _keep(
        model, shown, recipe, prepare, file=folder / f"train-{changed}.f16", progress=progress
    )
    seen = _keep(
        model, plain, recipe, prepare, file=folder / f"val-{changed}.f16", progress=progress
    )
    batches: DataLoader[Batch] = DataLoader(
        kept,  # type: ignore[arg-type]
        batch_size=min(shared(recipe.batch, processes), len(sampler)),
        sampler=sampler,
        collate_fn=collate,
        drop_last=True,
    )
    watch = DataLoader(seen, batch_size=shared(128, processes), collate_fn=collate)  # type: ignore[arg-type]
    return Feed(train=batches, sampler=sampler, watch=watch, prepare=_as_float, wrap=OnFeatures)


class _Features(Dataset[tuple[Tensor, int, int]]):
    """The kept feature maps of a stream, drawn as its photos would be."""

    def __init__(
        self, maps: NDArray[np.float16], labels: NDArray[np.int64], stream: PhotoStream
    ) -> None:
        self.maps = maps  # (N, views, F, h, w)
        self.labels = labels
        self.stream = stream

    def __len__(self) -> int:
        return len(self.stream)

    def __getitem__(self, key: int | tuple[int, int]) -> tuple[Tensor, int, int]:
        item, draw = key if isinstance(key, tuple) else (key, 0)
        rng = np.random.default_rng((self.stream.seed, draw, item))
        view = pick_view(self.stream.augment, rng, draw)
        return torch.from_numpy(self.maps[item, view].copy()), int(self.labels[item]), item


def keeps(model: Classifier, train: Source, recipe: Recipe, phase: Phase, size: int) -> bool:
    """Say whether the features of a stage are worth keeping, and can be."""
    if phase.stage.trains == "all" or recipe.augment not in VIEWS:
        return False
    moved = any(stage.trains == "all" for stage in recipe.stages[: phase.number])
    if recipe.ema and moved:  # the averaged backbone, which is validated, is another one
        return False
    if recipe.mixup or recipe.cutmix or recipe.distil:
        return False
    values = int(np.prod(map_shape(model, size)))
    return 2 * values * len(train.paths) * VIEWS[recipe.augment] <= LARGEST


def _keep(
    model: Classifier,
    stream: PhotoStream,
    recipe: Recipe,
    prepare: Prepare,
    *,
    file: Path,
    progress: Progress,
) -> _Features:
    """Write the feature maps of every view of every photo, unless they are there already."""
    views = VIEWS[stream.augment]
    shape = (len(stream), views, *map_shape(model, stream.preprocess.size))
    beside = file.with_suffix(".npy")  # labels: a photo that cannot be read any more has none
    if not file.exists() or file.stat().st_size != 2 * int(np.prod(shape)):
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial")
        np.save(
            beside, _write(model, stream, recipe, prepare, file=partial, progress=progress)[::views]
        )
        partial.replace(file)
    return _Features(np.memmap(file, np.float16, "r", shape=shape), np.load(beside), stream)


def shared(batch: int, processes: int) -> int:
    """Return the largest batch up to `batch` that so many processes can share evenly."""
    return max(processes, batch // processes * processes)


def drop_kept(folder: Path) -> None:
    """Remove what only an unfinished training needs: feature maps, weights set aside."""
    for kind in ("train-*.f16", "train-*.npy", "val-*.f16", "val-*.npy", "best-before-*"):
        for file in folder.glob(kind):
            file.unlink(missing_ok=True)


@torch.inference_mode()
def _write(
    model: Classifier,
    stream: PhotoStream,
    recipe: Recipe,
    prepare: Prepare,
    *,
    file: Path,
    progress: Progress,
) -> NDArray[np.int64]:
    """Write (N x views, F, h, w) float16 feature maps; return the (N x views,) labels."""
    set_training(model, training=False)
    device = next(model.parameters()).device
    views = VIEWS[stream.augment]
    loader: DataLoader[Batch] = DataLoader(
        _EveryView(stream, views),  # type: ignore[arg-type]
        batch_size=BATCH,
        num_workers=recipe.workers,
        collate_fn=collate,
    )
    labels = []
    with file.open("wb") as out:
        for number, batch in enumerate(loader, start=1):
            maps = model.features(prepare(batch.photos.to(device)))
            out.write(maps.to(torch.float16).contiguous().cpu().numpy().tobytes())
            labels.append(batch.labels.numpy())
            progress(number, len(loader), "features of the frozen backbone")
    return np.concatenate(labels)


class _EveryView(Dataset[tuple[Tensor, int, int]]):
    """All views of the first photo, then of the second, and so on."""

    def __init__(self, stream: PhotoStream, views: int) -> None:
        self.stream = stream
        self.views = views

    def __len__(self) -> int:
        return len(self.stream) * self.views

    def __getitem__(self, place: int) -> tuple[Tensor, int, int]:
        return self.stream.view(*divmod(place, self.views))


@torch.inference_mode()
def map_shape(model: Classifier, size: int) -> tuple[int, ...]:
    """Return (F, h, w) of the feature map of an input."""
    parameter = next(model.parameters())
    was_training = model.training
    model.eval()
    shape = model.features(torch.zeros(1, 3, size, size, device=parameter.device)).shape[1:]
    set_training(model, training=was_training)
    return tuple(shape)


def _as_float(maps: Tensor) -> Tensor:
    return maps.float()
