"""What `waymark train` can do instead of training: say what it would do, or try a few steps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from waymark.dataset.index import Dataset
    from waymark.training.checks import BatchStep
    from waymark.training.recipe import Recipe

OFTEN, SELDOM = 5, 10
"""Of the steps on one batch the first few are printed, then one in so many."""

ROWS = 20
"""Of the table of learning rates."""

SHOWN = 10
"""Photos that are still wrong."""


def check_options(
    recipe: Recipe,
    checks: Mapping[str, bool],
    *,
    bundle: str | None,
    weights: Path | None,
    resume: bool,
    tensorboard: bool,
) -> None:
    """Refuse options that do not go together, rather than ignore one of them.

    Raises:
        ConfigError: naming the options.
        MissingExtra: if TensorBoard is wanted and not installed.
    """
    from waymark.errors import ConfigError
    from waymark.training.tensorboard import check_tensorboard

    wanted = [name for name, given in checks.items() if given]
    fast = recipe.kind == "linear"
    if bundle is not None and not fast:
        raise ConfigError(
            f"--bundle says whose embedding the fast path uses, and the recipe {recipe.name!r} "
            "trains a network. Leave out --bundle; --set start=world starts from the world "
            "bundle's network, --weights FILE from another."
        )
    if bundle is not None and weights is not None:
        raise ConfigError(
            "--bundle and --weights both say whose embedding the fast path uses; give one."
        )
    if len(wanted) > 1:
        raise ConfigError(f"{' and '.join(wanted)} are done one at a time; give one of them.")
    if wanted and resume:
        raise ConfigError(f"{wanted[0]} starts nothing that could be resumed; leave out --resume.")
    if fast and (wanted and wanted != ["--dry-run"]):
        raise ConfigError(
            f"{wanted[0]} tries a network, and the recipe {recipe.name!r} trains none. "
            "Choose a deep recipe, such as --recipe finetune."
        )
    if tensorboard and fast:
        raise ConfigError(
            f"--tensorboard shows epochs, and the recipe {recipe.name!r} has none. "
            "Leave it out, or choose a deep recipe, such as --recipe finetune."
        )
    if tensorboard:
        check_tensorboard()


def dry_run(
    photos: Dataset,
    recipe: Recipe,
    out: Path | None,
    weights: Path | None,
    bundle: str,
    *,
    slim: bool,
) -> NoReturn:
    """Print what a training would do; exit."""
    from waymark.cli.progress import bar
    from waymark.cli.terminal import shown
    from waymark.training.plan import plan_training, say_plan

    with bar() as progress:
        plan = plan_training(
            photos, recipe, out=out, weights=weights, parent=bundle, slim=slim, progress=progress
        )
    for line in say_plan(plan):
        typer.echo(shown(line))
    raise typer.Exit


def overfit(photos: Dataset, recipe: Recipe, weights: Path | None) -> NoReturn:
    """Print how one batch is learnt by heart; exit with 0 if it is, else with 1."""
    from waymark.cli.terminal import shown
    from waymark.training.checks import judge
    from waymark.training.run import check_training

    check_training(photos, recipe, weights)
    from waymark.training.loop_checks import overfit_one_batch

    steps = []
    for step in overfit_one_batch(photos, recipe, weights=weights):
        steps.append(step)
        if step.step <= OFTEN or step.step % SELDOM == 0:
            typer.echo(_say(step))
    verdict = judge(steps)
    typer.echo(verdict.text)
    for advice in verdict.advice:
        typer.echo(f"  - {advice}")
    if not verdict.learns:
        for path in steps[-1].wrong[:SHOWN]:
            typer.echo(f"still wrong: {shown(str(path))}")
        if (more := len(steps[-1].wrong) - SHOWN) > 0:
            typer.echo(f"and {more} more")
    raise typer.Exit(0 if verdict.learns else 1)


def _say(step: BatchStep) -> str:
    shares = ", ".join(f"{task} {value:.0%}" for task, value in step.top1.items())
    return f"step {step.step}: loss {step.loss:.4g}, {shares}"


def find_rate(photos: Dataset, recipe: Recipe, weights: Path | None, out: Path | None) -> NoReturn:
    """Print losses at rising learning rates, and what they suggest; exit with 1 if nothing."""
    from waymark.cli.progress import bar
    from waymark.training.checks import plot_rates, suggest_rate, write_rates
    from waymark.training.run import check_training

    check_training(photos, recipe, weights)
    from waymark.training import loop_checks

    with bar() as progress:
        steps = list(loop_checks.find_rate(photos, recipe, weights=weights, progress=progress))
    typer.echo(f"{'rate':>10}  {'loss':>10}  smoothed")
    for step in steps[:: max(1, len(steps) // ROWS)]:
        typer.echo(f"{step.rate:10.2e}  {step.loss:10.4g}  {step.smoothed:.4g}")
    found = suggest_rate(steps)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_rates(out / "lr-find.csv", steps)
        plot_rates(steps, found).savefig(out / "lr-find.png", dpi=110)
        typer.echo(f"written: {out / 'lr-find.csv'}, {out / 'lr-find.png'}")
    if found is None:
        typer.echo(
            "no rate lowered the loss: try --overfit-one-batch, or more photos a batch "
            "(--set batch=64)"
        )
        raise typer.Exit(1)
    typer.echo(f"steepest descent at {found.steepest:.2g}; lowest loss at {found.best:.2g}")
    typer.echo(f"suggested: --set stages.0.lr={found.rate:.2g}")
    raise typer.Exit
