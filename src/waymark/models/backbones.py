"""The feature networks that a recipe can name, and the facts of each.

Weights come from timm's hub, from a file (`--weights`), from the world bundle, or nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from waymark.errors import UnknownName
from waymark.preprocess import IMAGENET_MEAN, IMAGENET_STD


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """One network that turns a photo into features.

    Attributes:
        name: as recipes say it.
        library: whose code it is: timm's, or `models/scratch.py`.
        hub: timm's name of the weights that can be downloaded; empty where there are none.
        num_features: width of the feature map, F; of `sequential`, in its default design.
        parameters: number of weights without a neck and heads; of `sequential`, likewise.
        blocks: dotted names of the parts in order from input to output; learning rates
            fall from the last to the first where a recipe asks for it.
        mean: of the input the weights were trained with, 0-1.
        std: likewise.
        licence: of the pretrained weights; of the code where there are none.
        source: where network and weights are described.
    """

    name: str
    library: Literal["timm", "waymark"] = "timm"
    hub: str = ""
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


def _vgg(*groups: tuple[int, ...]) -> tuple[str, ...]:
    """Return VGG's convolutions between two poolings each, by their place among the layers."""
    return tuple(",".join(f"features.{i}" for i in group) for group in groups)


def _own(count: int) -> tuple[str, ...]:
    """Return the parts of a network of `models/scratch.py`."""
    return tuple(f"blocks.{i}" for i in range(count))


_RESNET = ("conv1,bn1", "layer1", "layer2", "layer3", "layer4")

BACKBONES: dict[str, Backbone] = {
    b.name: b
    for b in (
        Backbone(
            name="tf_efficientnetv2_b0",
            hub="tf_efficientnetv2_b0",
            num_features=1280,
            parameters=5_858_704,
            blocks=_mobile(6),
            licence="Apache-2.0",
            source="Tan & Le 2021, https://arxiv.org/abs/2104.00298",
        ),
        Backbone(
            name="mobilenetv2_100",
            hub="mobilenetv2_100",
            num_features=1280,
            parameters=2_223_872,
            blocks=_mobile(7),
            licence="Apache-2.0",
            source="Sandler et al. 2018, https://arxiv.org/abs/1801.04381",
        ),
        Backbone(
            name="tf_efficientnet_b0",
            hub="tf_efficientnet_b0",
            num_features=1280,
            parameters=4_007_548,
            blocks=_mobile(7),
            licence="Apache-2.0",
            source="Tan & Le 2019, https://arxiv.org/abs/1905.11946",
        ),
        Backbone(
            name="resnet18",
            hub="resnet18",
            num_features=512,
            parameters=11_176_512,
            blocks=_RESNET,
            licence="Apache-2.0",
            source="He et al. 2015, https://arxiv.org/abs/1512.03385",
        ),
        Backbone(
            name="resnet50",
            hub="resnet50",
            num_features=2048,
            parameters=23_508_032,
            blocks=_RESNET,
            licence="Apache-2.0",
            source="He et al. 2015, https://arxiv.org/abs/1512.03385",
        ),
        Backbone(
            name="resnet50_v1",  # Keras' form: layers 2 to 4 stride in their first convolution
            num_features=2048,
            parameters=23_508_032,
            blocks=_RESNET,
            licence="MIT",
            source="He et al. 2015, table 1, https://arxiv.org/abs/1512.03385",
        ),
        Backbone(
            name="vgg16",
            hub="vgg16",
            num_features=512,
            parameters=14_714_688,
            blocks=_vgg((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28)),
            licence="BSD-3-Clause",
            source="Simonyan & Zisserman 2014, https://arxiv.org/abs/1409.1556",
        ),
        Backbone(
            name="vgg19",
            hub="vgg19",
            num_features=512,
            parameters=20_024_384,
            blocks=_vgg((0, 2), (5, 7), (10, 12, 14, 16), (19, 21, 23, 25), (28, 30, 32, 34)),
            licence="BSD-3-Clause",
            source="Simonyan & Zisserman 2014, https://arxiv.org/abs/1409.1556",
        ),
        Backbone(
            name="scratch_resnet",
            library="waymark",
            num_features=512,
            parameters=4_915_744,
            blocks=_own(6),
            licence="MIT",
            source="S1, Landmark Image Classifier, after https://arxiv.org/abs/1512.03385",
        ),
        Backbone(
            name="scratch_cnn5",
            library="waymark",
            num_features=256,
            parameters=393_104,
            blocks=_own(5),
            licence="MIT",
            source="S2, Landmarks classification and tagging",
        ),
        Backbone(
            name="sequential",
            library="waymark",
            num_features=128,
            parameters=388_416,
            blocks=_own(5),
            licence="MIT",
            source="S3, Landmarks a country",
        ),
        Backbone(
            name="vgg_like",
            library="waymark",
            num_features=512,
            parameters=9_404_992,
            blocks=_own(5),
            licence="MIT",
            source="S3, Landmarks a country, after https://arxiv.org/abs/1409.1556",
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
