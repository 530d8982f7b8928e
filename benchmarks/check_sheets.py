"""Contact sheets of photos that a check flagged, for a look by eye. Scratch: never committed.

In:  photos of a dataset, each perhaps with the one it is compared with.
Out: a PNG: numbered thumbnails, and under each what it was given as and what was suggested.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageOps

from waymark.errors import PhotoError
from waymark.photo import read_photo

SIDE, CAPTION, ACROSS = 150, 30, 1500  # px


@dataclass(frozen=True, kw_only=True)
class Flag:
    """A photo that was flagged.

    Attributes:
        path: of the photo, below the dataset's folder.
        beside: what it is a duplicate of.
        suggested: the label it should have.
    """

    path: str
    beside: str | None = None
    suggested: str | None = None


def write_sheet(file: Path, root: Path, flags: Sequence[Flag]) -> None:
    """Write the thumbnails of `flags`, numbered from 1."""
    wide = SIDE * (2 if any(flag.beside for flag in flags) else 1) + 6
    across = max(1, ACROSS // wide)
    high = SIDE + CAPTION
    rows = -(-len(flags) // across)
    sheet = Image.new("RGB", (across * wide, rows * high), "white")
    draw = ImageDraw.Draw(sheet)
    for number, flag in enumerate(flags):
        x, y = number % across * wide, number // across * high
        for place, path in enumerate(filter(None, (flag.path, flag.beside))):
            sheet.paste(_thumbnail(root / path), (x + place * SIDE, y))
        given = flag.path.rpartition("/")[0]
        other = flag.beside.rpartition("/")[0] if flag.beside else flag.suggested
        draw.text((x + 2, y + SIDE), _ascii(f"{number + 1}: {given}")[: wide // 6], "black")
        if other:
            draw.text((x + 2, y + SIDE + 13), _ascii(f"-> {other}")[: wide // 6], "firebrick")
    sheet.save(file)


def _thumbnail(path: Path) -> Image.Image:
    try:
        photo = read_photo(path, allow_truncated=True)
    except PhotoError:
        return Image.new("RGB", (SIDE - 2, SIDE - 2), "grey")
    return ImageOps.pad(photo, (SIDE - 2, SIDE - 2), color="white")


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode()
