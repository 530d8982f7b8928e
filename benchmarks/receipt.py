"""What every result says of how it was made: command, commit, day, machine, bundle."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from waymark.bundle.format import Bundle

HERE = Path(__file__).resolve().parent


def receipt(bundle: Bundle | None = None) -> dict[str, str]:
    """Return the fields that make a result one that can be made again."""
    script = Path(sys.argv[0]).resolve()
    name = script.relative_to(HERE.parent) if script.is_relative_to(HERE.parent) else script.name
    found = {
        "command": shlex.join(["python", str(name), *sys.argv[1:]]),
        "commit": commit(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": cpu(),
    }
    return found if bundle is None else {**found, "bundle": bundle.sha256}


def commit() -> str:
    """Return the commit that was measured, `-dirty` where files had changed since."""
    command = ["git", "-C", str(HERE), "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "none"


def cpu() -> str:
    """Return the processor's own name, where the system tells it."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
