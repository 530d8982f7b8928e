"""`waymark recipes`: the ways to train that have a name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from waymark.training.measured import Measured
    from waymark.training.recipe import Recipe

WIDTH = 80
PHOTOS = ("world", "provence")


def recipes(
    name: Annotated[str | None, typer.Argument(help="Print this recipe's TOML.")] = None,
) -> None:
    """List the recipes, or print one as TOML to copy and change."""
    from waymark.training.measured import read_measured
    from waymark.training.recipes import RECIPES, find_recipe

    if name is not None:
        recipe = find_recipe(name)
        for line in _comments(recipe):
            typer.echo(line)
        typer.echo(recipe.to_toml(), nl=False)
        return
    measured = read_measured()
    for recipe in RECIPES.values():
        for line in _block(recipe, measured):
            typer.echo(line)


def _comments(recipe: Recipe) -> Iterator[str]:
    """Yield what is said of a recipe as comments of a TOML file."""
    for said in (recipe.about, recipe.source, recipe.notes):
        yield from _wrapped(said, "# ")
    yield "#"
    yield from _wrapped("Save it as FILE.toml, change it, and: waymark train DATASET", "# ")
    yield "# --recipe FILE.toml. Fields that are left out keep their defaults."
    yield ""


def _block(recipe: Recipe, measured: Mapping[str, Mapping[str, Measured]]) -> Iterator[str]:
    """Yield a recipe's name and size, what it does, its source, and its figures."""
    from waymark.training.size import count_weights

    if recipe.kind == "linear":
        size = "the network of the bundle it builds on"
    else:
        millions = count_weights(recipe.design) / 1e6
        size = f"{recipe.backbone}, {millions:.1f} M weights, {recipe.size} px"
    yield f"{recipe.name:<22}  {size}"
    yield from _wrapped(recipe.about, "    ")
    yield from _wrapped(f"source: {recipe.source}", "    ")
    rows = {photos: measured.get(photos, {}).get(recipe.name) for photos in PHOTOS}
    figures = [f"{photos} {_figure(row)}" for photos, row in rows.items()]
    yield from _wrapped(f"top-1 here: {', '.join(figures)}", "    ")


def _figure(found: Measured | None) -> str:
    """Return a share with its interval; `-` where it was not measured."""
    if found is None:
        return "-"
    low, high = found.interval
    return f"{found.top1:.1%} ({low:.1%} to {high:.1%}, n = {found.photos}, from {found.start})"


def _wrapped(text: str, indent: str) -> list[str]:
    """Break text into indented lines; what could steer a terminal is escaped."""
    from textwrap import wrap

    from waymark.cli.terminal import shown

    return wrap(
        shown(" ".join(text.split())),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
