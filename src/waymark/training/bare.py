"""A bundle of a network that knows no landmark, for a head to be put on its embedding.

So the fast path can be had with any backbone and its pretrained weights, and what the
world model's embedding is worth can be measured against what it started from.
"""

from __future__ import annotations

from pathlib import Path

from waymark.bundle.format import Bundle
from waymark.bundle.manifest import Manifest, Task
from waymark.gazetteer import Landmark
from waymark.models.design import Design
from waymark.preprocess import Preprocess
from waymark.training.assemble import no_rule
from waymark.training.deep import missing, notice_of
from waymark.training.recipe import Recipe


def bare_bundle(recipe: Recipe, weights: Path) -> Bundle:
    """Return a bundle of a network that knows no landmark: an embedding for the fast path.

    Raises:
        MissingExtra: if torch is not installed.
        ConfigError: if the weights cannot be read, or do not fit the recipe's backbone.
    """
    from waymark.models.backbones import find_backbone

    try:
        from waymark.bundle.export import backbone_bytes, export_onnx
        from waymark.bundle.quantise import shrink
        from waymark.models.build import build, read_weights
    except ImportError as error:
        raise missing(str(error)) from error
    spec = find_backbone(recipe.backbone)
    network = build(
        Design(backbone=recipe.backbone, size=recipe.size),
        {"landmark": 1},
        weights=read_weights(weights),
        partial=recipe.partial,
        seed=recipe.seed,
    )
    return Bundle(
        manifest=Manifest(
            tasks=(Task(name="landmark", classes=(Landmark(id="none", name="none"),)),),
            preprocess=Preprocess(size=recipe.size, fit=recipe.fit, mean=spec.mean, std=spec.std),
            temperature=1.0,
            unknown=no_rule(),
            backbone={
                "timm_name": recipe.backbone,
                "num_features": network.num_features,
                "input_size": recipe.size,
            },
            provenance={"start": weights.name},
        ),
        model=shrink(export_onnx(network, size=recipe.size)),
        statistics={},
        backbone=backbone_bytes(network),
        notice=notice_of(recipe, weights),
    )
