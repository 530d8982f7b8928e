"""The description of what can be taught is true, too."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_teach_keeps_to_its_description(serving: Callable[..., Any], tmp_path: Path) -> None:
    """No 500, no status, type or method that is not described, whatever schemathesis sends."""
    with serving(allow_teach=True, teach_dir=tmp_path / "taught") as port:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", "--no-color", "--seed", "1"),
                *("--max-examples", "8", "--include-path-regex", "teach"),
                *("--exclude-checks", "positive_data_acceptance"),
                f"http://127.0.0.1:{port}/api/v1/openapi.json",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "9 selected" in done.stdout
