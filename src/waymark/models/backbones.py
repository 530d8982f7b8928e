"""The feature networks that a recipe can name, and the facts of each.

Weights come from timm's hub, from a file (`--weights`), or from the world bundle.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from waymark.errors import UnknownName
from waymark.preprocess import IMAGENET_MEAN, IMAGENET_STD


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """One network that turns a photo into features.

    Attributes:
        name: timm's name.
        num_features: width of the pooled features, D.
        parameters: number of weights without a classifier.
        blocks: dotted names of the parts in order from input to output; learning rates
            fall from the last to the first where a recipe asks for it.
        mean: of the input the weights were trained with, 0-1.
        std: likewise.
        licence: of the pretrained weights.
        source: where network and weights are described.
    """

    name: str
    num_features: int
    parameters: int
    blocks: tuple[str, ...]
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    licence: str
    source: str


def _mobile(count: int) -> tuple[str, ...]:
    """Return the parts of timm's EfficientNet family with `count` stages."""
    return ("conv_stem,bn1", *(f"blocks.{i}" for i in range(count)), "conv_head,bn2")


_RESNET = ("conv1,bn1", "layer1", "layer2", "layer3", "layer4")

BACKBONES: dict[str, Backbone] = {
    b.name: b
    for b in (
        Backbone(
            name="tf_efficientnetv2_b0",
            num_features=1280,
            parameters=5_858_704,
            blocks=_mobile(6),
            licence="Apache-2.0",
            source="Tan & Le 2021, https://arxiv.org/abs/2104.00298",
        ),
        Backbone(
            name="mobilenetv2_100",
            num_features=1280,
            parameters=2_223_872,
            blocks=_mobile(7),
            licence="Apache-2.0",
            source="Sandler et al. 2018, https://arxiv.org/abs/1801.04381",
        ),
        Backbone(
            name="tf_efficientnet_b0",
            num_features=1280,
            parameters=4_007_548,
            blocks=_mobile(7),
            licence="Apache-2.0",
            source="Tan & Le 2019, https://arxiv.org/abs/1905.11946",
        ),
        Backbone(
            name="resnet18",
            num_features=512,
            parameters=11_176_512,
            blocks=_RESNET,
            licence="Apache-2.0",
            source="He et al. 2015, https://arxiv.org/abs/1512.03385",
        ),
        Backbone(
            name="resnet50",
            num_features=2048,
            parameters=23_508_032,
            blocks=_RESNET,
            licence="Apache-2.0",
            source="He et al. 2015, https://arxiv.org/abs/1512.03385",
        ),
    )
}


def find_backbone(name: str) -> Backbone:
    """Return the backbone of that name.

    Raises:
        UnknownName: with the nearest match.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    near = get_close_matches(name, BACKBONES, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise UnknownName(f"no backbone named {name!r}; {hint}`waymark backbones` lists all.")
