"""Change the heads of a bundle's network, on the ONNX graph itself.

In:  a serialised ONNX model with the outputs of a bundle: `logits_<task>`, `logits`,
     `embedding` (N, D) and `feature_map` (N, D, h, w).
Out: the same bytes with another linear head; the backbone is untouched.

This is how the fast path and `teach` make a model without torch. Needs onnx only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from waymark.errors import BundleError, ShapeError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

INPUT, EMBEDDING, FEATURE_MAP = "photos", "embedding", "feature_map"
FIRST_TASK = "landmark"
_PARTS = ("unit", "weight", "bias", "logits")


def replace_head(
    model: bytes,
    weight: NDArray[np.floating],
    bias: NDArray[np.floating],
    *,
    task: str = FIRST_TASK,
    normalise: bool,
) -> bytes:
    """Cut the head of `task` (where there is one) and put a linear one in its place.

    Args:
        model: a serialised ONNX model that has an output `embedding`, (N, D) float32.
        weight: (C, D), one row a class.
        bias: (C,).
        task: whose logits; the first task's are also given as `logits`.
        normalise: divide the embedding by its length before it is multiplied.

    Returns:
        The model with `logits_<task>` = `weight` . g(embedding) + `bias`.

    Raises:
        ShapeError: if the shapes do not fit each other or the embedding.
        BundleError: if the model has no `embedding`.
    """
    from onnx import TensorProto, helper, numpy_helper

    proto = _load(model)
    graph = proto.graph
    _check_head(graph, weight, bias)
    names = [f"logits_{task}", *(["logits"] if task == FIRST_TASK else [])]
    _cut(graph, names)

    prefix = f"head_{task}"
    _set_aside(graph, [*names, prefix, *(f"{prefix}_{end}" for end in _PARTS)])
    features = EMBEDDING
    if normalise:
        features = f"{prefix}_unit"
        graph.node.append(
            helper.make_node("LpNormalization", [EMBEDDING], [features], name=features, axis=1, p=2)
        )
    for suffix, values in (("weight", weight), ("bias", bias)):
        array = np.ascontiguousarray(values, dtype=np.float32)
        graph.initializer.append(numpy_helper.from_array(array, f"{prefix}_{suffix}"))
    inputs = [features, f"{prefix}_weight", f"{prefix}_bias"]
    graph.node.append(helper.make_node("Gemm", inputs, names[:1], name=prefix, transB=1))
    for alias in names[1:]:
        graph.node.append(
            helper.make_node("Identity", names[:1], [alias], name=f"{prefix}_{alias}")
        )
    for name in names:
        info = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", len(weight)])
        graph.output.append(info)
    _order_outputs(graph)
    return bytes(proto.SerializeToString(deterministic=True))


def drop_head(model: bytes, task: str) -> bytes:
    """Cut the head of `task`, with all that only it needs; nothing happens where there is none."""
    proto = _load(model)
    _cut(proto.graph, [f"logits_{task}"])
    return bytes(proto.SerializeToString(deterministic=True))


def backbone_of(model: bytes) -> bytes:
    """Return the network without heads: the same bytes whatever was taught to the bundle."""
    proto = _load(model)
    graph = proto.graph
    _cut(graph, [output.name for output in graph.output if output.name != EMBEDDING])
    return bytes(proto.SerializeToString(deterministic=True))


def tasks_of(model: bytes) -> tuple[str, ...]:
    """Return the names of the tasks that the model has logits for, in the order of its outputs."""
    return tuple(
        output.name.removeprefix("logits_")
        for output in _load(model).graph.output
        if output.name.startswith("logits_")
    )


def tiny_model(
    classes: int = 3,
    *,
    features: int = 16,
    normalise: bool = False,
    categories: int = 0,
    seed: int = 0,
) -> bytes:
    """Build a network small enough for tests: one smooth 32 x 32 convolution, pooled, and a head.

    Args:
        classes: length of `logits_landmark`.
        features: length of the embedding, D.
        normalise: whether the heads see the embedding at unit length.
        categories: length of `logits_category`; 0 leaves that head out.
        seed: of the random weights.

    Returns:
        A serialised ONNX model with the inputs and outputs of a bundle's.
    """
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(seed)
    kernel = rng.normal(size=(features, 3, 4, 4)).repeat(8, axis=2).repeat(8, axis=3)
    kernel /= np.linalg.norm(kernel.reshape(features, -1), axis=1)[:, None, None, None]
    nodes = [
        helper.make_node(
            "Conv", [INPUT, "kernel"], ["maps"], kernel_shape=[32, 32], strides=[32, 32]
        ),
        helper.make_node("Relu", ["maps"], [FEATURE_MAP]),
        helper.make_node("GlobalAveragePool", [FEATURE_MAP], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], [EMBEDDING]),
    ]
    shapes: dict[str, list[str | int | None]] = {
        INPUT: ["n", 3, "h", "w"],
        EMBEDDING: ["n", features],
        FEATURE_MAP: ["n", features, "fh", "fw"],
    }
    info = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    }
    graph = helper.make_graph(
        nodes,
        "tiny",
        [info[INPUT]],
        [info[EMBEDDING], info[FEATURE_MAP]],
        [numpy_helper.from_array(kernel.astype(np.float32), "kernel")],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    model = bytes(proto.SerializeToString(deterministic=True))
    for task, count in ((FIRST_TASK, classes), ("category", categories)):
        if count:
            weight = rng.normal(size=(count, features)) * 3
            model = replace_head(model, weight, np.zeros(count), task=task, normalise=normalise)
    return model


def _load(model: bytes) -> ModelProto:
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        proto = onnx.load_model_from_string(model)
    except DecodeError as error:
        raise BundleError(
            "model.onnx is not an ONNX model; the bundle is damaged. Get it again."
        ) from error
    if EMBEDDING not in {output.name for output in proto.graph.output}:
        raise BundleError(
            f"model.onnx has no output named {EMBEDDING!r}, so no head can be put on it; "
            "expected a bundle made by waymark."
        )
    return proto


def _check_head(
    graph: GraphProto, weight: NDArray[np.floating], bias: NDArray[np.floating]
) -> None:
    if weight.ndim != 2 or bias.shape != weight.shape[:1] or not len(weight):
        raise ShapeError(
            f"head weight has shape {weight.shape} and bias {bias.shape}; "
            "expected (C, D) and (C,) with at least one class."
        )
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise ShapeError("the head has values that are not finite; refit it on clean features.")
    embedding = next(output for output in graph.output if output.name == EMBEDDING)
    width = embedding.type.tensor_type.shape.dim[-1].dim_value
    if width and width != weight.shape[1]:
        raise ShapeError(
            f"head weight has {weight.shape[1]} columns and the embedding {width} values; "
            "they must be equal."
        )


def _cut(graph: GraphProto, names: Sequence[str]) -> None:
    """Remove outputs `names`, then every node and weight that no output needs any more."""
    outputs = [output for output in graph.output if output.name not in names]
    _assign(graph.output, outputs)
    needed = {output.name for output in outputs}
    nodes = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            nodes.append(node)
    _assign(graph.node, nodes[::-1])
    _assign(graph.initializer, [i for i in graph.initializer if i.name in needed])
    _assign(graph.value_info, [v for v in graph.value_info if v.name in needed])


def _set_aside(graph: GraphProto, names: Sequence[str]) -> None:
    """Rename what is left of a head that was cut, because another head looks at its logits."""
    new = {name: f"{name}_before" for name in names}
    for node in graph.node:
        node.name = new.get(node.name, node.name)
        _assign(node.input, [new.get(name, name) for name in node.input])
        _assign(node.output, [new.get(name, name) for name in node.output])
    for tensor in graph.initializer:
        tensor.name = new.get(tensor.name, tensor.name)


def _order_outputs(graph: GraphProto) -> None:
    first = [f"logits_{FIRST_TASK}", "logits"]
    last = [EMBEDDING, FEATURE_MAP]

    def place(name: str) -> int:
        return (
            first.index(name)
            if name in first
            else 3 + (last.index(name) + 1 if name in last else 0)
        )

    _assign(graph.output, [*sorted(graph.output, key=lambda output: place(output.name))])


def _assign(field: object, values: Sequence[object]) -> None:
    """Replace the content of a repeated protobuf field."""
    del field[:]  # type: ignore[attr-defined]  # protobuf's containers have no public type
    field.extend(values)  # type: ignore[attr-defined]
