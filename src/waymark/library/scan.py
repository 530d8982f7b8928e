"""Walk a person's folders: which files are photos, and what lies beside them.

In:  folders and files.
Out: a `Found` for each photo, folder after folder, and a `Census` of everything else.

Nothing is opened that is named like a photo or a video: a second walk over unchanged photos
costs a look at each. Names are bytes throughout, as a file system takes any. Links to folders
are followed, each folder once, under its real path, so that a photo has one path only.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from waymark.dataset.index import Skipped, printable
from waymark.errors import ConfigError
from waymark.library.scan_names import (
    BACKUP,
    CLOSED,
    Kind,
    is_hidden_folder,
    is_moving_half,
    is_passed_over,
    kind_of,
    pairs_of,
    stem_of,
    stems_of,
)
from waymark.library.store_paths import places_of
from waymark.library.takeout import MetadataNames

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)  # Path makes one slash of two
Entries = dict[bytes, "os.DirEntry[bytes]"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """One photo on disk.

    Attributes:
        path: absolute; of a RAW+JPEG pair, the JPEG's.
        raw: the RAW file of a pair.
        size: bytes.
        mtime_ns: when it was changed last.
        inode: its number in the file system.
        sidecars: XMP files of that photo that exist, the likelier first.
        takeout: Google Takeout's JSON files that may be its own, the likelier first.
        beside: changes whenever one of these does; "" where there are none.
    """

    path: bytes
    raw: bytes | None = None
    size: int
    mtime_ns: int
    inode: int
    sidecars: tuple[bytes, ...] = ()
    takeout: tuple[bytes, ...] = ()
    beside: str = ""


@dataclass(kw_only=True)
class Census:
    """What a walk came by.

    Attributes:
        photos: photos found, a RAW+JPEG pair being one.
        pairs: RAW+JPEG pairs among them.
        videos: videos, which are left alone.
        moving: moving halves of Live Photos, which are left alone too.
        other_raws: RAW files of makers whose RAW files waymark does not read.
        closed: folders left alone for a `.nomedia` or `.noimage` in them.
        skipped: what could not be looked into, and why.
        roots: real paths of what was walked: folders, those that links lead to among them, and
            photos named one by one.
        shut: what below them could not be looked into: nothing is known of what is there.
    """

    photos: int = 0
    pairs: int = 0
    videos: int = 0
    moving: int = 0
    other_raws: int = 0
    closed: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    roots: list[bytes] = field(default_factory=list)
    shut: list[bytes] = field(default_factory=list)

    def skip(self, path: bytes, error: OSError) -> None:
        """Note what cannot be looked into; what is not there is known not to be."""
        reason = f"cannot be read ({error.strerror})"
        self.skipped.append(Skipped(printable(Path(os.fsdecode(path))), reason))
        if not isinstance(error, FileNotFoundError):
            self.shut.append(path)


def walk(sources: Sequence[str | os.PathLike[str]], census: Census) -> Iterator[Found]:
    """Yield the photos in folders of any depth, and those named one by one; each once.

    Args:
        sources: folders and files; a folder named here is read even if its name is hidden, a
            file looked into whatever it is called.
        census: what is found is noted here as the walk goes on.

    Raises:
        ConfigError: a source does not exist, or is no file of this machine.
    """
    folders, files = part_sources(sources)
    census.roots += folders
    entered = set[bytes]()
    yield from _walk_folders(folders, census, entered)
    for parent, names in files.items():
        entries = _list(parent, census)
        # of a folder that was walked, the others have been found
        left = names if parent not in entered else {n for n in names if is_passed_over(n, entries)}
        for found in _photos_of(parent, entries, census, only=left):
            census.roots.append(found.path)
            yield found


def _walk_folders(folders: Sequence[bytes], census: Census, entered: set[bytes]) -> Iterator[Found]:
    """Yield the photos of folders and all below them, and take down which were `entered`."""
    roots, seen = set(folders), set[tuple[int, int]]()
    waiting = list(folders[::-1])
    while waiting:
        here = waiting.pop()
        try:
            facts = os.stat(here)  # noqa: PTH116  # bytes
        except OSError as error:
            census.skip(here, error)
            continue
        if (facts.st_dev, facts.st_ino) in seen:
            continue
        seen.add((facts.st_dev, facts.st_ino))
        entries = _list(here, census)
        if not CLOSED.isdisjoint(entries):
            census.closed += 1
            continue
        entered.add(here)
        inside = []
        for name, entry in entries.items():
            if _is_folder(entry) and not is_hidden_folder(name):
                inside.append(entry.path)
                if entry.is_symlink():
                    inside[-1] = os.path.realpath(entry.path)
                    if not _lies_below(inside[-1], roots):
                        roots.add(inside[-1])
                        census.roots.append(inside[-1])
        waiting.extend(inside[::-1])
        yield from _photos_of(here, entries, census)


class PassedOver:
    """Says of files whether a walk passes over them, though they are there."""

    def __init__(self, roots: Iterable[bytes]) -> None:
        self._roots = frozenset(roots)
        self._closed: dict[bytes, bool] = {}  # of folders

    def __call__(self, path: bytes) -> bool:
        """Say whether a file, or a folder on the way to it from a root, is to be left alone."""
        folder, name = os.path.split(path)
        original = name.removesuffix(BACKUP)
        others = {original} if os.path.lexists(os.path.join(folder, original)) else set[bytes]()  # noqa: PTH118  # bytes
        if is_passed_over(name, others) or kind_of(name) is Kind.OTHER:
            return True
        if folder not in self._closed:
            self._closed[folder] = self._is_left_alone(folder)
        return self._closed[folder]

    def _is_left_alone(self, folder: bytes) -> bool:
        if any(os.path.lexists(os.path.join(folder, name)) for name in CLOSED):  # noqa: PTH118
            return True
        parent, name = os.path.split(folder)
        if folder in self._roots or parent == folder:
            return False
        return is_hidden_folder(name) or self._is_left_alone(parent)


def _lies_below(path: bytes, roots: set[bytes]) -> bool:
    while path not in roots:
        parent = os.path.dirname(path)  # noqa: PTH120  # bytes
        if parent == path:
            return False
        path = parent
    return True


def part_sources(
    sources: Iterable[str | os.PathLike[str]],
) -> tuple[list[bytes], dict[bytes, set[bytes]]]:
    """Part sources into folders, and the names of files by their folder.

    Raises:
        ConfigError: a source does not exist, or is no file of this machine.
    """
    folders: list[bytes] = []
    files: dict[bytes, set[bytes]] = {}
    for source in sources:
        text = printable(os.fspath(source))
        path, named = places_of(source)
        if _ADDRESS.match(text) and not os.path.lexists(path):
            raise ConfigError(
                f"{text} is an address; give folders or files of this machine, "
                "or mount what lies elsewhere."
            )
        if os.path.isdir(path):  # noqa: PTH112  # bytes
            folders.append(path)
        elif os.path.lexists(path):
            parent, name = os.path.split(named)
            files.setdefault(parent, set()).add(name)
        else:
            raise ConfigError(f"{text} does not exist; give folders with photos, or photos.")
    return folders, files


def _list(folder: bytes, census: Census) -> Entries:
    """Return what a folder holds, by name, sorted."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry for entry in sorted(entries, key=lambda entry: entry.name)}
    except OSError as error:
        census.skip(folder, error)
        return {}


def _photos_of(
    folder: bytes, entries: Entries, census: Census, *, only: set[bytes] | None = None
) -> Iterator[Found]:
    """Yield the photos of one folder; with `only`, those named, or paired with one named."""
    named = only or set()
    names = [
        name
        for name, entry in entries.items()
        if (name in named or not is_passed_over(name, entries)) and not _is_folder(entry)
    ]
    stems = stems_of(names)
    raws = pairs_of(stems)
    paired = set(raws.values())
    sidecars = {name.lower(): name for name in names if name.lower().endswith(b".xmp")}
    jsons = MetadataNames(
        (os.fsdecode(name) for name in names if name.lower().endswith(b".json")),
        map(os.fsdecode, names),
    )
    for name in names:
        kind, raw = kind_of(name), raws.get(name)
        if only is not None and name not in only and raw not in only:
            continue
        if kind is Kind.VIDEO and is_moving_half(name, stems):
            census.moving += 1
        elif kind is Kind.VIDEO:
            census.videos += 1
        elif kind is Kind.OTHER_RAW:
            census.other_raws += 1
        elif name in paired or (kind is Kind.OTHER and only is None):
            continue
        elif kind in (Kind.PHOTO, Kind.RAW) or _looks_like_photo(entries[name].path):
            found = _found(folder, entries, name, raw, sidecars=sidecars, jsons=jsons)
            if isinstance(found, OSError):
                census.skip(entries[name].path, found)
            elif found is not None:
                census.photos += 1
                census.pairs += raw is not None
                yield found
        elif only is not None:
            path = printable(Path(os.fsdecode(entries[name].path)))
            census.skipped.append(Skipped(path, "is no photo that waymark reads"))


def _found(
    folder: bytes,
    entries: Entries,
    name: bytes,
    raw: bytes | None,
    *,
    sidecars: dict[bytes, bytes],
    jsons: MetadataNames,
) -> Found | OSError | None:
    """Look at one file; None if it is a pipe, a socket or a device."""
    try:
        facts = entries[name].stat()
    except OSError as error:
        return error
    if not stat.S_ISREG(facts.st_mode):
        return None
    # of a pair, the RAW file's own sidecar counts too
    wanted = [name, stem_of(name), *([raw] if raw else [])]
    xmp = dict.fromkeys(
        sidecars[key] for each in wanted if (key := each.lower() + b".xmp") in sidecars
    )
    takeout = [os.fsencode(json) for json in jsons.of(os.fsdecode(name))]
    beside = ""
    if xmp or takeout:
        signs = []
        for other in (*xmp, *takeout):
            try:
                seen = entries[other].stat()
                signs.append((other, seen.st_size, seen.st_mtime_ns, seen.st_ino))
            except OSError:
                signs.append((other, -1, -1, -1))
        beside = blake2b(repr(signs).encode(), digest_size=8).hexdigest()
    return Found(
        path=os.path.join(folder, name),  # noqa: PTH118  # bytes
        raw=None if raw is None else os.path.join(folder, raw),  # noqa: PTH118
        size=facts.st_size,
        mtime_ns=facts.st_mtime_ns,
        inode=facts.st_ino,
        sidecars=tuple(os.path.join(folder, each) for each in xmp),  # noqa: PTH118
        takeout=tuple(os.path.join(folder, each) for each in takeout),  # noqa: PTH118
        beside=beside,
    )


def _is_folder(entry: os.DirEntry[bytes]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _looks_like_photo(path: bytes) -> bool:
    from waymark.photo import is_photo

    return is_photo(os.fsdecode(path))
