"""The deep path: split, train a network, export it, and measure what was exported.

torch is imported only when a training starts. Everything after the export (statistics,
temperature, unknown rule, figures) is computed from the exported model by the same
torch-free code that serves predictions.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from waymark.errors import ConfigError, MissingExtra
from waymark.preprocess import Preprocess
from waymark.progress import Progress, silent
from waymark.training.history import append_history
from waymark.training.processes import is_main
from waymark.training.recipe import Recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from waymark.dataset.index import Dataset
    from waymark.dataset.loader import Source
    from waymark.models.build import Classifier
    from waymark.training.cost import Cost
    from waymark.training.loop import EpochReport
    from waymark.training.tasks import Tasks

NEEDS = ("torch", "torchvision", "timm", "accelerate")
START = "start.json"
VALIDATED_NEGATIVES = 0.35
"""Part of the negatives that no training sees; the unknown rule is fitted on them."""


def preprocess_of(recipe: Recipe, dataset: Dataset, *, progress: Progress = silent) -> Preprocess:
    """Return how a network trained by the recipe wants its photos at prediction.

    Where the recipe normalises by the dataset, its training photos are read once for that.
    """
    from waymark.models.backbones import find_backbone

    spec = find_backbone(recipe.backbone)
    mean, std = spec.mean, spec.std
    if recipe.normalise == "dataset":
        from waymark.dataset.stats import dataset_stats

        found = dataset_stats(dataset.of_split("train"), progress=progress)
        mean, std = (_three(found.mean), _three(np.maximum(found.std, 1e-3)))
    return Preprocess(size=recipe.predict_size or recipe.size, fit=recipe.fit, mean=mean, std=std)


def _three(values: NDArray[np.float64]) -> tuple[float, float, float]:
    red, green, blue = (round(float(value), 4) for value in values)
    return red, green, blue


def check_installed() -> None:
    """Refuse a deep training, before any photo is read, where what it needs is missing.

    Raises:
        MissingExtra: names what is missing and how to install it. Nothing is imported: whether
            it also works shows later.
    """
    absent = [name for name in NEEDS if find_spec(name) is None]
    if absent:
        raise missing(f"{', '.join(absent)} not found")


def missing(why: str) -> MissingExtra:
    """Return the error for a deep path that is not installed, or does not work."""
    return MissingExtra(
        f"the deep path needs {', '.join(NEEDS[:-1])} and {NEEDS[-1]} ({why}). "
        'Install them with: pip install "waymark[train]"; `waymark doctor` says what is wrong.'
    )


def train_network(
    dataset: Dataset,
    recipe: Recipe,
    *,
    preprocess: Preprocess,
    folder: Path,
    weights: Path | None = None,
    resume: bool = False,
    progress: Progress = silent,
    on_start: Callable[[Cost], None] | None = None,
    on_epoch: Callable[[EpochReport], None] | None = None,
) -> Classifier:
    """Train the recipe's network and return it with its best weights.

    Writes `history.csv` and `checkpoint/` into `folder`; of several processes, the main one does.

    Raises:
        MissingExtra: if torch is not installed.
        ConfigError: if the weights cannot be had, or do not fit.
        DatasetError: if categories are to be learnt and a landmark has none.
        RunError: if `resume` finds a damaged checkpoint or another recipe's.
    """
    try:
        from waymark.training.loop import fit, load_best
        from waymark.training.loop_centres import keep_one_centre
        from waymark.training.tasks import Tasks
    except ImportError as error:
        raise missing(str(error)) from error
    tasks = Tasks.of(dataset, recipe)
    begun = resume and (folder / "checkpoint" / "last.pt").exists()
    model = start_network(recipe, tasks, weights=weights, begun=begun)
    if is_main() and on_start is not None:  # its weights fit
        on_start(counted(dataset, recipe))
    if is_main() and not begun:
        _note_start(folder / "checkpoint", recipe, weights)
    train = source(dataset.of_split("train"))
    reports = fit(
        model,
        train,
        source(dataset.of_split("val"), negatives=False),
        recipe,
        tasks=tasks,
        preprocess=preprocess,
        folder=folder / "checkpoint",
        resume=resume,
        progress=progress,
        note=lambda report: append_history(folder / "history.csv", report),
    )
    for report in reports:
        if is_main() and on_epoch is not None:
            on_epoch(report)
    load_best(model, folder / "checkpoint")
    keep_one_centre(model, train, recipe, preprocess, progress=progress)
    return model


def counted(dataset: Dataset, recipe: Recipe) -> Cost:
    """Count what a recipe asks for on a dataset.

    Raises:
        MissingExtra: if torch is not installed.
        DatasetError: if categories are to be learnt and a landmark has none.
    """
    try:
        from waymark.training.loop_cost import cost_of
        from waymark.training.tasks import Tasks
    except ImportError as error:
        raise missing(str(error)) from error
    return cost_of(recipe, Tasks.of(dataset, recipe).classes)


def _note_start(folder: Path, recipe: Recipe, weights: Path | None) -> None:
    """Write down what a training starts from: a resume need not be told again."""
    facts = {
        "start": weights.name if weights else recipe.start,
        "labels_seen_before": start_knows(recipe, weights),
        "notice": notice_of(recipe, weights),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / START).write_text(json.dumps(facts), encoding="utf-8")


def start_network(
    recipe: Recipe, tasks: Tasks, *, weights: Path | None, begun: bool = False
) -> Classifier:
    """Build the recipe's network with the weights that it starts from.

    Where the training has `begun`, a checkpoint has them, and they are asked of nobody.

    Raises:
        ConfigError: if the weights cannot be had, or do not fit.
    """
    from waymark.bundle.format import read_bundle
    from waymark.models.build import as_float32, build, read_weights

    tensors = None
    if begun:
        weights = None
    elif weights is not None:
        tensors = read_weights(weights)
    elif recipe.start == "world":
        from safetensors.torch import load

        parent = read_bundle("world")
        if parent.backbone is None or parent.manifest.backbone["timm_name"] != recipe.backbone:
            raise ConfigError(
                f"start is 'world', whose network is {parent.manifest.backbone['timm_name']}, "
                f"and the recipe's backbone is {recipe.backbone}. Change one of them."
            )
        tensors = as_float32(load(parent.backbone))
    return build(
        recipe.design,
        tasks.classes,
        weights=tensors,
        pretrained=recipe.start == "pretrained" and not begun,
        partial=recipe.partial,
        seed=recipe.seed,  # every process starts with the same network
    )


def source(dataset: Dataset, *, negatives: bool = True) -> Source:
    """Return paths and class indices of a dataset, its negatives last."""
    from waymark.dataset.loader import NEGATIVE, Source

    index = {label: number for number, label in enumerate(dataset.labels)}
    extra = dataset.negatives if negatives else ()
    return Source(
        paths=(*(photo.path for photo in dataset.photos), *extra),
        labels=(*(index[photo.label] for photo in dataset.photos), *(NEGATIVE for _ in extra)),
    )


def split_for(dataset: Dataset, recipe: Recipe, *, progress: Progress = silent) -> Dataset:
    """Give every photo and negative that has no split yet one, near-duplicates together.

    Splits that the dataset comes with are kept. Of the negatives more are held out than of
    the photos: the unknown rule is fitted on those that no training has seen.
    """
    from waymark.dataset.duplicates import near_duplicate_groups
    from waymark.dataset.split import split_dataset

    parted = split_dataset(dataset, val=recipe.val, seed=recipe.split_seed, progress=progress)
    if not any(dataset.negative_splits) and dataset.negatives:
        groups = near_duplicate_groups(dataset.negatives, progress=progress)
        order = np.random.default_rng(recipe.split_seed).permutation(np.unique(groups))
        held = set(order[: round(len(order) * VALIDATED_NEGATIVES)].tolist())
        splits = tuple("val" if group in held else "train" for group in groups)
        parted = replace(parted, negative_splits=splits)
    return parted


def start_knows(recipe: Recipe, weights: Path | None) -> int | None:
    """Return how many landmarks the weights that a training starts from were trained on.

    None where nobody can tell: what a file of weights has seen is not written in it.
    """
    from waymark.bundle.format import read_bundle

    if weights is not None:
        return None
    return len(read_bundle("world").manifest.landmarks) if recipe.start == "world" else 0


def notice_of(recipe: Recipe, weights: Path | None) -> str:
    """Return what the licence of the weights that a training starts from asks to be said."""
    from waymark.models.backbones import find_backbone

    if recipe.start == "random" and weights is None:
        return ""
    spec = find_backbone(recipe.backbone)
    return (
        f"The network started from weights of {spec.name} ({spec.source}) and was changed by "
        f"further training. The licence of these weights, as timm publishes them: {spec.licence}.\n"
    )


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A network as a bundle keeps it.

    Attributes:
        model: ONNX, with weights in float16.
        head: weight (C, D) and bias (C,) of the landmark's last layer.
        backbone: safetensors, in float16.
        normalise: whether the last layer sees the embedding at length 1.
        categories: K ids, where the network tells categories too.
        parameters: number of weights.
    """

    model: bytes
    head: tuple[NDArray[np.float32], NDArray[np.float32]]
    backbone: bytes
    normalise: bool
    categories: tuple[str, ...]
    parameters: int


def export(
    network: Classifier, dataset: Dataset, recipe: Recipe, preprocess: Preprocess
) -> Exported:
    """Return a trained network as a bundle keeps it.

    What float16 costs is part of what the parity tests measure.
    """
    from waymark.bundle.export import backbone_bytes, export_onnx, head_arrays, normalises
    from waymark.bundle.quantise import shrink
    from waymark.models.build import count_parameters
    from waymark.training.tasks import Tasks

    return Exported(
        model=shrink(export_onnx(network, size=preprocess.size)),
        head=head_arrays(network),
        backbone=backbone_bytes(network),
        normalise=normalises(network),
        categories=Tasks.of(dataset, recipe).categories,
        parameters=count_parameters(network),
    )
