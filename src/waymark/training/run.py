"""A training from a dataset to a run folder, at either speed.

RUN/  recipe.toml  split.csv  history.csv  metrics.json  report.html  README.md
      plots/*.png  wrong/  model.waymark  checkpoint/ (resume)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from waymark.errors import ConfigError, DatasetError, RunError, WaymarkError
from waymark.progress import Progress, silent
from waymark.training.processes import from_main, is_main
from waymark.training.recipe import Recipe, read_recipe
from waymark.training.run_deep import run_deep
from waymark.training.run_fast import run_fast
from waymark.training.run_job import Job, Origin, Run

if TYPE_CHECKING:
    from waymark.dataset.index import Dataset
    from waymark.training.cost import Cost
    from waymark.training.loop import EpochReport


def train(
    dataset: Dataset,
    recipe: Recipe,
    *,
    out: Path | None = None,
    resume: bool = False,
    weights: Path | None = None,
    parent: str = "world",
    slim: bool = False,
    origin: Origin | None = None,
    progress: Progress = silent,
    on_start: Callable[[Cost], None] | None = None,
    on_epoch: Callable[[EpochReport], None] | None = None,
) -> Run:
    """Train by a recipe, and leave a run folder behind.

    Of several processes (`accelerate launch`) the main one writes and reports; all return.

    Args:
        dataset: photos with labels, perhaps with splits and negatives.
        recipe: how; `kind` decides between the fast path and the deep one.
        out: the run folder; numbered under `runs/` where None.
        resume: go on with the run in `out`.
        weights: what the backbone starts from, instead of what the recipe says; for the fast
            path, the weights of the recipe's backbone, whose embedding it then uses.
        parent: the bundle whose embedding the fast path uses.
        slim: leave out the weights that further deep training would start from.
        origin: what the card says of command and terms.
        progress: told of everything that takes time.
        on_start: told what a deep training asks for, before its first step.
        on_epoch: told of each epoch of a deep training.

    Raises:
        ConfigError: if `weights` are not there, or do not fit.
        DatasetError: if there are fewer than two landmarks.
        MissingExtra: if the recipe is deep, and what it needs is not installed.
        RunError: if `out` is not empty and `resume` not asked for, or cannot be resumed.
        WaymarkError: as reading, training and writing raise them.
    """
    from waymark.dataset.places import estimate_places

    check_training(dataset, recipe, weights)
    progress = progress if is_main() else silent
    folder = from_main(lambda: open_folder(out, dataset.name, recipe, resume=resume))
    with _vacated_unless_begun(folder, resume=resume):
        if is_main():
            partial = folder / "recipe.partial"
            partial.write_text(recipe.to_toml(), encoding="utf-8")
            partial.replace(folder / "recipe.toml")
        job = Job(
            dataset=from_main(lambda: estimate_places(dataset, progress=progress)),
            recipe=recipe,
            folder=folder,
            origin=origin or Origin(),
            slim=slim,
            progress=progress,
        )
        if recipe.kind == "linear":
            return from_main(lambda: run_fast(job, parent, weights))
        return run_deep(job, weights=weights, resume=resume, on_start=on_start, on_epoch=on_epoch)


def check_training(dataset: Dataset, recipe: Recipe, weights: Path | None) -> None:
    """Refuse, before anything heavy is loaded, what could not be trained.

    Raises:
        ConfigError: as `train` does.
        DatasetError: likewise.
        MissingExtra: likewise.
    """
    from waymark.models.backbones import find_backbone

    spec = find_backbone(recipe.backbone)
    own = spec.library == "waymark"
    if recipe.kind == "deep" and own and recipe.start == "pretrained" and weights is None:
        raise ConfigError(
            f"nobody has pretrained {spec.name}: it is a network for training from scratch. "
            'Set start = "random", or give --weights.'
        )
    if recipe.kind == "linear" and recipe.task != "landmark":
        raise ConfigError(
            f"task is {recipe.task!r}, and the recipe {recipe.name!r} fits a head for landmarks "
            "only. Leave task out, or choose a deep recipe."
        )
    if weights is not None and not weights.is_file():
        raise ConfigError(
            f"cannot read the weights {weights}: there is no such file. "
            "--weights takes a .safetensors file."
        )
    if len(dataset.labels) < 2:
        raise DatasetError(
            f"{dataset.name} has one landmark, {dataset.labels[0]!r}; training needs at least "
            "two. `waymark teach` adds a single one to a bundle."
        )
    if recipe.kind != "linear" or weights is not None:
        from waymark.training.deep import check_installed

        check_installed()
    if recipe.task != "landmark":
        from waymark.dataset.categories import categories_of

        categories_of(dataset)


@contextmanager
def _vacated_unless_begun(folder: Path, *, resume: bool) -> Iterator[None]:
    """Where a user's error stops a run before it has anything to resume, remove its folder."""
    try:
        yield
    except WaymarkError:
        if is_main() and not resume:
            written = {path.name for path in folder.iterdir()}
            if written <= {"recipe.toml", "recipe.partial", "split.csv"}:
                for name in written:
                    (folder / name).unlink()
                folder.rmdir()
        raise


def open_folder(out: Path | None, dataset: str, recipe: Recipe, *, resume: bool) -> Path:
    """Return the folder of a run, made where it is missing.

    Raises:
        RunError: as `find_folder` does.
    """
    folder = find_folder(out, dataset, recipe, resume=resume)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def find_folder(out: Path | None, dataset: str, recipe: Recipe, *, resume: bool) -> Path:
    """Return where a run goes; nothing is made.

    Raises:
        RunError: if it holds something and `resume` is not asked for, or the other way round.
    """
    if out is None:
        if resume:
            raise RunError("--resume needs --out: the folder of the run to go on with.")
        stem = f"{dataset}-{recipe.name}"
        out = next(p for n in count(1) if not (p := Path("runs") / f"{stem}-{n}").exists())
    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file; a run needs a folder of its own.")
    if resume:
        if not (out / "recipe.toml").is_file():
            raise RunError(f"{out} holds no run to resume; leave out --resume to start one.")
        if read_recipe(out / "recipe.toml") != recipe:
            raise RunError(
                f"{out} was started with another recipe; resume it with --recipe "
                f"{out / 'recipe.toml'} and no --set."
            )
    elif out.exists() and any(out.iterdir()):
        raise RunError(
            f"{out} is not empty. Give another --out, or go on with the run in it by --resume."
        )
    return out
