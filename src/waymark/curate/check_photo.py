"""Look at the file of one photo: what it is, what is wrong with it, and what is kept of it.

In:  a path.
Out: `Examined`: its faults, what tells it from others, a small grey look for the search of
     near-duplicates, and (for a moment) the view that the network sees.

A file is read once and decoded once. Runs in many threads at a time.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from waymark.curate.check_photo_pixels import Fault, faults_of, measure
from waymark.dataset.alike import look
from waymark.errors import PhotoError, TruncatedPhoto
from waymark.photo import LIMITS, read_facts, read_photo
from waymark.photo_format import FORMATS, sniff

if TYPE_CHECKING:
    from PIL.Image import Image

MIN_SIDE = 256
"""Shorter side, in pixels, below which a JPEG is not reduced while it is decoded."""

_EXTENSIONS = {
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "png": (".png", ".apng"),
    "webp": (".webp",),
    "tiff": (".tif", ".tiff"),
    "bmp": (".bmp", ".dib"),
    "gif": (".gif",),
    "heic": (".heic", ".heif", ".hif"),
    "avif": (".avif",),
}
_RAW = frozenset(
    {".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos"}
    | {".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf"}
    | {".srw", ".x3f"}
)
"""Cameras' raw files, many of which begin as a TIFF does."""
_EXIF_MARKS = (b"Exif", b"eXIf", b"EXIF", b"exif")

_STRIP = 1024  # px

View = Callable[["Image"], NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class Examined:
    """What is kept of one photo.

    Attributes:
        faults: what is wrong with it alone.
        digest: SHA-256 of the file; empty where it could not be read.
        pixels: digest of its upright pixels; empty where they could not be decoded.
        size: width and height of the upright photo, in pixels.
        sharpness: see `check_photo_pixels.sharpness`.
        gps: latitude and longitude in degrees, where asked for and there.
        look: small grey picture; None where there are no pixels.
        view: what the network sees; None where no network was asked for.
    """

    faults: tuple[Fault, ...]
    digest: bytes = b""
    pixels: bytes = b""
    size: tuple[int, int] = (0, 0)
    sharpness: float = 0.0
    gps: tuple[float, float] | None = None
    look: NDArray[np.uint8] | None = None
    view: NDArray[np.float32] | None = None


def examine(path: Path, *, view: View | None, min_side: int, gps: bool) -> Examined:
    """Look at one photo; whatever is wrong with it is a fault, never an error.

    Args:
        path: the file.
        view: makes what the network sees; None for none.
        min_side: shorter side, in pixels, that `view` wants of a photo decoded reduced.
        gps: whether to read where it was taken.
    """
    data = _bytes_of(path)
    named = wrong_extension(path, data)
    faults = [] if named is None else [named]
    digest = hashlib.sha256(data).digest() if data else b""
    try:
        image = read_photo(data or path, min_side=max(MIN_SIDE, min_side))
        size, where = _facts(data, image.size, gps=gps)
    except PhotoError as error:
        raw = path.suffix.lower() in _RAW
        return Examined(faults=(_raw() if raw else _unreadable(error), *faults), digest=digest)
    measures = measure(image)
    faults += faults_of(measures, size)
    pixels = hashlib.sha256(repr(image.size).encode())
    for top in range(0, image.height, _STRIP):  # a copy of all would double the memory
        bottom = min(top + _STRIP, image.height)
        pixels.update(image.crop((0, top, image.width, bottom)).tobytes())
    return Examined(
        faults=tuple(faults),
        digest=digest,
        pixels=pixels.digest(),
        size=size,
        sharpness=measures.sharpness,
        gps=where,
        look=look(image),
        view=None if view is None else view(image),
    )


def wrong_extension(path: Path, head: bytes) -> Fault | None:
    """Say whether a file's name promises another format than its first bytes are.

    The photo is as good as any, so it is to be kept; some programs go by the name.
    """
    kind = sniff(head[:32])
    suffix = path.suffix.lower()
    if kind is None or suffix in _RAW or suffix in _EXTENSIONS[kind]:
        return None
    other = any(suffix in known for known in _EXTENSIONS.values())
    says = f"named {suffix}" if other else "without a photo's extension"
    return Fault(
        kind="wrong-extension",
        severity=0.5 if other else 0.3,
        suggest="keep",
        reason=f"a {FORMATS[kind]} {says}; call it {_EXTENSIONS[kind][0]}",
    )


def _bytes_of(path: Path) -> bytes:
    """Read a regular file of a size that is accepted; empty where it is none."""
    try:
        facts = path.stat()
        fine = stat.S_ISREG(facts.st_mode) and facts.st_size <= LIMITS.max_bytes
        return path.read_bytes() if fine else b""
    except (OSError, ValueError):
        return b""


def _facts(
    data: bytes, size: tuple[int, int], *, gps: bool
) -> tuple[tuple[int, int], tuple[float, float] | None]:
    """Return the size before any reduction, and the place; the header is read only if needed."""
    reduced = min(size) >= MIN_SIDE
    placed = gps and any(mark in data for mark in _EXIF_MARKS)
    if not (reduced or placed):
        return size, None
    facts = read_facts(data)
    return (facts.width, facts.height), facts.gps if gps else None


def _raw() -> Fault:
    """Say that a photo is not read, although nothing may be wrong with it: it is left alone."""
    return Fault(
        kind="unreadable",
        severity=0.5,
        suggest="review",
        reason="a camera's raw file, of which no photo could be read; export it as JPEG",
    )


def _unreadable(error: PhotoError) -> Fault:
    said = str(error).partition(": ")[2] or str(error)
    cut = isinstance(error, TruncatedPhoto)
    return Fault(
        kind="truncated" if cut else "unreadable",
        severity=0.9 if cut else 1.0,
        suggest="drop",
        reason=said.partition(". ")[0].rstrip("."),
    )
