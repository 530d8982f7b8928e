"""`waymark data show` writes a contact sheet, or several."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from waymark.cli.data import data
from waymark.dataset.sheet import ROWS
from waymark.errors import ConfigError


def dataset(root: Path, labels: int) -> Path:
    """Save a photo of each of so many labels, and one that is empty."""
    for number in range(labels):
        (root / f"l{number:02}").mkdir(parents=True)
        Image.new("RGB", (32, 24), (number * 5, 90, 90)).save(root / f"l{number:02}/1.png")
    (root / "l00/empty.jpg").touch()
    return root


def test_a_sheet_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named after the dataset; the same seed gives the same bytes; what was skipped is said."""
    monkeypatch.chdir(tmp_path)
    dataset(tmp_path / "mine", 2)
    result = CliRunner().invoke(data, ["show", "mine"])
    first = Path("mine-sheet.png").read_bytes()
    CliRunner().invoke(data, ["show", "mine", "--seed", "0"])

    assert result.exit_code == 0, result.output
    assert result.stdout == "mine-sheet.png\n"
    assert "an empty file" in result.stderr
    assert Path("mine-sheet.png").read_bytes() == first
    with Image.open("mine-sheet.png") as image:
        assert image.format == "PNG"


def test_many_landmarks_and_few(tmp_path: Path) -> None:
    """Over forty take two files; a choice of labels and the negatives take one."""
    root = dataset(tmp_path / "mine", ROWS + 1)
    (root / "unknown").mkdir()
    Image.new("RGB", (32, 24)).save(root / "unknown/1.png")
    out = tmp_path / "out" / "sheet.png"
    result = CliRunner().invoke(data, ["show", str(root), "--out", str(out)])
    few = CliRunner().invoke(
        data, ["show", str(root), "--out", str(out), "--labels", "l01, unknown", "--photos", "2"]
    )

    assert result.stdout.splitlines() == [str(out.with_stem(f"sheet-{n}")) for n in (1, 2)]
    assert few.stdout.splitlines() == [str(out)]
    with Image.open(out) as image:
        assert image.height < 400


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    """A sheet is a PNG."""
    root = dataset(tmp_path / "mine", 1)
    result = CliRunner().invoke(data, ["show", str(root), "--out", "sheet.pdf"])

    assert isinstance(result.exception, ConfigError)
