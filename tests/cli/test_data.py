"""`waymark data split` and `waymark data stats`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from waymark import samples
from waymark.cli.data import data
from waymark.dataset.index import read_dataset
from waymark.errors import ConfigError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a dataset of two sample landmarks with a broken photo."""
    for name in samples.SAMPLES[:2]:
        (tmp_path / name).mkdir()
        for seed in range(10):
            samples.render(name, seed=seed, size=(64, 48)).save(tmp_path / name / f"{seed}.jpg")
    (tmp_path / name / "bad.jpg").touch()
    return tmp_path


def test_split_writes_a_manifest(folder: Path) -> None:
    """split.csv in the dataset can be read as one; what was skipped is said."""
    result = CliRunner().invoke(data, ["split", str(folder), "--val", "0.2", "--test", "0.3"])

    assert result.exit_code == 0, result.output
    assert "train 10" in result.stdout
    assert "an empty file" in result.stderr
    parted = read_dataset(folder / "split.csv")
    assert [len(parted.of_split(name).photos) for name in parted.splits] == [10, 4, 6]


def test_split_leaves_what_is_there(folder: Path) -> None:
    """A second run does not write over the first."""
    (folder / "split.csv").write_text("mine")
    result = CliRunner().invoke(data, ["split", str(folder)])

    assert isinstance(result.exception, ConfigError)
    assert "--out" in str(result.exception)
    assert (folder / "split.csv").read_text() == "mine"


def test_stats_as_text_and_json(folder: Path) -> None:
    """Both say the same numbers."""
    text = CliRunner().invoke(data, ["stats", str(folder)])
    facts = json.loads(CliRunner().invoke(data, ["stats", str(folder), "--json"]).stdout)

    assert facts["photos"] == 20
    assert f"{facts['mean'][0]:.4f}" in text.stdout
    assert "64x48 px" in text.stdout
    assert "photos of 2 landmarks" in text.stdout
