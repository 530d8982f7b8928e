"""`waymark doctor` prints what the checks say, for people and for programs."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from waymark import doctor
from waymark.cli import app


def test_all_well_here() -> None:
    """Where the tests run, nothing is broken, and the JSON says so."""
    result = CliRunner().invoke(app, ["doctor", "--json"])
    report = json.loads(result.stdout)
    wrong = [check for check in report["checks"] if check["state"] == "broken"]
    assert (wrong, report["ok"], result.exit_code) == ([], True, 0)
    assert {"python", "numpy", "onnx runtime", "world bundle", "cache folder", "disk"} <= {
        check["name"] for check in report["checks"]
    }


def test_broken_means_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """One broken thing is printed with its remedy and makes the command fail."""
    broken = doctor.Check("teapot", "broken", "leaks", "buy another")
    monkeypatch.setattr(doctor, "examine", lambda: iter([broken]))
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert "teapot" in result.stdout
    assert "-> buy another" in result.stdout
    assert result.stdout.endswith("1 broken\n")
