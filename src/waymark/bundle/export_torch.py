"""A bundle as a torch file: TorchScript, or what `torch.export` writes.

In:  a `Bundle` that still has its `backbone.safetensors`.
Out: the bytes of a file that needs torch alone, not waymark: photos (N, 3, H, W), 0 to 1, of
     any size go in, calibrated probabilities come out, and the class names are inside.
"""

from __future__ import annotations

import copy
import io
import json
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from waymark.bundle.export import _write_out_padding
from waymark.bundle.export_exact import fold_norms, take_weights
from waymark.bundle.export_photo import FromPhoto, Prepare
from waymark.bundle.format import Bundle
from waymark.bundle.quantise import expand
from waymark.errors import BundleError, WaymarkError
from waymark.models.build import Classifier, as_float32, from_weights
from waymark.models.design import Design
from waymark.models.heads import GRID, Grid
from waymark.preprocess import Preprocess, prepare

if TYPE_CHECKING:
    from PIL.Image import Image

CATEGORY_BIAS = "heads.category.bias"
ABOUT, NAMES = "waymark.json", "class_names.json"
LEVELS = 4  # of 256, by which torch's preparation may differ from Pillow's
LARGEST_SIDE = 65_536  # of a photo given to a pt2 file, in pixels


class _Flat(nn.Module):
    """A classifier whose outputs are three tensors; (N, 0) logits where there is no category."""

    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, photos: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        out = self.model(photos)
        logits = out.logits["landmark"]
        return logits, out.logits.get("category", logits[:, :0]), out.embedding


class _Grid(nn.Module):
    """`heads.Grid` for maps of one size, its matrices where `.to(device)` finds them."""

    rows: Tensor
    columns: Tensor

    def __init__(self, grid: Grid, height: int, width: int) -> None:
        super().__init__()
        # the pooling of unit vectors is the matrix that pools
        for name, side in (("rows", height), ("columns", width)):
            units = torch.eye(side).view(side, 1, side, 1).expand(side, 1, side, side)
            pooled = grid(units).view(side, GRID, GRID)[:, :, 0]
            self.register_buffer(name, pooled.T.contiguous())

    def forward(self, feature_map: Tensor) -> Tensor:
        return (self.rows @ feature_map @ self.columns.T).flatten(1)


class _Predict(nn.Module):
    """`FromPhoto.predict` as the forward of a module."""

    def __init__(self, whole: FromPhoto) -> None:
        super().__init__()
        self.whole = whole

    def forward(self, raw: Tensor) -> dict[str, Tensor]:
        return self.whole.predict(raw)


def rebuild(bundle: Bundle) -> Classifier:
    """Build the network of a bundle from its weights, in evaluation mode.

    Its logits are those of the bundle's ONNX model but for the rounding to float16, which
    the two files do at different points: see `export_exact`.

    Raises:
        BundleError: if the bundle is slim, or its weights do not fit its network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    manifest, statistics = bundle.manifest, bundle.statistics
    if bundle.backbone is None:
        raise BundleError(
            "the bundle has no backbone.safetensors, which the torch formats are made from; it "
            "was made with --slim. Train or teach it again without --slim, or export it as onnx."
        )
    try:
        tensors = as_float32(load(bundle.backbone))
        design = _design(bundle)
        tasks = {task.name: len(task.classes) for task in manifest.tasks}
        heads = {"landmark": _pair(statistics["head_weight"], statistics["head_bias"])}
        if CATEGORY_BIAS in tensors:  # a taught bundle's network may need it inside
            tasks["category"] = len(tensors[CATEGORY_BIAS])
        elif "category" in tasks and "head_weight_category" in statistics:
            names = ("head_weight_category", "head_bias_category")
            heads["category"] = _pair(*(statistics[name] for name in names))
        normalise = manifest.head["normalise"]
        return from_weights(design, tasks, tensors, heads=heads, normalise=normalise)
    except SafetensorError as error:
        raise BundleError(
            f"backbone.safetensors is damaged ({error}). Get the bundle again."
        ) from error
    except BundleError:
        raise
    except WaymarkError as error:
        raise BundleError(f"the bundle's network cannot be built again: {error}") from error


def to_torchscript(bundle: Bundle, about: Mapping[str, str], names: list[str]) -> bytes:
    """Return a TorchScript file; `torch.jit.load(file)(raw)` gives probabilities.

    Args:
        bundle: with `backbone.safetensors`.
        about: what the file says of itself, kept as the extra file `waymark.json`.
        names: name of each landmark; attribute `class_names`.

    Raises:
        BundleError: if the network cannot be built again.
    """
    network, example = _exact(bundle)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated, and notes on constants; parity is checked
        traced = torch.jit.trace(  # type: ignore[no-untyped-call]
            network, example, check_trace=False
        )
        scripted = torch.jit.script(_whole(bundle, traced, names).eval())
        buffer = io.BytesIO()
        torch.jit.save(scripted, buffer, _extra_files={ABOUT: json.dumps(about)})
    return buffer.getvalue()


def to_pt2(bundle: Bundle, about: Mapping[str, str], names: list[str]) -> bytes:
    """Return a file of `torch.export`; its module gives a dict of tensors for `raw`.

    Batch, height and width are free. The class names are the extra file `class_names.json`,
    what else the file says of itself is `waymark.json`. Arguments and errors as
    `to_torchscript`.
    """
    network, _ = _exact(bundle)
    whole = _Predict(_whole(bundle, network, names)).eval()
    free = {
        0: torch.export.Dim("n", min=1, max=LARGEST_SIDE),
        2: torch.export.Dim("height", min=1, max=LARGEST_SIDE),
        3: torch.export.Dim("width", min=1, max=LARGEST_SIDE),
    }
    extra = {NAMES: json.dumps(names, ensure_ascii=False), ABOUT: json.dumps(about)}
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of torch to itself
        program = torch.export.export(
            whole, (torch.rand(2, 3, 120, 140),), dynamic_shapes={"raw": free}
        )
        torch.export.save(program, buffer, extra_files=extra)
    return buffer.getvalue()


def prepared(images: Iterable[Image], preprocess: Preprocess) -> NDArray[np.float32]:
    """Prepare photos as an exported file does, and see that `preprocess` does nearly the same.

    Args:
        images: RGB, all of one size.
        preprocess: of the bundle.

    Returns:
        (N, 3, size, size) float32, normalised.

    Raises:
        BundleError: if a value is more than `LEVELS` of 256 off.
    """
    ready, one_level = Prepare(preprocess), 1 / (255 * np.array(preprocess.std)[:, None, None])
    made = []
    for image in images:
        pixels = torch.from_numpy(np.array(image).transpose(2, 0, 1)).float() / 255
        made.append(ready(pixels[None])[0].numpy())
        off = float((np.abs(made[-1] - prepare(image, preprocess)) / one_level).max())
        if not off <= LEVELS:
            raise BundleError(
                f"photos prepared by torch are {off:.1f} levels of 256 off Pillow's; at most "
                f"{LEVELS} are allowed. This Pillow resizes otherwise: please report it."
            )
    return np.stack(made)


def run_torchscript(data: bytes, raw: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Load a TorchScript file and run it; see `FromPhoto.predict`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = torch.jit.load(io.BytesIO(data))  # type: ignore[no-untyped-call]
    with torch.inference_mode():
        return {name: out.numpy() for name, out in module.predict(torch.from_numpy(raw)).items()}


def run_pt2(data: bytes, raw: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Load a file of `torch.export` and run it; see `FromPhoto.predict`."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        module = torch.export.load(io.BytesIO(data)).module()
        return {name: out.numpy() for name, out in module(torch.from_numpy(raw)).items()}


def _exact(bundle: Bundle) -> tuple[_Flat, Tensor]:
    """Return the network with the numbers of the ONNX model, and an example of its input."""
    model = copy.deepcopy(rebuild(bundle))
    size = bundle.manifest.preprocess.size
    example = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    fold_norms(model, example)
    take_weights(model, expand(bundle.model))
    _write_out_padding(model)
    if isinstance(model.neck.pool, Grid):
        with torch.inference_mode():
            height, width = model.features(example[:1]).shape[2:]
        with torch.no_grad():
            model.neck.pool = _Grid(model.neck.pool, height, width)
    return _Flat(model).eval().requires_grad_(False), example


def _whole(bundle: Bundle, network: nn.Module, names: list[str]) -> FromPhoto:
    manifest = bundle.manifest
    return FromPhoto(
        Prepare(manifest.preprocess),
        network,
        temperature=manifest.temperature,
        class_names=names,
        class_ids=list(manifest.tasks[0].ids),
        category_names=[category.name for category in manifest.categories],
    )


def _design(bundle: Bundle) -> Design:
    backbone = bundle.manifest.backbone
    if "design" in backbone:
        return Design.from_dict(backbone["design"])
    return Design(backbone=str(backbone.get("timm_name")), size=bundle.manifest.preprocess.size)


def _pair(weight: NDArray[np.float32], bias: NDArray[np.float32]) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(weight.copy()), torch.from_numpy(bias.copy())
