"""`waymark data stats`: the figures, before and after normalising, and their picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from waymark.cli.data import data
from waymark.errors import ConfigError
from waymark.preprocess import IMAGENET_MEAN, IMAGENET_STD


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a dataset of two grey photos and one of a label that would steer a terminal."""
    for number, label in enumerate(("mill", "mill", "tower\x1b[2J")):
        (tmp_path / label).mkdir(exist_ok=True)
        Image.new("RGB", (8, 6), (51, 102, 204)).save(tmp_path / label / f"{number}.png")
    return tmp_path


def test_bars_and_normalised_figures(folder: Path) -> None:
    """A bar a landmark; mean and deviation as read and as the network sees them."""
    result = CliRunner().invoke(data, ["stats", str(folder)])

    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["2", "#" * 24, "mill"]
    assert lines[1].split()[:2] == ["1", "#" * 12]
    assert "\x1b" not in result.stdout
    assert "0.2000   0.4000   0.8000 (R G B, 0-1)" in result.stdout
    assert "(R G B, normalised)" in result.stdout


def test_json_has_both_and_a_bundle_may_say_how(folder: Path) -> None:
    """ImageNet's figures by default; those of the bundle where one is named."""
    own = json.loads(CliRunner().invoke(data, ["stats", str(folder), "--json"]).stdout)
    words = ["stats", str(folder), "--json", "--bundle", "world"]
    theirs = json.loads(CliRunner().invoke(data, words).stdout)

    assert own["normalised"]["with"] == {"mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD)}
    for facts in (own, theirs):
        by = facts["normalised"]["with"]
        expected = (np.array(facts["mean"]) - by["mean"]) / by["std"]
        np.testing.assert_allclose(facts["normalised"]["mean"], expected, atol=1e-5)
        assert len(facts["histograms"][0]) == 64


def test_the_picture_is_a_png(folder: Path, tmp_path: Path) -> None:
    """Drawn where it was asked for; another kind of file is refused before any work."""
    out = tmp_path / "new" / "stats.png"
    result = CliRunner().invoke(data, ["stats", str(folder), "--plot", str(out)])

    assert result.exit_code == 0, result.output
    with Image.open(out) as image:
        assert image.format == "PNG"
        assert min(image.size) > 300
    wrong = CliRunner().invoke(data, ["stats", str(folder), "--plot", "stats.jpg"])
    assert isinstance(wrong.exception, ConfigError)
