"""`waymark export`, from a bundle or a run to a file and exit codes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnxruntime as ort
import pytest
from typer.testing import CliRunner, Result

from waymark.bundle.format import read_bundle, write_bundle
from waymark.bundle.tiny import tiny_bundle
from waymark.cli import app
from waymark.dataset.index import read_dataset
from waymark.dataset.split import split_dataset, write_split
from waymark.samples import SAMPLES, write_samples


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return photos of two landmarks."""
    return write_samples(tmp_path / "photos", per_landmark=5, names=SAMPLES[:2], size=(64, 48))


@pytest.fixture
def run(tmp_path: Path, photos: Path) -> Path:
    """Return a run's folder, whose bundle has no backbone.safetensors."""
    folder = tmp_path / "run"
    made = tiny_bundle(3)
    provenance = {"command": f"waymark train {photos}"}
    manifest = replace(made.manifest, provenance=provenance)
    write_bundle(folder / "model.waymark", replace(made, manifest=manifest))
    split = split_dataset(read_dataset(photos), val=0.2, groups=range(10))
    write_split(folder / "split.csv", split)
    return folder


def export(*words: Any) -> Result:
    """Run `waymark export`."""
    return CliRunner().invoke(app, ["export", *map(str, words)])


@pytest.mark.parametrize("name", ["", "model.waymark"])
def test_a_run_becomes_onnx(run: Path, tmp_path: Path, name: str) -> None:
    """By its folder or the bundle in it; what was written is said."""
    out = tmp_path / "m.onnx"

    result = export(run / name, "--format", "onnx", "--out", out)

    assert result.exit_code == 0, result.output
    assert str(out) in result.stdout
    assert "differ" in result.stdout
    assert ort.InferenceSession(out).get_modelmeta().custom_metadata_map["class_names"]


def test_a_run_becomes_int8_on_its_own_photos(run: Path, tmp_path: Path) -> None:
    """The 8 of 10 that it was trained on."""
    result = export(run, "--format", "onnx-int8", "--out", tmp_path / "m.onnx")

    assert result.exit_code == 0, result.output
    assert "% of 8 photos" in result.stdout


def test_a_bare_bundle_becomes_int8_on_given_photos(
    run: Path, photos: Path, tmp_path: Path
) -> None:
    """And without them it is an error that names the option."""
    bundle = tmp_path / "bare.waymark"
    write_bundle(bundle, read_bundle(run))

    wrong = export(bundle, "--format", "onnx-int8", "--out", tmp_path / "m.onnx")
    right = export(
        bundle, "--format", "onnx-int8", "--photos", photos, "--out", tmp_path / "m.onnx"
    )

    assert (wrong.exit_code, right.exit_code) == (2, 0)
    assert "--photos" in wrong.stderr
    assert "% of 10 photos" in right.stdout


@pytest.mark.parametrize("format", ["pt2", "torchscript"])
def test_torch_formats_of_a_slim_bundle_say_what_to_do(
    run: Path, tmp_path: Path, format: str
) -> None:
    """Exit code 2, one line, nothing written."""
    pytest.importorskip("torch")
    out = tmp_path / "m.pt"

    result = export(run, "--format", format, "--out", out)

    assert result.exit_code == 2
    assert "--slim" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not out.exists()


def test_the_world_bundle_becomes_torchscript_by_name(tmp_path: Path) -> None:
    """The only network here that was trained on photos of landmarks."""
    pytest.importorskip("torch")

    result = export("world", "--format", "torchscript", "--out", tmp_path / "m.pt")

    assert result.exit_code == 0, result.output
    assert "differ" in result.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--format", "tflite"], "onnx-int8"),
        ([], "--format"),
    ],
)
def test_a_format_must_be_one_of_those_there_are(run, tmp_path, words, said) -> None:
    """Wrong usage exits with 2."""
    result = export(run, "--out", tmp_path / "m", *words)

    assert result.exit_code == 2
    assert said in result.stderr


def test_an_existing_file_is_not_replaced_unasked(run: Path, tmp_path: Path) -> None:
    """Exit code 2, and the file as it was."""
    out = tmp_path / "m.onnx"
    out.write_text("mine")

    first = export(run, "--format", "onnx", "--out", out)
    assert (first.exit_code, out.read_text()) == (2, "mine")
    second = export(run, "--format", "onnx", "--out", out, "--overwrite")
    assert second.exit_code == 0
    assert out.stat().st_size > 10


def test_onnx_needs_no_torch(run: Path, tmp_path: Path) -> None:
    """Where torch cannot be imported, onnx is made, and torchscript says what is missing."""
    code = (
        "import sys\nfor name in ('torch', 'timm', 'torchvision'):\n    sys.modules[name] = None\n"
        "from waymark.cli import main\nmain()"
    )

    def called(*words: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, "export", str(run), *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    onnx = called("--format", "onnx", "--out", tmp_path / "m.onnx")
    torch = called("--format", "torchscript", "--out", tmp_path / "m.pt")

    assert onnx.returncode == 0, onnx.stderr
    assert torch.returncode == 2
    assert "waymark[train]" in torch.stderr
