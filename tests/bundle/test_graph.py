"""The head of a network can be replaced on the graph, without torch."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from waymark.bundle.graph import drop_head, replace_head, tasks_of, tiny_model
from waymark.errors import BundleError, ShapeError

PHOTOS = np.random.default_rng(0).normal(size=(5, 3, 64, 96)).astype(np.float32)


def run(model: bytes) -> dict[str, np.ndarray]:
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"photos": PHOTOS}), strict=True))


def test_the_tiny_model_has_the_outputs_of_a_bundle():
    """Logits come twice, the embedding is the pooled feature map, and the graph is valid."""
    model = tiny_model(4, features=8, categories=2)
    onnx.checker.check_model(onnx.load_model_from_string(model), full_check=True)

    out = run(model)

    order = ["logits_landmark", "logits", "logits_category", "embedding", "feature_map"]
    assert list(out) == order
    assert out["feature_map"].shape == (5, 8, 2, 3)
    np.testing.assert_allclose(out["embedding"], out["feature_map"].mean((2, 3)), atol=1e-5)
    np.testing.assert_array_equal(out["logits"], out["logits_landmark"])


@pytest.mark.parametrize("normalise", [False, True])
def test_a_new_head_is_linear_in_the_embedding(normalise):
    """NumPy on the unchanged embedding gives the new logits."""
    model = tiny_model(3, features=8)
    rng = np.random.default_rng(1)
    weight, bias = rng.normal(size=(7, 8)), rng.normal(size=7)
    before = run(model)

    after = run(replace_head(model, weight, bias, normalise=normalise))

    features = before["embedding"]
    if normalise:
        features = features / np.linalg.norm(features, axis=1, keepdims=True)
    np.testing.assert_array_equal(after["embedding"], before["embedding"])
    np.testing.assert_allclose(after["logits"], features @ weight.T + bias, rtol=1e-4, atol=1e-4)


def test_replacing_a_head_twice_leaves_nothing_of_the_first():
    """The old head's weights go, so the file does not grow with every teaching."""
    model = tiny_model(3, features=8)
    weight, bias = np.ones((7, 8)), np.zeros(7)

    once = replace_head(model, weight, bias, normalise=True)
    twice = replace_head(
        replace_head(model, weight * 2, bias, normalise=False), weight, bias, normalise=True
    )

    assert once == twice


def test_one_task_is_replaced_and_the_other_kept():
    """A new category head leaves the landmark's logits as they were."""
    model = tiny_model(3, features=8, categories=2)

    changed = replace_head(model, np.ones((5, 8)), np.zeros(5), task="category", normalise=False)

    assert tasks_of(changed) == ("landmark", "category")
    assert run(changed)["logits_category"].shape == (5, 5)
    np.testing.assert_array_equal(run(changed)["logits"], run(model)["logits"])


def test_a_head_can_be_dropped():
    """Without its category head the model is the one that never had it."""
    model = drop_head(tiny_model(3, features=8, categories=2), "category")

    assert tasks_of(model) == ("landmark",)
    np.testing.assert_array_equal(run(model)["logits"], run(tiny_model(3, features=8))["logits"])


@pytest.mark.parametrize(
    ("weight", "bias"),
    [
        (np.ones((3, 9)), np.zeros(3)),
        (np.ones((3, 8)), np.zeros(4)),
        (np.ones((0, 8)), np.zeros(0)),
        (np.full((3, 8), np.nan), np.zeros(3)),
    ],
)
def test_a_head_that_does_not_fit_is_refused(weight, bias):
    """Wrong widths, lengths and values are errors before a file is written."""
    with pytest.raises(ShapeError):
        replace_head(tiny_model(3, features=8), weight, bias, normalise=False)


def test_what_is_not_a_bundle_s_model_is_refused():
    """Bytes that are no ONNX, and a model without an embedding, each say so."""
    with pytest.raises(BundleError, match="not an ONNX model"):
        replace_head(b"\xff\x00nonsense", np.ones((3, 8)), np.zeros(3), normalise=False)
    proto = onnx.load_model_from_string(tiny_model(3, features=8))
    kept = [output for output in proto.graph.output if output.name != "embedding"]
    del proto.graph.output[:]
    proto.graph.output.extend(kept)
    with pytest.raises(BundleError, match="embedding"):
        replace_head(proto.SerializeToString(), np.ones((3, 8)), np.zeros(3), normalise=False)
