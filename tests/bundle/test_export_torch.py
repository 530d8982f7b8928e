"""A torch file gives the logits of the bundle it was made from, and needs no waymark."""

from __future__ import annotations

import io
import json
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from PIL import Image  # noqa: E402
from torchvision.transforms import ToTensor  # noqa: E402

from waymark.bundle.convert import compare, describe  # noqa: E402
from waymark.bundle.export import backbone_bytes, export_onnx, head_arrays  # noqa: E402
from waymark.bundle.export_photo import Prepare  # noqa: E402
from waymark.bundle.export_torch import (  # noqa: E402
    ABOUT,
    NAMES,
    prepared,
    rebuild,
    run_pt2,
    run_torchscript,
    to_pt2,
    to_torchscript,
)
from waymark.bundle.format import Bundle, read_bundle  # noqa: E402
from waymark.bundle.graph import replace_head  # noqa: E402
from waymark.bundle.manifest import Task  # noqa: E402
from waymark.bundle.quantise import shrink  # noqa: E402
from waymark.bundle.tiny import tiny_bundle  # noqa: E402
from waymark.errors import BundleError  # noqa: E402
from waymark.gazetteer import Landmark  # noqa: E402
from waymark.models.backbones import BACKBONES  # noqa: E402
from waymark.models.build import Classifier, build  # noqa: E402
from waymark.models.design import Design  # noqa: E402
from waymark.models.heads import Cosine  # noqa: E402
from waymark.preprocess import Preprocess, prepare  # noqa: E402
from waymark.samples import SAMPLES, render  # noqa: E402

SIZE = 64
CLASSES, CATEGORIES = 5, 3
TEMPERATURE = 1.5
NAMES_OF = [f"Landmark {i}" for i in range(CLASSES)]


def network(design: Design, *, categories: int = 0, cosine: bool = False) -> Classifier:
    """Return a network of random weights whose batch norms have seen something."""
    tasks = {"landmark": CLASSES} | ({"category": categories} if categories else {})
    model = build(design, tasks, seed=0)
    noise = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d):
            module.running_mean.normal_(std=0.1, generator=noise)  # type: ignore[operator, union-attr]
            module.running_var.uniform_(0.8, 1.2, generator=noise)  # type: ignore[operator, union-attr]
    for head in model.heads.values():
        head.weight.data.normal_(std=0.1, generator=noise)  # type: ignore[operator, union-attr]
    if cosine:
        weight = 10 * torch.nn.functional.normalize(
            torch.randn(CLASSES, model.num_features, generator=noise), dim=1
        )
        model.heads["landmark"] = Cosine(weight, torch.zeros(CLASSES))
    return model.eval()


def bundle_of(model: Classifier, *, size: int = SIZE, fit: Any = "squash") -> Bundle:
    """Return what a training would make of the network."""
    weight, bias = head_arrays(model)
    categories = model.heads["category"].weight.shape[0] if "category" in model.heads else 0
    draft = tiny_bundle(CLASSES, features=model.num_features)
    kinds = tuple(Landmark(id=f"kind-{i}", name=f"Kind {i}") for i in range(categories))
    tasks = draft.manifest.tasks + ((Task(name="category", classes=kinds),) if kinds else ())
    manifest = replace(
        draft.manifest,
        tasks=tasks,
        temperature=TEMPERATURE,
        preprocess=Preprocess(size=size, fit=fit, mean=model.spec.mean, std=model.spec.std),
        backbone={
            "timm_name": model.spec.name,
            "num_features": model.num_features,
            "input_size": size,
            "design": model.design.to_dict(),
        },
        head={"normalise": isinstance(model.heads["landmark"], Cosine)},
    )
    return replace(
        draft,
        manifest=manifest,
        model=shrink(export_onnx(model, size=size)),
        statistics={**draft.statistics, "head_weight": weight, "head_bias": bias},
        backbone=backbone_bytes(model),
    )


def photos(count: int = 2, size: tuple[int, int] = (150, 110)) -> list[Image.Image]:
    """Return rendered samples."""
    return [render(name, seed=0, size=size) for name in SAMPLES[:count]]


def tensors(images: list[Image.Image]) -> Any:
    """Return (N, 3, H, W) float32, 0 to 1, as torchvision makes it."""
    return np.stack([ToTensor()(image).numpy() for image in images])


def differences(bundle: Bundle, run: Any, data: bytes) -> float:
    """Return by how much the logits of a torch file differ from the bundle's."""
    out = run(data, tensors(photos()))
    names = {"logits": "logits_landmark", "category_logits": "logits_category"}
    got = {names[name]: array for name, array in out.items() if name in names}
    np.testing.assert_allclose(out["probabilities"].sum(1), 1, atol=1e-5)
    return compare(bundle, prepared(photos(), bundle.manifest.preprocess), got)


def load(data: bytes) -> Any:
    """Load a TorchScript file without torch's note that it is deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.load(io.BytesIO(data))


@pytest.fixture(scope="module")
def small() -> Bundle:
    """Return the bundle of a small network with both tasks."""
    return bundle_of(network(Design(backbone="scratch_cnn5", size=SIZE), categories=CATEGORIES))


@pytest.fixture(scope="module")
def script(small: Bundle) -> bytes:
    """Return its TorchScript file."""
    return to_torchscript(small, describe(small), NAMES_OF)


TWINS = ("tf_efficientnet_b0", "resnet50", "resnet50_v1", "vgg19")
"""Of the same blocks as others in the list: for them one of the two torch formats is enough."""


@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_keeps_its_logits(name: str) -> None:
    """TorchScript and pt2, from the weights as a bundle stores them, in float16."""
    bundle = bundle_of(network(Design(backbone=name, size=SIZE)))

    assert differences(bundle, run_torchscript, to_torchscript(bundle, {}, NAMES_OF)) < 1e-3
    if name not in TWINS:
        assert differences(bundle, run_pt2, to_pt2(bundle, {}, NAMES_OF)) < 1e-3


DESIGNS = {
    "cosines": (Design(backbone="scratch_cnn5", size=SIZE, centres=3), 0),
    "gem": (Design(backbone="scratch_resnet", size=SIZE, pool="gem"), 0),
    "grid, hidden": (
        Design(backbone="scratch_cnn5", size=SIZE, pool="grid", hidden=(16, 8), dropout=0.5),
        0,
    ),
    "flatten": (Design(backbone="sequential", size=SIZE, pool="flatten", hidden=(16,)), 0),
    "two tasks": (Design(backbone="scratch_cnn5", size=SIZE), CATEGORIES),
    "category as a feature": (
        Design(backbone="scratch_cnn5", size=SIZE, link="category"),
        CATEGORIES,
    ),
    "landmark as a feature": (
        Design(backbone="scratch_cnn5", size=SIZE, link="landmark"),
        CATEGORIES,
    ),
}


@pytest.mark.parametrize("what", DESIGNS)
def test_every_neck_and_head_keeps_its_logits(what: str) -> None:
    """Of both tasks where there are two; heads of cosines export as one centre a class."""
    design, categories = DESIGNS[what]
    bundle = bundle_of(network(design, categories=categories, cosine=design.centres > 0))

    for to, run in ((to_torchscript, run_torchscript), (to_pt2, run_pt2)):
        assert differences(bundle, run, to(bundle, {}, NAMES_OF)) < 1e-3


def test_variances_beyond_float16_survive_the_bundle() -> None:
    """As networks trained on pixels from 0 to 255 have them."""
    model = network(Design(backbone="scratch_cnn5", size=SIZE))
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    norms[0].running_var.fill_(1e6)  # type: ignore[union-attr]
    norms[1].running_var.fill_(1e-7)  # type: ignore[union-attr]
    bundle = bundle_of(model)

    again = rebuild(bundle)

    for name, value in model.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=1e-3, atol=1e-5)
    assert differences(bundle, run_torchscript, to_torchscript(bundle, {}, NAMES_OF)) < 1e-3


def test_a_taught_head_sees_the_embedding_at_length_one(world_path: Any) -> None:
    """A linear head put on the world bundle by the fast path, whose manifest has no design."""
    world = read_bundle(world_path)
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(CLASSES, world.manifest.backbone["num_features"]))
    weight, bias = (8 * weight).astype(np.float32), rng.normal(size=CLASSES).astype(np.float32)
    landmarks = world.manifest.landmarks[:CLASSES]
    manifest = replace(
        world.manifest,
        tasks=(Task(name="landmark", classes=landmarks),),
        head={"normalise": True},
    )
    model = replace_head(world.model, weight, bias, normalise=True)
    statistics = {**world.statistics, "head_weight": weight, "head_bias": bias}
    bundle = replace(world, manifest=manifest, model=model, statistics=statistics)
    assert "design" not in manifest.backbone

    data = to_torchscript(bundle, {}, [one.name for one in landmarks])

    assert differences(bundle, run_torchscript, data) < 1e-3


def test_the_rebuilt_network_is_the_bundles(small: Bundle) -> None:
    """But for float16: module names, tasks and evaluation mode are those of the training."""
    model = rebuild(small)

    assert not model.training
    assert list(model.heads) == ["landmark", "category"]
    views = torch.from_numpy(prepared(photos(), small.manifest.preprocess))
    out = model(views)
    got = {f"logits_{task}": logits.numpy() for task, logits in out.logits.items()}
    compare(small, views.numpy(), got)  # raises where they differ


def test_s1s_app_runs_on_the_file(script: bytes) -> None:
    """The app's own lines: a tensor of one photo in, a vector of probabilities out."""
    learnt = load(script)
    image = photos(1)[0]

    timg = ToTensor()(image).unsqueeze_(0)
    softmax = learnt(timg).data.cpu().numpy().squeeze()
    idxs = np.argsort(softmax)[::-1]
    told = [(learnt.class_names[i], float(softmax[i])) for i in idxs[:5]]

    assert softmax.shape == (CLASSES,)
    assert softmax.sum() == pytest.approx(1, abs=1e-5)
    assert sorted(name for name, _ in told) == NAMES_OF
    assert told[0][1] == softmax.max()


def test_the_file_carries_names_and_facts(script: bytes, small: Bundle) -> None:
    """Class names, ids and categories are attributes; the rest is in an extra file."""
    extra = {ABOUT: ""}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = torch.jit.load(io.BytesIO(script), _extra_files=extra)

    assert module.class_names == NAMES_OF
    assert module.class_ids == list(small.manifest.tasks[0].ids)
    assert module.category_names == [f"Kind {i}" for i in range(CATEGORIES)]
    about = json.loads(extra[ABOUT])
    assert json.loads(about["preprocess"])["size"] == SIZE
    assert float(about["temperature"]) == TEMPERATURE


@pytest.mark.parametrize("shape", [(1, 3, 64, 64), (3, 3, 200, 90), (2, 3, 31, 700), (3, 48, 500)])
def test_torchscript_takes_any_size(script: bytes, shape: tuple[int, ...]) -> None:
    """Also a single photo without a batch, and one smaller than the network's input."""
    raw = torch.rand(shape, generator=torch.Generator().manual_seed(0))

    out = load(script)(raw)

    assert out.shape == (1 if len(shape) == 3 else shape[0], CLASSES)
    torch.testing.assert_close(out.sum(1), torch.ones(len(out)))


def test_eight_bit_photos_are_the_same_as_their_fractions(script: bytes) -> None:
    """A uint8 tensor is told by its type."""
    raw = torch.from_numpy(np.stack([np.array(image) for image in photos()])).permute(0, 3, 1, 2)
    module = load(script)

    torch.testing.assert_close(module(raw), module(raw.float() / 255))


def test_what_is_no_photo_is_refused_in_words(script: bytes) -> None:
    """One channel instead of three."""
    with pytest.raises(torch.jit.Error, match="expected photos of shape"):
        load(script)(torch.zeros(1, 1, 64, 64))


def test_the_file_moves_to_a_gpu_as_a_whole() -> None:
    """No array is a constant of the graph, which would stay behind on the CPU."""
    design, _ = DESIGNS["grid, hidden"]

    module = load(to_torchscript(bundle_of(network(design)), {}, NAMES_OF))

    for part in (module.network, module.prepare):
        graph = part.inlined_graph  # its nodes live no longer than it does
        constants = [node.output() for node in graph.findAllNodes("prim::Constant")]
        arrays = [c.toIValue() for c in constants if str(c.type()) == "Tensor"]
        assert all(array.numel() == 1 for array in arrays)


def test_probabilities_are_the_bundles_own(script: bytes, small: Bundle) -> None:
    """Softmax of the logits over the temperature, by NumPy."""
    out = run_torchscript(script, tensors(photos()))

    scaled = np.exp(out["logits"] / small.manifest.temperature)
    np.testing.assert_allclose(
        out["probabilities"], scaled / scaled.sum(1, keepdims=True), rtol=1e-4
    )
    scaled = np.exp(out["category_logits"])
    np.testing.assert_allclose(
        out["category_probabilities"], scaled / scaled.sum(1, keepdims=True), rtol=1e-4
    )


def test_pt2_takes_any_size_and_carries_its_names(small: Bundle) -> None:
    """Batch, height and width are free; torch alone reads the extra files."""
    data = to_pt2(small, describe(small), NAMES_OF)
    extra = {NAMES: "", ABOUT: ""}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = torch.export.load(io.BytesIO(data), extra_files=extra).module()

    assert json.loads(extra[NAMES]) == NAMES_OF
    assert json.loads(json.loads(extra[ABOUT])["class_names"]) == NAMES_OF
    for shape in ((1, 3, 64, 64), (3, 3, 200, 90), (1, 3, 31, 700)):
        out = module(torch.rand(shape))
        assert out["probabilities"].shape == (shape[0], CLASSES)
        assert out["category_probabilities"].shape == (shape[0], CATEGORIES)


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
@pytest.mark.parametrize("size", [(320, 240), (61, 200), (1200, 401), (96, 96), (40, 33)])
def test_torch_prepares_photos_as_pillow_does(fit: Any, size: tuple[int, int]) -> None:
    """To three levels of 256 at most, less than a third of a level on average."""
    preprocess = Preprocess(size=96, fit=fit)
    image = render(SAMPLES[0], seed=1, size=size)

    got = Prepare(preprocess)(torch.from_numpy(tensors([image])))[0].numpy()

    off = np.abs(got - prepare(image, preprocess)) * np.array(preprocess.std)[:, None, None] * 255
    assert off.max() < 3.5
    assert off.mean() < 1 / 3


@pytest.mark.parametrize("kind", ["bilinear", "lanczos", "hamming", "box"])
def test_torch_has_every_filter_of_pillow(kind: Any) -> None:
    """Which torch's own resize has not."""
    preprocess = Preprocess(size=96, filter=kind)

    prepared(photos(2, (320, 240)), preprocess)  # raises where they differ


def test_a_slim_bundle_is_refused_with_what_to_do(small: Bundle) -> None:
    """The weights are what torch files are made from."""
    with pytest.raises(BundleError, match="--slim"):
        to_torchscript(replace(small, backbone=None), {}, NAMES_OF)


def test_weights_of_another_network_are_refused(small: Bundle) -> None:
    """The design names a network that the weights do not fit."""
    other = {**small.manifest.backbone, "design": Design(backbone="resnet18").to_dict()}
    manifest = replace(small.manifest, backbone=other)

    with pytest.raises(BundleError, match="cannot be built again"):
        rebuild(replace(small, manifest=manifest))


def test_damaged_weights_are_refused(small: Bundle) -> None:
    """No traceback of the library that reads them."""
    with pytest.raises(BundleError, match="damaged"):
        rebuild(replace(small, backbone=b"not safetensors"))
