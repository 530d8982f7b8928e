"""Keep results as Parquet, a file a part, whose name says what is in it.

    OUT/_waymark.json                        what the results are of
    OUT/_bundle.waymark                      what they were made with
    OUT/prefix=2019%2Fparis/part-00000-3f2a9c1b5d7e8f90-998-2-0.parquet
    OUT/prefix=2019%2Fparis/_part-00001.tries    how often the part was begun, until it is done

A part's file is named by the part's number, a hash of the names and sizes of its photos, its
rows, the rows with an error, and of these the photos that were not handed out. So rows and
what is known of them cannot disagree, and one listing tells all that is done. Names that
begin with `_` are passed over by everything that reads Parquet folders.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from waymark.errors import ConfigError, RunError
from waymark.scale.listing import Part
from waymark.scale.place import Place, find_place
from waymark.scale.place_files import PARTIAL, read_json, remove, write_file

if TYPE_CHECKING:
    from waymark.scale.recognise import Recognised

ABOUT, BUNDLE = "_waymark.json", "_bundle.waymark"
FORMAT = 2
_ROWS = re.compile(r"part-(\d+)-([0-9a-f]{16})-(\d+)-(\d+)-(\d+)\.parquet")
_TRIES = re.compile(r"_part-(\d+)\.tries")
_LEFT = 3600.0  # seconds after which nobody is writing a file any more
_NUMBERS = ("unknown_score", "score", "lat", "lon")
COLUMNS = (
    *("photo", "known", "unknown_score", "landmark", "name", "score", "place", "country"),
    *("category", "lat", "lon", "wikidata", "error", "json"),
)
"""`json` is the line of `waymark predict --json`; landmark to wikidata are its best guess."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A file of results, as its name says it.

    Attributes:
        number: of the part.
        listing: `Part.listing` of the photos that its rows are of.
        photos: its rows.
        failed: of these, rows with an error.
        unfetched: of these, photos that were not handed out.
    """

    number: int
    listing: str
    photos: int
    failed: int
    unfetched: int

    @property
    def name(self) -> str:
        """Return the name of the file."""
        counts = f"{self.photos}-{self.failed}-{self.unfetched}"
        return f"part-{self.number:05d}-{self.listing}-{counts}.parquet"

    @staticmethod
    def named(name: str) -> Kept | None:
        """Return what a name says; None if it is that of another file."""
        if (match := _ROWS.fullmatch(name)) is None:
            return None
        number, listing, *counts = match.groups()
        photos, failed, unfetched = map(int, counts)
        return Kept(
            number=int(number), listing=listing, photos=photos, failed=failed, unfetched=unfetched
        )


def find_results(out: str | os.PathLike[str]) -> Place:
    """Find what the address of a place for results means; nothing is read.

    Raises:
        ConfigError: nothing can be kept there.
        MissingExtra: pyarrow is not installed.
    """
    place = find_place(out)
    try:
        place.path.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(
            f"{place.shown!a} has bytes that are no text; name another --out for the results."
        ) from error
    return place


@contextmanager
def written(out: Place) -> Iterator[None]:
    """Turn a fault of the place of the results into the error that says it.

    Raises:
        RunError: something there cannot be read, written or removed.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())[:200]
        raise RunError(
            f"{out.shown!a} cannot be written ({reason}); what is done is kept. Make room or "
            "name another --out, and run the same command again."
        ) from error


def agree(out: Place, about: dict[str, Any]) -> dict[str, Any] | None:
    """Find that a place for results is free, or has results of the same thing.

    Args:
        out: the place.
        about: what the results are of: plain JSON values.

    Returns:
        What was said of the results when they were begun; None where there are none.

    Raises:
        RunError: they are of something else, or the place holds other things.
    """
    from pyarrow import fs

    wanted = json.loads(json.dumps({"format": FORMAT, **about}))
    there = read_json(out, ABOUT)
    if there is not None:
        for key in wanted:
            if there.get(key) != wanted[key]:
                raise RunError(
                    f"{out.shown!a} holds results with {key} {there.get(key)!a}, not "
                    f"{wanted[key]!a}; name another --out."
                )
        return there
    if out.filesystem.get_file_info(out.path).type == fs.FileType.Directory:
        inside = out.filesystem.get_file_info(fs.FileSelector(out.path))
        if not all(_is_partial(entry.base_name) for entry in inside):
            raise RunError(
                f"{out.shown!a} is not empty and holds no results of `tag --engine ray`; "
                "name another --out."
            )
    return None


def claim(out: Place, about: dict[str, Any], *, run: str) -> None:
    """Say in a free place what the results there are of."""
    said = json.dumps({"format": FORMAT, **about}, indent=2)
    write_file(out, ABOUT, said.encode(), run=run)


def list_results(out: Place) -> dict[str, list[str]]:
    """Return the names of all that parts have left, by folder.

    These are rows, notes that a part was begun, and what killed runs left half written.
    """
    from pyarrow import fs

    found: dict[str, list[str]] = {}
    start, now = len(out.path.rstrip("/")) + 1, time.time()
    selector = fs.FileSelector(out.path, recursive=True, allow_not_found=True)
    for entry in out.filesystem.get_file_info(selector):
        folder, _, name = entry.path[start:].rpartition("/")
        if not entry.is_file or "/" in folder or not (folder.startswith("prefix=") or not folder):
            continue
        old = entry.mtime is not None and now - entry.mtime.timestamp() > _LEFT
        if number_of(name) is not None or (_is_partial(name) and old):
            found.setdefault(folder, []).append(name)
    return found


def number_of(name: str) -> int | None:
    """Return the number of the part that a file is of; None where it is of none."""
    match = _ROWS.fullmatch(name) or _TRIES.fullmatch(name)
    return None if match is None else int(match[1])


def begun(out: Place, part: Part, *, run: str) -> int:
    """Note that a part is begun; return how often it has been in this run."""
    name = _tries(part)
    earlier = read_json(out, name) or {}
    tries = 1 + (int(earlier.get("tries", 0)) if earlier.get("run") == run else 0)
    write_file(out, name, json.dumps({"run": run, "tries": tries}).encode(), run=run)
    return tries


def write_part(out: Place, part: Part, found: Recognised, *, again: bool, run: str) -> Kept:
    """Write the rows of a part, in place of any that there are.

    Args:
        out: where.
        part: which part.
        found: its rows.
        again: there may be rows of this part, of this run or another.
        run: who writes.

    Raises:
        OSError: nothing can be written there.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"known": pa.bool_(), **dict.fromkeys(_NUMBERS, pa.float64())}
    schema = pa.schema([(name, types.get(name, pa.string())) for name in COLUMNS])
    table = pa.Table.from_pylist(found.rows, schema=schema)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    kept = Kept(
        number=part.number,
        listing=part.listing,
        photos=len(found.rows),
        failed=found.failed,
        unfetched=found.unfetched,
    )
    write_file(out, f"{part.folder}/{kept.name}", sink.getvalue(), run=run)
    others = [name for name in _files_of(out, part) if name != kept.name] if again else []
    remove(out, [*(f"{part.folder}/{name}" for name in others), _tries(part)])
    return kept


def sweep(out: Place, folders: set[str], *, run: str) -> None:
    """Remove what killed workers of a run left half written."""
    from pyarrow import fs

    for folder in folders if out.local else ():  # a store has nothing that is half written
        selector = fs.FileSelector(out.child(folder), allow_not_found=True)
        names = [entry.base_name for entry in out.filesystem.get_file_info(selector)]
        left = [name for name in names if _is_partial(name) and f".{run}." in name]
        remove(out, (f"{folder}/{name}" for name in left))


def read_lines(out: Place) -> Iterator[str]:
    """Yield the `json` column of all results, file after file in order of their names."""
    import pyarrow.parquet as pq

    there = list_results(out)
    for folder in sorted(there):
        for name in sorted(filter(Kept.named, there[folder])):
            with out.filesystem.open_input_file(out.child(f"{folder}/{name}")) as file:
                for batch in pq.ParquetFile(file).iter_batches(columns=["json"]):
                    yield from batch.column(0).to_pylist()


def _files_of(out: Place, part: Part) -> list[str]:
    """Return the names of the files with rows of a part."""
    from pyarrow import fs

    inside = out.filesystem.get_file_info(fs.FileSelector(out.child(part.folder)))
    named = ((entry.base_name, Kept.named(entry.base_name)) for entry in inside)
    return [name for name, kept in named if kept is not None and kept.number == part.number]


def _tries(part: Part) -> str:
    return f"{part.folder}/_part-{part.number:05d}.tries"


def _is_partial(name: str) -> bool:
    return name.startswith("_") and name.endswith(PARTIAL)
