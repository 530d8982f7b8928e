"""How many weights a design has, counted by hand: a list of recipes needs no torch.

The tests count the built networks.
"""

from __future__ import annotations

from itertools import pairwise

from waymark.models.backbones import find_backbone
from waymark.models.design import Design

GRID = 49  # cells of the pooling of that name
HALVED = 32  # a feature map's side is a 32nd of the photo's


def count_weights(design: Design) -> int:
    """Return the number of weights of backbone and neck; heads depend on the landmarks.

    Raises:
        UnknownName: if there is no such backbone.
    """
    spec = find_backbone(design.backbone)
    weights, width, side = spec.parameters, spec.num_features, design.size // HALVED
    if design.backbone == "sequential":
        count = design.depth - 2
        widths = [3, *(design.filters * min(2**number, 4) for number in range(count))]
        weights = sum(a * b * design.kernel**2 + b for a, b in pairwise(widths))
        width, side = widths[-1], design.size // design.max_pool**count
    pooled = {"flatten": width * side**2, "grid": width * GRID}.get(design.pool, width)
    dense = [pooled, *design.hidden]
    # a bias, or batch norm's scale and shift in its place
    neck = sum(a * b + (2 if design.hidden_norm else 1) * b for a, b in pairwise(dense))
    return weights + neck + (design.pool == "gem")
