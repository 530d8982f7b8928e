"""`waymark data check`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from waymark import samples
from waymark.cli.data import data
from waymark.curate.finding import read_check
from waymark.errors import ConfigError, WaymarkError

ONLY = ["--only", "exact-duplicate,truncated,wrong-extension,unreadable"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a dataset with a copy, a cut photo and a wrong name, and work beside it."""
    monkeypatch.chdir(tmp_path)
    root = samples.write_samples(
        tmp_path / "shots", per_landmark=3, size=(160, 120), names=samples.SAMPLES[:2]
    )
    first = root / samples.SAMPLES[0]
    shutil.copy(first / "000.jpg", first / "copy.jpg")
    shutil.copy(first / "001.jpg", first / "\x1b[31mred.png")
    cut = first / "002.jpg"
    cut.write_bytes(cut.read_bytes()[:2000])
    return root


def check(*words: str | Path) -> Result:
    """Run the command."""
    return CliRunner().invoke(data, ["check", *map(str, words)])


def test_table_json_and_page(folder: Path, tmp_path: Path) -> None:
    """Every kind found has a line; both files are written beside; findings are no failure."""
    result = check(folder, *ONLY)

    assert result.exit_code == 0, result.output
    found = read_check(tmp_path / "shots-check" / "check.json")
    assert found.counts() == {"truncated": 1, "wrong-extension": 1, "exact-duplicate": 2}
    for kind in found.counts():
        assert f"\n{kind} " in f"\n{result.stdout}"
    assert "9 photos" not in result.stdout
    assert f"{found.photos} photos, 4 findings: shots-check/check.html" in result.stdout
    assert "\x1b" not in result.stdout
    page = (tmp_path / "shots-check" / "check.html").read_text(encoding="utf-8")
    assert "002.jpg" in page


def test_json_is_what_is_written(folder: Path, tmp_path: Path) -> None:
    """--json prints check.json and nothing else."""
    result = check(folder, *ONLY, "--json", "--out", "here")

    assert json.loads(result.stdout) == json.loads((tmp_path / "here" / "check.json").read_text())
    assert json.loads(result.stdout)["dataset"] == str(folder)


def test_an_earlier_check_is_replaced_only_if_told(folder: Path, tmp_path: Path) -> None:
    """Nor is a folder with other things in it ever written to, nor a file taken for one."""
    assert check(folder, *ONLY).exit_code == 0
    again = check(folder, *ONLY)
    told = check(folder, *ONLY, "--overwrite")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    others = check(folder, *ONLY, "--overwrite", "--out", "mine")
    a_file = check(folder, *ONLY, "--out", folder / samples.SAMPLES[1] / "000.jpg")

    assert isinstance(again.exception, ConfigError)
    assert "--overwrite" in str(again.exception)
    assert told.exit_code == 0, told.output
    assert isinstance(others.exception, ConfigError)
    assert "notes.txt" in str(others.exception)
    assert isinstance(a_file.exception, ConfigError)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_a_manifest_is_named_as_such(folder: Path) -> None:
    """The check says which table was checked."""
    rows = [f"{path.relative_to(folder)},x" for path in sorted(folder.glob("*/00?.jpg"))]
    table = folder / "table.csv"
    table.write_text("\n".join(["path,label", *rows]))
    result = check(table, *ONLY, "--json")

    assert json.loads(result.stdout)["dataset"] == str(table)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "blury"], "blury"),
        (["--only", ","], "no kind"),
        (["--levels", "a,b"], "category,landmark"),
        (["--bundle", "gone.waymark"], "gone.waymark"),
        (["--negatives", "gone"], "gone"),
    ],
)
def test_says_what_is_wrong(folder: Path, words: list[str], said: str, tmp_path: Path) -> None:
    """Each mistake is an error of ours, and nothing is written."""
    result = check(folder, *words)

    assert isinstance(result.exception, WaymarkError), result.output
    assert said in str(result.exception)
    assert not (tmp_path / "shots-check").exists()


def test_everything_by_the_world_bundle(folder: Path, tmp_path: Path) -> None:
    """All kinds, as a user starts it: whatever it makes of rendered photos, it ends well."""
    result = check(folder)

    assert result.exit_code == 0, result.output
    found = read_check(tmp_path / "shots-check" / "check.json")
    assert found.counts()["few-photos"] == 2


def test_a_place_that_cannot_be_written_is_said_before_the_work(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits an hour for that; and a check that fails leaves no folder behind."""

    def fail(*_: object, **__: object) -> None:
        raise WaymarkError("looked")

    monkeypatch.setattr("waymark.curate.check.check_dataset", fail)
    (tmp_path / "file").touch()
    result = check(folder, *ONLY, "--out", tmp_path / "file" / "below")
    assert isinstance(result.exception, NotADirectoryError)

    result = check(folder, *ONLY, "--out", tmp_path / "new")
    assert str(result.exception) == "looked"
    assert not (tmp_path / "new").exists()
