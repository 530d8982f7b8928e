"""The training loop: read it top to bottom.

    for each stage: what learns, how fast
        for each epoch: draw, change, forward, loss, backward, step, average
        validate the averaged weights, keep the best, checkpoint, report

One process or several (`accelerate launch`): a batch is shared among the processes, and
each validation photo counts once.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator, DataLoaderConfiguration
from accelerate.state import AcceleratorState
from accelerate.utils import set_seed
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn
from torch.utils.data import DataLoader

from waymark.dataset.loader import NEGATIVE, Batch, Source, plain_loader, training_loader
from waymark.errors import RunError
from waymark.models.build import Classifier, Outputs, freeze, set_training, to_device
from waymark.preprocess import Preprocess
from waymark.progress import Progress, silent
from waymark.training.loop_distil import keeper
from waymark.training.loop_loss import ClassLoss, mixer
from waymark.training.loop_optim import learning_rate, optimiser
from waymark.training.loop_state import Checkpoint
from waymark.training.recipe import Recipe, Stage


@dataclass(frozen=True, kw_only=True)
class EpochReport:
    """What one epoch did.

    Attributes:
        epoch: from 1, over all stages.
        stage: from 0.
        lr: learning rate of the head at the epoch's end.
        train_loss: mean over the epoch's steps, everything included.
        val_loss: mean cross-entropy of the validation photos.
        val_top1: part of the validation photos named right, 0 to 1.
        photos: photos trained on.
        seconds: of wall clock, validation included.
        memory_mb: largest resident memory of the process so far.
        is_best: the lowest validation loss so far.
    """

    epoch: int
    stage: int
    lr: float
    train_loss: float
    val_loss: float
    val_top1: float
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
    preprocess: Preprocess,
    folder: Path,
    resume: bool = False,
    progress: Progress = silent,
) -> Iterator[EpochReport]:
    """Train `model` in place; yield a report after each epoch.

    The weights of the best epoch are in `folder/best.safetensors` after
    each epoch; `folder/last.pt` has all that `resume` needs.

    Args:
        model: starts with the weights that it has.
        train: photos, labels and negatives to learn from.
        val: photos to choose by.
        recipe: how.
        preprocess: how prediction will prepare photos; validation does the same.
        folder: where checkpoints go.
        resume: go on after the last finished epoch of an earlier call.
        progress: told of every step.

    Raises:
        RunError: if there is nothing to resume from, or it is of another recipe.
    """
    set_seed(recipe.seed)
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
    setup = _Setup(
        accelerator=accelerator,
        recipe=recipe,
        model=model,
        ema=ModelEmaV3(model, decay=recipe.ema, use_warmup=True) if recipe.ema else None,
        loss=ClassLoss(recipe, train.labels, classes=_classes(model)).to(device),
        keep=_shared(accelerator, keep.to(device)),
        mean=torch.tensor(preprocess.mean, device=device).view(3, 1, 1),
        std=torch.tensor(preprocess.std, device=device).view(3, 1, 1),
        progress=progress,
    )
    watch = accelerator.prepare(plain_loader(val, preprocess, batch=128, workers=recipe.workers))
    checkpoint = Checkpoint(folder, recipe, model=model, ema=setup.ema, keep=keep)
    done, best, stale = checkpoint.load(device) if resume else (0, float("inf"), 0)

    finished = 0  # epochs of the stages before this one
    for number, stage in enumerate(recipe.stages):
        if done >= finished + stage.epochs:
            finished += stage.epochs
            continue
        freeze(model, frozen=stage.trains == "head")
        step = optimiser(model, keep, stage)
        checkpoint.load_optimiser(step, stage=number)
        loader, sampler = training_loader(
            train,
            preprocess.at(stage.size or recipe.size),
            augment=recipe.augment,
            batch=recipe.batch,
            balance=recipe.balance,
            negatives=recipe.negatives > 0,
            workers=recipe.workers,
            seed=recipe.seed,
        )
        wrapped, step, batches = accelerator.prepare(model, step, loader)
        network = torch.compile(wrapped) if recipe.compile else wrapped
        for epoch in range(max(done, finished) + 1, finished + stage.epochs + 1):
            started = time.perf_counter()
            sampler.epoch = epoch
            torch.manual_seed(recipe.seed * 1_000_003 + epoch)  # dropout: same after a resume
            set_training(model, training=True)
            train_loss, lr = _one_epoch(
                setup, network, batches, step, stage=stage, epoch=epoch, first=finished
            )
            val_loss, val_top1 = _measure(setup, watch)
            is_best = val_loss < best
            best, stale = (val_loss, 0) if is_best else (best, stale + 1)
            if accelerator.is_main_process:
                checkpoint.save(
                    step, stage=number, epoch=epoch, best=best, stale=stale, is_best=is_best
                )
            accelerator.wait_for_everyone()
            yield EpochReport(
                epoch=epoch,
                stage=number,
                lr=lr,
                train_loss=train_loss,
                val_loss=val_loss,
                val_top1=val_top1,
                photos=len(batches) * min(recipe.batch, len(sampler)),
                seconds=time.perf_counter() - started,
                memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                is_best=is_best,
            )
            if recipe.patience and stale >= recipe.patience:
                return
        finished += stage.epochs
        accelerator.free_memory(wrapped, step, batches)


@dataclass(frozen=True, kw_only=True)
class _Setup:
    """What stays the same from the first epoch to the last."""

    accelerator: Accelerator
    recipe: Recipe
    model: Classifier
    ema: ModelEmaV3 | None
    loss: ClassLoss
    keep: nn.Module
    mean: Tensor
    std: Tensor
    progress: Progress

    def normalised(self, photos: Tensor) -> Tensor:
        """Return the network's input of (N, 3, H, W) uint8 photos."""
        return to_device(photos, self.mean, self.std, channels_last=self.recipe.channels_last)


def _one_epoch(
    setup: _Setup,
    network: Callable[[Tensor], Outputs],
    batches: DataLoader[Batch],
    step: torch.optim.Optimizer,
    *,
    stage: Stage,
    epoch: int,
    first: int,
) -> tuple[float, float]:
    """Go through the photos once; return the mean loss and the last learning rate."""
    accelerator, recipe = setup.accelerator, setup.recipe
    mix = mixer(recipe)
    total, lr = torch.zeros((), device=accelerator.device), 0.0
    trainable = [p for group in step.param_groups for p in group["params"]]
    for number, batch in enumerate(batches):
        lr = learning_rate(step, stage, epoch - 1 - first + number / len(batches))
        photos, targets = mix(setup.normalised(batch.photos), setup.loss.targets(batch.labels))
        with accelerator.accumulate(network):
            with accelerator.autocast():
                out = network(photos)
            value = setup.loss(out.logits["landmark"].float(), targets, batch.labels)
            value = value + setup.keep(out.embedding.float(), batch.items)
            accelerator.backward(value)
            if recipe.clip and accelerator.sync_gradients:
                accelerator.clip_grad_norm_(trainable, recipe.clip)
            step.step()
            step.zero_grad()
        if setup.ema is not None and accelerator.sync_gradients:
            setup.ema.update(setup.model)
        total += value.detach()
        setup.progress(number + 1, len(batches), f"epoch {epoch}/{recipe.epochs}")
    return float(accelerator.reduce(total, "mean")) / max(1, len(batches)), lr


@torch.inference_mode()
def _measure(setup: _Setup, batches: DataLoader[Batch]) -> tuple[float, float]:
    """Return mean cross-entropy and top-1 of the validation photos, each counted once."""
    accelerator = setup.accelerator
    model = setup.ema.module if setup.ema else setup.model
    was_training = model.training
    model.eval()
    losses, right = [], []
    for batch in batches:
        with accelerator.autocast():
            logits = model(setup.normalised(batch.photos)).logits["landmark"].float()
        known = batch.labels != NEGATIVE
        labels = batch.labels.clamp(min=0)
        each = nn.functional.cross_entropy(logits, labels, reduction="none")
        each, hit, known = accelerator.gather_for_metrics(
            (each, (logits.argmax(1) == labels), known)
        )
        losses.append(each[known])
        right.append(hit[known])
    model.train(was_training)
    return float(torch.cat(losses).mean()), float(torch.cat(right).float().mean())


def precision(recipe: Recipe) -> str:
    """Return accelerate's name of the precision that the recipe asks for.

    `auto` is bfloat16 where it was measured to be faster: on GPUs that have it and on
    CPUs with AMX tiles; elsewhere on CPUs a compiled float32 step is at least as fast.
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


def _classes(model: Classifier) -> int:
    head = model.heads["landmark"]
    assert isinstance(head, nn.Linear)  # narrows the type: build made it
    return head.out_features
