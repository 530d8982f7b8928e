"""The doctor sees what is there, what is missing and what is broken, and says what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from waymark import doctor
from waymark.doctor import (
    check_folder,
    check_packages,
    check_python,
    check_runtime,
    explain_torch,
    import_failures,
)


def test_python_is_named() -> None:
    """The first line says which Python runs."""
    assert sys.executable in next(check_python()).found


def test_runtime_lists_the_processor() -> None:
    """ONNX Runtime works on the CPU everywhere."""
    assert "CPUExecutionProvider" in check_runtime().found


def test_missing_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing core package is broken, a missing extra is absent, each with its command."""
    asked = ["not-there-core>=1.0", "not-there-deep>=2; extra == 'train'", "x>=1; extra == 'dev'"]
    monkeypatch.setattr(doctor.metadata, "requires", lambda _: asked)
    core, extra = [check for check in check_packages() if check.name.startswith("not-there")]
    assert (core.state, core.fix) == ("broken", "pip install 'not-there-core>=1.0'")
    assert (extra.state, extra.fix) == ("absent", "pip install 'waymark[train]'")


def test_old_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package older than its floor is broken, with the command that upgrades it."""
    monkeypatch.setattr(doctor.metadata, "requires", lambda _: ["numpy>=99.0"])
    (check,) = [check for check in check_packages() if check.name == "numpy"]
    assert check.state == "broken"
    assert check.fix == "pip install --upgrade 'numpy>=99.0'"


def test_imports_that_fail_and_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that raises is told from one that takes its whole process down."""
    (tmp_path / "raises_on_import.py").write_text("raise RuntimeError('no such\\noperator')")
    (tmp_path / "crashes_on_import.py").write_text("import os\nos._exit(7)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    failures = import_failures(["json", "raises_on_import", "crashes_on_import"])
    assert failures == {
        "raises_on_import": "RuntimeError: no such operator",
        "crashes_on_import": "crashed with 7: no output",
    }


def test_torch_and_torchvision_that_do_not_match() -> None:
    """The known trap is named, with the command that mends it."""
    check = explain_torch("timm: RuntimeError: operator torchvision::nms does not exist")
    assert check.state == "broken"
    assert "same build" in check.found
    assert "torch torchvision" in check.fix


def test_torchvision_trap_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A torchvision that fails as the mismatched one does is recognised."""
    (tmp_path / "torch.py").write_text("")
    (tmp_path / "timm.py").write_text("import torchvision")
    (tmp_path / "accelerate.py").write_text("")
    (tmp_path / "torchvision.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(doctor, "_version", lambda _: "1.0")
    (check,) = doctor.check_torch()
    assert (check.name, check.state) == ("deep training", "broken")
    assert "same build" in check.found


def test_without_torch_nothing_is_said_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the extra is not installed, its check is left out."""
    monkeypatch.setattr(doctor, "_version", lambda _: None)
    assert list(doctor.check_torch()) == []


def test_folder_not_yet_there(tmp_path: Path) -> None:
    """A folder that could be made is well, and is not made."""
    folder = tmp_path / "a" / "b"
    assert check_folder("cache folder", folder, "XDG_CACHE_HOME").state == "ok"
    assert list(tmp_path.iterdir()) == []


def test_folder_in_the_way(tmp_path: Path) -> None:
    """A file where the folder should be is broken."""
    (tmp_path / "file").write_text("")
    check = check_folder("cache folder", tmp_path / "file" / "waymark", "XDG_CACHE_HOME")
    assert check.state == "broken"
    assert "XDG_CACHE_HOME" in check.fix


def test_folder_not_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that may not be written is broken, root or not."""

    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    assert check_folder("cache folder", tmp_path / "x", "XDG_CACHE_HOME").state == "broken"
