"""What a collection has: manifest.csv, skipped.csv, and the folder of work in hand.

In:  a folder, new or of an earlier collection.
Out: rows appended one by one, so that a run may be killed at any moment.

A photo is first a finished file in `.collect`, then a row of the manifest, then moved to its
place; the next run completes whichever of these steps is missing. Cells hold no line breaks,
so that a row cut off by a crash is the last line, and only that.
"""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from io import StringIO
from pathlib import Path

from waymark.dataset.index import printable
from waymark.dataset.manifest import COLUMNS as DATASET_COLUMNS
from waymark.dataset.manifest import escaped, table_rows
from waymark.errors import CollectError, RunError

MANIFEST, SKIPPED, WORK = "manifest.csv", "skipped.csv", ".collect"
COLUMNS = (*DATASET_COLUMNS, "file_url", "retrieved", "sha256", "key")
SKIPPED_COLUMNS = ("url", "label", "reason", "again", "source", "retrieved", "key")
_MAX_CELL = 8_000  # characters; csv reads no more than 131,072
_MAX_NAME = 80  # characters of a file's or folder's name, before the key


@dataclass(frozen=True, kw_only=True, slots=True)
class Miss:
    """A photo that was not taken.

    Attributes:
        url: its address, or its name in an archive or a folder.
        label: what it would have shown.
        reason: why it was not taken.
        again: whether another run tries it again.
        source: where it would have come from.
        retrieved: when, in UTC.
        key: what it is remembered by.
    """

    url: str
    label: str
    reason: str
    again: bool
    source: str
    retrieved: str
    key: str


class Ledger:
    """The state of a collection's folder, kept in step with the disk.

    Attributes:
        root: the folder.
        work: the folder of work in hand, inside it; may be removed when nothing runs.
        counts: photos taken so far, by label.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.work = root / WORK
        self.counts: Counter[str] = Counter()
        self._paths: dict[str, str] = {}  # key -> path of a photo that was taken
        self._contents: dict[str, str] = {}  # sha256 -> path
        self._misses: dict[str, Miss] = {}
        self._read()

    def taken(self, key: str) -> bool:
        """Say whether this photo is there, or was found to be useless for good."""
        return key in self._paths or (key in self._misses and not self._misses[key].again)

    def twin(self, content: str) -> str | None:
        """Return the path of a photo with this SHA-256, if there is one."""
        return self._contents.get(content)

    @property
    def misses(self) -> tuple[Miss, ...]:
        """What was not taken, in this run and earlier ones."""
        return tuple(self._misses.values())

    def whole(self, key: str) -> Path:
        """Return where a photo that came whole waits to be judged."""
        return self.work / f"{key}.whole"

    def take(self, file: Path, row: dict[str, str | None]) -> Path:
        """Write a photo's row and move the photo to its place.

        Args:
            file: the photo, complete and checked, in `work`.
            row: a cell for each of `COLUMNS`; None where nothing is known.
        """
        path, key = row["path"] or "", row["key"] or ""
        with (self.root / MANIFEST).open("a", encoding="utf-8", newline="") as table:
            table.write(_line(row[name] for name in COLUMNS))
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        file.replace(target)
        self._misses.pop(key, None)
        self._note(key, path, row["sha256"] or "")
        self.counts[row["label"] or ""] += 1
        return target

    def miss(self, miss: Miss) -> None:
        """Write down that a photo was not taken."""
        self._misses[miss.key] = miss
        with (self.root / SKIPPED).open("a", encoding="utf-8", newline="") as table:
            table.write(_line(_miss_cells(miss)))

    def tidy(self) -> None:
        """Write skipped.csv anew without what was taken after all; remove what is half done."""
        if any(self.work.glob("*.whole")):  # Ctrl-C between a row and its photo's move
            self._finish()
        for left in (*self.work.glob("*.half"), *self.work.glob("*.whole")):
            left.unlink(missing_ok=True)
        with suppress(OSError):
            self.work.rmdir()  # stays if a source keeps something there
        lines = [_line(_miss_cells(miss)) for miss in self._misses.values()]
        if lines:
            self._replace(SKIPPED, _line(SKIPPED_COLUMNS) + "".join(lines))
        else:
            (self.root / SKIPPED).unlink(missing_ok=True)

    def _read(self) -> None:
        self.work.mkdir(parents=True, exist_ok=True)
        for name, columns in ((MANIFEST, COLUMNS), (SKIPPED, SKIPPED_COLUMNS)):
            _mend(self.root / name, columns)
        self._finish()
        for _, row in table_rows(self.root / MANIFEST):
            key, path, label = row["key"] or "", row["path"] or "", row["label"] or ""
            self._note(key, path, row["sha256"] or "")
            self.counts[label] += (self.root / path).exists()
        for cells in _rows(self.root / SKIPPED):
            key = cells["key"]
            if key and key not in self._paths:
                again = cells.pop("again") == "yes"
                self._misses[key] = Miss(again=again, **cells)
        for half in self.work.glob("*.half"):
            half.unlink()

    def _finish(self) -> None:
        """Move what has its row, and waits: the last step of a run that was killed."""
        for _, row in table_rows(self.root / MANIFEST):
            waiting, target = self.whole(row["key"] or ""), self.root / (row["path"] or "")
            if waiting.exists() and not target.exists() and _inside(row["path"] or ""):
                target.parent.mkdir(parents=True, exist_ok=True)
                waiting.replace(target)

    def _note(self, key: str, path: str, content: str) -> None:
        self._paths[key] = path
        self._contents.setdefault(content, path)

    def _replace(self, name: str, text: str) -> None:
        fresh = self.work.with_name(f".{name}.new")
        with fresh.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.root / name)


@contextmanager
def open_ledger(root: Path) -> Iterator[Ledger]:
    """Open a collection's folder for one run; tidy it when the run ends, however it ends.

    Raises:
        RunError: another run is at work there.
        CollectError: the folder has a manifest.csv that is not a collection's.
    """
    root.mkdir(parents=True, exist_ok=True)
    with _locked(root):
        ledger = Ledger(root)
        try:
            yield ledger
        finally:
            ledger.tidy()


def key_of(name: str) -> str:
    """Return what a photo is remembered by: 16 hex digits of its address or name."""
    return sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def path_for(label: str, name: str, key: str, kind: str) -> str:
    """Return where a photo goes: `label/name-key.ext`, safe on every file system.

    Args:
        label: of the photo; any text.
        name: what its source calls it; any text.
        key: see `key_of`.
        kind: format, a key of `FORMATS`.
    """
    ending = {"jpeg": "jpg", "tiff": "tif"}.get(kind, kind)
    return f"{safe_name(label)}/{safe_name(name)}-{key}.{ending}"


def clean(text: str) -> str:
    """Return a text as it stands in a cell: one line, no control codes, valid UTF-8."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return " ".join(printable(whole).replace("\ufffd", " ").split())


def safe_name(text: str) -> str:
    """Return a file name made of a text: no separators, no control codes, not hidden."""
    shown = "".join(c if c.isprintable() else "_" for c in clean(text))
    flat = re.sub(r"[\s/\\:*?\"<>|]+", "_", shown).strip("._ ")
    while len(flat) > _MAX_NAME or len(flat.encode()) > 2 * _MAX_NAME:
        flat = flat[:-1]
    return flat.rstrip("._ ") or "photo"


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Hold a lock on a folder; the system frees it when the process ends, even by a kill."""
    try:
        import fcntl
    except ImportError:  # no such locks on this system: the user sees to it
        yield
        return
    folder = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise RunError(
            f"another `waymark data collect` is at work in {root}; wait until it ends, or "
            "collect into another folder."
        ) from error
    finally:
        os.close(folder)


def _mend(path: Path, columns: tuple[str, ...]) -> None:
    """Make a table if there is none; drop a last line that a crash cut off."""
    if not path.exists() or path.stat().st_size == 0:
        path.write_text(_line(columns), encoding="utf-8", newline="")
        return
    data = path.read_bytes()
    if not data.endswith(b"\n"):
        data = data[: data.rfind(b"\n") + 1]
        path.write_bytes(data or _line(columns).encode())
    header = data.partition(b"\n")[0].decode("utf-8-sig", "replace").strip()
    if data and header != _line(columns).strip():
        raise CollectError(
            f"{path} is not a table of `waymark data collect` (its columns are {header[:200]!r}); "
            "collect into a new folder."
        )


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            if None not in row and None not in row.values():
                yield {name: _bare(cell) for name, cell in row.items()}


def _bare(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and escaped(cell[1:]) == cell else cell


def _miss_cells(miss: Miss) -> tuple[str, ...]:
    again = "yes" if miss.again else "no"
    return (miss.url, miss.label, miss.reason, again, miss.source, miss.retrieved, miss.key)


def _line(cells: Iterable[str | None]) -> str:
    """Return one line of a table; line breaks and control codes in cells become spaces."""
    line = StringIO()
    whole = [escaped(clean((cell or "")[:_MAX_CELL])) for cell in cells]
    csv.writer(line, lineterminator="\n").writerow(whole)
    return line.getvalue()


def _inside(path: str) -> bool:
    return bool(path) and not Path(path).is_absolute() and ".." not in Path(path).parts
