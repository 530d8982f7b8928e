"""Formats are told by their bytes, and a missing end is noticed."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from waymark.photo_format import FORMATS, is_cut, jpeg_scan_start, mend_jpeg, sniff

PICTURE = Image.radial_gradient("L").resize((40, 24)).convert("RGB")


def saved(kind: str, **options: object) -> bytes:
    """Save a rendered picture in a format Pillow can write."""
    file = io.BytesIO()
    PICTURE.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "heic"])
def test_a_saved_picture_is_told_by_its_first_bytes(kind):
    """What Pillow writes is recognised from 32 bytes."""
    assert sniff(saved(FORMATS[kind].upper())[:32]) == kind


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "heic"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "heic"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "avif"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", None),
        (b"II+\0\x08\0\0\0", "tiff"),
        (b"BM, said the bomb.                ", None),
        (b"RIFF\0\0\0\0WAVEfmt ", None),
        (b"%PDF-1.7", None),
        (b"<svg xmlns=", None),
        (b"\xff\xd8", None),
        (b"", None),
    ],
)
def test_brands_and_impostors(head, kind):
    """Brands decide between HEIC and AVIF; text, sound and film are no photos."""
    assert sniff(head) == kind


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "heic"])
def test_a_whole_file_is_not_cut_and_a_half_one_is(kind):
    """The sizes a file states tell whether its end is there."""
    data = saved(FORMATS[kind].upper())

    assert not is_cut(kind, data)
    assert is_cut(kind, data[: len(data) // 2]) or kind == "jpeg"  # told by its decoder
    assert is_cut(kind, data[:14])


def test_a_cut_between_progressive_scans_is_mended():
    """A header that runs over the end goes, so libjpeg sees the end that is put there."""
    data = saved("JPEG", progressive=True)
    scans = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    mended = mend_jpeg(data[: scans[3] + 5])

    assert mended == data[: scans[3]] + b"\xff\xd9"
    assert jpeg_scan_start(mended) == jpeg_scan_start(data)
    with Image.open(io.BytesIO(mended)) as image:
        image.load()


def test_a_jpeg_cut_inside_its_header_has_no_scan():
    """Before the first scan there is nothing to mend, and no place is found."""
    data = saved("JPEG")
    start = jpeg_scan_start(data)

    assert start is not None
    assert all(jpeg_scan_start(data[:end]) is None for end in range(start))
