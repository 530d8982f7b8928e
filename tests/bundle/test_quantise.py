"""Smaller and quicker models say nearly the same."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from waymark.bundle.graph import tiny_model
from waymark.bundle.onnx_check import check_model
from waymark.bundle.quantise import expand, noise_share, quantise, quantise_within, shrink
from waymark.errors import BundleError, ShapeError
from waymark.recognise.session import open_session

OUTPUTS = ("logits_landmark", "logits", "embedding", "feature_map")


def photos(count: int = 8) -> NDArray[np.float32]:
    """Return prepared photos of noise, softened so that neighbours are alike."""
    rng = np.random.default_rng(0)
    small = rng.normal(size=(count, 3, 8, 8)).astype(np.float32)
    return small.repeat(8, axis=2).repeat(8, axis=3)


def deep_model() -> bytes:
    """Return the tiny model with a second convolution, so that one can be quantised."""
    model = onnx.load_model_from_string(tiny_model(3, features=16))
    rng = np.random.default_rng(1)
    kernel = rng.normal(size=(16, 16, 1, 1)).astype(np.float32) / 4
    model.graph.initializer.append(onnx.numpy_helper.from_array(kernel, "kernel2"))
    for node in model.graph.node:
        node.output[:] = ["first" if name == "feature_map" else name for name in node.output]
    last = next(i for i, n in enumerate(model.graph.node) if "first" in n.output)
    conv = onnx.helper.make_node("Conv", ["first", "kernel2"], ["feature_map"], name="conv2")
    model.graph.node.insert(last + 1, conv)
    return model.SerializeToString()


def test_int8_keeps_outputs_and_nearly_their_values():
    """Embeddings of the quantised model point where those of the float model do."""
    model = deep_model()

    small = quantise(model, [photos()])

    check_model(small, ["landmark"])
    nodes = onnx.load_model_from_string(small).graph.node
    assert sum(node.op_type == "QuantizeLinear" for node in nodes) >= 1
    before = open_session(model, threads=1).run(photos(), OUTPUTS)
    after = open_session(small, threads=1).run(photos(), OUTPUTS)
    for one, other in zip(before["embedding"], after["embedding"], strict=True):
        assert one @ other > 0.995 * np.linalg.norm(one) * np.linalg.norm(other)
    assert after["feature_map"].shape == before["feature_map"].shape


def test_the_first_convolution_and_the_head_stay_float():
    """With one convolution only, there is nothing left to quantise."""
    model = tiny_model(3, features=8)

    small = quantise(model, [photos()])

    before = open_session(model, threads=1).run(photos(), OUTPUTS)
    after = open_session(small, threads=1).run(photos(), OUTPUTS)
    for name in OUTPUTS:
        np.testing.assert_allclose(after[name], before[name], rtol=1e-5, atol=1e-5)


def test_quantising_prints_nothing(capfd: pytest.CaptureFixture[str]):
    """The library is silent, whatever ONNX Runtime's tools say."""
    quantise(deep_model(), [photos(2)])

    assert capfd.readouterr().out == ""


def depthwise_model() -> bytes:
    """Return the tiny model with a depthwise convolution and a plain one behind it."""
    model = onnx.load_model_from_string(deep_model())
    kernel = np.full((16, 1, 1, 1), 0.5, np.float32) * np.logspace(-2, 2, 16)[:, None, None, None]
    model.graph.initializer.append(
        onnx.numpy_helper.from_array(kernel.astype(np.float32), "kernel3")
    )
    conv = onnx.helper.make_node("Conv", ["first", "kernel3"], ["wide"], name="deep", group=16)
    last = next(node for node in model.graph.node if node.name == "conv2")
    last.input[0] = "wide"
    model.graph.node.insert(list(model.graph.node).index(last), conv)
    return model.SerializeToString()


def embeddings(model: bytes) -> NDArray[np.float32]:
    """Return what a model makes of the photos."""
    return open_session(model, threads=1).run(photos(), ["embedding"])["embedding"]


def quantised(model: bytes) -> set[str]:
    """Return the names of the convolutions whose weights are stored in 8 bits."""
    graph = onnx.load_model_from_string(model).graph
    small = {t.name for t in graph.initializer if t.data_type == onnx.TensorProto.INT8}
    made = {n.output[0] for n in graph.node if n.input and n.input[0] in small}
    return {n.name for n in graph.node if n.op_type == "Conv" and n.input[1] in made}


def test_what_is_good_enough_is_quantised_whole():
    """The first attempt stays, equal to quantising without exceptions."""
    model = depthwise_model()

    small, noise = quantise_within(model, [photos()], noise=1.0)

    assert small == quantise(model, [photos()])
    assert quantised(small) == {"deep", "conv2"}
    assert noise == pytest.approx(noise_share(embeddings(model), embeddings(small)))


def test_the_noisiest_part_stays_float():
    """Of two convolutions, the one that adds less is still quantised."""
    model = depthwise_model()
    alone = {
        name: noise_share(
            *(embeddings(m) for m in (model, quantise(model, [photos()], keep=[other])))
        )
        for name, other in (("deep", "conv2"), ("conv2", "deep"))
    }
    better, worse = sorted(alone, key=alone.__getitem__)

    small, noise = quantise_within(model, [photos()], noise=alone[better] * 1.01)

    assert quantised(small) == {better}
    assert worse not in quantised(small)
    assert noise == pytest.approx(alone[better])


def test_where_no_noise_is_allowed_all_stays_float():
    """Nothing quantised adds nothing but the rounding of sums."""
    small, noise = quantise_within(depthwise_model(), [photos()], noise=1e-9)

    check_model(small, ["landmark"])
    assert quantised(small) == set()
    assert noise < 1e-9


def test_noise_is_a_share_of_the_spread():
    """None for equal embeddings; all of it where every photo looks like the average one."""
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(20, 8)) + 5
    average = np.broadcast_to(embeddings.mean(axis=0), embeddings.shape)

    assert noise_share(embeddings, embeddings) == 0
    assert noise_share(embeddings, average) == pytest.approx(1)


def test_quantising_without_photos_is_refused():
    """Scales cannot be measured on nothing."""
    with pytest.raises(ShapeError, match="no photos"):
        quantise(deep_model(), [])
    with pytest.raises(ShapeError, match="no photos"):
        quantise_within(deep_model(), [])


def test_an_old_opset_is_refused():
    """QuantizeLinear had no axis before opset 13."""
    model = onnx.load_model_from_string(deep_model())
    model.opset_import[0].version = 11

    with pytest.raises(BundleError, match="opset 11"):
        quantise(model.SerializeToString(), [photos()])


def test_float16_weights_halve_the_file_and_round_the_results():
    """Results agree to the eleven bits that float16 keeps."""
    model = tiny_model(3, features=32)

    small = shrink(model)

    assert len(small) < 0.6 * len(model)
    check_model(small, ["landmark"])
    before = open_session(model, threads=1).run(photos(), OUTPUTS)
    after = open_session(small, threads=1).run(photos(), OUTPUTS)
    for name in OUTPUTS:
        np.testing.assert_allclose(after[name], before[name], rtol=2e-3, atol=0.05)


def test_expanding_undoes_shrinking_but_for_the_rounding():
    """The same nodes and shapes, and shrinking again gives the same bytes."""
    model = tiny_model(3, features=32)

    again = expand(shrink(model))

    assert len(onnx.load_model_from_string(again).graph.node) == len(
        onnx.load_model_from_string(model).graph.node
    )
    assert shrink(again) == shrink(model)
    assert shrink(shrink(model)) == shrink(model)


def test_weights_too_large_for_float16_stay_as_they_are():
    """Nothing becomes infinite."""
    model = onnx.load_model_from_string(tiny_model(3, features=32))
    kernel = next(t for t in model.graph.initializer if t.name == "kernel")
    kernel.CopyFrom(
        onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(kernel) * 1e9, "kernel")
    )
    large = model.SerializeToString()

    after = open_session(shrink(large), threads=1).run(photos(), OUTPUTS)

    assert np.isfinite(after["embedding"]).all()
