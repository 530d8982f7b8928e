"""Read a dataset from a table with a photo a row.

In:  CSV (UTF-8, comma) or Parquet with the columns `path,label` and any of `category,
     place,split,group,source,licence,author,url`. Paths are relative to the table's folder
     and stay inside it.
Out: a `Dataset` without landmark records; `read_dataset` adds those.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import fields
from itertools import zip_longest
from pathlib import Path, PurePosixPath, PureWindowsPath

from waymark.dataset.index import (
    SPLITS,
    UNKNOWN,
    Dataset,
    Photo,
    Skipped,
    printable,
    why_not_photo,
)
from waymark.errors import DatasetError, MissingExtra

COLUMNS = tuple(field.name for field in fields(Photo))
_FORMULA = ("=", "+", "-", "@")
_OPTIONAL = tuple(name for name in COLUMNS if name not in ("path", "label"))


def read_manifest(path: Path) -> Dataset:
    """Read a manifest; rows that cannot be used become `Skipped` records.

    Raises:
        DatasetError: not a table of the shape above, a path that leads out of the table's
            folder, or a split that is not train, val or test; names the row.
        MissingExtra: a Parquet table, and pyarrow is not installed.
    """
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise DatasetError(
            f"{path} is a file; expected a folder of photos, or a manifest ending in .csv or "
            f".parquet with the columns path,label[,{','.join(_OPTIONAL)}]."
        )
    photos: list[Photo] = []
    negatives: list[Path] = []
    negative_splits: list[str | None] = []
    skipped: list[Skipped] = []
    seen: set[str] = set()
    for number, row in table_rows(path):
        where = f"{path}, row {number}"
        named, label = row.get("path") or "", printable(row.get("label") or "")
        if not named or not label:
            skipped.append(Skipped(f"{path.name}, row {number}", "has no path or no label"))
            continue
        _check_inside(named, where)
        split = row.get("split")
        if split is not None and split not in SPLITS:
            raise DatasetError(f"{where}: split is {split!r}; use train, val, test or nothing.")
        file = path.parent / named
        reason = "listed twice" if named in seen else why_not_photo(file)
        seen.add(named)
        if reason is not None:
            skipped.append(Skipped(printable(named), reason or "missing, or not a photo", file))
        elif label == UNKNOWN:
            negatives.append(file)
            negative_splits.append(split)
        else:
            photos.append(
                Photo(path=file, label=label, **{name: row.get(name) for name in _OPTIONAL})
            )
    return Dataset(
        root=path.parent,
        name=path.stem,
        photos=tuple(photos),
        negatives=tuple(negatives),
        skipped=tuple(skipped),
        negative_splits=tuple(negative_splits) if any(negative_splits) else (),
    )


def table_rows(path: Path) -> Iterator[tuple[int, Mapping[str, str | None]]]:
    """Yield the rows of a CSV or Parquet table with their numbers, the header being row 1.

    Cells are stripped; an empty one is None.

    Raises:
        DatasetError: the file is not such a table, or lacks path or label.
        MissingExtra: a Parquet table, and pyarrow is not installed.
    """
    rows = _parquet_rows(path) if path.suffix.lower() == ".parquet" else _csv_rows(path)
    for number, row in enumerate(rows, start=2):
        yield number, {key: _unescaped((text or "").strip()) or None for key, text in row.items()}


def escaped(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula; `table_rows` undoes it."""
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA) else text


def _unescaped(text: str) -> str:
    return text[1:] if text[:1] == "'" and text.lstrip("'").startswith(_FORMULA) else text


def _csv_rows(path: Path) -> Iterator[dict[str, str | None]]:
    try:
        # a path may be of any bytes, as `write_split` writes it; all else is UTF-8
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.reader(file)
            columns = [name.strip() for name in next(reader, [])]
            "".join(columns).encode()
            _check_columns(path, columns)
            for cells in reader:
                if len(cells) > len(columns):
                    raise DatasetError(
                        f"{path}, line {reader.line_num} has more cells than the header; "
                        "quote cells that have commas in them."
                    )
                row = dict(zip_longest(columns, cells))
                "".join(text or "" for name, text in row.items() if name != "path").encode()
                if cells:
                    yield row
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}).") from error
    except (UnicodeError, csv.Error) as error:
        raise DatasetError(
            f"{path} is not a CSV file in UTF-8 ({error}); save it as one."
        ) from error


def _parquet_rows(path: Path) -> Iterator[dict[str, str | None]]:
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtra(
            f"reading {path} needs pyarrow; install it with pip install 'waymark[parquet]', "
            "or save the table as CSV."
        ) from error
    from pyarrow import ArrowException

    try:
        with pq.ParquetFile(path) as file:
            columns = list(file.schema_arrow.names)
            _check_columns(path, columns)
            wanted = [name for name in columns if name in COLUMNS]
            for batch in file.iter_batches(columns=wanted):
                for row in batch.to_pylist():
                    yield {key: None if cell is None else str(cell) for key, cell in row.items()}
    except (ArrowException, OSError) as error:
        raise DatasetError(f"{path} is not a readable Parquet file ({error}).") from error


def _check_columns(path: Path, columns: list[str]) -> None:
    if not {"path", "label"} <= set(columns) or len(set(columns)) < len(columns):
        raise DatasetError(
            f"{path} has the columns {', '.join(columns) or '(none)'}; expected "
            f"path,label[,{','.join(_OPTIONAL)}], once each, separated by commas."
        )


def _check_inside(named: str, where: str) -> None:
    absolute = PurePosixPath(named).is_absolute() or PureWindowsPath(named).is_absolute()
    if absolute or ".." in PurePosixPath(named).parts or "\0" in named:
        raise DatasetError(
            f"{where}: path is {named!r}, which leads out of the dataset; write it relative to "
            "the manifest's folder, without '..'."
        )
