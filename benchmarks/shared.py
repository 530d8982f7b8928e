"""Photos of ../shared for the benchmarks that want real ones; they are linked, never copied."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"


def photos_of(folder: str) -> Path:
    """Return a folder of ../shared/data; stop quietly, with the reason, where it is missing."""
    path = SHARED / "data" / folder
    if not path.is_dir():
        print(f"skipped: no ../shared/data/{folder}")
        sys.exit(0)
    return path


def link(photos: Iterable[Path], *, root: Path, into: Path) -> Path:
    """Make a dataset of links to photos, laid out below `into` as they are below `root`."""
    for photo in photos:
        target = into / photo.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(photo)
    return into
