"""Draw a contact sheet of a dataset: a row a landmark, some of its photos in each.

In:  a `Dataset`.
Out: pages, as Pillow images; photos that cannot be read are crossed boxes.

Which photos are drawn depends only on the seed, the label and how many photos it has: another
label more or less changes no other row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from waymark.dataset.index import UNKNOWN, Dataset, printable
from waymark.errors import ConfigError, UnknownName
from waymark.progress import Progress, silent

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

SIDE = 128
"""Side of the square that a photo is fitted into, in pixels."""
ROWS = 40
"""Most landmarks on one page."""
MOST = 40
"""Most photos of a landmark."""
_NAMES = 230  # px: the column of names
_GAP, _MARGIN, _HEADING = 6, 14, 46  # px
_PAPER, _INK, _SOFT, _BOX = "#ffffff", "#1d2733", "#56626f", "#eef1f4"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One landmark on the sheet.

    Attributes:
        label: its id, or `unknown`.
        name: for display.
        count: photos that it has in all.
        paths: the photos that are drawn.
    """

    label: str
    name: str
    count: int
    paths: tuple[Path, ...]


def choose_rows(
    dataset: Dataset,
    *,
    photos: int = 8,
    labels: Sequence[str] | None = None,
    split: str | None = None,
    seed: int = 0,
) -> list[Row]:
    """Draw lots: which photos of which landmarks go on the sheet.

    Args:
        dataset: whose photos.
        photos: of each landmark, 1 to `MOST`.
        labels: only these, in this order; `unknown` are the negatives. Default: all, the
            negatives last.
        split: only photos of this split.
        seed: of the lots.

    Raises:
        ConfigError: `photos` is out of range.
        DatasetError: no photo belongs to the split.
        UnknownName: the dataset has no such label.
    """
    if not 1 <= photos <= MOST:
        raise ConfigError(f"--photos is {photos}; a row has room for 1 to {MOST}.")
    if split is not None:
        dataset = dataset.of_split(split)
    found: dict[str, list[Path]] = {label: [] for label in dataset.labels}
    for photo in dataset.photos:
        found[photo.label].append(photo.path)
    if dataset.negatives:
        found[UNKNOWN] = list(dataset.negatives)
    for label in labels or ():
        if label not in found:
            raise UnknownName(_no_such(label, found))
    rows = []
    for label in labels or found:
        paths = found[label]
        lots = np.random.default_rng([seed, crc32(label.encode("utf-8", "surrogatepass"))])
        drawn = sorted(lots.permutation(len(paths))[:photos].tolist())
        known = dataset.landmarks.get(label)
        name = known.name if known else "no landmark"
        rows.append(
            Row(label=label, name=name, count=len(paths), paths=tuple(paths[i] for i in drawn))
        )
    return rows


def draw_sheets(rows: Sequence[Row], *, title: str, progress: Progress = silent) -> Iterator[Image]:
    """Draw the pages, one after the other, each of at most `ROWS` rows.

    Args:
        rows: from `choose_rows`.
        title: heading of each page.
        progress: told of each photo.
    """
    pages = -(-len(rows) // ROWS)
    total = sum(len(row.paths) for row in rows)
    columns = max((len(row.paths) for row in rows), default=0)
    done = 0
    for page in range(pages):
        own = rows[page * ROWS : (page + 1) * ROWS]
        numbered = f"{title} · {page + 1} of {pages}" if pages > 1 else title
        sheet, pen = _blank(len(own), columns, numbered)
        for at, image in _cells(own):
            _place(sheet, pen, at, image)
            done += 1
            progress(done, total, "drawing photos")
        for line, row in enumerate(own):
            _name(pen, line, row)
        yield sheet


def _no_such(label: str, found: dict[str, list[Path]]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(label, found, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"no photos of {label!r}; {hint}`waymark data stats` lists all labels."


def _blank(rows: int, columns: int, title: str) -> tuple[Image, ImageDraw]:
    from PIL import Image, ImageDraw

    width = 2 * _MARGIN + _NAMES + columns * (SIDE + _GAP)
    height = _HEADING + _MARGIN + rows * (SIDE + _GAP)
    sheet = Image.new("RGB", (width, height), _PAPER)
    pen = ImageDraw.Draw(sheet)
    heading = _cut(printable(title), width - 2 * _MARGIN, _font(18))
    pen.text((_MARGIN, 13), heading, fill=_INK, font=_font(18))
    return sheet, pen


def _cells(rows: Sequence[Row]) -> Iterator[tuple[tuple[int, int], Image | None]]:
    """Yield where each photo goes, and the photo made small, or None."""
    from PIL import Image

    from waymark.photo import decode_many

    def small(photo: Image.Image) -> Image.Image:
        photo.thumbnail((SIDE, SIDE))
        return photo

    places = [
        (
            (_MARGIN + _NAMES + column * (SIDE + _GAP), _HEADING + line * (SIDE + _GAP)),
            path,
        )
        for line, row in enumerate(rows)
        for column, path in enumerate(row.paths)
    ]
    made: Any = decode_many((path for _, path in places), small, min_side=SIDE)
    for (at, _), image in zip(places, made, strict=True):
        yield at, image if isinstance(image, Image.Image) else None


def _place(sheet: Image, pen: ImageDraw, at: tuple[int, int], image: Image | None) -> None:
    left, top = at
    box = (left, top, left + SIDE - 1, top + SIDE - 1)
    pen.rectangle(box, fill=_BOX)
    if image is None:
        pen.rectangle(box, outline=_SOFT)
        pen.line(box, fill=_SOFT)
        pen.line((box[0], box[3], box[2], box[1]), fill=_SOFT)
        return
    sheet.paste(image, (left + (SIDE - image.width) // 2, top + (SIDE - image.height) // 2))


def _name(pen: ImageDraw, line: int, row: Row) -> None:
    """Write the name over up to three lines, then the id and the number of photos."""
    top = _HEADING + line * (SIDE + _GAP) + 8
    bold, plain = _font(16, bold=True), _font(13)
    room = _NAMES - 2 * _GAP
    for text in _wrapped(printable(row.name), room, bold, most=3):
        pen.text((_MARGIN, top), text, fill=_INK, font=bold)
        top += 21
    if row.label != row.name:
        pen.text((_MARGIN, top), _cut(printable(row.label), room, plain), fill=_SOFT, font=plain)
        top += 18
    said = f"{row.count:,} photo{'s' if row.count != 1 else ''}"
    pen.text((_MARGIN, top), said, fill=_SOFT, font=plain)


def _wrapped(text: str, room: float, font: FreeTypeFont, *, most: int) -> list[str]:
    """Break a name between words into lines no wider than `room`; too many are cut."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    if len(lines) > most:
        lines[most - 1 :] = [" ".join(lines[most - 1 :])]
    return [_cut(one, room, font) for one in lines]


def _cut(text: str, room: float, font: FreeTypeFont) -> str:
    """Shorten a text until it is no wider than `room` pixels."""
    text = text[:300]
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(f"{text}…") > room:
        text = text[:-1]
    return f"{text}…"


def _font(size: int, *, bold: bool = False) -> FreeTypeFont:
    """Return DejaVu Sans, which comes with matplotlib: Latin, Greek, Cyrillic and more."""
    import matplotlib
    from PIL import ImageFont

    name = f"DejaVuSans{'-Bold' if bold else ''}.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, size)
