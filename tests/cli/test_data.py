"""`waymark data split`, `stats` and `collect`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from waymark import samples
from waymark.cli.data import data
from waymark.dataset.index import read_dataset
from waymark.errors import ConfigError, WaymarkError


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


def test_split_into_folders(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Train, val and test are folders that hold what is in the dataset."""
    out = tmp_path_factory.mktemp("elsewhere") / "parted"
    words = ["split", str(folder), "--val=0.2", "--test=0.2", "--out", str(out)]
    wrong = CliRunner().invoke(data, [*words, "--materialise=move"])
    result = CliRunner().invoke(data, [*words, "--materialise=link"])

    assert isinstance(wrong.exception, ConfigError)
    assert "copy or link" in str(wrong.exception)
    assert result.exit_code == 0, result.output
    assert read_dataset(out).splits == ("train", "val", "test")


def test_stats_as_text_and_json(folder: Path) -> None:
    """Both say the same numbers."""
    text = CliRunner().invoke(data, ["stats", str(folder)])
    facts = json.loads(CliRunner().invoke(data, ["stats", str(folder), "--json"]).stdout)

    assert facts["photos"] == 20
    assert f"{facts['mean'][0]:.4f}" in text.stdout
    assert "64x48 px" in text.stdout
    assert "photos of 2 landmarks" in text.stdout


def test_collect_a_folder(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The photos are copied, what was left is said, and stats reads the manifest."""
    out = tmp_path_factory.mktemp("out")
    command = ["collect", "folder", str(folder), "--out", str(out), "--licence", "CC0"]
    result = CliRunner().invoke(data, [*command, "--limit", "4"])

    assert result.exit_code == 1, result.output  # an empty file may be whole another day
    assert "8 photos more, 8 in all, of 2 landmarks" in result.stdout
    assert "1  not taken: an empty file" in result.stderr
    assert "skipped.csv says which" in result.stderr
    facts = CliRunner().invoke(data, ["stats", str(out / "manifest.csv"), "--json"]).stdout
    assert set(json.loads(facts)["counts"].values()) == {4}
    result = CliRunner().invoke(data, command)
    assert "12 photos more, 20 in all" in result.stdout


def test_collect_an_archive(folder: Path, tmp_path: Path) -> None:
    """A zip beside the photos gives the same labels."""
    import shutil

    archive = shutil.make_archive(str(tmp_path / "photos"), "zip", folder)
    result = CliRunner().invoke(data, ["collect", "archive", archive, "--out", str(tmp_path / "o")])

    assert "20 photos more, 20 in all, of 2 landmarks" in result.stdout
    assert read_dataset(tmp_path / "o" / "manifest.csv").labels == tuple(
        sorted(samples.SAMPLES[:2])
    )


def test_collect_asks_no_private_address(tmp_path: Path) -> None:
    """Not even the first on a list; the reason is said, and that it will not change."""
    (tmp_path / "list.txt").write_text("http://127.0.0.1:9/a.jpg\nhttp://[::1]/b.jpg\n")
    command = ["collect", "urls", str(tmp_path / "list.txt"), "--label", "x"]
    result = CliRunner().invoke(data, [*command, "--out", str(tmp_path / "out")])

    assert result.exit_code == 0
    assert "2  not taken: the address leads to a private or loopback network" in result.stderr


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("urls list.txt --max-photo lots", "500KB, 32MB"),
        ("urls list.txt --max-total 0", "start at 1"),
        ("urls gone.txt", "gone.txt cannot be read"),
        ("urls list.txt --licence free", "cc0"),
        ("folder list.txt", "not a folder"),
        ("archive list.tx", "udacity50"),
        ("commons --label x", "exactly one of --category"),
        ("commons --label x --item 243", "Q243"),
        ("commons --label x --category a --width 800", "960"),
        ("gldv2", "--landmark"),
        ("gldv2 --landmark x --contact \u00fc", "mail address"),
    ],
)
def test_collect_says_what_is_wrong(
    wrong: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each mistake is an error of ours, before anything is asked."""
    monkeypatch.chdir(tmp_path)
    Path("list.txt").write_text("http://h.invalid/a.jpg x\n")
    result = CliRunner().invoke(data, ["collect", *wrong.split(" "), "--out", "out"])

    assert isinstance(result.exception, WaymarkError), result.output
    assert words in str(result.exception)
