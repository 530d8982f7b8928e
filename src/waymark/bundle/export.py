"""Write a trained classifier as ONNX: one file, any batch, any input size.

In:  a `Classifier` in evaluation mode.
Out: bytes of an ONNX model; `photos` (N, 3, H, W) float32 in; `logits_<task>`, `logits`,
     `embedding` and `feature_map` out.
"""

from __future__ import annotations

import copy
import io
import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from waymark.models.build import Classifier

OPSET = 17


class _Exported(nn.Module):
    """The classifier with its outputs as a flat tuple, the landmark's logits twice."""

    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, photos: Tensor) -> tuple[Tensor, ...]:
        out = self.model(photos)
        logits = tuple(out.logits.values())
        return (*logits, logits[0] * 1.0, out.embedding, out.feature_map)


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
        size: side of the example input in pixels; others work too, in multiples of 32.

    Returns:
        The ONNX file, without external data and with standard operators only.
    """
    plain = copy.deepcopy(model).cpu().float().eval().to(memory_format=torch.contiguous_format)
    _write_out_padding(plain)
    names = [f"logits_{task}" for task in model.heads]
    names += ["logits", "embedding", "feature_map"]
    axes: dict[str, dict[int, str]] = {name: {0: "n"} for name in names}
    axes["photos"] = {0: "n", 2: "height", 3: "width"}
    axes["feature_map"] = {0: "n", 2: "rows", 3: "columns"}
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
    """Return the backbone's weights as a safetensors file in float16."""
    from safetensors.torch import save

    weights = {
        name: (value.half() if value.is_floating_point() else value).cpu().contiguous()
        for name, value in model.backbone.state_dict().items()
    }
    return save(weights)


def head_arrays(
    model: Classifier, task: str = "landmark"
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return weight (C, D) and bias (C,) of a task's head."""
    head = model.heads[task].state_dict()
    return head["weight"].float().cpu().numpy(), head["bias"].float().cpu().numpy()


def _write_out_padding(module: nn.Module) -> None:
    from timm.layers.conv2d_same import Conv2dSame

    for name, child in module.named_children():
        if isinstance(child, Conv2dSame):
            setattr(module, name, _Padded(child))
        else:
            _write_out_padding(child)
