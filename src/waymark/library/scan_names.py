"""What a file or folder of a person's pictures is, by its name.

In:  names, as bytes.
Out: a `Kind`; whether a name is left alone; which RAW file belongs to which JPEG.
"""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterable
from enum import Enum, auto


class Kind(Enum):
    """What a file is named like.

    Attributes:
        PHOTO: a photo of a format that waymark reads.
        RAW: a camera's RAW file, read by its preview.
        OTHER_RAW: one of a maker whose RAW files waymark does not read.
        VIDEO: a video, or the moving half of a photo.
        OTHER: something else.
        UNSURE: nothing that is known; its content will tell.
    """

    PHOTO = auto()
    RAW = auto()
    OTHER_RAW = auto()
    VIDEO = auto()
    OTHER = auto()
    UNSURE = auto()


_ENDINGS = {
    Kind.PHOTO: b".jpg .jpeg .jpe .jfif .png .webp .tif .tiff .bmp .gif .heic .heif .hif .avif",
    Kind.RAW: b".cr2 .cr3 .nef .arw .dng",
    Kind.OTHER_RAW: b".raf .orf .rw2 .rwl .crw .pef .nrw .srw .sr2 .srf .x3f .3fr .fff .iiq .mrw "
    b".mef .mos .kdc .dcr .erf .gpr",
    Kind.VIDEO: b".mp4 .mov .m4v .avi .mkv .webm .3gp .3g2 .mts .m2ts .mpg .mpeg .wmv .flv .ogv "
    b".insv",
    Kind.OTHER: b".xmp .json .txt .aae .thm .ini .db .html .htm .pdf .zip .mp3 .m4a .wav .csv "
    b".xml .md",
}
_KINDS = {ending: kind for kind, endings in _ENDINGS.items() for ending in endings.split()}
_MOTION = re.compile(rb"\.mp(~\d+)?")  # the moving half of a Pixel's `PXL_1.MP.jpg`
_JPEG = (b".jpg", b".jpeg", b".jpe", b".heic", b".heif", b".hif")  # in this order: of a pair
# what browsers, sync programs and editors have not finished, or keep for themselves
_UNFINISHED = frozenset(b".part .partial .crdownload .download .opdownload .tmp".split())
BACKUP = b"_original"
"""How exiftool ends the name of what a photo was before it changed it."""
_HIDDEN = frozenset(
    b"__macosx @eadir @recycle #recycle #snapshot $recycle.bin lost+found".split()
) | {b"system volume information"}
CLOSED = frozenset((b".nomedia", b".noimage"))
"""A file of such a name in a folder asks to leave the folder alone."""


def kind_of(name: bytes) -> Kind:
    """Say what a file is named like."""
    ending = ending_of(name)
    if _MOTION.fullmatch(ending):
        return Kind.VIDEO
    return _KINDS.get(ending, Kind.UNSURE)


def is_hidden_folder(name: bytes) -> bool:
    """Say whether a folder is hidden, or a system's own: recycle bins, a NAS's thumbnails."""
    return name.startswith(b".") or name.lower() in _HIDDEN


def is_passed_over(name: bytes, others: Container[bytes]) -> bool:
    """Say whether a file is hidden, unfinished, or a backup that a program made of another.

    Args:
        name: of the file.
        others: names in its folder.
    """
    return (
        name.startswith(b".")
        or name.endswith(b"~")
        or ending_of(name) in _UNFINISHED
        or (name.endswith(BACKUP) and name.removesuffix(BACKUP) in others)
    )


def stems_of(names: Iterable[bytes]) -> dict[bytes, list[bytes]]:
    """Return the photos among names by what they are called without an ending."""
    stems: dict[bytes, list[bytes]] = {}
    for name in names:
        if kind_of(name) in (Kind.PHOTO, Kind.RAW):
            stems.setdefault(stem_of(name).lower(), []).append(name)
    return stems


def is_moving_half(video: bytes, stems: Container[bytes]) -> bool:
    """Say whether a video belongs to a photo: `a.mov` to `a.heic`, `a.jpg.mp4` to `a.jpg`."""
    stem = stem_of(video).lower()
    return stem in stems or video.lower() in stems or kind_of(stem) is Kind.PHOTO


def pairs_of(stems: dict[bytes, list[bytes]]) -> dict[bytes, bytes]:
    """Return, for each JPEG or HEIC with a RAW file of the same name, that RAW file."""
    pairs = {}
    for names in stems.values():
        if len(names) < 2:
            continue
        raws = [name for name in names if kind_of(name) is Kind.RAW]
        stills = sorted(
            (name for name in names if ending_of(name) in _JPEG),
            key=lambda name: _JPEG.index(ending_of(name)),
        )
        if raws and stills:
            pairs[stills[0]] = raws[0]
    return pairs


def ending_of(name: bytes) -> bytes:
    """Return a name's ending with its dot, in small letters."""
    return os.path.splitext(name)[1].lower()  # noqa: PTH122  # bytes


def stem_of(name: bytes) -> bytes:
    """Return a name without its ending."""
    return os.path.splitext(name)[0]  # noqa: PTH122  # bytes
