"""Turn the bytes of a photo into an upright RGB image, safely.

In:  a path or the bytes of a JPEG, PNG, WebP, TIFF, BMP, GIF (first frame), HEIC or AVIF.
Out: an upright RGB image (EXIF orientation applied, transparency on white, 16-bit and
     floating-point greys scaled to 8 bits), or its facts: size, capture time, place.

The one place where photos are opened. The format is told by content, never by name; size
limits are checked on the header, before anything is decoded; every fault of a file is a
`PhotoError`.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, TypeVar

from waymark.errors import (
    ConfigError,
    PhotoError,
    PhotoTooLarge,
    TruncatedPhoto,
    UnopenedPhoto,
    UnreadablePhoto,
)
from waymark.photo_exif import read_exif
from waymark.photo_format import FORMATS, is_cut, sniff

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "FORMATS",
    "LIMITS",
    "Limits",
    "PhotoFacts",
    "cores",
    "decode_many",
    "is_photo",
    "read_facts",
    "read_photo",
    "sniff",
]

Source = str | os.PathLike[str] | bytes
T = TypeVar("T")

_KNOWN = ", ".join(list(FORMATS.values())[:-1]) + " or AVIF"
SALVAGE = ", or read what is there with --allow-truncated (allow_truncated=True)"
_HEAD = 32  # bytes that `sniff` wants
_MAX_CHUNKS, _MAX_EXIF = 100_000, 2**20  # of a PNG


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How large a photo may be; checked before it is decoded.

    Attributes:
        max_bytes: size of the file.
        max_pixels: width times height; the default takes a 200-megapixel phone's photo.
    """

    max_bytes: int = 256 * 2**20
    max_pixels: int = 200_000_000

    def __post_init__(self) -> None:
        """Refuse limits under which no photo could be read."""
        if self.max_bytes < 1 or self.max_pixels < 1:
            raise ConfigError(
                f"max_bytes is {self.max_bytes} and max_pixels {self.max_pixels}; "
                "both must be at least 1."
            )


LIMITS = Limits()


@dataclass(frozen=True, kw_only=True, slots=True)
class PhotoFacts:
    """What a photo's header says.

    Attributes:
        format: a key of `FORMATS`.
        width: in pixels, of the upright photo.
        height: in pixels, of the upright photo.
        taken: capture time; aware if the camera wrote its offset from UTC.
        gps: latitude and longitude in degrees, north and east positive.
    """

    format: str
    width: int
    height: int
    taken: datetime | None
    gps: tuple[float, float] | None


def read_photo(
    source: Source,
    *,
    min_side: int | None = None,
    allow_truncated: bool = False,
    limits: Limits = LIMITS,
) -> Image:
    """Read a photo as an upright RGB image without metadata.

    Args:
        source: a path, or the bytes of the file.
        min_side: if given, a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size (much
            faster) as long as its shorter side keeps this many pixels.
        allow_truncated: read what is there of a file whose end is missing; the rest is
            black or grey.
        limits: the largest file and photo to accept.

    Raises:
        UnreadablePhoto: if it is no photo, is damaged, or (`UnopenedPhoto`) the system does
            not hand it out.
        TruncatedPhoto: if its end is missing (and, with `allow_truncated`, nothing of
            its pixels is there).
        PhotoTooLarge: if it is over one of the limits.
        ConfigError: if `min_side` is below 1.
    """
    if min_side is not None and min_side < 1:
        raise ConfigError(f"min_side is {min_side}; it must be at least 1 pixel, or None.")
    from waymark.photo_decode import decode, quiet_pillow

    name = _shown(source)
    with _open(source, name, limits) as file:
        data = source if isinstance(source, bytes) else file.read()
    kind = _kind(data[:_HEAD], name)
    way_out = "" if allow_truncated else SALVAGE
    with _faults(name, kind, data, way_out), quiet_pillow():
        return decode(
            data,
            kind,
            name,
            min_side=min_side,
            allow_truncated=allow_truncated,
            max_pixels=limits.max_pixels,
        )


def read_facts(source: Source, *, limits: Limits = LIMITS) -> PhotoFacts:
    """Read size, capture time and place of a photo without decoding its pixels.

    Raises:
        UnreadablePhoto: if it is no photo, its header is damaged, or it may not be opened.
        TruncatedPhoto: if the file ends inside its header.
        PhotoTooLarge: if it is over one of the limits.
    """
    from waymark.photo_decode import exif_block, quiet_pillow, read_header

    name = _shown(source)
    with _open(source, name, limits) as file:
        kind = _kind(file.read(_HEAD), name)
        with _faults(name, kind, file), quiet_pillow():
            image = read_header(file, kind, name, limits.max_pixels)
            block = exif_block(image)
            if kind == "tiff":
                file.seek(0)
                block = file.read()
            elif kind == "png" and not block:
                block = _late_exif(file)
            exif = read_exif(block)
            width, height = image.size
            # Pillow (TIFF) and libheif already count the orientation in their size.
            if exif.orientation >= 5 and kind not in ("tiff", "heic"):
                width, height = height, width
    return PhotoFacts(format=kind, width=width, height=height, taken=exif.taken, gps=exif.gps)


def is_photo(path: str | os.PathLike[str]) -> bool:
    """Say whether a file begins like a photo, whatever its name; False if unreadable."""
    try:
        # of any size: reading a photo that is too large will say so, and a film is none
        with _open(path, "", None) as file:
            return sniff(file.read(_HEAD)) is not None
    except PhotoError:
        return False


def decode_many(
    sources: Iterable[Source],
    prepare: Callable[[Image], T],
    *,
    min_side: int | None = None,
    workers: int | None = None,
    allow_truncated: bool = False,
    limits: Limits = LIMITS,
) -> Iterator[T | PhotoError]:
    """Read and prepare photos in threads; yield the results in the order of `sources`.

    At most two results a thread wait for the caller, so memory stays bounded and endless
    `sources` will do. Closing the generator drops what waits and ends the threads.

    Args:
        sources: paths or bytes, taken as they are needed.
        prepare: what to make of each image; runs in the threads, and should return
            something much smaller than a photo.
        min_side: see `read_photo`.
        workers: threads; default: one for each CPU this process may use.
        allow_truncated: see `read_photo`.
        limits: see `read_photo`.

    Yields:
        What `prepare` made, or the `PhotoError` of a photo that cannot be used. Any
        other error of `prepare` is raised, in its turn.

    Raises:
        ConfigError: if `workers` or `min_side` is below 1.
    """
    threads = cores() if workers is None else workers
    if threads < 1 or (min_side is not None and min_side < 1):
        raise ConfigError(f"workers is {workers}, min_side {min_side}; both start at 1.")

    def work(source: Source) -> T | PhotoError:
        try:
            return prepare(
                read_photo(
                    source, min_side=min_side, allow_truncated=allow_truncated, limits=limits
                )
            )
        except PhotoError as error:
            # Its traceback and causes would keep the file's bytes alive.
            error.__cause__ = error.__context__ = None
            return error.with_traceback(None)

    return _in_order(iter(sources), work, threads)


def _in_order(sources: Iterator[Source], work: Callable[[Source], T], threads: int) -> Iterator[T]:
    """Map `work` over `sources` in threads, a bounded window ahead of the caller."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="waymark-decode")
    try:
        waiting: deque[Future[T]] = deque()
        for source in islice(sources, 3 * threads):  # one in each thread, two in waiting
            waiting.append(pool.submit(work, source))
        while waiting:
            yield waiting.popleft().result()
            for source in islice(sources, 1):
                waiting.append(pool.submit(work, source))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _shown(source: Source) -> str:
    """Name a source on one printable line."""
    if isinstance(source, bytes):
        return "this photo"
    path = os.fspath(source)
    return path if path.isprintable() and path else repr(path)


@contextmanager
def _open(source: Source, name: str, limits: Limits | None) -> Iterator[IO[bytes]]:
    """Open a regular, non-empty file of a size within the limits; never wait for a pipe."""
    if isinstance(source, bytes):
        size, file = len(source), BytesIO(source)  # shares the bytes, copies nothing
    else:
        size, file = _open_path(source, name)
    with file:
        if not size:
            raise UnreadablePhoto(
                f"{name}: the file is empty; expected a photo. Copy it again from where it came."
            )
        if limits is not None and size > limits.max_bytes:
            raise PhotoTooLarge(
                f"{name}: {size:,} bytes; at most {limits.max_bytes:,} are accepted. "
                "Save the photo smaller, or raise limits.max_bytes."
            )
        try:
            yield file
        except OSError as error:
            raise UnopenedPhoto(
                f"{name}: reading it failed ({error.strerror or error}). "
                "Check the disk or the connection, and copy the photo again."
            ) from error


def _open_path(path: str | os.PathLike[str], name: str) -> tuple[int, Any]:
    """Open a path if it is a regular file; return its size in bytes and the file."""
    flags = os.O_RDONLY
    for flag in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, flag, 0)
    try:
        # Looked at before it is opened, as opening alone can set off a device, and again
        # after, as it may have been replaced.
        found = os.stat(path)  # noqa: PTH116  # as fast as it gets, one call a photo
        if stat.S_ISREG(found.st_mode):
            descriptor = os.open(path, flags)
            found = os.fstat(descriptor)
            if stat.S_ISREG(found.st_mode):
                return found.st_size, os.fdopen(descriptor, "rb")
            os.close(descriptor)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise UnopenedPhoto(
            f"{name}: cannot be opened ({reason}). Check the path and that you may read it."
        ) from error
    what = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe, socket or device"
    raise UnreadablePhoto(f"{name}: is {what}; expected a photo. Give the path of a file.")


def _kind(head: bytes, name: str) -> str:
    """Tell the format by the first bytes, or raise."""
    kind = sniff(head)
    if kind is None:
        raise UnreadablePhoto(
            f"{name}: not a photo that waymark reads; expected {_KNOWN}, told by content. "
            "Convert it, or leave it out."
        )
    return kind


@contextmanager
def _faults(name: str, kind: str, data: bytes | IO[bytes], way_out: str = "") -> Iterator[None]:
    """Turn whatever a decoder raises into the `PhotoError` that says it.

    Args:
        name: what to call the photo.
        kind: its format.
        data: its bytes, or its open file.
        way_out: what else to do about a missing end.
    """
    from PIL.Image import DecompressionBombError

    try:
        yield
    except PhotoError:
        raise
    except (MemoryError, DecompressionBombError) as error:
        raise PhotoTooLarge(
            f"{name}: more pixels than memory, or this program's limit for Pillow, allows "
            f"({str(error) or 'out of memory'}). Save the photo smaller."
        ) from error
    except Exception as error:  # decoders raise anything at all on hostile files
        if not isinstance(data, bytes):
            data.seek(0)
            data = data.read()
        if is_cut(kind, data, str(error)):
            raise TruncatedPhoto(
                f"{name}: the end of this {FORMATS[kind]} is missing ({len(data):,} bytes are "
                f"there). Copy it again from where it came{way_out}."
            ) from error
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise UnreadablePhoto(
            f"{name}: damaged {FORMATS[kind]} ({reason}). Copy it again from where it came, "
            "or save it anew with a photo program."
        ) from error


def _late_exif(file: IO[bytes]) -> bytes:
    """Find the EXIF chunk of a PNG behind its pixels, without reading these."""
    at = 8
    for _ in range(_MAX_CHUNKS):
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            break
        size = int.from_bytes(head[:4], "big")
        if head[4:] == b"eXIf":
            return file.read(min(size, _MAX_EXIF))
        at += 12 + size
    return b""
