"""The registry of backbones is true."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

import timm  # noqa: E402

from waymark.errors import UnknownName  # noqa: E402
from waymark.models.backbones import BACKBONES, Backbone, find_backbone  # noqa: E402
from waymark.models.build import Classifier, blocks, count_parameters  # noqa: E402
from waymark.models.design import Design  # noqa: E402

every_backbone = pytest.mark.parametrize("spec", BACKBONES.values(), ids=lambda spec: spec.name)


def without_weights(spec: Backbone) -> Classifier:
    """Return the network on torch's meta device: shapes only, built in no time."""
    with torch.device("meta"):
        return Classifier(Design(backbone=spec.name), {"landmark": 2})


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


@pytest.mark.parametrize("spec", [b for b in BACKBONES.values() if b.hub], ids=lambda b: b.name)
def test_facts_agree_with_timm(spec: Backbone) -> None:
    """Mean, deviation and licence are those of timm's default weights."""
    facts = timm.get_pretrained_cfg(spec.hub)

    assert facts is not None
    assert (facts.mean, facts.std) == (spec.mean, spec.std)
    assert facts.license is None or facts.license.lower() == spec.licence.lower()
    assert spec.library == "timm"


@pytest.mark.parametrize("name", ["vgg16", "vgg19"])
def test_vggs_weights_have_the_names_and_shapes_of_torchvision(name: str) -> None:
    """So that a file made for one fits the other."""
    import torchvision

    with torch.device("meta"):
        theirs = getattr(torchvision.models, name)().features.state_dict()
    ours = without_weights(BACKBONES[name]).backbone.state_dict()

    assert {n: v.shape for n, v in ours.items()} == {
        f"features.{n}": v.shape for n, v in theirs.items()
    }


def test_resnet50_v1_strides_in_the_first_convolution_of_a_layer() -> None:
    """Keras' form: the same weights as `resnet50`, other strides."""
    old, new = (without_weights(BACKBONES[name]).backbone for name in ("resnet50_v1", "resnet50"))
    first = {name: layer.stride for name, layer in old.named_modules() if hasattr(layer, "stride")}
    second = {name: layer.stride for name, layer in new.named_modules() if hasattr(layer, "stride")}
    moved = {f"layer{i}.0.conv{j}" for i in (2, 3, 4) for j in (1, 2)}

    assert {name for name in first if first[name] != second[name]} == moved
    assert first["layer3.0.conv1"] == (2, 2)
    assert first["layer3.0.conv2"] == (1, 1)


@every_backbone
def test_every_field_is_filled_in(spec: Backbone) -> None:
    """A record is found by its own name and says where it is described."""
    assert find_backbone(spec.name) is spec
    assert "https://" in spec.source or spec.library == "waymark"
    assert spec.licence


def test_a_mistyped_name_gets_the_nearest() -> None:
    """With the command that lists them."""
    with pytest.raises(UnknownName, match=r"'resnet50'.*waymark backbones"):
        find_backbone("resnet-50")
