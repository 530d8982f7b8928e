"""Keep results as Parquet, a file a part, and know which parts are done.

    OUT/_waymark.json                             what the results are of
    OUT/_bundle.waymark                           what they were made with
    OUT/prefix=2019%2Fparis/part-00000.parquet
    OUT/prefix=2019%2Fparis/_part-00000.json      written last: the part is done
    OUT/prefix=2019%2Fparis/_part-00000.tries     how often the part was begun, until it is done

Names that begin with `_` are passed over by everything that reads Parquet folders. A part
is written whole, under a name of its own, so that writing it twice gives one file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from waymark.errors import RunError
from waymark.scale.listing import Part
from waymark.scale.place import Place

if TYPE_CHECKING:
    from waymark.scale.recognise import Recognised

ABOUT, BUNDLE = "_waymark.json", "_bundle.waymark"
FORMAT = 1
_PARTIAL = ".partial"
_TEXT = ("photo", "landmark", "name", "place", "country", "category", "wikidata", "error", "json")
_NUMBERS = ("unknown_score", "score", "lat", "lon")
COLUMNS = (
    *("photo", "known", "unknown_score", "landmark", "name", "score", "place", "country"),
    *("category", "lat", "lon", "wikidata", "error", "json"),
)
"""`json` is the line of `waymark predict --json`; landmark to wikidata are its best guess."""


def begin(out: Place, about: dict[str, Any], bundle: bytes) -> None:
    """Say in a folder of results what they are of; or find that they are of the same.

    Args:
        out: the folder.
        about: what the results are of: plain JSON values.
        bundle: the file of the bundle, for the workers.

    Raises:
        RunError: they are of something else, or the folder holds other things.
    """
    wanted = json.loads(json.dumps({"format": FORMAT, **about}))
    there = read_json(out, ABOUT)
    if there is None:
        from pyarrow import fs

        if out.filesystem.get_file_info(out.path).type == fs.FileType.Directory:
            selector = fs.FileSelector(out.path, recursive=False)
            if any(out.filesystem.get_file_info(selector)):
                raise RunError(
                    f"{out.shown!a} is not empty and holds no results of `tag --engine ray`; "
                    "name another --out."
                )
        write_file(out, ABOUT, json.dumps(wanted, indent=2).encode())
        write_file(out, BUNDLE, bundle)
        return
    differs = [key for key in wanted if there.get(key) != wanted[key]]
    if differs:
        key = differs[0]
        raise RunError(
            f"{out.shown!a} holds results with {key} {there.get(key)!a}, not {wanted[key]!a}; "
            "name another --out."
        )
    if out.filesystem.get_file_info(out.child(BUNDLE)).size != len(bundle):
        write_file(out, BUNDLE, bundle)  # a kill came between the two


def read_bundle_file(out: Place) -> bytes:
    """Return the file of the bundle."""
    with out.filesystem.open_input_stream(out.child(BUNDLE), compression=None) as stream:
        return bytes(stream.read())


def begun(out: Place, part: Part, run: str) -> int:
    """Note that a part is begun; return how often it has been in this run."""
    name = f"{part.folder}/{_tries(part.number)}"
    earlier = read_json(out, name) or {}
    tries = 1 + (int(earlier.get("tries", 0)) if earlier.get("run") == run else 0)
    write_file(out, name, json.dumps({"run": run, "tries": tries}).encode())
    return tries


def is_done(out: Place, part: Part) -> dict[str, Any] | None:
    """Return what the marker of a part says, if the part is done and as it was then."""
    marker = read_json(out, f"{part.folder}/{_marker(part.number)}")
    return marker if marker and marker.get("listing") == part.listing else None


def write_part(out: Place, part: Part, found: Recognised) -> dict[str, Any]:
    """Write the rows of a part, then its marker; return what the marker says.

    A part with photos that could not be fetched gets no marker: the next run does it again.

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
    write_file(out, f"{part.folder}/{_file(part.number)}", sink.getvalue())
    said = {
        "listing": part.listing,
        "photos": len(found.rows),
        "failed": found.failed,
        "unfetched": found.unfetched,
        "other": found.other,
    }
    if not found.unfetched:
        write_file(out, f"{part.folder}/{_marker(part.number)}", json.dumps(said).encode())
    _remove(out, f"{part.folder}/{_tries(part.number)}")
    return said


def prune(out: Place, folder: str, parts: int) -> None:
    """Remove the parts of a prefix from number `parts` on: it has fewer photos than before."""
    number = parts
    while read_json(out, f"{folder}/{_marker(number)}") is not None:
        for name in (_file(number), _marker(number)):  # the marker last: a kill leaves it to us
            _remove(out, f"{folder}/{name}")
        number += 1


def sweep(out: Place, folders: set[str]) -> None:
    """Remove what killed workers left half written; nobody may be writing."""
    from pyarrow import fs

    for folder in folders if out.local else ():
        selector = fs.FileSelector(out.child(folder), recursive=False, allow_not_found=True)
        for entry in out.filesystem.get_file_info(selector):
            if entry.base_name.startswith("_") and entry.base_name.endswith(_PARTIAL):
                out.filesystem.delete_file(entry.path)


def read_lines(out: Place) -> Iterator[str]:
    """Yield the `json` column of all results, file after file in order of their names."""
    import pyarrow.parquet as pq
    from pyarrow import fs

    found = out.filesystem.get_file_info(fs.FileSelector(out.path, recursive=True))
    for path in sorted(entry.path for entry in found if entry.path.endswith(".parquet")):
        with out.filesystem.open_input_file(path) as file:
            for batch in pq.ParquetFile(file).iter_batches(columns=["json"]):
                yield from batch.column(0).to_pylist()


def read_json(out: Place, name: str) -> dict[str, Any] | None:
    """Return a small JSON object of the place; None where it is missing or cut."""
    try:
        with out.filesystem.open_input_stream(out.child(name), compression=None) as stream:
            found = json.loads(bytes(stream.read(2**20)))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _remove(out: Place, name: str) -> None:
    with suppress(FileNotFoundError):
        out.filesystem.delete_file(out.child(name))


def write_file(out: Place, name: str, data: Any) -> None:
    """Write a file whole: of a folder by renaming; an object store shows nothing half written."""
    path = out.child(name)
    if not out.local:
        with out.filesystem.open_output_stream(path) as stream:
            stream.write(data)
        return
    folder, base = os.path.split(path)
    os.makedirs(folder, exist_ok=True)  # noqa: PTH103  # names as they are
    partial = os.path.join(folder, f"_{base}.{uuid4().hex}{_PARTIAL}")  # noqa: PTH118
    try:
        with open(partial, "wb") as file:  # noqa: PTH123
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)  # noqa: PTH105
    except OSError:
        if os.path.exists(partial):  # noqa: PTH110
            os.unlink(partial)  # noqa: PTH108
        raise


def _file(number: int) -> str:
    return f"part-{number:05d}.parquet"


def _tries(number: int) -> str:
    return f"_part-{number:05d}.tries"


def _marker(number: int) -> str:
    return f"_part-{number:05d}.json"
