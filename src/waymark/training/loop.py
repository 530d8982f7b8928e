"""The training loop: read it top to bottom.

    for each stage: what learns, how fast
        for each epoch: draw, change, forward, loss, backward, step, average
        validate the averaged weights, keep the best, checkpoint, report

What a stage learns is decided in `tasks.py`, where its batches come from in `loop_feed.py`.

One process or several (`accelerate launch`): a batch is shared among the processes, and
each validation photo counts once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator, DataLoaderConfiguration
from accelerate.state import AcceleratorState
from accelerate.utils import set_seed
from torch import Tensor, nn
from torch.utils.data import DataLoader

from waymark.dataset.loader import Batch, Source
from waymark.errors import RunError
from waymark.models.build import Classifier, Outputs, freeze, set_training, to_device
from waymark.preprocess import Preprocess
from waymark.progress import Progress, silent
from waymark.training.loop_average import Average
from waymark.training.loop_distil import keeper
from waymark.training.loop_feed import Feed, drop_kept, feed
from waymark.training.loop_loss import mixer
from waymark.training.loop_optim import learning_rate, optimiser
from waymark.training.loop_state import Checkpoint
from waymark.training.loop_tally import Figures, Tally
from waymark.training.recipe import Recipe
from waymark.training.tasks import Phase, TaskLosses, Tasks, phases
from waymark.training.timing import peak_mb

NAN = float("nan")


@dataclass(frozen=True, kw_only=True)
class EpochReport:
    """What one epoch did. Figures of a task that was not learnt in it are NaN.

    Attributes:
        epoch: from 1, over all stages.
        stage: from 0.
        lr: learning rate of the head at the epoch's end.
        train_loss: mean over the epoch's steps, everything included.
        val_loss: mean cross-entropy of the validation photos, summed over what is learnt.
        train_top1: part of the training photos named right, as they were changed, 0 to 1.
        val_top1: part of the validation photos named right, 0 to 1.
        landmark_train_loss: of the landmark alone.
        landmark_val_loss: likewise.
        category_train_loss: of the category alone.
        category_val_loss: likewise.
        category_train_top1: part of the training photos whose category is named right.
        category_val_top1: likewise of the validation photos.
        photos: photos trained on.
        seconds: of wall clock, validation included, and of a stage's first epoch what it
            takes to begin.
        memory_mb: largest resident memory of the process so far.
        is_best: the lowest validation loss so far, since what is learnt last changed.
    """

    epoch: int
    stage: int
    lr: float
    train_loss: float
    val_loss: float
    train_top1: float = NAN
    val_top1: float = NAN
    landmark_train_loss: float = NAN
    landmark_val_loss: float = NAN
    category_train_loss: float = NAN
    category_val_loss: float = NAN
    category_train_top1: float = NAN
    category_val_top1: float = NAN
    photos: int
    seconds: float
    memory_mb: float
    is_best: bool


def fit(
    model: Classifier,
    train: Source,
    val: Source,
    recipe: Recipe,
    *,
    tasks: Tasks,
    preprocess: Preprocess,
    folder: Path,
    resume: bool = False,
    progress: Progress = silent,
    note: Callable[[EpochReport], None] = lambda _: None,
) -> Iterator[EpochReport]:
    """Train `model` in place; yield a report after each epoch.

    The weights of the best epoch are in `folder/best.safetensors` after
    each epoch; `folder/last.pt` has all that `resume` needs.

    Args:
        model: starts with the weights that it has.
        train: photos, labels and negatives to learn from.
        val: photos to choose by.
        recipe: how.
        tasks: what there is to learn.
        preprocess: how prediction will prepare photos; validation does the same.
        folder: where checkpoints go.
        resume: go on after the last finished epoch of an earlier call.
        progress: told of every step.
        note: told of each epoch before its checkpoint is written, so that a kill in between
            leaves an epoch that is noted and done again, never one that is not noted.

    Raises:
        RunError: if there is nothing to resume from, or it is of another recipe.
    """
    set_seed(recipe.seed)
    setup = begin(
        model,
        train,
        recipe,
        tasks=tasks,
        preprocess=preprocess,
        folder=folder,
        progress=progress,
    )
    accelerator, device = setup.accelerator, setup.accelerator.device
    checkpoint = Checkpoint(folder, recipe, average=setup.average, keep=setup.keep)
    done, best, stale = checkpoint.load(device) if resume else (0, float("inf"), 0)

    finished = 0  # epochs of the stages before this one
    learnt: tuple[str, ...] = ()
    for phase in phases(recipe):
        stage, fresh = phase.stage, phase.learns != learnt
        learnt = phase.learns
        if done >= finished + stage.epochs or checkpoint.ended(phase.number, recipe.patience):
            finished += stage.epochs
            continue
        if done <= finished:
            stale = 0
        if fresh and done <= finished and finished:  # another task goes on from the best
            with accelerator.main_process_first():
                checkpoint.restore_best(phase.number, write=accelerator.is_main_process)
            best = float("inf")
        freeze(model, trains=stage.trains, tasks=phase.learns)
        step = optimiser(model, setup.keep, stage)
        checkpoint.load_optimiser(step, stage=phase.number)
        started = time.perf_counter()
        with accelerator.main_process_first():  # the others find the features it keeps
            fed = feed(
                model,
                train,
                val,
                recipe,
                phase=phase,
                preprocess=preprocess,
                prepare=setup.normalised,
                average=setup.average,
                folder=folder,
                processes=accelerator.num_processes,
                progress=setup.progress,
            )
        wrapped, step, batches = accelerator.prepare(fed.wrap(model), step, fed.train)
        network = torch.compile(wrapped) if recipe.compile else wrapped
        watch = accelerator.prepare(fed.watch)
        for epoch in range(max(done, finished) + 1, finished + stage.epochs + 1):
            fed.sampler.epoch = epoch
            torch.manual_seed(recipe.seed * 1_000_003 + epoch)  # dropout: same after a resume
            set_training(model, training=True)
            trained, lr = one_epoch(
                setup, fed, network, batches, step, phase=phase, epoch=epoch, first=finished
            )
            watched = measure(setup, fed, watch, phase.learns)
            is_best = watched.loss < best
            best, stale = (watched.loss, 0) if is_best else (best, stale + 1)
            report = EpochReport(
                epoch=epoch,
                stage=phase.number,
                lr=lr,
                train_loss=trained.loss,
                val_loss=watched.loss,
                **trained.named("train"),
                **watched.named("val"),
                photos=len(batches) * min(recipe.batch, len(fed.sampler)),
                seconds=time.perf_counter() - started,
                memory_mb=peak_mb(),
                is_best=is_best,
            )
            started = time.perf_counter()
            if accelerator.is_main_process:
                note(report)
                checkpoint.save(
                    step, stage=phase.number, epoch=epoch, best=best, stale=stale, is_best=is_best
                )
            accelerator.wait_for_everyone()
            yield report
            if recipe.patience and stale >= recipe.patience:
                break
        finished += stage.epochs
        # accelerate's autocast around `forward` goes, or the export would be in its precision
        accelerator.unwrap_model(wrapped, keep_fp32_wrapper=False)
        accelerator.free_memory(wrapped, step, batches)
    if accelerator.is_main_process:
        drop_kept(folder)


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What stays the same from the first epoch to the last."""

    accelerator: Accelerator
    recipe: Recipe
    model: Classifier
    average: Average
    losses: TaskLosses
    keep: nn.Module
    mean: Tensor
    std: Tensor
    progress: Progress

    def normalised(self, photos: Tensor) -> Tensor:
        """Return the network's input of (N, 3, H, W) uint8 photos."""
        return to_device(photos, self.mean, self.std, channels_last=self.recipe.channels_last)


def begin(
    model: Classifier,
    train: Source,
    recipe: Recipe,
    *,
    tasks: Tasks,
    preprocess: Preprocess,
    folder: Path,
    progress: Progress,
) -> Setup:
    """Move the model to where it will learn, and make what stays the same throughout."""
    AcceleratorState._reset_state()  # or a second training could not have another precision
    accelerator = Accelerator(
        mixed_precision=precision(recipe),
        dataloader_config=DataLoaderConfiguration(split_batches=True),
        gradient_accumulation_steps=recipe.accumulate,
    )
    device = accelerator.device
    model.to(device, memory_format=_format(recipe))  # type: ignore[call-overload]
    with accelerator.main_process_first():  # the others find what it keeps in `folder`
        keep = keeper(model, train, recipe, preprocess, folder=folder, progress=progress)
    return Setup(
        accelerator=accelerator,
        recipe=recipe,
        model=model,
        average=Average(model, recipe.ema),
        losses=TaskLosses(recipe, train.labels, tasks).to(device),
        keep=_shared(accelerator, keep.to(device)),
        mean=torch.tensor(preprocess.mean, device=device).view(3, 1, 1),
        std=torch.tensor(preprocess.std, device=device).view(3, 1, 1),
        progress=progress,
    )


def one_epoch(
    setup: Setup,
    fed: Feed,
    network: Callable[[Tensor], Outputs],
    batches: DataLoader[Batch],
    step: torch.optim.Optimizer,
    *,
    phase: Phase,
    epoch: int,
    first: int,
) -> tuple[Figures, float]:
    """Go through the photos once; return what was counted and the last learning rate."""
    accelerator, recipe = setup.accelerator, setup.recipe
    mix = mixer(recipe)
    tally, lr = Tally(phase.learns, accelerator.device), 0.0
    trainable = [p for group in step.param_groups for p in group["params"]]
    for number, batch in enumerate(batches):
        lr = learning_rate(step, phase.stage, epoch - 1 - first + number / len(batches))
        inputs, targets = mix(fed.prepare(batch.photos), setup.losses.targets(batch.labels))
        with accelerator.accumulate(network):
            with accelerator.autocast():
                out = network(inputs)
            each = setup.losses(out, targets, batch.labels, phase.learns)
            value = torch.stack([*each.values()]).sum()
            value = value + setup.keep(out.embedding.float(), batch.items)
            accelerator.backward(value)
            if recipe.clip and accelerator.sync_gradients:
                accelerator.clip_grad_norm_(trainable, recipe.clip)
            step.step()
            step.zero_grad()
        if accelerator.sync_gradients:
            setup.average.update()
        tally.step(value, each, out.logits, setup.losses.labels(batch.labels))
        setup.progress(number + 1, len(batches), f"epoch {epoch}/{recipe.epochs}")
    return tally.of_steps(accelerator), lr


@torch.inference_mode()
def measure(setup: Setup, fed: Feed, batches: DataLoader[Batch], learns: Sequence[str]) -> Figures:
    """Return mean cross-entropies and top-1 of the validation photos, each counted once."""
    accelerator = setup.accelerator
    shown = setup.average.shown
    network = fed.wrap(shown)
    was_training = shown.training
    shown.eval()
    tally = Tally(learns, accelerator.device)
    for batch in batches:
        with accelerator.autocast():
            out = network(fed.prepare(batch.photos))
        said = {task: out.logits[task].float() for task in learns}
        tally.photos(*accelerator.gather_for_metrics((said, setup.losses.labels(batch.labels))))
    set_training(shown, training=was_training)
    return tally.of_photos()


def precision(recipe: Recipe) -> str:
    """Return accelerate's name of the precision that the recipe asks for.

    `auto` is bfloat16 on GPUs that have it and on CPUs with AMX tiles; on other CPUs a
    compiled float32 step is at least as fast.
    """
    if recipe.precision != "auto":
        return "bf16" if recipe.precision == "bfloat16" else "no"
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "no"
    return "bf16" if torch.cpu._is_amx_tile_supported() else "no"


def load_best(model: Classifier, folder: Path) -> None:
    """Give `model` the weights of a training's best epoch.

    Raises:
        RunError: if no epoch had a validation loss that is a number.
    """
    from safetensors.torch import load_file

    file = folder / "best.safetensors"
    if not file.exists():
        raise RunError(
            "the training went astray: no epoch's validation loss is a number. Lower the "
            "learning rate (--set stages.0.lr=...), or clip gradients (--set clip=1)."
        )
    weights: Mapping[str, Tensor] = load_file(file)
    model.load_state_dict(weights)


def _shared(accelerator: Accelerator, module: nn.Module) -> nn.Module:
    """Return a module whose gradients are averaged over the processes, if it has any."""
    if not any(True for _ in module.parameters()):
        return module
    prepared: nn.Module = accelerator.prepare(module)
    return prepared


def _format(recipe: Recipe) -> torch.memory_format:
    return torch.channels_last if recipe.channels_last else torch.contiguous_format
