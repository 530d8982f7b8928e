"""Write photos of a library as a table or a map: CSV, JSON, GeoJSON, KML.

In:  `Listed` records, one after the other.
Out: text, a piece at a time; names are made safe for where they go.

A photo's point is where the landmark stands that it shows; where it shows none, or a person
said that it is not this one, where the camera stood.
"""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import Any

from waymark.dataset.index import printable
from waymark.dataset.manifest import escaped
from waymark.errors import ConfigError, LibraryError
from waymark.library.store_query import Listed

Form = Callable[[Iterable[Listed]], Iterator[str]]

COLUMNS = (
    "path",
    "uri",
    "taken",
    "landmark",
    "name",
    "place",
    "country",
    "category",
    "lat",
    "lon",
    "wikidata",
    "score",
    "confidence",
    "unknown_score",
    "evidence",
    "state",
    "camera_lat",
    "camera_lon",
    "gps_from",
    "gps_says",
    "error",
)


_BEGINS = {
    "csv": ",".join(COLUMNS[:3]).encode(),
    "json": b"[",
    "geojson": b'{"type": "FeatureCollection"',
    "kml": b"<?xml",
}


def check_target(file: Path, *, form: str | None = None, library: Path) -> None:
    """Make sure, before any work is done, that a file can be written, and may be.

    Args:
        file: what is to be written.
        form: see `write_export`.
        library: the library's file, which is no export.

    Raises:
        ConfigError: nobody knows the form, or the file is something else.
        LibraryError: the file cannot be written.
    """
    _check_form(file, form or file.suffix.removeprefix("."))
    if file.exists() and file.samefile(library):
        raise ConfigError(f"{printable(file)} is the library; name another file.")
    with _faults(file), tempfile.TemporaryFile(dir=file.parent):
        pass


def write_export(file: Path, photos: Iterable[Listed], *, form: str | None = None) -> int:
    """Write photos into a file, which is there as a whole or not at all.

    Args:
        file: what to write; its ending says the form.
        photos: what to write.
        form: `csv`, `json`, `geojson` or `kml` instead.

    Returns:
        The number of photos in it; of KML, that of the photos with a place.

    Raises:
        ConfigError: nobody knows the form, or the file is something else.
        LibraryError: the file cannot be written.
    """
    write = _check_form(file, form or file.suffix.removeprefix("."))
    count = 0

    def counted() -> Iterator[Listed]:
        nonlocal count
        for photo in photos:
            if write is not as_kml or _position(photo) is not None:
                count += 1
                yield photo

    with _faults(file):
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=".waymark-", suffix=".part")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as out:
                for piece in write(counted()):
                    out.write(piece)
            Path(name).chmod(0o600)
            Path(name).replace(file)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
    return count


@contextmanager
def _faults(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LibraryError(
            f"{printable(file)} cannot be written ({error.strerror}); name another file."
        ) from error


def _check_form(file: Path, name: str) -> Form:
    """Return what writes a form; refuse a file that is there and is not of that form.

    A shell makes `--csv *.jpg` name the first photo.
    """
    write = form_of(name)
    with _faults(file):
        if not file.exists():
            return write
        with file.open("rb") as there:
            head = there.read(64)
    if head and not head.startswith(_BEGINS[name.lower()]):
        raise ConfigError(
            f"{printable(file)} is there and is no {name.upper()} of waymark's; name another file, "
            "or remove it first."
        )
    return write


def form_of(name: str) -> Form:
    """Return what writes a form.

    Raises:
        ConfigError: nobody knows it.
    """
    known = {"csv": as_csv, "json": as_json, "geojson": as_geojson, "kml": as_kml}
    if name.lower() not in known:
        raise ConfigError(
            f"no form {name!a}; end the file's name in .csv, .json, .geojson or .kml, "
            "or say which with --format."
        )
    return known[name.lower()]


def as_csv(photos: Iterable[Listed]) -> Iterator[str]:
    """Yield a table; no cell can be taken for a formula, and `uri` is exact for any name."""
    out = StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for photo in photos:
        values = flat(photo)
        writer.writerow([_cell(values[name]) for name in COLUMNS])
        yield out.getvalue()
        out.seek(0)
        out.truncate()
    yield out.getvalue()


def as_json(photos: Iterable[Listed]) -> Iterator[str]:
    """Yield a JSON array of the objects of `Listed.to_dict`, in ASCII."""
    start = "[\n"
    for photo in photos:
        yield start + json.dumps(photo.to_dict(), allow_nan=False)
        start = ",\n"
    yield ("[" if start == "[\n" else "\n") + "]\n"


def as_geojson(photos: Iterable[Listed]) -> Iterator[str]:
    """Yield a FeatureCollection; a photo without any position has no geometry.

    Source: RFC 7946.
    """
    start = '{"type": "FeatureCollection", "features": [\n'
    for photo in photos:
        at = _position(photo)
        point = None if at is None else {"type": "Point", "coordinates": [at[1], at[0]]}
        properties = {k: v for k, v in flat(photo).items() if k not in ("lat", "lon")}
        properties["position"] = _whose(photo)
        feature = {"type": "Feature", "geometry": point, "properties": properties}
        yield start + json.dumps(feature, allow_nan=False)
        start = ",\n"
    yield (start if start.startswith("{") else "\n") + "]}\n"


def as_kml(photos: Iterable[Listed]) -> Iterator[str]:
    """Yield placemarks of the photos that have a position.

    Source: OGC KML 2.2.
    """
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield '<kml xmlns="http://www.opengis.net/kml/2.2"><Document><name>waymark</name>\n'
    for photo in photos:
        at = _position(photo)
        if at is None:
            continue
        values = flat(photo)
        title = photo.shows.name if photo.shows else values["path"]
        told = [f"{name}: {values[name]}" for name in ("path", "place", "confidence", "state")]
        when = f"<TimeStamp><when>{_xml(values['taken'])}</when></TimeStamp>"
        yield (
            f"<Placemark><name>{_xml(title)}</name>{when if values['taken'] else ''}"
            f"<description>{_xml('; '.join(told))}</description>"
            f"<Point><coordinates>{at[1]},{at[0]}</coordinates></Point></Placemark>\n"
        )
    yield "</Document></kml>\n"


def flat(photo: Listed) -> dict[str, Any]:
    """Return a photo as one row of plain values, a key for each of `COLUMNS`."""
    landmark = photo.landmark
    facts = {} if landmark is None else landmark.to_dict()
    return {
        "path": printable(photo.path),
        "uri": photo.path.as_uri(),
        "taken": photo.taken and photo.taken.isoformat(),
        "landmark": facts.get("id"),
        **{name: facts.get(name) for name in ("name", "place", "country", "category")},
        **{name: facts.get(name) for name in ("lat", "lon", "wikidata")},
        "score": photo.score,
        "confidence": photo.confidence,
        "unknown_score": photo.unknown_score,
        "evidence": photo.evidence,
        "state": photo.state,
        "camera_lat": photo.gps and photo.gps[0],
        "camera_lon": photo.gps and photo.gps[1],
        "gps_from": photo.gps_from,
        "gps_says": photo.gps_says,
        "error": photo.error,
    }


def _position(photo: Listed) -> tuple[float, float] | None:
    landmark = photo.shows
    if landmark is not None and landmark.lat is not None and landmark.lon is not None:
        return landmark.lat, landmark.lon
    return photo.gps


def _whose(photo: Listed) -> str | None:
    if photo.shows is not None and photo.shows.lat is not None:
        return "landmark"
    return "camera" if photo.gps else None


def _cell(value: Any) -> Any:
    """Return a cell: a number, or one line of text without control characters."""
    if not isinstance(value, str):
        return "" if value is None else value
    return escaped(printable(" ".join(value.splitlines())))


def _xml(value: Any) -> str:
    """Return text that is XML's whatever it was."""
    from xml.sax.saxutils import escape

    text = printable(str(value))
    return escape("".join(c for c in text if c not in "\ufffe\uffff"), {'"': "&quot;"})
