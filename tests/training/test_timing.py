"""What a training took."""

from __future__ import annotations

import subprocess
import sys

import pytest

from waymark.training.timing import machine, peak_mb, summary

ROW = {"photos": "100", "memory_mb": "500.5"}


def test_the_peak_is_of_this_process_alone() -> None:
    """A small process started by a large one does not take over its peak."""
    ballast = bytearray(400 << 20)
    ballast[:: 1 << 12] = b"x" * len(ballast[:: 1 << 12])
    program = "from waymark.training.timing import peak_mb; print(peak_mb())"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert peak_mb() > 400
    if sys.platform == "linux":
        assert float(done.stdout) < 200
    del ballast


def test_epochs_sum_up() -> None:
    """Photos over seconds; the last of the best epochs is the one that was kept."""
    rows = [
        ROW | {"epoch": "1", "seconds": "10", "is_best": "True"},
        ROW | {"epoch": "2", "seconds": "30", "is_best": "True"},
        ROW | {"epoch": "3", "seconds": "20", "is_best": "False"},
    ]

    assert summary(rows) == {
        "minutes": 1.0,
        "photos": 300,
        "photos_per_s": 5.0,
        "memory_mb": 500.5,
        "epochs": 3,
        "best_epoch": 2,
    }
    assert summary([])["best_epoch"] is None


def test_the_machine_is_said_in_words() -> None:
    """Cores at least."""
    assert "core" in machine()


@pytest.mark.parametrize("seconds", ["0", "0.0"])
def test_no_time_is_no_error(seconds: str) -> None:
    """A clock that did not move divides nothing by nought."""
    assert summary([ROW | {"seconds": seconds, "is_best": "False"}])["photos_per_s"] > 0
