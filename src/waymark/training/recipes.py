"""The recipes that have a name: ours here, those of the five projects in `recipes_seeds.py`."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from waymark.errors import UnknownName
from waymark.training.recipe import Recipe, Stage, read_recipe
from waymark.training.recipes_seeds import SEEDS

LINEAR = Recipe(
    name="linear",
    about="A head on the embedding of a bundle: seconds, no torch, 5 photos a landmark.",
    source="waymark",
    kind="linear",
)

FINETUNE = Recipe(
    name="finetune",
    about="The head first, then all layers, earlier ones slower, on photos changed hard.",
    source="waymark",
    size=128,
    stages=(
        Stage(epochs=2, trains="head", lr=3e-3, weight_decay=1e-4),
        Stage(
            epochs=15,
            lr=2e-3,
            backbone_lr=0.5,
            layer_decay=0.8,
            weight_decay=0.02,
            schedule="cosine",
            warmup=1.0,
        ),
    ),
    batch=64,
    dropout=0.2,
    drop_path=0.1,
    label_smoothing=0.05,
    balance=0.5,
    augment="strong",
    clip=5.0,
    ema=0.998,
    negatives=0.5,
)

ARCFACE = replace(
    FINETUNE,
    name="arcface",
    about="Metric learning, for many landmarks with few photos each: cosines with a margin, "
    "several centres a landmark.",
    source="Deng et al. 2020, sub-centre ArcFace; Radenovic et al. 2018, GeM pooling",
    notes="Margin, scale and centres are in the range of the papers; the rest is finetune's.",
    pool="gem",
    loss="arcface",
    margin=0.3,
    scale=30.0,
    centres=3,
    label_smoothing=0.0,
)

WORLD = Recipe(
    name="world",
    about="How the bundled world model was made: finetune at 96 px, then larger, keeping "
    "the general features.",
    source="waymark",
    size=96,
    predict_size=160,
    fast_size=128,
    stages=(
        Stage(epochs=1, trains="head", lr=3e-3, weight_decay=1e-4),
        Stage(
            epochs=14,
            lr=2e-3,
            backbone_lr=0.3,
            layer_decay=0.85,
            weight_decay=0.02,
            schedule="cosine",
            final_lr=0.15,
            warmup=1.0,
        ),
        Stage(
            epochs=4,
            lr=4e-4,
            backbone_lr=0.5,
            layer_decay=0.85,
            weight_decay=0.02,
            schedule="cosine",
            size=128,
        ),
        Stage(
            epochs=1,
            lr=1.5e-4,
            backbone_lr=0.5,
            layer_decay=0.85,
            weight_decay=0.02,
            schedule="cosine",
            size=128,
        ),
    ),
    batch=64,
    dropout=0.2,
    drop_path=0.05,
    label_smoothing=0.05,
    balance=0.4,
    augment="strong",
    clip=5.0,
    ema=0.998,
    negatives=0.5,
    distil=1.0,
    distil_size=160,
)

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe for recipe in (LINEAR, FINETUNE, ARCFACE, WORLD, *SEEDS)
}


def find_recipe(name: str) -> Recipe:
    """Return the recipe of that name, or the one in that TOML file.

    Raises:
        UnknownName: with the nearest match.
        ConfigError: if a file is wrong.
    """
    if name in RECIPES:
        return RECIPES[name]
    if name.endswith(".toml"):
        return read_recipe(Path(name))
    near = get_close_matches(name, RECIPES, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise UnknownName(
        f"no recipe named {name!r}; {hint}`waymark recipes` lists all, "
        "and a file of your own ends in .toml."
    )
