"""What a check found goes into check.json and comes back; nothing else is taken for one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from waymark.curate.finding import Check, Finding, read_check
from waymark.errors import DatasetError

ROW = '{"kind": "dark", "paths": ["a"], "severity": %s, "suggest": "drop"}'
FILE = '{"dataset": "x", "photos": %s, "findings": [%s]}'


def test_there_and_back(tmp_path: Path) -> None:
    """Names of any bytes too."""
    name = os.fsdecode(b"caf\xe9.jpg")
    finding = Finding(
        kind="wrong-label",
        paths=(name, "b\n.jpg"),
        severity=0.25,
        suggest="relabel",
        label_suggested="京都",
    )
    check = Check(dataset="/photos", photos=2, findings=(finding,), notes=("none",))
    check.write(tmp_path / "check.json")
    assert read_check(tmp_path / "check.json") == check


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\xff",
        "[]",
        "[" * 200_000,
        FILE % ("Infinity", ""),
        FILE % (1, ROW % "NaN"),
        FILE % (1, ROW % ("1" + "0" * 400)),
        FILE % (1, ROW.replace('"dark"', '["dark"]') % 1),
        FILE % (1, ROW.replace('["a"]', "[5]") % 1),
    ],
)
def test_hostile_files(text: str, tmp_path: Path) -> None:
    """Whatever is in the file, the error says that it is no check.json."""
    (tmp_path / "check.json").write_text(text, encoding="latin-1")
    with pytest.raises(DatasetError, match="waymark data check"):
        read_check(tmp_path / "check.json")
