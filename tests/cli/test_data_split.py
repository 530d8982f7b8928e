"""`waymark data split`: numbers, folds, tables and folders."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from waymark import samples
from waymark.cli.data import data
from waymark.dataset.index import read_dataset
from waymark.errors import ConfigError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a dataset of two sample landmarks, twelve photos each."""
    root = tmp_path / "photos"
    for name in samples.SAMPLES[:2]:
        (root / name).mkdir(parents=True)
        for seed in range(12):
            samples.render(name, seed=seed, size=(64, 48)).save(root / name / f"{seed}.jpg")
    return root


def test_numbers_of_each_landmark(folder: Path) -> None:
    """`--val 3 --test 2` takes so many of each."""
    result = CliRunner().invoke(data, ["split", str(folder), "--val", "3", "--test", "2"])

    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("split.csv: train 14, val 6, test 4\n")
    parted = read_dataset(folder / "split.csv")
    assert set(parted.of_split("val").counts().values()) == {3}
    assert set(parted.of_split("test").counts().values()) == {2}


def test_folds_are_tables(folder: Path) -> None:
    """K manifests in the dataset; every photo is in val once; one fold is the same alone."""
    result = CliRunner().invoke(data, ["split", str(folder), "--folds", "3"])

    assert result.exit_code == 0, result.output
    assert [line.partition(": ")[2] for line in result.stdout.splitlines()] == [
        "train 16, val 8"
    ] * 3
    chosen = Counter(
        photo.path
        for number in (1, 2, 3)
        for photo in read_dataset(folder / f"fold-{number}.csv").of_split("val").photos
    )
    assert set(chosen.values()) == {1}
    assert len(chosen) == 24
    second = (folder / "fold-2.csv").read_bytes()
    (folder / "fold-2.csv").unlink()
    again = CliRunner().invoke(data, ["split", str(folder), "--folds", "3", "--fold", "2"])
    assert again.exit_code == 0, again.output
    assert (folder / "fold-2.csv").read_bytes() == second


def test_folds_are_folders(folder: Path, tmp_path: Path) -> None:
    """Each fold has train, val and test; the test is the same in all."""
    out = tmp_path / "folds"
    words = ["split", str(folder), "--folds=2", "--test=2", "--materialise=link", f"--out={out}"]
    result = CliRunner().invoke(data, words)

    assert result.exit_code == 0, result.output
    read = [read_dataset(out / f"fold-{number}") for number in (1, 2)]
    assert [one.splits for one in read] == [("train", "val", "test")] * 2
    tests = [{photo.path.resolve() for photo in one.of_split("test").photos} for one in read]
    assert tests[0] == tests[1]
    assert len(tests[0]) == 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--fold 1", "Give both"),
        ("--folds 3 --fold 4", "1 to K"),
        ("--folds 3 --val 0.2", "exclude each other"),
        ("--folds 1", "use 2 up"),
        ("--val 1.5", "whole number"),
    ],
)
def test_what_does_not_go_together(folder: Path, words: str, said: str) -> None:
    """An error says what to do, and nothing is written."""
    result = CliRunner().invoke(data, ["split", str(folder), *words.split()])

    assert isinstance(result.exception, ConfigError), result.output
    assert said in str(result.exception)
    assert not list(folder.glob("*.csv"))


def test_no_table_is_written_over(folder: Path) -> None:
    """One of the tables that is there already stops all."""
    (folder / "fold-2.csv").write_text("mine")
    result = CliRunner().invoke(data, ["split", str(folder), "--folds", "3"])

    assert isinstance(result.exception, ConfigError)
    assert "fold-2.csv exists" in str(result.exception)
    assert [file.name for file in folder.glob("*.csv")] == ["fold-2.csv"]
