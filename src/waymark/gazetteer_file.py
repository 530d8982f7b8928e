"""Read and write a landmarks file, naming every fault with its line.

In:  a CSV in UTF-8 with the column `id` and any of the other fields of `Landmark`; further
     columns are ignored.
Out: `Landmark` records, and a `Fault` for each thing that cannot be right.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TextIO

from waymark.errors import GazetteerError
from waymark.gazetteer import Landmark, display_name, faults_of
from waymark.gazetteer_countries import COUNTRIES, MEANT

COLUMNS = tuple(field.name for field in fields(Landmark) if field.name != "estimated")
_NUMBERS = ("lat", "lon", "extent_m")
_MAX_BYTES = 64 << 20
_MAX_EXTENT = 2_000_000  # m; the longest reef there is
_FORMULA = ("=", "+", "-", "@")
_RESERVED = "unknown"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something in a landmarks file that cannot be right.

    Attributes:
        line: of the file, from 1.
        text: what it is, what was expected.
    """

    line: int
    text: str


def read_landmarks(path: Path) -> tuple[list[Landmark], list[Fault]]:
    """Read a landmarks file as far as it can be read.

    Returns:
        The landmarks of the rows without a fault, and all faults, by line.

    Raises:
        GazetteerError: it is no CSV in UTF-8, or has not the columns.
    """
    found: dict[str, Landmark] = {}
    lines: dict[str, int] = {}
    faults: list[Fault] = []
    for line, row in _rows(path):
        values, wrong = _values(row)
        label = values.get("id")
        if label is None:
            faults += [Fault(line=line, text=text) for text in wrong]
            continue
        wrong += faults_of(values)
        if label in lines:
            wrong.append(
                f"the id {label!r} was used before, in line {lines[label]}; give every row its own."
            )
        faults += [Fault(line=line, text=text) for text in wrong]
        lines.setdefault(label, line)
        if not wrong:
            found[label] = Landmark(**values)
    return list(found.values()), faults


def load_landmarks(path: Path) -> list[Landmark]:
    """Read a landmarks file.

    Raises:
        GazetteerError: the file cannot be read, or a row cannot be right; names the first such
            row and says how many more there are.
    """
    found, faults = read_landmarks(path)
    if faults:
        more = len(faults) - 1
        rest = f" {more} more fault{'s' if more > 1 else ''}: `waymark landmarks --landmarks FILE`"
        raise GazetteerError(
            f"{path}, line {faults[0].line}: {faults[0].text}"
            + (f"{rest} lists all." if more else "")
        )
    return found


def write_landmarks(
    stream: TextIO, landmarks: Iterable[Landmark], further: Mapping[str, Mapping[str, str]] = {}
) -> None:
    """Write a landmarks file that `read_landmarks` gives back the same.

    Args:
        stream: open for text, without newline translation.
        landmarks: a row each; whether a position is estimated is not kept.
        further: more columns, by name: what they say of an id.
    """
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*COLUMNS, *further])
    for landmark in landmarks:
        cells = [getattr(landmark, name) for name in COLUMNS]
        cells += [column.get(landmark.id, "") for column in further.values()]
        writer.writerow([_cell(cell) for cell in cells])


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str | None, Any]]]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise GazetteerError(f"{path} is over {_MAX_BYTES >> 20} MB; is it a landmarks file?")
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            columns = [column.strip() for column in reader.fieldnames or []]
            reader.fieldnames = columns
            if "id" not in columns or len(set(columns)) < len(columns):
                raise GazetteerError(
                    f"{path} has the columns {', '.join(columns) or '(none)'}; expected id and any "
                    f"of {', '.join(field.name for field in fields(Landmark)[1:])}, once each, "
                    "separated by commas."
                )
            for row in reader:
                yield reader.line_num, row
    except OSError as error:
        raise GazetteerError(
            f"{path} cannot be read ({error.strerror}); expected a CSV file of landmarks."
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise GazetteerError(
            f"{path} is not a CSV file in UTF-8 ({error}); save it as one."
        ) from error


def _values(row: Mapping[str | None, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the fields of a row, without those that cannot be read, and what is wrong."""
    if None in row:
        return {}, ["has more cells than the header; quote cells that have commas in them."]
    texts = {str(key): _unescaped(text.strip()) for key, text in row.items() if text}
    known = {field.name for field in fields(Landmark)}
    values: dict[str, Any] = {key: text for key, text in texts.items() if text and key in known}
    if "id" not in values:
        return {}, ["a landmark has no id; every landmark needs one."]
    wrong = []
    for key in _NUMBERS:
        if key in values:
            try:
                values[key] = float(values[key])
            except ValueError:
                wrong.append(f"{key} is {values[key]!r}; expected a number, such as 48.8583.")
                # not its lack as well: 0 is in range
                values[key] = 1.0 if key == "extent_m" else 0.0
    if "estimated" in values:
        values["estimated"] = values["estimated"].lower() in ("true", "1", "yes")
    return {"name": display_name(values["id"])} | values, [*wrong, *_of_files(values)]


def _of_files(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a row of a file, though a landmark might have it."""
    label, country, extent = values["id"], values.get("country"), values.get("extent_m")
    if label == _RESERVED:
        yield "the id 'unknown' is reserved for photos without a landmark; use another one."
    if country and re.fullmatch("[A-Z]{2}", country) and country not in COUNTRIES:
        meant = f"; use {MEANT[country]!r}" if country in MEANT else ""
        yield f"country of {label!r} is {country!r}, which is no code of ISO 3166-1{meant}."
    if extent is not None and _MAX_EXTENT < extent < float("inf"):
        yield (
            f"extent_m of {label!r} is {extent:g}; it is a radius in metres, at most "
            f"{_MAX_EXTENT:,}."
        )


def _cell(value: object) -> str:
    """Return a cell that no spreadsheet takes for a formula; numbers stay as they are."""
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() else repr(value)
    text = str(value)
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA) else text


def _unescaped(text: str) -> str:
    return text[1:] if text[:1] == "'" and text.lstrip("'").startswith(_FORMULA) else text
