"""`waymark teach`, from a bundle file and a folder to another bundle file and exit codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from waymark.bundle.format import read_bundle, write_bundle
from waymark.bundle.tiny import tiny_bundle
from waymark.cli import app


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch) -> Path:
    """Return the file of a bundle that knows landmark-0 to landmark-2."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_bundle(tmp_path / "tiny.waymark", tiny_bundle(3))
    return tmp_path / "tiny.waymark"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Return photos of a landmark that is new and of one that is not, one of them broken."""
    rng = np.random.default_rng(0)
    for name in ("aix/rotonde", "world/landmark-1"):
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        for i in range(4):
            pixels = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{i}.jpg")
    (folder / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    return tmp_path / "photos"


def run(*words: Any) -> Result:
    """Run `waymark teach`."""
    return CliRunner().invoke(app, ["teach", *map(str, words)])


def test_a_bundle_learns_and_says_what(bundle, dataset, tmp_path):
    """The new file knows the new landmark; what was skipped is told on stderr."""
    out = tmp_path / "b2.waymark"

    result = run(bundle, dataset, "--levels", "place,landmark", "--out", out)

    assert result.exit_code == 0, result.output
    assert "learnt 1 new landmark; 1 known one got more examples" in result.stdout
    assert "taught_top1 " in result.stdout
    assert str(out) in result.stdout
    assert "bad.jpg" in result.stderr
    assert "places: 1 from the dataset" in result.stderr.splitlines()
    assert "| places | 1 from the dataset |" in read_bundle(out).card
    manifest = read_bundle(out).manifest
    assert manifest.tasks[0].ids == ("landmark-0", "landmark-1", "landmark-2", "rotonde")
    assert manifest.landmarks[3].place == "aix"


def test_an_existing_file_is_an_error_before_any_work(bundle, tmp_path):
    """Exit code 2, one line, and the dataset is not even looked for."""
    result = run(bundle, tmp_path / "nowhere", "--out", bundle)

    assert result.exit_code == 2
    assert "exists" in result.stderr
    assert "nowhere" not in result.stderr


def test_levels_are_named_where_they_are_missing(bundle, dataset, tmp_path):
    """Two levels of folders without --levels is an error that names the option."""
    result = run(bundle, dataset, "--out", tmp_path / "b2.waymark")

    assert result.exit_code == 2
    assert "--levels" in result.stderr
    assert not (tmp_path / "b2.waymark").exists()


def test_a_missing_out_is_wrong_usage(bundle, dataset):
    """There is no default: a new bundle wants a name."""
    result = run(bundle, dataset)

    assert result.exit_code == 2
    assert "--out" in result.stderr
