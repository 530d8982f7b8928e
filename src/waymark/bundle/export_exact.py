"""Give a rebuilt network the very numbers of its bundle's ONNX model.

In:  a network with the weights of `backbone.safetensors`, and `model.onnx`.
Out: the same network, batch norms folded, computing what the ONNX model does.

Both files hold float16, but not of the same numbers: the ONNX exporter multiplies batch norms
into the convolutions first. Rounded at different points, the two networks' logits differ by
some hundredths. So the network is folded here too, and each of its tensors is replaced by the
one in the ONNX model that is nearly equal to it.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

NEAR = 0.1  # of a tensor's length: float16 costs a thousandth, another tensor is far off


def fold_norms(model: nn.Module, photos: Tensor) -> None:
    """Multiply every batch norm that follows a convolution into it, in place.

    Which one follows which is seen by running `model`, in evaluation mode, on `photos`.
    """
    made: dict[int, tuple[nn.Conv2d, Tensor]] = {}  # the tensor too: its id stays its own
    pairs: list[tuple[nn.Conv2d, nn.BatchNorm2d]] = []

    def after(module: nn.Module, _: object, out: Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            made[id(out)] = (module, out)

    def before(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if isinstance(module, nn.BatchNorm2d) and id(inputs[0]) in made:
            pairs.append((made[id(inputs[0])][0], module))

    hooks = []
    for module in model.modules():
        hooks += [
            module.register_forward_hook(after),
            module.register_forward_pre_hook(before),
        ]
    with torch.inference_mode():
        model(photos)
    for hook in hooks:
        hook.remove()
    names = {module: name for name, module in model.named_modules()}
    for conv, norm in pairs:
        if norm.running_mean is None or norm.running_var is None:
            continue
        conv.weight, conv.bias = fuse_conv_bn_weights(
            conv.weight,
            conv.bias,
            norm.running_mean,
            norm.running_var,
            norm.eps,
            norm.weight,
            norm.bias,
        )
        # timm's batch norm has its activation inside
        rest = [part for part in norm.children() if not isinstance(part, nn.Identity)]
        model.set_submodule(names[norm], nn.Sequential(*rest) if rest else nn.Identity())


def take_weights(model: nn.Module, onnx_model: bytes) -> int:
    """Replace the tensors of a folded network by those of an ONNX model of it, in place.

    Args:
        model: its parameters and buffers are compared by shape and values, not by name.
        onnx_model: with float weights; see `quantise.expand`.

    Returns:
        How many tensors of the network had no counterpart and stay as they are.
    """
    known = _arrays(onnx_model)
    left = 0
    for tensor in (*model.parameters(), *model.buffers()):
        if not tensor.is_floating_point():
            continue
        mine = tensor.detach().numpy()
        turned = [a.T for a in known[mine.shape[::-1]]] if mine.ndim == 2 else []
        found = _nearest(mine, [*known[mine.shape], *turned])
        if found is None:
            left += 1
        else:
            with torch.no_grad():
                tensor.copy_(torch.from_numpy(found.copy()))
    return left


def _nearest(
    mine: NDArray[np.float32], candidates: list[NDArray[np.float32]]
) -> NDArray[np.float32] | None:
    """Return the array that is nearest to `mine`, if it is near at all."""
    distances = [float(np.linalg.norm(mine - other)) for other in candidates]
    best = min(range(len(distances)), key=distances.__getitem__, default=-1)
    if best < 0 or not distances[best] <= NEAR * float(np.linalg.norm(mine)):
        return None
    return candidates[best]


def _arrays(onnx_model: bytes) -> dict[tuple[int, ...], list[NDArray[np.float32]]]:
    """Return the float weights of an ONNX model by shape."""
    import onnx
    from onnx import numpy_helper

    found = defaultdict(list)
    for tensor in onnx.load_model_from_string(onnx_model).graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype == np.float32:
            found[array.shape].append(array)
    return found
