"""Which sidecar on disk is one that waymark wrote: names are used again, and photos move.

In:  a row of the journal, and what lies where it says; or a sidecar and its photo.
Out: the row of a sidecar, and the sidecar of a row, also where both have moved with their photo.

A sidecar is taken for the one that was written if it is so to the byte, or if it still says
what waymark said in its own namespace. Whatever else lies under its name is a stranger's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from waymark.errors import SidecarError
from waymark.library.embed_file import photo_digest
from waymark.library.journal import NO_FILE, Journal, Row
from waymark.library.journal_chain import (
    Place,
    candidates,
    heads_at,
    paths_of,
    place_of,
    was_replaced,
)
from waymark.library.sidecar import take_back
from waymark.library.sidecar_file import Folder, digest, read_file
from waymark.library.sidecar_parse import Packet
from waymark.library.sidecar_read import facts_of
from waymark.library.sidecar_text import decode_sidecar

_TELLING = ("TaggedAt", "Landmark", "Score")


def is_of(row: Row, data: bytes | None, *, same_photo: bool, same_name: bool = False) -> bool:
    """Say whether content is that which a write left, edited since or not.

    Args:
        row: of the journal.
        data: content of a sidecar; None: there is none.
        same_photo: it lies beside a photo of the content that was written about. Then one of
            what it says in waymark's namespace may have been changed; beside another photo,
            none. What a write took out of a sidecar is out as long as that says nothing there.
        same_name: besides, it lies where it was written. Then its time or its landmark is
            enough: another library may have written into it since.

    Raises:
        SidecarError: it cannot be read.
    """
    if (digest(data) or NO_FILE) == row.after_sha256:
        return True
    if data is None:
        return False
    said, there = dict(row.mark.facts), facts_of(Packet(decode_sidecar(data).text))
    if not same_photo:
        return bool(said) and said.items() <= there.items()
    if not said:
        return not there
    told = [name for name in _TELLING if name in said and there.get(name) == said[name]]
    return len(told) >= 2 or (same_name and told not in ([], ["Score"]))


def says_of(row: Row, data: bytes, *, least: int = 2) -> bool:
    """Say whether a sidecar, or a photo's packet, says of itself that a write left it.

    Raises:
        SidecarError: it cannot be read.
    """
    said = dict(row.mark.facts)
    there = facts_of(Packet(decode_sidecar(data).text))
    return sum(name in said and there.get(name) == said[name] for name in _TELLING) >= least


def last_write(
    file: Path, data: bytes | None, photo_sha256: bytes | None, journal: Journal
) -> Row | None:
    """Return the last write that stands in a sidecar, whatever its name was then.

    Args:
        file: the sidecar.
        data: its content; None: there is none. Then it is the write that removed it.
        photo_sha256: of the photo that it is beside.
        journal: of all writes.

    Raises:
        SidecarError: the sidecar cannot be read.
    """
    for row in candidates(journal, file, photo_sha256):
        same_photo = row.photo_sha256 in (None, photo_sha256)
        if not is_of(row, data, same_photo=same_photo, same_name=row.file == file):
            continue
        # what says nothing of itself is known by its photo alone: not if that has its own
        says_nothing = data is None or not row.mark.facts
        if says_nothing and not (same_photo and (row.file == file or not _has_photo(row))):
            continue
        return row
    return None


def _has_photo(row: Row) -> bool:
    """Say whether the photo that was written about is where it was."""
    return row.photo_sha256 in (None, photo_digest(row.photo))


def is_at_home(row: Row, journal: Journal) -> bool:
    """Say whether a row's sidecar is where the row says; one that cannot be read may be."""
    try:
        same_photo = _has_photo(row)
        if row.after_sha256 == NO_FILE:
            return same_photo
        data = read_file(row.file)
        if not is_of(row, data, same_photo=same_photo, same_name=True):
            return False
        return same_photo or not _is_of_another(row, data, photo_digest(row.photo), journal)
    except (SidecarError, OSError):
        return True


def _is_of_another(
    row: Row, data: bytes | None, photo_sha256: bytes | None, journal: Journal
) -> bool:
    """Say whether a sidecar under a row's name is rather that of the photo that it is beside.

    Sidecars of two photos may say the very same.
    """
    return any(
        other.id != row.id
        and other.photo_sha256 == photo_sha256
        and is_of(other, data, same_photo=True)
        for other in candidates(journal, row.file, photo_sha256)
    )


def find_sidecar(row: Row, journal: Journal) -> tuple[Place, bytes | None]:
    """Return where a sidecar is now, and what it holds.

    Args:
        row: the last one that stands in it.
        journal: of all writes.

    Raises:
        SidecarError: there is none that the row's write left, or it cannot be read.
        OSError: likewise.
    """
    data, here = read_file(row.file), place_of(row)
    removed = row.after_sha256 == NO_FILE
    if not removed and digest(data) == row.after_sha256 and not was_replaced(journal, row):
        return here, data
    now = photo_digest(row.photo)
    same_photo = row.photo_sha256 in (None, now)
    if same_photo and is_of(row, data, same_photo=True, same_name=True):
        return here, data
    for place, moved in _elsewhere(row, journal):
        known = row.mark.facts or not same_photo  # else any sidecar of a copy would do
        if is_of(row, moved, same_photo=True) and (known or digest(moved) == row.after_sha256):
            return place, moved
    if removed and not same_photo:
        raise SidecarError("was removed by waymark; its photo was moved or changed since")
    if data is None:
        raise SidecarError("is not there any more; it was moved or removed")
    if is_of(row, data, same_photo=False) and not _is_of_another(row, data, now, journal):
        # beside a photo that was edited since
        return Place(photo=row.photo, file=row.file, sha256=now or row.photo_sha256), data
    if same_photo and take_back(data, row.added).data == data:
        return here, data  # its owner has taken all of it out
    raise SidecarError("is another sidecar now, without what waymark wrote; it stays as it is")


def _elsewhere(row: Row, journal: Journal) -> Iterator[tuple[Place, bytes | None]]:
    """Yield the sidecars, of nobody's, that lie beside photos of the content written about.

    For one that a write removed, also where it would be.
    """
    style = "default" if row.file.stem == row.photo.name else "adobe"
    for photo in paths_of(journal, row.photo_sha256):
        try:
            names = Folder(each.name for each in photo.parent.iterdir())
        except OSError:
            continue  # its folder is gone, or on a disk that is not there
        files = names.sidecars(photo)
        if not files and row.after_sha256 == NO_FILE and photo != row.photo:
            files = [names.new_sidecar(photo, "adobe" if style == "adobe" else "default")]
        for file in files:
            with suppress(SidecarError, OSError):
                data = read_file(file)
                if file != row.file and rival_of(row, file, data, journal) is None:
                    yield Place(photo=photo, file=file, sha256=row.photo_sha256), data


def rival_of(row: Row, file: Path, data: bytes | None, journal: Journal) -> Row | None:
    """Return the last row of a copy's sidecar, if that is the one under a name.

    Raises:
        SidecarError: it cannot be read.
    """
    for other in heads_at(journal, file):
        same_photo = other.photo_sha256 == row.photo_sha256
        if other.id != row.id and same_photo and is_of(other, data, same_photo=True):
            return other
    return None
