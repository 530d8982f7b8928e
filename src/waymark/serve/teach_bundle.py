"""Bundles that are taught while serving: where they lie, and how one becomes the next.

In:  a recogniser, and a dataset.
Out: a bundle in a file of its own, never named after what it was taught; and its recogniser.
"""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from waymark.bundle.format import Bundle, write_bundle
from waymark.dataset.index import Dataset
from waymark.progress import Progress
from waymark.recognise.recogniser import Recogniser
from waymark.serve.neighbours import Neighbours
from waymark.serve.problems import Problem

ROOM = 2**30  # bytes that must be free where bundles are written


@dataclass(frozen=True, kw_only=True)
class Version:
    """A bundle that was in use.

    Attributes:
        file: where it is; None of the bundle that the server was started with, if not known.
        bundle: the first 12 hex of its SHA-256.
        before: the version that undoing leads to.
        learnt: names of what it was taught, new or not.
        figures: of the photos held out; empty of the first.
        seconds: that teaching took.
    """

    file: Path | None
    bundle: str
    before: Version | None = None
    learnt: tuple[str, ...] = ()
    figures: dict[str, Any] | None = None
    seconds: float = 0.0


def taught(
    former: Recogniser, dataset: Dataset, folder: Path, *, parent: Path | None, progress: Progress
) -> tuple[Path, dict[str, Any], Recogniser, Neighbours | None]:
    """Teach photos to a bundle; save the result, and load it.

    Args:
        former: whose bundle is taught; it stays as it is.
        dataset: the photos.
        folder: where the new bundle goes.
        parent: file of the former bundle, where it is known; its index is kept.
        progress: told of what is done.

    Returns:
        The file, figures of the photos held out, a recogniser with the options of the former
        one, and its neighbours: also of the photos that it is taught now, of which no index is
        written, for they will be forgotten.

    Raises:
        Problem: there is no room on the disk.
        DatasetError: no photo can be read.
    """
    from threadpoolctl import threadpool_limits

    from waymark.training.index import index_examples, read_index
    from waymark.training.teach import teach, vacant

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < ROOM:
        raise Problem(507, "full", "the disk is almost full.", "Make room, then press Teach.")
    command = "waymark serve --allow-teach"
    with threadpool_limits(1):  # more threads would fight with those that serve
        result = teach(former.bundle, dataset, cached=False, command=command, progress=progress)
    progress(0, 0, "writing the bundle")
    file = folder / f"taught-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}.waymark"
    vacant(file)
    bundle = write_bundle(file, result.bundle)
    file.chmod(0o600)
    index = index_examples(bundle, result.examples)
    if parent is not None and (known := read_index(parent, bundle)) is not None:
        known.write(file)
        index.include(known)
    return file, result.metrics, like(former, bundle), Neighbours(index, bundle)


def unwritable(error: OSError) -> Problem:
    """Return what to say where the server's folder cannot be written to."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Problem(507, "full", "the disk is full.", "Make room, then try again.")
    return Problem(
        507,
        "unwritable",
        f"the server's folder for what is taught cannot be used ({error.strerror or 'error'}).",
        "Who runs the server: let it write there, or set XDG_DATA_HOME to where it may.",
    )


def taught_folder() -> Path:
    """Return where taught bundles are kept, unless the settings say otherwise."""
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "waymark" / "taught"


def like(former: Recogniser, bundle: Bundle) -> Recogniser:
    """Return a recogniser of another bundle with the options of a former one."""
    manifest = former.bundle.manifest
    own = former.decision.threshold
    return Recogniser(
        bundle,
        tta=former.tta,
        fast=former.preprocess.size != manifest.preprocess.size,
        unknown_threshold=None if former.threshold == own else former.threshold,
        allow_truncated=former.allow_truncated,
    )
