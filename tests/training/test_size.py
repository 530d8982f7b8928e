"""Weights counted by hand are those of the network that is built."""

from __future__ import annotations

import pytest

from waymark.training.recipe import Recipe
from waymark.training.recipes import RECIPES
from waymark.training.size import count_weights

torch = pytest.importorskip("torch")

OTHERS = (
    Recipe(name="deep", backbone="sequential", pool="flatten", depth=5, filters=8, kernel=5),
    Recipe(name="halved", backbone="sequential", pool="mean", max_pool=1, hidden=(7, 5)),
    Recipe(name="wide", backbone="resnet18", pool="grid", hidden=(16,), hidden_norm=True),
)


@pytest.mark.parametrize("recipe", [*RECIPES.values(), *OTHERS], ids=lambda recipe: recipe.name)
def test_the_count_is_true(recipe: Recipe) -> None:
    """Of every recipe, backbone and neck together, to the last weight."""
    from waymark.models.build import build, count_parameters

    with torch.device("meta"):
        model = build(recipe.design, {"landmark": 3, "category": 2})
    own = count_parameters(model.backbone) + count_parameters(model.neck)
    assert count_weights(recipe.design) == own
