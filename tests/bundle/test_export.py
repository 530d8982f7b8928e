"""What is exported gives the numbers of the torch module, at any batch and size."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import onnx  # noqa: E402
from safetensors.torch import load  # noqa: E402

from waymark.bundle.export import (  # noqa: E402
    backbone_bytes,
    export_onnx,
    head_arrays,
    normalises,
)
from waymark.bundle.format import read_bundle  # noqa: E402
from waymark.bundle.onnx_check import check_model  # noqa: E402
from waymark.errors import ConfigError, ShapeError  # noqa: E402
from waymark.models.backbones import BACKBONES  # noqa: E402
from waymark.models.build import Classifier, as_float32, build, from_weights  # noqa: E402
from waymark.models.design import Design  # noqa: E402
from waymark.models.heads import collapse  # noqa: E402
from waymark.preprocess import prepare  # noqa: E402
from waymark.recognise.session import open_session  # noqa: E402
from waymark.samples import SAMPLES, render  # noqa: E402

TOLERANCE = 1e-4  # of the largest value
TASKS = {"landmark": 3, "category": 2}
MOBILE = Design(backbone="mobilenetv2_100", size=64)
SMALL = Design(backbone="scratch_cnn5", size=64, hidden=(8,), hidden_norm=True)


def network(design: Design, tasks: dict[str, int] = TASKS) -> Classifier:
    """Return a network of random weights whose batch norms have seen something."""
    model = build(design, tasks, seed=0)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d):
            module.running_mean.normal_(std=0.1)  # type: ignore[operator, union-attr]
            module.running_var.uniform_(0.8, 1.2)  # type: ignore[operator, union-attr]
    return model.eval()


def compare(model: Classifier, data: bytes, *shapes: tuple[int, int]) -> None:
    """Assert that an ONNX file answers as the torch module, for each (photos, side)."""
    session = open_session(data, threads=1)
    for count, size in shapes:
        photos = torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(size))
        with torch.inference_mode():
            out = model(photos)
        wanted = {f"logits_{task}": logits for task, logits in out.logits.items()}
        wanted |= {
            "logits": out.logits["landmark"],
            "embedding": out.embedding,
            "feature_map": out.feature_map,
        }
        got = session.run(photos.numpy(), list(wanted))
        for output, value in wanted.items():
            assert got[output].shape == value.shape, output
            worst = np.abs(got[output] - value.numpy()).max()
            assert worst < TOLERANCE * float(value.abs().max()), (output, size, worst)


@pytest.mark.parametrize("name", BACKBONES)
def test_onnx_runtime_agrees_with_torch(name: str) -> None:
    """All outputs of every backbone, at the exported size and at another one."""
    model = network(Design(backbone=name, size=32))

    compare(model, export_onnx(model, size=32), (1, 32), (2, 64))


@pytest.mark.parametrize("centres", [0, 2])
@pytest.mark.parametrize("link", ["none", "category", "landmark"])
@pytest.mark.parametrize("pool", ["mean", "gem", "grid", "flatten"])
def test_every_design_is_exported_as_it_is(pool: Any, link: Any, centres: int) -> None:
    """Each pooling, link and kind of head; the bundle's own check passes it."""
    model = network(replace(SMALL, pool=pool, link=link, centres=centres))
    data = export_onnx(model, size=64)
    check_model(data, TASKS)
    compare(model, data, (1, 64), (2, 64))
    if centres:
        collapse(model, torch.tensor([1, 0, 1]))
        compare(model, export_onnx(model, size=64), (2, 64))


@pytest.mark.parametrize(
    "design",
    [
        Design(backbone="sequential", size=32, depth=4, kernel=2, activation="elu", pool="flatten"),
        Design(backbone="sequential", size=32, depth=4, first_activation="leaky-relu", max_pool=3),
        Design(backbone="vgg19", size=32, pool="grid", hidden=(16, 8), dropout=0.5),
        Design(backbone="vgg_like", size=32, pool="flatten", hidden=(16, 8)),
    ],
    ids=lambda design: f"{design.backbone}-{design.pool}",
)
def test_the_seeds_own_necks_are_exported(design: Design) -> None:
    """With the options that only some of the networks have."""
    model = network(design)

    compare(model, export_onnx(model, size=32), (1, 32), (2, 32))


@pytest.mark.parametrize(("pool", "fixed"), [("mean", False), ("grid", True), ("flatten", True)])
def test_a_size_that_cannot_change_is_written_down(pool: Any, fixed: bool) -> None:
    """The file itself says which sides it takes; the batch is always free."""
    data = export_onnx(network(replace(SMALL, pool=pool)), size=64)
    photos = onnx.load_model_from_string(data).graph.input[0].type.tensor_type.shape.dim

    assert [d.dim_value for d in photos] == ([0, 3, 64, 64] if fixed else [0, 3, 0, 0])


def test_a_grid_may_be_exported_for_another_size_and_a_flat_neck_not() -> None:
    """Only the first has weights that do not depend on it."""
    grid = network(replace(SMALL, pool="grid"))
    compare(grid, export_onnx(grid, size=96), (1, 96))
    with pytest.raises(ShapeError, match="feature map"):
        export_onnx(network(replace(SMALL, pool="flatten")), size=96)


def test_export_leaves_the_model_alone_and_passes_the_bundles_check() -> None:
    """Training mode, weights and memory format are as before; the file is self-contained."""
    model = network(MOBILE, {"landmark": 3}).to(memory_format=torch.channels_last).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}

    data = export_onnx(model, size=64)

    check_model(data, {"landmark": 3})
    onnx.checker.check_model(onnx.load_model_from_string(data))
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_head_and_backbone_come_back() -> None:
    """The head as it is; the backbone to what float16 can hold, counters untouched."""
    model = network(MOBILE, {"landmark": 3})
    weight, bias = head_arrays(model)
    again = load(backbone_bytes(model))
    rebuilt = build(MOBILE, {"landmark": 3}, weights=as_float32(again))

    assert np.array_equal(weight, model.heads["landmark"].weight.detach().numpy())
    assert bias.shape == (3,)
    assert set(again) == set(model.backbone.state_dict())
    for name, value in model.backbone.state_dict().items():
        kept = rebuilt.backbone.state_dict()[name]
        torch.testing.assert_close(kept, value, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("centres", [0, 2])
@pytest.mark.parametrize("link", ["none", "category", "landmark"])
def test_the_landmarks_logits_are_linear_in_the_embedding(link: Any, centres: int) -> None:
    """As the statistics of a bundle say them: weight . g(embedding) + bias."""
    model = network(replace(SMALL, link=link, centres=centres))
    collapse(model, torch.tensor([1, 0, 1]) % max(centres, 1))
    weight, bias = head_arrays(model)
    with torch.inference_mode():
        out = model(torch.randn(4, 3, 64, 64))
    seen = out.embedding.numpy()
    if normalises(model):
        seen = seen / np.linalg.norm(seen, axis=1, keepdims=True)

    assert normalises(model) is bool(centres)
    np.testing.assert_allclose(
        seen @ weight.T + bias, out.logits["landmark"].numpy(), rtol=1e-4, atol=1e-4
    )


def test_a_head_of_several_centres_must_be_collapsed_first() -> None:
    """A bundle has one row a class."""
    model = network(replace(SMALL, centres=2))

    assert normalises(model)
    with pytest.raises(ConfigError, match="collapse"):
        head_arrays(model)


@pytest.mark.parametrize("centres", [0, 2])
@pytest.mark.parametrize("link", ["none", "category", "landmark"])
@pytest.mark.parametrize("pool", ["gem", "flatten"])
def test_a_classifier_is_built_again_from_what_a_bundle_keeps(
    pool: Any, link: Any, centres: int
) -> None:
    """Weights of backbone, neck and category head, and the landmark head from the statistics."""
    design = replace(SMALL, pool=pool, link=link, centres=centres)
    model = network(design)
    collapse(model, torch.tensor([1, 0, 1]) % max(centres, 1))
    weight, bias = map(torch.from_numpy, head_arrays(model))
    again = from_weights(
        design,
        TASKS,
        as_float32(load(backbone_bytes(model))),
        heads={"landmark": (weight, bias)},
        normalise=normalises(model),
    )
    photos = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        wanted, got = model(photos), again(photos)

    for task, logits in wanted.logits.items():
        torch.testing.assert_close(got.logits[task], logits, rtol=0.01, atol=0.01)
    assert not any(parameter.requires_grad for parameter in again.parameters())


def test_the_world_bundles_network_is_its_backbone(world_path: object) -> None:
    """The ONNX file of the shipped bundle and the weights beside it see photos alike."""
    bundle = read_bundle(str(world_path))
    assert bundle.backbone is not None
    manifest = bundle.manifest
    model = build(
        Design(backbone=manifest.backbone["timm_name"]),
        {"landmark": len(manifest.landmarks)},
        weights=as_float32(load(bundle.backbone)),
    ).eval()
    photos = np.stack([prepare(render(name, seed=0), manifest.preprocess) for name in SAMPLES[:3]])
    with torch.inference_mode():
        wanted = model(torch.from_numpy(photos)).embedding.numpy()
    got = open_session(bundle.model, threads=1).run(photos, ["embedding"])["embedding"]

    alike = (got * wanted).sum(1) / np.linalg.norm(got, axis=1) / np.linalg.norm(wanted, axis=1)
    assert alike.min() > 0.98  # int8, if that is what ships, is not exact
