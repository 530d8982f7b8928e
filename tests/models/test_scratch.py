"""The seeds' own networks have the layers, widths and weights that they are said to have."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from waymark.errors import ConfigError  # noqa: E402
from waymark.models.backbones import BACKBONES  # noqa: E402
from waymark.models.build import Classifier, blocks, build, count_parameters  # noqa: E402
from waymark.models.design import Design  # noqa: E402
from waymark.models.scratch import NETWORKS, scratch_resnet, sequential  # noqa: E402

CLASSES = 17


def without_weights(design: Design) -> Classifier:
    with torch.device("meta"):
        return build(design, {"landmark": CLASSES}).eval()


def weighted(model: nn.Module) -> list[nn.Module]:
    return [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]


def kinds(model: nn.Module, *wanted: type[nn.Module]) -> list[nn.Module]:
    return [layer for layer in model.modules() if isinstance(layer, wanted)]


def test_the_registry_has_all_of_them() -> None:
    """Each network is a backbone of waymark's own, and the other way round."""
    own = {name for name, spec in BACKBONES.items() if spec.library == "waymark"}

    assert own == set(NETWORKS)


def test_s1_is_convolutions_then_residual_blocks_and_cheap() -> None:
    """At 96 px it takes less than 0.35 billion multiplications a photo."""
    stack = scratch_resnet(Design(size=96)).eval()
    total = 0

    def count(layer: nn.Module, _given: object, out: Any) -> None:
        nonlocal total
        total += out.numel() * layer.weight[0].numel()  # type: ignore[index, operator]

    for layer in weighted(stack):
        layer.register_forward_hook(count)
    with torch.no_grad():
        feature_map = stack(torch.zeros(1, 3, 96, 96))

    assert feature_map.shape == (1, 512, 3, 3)
    assert total < 0.35e9
    assert 2e6 < count_parameters(stack) < 8e6


def test_s2_has_five_convolutions_a_dense_layer_and_norms_after_all_but_the_last() -> None:
    """16 filters doubling to 256, 1,024 units, and parameters as counted by hand."""
    model = without_weights(
        Design(backbone="scratch_cnn5", size=128, pool="flatten", hidden=(1024,), hidden_norm=True)
    )
    layers = weighted(model)
    widths = [3, 16, 32, 64, 128, 256]
    convolutions = sum(9 * a * b + 2 * b for a, b in pairwise(widths))

    assert [layer.weight.shape[0] for layer in layers] == [*widths[1:], 1024, CLASSES]  # type: ignore[index, union-attr]
    assert len(kinds(model, nn.BatchNorm2d, nn.BatchNorm1d)) == len(layers) - 1
    assert len(kinds(model, nn.MaxPool2d)) == 5
    dense = 256 * 4 * 4 * 1024 + 2 * 1024
    assert count_parameters(model) == convolutions + dense + 1024 * CLASSES + CLASSES


@pytest.mark.parametrize(("depth", "widths"), [(5, (32, 64, 128)), (7, (32, 64, 128, 128, 128))])
def test_s3_has_as_many_layers_with_weights_as_its_depth(
    depth: int, widths: tuple[int, ...]
) -> None:
    """Convolutions, each pooled and dropped from, one dense layer of 128, and the output."""
    design = Design(backbone="sequential", size=64, depth=depth, pool="flatten", hidden=(128,))
    model = without_weights(design)
    layers = weighted(model)
    side = 64 // 2 ** (depth - 2)
    inputs = [3, *widths]
    wanted = sum(9 * a * b + b for a, b in zip(inputs, widths, strict=False))
    wanted += widths[-1] * side * side * 128 + 128 + 128 * CLASSES + CLASSES

    assert len(layers) == depth
    assert [layer.weight.shape[0] for layer in layers] == [*widths, 128, CLASSES]  # type: ignore[index, union-attr]
    assert len(kinds(model.backbone, nn.MaxPool2d)) == depth - 2
    assert count_parameters(model) == wanted
    assert len(list(blocks(model))) == depth - 2


def test_s3s_activations_are_the_first_and_the_rest() -> None:
    """The neck's too; kernel, pooling and dropout are the design's."""
    design = Design(
        backbone="sequential",
        size=64,
        depth=5,
        hidden=(8,),
        first_activation="leaky-relu",
        activation="elu",
        kernel=5,
        max_pool=3,
        conv_dropout=0.4,
        filters=8,
    )
    model = without_weights(design)
    activations = kinds(model, nn.ReLU, nn.LeakyReLU, nn.ELU)

    assert [type(layer) for layer in activations] == [nn.LeakyReLU, nn.ELU, nn.ELU, nn.ELU]
    assert [layer.kernel_size for layer in kinds(model, nn.Conv2d)] == [(5, 5)] * 3
    assert [layer.kernel_size for layer in kinds(model, nn.MaxPool2d)] == [3] * 3
    assert [layer.p for layer in kinds(model.backbone, nn.Dropout)] == [0.4] * 3
    assert model.num_features == 8
    assert model(torch.empty(2, 3, 64, 64, device="meta")).feature_map.shape == (2, 32, 2, 2)


@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
def test_a_convolution_of_any_kernel_keeps_the_side(kernel: int) -> None:
    """Even kernels too."""
    stack = sequential(Design(size=32, depth=3, kernel=kernel, max_pool=1))

    assert stack(torch.zeros(1, 3, 32, 32)).shape == (1, 32, 32, 32)


def test_pooling_to_nothing_is_a_config_error() -> None:
    """The message names what to change."""
    with pytest.raises(ConfigError, match=r"64 px\. Lower depth or max_pool, or raise size"):
        sequential(Design(size=64, depth=7, max_pool=3))


def test_vgg_like_has_thirteen_layers_with_weights_and_no_norm() -> None:
    """Its ten convolutions are those of torchvision's VGG13; dropout follows each pooling."""
    from torchvision.models import vgg13

    design = Design(backbone="vgg_like", size=64, pool="flatten", hidden=(1024, 1024))
    model = without_weights(design)
    with torch.device("meta"):
        theirs = [layer.weight.shape for layer in weighted(vgg13().features)]

    assert [layer.weight.shape for layer in kinds(model.backbone, nn.Conv2d)] == theirs
    assert len(weighted(model)) == 13
    assert not kinds(model, nn.BatchNorm2d, nn.BatchNorm1d)
    assert len(kinds(model.backbone, nn.Dropout)) == len(kinds(model, nn.MaxPool2d)) == 5


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_the_normal_start_has_the_deviation_it_says(name: str) -> None:
    """Every layer's weights, heads and neck too: mean 0, deviation 1/sqrt(inputs)."""
    design = Design(backbone=name, size=64, hidden=(64,), init="normal")
    model = build(design, {"landmark": CLASSES}, seed=0)

    for layer in weighted(model):
        weight = layer.weight.detach()  # type: ignore[operator, union-attr]
        wanted = 1 / math.sqrt(weight[0].numel())
        sloppy = 5 / math.sqrt(weight.numel())  # five deviations of what is measured
        assert abs(float(weight.mean())) < sloppy * wanted
        assert float(weight.std()) == pytest.approx(wanted, rel=sloppy)
        assert layer.bias is None or not layer.bias.any()  # type: ignore[operator, union-attr]


@pytest.mark.parametrize("name", ["sequential", "vgg_like"])
def test_a_signal_passes_through_the_networks_without_norms(name: str) -> None:
    """In the default start, the feature map is neither lost nor blown up."""
    torch.manual_seed(0)
    stack = NETWORKS[name](Design(size=64)).eval()
    with torch.no_grad():
        feature_map = stack(torch.randn(2, 3, 64, 64))

    assert 0.1 < float(feature_map.std()) < 10


def test_the_two_starts_differ_and_a_seed_repeats_them() -> None:
    """The same seed gives the same weights; the other start gives others."""
    design = Design(backbone="scratch_cnn5", size=32)
    other = Design(backbone="scratch_cnn5", size=32, init="normal")
    first, again, third = (
        build(d, {"landmark": 2}, seed=3).backbone.state_dict()["blocks.0.0.weight"]
        for d in (design, design, other)
    )

    assert torch.equal(first, again)
    assert not torch.equal(first, third)
