"""Every recipe, by name, from rendered photos to a bundle that loads and evaluates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")

from waymark import samples
from waymark.dataset.index import Dataset, read_dataset
from waymark.evaluation.evaluate import evaluate
from waymark.recognise.recogniser import Recogniser
from waymark.training.recipe import Recipe, read_recipe
from waymark.training.recipes import RECIPES
from waymark.training.run import train

DEEP = [name for name, recipe in RECIPES.items() if recipe.kind == "deep"]
STRATEGIES = ("parallel", "category-first", "category-as-feature", "landmark-as-feature")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Four landmarks of two categories, six photos each."""
    root = tmp_path_factory.mktemp("photos")
    for number, name in enumerate(samples.SAMPLES[:4]):
        kind = root / ("tall" if number % 2 else "wide")
        samples.write_samples(kind, per_landmark=6, size=(64, 48), names=[name])
    return read_dataset(root, levels="category,landmark")


def short(recipe: Recipe) -> Recipe:
    """Return the recipe with one epoch a stage, on small photos, from no weights.

    The dense layers of VGG19's head, a hundred million weights, are narrower; nothing else
    of any network is changed.
    """
    stages = tuple(replace(stage, epochs=1, warmup=0.0, size=0) for stage in recipe.stages)
    return replace(
        recipe,
        stages=stages,
        start="random",
        size=32,
        predict_size=0,
        fast_size=0,
        distil_size=32,
        hidden=tuple(min(width, 256) for width in recipe.hidden),
        copies=min(recipe.copies, 5),
        batch=8,
        val=0.3,
        workers=0,
    )


@pytest.mark.parametrize("name", DEEP)
def test_a_recipe_ends_in_a_bundle(name: str, dataset: Dataset, tmp_path: Path) -> None:
    """One epoch, and the bundle names the landmarks, and the categories where it learnt them."""
    recipe = short(RECIPES[name])
    run = train(dataset, recipe, out=tmp_path / "run")
    said = evaluate(Recogniser.from_bundle(run.folder), dataset).to_dict()

    assert said["n"] == 24
    assert 0 <= said["top1"] <= 1
    assert (said["category"] is not None) == (recipe.task != "landmark")
    assert run.metrics["training"]["epochs"] == recipe.epochs
    assert read_recipe(run.folder / "recipe.toml") == recipe


@pytest.mark.parametrize("frozen", [True, False])
def test_a_training_in_bfloat16_ends_in_a_bundle(
    dataset: Dataset, tmp_path: Path, *, frozen: bool
) -> None:
    """What the training computes in is not what the bundle computes in."""
    recipe = short(RECIPES["finetune"].with_settings({"precision": "bfloat16"}))
    if frozen:
        recipe = replace(recipe, stages=recipe.stages[:1])
    run = train(dataset, recipe, out=tmp_path / "run")

    assert evaluate(Recogniser.from_bundle(run.folder), dataset).to_dict()["n"] == 24


@pytest.mark.parametrize("task", STRATEGIES)
def test_each_strategy_ends_in_a_bundle_of_two_tasks(
    task: str, dataset: Dataset, tmp_path: Path
) -> None:
    """The other four orders of the two tasks: both are predicted and both are measured."""
    recipe = short(RECIPES["usc-efficientnet-b0"].with_settings({"task": task}))
    run = train(dataset, recipe, out=tmp_path / "run")
    recogniser = Recogniser.from_bundle(run.folder)
    said = evaluate(recogniser, dataset).to_dict()
    prediction = recogniser.predict(dataset.photos[0].path)

    assert {row["n"] for row in said["category"]["per_class"].values()} == {12}
    assert prediction.category_predictions is not None
    assert {guess.category for guess in prediction.category_predictions} == {"tall", "wide"}


def test_a_bundle_says_what_its_logits_are_of(dataset: Dataset, tmp_path: Path) -> None:
    """Where the landmark's head sees the category, weight . embedding + bias is still its logit."""
    recipe = short(RECIPES["usc-efficientnet-b0"].with_settings({"task": "category-as-feature"}))
    bundle = train(dataset, recipe, out=tmp_path / "run").bundle
    [seen] = Recogniser(bundle).classify([dataset.photos[0].path])
    weight, bias = bundle.statistics["head_weight"], bundle.statistics["head_bias"]

    assert seen.logits == pytest.approx(weight @ seen.embedding + bias, abs=1e-4)


def test_the_fast_path_takes_a_backbone_s_weights(dataset: Dataset, tmp_path: Path) -> None:
    """With --weights the embedding is that network's own, not the world bundle's."""
    from safetensors.torch import save_file

    from waymark.models.build import build
    from waymark.models.design import Design

    network = build(Design(backbone="mobilenetv2_100"), {"landmark": 1}, seed=0)
    save_file(network.backbone.state_dict(), tmp_path / "net.safetensors")
    recipe = RECIPES["linear"].with_settings({"backbone": "mobilenetv2_100", "size": 64})
    run = train(
        dataset, recipe, out=tmp_path / "run", weights=tmp_path / "net.safetensors", slim=True
    )

    assert run.metrics["training"]["labels_seen_before"] is None  # a file does not say
    assert run.metrics["training"]["start"] == "net.safetensors"
    assert run.bundle.manifest.backbone["timm_name"] == "mobilenetv2_100"
    assert evaluate(Recogniser(run.bundle), dataset).figures["n"] == 24
