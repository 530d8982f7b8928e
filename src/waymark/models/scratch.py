"""The networks of the seed projects that no library has: four small stacks of blocks.

In:  (N, 3, H, W) float, normalised.
Out: a feature map (N, F, h, w); what comes after it is `heads.Neck`.

Each network is a function that lists its blocks from input to output.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from waymark.errors import ConfigError
from waymark.models.design import Design
from waymark.models.heads import LEAK, activation


class Stack(nn.Module):
    """Blocks one after the other; `num_features` is the width of the last one's output."""

    def __init__(self, blocks: Sequence[nn.Module], num_features: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)
        self.num_features = num_features

    def forward(self, photos: Tensor) -> Tensor:
        """Return the feature map."""
        feature_map: Tensor = self.blocks(photos)
        return feature_map

    def forward_features(self, photos: Tensor) -> Tensor:
        """Return the feature map; the name that timm's networks have for it."""
        return self.forward(photos)


class Residual(nn.Module):
    """Two convolutions beside a short cut, added up.

    Source: He et al. 2015, figure 2 and option B, https://arxiv.org/abs/1512.03385
    """

    def __init__(self, inside: int, outside: int, *, stride: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            *_conv_norm(inside, outside, stride=stride),
            nn.ReLU(),
            *_conv_norm(outside, outside),
        )
        same = inside == outside and stride == 1
        self.short_cut: nn.Module = (
            nn.Identity()
            if same
            else nn.Sequential(*_conv_norm(inside, outside, kernel=1, stride=stride))
        )
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, outside, H / stride, W / stride)."""
        out: Tensor = self.activation(self.path(x) + self.short_cut(x))
        return out


def scratch_resnet(design: Design) -> Stack:
    """S1's network: convolutions with batch norm and ReLU, then residual blocks.

    The seed says no more than that; widths and depth are waymark's choice: 11 layers of
    convolution, 4.9 M weights, a feature map of a 32nd of the side.
    """
    del design  # there is nothing to choose
    stem = nn.Sequential(*_conv_norm(3, 32, stride=2), nn.ReLU())
    second = nn.Sequential(*_conv_norm(32, 64), nn.ReLU(), nn.MaxPool2d(2))
    blocks = [
        Residual(inside, outside, stride=stride)
        for inside, outside, stride in ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2))
    ]
    return Stack([stem, second, *blocks], 512)


def scratch_cnn5(design: Design) -> Stack:
    """S2's network: five convolutions, 16 to 256 filters, each normalised and halved in side."""
    del design
    widths = (3, 16, 32, 64, 128, 256)
    blocks = [
        nn.Sequential(*_conv_norm(inside, outside), nn.ReLU(), nn.MaxPool2d(2))
        for inside, outside in pairwise(widths)
    ]
    return Stack(blocks, widths[-1])


def sequential(design: Design) -> Stack:
    """S3's network: `depth` layers with weights, of which two are dense and not in here.

    Each convolution is followed by its activation, max-pooling and dropout. Widths are
    `filters`, twice that, and four times that from the third on.

    Raises:
        ConfigError: if pooling leaves nothing of the photo.
    """
    count = design.depth - 2
    if design.size // design.max_pool**count < 1:
        raise ConfigError(
            f"{count} times max_pool = {design.max_pool} leaves nothing of a photo of "
            f"{design.size} px. Lower depth or max_pool, or raise size."
        )
    widths = [3, *(design.filters * min(2**number, 4) for number in range(count))]
    blocks = []
    for number, (inside, outside) in enumerate(pairwise(widths)):
        name = design.activation if number else design.first_activation
        layers = [
            *_same_side(inside, outside, design.kernel),
            activation(name),
            nn.MaxPool2d(design.max_pool),
            nn.Dropout(design.conv_dropout),
        ]
        blocks.append(nn.Sequential(*layers))
    return _started(Stack(blocks, widths[-1]))


def vgg_like(design: Design) -> Stack:
    """S3's 13-layer network: VGG13's ten convolutions; the three dense layers come after.

    Source: Simonyan & Zisserman 2014, table 1, column B, https://arxiv.org/abs/1409.1556
    """
    blocks: list[nn.Module] = []
    inside = 3
    for outside in (64, 128, 256, 512, 512):
        first = design.activation if blocks else design.first_activation
        layers = [
            nn.Conv2d(inside, outside, 3, padding=1),
            activation(first),
            nn.Conv2d(outside, outside, 3, padding=1),
            activation(design.activation),
            nn.MaxPool2d(2),
            nn.Dropout(design.conv_dropout),
        ]
        blocks.append(nn.Sequential(*layers))
        inside = outside
    return _started(Stack(blocks, inside))


NETWORKS = {
    "scratch_resnet": scratch_resnet,
    "scratch_cnn5": scratch_cnn5,
    "sequential": sequential,
    "vgg_like": vgg_like,
}


def start_normal(module: nn.Module) -> None:
    """Draw the weights of all convolutions and dense layers from N(0, 1/sqrt(inputs)).

    `inputs` is how many values each output is a sum of; biases start at zero.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            inputs = layer.weight[0].numel()
            nn.init.normal_(layer.weight, std=1.0 / math.sqrt(inputs))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _conv_norm(inside: int, outside: int, *, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(inside, outside, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outside),
    ]


def _same_side(inside: int, outside: int, kernel: int) -> list[nn.Module]:
    """Return a convolution whose output is as large as its input, for any kernel."""
    before, after = (kernel - 1) // 2, kernel // 2
    if before == after:
        return [nn.Conv2d(inside, outside, kernel, padding=before)]
    pad = nn.ZeroPad2d((before, after, before, after))
    return [pad, nn.Conv2d(inside, outside, kernel)]


def _started(stack: Stack) -> Stack:
    """Give convolutions that no batch norm follows weights through which a signal passes.

    torch's own default shrinks it by 2.4 times a layer, to nothing after ten.

    Source: He et al. 2015, section 2.2, https://arxiv.org/abs/1502.01852
    """
    for layer in stack.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, a=LEAK, nonlinearity="leaky_relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return stack
