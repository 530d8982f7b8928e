"""What is exported gives the numbers of the torch module, at any batch and size."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import onnx  # noqa: E402
from safetensors.torch import load  # noqa: E402

from waymark.bundle.export import backbone_bytes, export_onnx, head_arrays  # noqa: E402
from waymark.bundle.format import read_bundle  # noqa: E402
from waymark.bundle.onnx_check import check_model  # noqa: E402
from waymark.models.backbones import BACKBONES  # noqa: E402
from waymark.models.build import Classifier, as_float32, build  # noqa: E402
from waymark.preprocess import prepare  # noqa: E402
from waymark.recognise.session import open_session  # noqa: E402
from waymark.samples import SAMPLES, render  # noqa: E402

TOLERANCE = 1e-3  # of the largest value


def network(name: str) -> Classifier:
    """Return a network of random weights whose batch norms have seen something."""
    torch.manual_seed(0)
    model = build(name, {"landmark": 3})
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)  # type: ignore[operator, union-attr]
            module.running_var.uniform_(0.8, 1.2)  # type: ignore[operator, union-attr]
    return model.eval()


@pytest.mark.parametrize("name", BACKBONES)
def test_onnx_runtime_agrees_with_torch(name: str) -> None:
    """Logits, embedding and feature map, at the exported size and at another one."""
    model = network(name)
    session = open_session(export_onnx(model, size=64), threads=1)

    for count, size in ((1, 64), (3, 96)):
        photos = torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(size))
        with torch.inference_mode():
            out = model(photos)
        wanted = {
            "logits_landmark": out.logits["landmark"],
            "logits": out.logits["landmark"],
            "embedding": out.embedding,
            "feature_map": out.feature_map,
        }
        got = session.run(photos.numpy(), list(wanted))
        for output, value in wanted.items():
            assert got[output].shape == value.shape, output
            worst = np.abs(got[output] - value.numpy()).max()
            assert worst < TOLERANCE * float(value.abs().max()), (output, size, worst)


def test_export_leaves_the_model_alone_and_passes_the_bundles_check() -> None:
    """Training mode, weights and memory format are as before; the file is self-contained."""
    model = network("mobilenetv2_100").to(memory_format=torch.channels_last).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}

    data = export_onnx(model, size=64)

    check_model(data, {"landmark": 3})
    onnx.checker.check_model(onnx.load_model_from_string(data))
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_head_and_backbone_come_back() -> None:
    """The head as it is; the backbone to what float16 can hold, counters untouched."""
    model = network("mobilenetv2_100")
    weight, bias = head_arrays(model)
    again = load(backbone_bytes(model))
    rebuilt = build("mobilenetv2_100", {"landmark": 3}, weights=as_float32(again))

    assert np.array_equal(weight, model.heads["landmark"].weight.detach().numpy())
    assert bias.shape == (3,)
    for name, value in model.backbone.state_dict().items():
        kept = rebuilt.backbone.state_dict()[name]
        torch.testing.assert_close(kept, value, rtol=1e-3, atol=1e-6)


def test_the_world_bundles_network_is_its_backbone(world_path: object) -> None:
    """The ONNX file of the shipped bundle and the weights beside it see photos alike."""
    bundle = read_bundle(str(world_path))
    assert bundle.backbone is not None
    manifest = bundle.manifest
    model = build(
        manifest.backbone["timm_name"],
        {"landmark": len(manifest.landmarks)},
        weights=as_float32(load(bundle.backbone)),
    ).eval()
    photos = np.stack([prepare(render(name, seed=0), manifest.preprocess) for name in SAMPLES[:3]])
    with torch.inference_mode():
        wanted = model(torch.from_numpy(photos)).embedding.numpy()
    got = open_session(bundle.model, threads=1).run(photos, ["embedding"])["embedding"]

    alike = (got * wanted).sum(1) / np.linalg.norm(got, axis=1) / np.linalg.norm(wanted, axis=1)
    assert alike.min() > 0.98  # int8, if that is what ships, is not exact
