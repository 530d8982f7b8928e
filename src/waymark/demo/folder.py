"""The folder a demo writes: its own to replace, nobody else's."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from waymark.errors import RunError

MARKER = ".waymark-demo"


def claim_folder(out: str | os.PathLike[str], *, keep: Iterable[Path] = ()) -> Path:
    """Make an empty folder for the demo's output; an earlier demo's output is removed.

    Args:
        out: the folder.
        keep: what must not lie in it, because it is still to be read.

    Raises:
        RunError: if there is something that no demo wrote, or something to keep.
    """
    folder = Path(out)
    inside = folder.resolve()
    if kept := next((path for path in keep if path.resolve().is_relative_to(inside)), None):
        raise RunError(f"{kept} lies in {folder}, which is to be replaced; name another --out.")
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise RunError(f"{folder} is not a folder; name a new one with --out.")
    if folder.is_dir() and any(folder.iterdir()):
        if not (folder / MARKER).is_file():
            raise RunError(
                f"{folder} is not empty and was not written by a demo; "
                "name a new folder with --out, or empty this one."
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).write_text("waymark demo may replace this folder.\n", encoding="utf-8")
    return folder
