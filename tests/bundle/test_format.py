"""A bundle comes back as it was written, and a bad one is refused with a reason."""

from __future__ import annotations

import importlib.util
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from waymark.bundle.format import (
    Bundle,
    decode,
    encode,
    find_bundle,
    read_bundle,
    write_bundle,
)
from waymark.bundle.tiny import tiny_bundle
from waymark.errors import BundleError, WaymarkError


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """Return a bundle with every part that one can have."""
    tiny = tiny_bundle(3, categories=2)
    return replace(tiny, backbone=b"weights", card="# Karte ä\n", notice="MIT")


@pytest.fixture(scope="module")
def proof(root: Path) -> Any:
    """Return benchmarks/proof_bundles.py as a module."""
    spec = importlib.util.spec_from_file_location("proof", root / "benchmarks/proof_bundles.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def members_of(data: bytes) -> dict[str, bytes]:
    """Return the members of a ZIP."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rezip(members: dict[str, bytes], **extra: bytes) -> bytes:
    """Make a plain ZIP of members, which knows nothing of the rules of bundles."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {**members, **extra}.items():
            archive.writestr(name, data)
    return out.getvalue()


def with_value(bundle: Bundle, *path: Any, value: Any) -> bytes:
    """Change one value of bundle.json, leaving the hashes right."""
    members = members_of(encode(bundle))
    values = json.loads(members["bundle.json"])
    at = values
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return rezip(members | {"bundle.json": json.dumps(values).encode()})


def changed_model(bundle: Bundle, change: Callable[[onnx.ModelProto], None]) -> Bundle:
    """Change the ONNX model of a bundle."""
    model = onnx.load_model_from_string(bundle.model)
    change(model)
    return replace(bundle, model=model.SerializeToString())


def test_a_bundle_reads_back_as_it_was_written(bundle: Bundle, tmp_path: Path):
    """Manifest, model, statistics, backbone, card and notice survive; the hash is the file's."""
    written = write_bundle(tmp_path / "b.waymark", bundle)

    read = read_bundle(tmp_path / "b.waymark")

    for name in ("manifest", "model", "backbone", "card", "notice"):
        assert getattr(read, name) == getattr(bundle, name)
    assert read.sha256 == written.sha256
    assert len(read.short_hash) == 12
    assert read.statistics.keys() == written.statistics.keys()
    for name, array in bundle.statistics.items():
        np.testing.assert_allclose(read.statistics[name], array, rtol=1e-3)
    assert read.statistics["whitening"].shape == (16, 16)


def test_writing_what_was_read_gives_the_same_bytes(bundle: Bundle, tmp_path: Path):
    """Nothing is lost or rounded a second time."""
    write_bundle(tmp_path / "a.waymark", bundle)

    write_bundle(tmp_path / "b.waymark", read_bundle(tmp_path / "a.waymark"))

    assert (tmp_path / "a.waymark").read_bytes() == (tmp_path / "b.waymark").read_bytes()


def test_a_failed_write_leaves_the_old_file_alone(bundle: Bundle, tmp_path: Path):
    """A bundle that could not be read back is not written, and leaves no draft."""
    good = write_bundle(tmp_path / "b.waymark", bundle)
    bad = replace(bundle, statistics={**bundle.statistics, "means": np.zeros((2, 2), np.float32)})

    with pytest.raises(BundleError, match="means"):
        write_bundle(tmp_path / "b.waymark", bad)

    assert read_bundle(tmp_path / "b.waymark").sha256 == good.sha256
    assert [p.name for p in tmp_path.iterdir()] == ["b.waymark"]


def test_unknown_keys_of_the_manifest_are_ignored(bundle: Bundle):
    """A later waymark of the same format may say more."""
    data = with_value(bundle, "mood", value="sunny")

    assert decode(data).manifest == bundle.manifest


def test_a_bundle_is_found_by_path_and_by_run_folder(bundle: Bundle, tmp_path: Path):
    """A run folder stands for the bundle in it."""
    write_bundle(tmp_path / "run" / "model.waymark", bundle)

    assert find_bundle(tmp_path / "run") == tmp_path / "run" / "model.waymark"
    assert find_bundle(str(tmp_path / "run" / "model.waymark")).is_file()


def test_a_bundle_that_is_not_there_is_said_with_what_is_expected():
    """The message names the ways to find a bundle."""
    with pytest.raises(BundleError, match=r"no bundle 'wrold': expected a \.waymark file"):
        find_bundle("wrold")


BAD_FILES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "not a whole bundle"),
    "text": (lambda _: b"hello\n" * 100, "not a whole bundle"),
    "pickle": (lambda _: b"\x80\x04\x95\x0b\x00\x00\x00.", "not a whole bundle"),
    "cut short": (lambda data: data[: len(data) // 2], "not a whole bundle"),
    "without model": (
        lambda data: rezip({k: v for k, v in members_of(data).items() if k != "model.onnx"}),
        "lacks model.onnx",
    ),
    "with a stranger": (
        lambda data: rezip(members_of(data), **{"data.pkl": b"x"}),
        "members that no bundle has",
    ),
    "with a path": (
        lambda data: rezip(members_of(data), **{"../../.bashrc": b"x"}),
        "members that no bundle has",
    ),
    "with an absolute path": (
        lambda data: rezip(members_of(data), **{"/etc/cron.d/x": b"x"}),
        "members that no bundle has",
    ),
    "a bomb": (
        lambda data: rezip(members_of(data) | {"README.md": b"0" * 4_000_000}),
        "decompression bomb",
    ),
    "too large": (
        lambda data: rezip(members_of(data) | {"NOTICE": b"0" * (9 << 20)}),
        "at most 8 MiB",
    ),
    "changed model": (
        lambda data: rezip(members_of(data) | {"model.onnx": members_of(data)["model.onnx"][:-1]}),
        "model.onnx is not what bundle.json says",
    ),
    "unlisted card": (
        lambda data: rezip(members_of(data) | {"NOTICE": b"new"}),
        "SHA-256",
    ),
    "no JSON": (lambda data: rezip(members_of(data) | {"bundle.json": b"{"}), "is no JSON"),
    "a JSON list": (
        lambda data: rezip(members_of(data) | {"bundle.json": b"[]"}),
        "no JSON object",
    ),
    "NaN": (
        lambda data: rezip(members_of(data) | {"bundle.json": b'{"format": NaN}'}),
        "is no JSON",
    ),
    "deep JSON": (
        lambda data: rezip(members_of(data) | {"bundle.json": b"[" * 200_000}),
        "is no JSON|bomb",
    ),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_refused_with_its_reason(name: str, tmp_path: Path):
    """Each kind of damage has a message of its own, on one line, with the file's name."""
    damage, message = BAD_FILES[name]
    file = tmp_path / "bad.waymark"
    file.write_bytes(damage(encode(tiny_bundle())))

    with pytest.raises(BundleError, match=message) as caught:
        read_bundle(file)

    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_member_that_is_there_twice_is_refused(bundle: Bundle):
    """Two programs could read two different models from such a file."""
    out = io.BytesIO(encode(bundle))
    with (
        zipfile.ZipFile(out, "a") as archive,
        pytest.warns(UserWarning, match="Duplicate name"),
    ):
        archive.writestr("model.onnx", b"other")

    with pytest.raises(BundleError, match=r"model\.onnx more than once"):
        decode(out.getvalue())


BAD_VALUES = {
    "newer format": (("format",), 2, "install a newer waymark"),
    "no format": (("format",), "1", "has format '1'"),
    "no tasks": (("tasks",), [], "tasks are"),
    "strange task": (("tasks", 0, "name"), "colour", "task is 'colour'"),
    "no classes": (("tasks", 0, "class_names"), [], "0 classes"),
    "class twice": (("tasks", 0, "class_names", 1, "id"), "landmark-0", "same id"),
    "class without name": (("tasks", 0, "class_names", 1, "name"), None, "no id or no name"),
    "long place": (("tasks", 0, "class_names", 1, "place"), "x" * 2000, "too long"),
    "north of the pole": (("tasks", 0, "class_names", 0, "lat"), 91, "lat"),
    "temperature 0": (("temperature",), 0, "temperature is 0"),
    "threshold 2": (("unknown", "threshold"), 2, "between 0 and 1"),
    "weights short": (("unknown", "weights"), [1.0], "a weight, centre and scale"),
    "weights text": (("unknown", "weights"), ["a", 1, 1], "must be numbers"),
    "scale 0": (("unknown", "scale"), [0.0, 1, 1], "scale"),
    "preprocess": (("preprocess", "size"), 33, "multiple of 32"),
    "preprocess key": (("preprocess", "blur"), 1, "unknown fields"),
    "size no integer": (("preprocess", "size"), 64.0, "multiple of 32"),
    "decode": (("preprocess", "decode"), 1e308, "between 1 and 64"),
    "half a character": (("tasks", 0, "class_names", 0, "name"), "\ud800", "is no JSON"),
    "fast size": (("sizes", "fast"), 10_000_000, "multiple of 32"),
    "width": (("backbone", "num_features"), 8, "does not fit"),
    "head": (("head",), {}, "head.normalise"),
    "hashes": (("sha256",), None, "SHA-256"),
}


@pytest.mark.parametrize("name", BAD_VALUES)
def test_an_impossible_value_in_the_manifest_is_refused(bundle: Bundle, name: str):
    """The message says which value it is."""
    path, value, message = BAD_VALUES[name]

    with pytest.raises(BundleError, match=message):
        decode(with_value(bundle, *path, value=value))


def test_a_model_with_weights_in_another_file_is_refused(bundle: Bundle):
    """ONNX can name any file on the disk; ours may not."""

    def externalise(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[0]
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="../../etc/passwd")

    with pytest.raises(BundleError, match="weights in another file"):
        encode(changed_model(bundle, externalise))


def test_a_model_with_custom_operators_is_refused(bundle: Bundle):
    """Only ONNX's own operators are run."""

    def customise(model: onnx.ModelProto) -> None:
        model.graph.node[0].domain = "evil.example"

    with pytest.raises(BundleError, match=r"'Conv' of 'evil\.example'"):
        encode(changed_model(bundle, customise))


def test_a_model_with_control_flow_is_refused(bundle: Bundle):
    """A loop could run for ever."""

    def loop(model: onnx.ModelProto) -> None:
        node = model.graph.node.add(op_type="Loop", output=["x"])
        node.attribute.append(helper.make_attribute("body", helper.make_graph([], "b", [], [])))

    with pytest.raises(BundleError, match="control flow"):
        encode(changed_model(bundle, loop))


def test_a_model_without_feature_map_is_refused(bundle: Bundle):
    """What is missing is named."""

    def drop(model: onnx.ModelProto) -> None:
        kept = [output for output in model.graph.output if output.name != "feature_map"]
        del model.graph.output[:]
        model.graph.output.extend(kept)

    with pytest.raises(BundleError, match="does not give feature_map"):
        encode(changed_model(bundle, drop))


BAD_STATISTICS = {
    "missing": ({"means": None}, "lacks means"),
    "extra": ({"photos": np.zeros(3)}, "no bundle has"),
    "shape": ({"counts": np.zeros(4)}, "shape"),
    "nan": ({"head_bias": np.full(3, np.nan)}, "cannot be"),
    "no list of negatives": ({"negative_means": np.zeros(())}, "shape"),
    "few negatives": ({"negative_counts": np.full(2, 9.0)}, "at least 10"),
    "lone negatives": ({"negative_counts": None}, "belong together"),
}


@pytest.mark.parametrize("name", BAD_STATISTICS)
def test_statistics_that_do_not_fit_are_refused(bundle: Bundle, name: str):
    """An array is missing, strange, or has impossible numbers."""
    changes, message = BAD_STATISTICS[name]
    statistics = dict(bundle.statistics)
    for key, array in changes.items():
        if array is None:
            del statistics[key]
        else:
            statistics[key] = array.astype(np.float32)

    with pytest.raises(BundleError, match=message):
        encode(replace(bundle, statistics=statistics))


def test_changed_bundles_are_refused_or_work(proof: Any):
    """The small form of `make proof`: no seed ends in anything but a BundleError."""
    results = proof.try_many(range(100))

    assert sum(results.values()) == 100
    assert results["refused"] > 50
    assert issubclass(BundleError, WaymarkError)
