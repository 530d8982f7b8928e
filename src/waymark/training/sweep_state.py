"""The folder of a sweep: how far it is, whose it is, and who may write into it.

In:  a sweep, what its runs share, and the folder.
Out: its state, kept in `sweep.json`; or why the folder is not to be used.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from waymark.dataset.index import printable
from waymark.errors import ConfigError, RunError
from waymark.evaluation.compare import STATE
from waymark.training.recipe import read_recipe
from waymark.training.sweep import Planned, Sweep

_LOCK = ".lock"
_PARTIAL = "sweep.partial"
_PATIENCE = 15.0  # seconds for the trainings of a killed sweep to be gone
_POLL = 0.05  # seconds


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What all runs of a sweep have in common: the options of `waymark train`.

    Attributes:
        dataset: folder or manifest of photos.
        levels: folder levels, such as `place,landmark`.
        negatives: folder of photos of no landmark.
        landmarks: CSV with the places of the landmarks.
        weights: what the deep runs start from.
        bundle: whose embedding the `linear` runs use.
        terms: of the photos, for the cards.
    """

    dataset: Path
    levels: str | None = None
    negatives: Path | None = None
    landmarks: Path | None = None
    weights: Path | None = None
    bundle: str = "world"
    terms: str = "not stated"

    def to_dict(self) -> dict[str, str | None]:
        """Return plain values, files by their absolute paths, for `sweep.json`."""
        return {
            key: printable(value.resolve()) if isinstance(value, Path) else value
            for key, value in asdict(self).items()
        }


class State:
    """What `sweep.json` holds; written after each change, in one step."""

    def __init__(self, out: Path, sweep: Sweep, shared: Shared, *, threads: int) -> None:
        self.file = out / STATE
        old = _read(self.file)
        known = old.get("runs", {})
        # threads stay what they were: sums in another order could change the figures
        self.threads: int = old.get("threads", threads)
        self.shared = shared.to_dict()
        self.runs: dict[str, dict[str, Any]] = {
            run.folder: {
                "name": run.name,
                "finished": bool(known.get(run.folder, {}).get("finished")),
                "fault": None,
                "theirs": dict(run.theirs),
            }
            for run in sweep.runs
        }

    def end(self, run: Planned, fault: str) -> None:
        """Note that a run has ended, well or not."""
        self.runs[run.folder] |= {"finished": not fault, "fault": fault or None}
        self.save()

    def save(self) -> None:
        """Write the file."""
        values = {"shared": self.shared, "threads": self.threads, "runs": self.runs}
        partial = self.file.with_name(_PARTIAL)
        partial.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
        partial.replace(self.file)


def check_folder(out: Path) -> None:
    """Refuse a folder that holds something else.

    Raises:
        RunError: if it does, or is a file.
    """
    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file; a sweep needs a folder of its own.")
    if not out.is_dir() or (out / STATE).exists():
        return
    own = (_LOCK, _PARTIAL)  # all that a sweep killed as it began leaves
    if others := [path.name for path in out.iterdir() if path.name not in own]:
        raise RunError(
            f"{out} holds something that is no sweep ({printable(min(others))}). "
            "Give another --out."
        )


def check_same(out: Path, sweep: Sweep, shared: Shared) -> None:
    """Refuse to go on with a sweep of other photos, or with runs of other recipes.

    Raises:
        RunError: naming what differs.
    """
    old = _read(out / STATE)
    given, before = shared.to_dict(), old.get("shared", {})
    for key, value in before.items():
        if value != given.get(key):
            raise RunError(
                f"the sweep in {out} was begun with {key} {value!r}, not {given.get(key)!r}. "
                "Go on as it was begun, or give another --out."
            )
    planned = {run.folder: run for run in sweep.runs}
    begun = [name for name in old.get("runs", {}) if (out / name).is_dir()]
    differ = []
    for name in begun:
        if name not in planned:
            differ.append(f"{name} (no longer in the sweep file)")
        elif said := _difference(out / name, planned[name]):
            differ.append(f"{name} ({said})")
    if differ:
        raise RunError(
            f"{out} holds runs that the sweep file no longer asks for: {'; '.join(differ)}. "
            "Give another --out, or take these folders away."
        )


def _difference(folder: Path, run: Planned) -> str:
    """Say how the recipe of a run that was begun differs; nothing if it is the same."""
    file = folder / "recipe.toml"
    try:
        if run.recipe.to_toml().startswith(file.read_text(encoding="utf-8")):
            return ""  # the same, or killed while it was being written
        old = asdict(read_recipe(file))
    except (OSError, UnicodeDecodeError, ConfigError):
        return ""  # there is no telling, and nothing to go on with: the run starts again
    new = asdict(run.recipe)
    return ", ".join(
        f"{key} was {old[key]!r}, now {new[key]!r}" if key != "stages" else "other stages"
        for key in new
        if old[key] != new[key]
    )


@contextmanager
def locked(out: Path) -> Iterator[int]:
    """Hold the lock of a sweep; give its descriptor, which the trainings inherit.

    The lock is free when the last process that holds it has ended, however it ended.

    Raises:
        RunError: if another sweep, or what is left of one, keeps it.
    """
    import fcntl

    with (out / _LOCK).open("ab") as stream:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise RunError(
                        f"another sweep, or a training it began, still writes into "
                        f"{out}. Wait for it, stop it, or give another --out."
                    ) from None
                time.sleep(_POLL)
        yield stream.fileno()


def _read(file: Path) -> dict[str, Any]:
    if not file.exists():
        return {}
    try:
        state: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        _ = [run["finished"] for run in state["runs"].values()]
        _ = state["shared"].items(), state["threads"] + 0
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise RunError(
            f"{file} is damaged ({error}), so the sweep cannot be resumed. Give another --out."
        ) from error
    return state
