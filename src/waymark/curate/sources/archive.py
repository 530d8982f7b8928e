"""Photos in a zip or a tar, on disk or at an address; known ones by name.

In:  a file, a URL, or a name of `KNOWN`.
Out: `Find` records, read straight from the archive: nothing is unpacked by its own name, so
     no path can lead anywhere. Links, devices and bombs are refused.

An archive that is fetched is kept in the collection's `.collect` until its last photo is
taken, and continued where it broke off.
"""

from __future__ import annotations

import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from hashlib import sha256
from io import BytesIO
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from waymark.curate.address import same_url
from waymark.curate.answer import HEAD, FetchFailed
from waymark.curate.sources import Desk, Find
from waymark.curate.sources.layout import hidden, labelled, named_like_photo
from waymark.errors import CollectError, UnknownName
from waymark.photo_format import sniff

Read = Callable[[int], bytes]
_MAX_MEMBERS = 2_000_000
_MAX_RATIO = 200  # unpacked to packed; photos hardly shrink, text by 3 to 20
_SMALL = 1 << 20  # bytes under which the ratio says nothing
_DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError),
    *(NotImplementedError, RuntimeError, UnicodeError, ValueError),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """An archive that many use.

    Attributes:
        url: where it is.
        source: what the manifest's column `source` says.
        about: one line for people.
    """

    url: str
    source: str
    about: str


KNOWN = {
    "udacity50": Known(
        url="https://udacity-dlnfd.s3-us-west-1.amazonaws.com/datasets/landmark_images.zip",
        source="udacity50",
        about="50 landmarks, about 5,000 photos for training and 1,250 for testing, taken from "
        "Google Landmarks v2",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Archive:
    """An archive of photos.

    Attributes:
        where: path, URL, or a name of `KNOWN`.
        label: the label of all photos; None: the folder above a photo names it.
        licence: of all photos, where it is known.
    """

    where: str
    label: str | None = None
    licence: str | None = None

    @property
    def source(self) -> str:
        """What the manifest's column `source` says."""
        return KNOWN[self.where].source if self.where in KNOWN else "archive"

    def find(self, desk: Desk) -> Iterator[Find]:
        """Yield the photos of the archive, in its order.

        Raises:
            CollectError: it cannot be had, or is no archive.
            UnknownName: neither a file, nor a URL, nor a known name.
        """
        url = KNOWN[self.where].url if self.where in KNOWN else self.where
        if self.where not in KNOWN and Path(self.where).is_file():
            yield from self._members(
                Path(self.where), f"archive:{Path(self.where).resolve()}", desk
            )
            return
        if not url.lower().startswith(("http://", "https://")):
            near = get_close_matches(self.where, KNOWN, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise UnknownName(
                f"{self.where} is neither a file nor a URL; {hint}known by name: "
                f"{', '.join(KNOWN)}."
            )
        file = desk.work / f"archive-{sha256(same_url(url).encode()).hexdigest()[:16]}"
        if not file.exists():
            try:
                desk.web.download(
                    url, file, max_bytes=desk.max_total, progress=desk.progress, what="fetching MB"
                )
            except FetchFailed as error:
                going_on = (
                    f"; what has come waits in {desk.work}. Run the same command again to go on"
                    if error.again
                    else ""
                )
                raise CollectError(f"{url}: {error}{going_on}.") from error
        yield from self._members(file, same_url(url), desk)
        file.unlink()

    def _members(self, file: Path, name: str, desk: Desk) -> Iterator[Find]:
        try:
            if zipfile.is_zipfile(file):
                members = _of_zip(file, desk)
            elif tarfile.is_tarfile(file):
                members = _of_tar(file, desk)
            else:
                raise CollectError(
                    f"{self.where} is neither a zip nor a tar; expected an archive of photos."
                )
            for path, read in members:
                split, label = labelled(path, self.label)
                yield Find(
                    name=f"{name}!{path}",
                    label=label,
                    title=PurePosixPath(path).stem,
                    page=KNOWN[self.where].url if self.where in KNOWN else None,
                    licence=self.licence,
                    split=split,
                    read=read,
                    refused=None if label else "no folder names it; give --label",
                )
        except _DAMAGED as error:
            raise CollectError(
                f"{self.where}: the archive is damaged ({error}); what was read before is kept. "
                "Fetch it again."
            ) from error


def _of_zip(file: Path, desk: Desk) -> Iterator[tuple[str, Read]]:
    """Yield path and reader of each photo of a zip."""
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len(members) > _MAX_MEMBERS:
            raise CollectError(f"{file.name} has over {_MAX_MEMBERS:,} members; expected photos.")
        desk.expected = sum(named_like_photo(info.filename) for info in members)
        for info in members:
            mode = info.external_attr >> 16
            if info.is_dir() or hidden(info.filename):
                continue
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                reason: str | None = "a link or a device"
            elif info.flag_bits & 1:
                reason = "encrypted"
            elif info.file_size > max(_SMALL, _MAX_RATIO * info.compress_size):
                reason = f"unpacks to more than {_MAX_RATIO} times its size"
            else:
                reason = _leads_out(info.filename)
            read = partial(_read, partial(archive.open, info))
            yield from _judged(info.filename, read, reason, desk)


def _of_tar(file: Path, desk: Desk) -> Iterator[tuple[str, Read]]:
    """Yield path and reader of each photo of a tar, compressed or not."""
    size = file.stat().st_size
    with tarfile.open(file) as archive:
        for number, info in enumerate(archive):
            if number > _MAX_MEMBERS or info.offset > max(_SMALL, _MAX_RATIO * size):
                raise CollectError(
                    f"{file.name} unpacks to more than {_MAX_RATIO} times its size, or has over "
                    f"{_MAX_MEMBERS:,} members; expected photos."
                )
            if info.isdir() or hidden(info.name):
                continue
            reason = _leads_out(info.name) if info.isreg() else "a link or a device"
            read = partial(_read, partial(archive.extractfile, info))
            yield from _judged(info.name, read, reason, desk)


def _judged(path: str, read: Read, reason: str | None, desk: Desk) -> Iterator[tuple[str, Read]]:
    """Yield a member that is, or is named like, a photo and may be read."""
    if reason is not None:
        desk.trouble(path, reason, False)
        return
    if named_like_photo(path):
        yield path, read
        return
    with suppress(FetchFailed):  # a text, a table: nobody expects a photo
        read(HEAD)
        yield path, read


def _read(opened: Callable[[], IO[bytes] | None], most: int) -> bytes:
    """Read a member, at most one byte more than `most`.

    Raises:
        FetchFailed: its bytes are damaged, or packed in a way Python does not unpack.
    """
    try:
        with opened() or BytesIO() as file:
            data = file.read(most + 1)
    except (*_DAMAGED, OSError) as error:
        raise FetchFailed(f"damaged in the archive ({error})", again=False) from error
    if sniff(data[:HEAD]) is None:
        raise FetchFailed("not a photo that waymark reads" if data else "empty", again=False)
    return data


def _leads_out(path: str) -> str | None:
    """Say why a member's path is not one inside the archive."""
    names = PurePosixPath(path.replace("\\", "/"))
    absolute = names.is_absolute() or bool(PureWindowsPath(path).anchor)
    return "its path leads out of the archive" if absolute or ".." in names.parts else None
