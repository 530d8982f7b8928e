"""Decode the bytes of a photo of a known format with Pillow, and make it upright RGB.

In:  bytes whose format `photo_format.sniff` has told.
Out: an upright RGB image without metadata. Errors are whatever the decoders raise;
     `photo` turns them into the errors that a user sees.

Pillow's global settings and its registry of formats are left alone, so a program that
embeds waymark keeps its own. Colour profiles are not applied.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import IO, Any

import numpy as np
import PIL.Image
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.Image import Image, Transpose
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from waymark.errors import PhotoTooLarge
from waymark.photo_exif import read_exif
from waymark.photo_format import is_cut, jpeg_scan_start, mend_jpeg
from waymark.photo_heif import read_heif

_MAX_JPEG_SCANS = 500  # a progressive photo has about 10; each costs a pass over all pixels

_UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}


class _OneJpeg(JpegImageFile):
    """The first picture of a JPEG, without Pillow's look into its EXIF for the dpi."""

    def _read_dpi_from_exif(self) -> None:
        """Skip it: slow, and it warns of faults that do no harm."""


class _Heif(ImageFile):
    """A HEIC photo, of which a helper process reads the header and then the pixels."""

    def _open(self) -> None:
        """Read the header."""
        self._data = self.fp.read() if self.fp is not None else b""
        found = read_heif(self._data, max_pixels=0, pixels=False)
        self._mode, self._size = found.mode, found.size
        self.info["exif"] = found.exif

    def load(self) -> Any:
        """Decode the pixels, once."""
        if self._data:
            found = read_heif(self._data, max_pixels=self.width * self.height, pixels=True)
            self._data = b""
            self.im = PIL.Image.frombytes(found.mode, found.size, found.pixels).im
        return PIL.Image.Image.load(self)


# One reader a format, called directly: no other decoder ever sees the file.
_READERS: dict[str, Callable[[IO[bytes]], ImageFile]] = {
    "jpeg": _OneJpeg,
    "png": PngImageFile,
    "webp": WebPImageFile,
    "tiff": TiffImageFile,
    "bmp": BmpImageFile,
    "gif": GifImageFile,
    "heic": _Heif,
    "avif": AvifImageFile,
}

_PILLOW_WARNINGS = ("ignore", None, Warning, re.compile(r"(PIL|pi_heif)\."), 0)


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Keep Pillow's warnings (odd tags, large photos) from becoming the user's problem.

    `warnings.catch_warnings` swaps one list for all threads and puts it back in whatever
    order they end. Here each thread adds an entry to the list and takes one away.
    """
    filters: list[Any] = warnings.filters  # type: ignore[assignment]  # typed as a sequence
    filters.insert(0, _PILLOW_WARNINGS)
    try:
        yield
    finally:
        with suppress(ValueError):  # the host has reset its filters meanwhile
            filters.remove(_PILLOW_WARNINGS)


def read_header(file: IO[bytes], kind: str, name: str, max_pixels: int) -> ImageFile:
    """Read the header of a photo; nothing is decoded yet.

    Raises:
        PhotoTooLarge: if the size it states is over the limit.
    """
    file.seek(0)
    image = _READERS[kind](file)
    width, height = image.size
    if width * height > max_pixels:
        raise PhotoTooLarge(
            f"{name}: {width:,} x {height:,} pixels; at most {max_pixels:,} are accepted. "
            "Save the photo smaller, or raise limits.max_pixels."
        )
    return image


def exif_block(image: ImageFile) -> bytes:
    """Return the EXIF block that the header held, empty if none."""
    block = image.info.get("exif")
    raw = image.info.get("Raw profile type exif")  # a PNG's text, as ImageMagick writes it
    if not block and isinstance(raw, str):
        try:
            block = bytes.fromhex("".join(raw.split("\n")[3:]))  # after "", "exif", length
        except ValueError:
            return b""
    return block if isinstance(block, bytes) else b""


def decode(
    data: bytes,
    kind: str,
    name: str,
    *,
    min_side: int | None,
    allow_truncated: bool,
    max_pixels: int,
) -> Image:
    """Decode a whole file to an upright RGB image.

    Args:
        data: the file.
        kind: its format, a key of `photo_format.FORMATS`.
        name: what to call it in a message.
        min_side: how short the shorter side of a JPEG may become by decoding it reduced.
        allow_truncated: make do with the pixels that are there.
        max_pixels: width times height to accept.
    """
    opened: list[ImageFile] = []

    def load(data: bytes) -> ImageFile:
        image = read_header(BytesIO(data), kind, name, max_pixels)
        if kind == "jpeg":
            _refuse_scan_bomb(image, data, name)
            if min_side is not None:
                image.draft(None, (min_side, min_side))
            # All in one call of the decoder: no copies, and the GIL is let go just once.
            image.decodermaxblock = len(data)
        opened.append(image)
        image.load()
        return image

    if kind == "png" and not allow_truncated and is_cut(kind, data):
        raise EOFError("no IEND")  # Pillow would let it pass
    whole = True
    try:
        image = load(data)
    except Exception as error:
        if not allow_truncated or not is_cut(kind, data, str(error)):
            raise
        whole = False
        if kind == "jpeg":
            image = load(mend_jpeg(data))
        elif opened and opened[0]._im is not None:
            image = opened[0]
            image.tile = []  # what was decoded before the end is in place
        else:
            raise
    method = _UPRIGHT.get(_orientation(image, kind, whole))
    rgb = _to_rgb(image)
    return rgb if method is None else rgb.transpose(method)


def _refuse_scan_bomb(image: ImageFile, data: bytes, name: str) -> None:
    """Refuse a progressive JPEG that makes libjpeg go over all pixels again and again."""
    if image.info.get("progressive"):
        scans = data.count(b"\xff\xda", jpeg_scan_start(data))
        if scans > _MAX_JPEG_SCANS:
            raise PhotoTooLarge(
                f"{name}: {scans:,} progressive scans; at most {_MAX_JPEG_SCANS} are accepted. "
                "Save the photo anew with a photo program."
            )


def _orientation(image: ImageFile, kind: str, whole: bool) -> int:
    """Return the EXIF orientation that is still to be applied."""
    if kind == "heic":
        return 1  # libheif has turned it; its EXIF may still say 6
    if not isinstance(image, TiffImageFile):
        return read_exif(exif_block(image)).orientation
    value = 1 if whole else image.tag_v2.get(0x0112)  # Pillow turns a whole one itself
    return value if isinstance(value, int) else 1


def _to_rgb(image: ImageFile) -> Image:
    """Convert any of Pillow's modes to RGB; what is transparent becomes white."""
    # A plain image on the same pixels: no metadata, so nobody can turn it twice.
    plain = Image()._new(image.im)
    if image.mode in ("P", "PA") and image.palette is not None:
        plain.palette = image.palette
    if "transparency" in image.info:
        plain.info["transparency"] = image.info["transparency"]
    if plain.mode[0] in "IF":
        return _grey(plain)
    if plain.mode == "La":
        plain = plain.convert("LA")
    if plain.has_transparency_data:
        try:
            clear = plain.convert("RGBA")
        except (ValueError, TypeError, SystemError, OverflowError):
            plain.info.clear()  # a colour that cannot be; the photo itself is fine
        else:
            white = PIL.Image.new("RGB", clear.size, "white")
            white.paste(clear, mask=clear)
            return white
    return plain if plain.mode == "RGB" else plain.convert("RGB")


def _grey(image: Image) -> Image:
    """Scale a 16-bit, 32-bit or floating-point grey image to 8 bits, as RGB.

    16-bit values keep their full range. Others are taken as 0-1 (floating point only),
    0-255 or 0-65535 if they fit in it, else stretched from their lowest to their highest.
    """
    pixels = np.asarray(image)
    clear = image.info.get("transparency")
    hidden = pixels == clear if isinstance(clear, int) else None
    low, high = 0.0, 65535.0
    if not image.mode.startswith("I;16"):
        pixels = np.where(np.isfinite(pixels), pixels, 0).astype(np.float64)
        least, most = float(pixels.min()), float(pixels.max())
        tops = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
        fitting = [top for top in tops if least >= 0 and most <= top]
        low, high = (0.0, fitting[0]) if fitting else (least, max(most, least + 1))
    scaled = (pixels - low) * np.float32(255 / (high - low))
    grey = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    if hidden is not None:
        grey[hidden] = 255
    return PIL.Image.fromarray(grey).convert("RGB")
