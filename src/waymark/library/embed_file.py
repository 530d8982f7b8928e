"""Photos on disk that get another XMP packet: by exiftool, in one step, the original kept.

In:  a photo, a packet, and the row of the journal.
Out: the photo with the packet, and beside it `photo.jpg_original`, the very file of before.

exiftool writes a copy; the copy takes the photo's place only when it is whole and the journal
knows its hash. The name of the original is the one that exiftool itself would give it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from waymark.errors import MissingExtra, SidecarError
from waymark.library.journal import FileState, Row
from waymark.library.sidecar_file import dress, sync_folder
from waymark.library.sidecar_parse import Packet
from waymark.library.sidecar_text import decode_sidecar

FORMATS = frozenset(("jpg", "jpeg", "png", "tif", "tiff", "webp", "heic", "heif", "avif"))
_SECONDS = 300  # a photo on a slow network share


def find_exiftool() -> str:
    """Return the program.

    Raises:
        MissingExtra: it is not installed.
    """
    found = shutil.which("exiftool")
    if found is None:
        raise MissingExtra(
            "--embed needs exiftool, which is not installed; get it from exiftool.org or with "
            "`apt install libimage-exiftool-perl`, or write sidecars without --embed."
        )
    return found


def read_packet(photo: Path, exiftool: str) -> bytes | None:
    """Return the XMP packet in a photo, None where there is none.

    Raises:
        SidecarError: exiftool cannot read the photo, or its XMP is in several parts, of which
            exiftool would keep one.
    """
    if photo.is_symlink() or not photo.is_file():
        raise SidecarError("is a symbolic link, which waymark does not follow")
    packet = _run(exiftool, "-a", "-b", "-XMP", str(photo)) or None
    if packet and (b"HasExtendedXMP" in packet or packet.count(b"</rdf:RDF>") > 1):
        raise SidecarError("has XMP in several parts, which exiftool would not keep; it stays")
    return packet


def original_of(photo: Path) -> Path:
    """Return where the photo of before is kept."""
    return photo.with_name(photo.name + "_original")


def photo_digest(photo: Path) -> bytes | None:
    """Return the SHA-256 of a photo, None where there is none."""
    try:
        with photo.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except FileNotFoundError:
        return None


def make_part(row: Row, packet: bytes, exiftool: str) -> bytes:
    """Write the photo with its new packet beside it; return the SHA-256 of that.

    Raises:
        SidecarError: exiftool cannot write the photo, or would change more than the packet; or
            an original is kept already.
        OSError: the disk is full, or permission is missing.
    """
    if os.path.lexists(original_of(row.file)):
        raise SidecarError(f"{original_of(row.file).name} is there already, and is kept")
    with suppress(FileNotFoundError):
        row.part.unlink()
    with tempfile.NamedTemporaryFile(suffix=".xmp") as file:
        file.write(packet)
        file.flush()
        # -o takes a % in a folder's name for a code of its own; in ours there is none
        orders = (f"-XMP<={file.name}", "-o", row.part.name, str(row.file))
        _run(exiftool, *orders, folder=row.file.parent)
    told, now = (_told(exiftool, each) for each in (row.file, row.part))
    if told != now or _meaning(read_packet(row.part, exiftool)) != _meaning(packet):
        lost = ", ".join(sorted(key for key in told if told[key] != now.get(key))[:3])
        raise SidecarError(f"would lose something by exiftool ({lost or 'of its XMP'}); it stays")
    _finish(row.part, row.file)
    found = photo_digest(row.part)
    assert found is not None  # it was just written
    return found


def _finish(copy: Path, photo: Path) -> None:
    """Give a copy the photo's owner, permissions, attributes and time; see that it is on disk."""
    was = photo.stat()
    with copy.open("rb+") as file:
        dress(file.fileno(), photo)
        os.utime(file.fileno(), ns=(was.st_atime_ns, was.st_mtime_ns))
        os.fsync(file.fileno())


def _told(exiftool: str, photo: Path) -> dict[str, Any]:
    """Return what exiftool says of a photo, without XMP, the file itself, and where things lie."""
    said = json.loads(_run(exiftool, "-a", "-G1", "-j", "-struct", str(photo)))[0]
    return {
        key: value
        for key, value in said.items()
        if not key.startswith(("SourceFile", "ExifTool:", "System:", "Composite:", "XMP"))
        and not key.endswith(("Offset", "Offsets", "Start", "MediaDataSize"))
    }


def _meaning(packet: bytes | None) -> bytes:
    """Return a packet's RDF in canonical form; programs differ in what they put around it."""
    from lxml import etree

    if packet is None:
        return b""
    return bytes(etree.tostring(Packet(decode_sidecar(packet).text).rdf, method="c14n2"))


def put_part(row: Row) -> None:
    """Keep the original, and put the finished part in its place.

    Raises:
        SidecarError: the photo was changed meanwhile.
        OSError: permission is missing.
    """
    original = original_of(row.file)
    if photo_digest(row.file) != row.before_sha256:
        raise SidecarError("another program changed it in the meantime; run the same again")
    try:
        os.link(row.file, original)
    except FileExistsError as error:
        raise SidecarError(f"{original.name} is there already, and is kept") from error
    except OSError:  # a file system without links
        half_kept(row).touch(mode=0o600)
        shutil.copyfile(row.file, half_kept(row))
        _finish(half_kept(row), row.file)
        half_kept(row).rename(original)
    row.part.replace(row.file)
    sync_folder(row.file.parent)


def half_kept(row: Row) -> Path:
    """Return under which name an original is copied until it is whole."""
    return row.part.with_suffix(".original")


def restore(row: Row) -> None:
    """Put the original back in its place.

    Raises:
        SidecarError: the photo was changed since, or the original is not there any more.
        OSError: permission is missing.
    """
    original = original_of(row.file)
    if photo_digest(row.file) == row.before_sha256:
        return
    if photo_digest(row.file) != row.after_sha256:
        raise SidecarError(f"was changed since; the photo of before is kept as {original.name}")
    if original.is_symlink() or photo_digest(original) != row.before_sha256:
        raise SidecarError(f"{original.name}, the photo of before, is not there any more")
    original.replace(row.file)
    sync_folder(row.file.parent)


def settle_photo(row: Row) -> FileState:
    """Return how far a photo came that was being written when a process was killed."""
    now = photo_digest(row.file)
    if now == row.before_sha256:
        original = original_of(row.file)
        with suppress(OSError):
            if photo_digest(original) == now:  # made just before the kill, or not taken back yet
                original.unlink()
        return "undone" if row.state == "undoing" else "dropped"
    return "written"


def _run(exiftool: str, *arguments: str, folder: Path | None = None) -> bytes:
    """Run exiftool without anybody's configuration, in a folder; return what it prints."""
    try:
        done = subprocess.run(
            [exiftool, "-config", "", "-q", *arguments],
            capture_output=True,
            timeout=_SECONDS,
            check=False,
            cwd=folder,
            umask=0o077,  # its copy is nobody else's to read before it is as open as the photo
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SidecarError(f"exiftool does not answer ({error!s:.80})") from error
    if done.returncode:
        said = " ".join(done.stderr.decode("utf-8", "replace").split())
        raise SidecarError(f"exiftool cannot write it ({said:.160})")
    return done.stdout
