"""A frozen backbone with random layers gives features that a head can learn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402

from waymark.dataset.loader import Batch, Source, plain_loader  # noqa: E402
from waymark.models.build import Classifier, build  # noqa: E402
from waymark.models.design import Design  # noqa: E402
from waymark.preprocess import Preprocess  # noqa: E402
from waymark.training.loop_norms import settle, unsettled  # noqa: E402
from waymark.training.recipe import Recipe, Stage  # noqa: E402
from waymark.training.tasks import phases  # noqa: E402


@pytest.fixture
def batches(tmp_path: Path) -> DataLoader[Batch]:
    """Sixteen photos of noise."""
    rng = np.random.default_rng(0)
    for number in range(16):
        pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    source = Source(paths=tuple(sorted(tmp_path.iterdir())), labels=(0, 1) * 8)
    return plain_loader(source, Preprocess(size=32), batch=16, workers=0)


def prepared(photos: Tensor) -> Tensor:
    return photos.float() / 128 - 1


def cut_weights(design: Design, lacking: str, *, times: float) -> dict[str, Tensor]:
    """Return the weights of a network, many times too large, without those of some layers."""
    whole = build(design, {"landmark": 2}, seed=0).backbone.state_dict()
    return {
        name: value * times if value.is_floating_point() else value
        for name, value in whole.items()
        if not name.startswith(lacking)
    }


def features(model: Classifier, batches: DataLoader[Batch]) -> Tensor:
    with torch.no_grad():
        return model.eval().features(prepared(next(iter(batches)).photos))


@pytest.mark.parametrize(
    ("backbone", "lacking", "times"),
    [("vgg19", "features.3", 3.0), ("resnet18", "layer4.0.conv", 1.0)],
)
def test_features_come_out_of_a_size_to_learn_from(
    backbone: str, lacking: str, times: float, batches: DataLoader[Batch]
) -> None:
    """Of a deviation near one, with norms and without; trained weights stay as they are."""
    design = Design(backbone=backbone, size=32)
    weights = cut_weights(design, lacking, times=times)
    model = build(design, {"landmark": 2}, weights=weights, partial=True, seed=1)
    kept = {name: model.backbone.state_dict()[name].clone() for name in weights}
    settle(model, batches, prepared)

    assert 0.05 < features(model, batches).std() < 5
    now = model.backbone.state_dict()
    moved = [name for name, value in kept.items() if not now[name].equal(value)]
    assert not [name for name in moved if "running" not in name and "tracked" not in name]


def test_a_whole_backbone_is_left_alone() -> None:
    """Only where a first stage freezes what was not trained whole."""
    head, everything = (Stage(trains="head"),), (Stage(trains="all"),)

    def asked(recipe: Recipe) -> bool:
        return unsettled(recipe, phases(recipe)[0])

    assert not asked(Recipe(stages=head))
    assert not asked(Recipe(stages=everything, start="random"))
    assert asked(Recipe(stages=head, start="random"))
    assert asked(Recipe(stages=head, partial=True))


def test_a_network_without_either_is_left_alone(batches: DataLoader[Batch]) -> None:
    """No norms, and weights that are all there: nothing is changed."""
    model = build(Design(backbone="sequential", size=32), {"landmark": 2}, seed=0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    settle(model, batches, prepared)

    assert not [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())
