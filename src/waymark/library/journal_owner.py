"""Which sidecar on disk is one that waymark wrote: names are used again, and photos move.

In:  a row of the journal, and what lies where it says.
Out: the row of a sidecar, and the sidecar of a row, also where both have moved with their photo.

A sidecar is taken for the one that was written if it is so to the byte, or if it still says
what waymark said in its own namespace. Whatever else lies under its name is a stranger's.
"""

from __future__ import annotations

from pathlib import Path

from waymark.errors import SidecarError
from waymark.library.embed_file import photo_digest
from waymark.library.journal import NO_FILE, Journal, Row
from waymark.library.sidecar import take_back
from waymark.library.sidecar_file import Folder, digest, read_file
from waymark.library.sidecar_parse import Packet
from waymark.library.sidecar_read import facts_of
from waymark.library.sidecar_text import decode_sidecar

_TELLING = ("TaggedAt", "Landmark", "Score")


def is_of(row: Row, data: bytes | None, *, same_photo: bool) -> bool:
    """Say whether content is that which a write left, edited since or not.

    Args:
        row: of the journal.
        data: content of a sidecar; None: there is none.
        same_photo: it lies beside the photo that was written about. Then one of what it says
            in waymark's namespace may have been changed; beside another photo, none.

    Raises:
        SidecarError: it cannot be read.
    """
    if (digest(data) or NO_FILE) == row.after_sha256:
        return True
    return data is not None and says_of(row, data, least=2 if same_photo else 3)


def says_of(row: Row, data: bytes, *, least: int = 2) -> bool:
    """Say whether a sidecar, or a photo's packet, says of itself that a write left it.

    Raises:
        SidecarError: it cannot be read.
    """
    said = dict(row.mark.facts)
    there = facts_of(Packet(decode_sidecar(data).text))
    return sum(name in said and there.get(name) == said[name] for name in _TELLING) >= least


def last_write(file: Path, data: bytes, photo_sha256: bytes | None, journal: Journal) -> Row | None:
    """Return the last write that stands in a sidecar, whatever its name was then.

    Raises:
        SidecarError: the sidecar cannot be read.
    """
    for row in journal.candidates(file, photo_sha256):
        if is_of(row, data, same_photo=row.photo_sha256 in (None, photo_sha256)):
            return row
    return None


def find_sidecar(row: Row, journal: Journal) -> tuple[Path, Path, bytes | None]:
    """Return where a photo and its sidecar are now, and what the sidecar holds.

    Raises:
        SidecarError: there is none that the row's write left, or it cannot be read.
        OSError: likewise.
    """
    data = read_file(row.file)
    here = row.photo, row.file, data
    if (digest(data) or NO_FILE) == row.after_sha256:
        return here
    same_photo = row.photo_sha256 in (None, photo_digest(row.photo))
    if same_photo and is_of(row, data, same_photo=True):
        return here
    for photo in journal.paths_of(row.photo_sha256):
        for file in Folder(each.name for each in photo.parent.iterdir()).sidecars(photo):
            if file != row.file and is_of(row, moved := read_file(file), same_photo=True):
                return photo, file, moved
    if data is None:
        raise SidecarError("is not there any more; it was moved or removed")
    if is_of(row, data, same_photo=False):  # beside a photo that was edited since
        return here
    if same_photo and take_back(data, row.added).data == data:
        return here  # its owner has taken all of it out
    raise SidecarError("is another sidecar now, without what waymark wrote; it stays as it is")
