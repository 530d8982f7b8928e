"""A bundle in other formats: described, proven, and written in one step."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from waymark.bundle import convert
from waymark.bundle.convert import Exported, compare, describe, export, to_int8, to_onnx
from waymark.bundle.format import Bundle, decode, encode, read_bundle, write_bundle
from waymark.bundle.graph import replace_head
from waymark.bundle.quantise import shrink
from waymark.bundle.tiny import tiny_bundle
from waymark.errors import BundleError, ConfigError
from waymark.preprocess import prepare
from waymark.samples import SAMPLES, render, write_samples


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Return the file of a bundle with two tasks, its weights in float16."""
    made = tiny_bundle(3, features=32, categories=2)
    write_bundle(tmp_path / "tiny.waymark", replace(made, model=shrink(made.model)))
    return tmp_path / "tiny.waymark"


def views(bundle: Bundle) -> np.ndarray:
    """Return two prepared samples."""
    images = [render(name, seed=0) for name in SAMPLES[:2]]
    return np.stack([prepare(image, bundle.manifest.preprocess) for image in images])


def test_onnx_is_plain_float32_and_says_what_it_is(bundle: Path, tmp_path: Path) -> None:
    """ONNX Runtime alone finds classes, preparation and temperature, and the same logits."""
    done = export(bundle, tmp_path / "m.onnx", format="onnx")

    session = ort.InferenceSession(done.file)
    about = session.get_modelmeta().custom_metadata_map
    whole = read_bundle(bundle)
    assert json.loads(about["class_names"]) == [c.name for c in whole.manifest.landmarks]
    assert json.loads(about["class_ids"]) == list(whole.manifest.tasks[0].ids)
    assert json.loads(about["category_names"]) == ["Kind 0", "Kind 1"]
    assert json.loads(about["preprocess"])["size"] == whole.manifest.preprocess.size
    assert float(about["temperature"]) == whole.manifest.temperature
    assert about["waymark_version"]
    assert about["bundle_sha256"] == whole.sha256
    weights = onnx.load(done.file).graph.initializer
    assert {tensor.data_type for tensor in weights} == {onnx.TensorProto.FLOAT}
    wanted = ort.InferenceSession(whole.model)
    assert [o.name for o in session.get_outputs()] == [o.name for o in wanted.get_outputs()]
    for one, other in zip(
        session.run(None, {"photos": views(whole)}),
        wanted.run(None, {"photos": views(whole)}),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_what_was_done_is_told(bundle: Path, tmp_path: Path) -> None:
    """Size of the file, and how far it is from the bundle."""
    done = export(bundle, tmp_path / "deep" / "m.onnx", format="onnx")

    assert isinstance(done, Exported)
    assert done.size == done.file.stat().st_size
    assert done.difference is not None
    assert done.difference <= convert.TOLERANCE
    assert done.agreement is None
    assert done.photos == 4


def test_int8_is_described_too_and_keeps_the_outputs(bundle: Path) -> None:
    """The same metadata as float."""
    whole = read_bundle(bundle)

    small = ort.InferenceSession(to_int8(whole, [views(whole)]))

    full = ort.InferenceSession(to_onnx(whole))
    assert small.get_modelmeta().custom_metadata_map == full.get_modelmeta().custom_metadata_map
    assert [o.name for o in small.get_outputs()] == [o.name for o in full.get_outputs()]


def test_int8_tells_how_often_it_names_the_same(bundle: Path, tmp_path: Path) -> None:
    """On the photos that its scales were measured on."""
    photos = write_samples(tmp_path / "photos", per_landmark=2, names=SAMPLES[:2], size=(80, 60))

    done = export(bundle, tmp_path / "m.onnx", format="onnx-int8", photos=photos)

    assert done.photos == 4
    assert done.difference is None
    assert done.agreement is not None
    assert 0 <= done.agreement <= 1


def test_another_network_is_found_out_and_nothing_written(bundle: Path, tmp_path: Path) -> None:
    """The head of one bundle on the network of another."""
    whole = read_bundle(bundle)
    rng = np.random.default_rng(0)
    other = replace_head(whole.model, rng.normal(size=(3, 32)), np.zeros(3), normalise=False)
    session = ort.InferenceSession(other)
    names = ["logits_landmark", "logits_category"]
    got = dict(zip(names, session.run(names, {"photos": views(whole)}), strict=True))

    with pytest.raises(BundleError, match=r"differs .* in logits_landmark"):
        compare(whole, views(whole), got)


def test_not_a_number_is_too_far(bundle: Path) -> None:
    """A comparison with NaN is never below the tolerance."""
    whole = read_bundle(bundle)
    got = {name: np.full((2, n), np.nan) for name, n in (("logits_landmark", 3),)}

    with pytest.raises(BundleError, match="differs"):
        compare(whole, views(whole), got)


def test_names_that_two_landmarks_share_become_ids() -> None:
    """So that a name says which landmark is meant."""
    made = tiny_bundle(3)
    first, second, third = made.manifest.landmarks
    same = (first, replace(second, name=first.name), third)

    assert convert.class_names(same) == [first.id, second.id, third.name]


def test_a_notice_goes_along() -> None:
    """What the licences of the weights ask to be said, where they ask."""
    made = tiny_bundle(3)

    assert "notice" not in describe(made)
    assert describe(replace(made, notice="By X."))["notice"] == "By X."


def test_hostile_names_come_back_as_they_are() -> None:
    """Quotes, backslashes and half the alphabets."""
    made = tiny_bundle(2)
    task = made.manifest.tasks[0]
    odd = tuple(
        replace(one, name=name)
        for one, name in zip(task.classes, ('"]}\\n<b>', "Ağrı 山"), strict=True)
    )
    manifest = replace(made.manifest, tasks=(replace(task, classes=odd),))
    whole = decode(encode(replace(made, manifest=manifest)))

    session = ort.InferenceSession(to_onnx(whole))

    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["class_names"]) == ['"]}\\n<b>', "Ağrı 山"]


def test_an_existing_file_stays_unless_told_otherwise(bundle: Path, tmp_path: Path) -> None:
    """And a folder stays in any case."""
    out = tmp_path / "m.onnx"
    out.write_text("mine")

    with pytest.raises(BundleError, match="--overwrite"):
        export(bundle, out, format="onnx")
    assert out.read_text() == "mine"
    export(bundle, out, format="onnx", overwrite=True)
    assert onnx.load(out).graph.node
    with pytest.raises(BundleError, match="folder"):
        export(bundle, tmp_path, format="onnx", overwrite=True)


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch) -> None:
    """And no draft beside it."""
    out = tmp_path / "m.onnx"
    out.write_text("mine")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("full")))

    with pytest.raises(OSError, match="full"):
        convert.write(out, b"new")
    assert out.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [out]


def test_a_format_that_is_none_is_refused(bundle: Path, tmp_path: Path) -> None:
    """With the ones there are."""
    with pytest.raises(ConfigError, match="torchscript"):
        export(bundle, tmp_path / "m", format="tflite")


def test_int8_of_a_bare_bundle_wants_photos(bundle: Path, tmp_path: Path) -> None:
    """Scales cannot be guessed."""
    with pytest.raises(ConfigError, match="--photos"):
        export(bundle, tmp_path / "m.onnx", format="onnx-int8")


def test_int8_is_not_made_of_int8(tmp_path: Path) -> None:
    """Twice rounded would be worse than once, and unseen."""
    made = tiny_bundle(3)
    model = onnx.load_model_from_string(made.model)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(0.1), "scale"))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.uint8(0), "zero"))
    model.graph.node.append(
        onnx.helper.make_node("QuantizeLinear", ["embedding", "scale", "zero"], ["rounded"])
    )
    whole = replace(made, model=model.SerializeToString())
    write_bundle(tmp_path / "int8.waymark", whole)

    with pytest.raises(BundleError, match="int8 already"):
        export(tmp_path / "int8.waymark", tmp_path / "m.onnx", format="onnx-int8", photos=tmp_path)
