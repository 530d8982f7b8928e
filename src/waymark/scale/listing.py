"""What there is to tag: photos by prefix, in parts of a bounded size.

In:  a place.
Out: a `Part` after the other: a few hundred photos of one prefix, the unit of work, of
     storage and of resuming; and a `Skipped` for what could not be looked into.

A part depends on nothing but the names and sizes that were found, so the next run finds the
same parts and knows which of them are done.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, takewhile
from pathlib import Path
from typing import Any
from urllib.parse import quote

from waymark.dataset.index import READ_ALREADY, Skipped, list_photos, printable
from waymark.errors import ConfigError
from waymark.scale.place import Place

PART_PHOTOS = 1000
PHOTO_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".heic")
) | {".heif", ".avif"}
_OTHER_SUFFIXES = frozenset(
    (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".3gp", ".mts", ".mpg", ".mpeg", ".wmv")
).union(
    (".mp3", ".m4a", ".wav", ".xmp", ".json", ".txt", ".aae", ".csv", ".xml", ".html", ".htm"),
    (".pdf", ".zip", ".gz", ".tar", ".db", ".md", ".ini", ".parquet"),
    (".waymark", ".tries", ".partial"),  # results may lie among photos
)
_HIDDEN = ("__MACOSX", "@eaDir")
_LONGEST = 160  # bytes of a prefix in the name of a folder
_PLAIN = "()+,-_."  # what needs no quoting in a path
NAMELESS = "has keys with an empty part (//), which pyarrow cannot read; rename them"
Files = list[tuple[str, int]]
"""Names of files, with their prefix, and their sizes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Some photos of one prefix.

    Attributes:
        prefix: folder of the photos below the place; "" is the place itself.
        number: of the part within its prefix, from 0.
        names: names of the photos, with their prefix, sorted.
        sizes: bytes of each; -1 where the place does not tell.
        again: it has rows already, and is done again for photos that were not handed out.
    """

    prefix: str
    number: int
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    again: bool = False

    @property
    def folder(self) -> str:
        """Return the name of the folder of its results: `prefix=...`, one level."""
        return f"prefix={quoted(self.prefix)}"

    @property
    def listing(self) -> str:
        """Return a hash of what the part holds: it changes when a photo comes, goes or grows."""
        rows = json.dumps([self.names, self.sizes])
        return hashlib.sha256(rows.encode("ascii")).hexdigest()[:16]


def list_parts(place: Place, *, part_photos: int = PART_PHOTOS) -> Iterator[Part | Skipped]:
    """Yield the parts of a place, prefix after prefix, and what hides others.

    Of an object store one prefix at a time is in memory. A folder is looked through as
    `waymark predict FOLDER` does it: by content, hidden files passed over.

    Args:
        place: where to look.
        part_photos: photos of a part, at most.

    Raises:
        ConfigError: there is no such place, or it may not be listed.
    """
    if part_photos < 1:
        raise ConfigError(f"part_photos is {part_photos}; a part has at least 1 photo.")
    for found in _folder(place) if place.local else _store(place):
        if isinstance(found, Skipped):
            yield found
            continue
        prefix, files = found
        for number, start in enumerate(range(0, len(files), part_photos)):
            names, sizes = zip(*files[start : start + part_photos], strict=True)
            yield Part(prefix=prefix, number=number, names=names, sizes=sizes)


def quoted(prefix: str) -> str:
    """Return a prefix as one level of a path; Parquet readers turn it back into the prefix.

    A very long one, or one that is no text, is cut and told apart by a hash.
    """
    if not prefix:
        return "."
    raw = os.fsencode(prefix)
    text = raw.decode("utf-8", "replace")
    whole = quote(text, safe=_PLAIN)
    if len(whole) <= _LONGEST and text.encode() == raw:
        return whole
    while len(quote(text, safe=_PLAIN)) > _LONGEST:
        text = text[:-1]
    return f"{quote(text, safe=_PLAIN)}~{hashlib.sha256(raw).hexdigest()[:16]}"


def _folder(place: Place) -> Iterator[tuple[str, Files] | Skipped]:
    root = Path(place.path)
    if not root.is_dir():
        raise ConfigError(f"{place.shown!a} is not a folder; expected a folder or an address.")
    photos, skipped = list_photos(root)
    broken = [row.file for row in skipped if row.file is not None]
    yield from (row for row in skipped if row.file is None and row.reason != READ_ALREADY)
    relative = sorted(path.relative_to(root) for path in [*photos, *broken])
    relative.sort(key=lambda path: os.fspath(path.parent))
    for parent, paths in groupby(relative, key=lambda path: os.fspath(path.parent)):
        prefix = "" if parent == "." else parent
        yield prefix, [(os.fspath(path), _size(root / path)) for path in paths]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _store(place: Place) -> Iterator[tuple[str, Files] | Skipped]:
    """Yield the prefixes of an object store with the files in each."""
    # of Google's store pyarrow lists files, but no prefix that is not an object of its own:
    # https://github.com/apache/arrow/issues/35993
    deep = place.filesystem.type_name == "gcs"
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        folders: list[str] = []
        files: dict[str, Files] = {}
        nameless = set()
        for name, entry in _entries(place, prefix, deep=deep):
            *above, last = name.split("/")
            if any(part.startswith(".") or part in _HIDDEN for part in (*above, last)):
                continue
            full = f"{prefix}/{name}" if prefix else name
            if not all((*above, last)):
                nameless.add("/".join(takewhile(bool, full.split("/"))))
            elif entry.is_file and _may_be_photo(last):
                size = -1 if entry.size is None else int(entry.size)
                files.setdefault(full.rpartition("/")[0], []).append((full, size))
            elif not entry.is_file and not deep:
                folders.append(full)
        for each in sorted(nameless):
            yield Skipped(printable(place.name(each) if each else place.shown), NAMELESS)
        waiting += sorted(folders, reverse=True)
        for parent in sorted(files):
            yield parent, sorted(files[parent])


def _entries(place: Place, prefix: str, *, deep: bool) -> Iterator[tuple[str, Any]]:
    """Yield what a prefix holds, by its name from there; with `deep`, all that is below it too.

    A key with an empty part gives an empty part of a name.
    """
    from pyarrow import fs

    path = place.child(prefix) if prefix else place.path
    # a prefix that was there when the one above it was listed may have gone since
    selector = fs.FileSelector(path, recursive=deep, allow_not_found=bool(prefix))
    try:
        found = place.filesystem.get_file_info(selector)
    except OSError as error:
        reason = " ".join(str(error).split())[:200]
        where = place.name(prefix) if prefix else place.shown
        raise ConfigError(
            f"{where!a} cannot be listed ({reason}). Check the address and your rights."
        ) from error
    start = len(path.rstrip("/")) + 1 if path else 0
    for entry in found:
        yield entry.path[start:], entry


def _may_be_photo(name: str) -> bool:
    """Say whether a name is that of a photo, or of something whose content must tell."""
    return os.path.splitext(name)[1].lower() not in _OTHER_SUFFIXES  # noqa: PTH122  # no path


def named_like_photo(name: str) -> bool:
    """Say whether a name promises a photo, so that another content is an error."""
    return os.path.splitext(name)[1].lower() in PHOTO_SUFFIXES  # noqa: PTH122  # no path
