"""What `seeds.py` trains: each recipe of the five projects and ours, and what a budget cuts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

WORLD_WEIGHTS = "tf_efficientnetv2_b0.safetensors"
STRATEGIES = (
    "landmark-first",
    "parallel",
    "category-first",
    "category-as-feature",
    "landmark-as-feature",
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One training.

    Attributes:
        recipe: its name.
        variant: what sets it apart from other rows of the recipe; "" for none.
        start: words for the table.
        weights: file of ../shared/weights that it starts from; "" for none.
        settings: `--set` on either budget.
        cut: `--set` on the CPU budget, besides.
        theirs: the figure that the project published, on its own photos.
        own: whether this is the recipe with its own settings, which `waymark recipes` shows.
    """

    recipe: str
    variant: str = ""
    start: str = "random"
    weights: str = ""
    settings: dict[str, object] = field(default_factory=dict)
    cut: dict[str, object] = field(default_factory=dict)
    theirs: str = ""
    own: bool = True

    @property
    def name(self) -> str:
        """A name for the row's folder, unique in a table."""
        words = (self.recipe, self.variant, self.start)
        return "-".join(word.replace(" ", "-") for word in words if word)


def rows(table: str) -> Iterator[Row]:
    """Yield the rows of the table `world` or `provence`."""
    yield from _istanbul()
    yield from _udacity()
    yield from _sssingh()
    yield from _korea()
    yield from _usc()
    yield from _ours(table)


def _istanbul() -> Iterator[Row]:
    theirs = "94.1 % val (5 classes)"
    cut = {"size": 64, "stages.0.epochs": 10, "stages.1.epochs": 2}
    yield Row(
        recipe="istanbul-resnet50",
        start="ImageNet, partial",
        weights="resnet50.partial.safetensors",
        settings={"backbone": "resnet50_v1", "partial": True},
        cut=cut,
        theirs=theirs,
    )
    learns = {"start": "random", "stages.0.trains": "all"}
    cut = {"size": 64, "stages.0.epochs": 3, "stages.1.epochs": 1}
    yield Row(recipe="istanbul-resnet50", settings=learns, cut=cut, theirs=theirs, own=False)


def _udacity() -> Iterator[Row]:
    cut = {"size": 96, "stages.0.epochs": 6}
    yield Row(
        recipe="udacity-scratch-resnet",
        cut={"size": 96, "stages.0.epochs": 8},
        theirs="56 % test (50 classes)",
    )
    theirs = "82 % test (50 classes)"
    yield Row(
        recipe="udacity-resnet18",
        start="ImageNet, partial",
        weights="resnet18.partial.safetensors",
        settings={"partial": True},
        cut=cut,
        theirs=theirs,
    )
    yield Row(
        recipe="udacity-resnet18", settings={"start": "random"}, cut=cut, theirs=theirs, own=False
    )


def _sssingh() -> Iterator[Row]:
    theirs = "38 % test (50 classes)"
    for init in ("default", "normal"):
        yield Row(
            recipe="sssingh-scratch-cnn",
            variant=f"{init} init",
            settings={"init": init},
            cut={"size": 96},
            theirs=theirs,
            own=init == "default",
        )
    theirs = "63 % test (50 classes)"
    yield Row(
        recipe="sssingh-vgg19",
        start="ImageNet, partial",
        weights="vgg19.partial.safetensors",
        settings={"partial": True},
        cut={"size": 64, "stages.0.epochs": 3},
        theirs=theirs,
    )
    yield Row(
        recipe="sssingh-vgg19",
        settings={"start": "random", "stages.0.trains": "all"},
        cut={"size": 64, "stages.0.epochs": 1},
        theirs=theirs,
        own=False,
    )


def _korea() -> Iterator[Row]:
    yield Row(
        recipe="korea-sequential",
        cut={"size": 96, "stages.0.epochs": 25, "copies": 1, "accumulate": 1},
        theirs="85.5 % (17 classes)",
    )
    yield Row(
        recipe="korea-vgg",
        cut={"size": 64, "stages.0.epochs": 4, "copies": 1},
        theirs="44.4 % (17 classes)",
    )


def _usc() -> Iterator[Row]:
    theirs = {
        "parallel": "F1 .81 / .97",
        "category-first": "F1 .48 / .98",
        "landmark-first": "F1 .97 / 1.00",
        "category-as-feature": "F1 .46 / .98",
        "landmark-as-feature": "F1 .79 / .98",
    }
    cut = {"size": 96, "stages.0.epochs": 12, "stages.1.epochs": 6}
    for strategy in STRATEGIES:
        yield Row(
            recipe="usc-efficientnet-b0",
            variant=strategy,
            start="ImageNet, partial",
            weights="tf_efficientnet_b0.partial.safetensors",
            settings={"task": strategy, "partial": True},
            cut=cut,
            theirs=theirs[strategy],
            own=strategy == "landmark-first",
        )
    learns = {"start": "random", "stages.0.trains": "all"}
    yield Row(
        recipe="usc-efficientnet-b0",
        variant="landmark-first",
        settings=learns,
        cut={"size": 96, "stages.0.epochs": 6, "stages.1.epochs": 2, "copies": 1},
        theirs=theirs["landmark-first"],
        own=False,
    )
    yield Row(
        recipe="usc-vgg16",
        variant="landmark-first",
        settings=learns,
        cut={"size": 64, "stages.0.epochs": 1, "stages.1.epochs": 1, "copies": 1},
    )


def _ours(table: str) -> Iterator[Row]:
    if table == "world":
        start, weights, settings = "ImageNet", WORLD_WEIGHTS, {}
    else:
        start, weights, settings = "world bundle", "", {"start": "world"}
    yield Row(recipe="linear", start=start, weights=weights)
    for recipe in ("arcface", "finetune"):
        yield Row(
            recipe=recipe,
            start=start,
            weights=weights,
            settings=settings,
            cut={"size": 96},
        )
