"""Make a bundle's network smaller and quicker: int8 for speed, float16 for size.

In:  a float32 ONNX model, and for int8 some prepared photos.
Out: an ONNX model with the same inputs and outputs, in one file.

`quantise` puts QuantizeLinear and DequantizeLinear around the convolutions, with scales
measured on the photos; the head and everything after the feature map stay float, so that
scores and embeddings keep their resolution. `shrink` only stores the weights at half the
size: ONNX Runtime turns them back once, when it loads the model.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waymark.bundle.onnx_check import INPUT
from waymark.errors import BundleError, ShapeError

MIN_OPSET = 13  # from here on QuantizeLinear is per channel
HALF_MAX = float(np.finfo(np.float16).max)
_QUANTISED = ("Conv", "Add")  # with Mul and Sigmoid it was no faster and less exact
_PERCENTILE = 99.999  # of activations; with the extremes instead, embeddings turn more
_KEPT_SMALL = 1024  # weights with fewer numbers are not worth rounding
_PARTS = 12  # of consecutive convolutions, that are tried alone where int8 costs too much
_TRIED_ON = 32  # photos
NOISE = 0.035
"""The most that int8 may add to embeddings, as a share of how they differ between photos."""


def quantise(
    model: bytes, calibration: Iterable[NDArray[np.float32]], *, keep: Iterable[str] = ()
) -> bytes:
    """Quantise the convolutions of a model to int8.

    Args:
        model: float32 ONNX, opset 13 or later.
        calibration: batches (N, 3, H, W) of prepared photos like those to come; a few
            hundred photos are enough.
        keep: names of further nodes to leave in float.

    Returns:
        An ONNX model in QDQ form: unsigned 8-bit activations, signed 8-bit weights with a
        scale for each output channel; the first convolution, and all that comes after the
        feature map, stay float.

    Raises:
        ShapeError: if there is no calibration photo.
        BundleError: if the model's opset is too old.

    Source: Krishnamoorthi 2018, https://arxiv.org/abs/1806.08342
    """
    import onnx
    from onnxruntime import quantization as ort

    proto = onnx.load_model_from_string(model)
    opset = next(o.version for o in proto.opset_import if o.domain in ("", "ai.onnx"))
    if opset < MIN_OPSET:
        raise BundleError(f"the model has opset {opset}; export it with {MIN_OPSET} or later.")
    kept = {*keep, *_float_nodes(proto)}
    with tempfile.TemporaryDirectory(prefix="waymark-") as folder:
        before, ready, after = (Path(folder) / f"{n}.onnx" for n in ("before", "ready", "after"))
        before.write_bytes(expand(model))
        with contextlib.redirect_stdout(io.StringIO()):  # it prints what it is doing
            ort.quant_pre_process(str(before), str(ready), skip_symbolic_shape=True)
            ort.quantize_static(
                str(ready),
                str(after),
                _Reader(calibration),
                quant_format=ort.QuantFormat.QDQ,
                op_types_to_quantize=list(_QUANTISED),
                per_channel=True,
                activation_type=ort.QuantType.QUInt8,
                weight_type=ort.QuantType.QInt8,
                nodes_to_exclude=sorted(kept),
                calibrate_method=ort.CalibrationMethod.Percentile,
                use_external_data_format=False,
                extra_options={
                    "CalibPercentile": _PERCENTILE,
                    "CalibStridedMinMax": 1,  # batches in memory at a time
                },
            )
        return after.read_bytes()


def quantise_within(
    model: bytes, calibration: Sequence[NDArray[np.float32]], *, noise: float = NOISE
) -> tuple[bytes, float]:
    """Quantise as much of a model as leaves its embeddings nearly as they were.

    Networks of plain convolutions take int8 everywhere. Where it costs too much, a dozen parts
    of the network are quantised one at a time on a few photos; their noises nearly add up. The
    parts that add most stay float, one more at a time, until the rest is within the limit.

    Args:
        model: float32 ONNX, opset 13 or later.
        calibration: batches (N, 3, H, W) of prepared photos; see `quantise`.
        noise: see `NOISE`.

    Returns:
        The model, and the noise that it adds.

    Raises:
        ShapeError: if there is no calibration photo.
        BundleError: if the model's opset is too old.
    """
    wanted = _embeddings(model, calibration)

    def attempt(keep: list[str]) -> tuple[bytes, float]:
        small = quantise(model, calibration, keep=keep)
        return small, noise_share(wanted, _embeddings(small, calibration))

    small, found = attempt([])
    if found <= noise:
        return small, found
    few = [np.concatenate(list(calibration))[:_TRIED_ON]]
    parts = _parts(model)
    alone = [_noise_alone(model, part, few) for part in parts]
    keep: list[str] = []
    left = sum(alone)
    for number in np.argsort(alone)[::-1]:
        keep += parts[number]
        left -= alone[number]
        if left > noise:
            continue
        small, found = attempt(keep)
        if found <= noise:
            break
    return small, found


def noise_share(before: NDArray[np.floating], after: NDArray[np.floating]) -> float:
    """Return the squared change of embeddings (N, D), as a share of their squared spread."""
    spread = float(np.square(before - before.mean(axis=0)).sum())
    return float(np.square(after - before).sum()) / max(spread, 1e-12)


def shrink(model: bytes) -> bytes:
    """Store the large float32 weights of a model as float16.

    Each such weight goes through a Cast to float32, which ONNX Runtime computes once when
    it loads the model: results differ by the rounding of the weights only. A weight that
    float16 cannot hold is left as it is.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    proto = onnx.load_model_from_string(model)
    casts = []
    for tensor in proto.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        array = numpy_helper.to_array(tensor)
        if array.size < _KEPT_SMALL or np.abs(array).max() > HALF_MAX:
            continue
        name = tensor.name
        stored = f"{name}_half"
        tensor.CopyFrom(numpy_helper.from_array(array.astype(np.float16), stored))
        casts.append(helper.make_node("Cast", [stored], [name], name=stored, to=TensorProto.FLOAT))
    nodes = [*casts, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    return bytes(proto.SerializeToString(deterministic=True))


def expand(model: bytes) -> bytes:
    """Undo `shrink`: float32 weights without Casts, with the rounding that it brought."""
    import onnx
    from onnx import TensorProto, numpy_helper

    proto = onnx.load_model_from_string(model)
    halves = {t.name: t for t in proto.graph.initializer if t.data_type == TensorProto.FLOAT16}
    nodes = []
    for node in proto.graph.node:
        if node.op_type == "Cast" and node.input[0] in halves:
            tensor = halves[node.input[0]]
            full = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(full, node.output[0]))
        else:
            nodes.append(node)
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    return bytes(proto.SerializeToString(deterministic=True))


def _float_nodes(proto: Any) -> Iterator[str]:
    """Name the first convolution, and every node that works on the feature map or later."""
    convolutions = [node for node in proto.graph.node if node.op_type == "Conv"]
    if not convolutions:
        raise BundleError("the model has no convolution, so there is nothing to quantise.")
    yield convolutions[0].name
    late = {"feature_map"}
    for node in proto.graph.node:
        if late.intersection(node.input):
            late.update(node.output)
            yield node.name


def _noise_alone(model: bytes, part: list[str], few: list[NDArray[np.float32]]) -> float:
    """Return the noise of a model of which one part alone is quantised."""
    others = [name for names in _parts(model) for name in names if name not in part]
    small = quantise(model, few, keep=others)
    return noise_share(_embeddings(model, few), _embeddings(small, few))


def _parts(model: bytes) -> list[list[str]]:
    """Name the nodes that can be quantised, in some twelve parts from input to output."""
    import onnx

    nodes = onnx.load_model_from_string(model).graph.node
    names = [node.name for node in nodes if node.op_type in _QUANTISED]
    cuts = np.linspace(0, len(names), min(_PARTS, len(names)) + 1).astype(int)
    return [names[start:stop] for start, stop in pairwise(cuts)]


def _embeddings(model: bytes, batches: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    found = [session.run(["embedding"], {INPUT: views})[0] for views in batches if len(views)]
    if not found:
        raise ShapeError("calibration has no photos; give at least one batch.")
    return np.concatenate(found)


class _Reader:
    """Calibration batches as ONNX Runtime asks for them: a few at a time."""

    def __init__(self, batches: Iterable[NDArray[np.float32]]) -> None:
        self._batches = list(batches)
        if not any(map(len, self._batches)):
            raise ShapeError("calibration has no photos; give at least one batch.")
        self._at, self._end = 0, len(self._batches)

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self._batches)

    def set_range(self, start_index: int, end_index: int) -> None:
        """Go to one batch, and stop before another."""
        self._at, self._end = start_index, end_index

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """Return the next feed, or None after the last."""
        if self._at >= self._end:
            return None
        self._at += 1
        return {INPUT: np.ascontiguousarray(self._batches[self._at - 1], dtype=np.float32)}
