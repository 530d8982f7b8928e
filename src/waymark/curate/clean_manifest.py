"""Write a dataset's photos as a manifest that can be read wherever the dataset lies.

In:  a `Dataset`, and where the manifest is to be: in the dataset's folder, or above it.
Out: a CSV as `dataset/manifest.py` reads it. Paths are relative to the manifest's own place
     and never lead upwards. What has a name that no such table can hold is left out, and
     told; so are photos that are links to somewhere else, which are kept.
"""

from __future__ import annotations

import csv
import os
from contextlib import suppress
from io import StringIO
from pathlib import Path, PurePosixPath, PureWindowsPath

from waymark.dataset.index import UNKNOWN, Dataset, Photo, Skipped, printable
from waymark.dataset.manifest import COLUMNS, escaped
from waymark.errors import ConfigError

MANIFEST = "clean.csv"
_STATED = COLUMNS[2:]


def check_place(out: Path, root: Path) -> None:
    """Refuse a manifest from where the photos could only be reached upwards.

    Raises:
        ConfigError: it is there already, or neither in the dataset's folder nor above it.
    """
    if out.suffix.lower() != ".csv":
        raise ConfigError(f"--out is {printable(out)}; name a file that ends in .csv.")
    if os.path.lexists(out):
        raise ConfigError(f"{printable(out)} exists; remove it, or name another with --out.")
    if not root.resolve().is_relative_to(out.parent.resolve()):
        raise ConfigError(
            f"{printable(out)} would point outside its own folder, and no manifest may: put it "
            f"into {printable(root)} or a folder above."
        )


def write_manifest(out: Path, dataset: Dataset) -> tuple[Skipped, ...]:
    """Write the photos and negatives of a dataset.

    Args:
        out: the file; see `check_place`.
        dataset: what to write.

    Returns:
        Photos that are not in it: they lie outside the dataset, or have a name that a table
        cannot hold.

    Raises:
        ConfigError: see `check_place`; or the file cannot be written, and nothing is left of it.
    """
    check_place(out, dataset.root)
    below = dataset.root.resolve().relative_to(out.parent.resolve())
    splits = dataset.negative_splits or (None,) * len(dataset.negatives)
    negatives = zip(dataset.negatives, splits, strict=True)
    rows = [
        *dataset.photos,
        *(Photo(path=path, label=UNKNOWN, split=split) for path, split in negatives),
    ]
    columns = ["path", "label", *(c for c in _STATED if any(getattr(row, c) for row in rows))]
    left_out = []
    part = out.with_name(f".{out.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            file.write(_line(columns))
            for row in rows:
                inside = row.path.is_relative_to(dataset.root)
                name = (below / row.path.relative_to(dataset.root)).as_posix() if inside else ""
                cells = [name, *(getattr(row, column) or "" for column in columns[1:])]
                if reason := _why_not(name, row.label) if inside else "lies outside the dataset":
                    left_out.append(Skipped(printable(row.path), reason))
                else:
                    file.write(_line([escaped(cell) for cell in cells]))
            file.flush()
            os.fsync(file.fileno())
        part.replace(out)
    except OSError as error:
        raise ConfigError(
            f"{printable(out)} cannot be written ({(error.strerror or str(error)).lower()}); name "
            "one in a folder above the dataset with --out, or check and clean a folder of links "
            "to the photos: `waymark data split DATASET --materialise link --out DIR` makes one."
        ) from error
    finally:
        with suppress(OSError):  # a disk that is read-only refuses even to miss it
            part.unlink(missing_ok=True)
    return tuple(left_out)


def leading_out(dataset: Dataset) -> tuple[str, ...]:
    """Return the photos and negatives that are links, or lie in links, out of the dataset."""
    root = dataset.root.resolve()
    paths = (*(photo.path for photo in dataset.photos), *dataset.negatives)
    return tuple(printable(path) for path in paths if not path.resolve().is_relative_to(root))


def _why_not(name: str, label: str) -> str:
    """Return why a row would not come back from a table as it is; nothing if it would."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return "its name is not UTF-8, which no table holds"
    if PurePosixPath(name).is_absolute() or PureWindowsPath(name).is_absolute():
        return "its name reads as a path from the root of a disk"
    rows = list(csv.reader(StringIO(_line([name, label]), newline="")))
    if rows == [[name.strip(), label.strip()]] == [[name, label]]:
        return ""
    return "its name or its label begins or ends with a blank, or has a break in it"


def _line(cells: list[str]) -> str:
    line = StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()
