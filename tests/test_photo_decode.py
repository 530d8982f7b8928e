"""Every format, mode and orientation becomes the same upright RGB picture."""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile

from waymark.photo import Limits, read_facts, read_photo

HEIC = Path(__file__).parent / "photos"
SIZE = (48, 32)
RED, GREEN, BLUE, YELLOW = (220, 40, 40), (40, 200, 60), (50, 70, 220), (240, 220, 60)
MIDDLES = ((12, 8), (36, 8), (12, 24), (36, 24))
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,  # what undoes the turn that orientation 6 asks for
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
ALL_PILLOW = ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF"]
WITH_EXIF = ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"]


def flag() -> Image.Image:
    """Render four quarters: red, green, blue, yellow, as one reads."""
    image = Image.new("RGB", SIZE, RED)
    image.paste(GREEN, (24, 0, 48, 16))
    image.paste(BLUE, (0, 16, 24, 32))
    image.paste(YELLOW, (24, 16, 48, 32))
    return image


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Save with little loss."""
    lossy: dict[str, dict[str, Any]] = {
        "JPEG": {"quality": 95, "subsampling": 0},
        "MPO": {"quality": 95, "subsampling": 0},
        "AVIF": {"quality": 95, "subsampling": "4:4:4"},
        "WEBP": {"quality": 95},
    }
    file = io.BytesIO()
    image.save(file, kind, **(lossy.get(kind, {}) | options))
    return file.getvalue()


def middles(image: Image.Image) -> list[Any]:
    """Return the colours in the middle of the four quarters."""
    return [image.getpixel(at) for at in MIDDLES]


def is_flag(image: Image.Image) -> bool:
    """Say whether the four quarters are in place, to 12 of 255."""
    want = np.array([RED, GREEN, BLUE, YELLOW])
    same_shape = image.mode == "RGB" and image.size == SIZE
    return same_shape and bool(np.abs(np.array(middles(image)) - want).max() <= 12)


@pytest.mark.parametrize("kind", ALL_PILLOW)
def test_every_format_gives_the_picture(kind):
    """What goes in comes out, as a plain RGB image without metadata."""
    image = read_photo(saved(flag(), kind))

    assert is_flag(image)
    assert image.info == {}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", WITH_EXIF)
def test_every_orientation_comes_out_upright(kind, orientation):
    """Stored turned, with the EXIF that says so: upright, and with upright facts."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = flag()
    if orientation in TURNS:
        stored = stored.transpose(TURNS[orientation])
    data = saved(stored, kind, exif=exif)

    assert is_flag(read_photo(data))
    facts = read_facts(data)
    assert (facts.width, facts.height) == SIZE


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_is_turned_once(orientation):
    """libheif turns the picture; its EXIF, which says so again, turns nothing."""
    path = HEIC / f"orientation-{orientation}.heic"
    facts = read_facts(path)

    assert is_flag(read_photo(path))
    assert (facts.format, facts.width, facts.height) == ("heic", *SIZE)
    assert facts.gps == pytest.approx((48.8584, 2.2945))


def test_heic_alpha_is_on_white():
    """The red quarter was clear."""
    assert middles(read_photo(HEIC / "alpha.heic"))[0] == (255, 255, 255)


@pytest.mark.parametrize("place", ["late chunk", "ImageMagick's text"])
def test_png_keeps_its_exif_in_odd_places(place):
    """EXIF behind the pixels, or as hex in a text, counts as well."""
    exif = Image.Exif()
    exif[0x0112] = 3
    exif.get_ifd(0x8769)[0x9003] = "2024:05:17 18:30:00"
    block = exif.tobytes()
    if place == "late chunk":
        data = saved(flag().transpose(TURNS[3]), "PNG", exif=exif)
        at = data.index(b"eXIf") - 4
        end = at + 12 + struct.unpack_from(">L", data, at)[0]
        data = data[:at] + data[end:-12] + data[at:end] + data[-12:]
    else:
        from PIL.PngImagePlugin import PngInfo

        text = PngInfo()
        text.add_text("Raw profile type exif", f"\nexif\n{len(block):8}\n{block.hex()}\n", zip=True)
        data = saved(flag().transpose(TURNS[3]), "PNG", pnginfo=text)

    assert is_flag(read_photo(data))
    assert read_facts(data).taken is not None


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("CMYK", "JPEG"),
        ("CMYK", "TIFF"),
        ("YCbCr", "TIFF"),
        ("LAB", "TIFF"),
        ("P", "PNG"),
        ("P", "GIF"),
        ("P", "BMP"),
        ("P", "TIFF"),
        ("RGBA", "PNG"),
        ("RGBA", "WEBP"),
        ("RGBA", "TIFF"),
        ("RGBA", "BMP"),
        ("RGBX", "TIFF"),
    ],
)
def test_every_colour_mode_gives_the_picture(mode, kind):
    """Inverted (Adobe) CMYK, Lab, YCbCr, palettes and opaque alpha keep their colours."""
    image = flag().quantize(4) if mode == "P" else flag().convert(mode)

    assert is_flag(read_photo(saved(image, kind)))


@pytest.mark.parametrize("kind", ALL_PILLOW)
@pytest.mark.parametrize("mode", ["L", "1"])
def test_grey_and_bitmaps_are_grey(mode, kind):
    """One channel becomes three equal ones."""
    ramp = Image.linear_gradient("L").resize(SIZE)
    pixels = np.asarray(read_photo(saved(ramp.convert(mode), kind)), dtype=int)

    assert np.ptp(pixels, axis=2).max() <= 2
    assert pixels[0].mean() < 20
    assert pixels[-1].mean() > 235


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(kind):
    """The whole range of 16 bits maps to that of 8."""
    wide = np.linspace(0, 65535, 48 * 32).astype(np.uint16).reshape(32, 48)
    pixels = np.asarray(read_photo(saved(Image.fromarray(wide), kind)))[..., 0]

    assert np.array_equal(pixels, np.rint(wide / 257).astype(np.uint8))


def test_16_bit_colour_png():
    """A 16-bit RGB PNG, written by hand, keeps its colours."""
    import zlib

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">L", len(body)) + name + body + struct.pack(">L", zlib.crc32(name + body))
        )

    row = b"\0" + struct.pack(">3H", 65535, 257 * 40, 0) * 5
    data = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">LLBBBBB", 5, 3, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(row * 3))
        + chunk(b"IEND", b"")
    )

    assert set(read_photo(data).get_flattened_data()) == {(255, 40, 0)}


@pytest.mark.parametrize(
    ("values", "want"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 128.0, 255.0], [0, 128, 255]),
        ([0.0, 32896.0, 65535.0], [0, 128, 255]),
        ([-3e38, 0.0, 3e38], [0, 128, 255]),
        ([np.nan, np.inf, 200.0], [0, 0, 200]),
        ([-np.inf, -np.inf, np.nan], [0, 0, 0]),
    ],
)
def test_floating_point_grey(values, want):
    """Floats are scaled by the range they fit in; what is no number is black."""
    floats = Image.fromarray(np.array([values] * 2, dtype=np.float32))
    pixels = np.asarray(read_photo(saved(floats, "TIFF")))[0, :, 0]

    assert np.abs(pixels.astype(int) - want).max() <= 1


@pytest.mark.parametrize(
    ("values", "want"),
    [
        ([0, 128, 255], [0, 128, 255]),
        ([0, 32896, 65535], [0, 128, 255]),
        ([-5, 0, 5], [0, 128, 255]),
    ],
)
def test_32_bit_grey(values, want):
    """Whole numbers are scaled by the range they fit in."""
    whole = Image.fromarray(np.array([values] * 2, dtype=np.int32))
    pixels = np.asarray(read_photo(saved(whole, "TIFF")))[0, :, 0]

    assert np.abs(pixels.astype(int) - want).max() <= 1


def half_clear(mode: str) -> Image.Image:
    """Render black that is clear on its left half."""
    image = Image.new("RGBA", SIZE, (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 24, 32))
    return image.convert(mode)


def two_blacks() -> Image.Image:
    """Render a palette image of two blacks, the second on its left half."""
    image = Image.new("P", SIZE, 0)
    image.putpalette([2, 2, 2, 1, 1, 1])
    image.paste(1, (0, 0, 24, 32))
    return image


@pytest.mark.parametrize(
    ("image", "kind", "options"),
    [
        (half_clear("RGBA"), "PNG", {}),
        (half_clear("RGBA"), "WEBP", {"lossless": True}),
        (half_clear("RGBA"), "AVIF", {}),
        (half_clear("RGBA"), "TIFF", {}),
        (half_clear("RGBA"), "GIF", {}),
        (half_clear("LA"), "PNG", {}),
        (half_clear("LA"), "TIFF", {}),
        (half_clear("RGBA").getchannel("A").point(lambda a: a and 7), "PNG", {"transparency": 0}),
        (two_blacks(), "PNG", {"transparency": b"\xff\x00"}),
        (two_blacks(), "GIF", {"transparency": 1}),
        (
            Image.merge("RGB", [half_clear("RGBA").getchannel("A").point(lambda a: a and 7)] * 3),
            "PNG",
            {"transparency": (0, 0, 0)},
        ),
        (
            Image.fromarray(np.asarray(half_clear("RGBA").getchannel("A")).astype(np.uint16)),
            "PNG",
            {"transparency": 0},
        ),
    ],
)
def test_what_is_clear_is_white(image, kind, options):
    """Alpha, a transparent colour and a transparent palette entry all show white."""
    pixels = np.asarray(read_photo(saved(image, kind, **options)))
    left, right = pixels[:, :20].mean(), pixels[:, 28:].mean()

    assert left > 250
    assert right < 10


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "AVIF", "MPO"])
def test_the_first_frame_counts(kind):
    """Of an animation, a multi-page TIFF or a stereo JPEG, the first picture is read."""
    data = saved(flag(), kind, save_all=True, append_images=[Image.new("RGB", SIZE, "black")])

    assert is_flag(read_photo(data))


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate", "packbits", "jpeg"])
def test_compressed_tiffs(compression):
    """What libtiff decodes is turned upright like the rest."""
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = flag().transpose(TURNS[6])

    assert is_flag(read_photo(saved(stored, "TIFF", compression=compression, exif=exif)))


@pytest.mark.parametrize("min_side", [1, 37, 63, 64, 65, 128, 255, 256, 511, 512, 513, 4000])
@pytest.mark.parametrize("size", [(1024, 512), (515, 1031)])
def test_a_reduced_jpeg_never_goes_below_min_side(size, min_side):
    """The shorter side stays long enough, and is the smallest that libjpeg's halves give."""
    image = read_photo(saved(Image.new("RGB", size, RED), "JPEG"), min_side=min_side)
    short = min(size)

    assert min(image.size) >= min(min_side, short)
    assert min(image.size) == short or min(image.size) < 2 * min_side + 1 or short // 8 >= min_side
    assert image.width / image.height == pytest.approx(size[0] / size[1], rel=0.02)


def test_a_reduced_jpeg_is_upright_and_the_same_picture():
    """Reduction comes before the turn; the picture is that of the full decode, smaller."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(flag().resize((960, 640)).transpose(TURNS[6]), "JPEG", exif=exif)
    image = read_photo(data, min_side=32)

    assert image.size == (120, 80)
    assert is_flag(image.resize(SIZE))


def test_pillows_global_state_is_left_alone(monkeypatch):
    """A low bomb limit of the host is not raised, and its filters and registry stay."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    before = (list(warnings.filters), ImageFile.LOAD_TRUNCATED_IMAGES, dict(Image.OPEN))
    for kind in ALL_PILLOW[:-2]:
        assert is_flag(read_photo(saved(flag(), kind)))
    read_photo(HEIC / "alpha.heic")

    assert Image.MAX_IMAGE_PIXELS == 1000
    assert before == (list(warnings.filters), ImageFile.LOAD_TRUNCATED_IMAGES, dict(Image.OPEN))


def test_faulty_exif_costs_no_picture_and_no_warning():
    """EXIF whose tags point outside it is passed over in silence."""
    bad = b"Exif\0\0II*\0\x08\0\0\0\x02\0" + struct.pack("<HHLL", 0x010F, 2, 5000, 60000) * 2
    for kind in ("JPEG", "PNG", "WEBP"):
        data = saved(flag(), kind, exif=bad)
        assert is_flag(read_photo(data))
        assert read_facts(data).gps is None


def test_limits_leave_the_exact_size():
    """A photo of exactly the limit is read."""
    assert read_photo(saved(flag(), "PNG"), limits=Limits(max_pixels=48 * 32)).size == SIZE
