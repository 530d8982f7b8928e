"""A model is looked into without onnx, and nothing in its bytes can upset the reader."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from waymark.bundle.graph import tiny_model
from waymark.bundle.onnx_check import check_model
from waymark.errors import BundleError

MODEL = tiny_model(3, features=4, categories=2)


def test_a_good_model_passes_with_all_its_tasks():
    """And is refused where a task has no logits."""
    check_model(MODEL, ["landmark", "category"])

    with pytest.raises(BundleError, match="logits_colour"):
        check_model(MODEL, ["landmark", "colour"])


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(data: bytes):
    """With a BundleError and nothing else."""
    with pytest.raises(BundleError):
        check_model(data, ["landmark"])


@given(st.integers(0, len(MODEL) - 1), st.integers(0, 255))
def test_a_changed_byte_is_refused_or_harmless(at: int, byte: int):
    """No change of one byte makes the reader fail in another way."""
    changed = bytearray(MODEL)
    changed[at] = byte

    with contextlib.suppress(BundleError):
        check_model(bytes(changed), ["landmark"])


def test_a_second_input_is_refused():
    """Nobody would feed it."""
    model = onnx.load_model_from_string(MODEL)
    model.graph.input.add(name="mask")

    with pytest.raises(BundleError, match=r"takes \['photos', 'mask'\]"):
        check_model(model.SerializeToString(), ["landmark"])


def test_functions_are_refused():
    """They could hide any operator."""
    model = onnx.load_model_from_string(MODEL)
    model.functions.add(name="f", domain="here")

    with pytest.raises(BundleError, match="functions of its own"):
        check_model(model.SerializeToString(), ["landmark"])


def test_external_weights_are_found_in_attributes_too():
    """A constant may hide one."""
    model = onnx.load_model_from_string(MODEL)
    tensor = onnx.numpy_helper.from_array(np.zeros(3, np.float32), "t")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    node = onnx.helper.make_node("Constant", [], ["c"], value=tensor)
    model.graph.node.append(node)

    with pytest.raises(BundleError, match="another file"):
        check_model(model.SerializeToString(), ["landmark"])


def test_sparse_weights_are_found_in_attributes_too():
    """Their values are tensors that may lie in another file."""
    model = onnx.load_model_from_string(MODEL)
    values = onnx.numpy_helper.from_array(np.ones(1, np.float32), "v")
    places = onnx.numpy_helper.from_array(np.zeros(1, np.int64), "i")
    sparse = onnx.helper.make_sparse_tensor(values, places, [3])
    model.graph.node.append(onnx.helper.make_node("Constant", [], ["c"], sparse_value=sparse))

    with pytest.raises(BundleError, match="sparse weights"):
        check_model(model.SerializeToString(), ["landmark"])


def test_checking_does_not_import_onnx():
    """It would take longer than a prediction."""
    code = "import waymark.bundle.format, sys; print('onnx' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
