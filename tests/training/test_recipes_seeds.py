"""The five projects' hyperparameters, as their READMEs have them."""

from __future__ import annotations

from typing import Any

import pytest

from waymark.models.backbones import BACKBONES
from waymark.training.recipes import RECIPES
from waymark.training.recipes_seeds import SEEDS

STATED: dict[str, dict[str, Any]] = {
    "istanbul-resnet50": {
        "backbone": "resnet50",
        "batch": 16,
        "class_weights": "inverse",
        "stages.0": {"trains": "head", "optimiser": "sgd", "lr": 8e-3},
        "stages.1": {"trains": "all", "optimiser": "sgd", "lr": 8e-6},
    },
    "udacity-scratch-resnet": {
        "backbone": "scratch_resnet",
        "start": "random",
        "batch": 64,
        "val": 0.2,
        "dropout": 0.4,
        "stages.0": {"epochs": 50, "optimiser": "adam", "lr": 1e-4, "weight_decay": 1e-3},
    },
    "udacity-resnet18": {
        "backbone": "resnet18",
        "start": "pretrained",
        "batch": 64,
        "val": 0.2,
        "dropout": 0.4,
        "stages.0": {
            "epochs": 50,
            "trains": "all",
            "optimiser": "adam",
            "lr": 1e-4,
            "weight_decay": 1e-3,
        },
    },
    "sssingh-scratch-cnn": {
        "backbone": "scratch_cnn5",
        "start": "random",
        "size": 128,
        "batch": 32,
        "val": 0.2,
        "augment": "flip",
        "normalise": "dataset",
        "loss": "nll",
        "pool": "flatten",
        "hidden": (1024,),
        "hidden_norm": True,
        "stages.0": {"epochs": 15, "optimiser": "adam", "lr": 1e-3},
    },
    "sssingh-vgg19": {
        "backbone": "vgg19",
        "start": "pretrained",
        "size": 128,
        "batch": 32,
        "val": 0.2,
        "augment": "flip",
        "normalise": "dataset",
        "loss": "nll",
        "pool": "grid",
        "hidden": (4096, 1024),
        "dropout": 0.5,
        "stages.0": {"epochs": 10, "trains": "head", "optimiser": "adam", "lr": 1e-3},
    },
    "korea-sequential": {
        "backbone": "sequential",
        "start": "random",
        "size": 128,
        "batch": 32,
        "accumulate": 4,
        "depth": 7,
        "filters": 32,
        "kernel": 3,
        "max_pool": 2,
        "conv_dropout": 0.25,
        "first_activation": "leaky-relu",
        "activation": "leaky-relu",
        "stages.0": {"epochs": 140, "optimiser": "adam"},
    },
    "korea-vgg": {
        "backbone": "vgg_like",
        "start": "random",
        "size": 128,
        "batch": 32,
        "conv_dropout": 0.25,
        "activation": "relu",
        "stages.0": {"epochs": 50, "optimiser": "adam"},
    },
    "usc-efficientnet-b0": {
        "backbone": "tf_efficientnet_b0",
        "start": "pretrained",
        "augment": "five",
        "copies": 5,
        "pool": "mean",
        "dropout": 0.1,
        "stages.0": {"epochs": 50, "trains": "head", "optimiser": "adam"},
        "stages.1": {"epochs": 20, "trains": "output", "optimiser": "adam"},
    },
    "usc-vgg16": {"backbone": "vgg16", "augment": "five", "copies": 5, "dropout": 0.1},
}


@pytest.mark.parametrize("name", STATED)
def test_what_a_readme_states_is_what_the_recipe_does(name: str) -> None:
    """Every hyperparameter that a project names, one by one."""
    recipe = RECIPES[name]
    for field, value in STATED[name].items():
        if field.startswith("stages."):
            stage = recipe.stages[int(field.removeprefix("stages."))]
            assert {key: getattr(stage, key) for key in value} == value
        else:
            assert getattr(recipe, field) == value, field


def test_the_registry_has_every_recipe_of_the_projects() -> None:
    """Nine of theirs, and ours beside them."""
    assert {recipe.name for recipe in SEEDS} == set(STATED)
    assert {"linear", "finetune", "arcface"} <= set(RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_says_what_it_is(name: str) -> None:
    """A sentence, a source, a backbone of the registry; a project's own figure or notes."""
    recipe = RECIPES[name]

    assert recipe.name == name
    assert recipe.about.endswith(".")
    assert recipe.source
    assert recipe.backbone in BACKBONES
    if recipe in SEEDS:
        assert recipe.source.startswith("S")
        assert any(figure in recipe.source for figure in ("%", "."))


def test_vgg19s_head_is_as_wide_as_the_project_says() -> None:
    """49 cells of 512 features make 25,088; its three layers have 107 million weights."""
    torch = pytest.importorskip("torch")
    from waymark.models.build import build, count_parameters

    with torch.device("meta"):
        model = build(RECIPES["sssingh-vgg19"].design, {"landmark": 50})

    assert model.neck.hidden[0].in_features == 25_088
    dense = (25_088 + 1) * 4096 + (4096 + 1) * 1024 + (1024 + 1) * 50
    assert count_parameters(model.neck) + count_parameters(model.heads) == dense
