"""`waymark recipes`: the ways to train that have a name."""

from __future__ import annotations

from typing import Annotated

import typer


def recipes(
    name: Annotated[str | None, typer.Argument(help="Print this recipe's TOML.")] = None,
) -> None:
    """List the recipes, or print one as TOML to copy and change."""
    from waymark.training.recipes import RECIPES, find_recipe

    if name is not None:
        typer.echo(find_recipe(name).to_toml(), nl=False)
        return
    width = max(map(len, RECIPES))
    for recipe in RECIPES.values():
        typer.echo(f"{recipe.name:<{width}}  {recipe.about}")
