"""Write a trained classifier as ONNX, and its weights for who builds it again.

In:  a `Classifier` in evaluation mode.
Out: bytes of an ONNX model; `photos` (N, 3, H, W) float32 in; `logits_<task>`, `logits`,
     `embedding` and `feature_map` out. Any batch; any input size, but for networks whose
     dense layers are bound to one.
"""

from __future__ import annotations

import copy
import io
import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from waymark.errors import ConfigError
from waymark.models.build import Classifier
from waymark.models.heads import Cosine, SubCentreCosine

OPSET = 17
_FIXED_SIZE = ("grid", "flatten")  # poolings that are written out for one size of the map


class _Exported(nn.Module):
    """The classifier with its outputs as a flat tuple, the landmark's logits twice."""

    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, photos: Tensor) -> tuple[Tensor, ...]:
        out = self.model(photos)
        landmark = out.logits["landmark"] * 1.0
        return (*out.logits.values(), landmark, out.embedding, out.feature_map)


class _Padded(nn.Module):
    """A "same" convolution with its padding written out, for inputs of an even side.

    timm computes the padding from the input's size, which would freeze that size in the
    export. At multiples of 32 every strided layer sees an even side, and the padding is
    always the same: what is missing, one more at the end than at the start.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv
        self.pads: list[int] = []
        for kernel, stride, dilation in zip(
            reversed(conv.kernel_size), reversed(conv.stride), reversed(conv.dilation), strict=True
        ):
            missing = max((kernel - 1) * dilation + 1 - stride, 0)
            self.pads += [missing // 2, missing - missing // 2]

    def forward(self, x: Tensor) -> Tensor:
        padded = nn.functional.pad(x, self.pads)
        conv = self.conv
        return nn.functional.conv2d(
            padded, conv.weight, conv.bias, conv.stride, 0, conv.dilation, conv.groups
        )


def export_onnx(model: Classifier, *, size: int) -> bytes:
    """Export a classifier.

    Args:
        model: on any device; left as it is.
        size: side of the input in pixels; other sides work too, in multiples of 32, but
            where pooling is `grid` or `flatten`.

    Returns:
        The ONNX file, without external data and with standard operators only.

    Raises:
        ShapeError: if pooling is `flatten` and `size` not the design's.
    """
    plain = copy.deepcopy(model).cpu().float().eval().to(memory_format=torch.contiguous_format)
    _write_out_padding(plain)
    names = [f"logits_{task}" for task in model.heads]
    names += ["logits", "embedding", "feature_map"]
    axes: dict[str, dict[int, str]] = {name: {0: "n"} for name in names}
    axes["photos"] = {0: "n"}
    if model.design.pool not in _FIXED_SIZE:
        axes["photos"] |= {2: "height", 3: "width"}
        axes["feature_map"] |= {2: "rows", 3: "columns"}
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecation and folding notes; parity is tested
        torch.onnx.export(
            _Exported(plain),
            (torch.zeros(2, 3, size, size),),
            buffer,  # type: ignore[arg-type]
            input_names=["photos"],
            output_names=names,
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
    return buffer.getvalue()


def backbone_bytes(model: Classifier) -> bytes:
    """Return all weights but the landmark head's as a safetensors file in float16.

    The backbone's are under their own names; beside them are `neck.*` and the other tasks'
    `heads.*`. `models.build.from_weights` is the way back. Vectors stay float32: variances of
    batch norms can be beyond what float16 holds, and all vectors together weigh little.
    """
    from safetensors.torch import save

    weights = {
        name.removeprefix("backbone."): (
            value.half() if value.is_floating_point() and value.ndim > 1 else value
        )
        .cpu()
        .contiguous()
        for name, value in model.state_dict().items()
        if not name.startswith("heads.landmark.")
    }
    return save(weights)


def head_arrays(
    model: Classifier, task: str = "landmark"
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return weight (C, D) and bias (C,) of a task's head.

    Logits are weight . g(embedding) + bias, where g scales to length 1 if `normalises`.

    Raises:
        ConfigError: if the head still has several centres a class.
    """
    head = model.heads[task]
    if isinstance(head, SubCentreCosine):
        raise ConfigError(
            f"the head of {task} has {head.weight.shape[1]} centres a class, and a bundle keeps "
            "one; call models.heads.collapse on the classifier first."
        )
    state = head.state_dict()
    return state["weight"].float().cpu().numpy(), state["bias"].float().cpu().numpy()


def normalises(model: Classifier) -> bool:
    """Say whether the landmark's head sees the embedding at length 1 (`manifest.head`)."""
    return isinstance(model.heads["landmark"], Cosine | SubCentreCosine)


def _write_out_padding(module: nn.Module) -> None:
    from timm.layers.conv2d_same import Conv2dSame

    for name, child in module.named_children():
        if isinstance(child, Conv2dSame):
            setattr(module, name, _Padded(child))
        else:
            _write_out_padding(child)
