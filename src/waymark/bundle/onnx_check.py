"""Look into an ONNX file before any runtime does, without importing onnx.

In:  the bytes of a model.
Out: nothing, or a `BundleError`.

A model of a bundle is one plain graph: no file beside it, no operators but ONNX's own,
no control flow, no functions, one input and the outputs that waymark reads. A reader of
protobuf's wire format in a few lines skips over the weights, so a check takes
milliseconds; importing onnx would take longer than a prediction.

Source: https://protobuf.dev/programming-guides/encoding/ and onnx.proto3 of ONNX 1.18.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from waymark.errors import BundleError

INPUT = "photos"
OUTPUTS = ("logits", "embedding", "feature_map")
DOMAINS = ("", "ai.onnx")

_REMAKE = "Make the bundle again with `waymark train`, or do not use this file."
# Field numbers of onnx.proto3.
_MODEL_GRAPH, _MODEL_FUNCTIONS = 7, 25
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT, _GRAPH_SPARSE = 1, 5, 11, 12, 15
_NODE_OP, _NODE_ATTRIBUTE, _NODE_DOMAIN = 4, 5, 7
_ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS, _ATTRIBUTE_SPARSE = (5, 10), (6, 11), (22, 23)
_TENSOR_NAME, _TENSOR_EXTERNAL, _TENSOR_LOCATION = 8, 13, 14
_VALUE_NAME = 1

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def check_model(model: bytes, tasks: Collection[str]) -> None:
    """Refuse a model that reaches outside its file or lacks what waymark reads.

    Args:
        model: a serialised ONNX ModelProto.
        tasks: names of the tasks; each needs an output `logits_<task>`.

    Raises:
        BundleError: if the file is no ONNX model, stores weights elsewhere, has operators
            of another domain, functions or control flow, or the wrong inputs and outputs.
    """
    graphs = []
    for field, value in _fields(memoryview(model)):
        if field == _MODEL_GRAPH:
            graphs.append(_message(value))
        elif field == _MODEL_FUNCTIONS:
            raise BundleError(
                f"the model defines functions of its own, which is refused. {_REMAKE}"
            )
    if len(graphs) != 1:
        raise BundleError(f"the model has {len(graphs)} graphs, expected one. {_REMAKE}")
    inputs, outputs, stored = [], set(), set()
    for field, value in _fields(graphs[0]):
        if field == _GRAPH_NODE:
            _check_node(_message(value))
        elif field == _GRAPH_INITIALIZER:
            stored.add(_check_tensor(_message(value)))
        elif field == _GRAPH_INPUT:
            inputs.append(_name(_message(value)))
        elif field == _GRAPH_OUTPUT:
            outputs.add(_name(_message(value)))
        elif field == _GRAPH_SPARSE:
            raise BundleError(f"the model has sparse weights, which is refused. {_REMAKE}")
    if (fed := [name for name in inputs if name not in stored]) != [INPUT]:
        raise BundleError(f"the model takes {fed[:5]}, expected one input {INPUT!r}. {_REMAKE}")
    wanted = {*OUTPUTS, *(f"logits_{task}" for task in tasks)}
    if missing := sorted(wanted - outputs):
        raise BundleError(f"the model does not give {', '.join(missing)}. {_REMAKE}")


def _check_node(node: memoryview) -> None:
    operator = domain = ""
    for field, value in _fields(node):
        if field == _NODE_OP:
            operator = _text(value)
        elif field == _NODE_DOMAIN:
            domain = _text(value)
        elif field == _NODE_ATTRIBUTE:
            for part, inner in _fields(_message(value)):
                if part in _ATTRIBUTE_TENSORS:
                    _check_tensor(_message(inner))
                elif part in _ATTRIBUTE_GRAPHS:
                    raise BundleError(f"the model has control flow, which is refused. {_REMAKE}")
                elif part in _ATTRIBUTE_SPARSE:
                    raise BundleError(f"the model has sparse weights, which is refused. {_REMAKE}")
    if domain not in DOMAINS:
        raise BundleError(
            f"the model uses the operator {operator!a} of {domain!a}; "
            f"only ONNX's own are run. {_REMAKE}"
        )


def _check_tensor(tensor: memoryview) -> str:
    name = ""
    for field, value in _fields(tensor):
        if field == _TENSOR_NAME:
            name = _text(value)
        elif field == _TENSOR_EXTERNAL or (field == _TENSOR_LOCATION and value != 0):
            raise BundleError(f"the model keeps weights in another file. {_REMAKE}")
    return name


def _name(value_info: memoryview) -> str:
    return next((_text(value) for field, value in _fields(value_info) if field == _VALUE_NAME), "")


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield (field number, value); a value is an integer, or the bytes of what is inside."""
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        wire = key & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        if wire == _BYTES:
            size, at = _varint(message, at)
        elif wire in (_FIXED32, _FIXED64):
            size = 4 if wire == _FIXED32 else 8
        else:
            raise _not_onnx()
        if at + size > end:
            raise _not_onnx()
        yield key >> 3, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _not_onnx()


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise _not_onnx()
    return value


def _text(value: int | memoryview) -> str:
    return str(_message(value), "utf-8", "replace")


def _not_onnx() -> BundleError:
    return BundleError(f"model.onnx is damaged or is no ONNX model. {_REMAKE}")
