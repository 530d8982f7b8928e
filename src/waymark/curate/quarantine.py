"""Take photos out of a dataset's folder, and bring each back.

In:  photos below a root, and a folder to keep them in: elsewhere, or hidden in the root.
Out: FOLDER/label/photo.jpg, and FOLDER/quarantine.jsonl, from which `restore` brings every
     photo back as it was: name, content, times, permissions; a link as a link.

The log is on disk before the first photo moves. A photo is first in both places and then
in one (`moving.py`), so that a process may be killed at any moment: the same command again
finishes, and so does `restore`. Nothing is ever written over, and folders stay, emptied or
not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from waymark.curate.moving import Move, move_all, same
from waymark.dataset.index import Skipped, printable
from waymark.errors import ConfigError, RunError
from waymark.progress import Progress, silent

LOG = "quarantine.jsonl"
_HEAD = {"waymark": "quarantine", "version": 1}


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What a quarantine or a restore did.

    Attributes:
        log: the quarantine's log; of a restore that left nothing behind it is gone.
        moved: number of photos that are now where they should be.
        left: photos that were not moved, each with the reason.
    """

    log: Path
    moved: int
    left: tuple[Skipped, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    """Where a photo belongs below the root, and where it is kept below the quarantine."""

    path: str
    at: str


def quarantine(
    photos: Mapping[str, str],
    root: Path,
    folder: Path,
    *,
    staying: Iterable[Path] = (),
    progress: Progress = silent,
) -> Moved:
    """Move photos out of a dataset.

    Args:
        photos: paths below the root, each with the reason that the log states.
        root: the dataset's folder.
        folder: where to; new, empty, or a quarantine of the same root.
        staying: photos that stay; what those of them that are links point to stays as well.
        progress: told of each photo.

    Raises:
        ConfigError: `folder` would be read as part of the dataset, or holds something else.
        RunError: another process is at work there, or its log is damaged.
    """
    _check_folder(folder, root)
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / LOG
    with _locked(folder):
        known = {row.path: row for row in _open_log(log, root)}
        _clear(folder)
        rows, fresh, left, gone = [], [], [], 0
        taken = {row.at for row in known.values()}
        linked = _pointed_at(staying)
        for path, reason in photos.items():
            why = _why_stay(root, path)
            if not why and linked and _true(root / path) in linked:
                why = "a photo that stays is a link to it"
            if why:
                left.append(Skipped(printable(path), why))
                continue
            row = known.get(path)
            if not os.path.lexists(root / path):
                if row is not None and os.path.lexists(folder / row.at):
                    gone += 1  # moved by an earlier run
                else:
                    left.append(Skipped(printable(path), "is gone"))
                continue
            if row is None or not _free(root / path, folder / row.at):
                row = _Row(path=path, at=_place(folder, path, taken))
                taken.add(row.at)
                fresh.append({"path": row.path, "at": row.at, "kind": reason})
            rows.append(row)
        _append(log, fresh)
        moves = [
            Move(source=root / row.path, target=folder / row.at, half=folder / f".{number}.part")
            for number, row in enumerate(rows)
        ]
        failed = move_all(moves, what="moving photos", progress=progress)
    left += [Skipped(printable(rows[i].path), why) for i, why in failed.items()]
    return Moved(log=log, moved=gone + len(rows) - len(failed), left=tuple(left))


def held(folder: Path, root: Path) -> frozenset[str]:
    """Return the paths below the root of the photos that a quarantine holds already.

    Args:
        folder: where they are kept; it may be missing.
        root: the dataset's folder.

    Raises:
        RunError: the log there is damaged, or of another dataset.
    """
    log = folder / LOG
    if not log.is_file() or _whole(log.read_bytes()) is None:
        return frozenset()
    return frozenset(
        row.path
        for row in _read_log(log, root)
        if os.path.lexists(folder / row.at) and not os.path.lexists(root / row.path)
    )


def restore(log: Path, root: Path, *, progress: Progress = silent) -> Moved:
    """Bring every photo of a quarantine back to its place.

    Where all are back, the log and the emptied folders of the quarantine are removed.

    Args:
        log: the quarantine.jsonl.
        root: the dataset's folder, the one that the photos come from.
        progress: told of each photo.

    Raises:
        RunError: the log is none, or damaged, or of another dataset, or in use.
    """
    folder = log.parent
    if not log.is_file():
        raise RunError(
            f"{printable(log)} is no file; name the {LOG} in the folder that --quarantine made."
        )
    with _locked(folder):
        rows = list(dict.fromkeys(_read_log(log, root)))
        waiting, moves, left = [], [], []
        for number, row in enumerate(rows):
            home, kept = root / row.path, folder / row.at
            if not os.path.lexists(kept):
                if not os.path.lexists(home):
                    left.append(Skipped(printable(row.path), "is in neither place"))
            elif why := _why_stay(root, row.path):
                left.append(Skipped(printable(row.path), why))
            elif _free(kept, home):
                waiting.append(row)
                # the same name in the next run, which then clears away what a kill left of it
                half = home.with_name(f".waymark-{number}.part")
                moves.append(Move(source=kept, target=home, half=half))
            else:
                reason = f"another file is in its place; it stays at {printable(kept)}"
                left.append(Skipped(printable(row.path), reason))
        failed = move_all(moves, what="bringing photos back", progress=progress)
        left += [Skipped(printable(waiting[i].path), why) for i, why in failed.items()]
        if not left:
            _tidy(folder, rows)
    return Moved(log=log, moved=len(waiting) - len(failed), left=tuple(left))


def _check_folder(folder: Path, root: Path) -> None:
    """Refuse a folder that would be read as part of the dataset, or is used for else."""
    inside = folder.resolve()
    if inside.is_relative_to(root.resolve()):
        parts = inside.relative_to(root.resolve()).parts
        if not any(part.startswith(".") for part in parts):
            raise ConfigError(
                f"{printable(folder)} lies in the dataset, whose photos would be found there "
                "again; name a folder elsewhere, or a hidden one such as .quarantine in it."
            )
    if not folder.exists() or (folder / LOG).exists():
        return
    if not folder.is_dir() or any(not _is_half(entry) for entry in folder.iterdir()):
        raise ConfigError(
            f"{printable(folder)} holds something else than a quarantine; name a new folder with "
            "--quarantine."
        )


def _why_stay(root: Path, path: str) -> str:
    """Return why a file of the root may not be moved (or put there); nothing if it may."""
    place = root / path
    if not place.parent.resolve().is_relative_to(root.resolve()):
        return "lies in a link that leads out of the dataset"
    if place.is_dir() and not place.is_symlink():
        return "is a folder"
    return ""


def _pointed_at(photos: Iterable[Path]) -> frozenset[Path]:
    """Return the files and links that links among some photos lead over and to."""
    found: set[Path] = set()
    for photo in photos:
        here = photo
        while here.is_symlink():
            here = _true(here.parent / here.readlink())
            if here in found:
                break
            found.add(here)
    return frozenset(found)


def _true(path: Path) -> Path:
    """Return a path without links, but for the file itself."""
    return path.parent.resolve() / path.name


def _free(source: Path, target: Path) -> bool:
    """Say whether a photo can go to its target, or is there already as well."""
    return not os.path.lexists(target) or same(source, target)


def _place(folder: Path, path: str, taken: set[str]) -> str:
    """Return where a photo is kept: under its own path, below a number if that is taken."""
    at, number = path, 1
    while at in taken or os.path.lexists(folder / at):
        number += 1
        at = f"again-{number}/{path}"
    return at


def _open_log(log: Path, root: Path) -> list[_Row]:
    """Read a log that is written on, or begin one; a line that a crash cut off goes."""
    if log.exists() and (end := _whole(log.read_bytes())) is not None:
        with log.open("r+b") as file:
            file.truncate(end)
        return list(_read_log(log, root))
    part = log.with_name(f".{LOG}.part")
    with part.open("w", encoding="ascii") as file:
        file.write(json.dumps({**_HEAD, "root": str(root.resolve())}) + "\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(log)
    return []


def _whole(data: bytes) -> int | None:
    """Return the length of a log's complete lines; None where it has none."""
    return data.rfind(b"\n") + 1 or None


def _append(log: Path, rows: Iterable[Mapping[str, str]]) -> None:
    """Write rows to a log and see that they are on disk."""
    with log.open("a", encoding="ascii") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
        file.flush()
        os.fsync(file.fileno())
    descriptor = os.open(log.parent, os.O_RDONLY)
    try:
        with suppress(OSError):  # some file systems cannot
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_log(log: Path, root: Path) -> Iterator[_Row]:
    data = log.read_bytes()
    lines = data[: _whole(data) or 0].splitlines()
    try:
        head, *rows = [json.loads(line) for line in lines]
        if {name: head[name] for name in _HEAD} != _HEAD:
            raise ValueError("another kind of file")
        home = Path(head["root"])
        found = [_Row(path=_inside(row["path"]), at=_inside(row["at"])) for row in rows]
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{printable(log)} is no log of a quarantine that can be read ({error!s:.100}); "
            f"expected the {LOG} that `waymark data clean --quarantine` wrote."
        ) from error
    if home.exists() and home != root.resolve():
        raise RunError(
            f"{printable(log)} is of {printable(home)}, not of {printable(root)}; name that "
            "dataset, or use another quarantine."
        )
    yield from found


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or PurePosixPath(path).is_absolute() or ".." in parts or "\0" in path:
        raise ValueError(f"{path!a} leads elsewhere")
    return path


def _is_half(path: Path) -> bool:
    return path.name.startswith(".") and path.suffix == ".part"


def _clear(folder: Path) -> None:
    """Remove copies that a kill left half made."""
    for path in filter(_is_half, list(folder.iterdir())):
        path.unlink()


def _tidy(folder: Path, rows: Iterable[_Row]) -> None:
    """Remove a quarantine that has nothing left in it: the log last."""
    _clear(folder)
    above = {parent for row in rows for parent in (folder / row.at).parents}
    for parent in sorted(above, key=lambda path: len(path.parts), reverse=True):
        if parent != folder and parent.is_relative_to(folder):
            with suppress(OSError):  # somebody keeps something there
                parent.rmdir()
    (folder / LOG).unlink()
    with suppress(OSError):
        folder.rmdir()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a lock on a folder; the system frees it when the process ends, even by a kill."""
    try:
        import fcntl
    except ImportError:  # no such locks on this system: the user sees to it
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise RunError(
            f"another `waymark data clean` is at work in {printable(folder)}; wait until it ends."
        ) from error
    finally:
        os.close(descriptor)
