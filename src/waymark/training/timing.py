"""What a training took: minutes, photos a second, memory."""

from __future__ import annotations

import resource
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def peak_mb() -> float:
    """Return the largest resident memory of this process so far, in MB of 1,024 squared bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would begin with that of the process that started this one
        facts = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        if "VmHWM" in facts:
            return int(facts["VmHWM"].split()[0]) / (1 << 10)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1 << 20 if sys.platform == "darwin" else 1 << 10)  # bytes there, KiB here


def summary(history: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Sum up the rows of a `history.csv`.

    Returns:
        minutes, photos trained on (each as often as it was), photos_per_s, memory_mb (its
        peak), epochs, and best_epoch (the last epoch that was the best so far).
    """
    seconds = sum(float(row["seconds"]) for row in history)
    photos = sum(int(float(row["photos"])) for row in history)
    best = [int(row["epoch"]) for row in history if row["is_best"] == "True"]
    return {
        "minutes": round(seconds / 60, 3),
        "photos": photos,
        "photos_per_s": round(photos / max(seconds, 1e-9), 1),
        "memory_mb": max((float(row["memory_mb"]) for row in history), default=0.0),
        "epochs": len(history),
        "best_epoch": best[-1] if best else None,
    }


def machine() -> str:
    """Say in words what a training ran on: cores, processor, and the GPU where torch has one."""
    import platform

    from waymark.photo import cores

    words = f"{cores()} cores, {platform.machine()}"
    torch = sys.modules.get("torch")  # the fast path has not loaded it
    if torch is not None and torch.cuda.is_available():
        words = f"{torch.cuda.get_device_name()}, {words}"
    return words
