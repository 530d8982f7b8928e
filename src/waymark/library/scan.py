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
from waymark.library.takeout import metadata_name

PHOTO_SUFFIXES = frozenset(
    b".jpg .jpeg .jpe .jfif .png .webp .tif .tiff .bmp .gif .heic .heif .hif .avif".split()
)
RAW_SUFFIXES = frozenset(b".cr2 .cr3 .nef .arw .dng".split())
VIDEO_SUFFIXES = frozenset(
    b".mp4 .mov .m4v .avi .mkv .webm .3gp .3g2 .mts .m2ts .mpg .mpeg .wmv .flv .ogv .insv".split()
)
_OTHER_SUFFIXES = frozenset(
    b".xmp .json .txt .aae .thm .ini .db .html .htm .pdf .zip .mp3 .m4a .wav .csv .xml .md".split()
)
_JPEG = (b".jpg", b".jpeg", b".jpe", b".heic", b".heif", b".hif")  # in this order: of a pair
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)  # Path makes one slash of two
_CLOSED = frozenset((b".nomedia", b".noimage"))
_HIDDEN = frozenset((b"__MACOSX", b"@eaDir", b"#recycle", b"lost+found"))


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
        takeout: Google Takeout's JSON of it.
        beside: changes whenever one of these two does; "" where there are none.
    """

    path: bytes
    raw: bytes | None = None
    size: int
    mtime_ns: int
    inode: int
    sidecars: tuple[bytes, ...] = ()
    takeout: bytes | None = None
    beside: str = ""


@dataclass(kw_only=True)
class Census:
    """What a walk came by.

    Attributes:
        photos: photos found, a RAW+JPEG pair being one.
        pairs: RAW+JPEG pairs among them.
        videos: videos, which are left alone.
        moving: moving halves of Live Photos, which are left alone too.
        closed: folders left alone for a `.nomedia` or `.noimage` in them.
        skipped: what could not be looked into, and why.
    """

    photos: int = 0
    pairs: int = 0
    videos: int = 0
    moving: int = 0
    closed: int = 0
    skipped: list[Skipped] = field(default_factory=list)


def walk(sources: Sequence[str | os.PathLike[str]], census: Census) -> Iterator[Found]:
    """Yield the photos in folders of any depth, and those named one by one; each once a folder.

    Args:
        sources: folders and files; a folder named here is read even if its name is hidden.
        census: what is found is counted here as the walk goes on.

    Raises:
        ConfigError: a source does not exist, or is no file of this machine.
    """
    folders, files = _sort(sources)
    for parent, names in files.items():
        yield from _photos_of(parent, _list(parent, census), census, only=names)
    seen: set[tuple[int, int]] = set()
    waiting = folders[::-1]
    while waiting:
        here = waiting.pop()
        try:
            facts = os.stat(here)  # noqa: PTH116  # bytes
        except OSError as error:
            census.skipped.append(_skip(here, error))
            continue
        if (facts.st_dev, facts.st_ino) in seen:
            continue
        seen.add((facts.st_dev, facts.st_ino))
        entries = _list(here, census)
        if not _CLOSED.isdisjoint(entries):
            census.closed += 1
            continue
        inside = []
        for name, entry in entries.items():
            if _is_folder(entry) and not name.startswith(b".") and name not in _HIDDEN:
                inside.append(_real(entry) if entry.is_symlink() else entry.path)
        waiting.extend(inside[::-1])
        yield from _photos_of(here, entries, census)


def roots(sources: Iterable[str | os.PathLike[str]]) -> list[bytes]:
    """Return the real paths of folders and files, as photos' paths begin with them."""
    return [os.path.realpath(os.fsencode(source)) for source in sources]


def _sort(
    sources: Iterable[str | os.PathLike[str]],
) -> tuple[list[bytes], dict[bytes, set[bytes]]]:
    """Part sources into folders, and the names of files by their folder."""
    folders: list[bytes] = []
    files: dict[bytes, set[bytes]] = {}
    for source in sources:
        text = printable(os.fspath(source))
        path = os.path.realpath(os.fsencode(source))
        if _ADDRESS.match(text) and not os.path.lexists(path):
            raise ConfigError(
                f"{text} is an address; give folders or files of this machine, "
                "or mount what lies elsewhere."
            )
        if os.path.isdir(path):  # noqa: PTH112  # bytes
            folders.append(path)
        elif os.path.lexists(path):
            # the folder's real path, and the name as given: a link to a photo is that photo
            parent, name = os.path.split(os.path.abspath(os.fsencode(source)))  # noqa: PTH100
            files.setdefault(os.path.realpath(parent), set()).add(name)
        else:
            raise ConfigError(f"{text} does not exist; give folders with photos, or photos.")
    return folders, files


def _list(folder: bytes, census: Census) -> dict[bytes, os.DirEntry[bytes]]:
    """Return what a folder holds, by name, sorted."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry for entry in sorted(entries, key=lambda entry: entry.name)}
    except OSError as error:
        census.skipped.append(_skip(folder, error))
        return {}


def _photos_of(
    folder: bytes,
    entries: dict[bytes, os.DirEntry[bytes]],
    census: Census,
    *,
    only: set[bytes] | None = None,
) -> Iterator[Found]:
    """Yield the photos of one folder; with `only`, those named, or paired with one named."""
    names = [
        name for name, entry in entries.items() if not _hidden(name, only) and not _is_folder(entry)
    ]
    stems: dict[bytes, list[bytes]] = {}
    for name in names:
        if _suffix(name) in PHOTO_SUFFIXES | RAW_SUFFIXES:
            stems.setdefault(_stem(name).lower(), []).append(name)
    raws = _pairs(stems)
    paired = set(raws.values())
    sidecars = {name.lower(): name for name in names if _suffix(name) == b".xmp"}
    jsons = {os.fsdecode(name) for name in names if _suffix(name) == b".json"}
    for name in names:
        suffix, raw = _suffix(name), raws.get(name)
        if only is not None and name not in only and raw not in only:
            continue
        if suffix in VIDEO_SUFFIXES:
            still = _stem(name).lower()
            if still in stems or _suffix(still) in PHOTO_SUFFIXES:
                census.moving += 1
            else:
                census.videos += 1
        elif name in paired or suffix in _OTHER_SUFFIXES:
            continue
        elif suffix in PHOTO_SUFFIXES | RAW_SUFFIXES or _looks_like_photo(entries[name].path):
            found = _found(folder, entries, name, raw, sidecars=sidecars, jsons=jsons)
            if isinstance(found, OSError):
                census.skipped.append(_skip(entries[name].path, found))
            elif found is not None:
                census.photos += 1
                census.pairs += raw is not None
                yield found


def _found(
    folder: bytes,
    entries: dict[bytes, os.DirEntry[bytes]],
    name: bytes,
    raw: bytes | None,
    *,
    sidecars: dict[bytes, bytes],
    jsons: set[str],
) -> Found | OSError | None:
    """Look at one file; None if it is a pipe, a socket or a device."""
    try:
        facts = entries[name].stat()
    except OSError as error:
        return error
    if not stat.S_ISREG(facts.st_mode):
        return None
    # of a pair, the RAW file's own sidecar counts too
    wanted = [name, _stem(name), *([raw] if raw else [])]
    xmp = dict.fromkeys(
        sidecars[key] for each in wanted if (key := each.lower() + b".xmp") in sidecars
    )
    json = metadata_name(os.fsdecode(name), jsons) if jsons else None
    takeout = None if json is None else os.fsencode(json)
    beside = ""
    if xmp or takeout:
        signs = []
        for other in (*xmp, *([takeout] if takeout else [])):
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
        takeout=None if takeout is None else os.path.join(folder, takeout),  # noqa: PTH118
        beside=beside,
    )


def _pairs(stems: dict[bytes, list[bytes]]) -> dict[bytes, bytes]:
    """Return, for each JPEG or HEIC with a RAW file of the same name, that RAW file."""
    pairs = {}
    for names in stems.values():
        if len(names) < 2:
            continue
        raws = [name for name in names if _suffix(name) in RAW_SUFFIXES]
        stills = sorted(
            (name for name in names if _suffix(name) in _JPEG),
            key=lambda name: _JPEG.index(_suffix(name)),
        )
        if raws and stills:
            pairs[stills[0]] = raws[0]
    return pairs


def _hidden(name: bytes, only: set[bytes] | None) -> bool:
    return name.startswith(b".") and (only is None or name not in only)


def _is_folder(entry: os.DirEntry[bytes]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _real(entry: os.DirEntry[bytes]) -> bytes:
    return os.path.realpath(entry.path)


def _suffix(name: bytes) -> bytes:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122  # bytes


def _stem(name: bytes) -> bytes:
    return os.path.splitext(name)[0]  # noqa: PTH122  # bytes


def _looks_like_photo(path: bytes) -> bool:
    from waymark.photo import is_photo

    return is_photo(os.fsdecode(path))


def _skip(path: bytes, error: OSError) -> Skipped:
    return Skipped(printable(Path(os.fsdecode(path))), f"cannot be read ({error.strerror})")
