"""Recipes: their checks, their TOML form, and the registry."""

from pathlib import Path

import pytest

from waymark.errors import ConfigError, UnknownName
from waymark.models.backbones import BACKBONES
from waymark.training.recipe import Recipe, Stage, parse_setting, read_recipe
from waymark.training.recipes import RECIPES, find_recipe


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_every_recipe_survives_its_toml_form(recipe: Recipe, tmp_path: Path) -> None:
    """Reading what was written gives the same recipe."""
    (tmp_path / "r.toml").write_text(recipe.to_toml(), encoding="utf-8")

    assert read_recipe(tmp_path / "r.toml") == recipe


def test_any_text_survives_its_toml_form(tmp_path: Path) -> None:
    """Or a run whose recipe says something on two lines could not be resumed."""
    recipe = Recipe(about='two\nlines, "quotes", a \\ and \x7f\t é')
    (tmp_path / "r.toml").write_text(recipe.to_toml(), encoding="utf-8")

    assert read_recipe(tmp_path / "r.toml") == recipe


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_every_recipe_is_filled_in(recipe: Recipe) -> None:
    """A named recipe says what it is, where it is from, and names a backbone that exists."""
    assert recipe.about.endswith(".")
    assert recipe.source
    assert recipe.backbone in BACKBONES
    assert RECIPES[recipe.name] is recipe


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seed=3", ("seed", 3)),
        ("ema=0.99", ("ema", 0.99)),
        ("augment=strong", ("augment", "strong")),
        ("compile=true", ("compile", True)),
        ("stages.1.lr=1e-4", ("stages.1.lr", 1e-4)),
    ],
)
def test_settings_are_read_as_toml_or_text(text: str, expected: tuple[str, object]) -> None:
    """`--set` takes numbers, booleans and bare words."""
    assert parse_setting(text) == expected


def test_a_setting_reaches_into_a_stage() -> None:
    """`stages.1.lr` changes the second stage only."""
    changed = find_recipe("finetune").with_settings({"stages.1.lr": 0.5})

    assert changed.stages[1].lr == 0.5
    assert changed.stages[0] == find_recipe("finetune").stages[0]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"augmnt": "strong"}, "did you mean 'augment'"),
        ({"augment": "stong"}, "Did you mean 'strong'"),
        ({"batch": 0}, "between 1 and"),
        ({"batch": "many"}, "must be a int"),
        ({"size": 100}, "multiple of 32"),
        ({"size": 0}, "multiple of 32"),
        ({"ema": 1.0}, "between 0.0 and"),
        ({"stages.7.lr": 1.0}, "stages 0 to 1"),
        ({"stages": 2}, "stages.0.lr"),
        ({"name": "../up"}, "without slashes"),
        ({"stages.0.optimiser": "adamx"}, "Did you mean 'adam"),
        ({"stages.0.epoch": 3}, "did you mean 'epochs'"),
        ({"stages.0.warmup": 9.0}, "between 0.0 and"),
    ],
)
def test_impossible_settings_name_the_field_and_the_fix(
    settings: dict[str, object], says: str
) -> None:
    """Each mistake is named, with what is allowed or the nearest match."""
    with pytest.raises(ConfigError, match=says):
        find_recipe("finetune").with_settings(settings)


@pytest.mark.parametrize(
    "text", ["batch = ", "stages = 3", 'stages = ["a"]', "[[stages]]\nepochs = 0", "\x00"]
)
def test_damaged_recipe_files_are_config_errors(text: str, tmp_path: Path) -> None:
    """No recipe file raises anything else."""
    (tmp_path / "r.toml").write_text(text, encoding="utf-8")

    with pytest.raises(ConfigError):
        read_recipe(tmp_path / "r.toml")


def test_a_missing_recipe_file_says_how_to_get_one(tmp_path: Path) -> None:
    """The message names the command that prints a recipe."""
    with pytest.raises(ConfigError, match="waymark recipes"):
        read_recipe(tmp_path / "none.toml")


def test_a_mistyped_recipe_name_gets_the_nearest() -> None:
    """`finetun` is close to `finetune`."""
    with pytest.raises(UnknownName, match="'finetune'"):
        find_recipe("finetun")


def test_a_setting_without_a_value_is_refused() -> None:
    """`--set seed` is not key=value."""
    with pytest.raises(ConfigError, match="key=value"):
        parse_setting("seed")


def test_epochs_are_those_of_all_stages() -> None:
    """Two stages of two and three epochs make five."""
    assert Recipe(stages=(Stage(epochs=2), Stage(epochs=3))).epochs == 5
