"""The registry of backbones is true."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

import timm  # noqa: E402

from waymark.errors import UnknownName  # noqa: E402
from waymark.models.backbones import BACKBONES, Backbone, find_backbone  # noqa: E402
from waymark.models.build import Classifier, blocks, count_parameters  # noqa: E402

every_backbone = pytest.mark.parametrize("spec", BACKBONES.values(), ids=lambda spec: spec.name)


def without_weights(spec: Backbone) -> Classifier:
    """Return the network on torch's meta device: shapes only, built in no time."""
    with torch.device("meta"):
        return Classifier(spec, {"landmark": 2}, dropout=0.0, drop_path=0.0)


@every_backbone
def test_parameters_and_features_are_those_of_the_network(spec: Backbone) -> None:
    """The network is asked, not the documentation."""
    model = without_weights(spec).eval()
    shapes = model(torch.zeros(2, 3, 64, 96, device="meta"))

    assert count_parameters(model.backbone) == spec.parameters
    assert shapes.feature_map.shape == (2, spec.num_features, 2, 3)
    assert shapes.embedding.shape == (2, spec.num_features)


@every_backbone
def test_blocks_cover_every_parameter_once(spec: Backbone) -> None:
    """No weight is left without a learning rate, and none has two."""
    model = without_weights(spec)
    in_blocks = [id(p) for part in blocks(model) for module in part for p in module.parameters()]

    assert sorted(in_blocks) == sorted(id(p) for p in model.backbone.parameters())


@every_backbone
def test_facts_agree_with_timm(spec: Backbone) -> None:
    """Mean, deviation and licence are those of timm's default weights."""
    facts = timm.get_pretrained_cfg(spec.name)

    assert facts is not None
    assert (facts.mean, facts.std) == (spec.mean, spec.std)
    assert facts.license is None or facts.license.lower() == spec.licence.lower()


@every_backbone
def test_every_field_is_filled_in(spec: Backbone) -> None:
    """A record is found by its own name and says where it is described."""
    assert find_backbone(spec.name) is spec
    assert "https://" in spec.source


def test_a_mistyped_name_gets_the_nearest() -> None:
    """With the command that lists them."""
    with pytest.raises(UnknownName, match=r"'resnet50'.*waymark backbones"):
        find_backbone("resnet-50")
