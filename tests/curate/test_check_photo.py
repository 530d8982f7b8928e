"""What is wrong with the file and the pixels of one photo."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from waymark.curate import check_photo_pixels
from waymark.curate.check_photo import Examined, examine
from waymark.curate.check_photo_pixels import (
    BLURRED,
    SIDE,
    TINY,
    faults_of,
    measure,
)
from waymark.samples import SAMPLES, render

FORMATS = {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".tif": "TIFF", ".bmp": "BMP"}
FORMATS |= {".gif": "GIF", ".avif": "AVIF"}


def textured(seed: int, size: tuple[int, int] = (120, 96)) -> Image.Image:
    """Draw a picture with detail of every size, as photos have it."""
    rng = np.random.default_rng(seed)
    total = np.zeros((size[1], size[0], 3))
    for cells in (3, 6, 12, 24, 48, 96):
        noise = rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        layer = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
        total += np.asarray(layer, float) - 128
    return Image.fromarray(np.clip(128 + total / 2.5, 0, 255).astype(np.uint8))


def kinds(found: Examined) -> list[str]:
    """Name the faults."""
    return [fault.kind for fault in found.faults]


def look_at(path: Path, *, gps: bool = False) -> Examined:
    """Look at a photo without a network."""
    return examine(path, view=None, min_side=1, gps=gps)


def pixel_kinds(image: Image.Image) -> list[str]:
    """Name the faults of a picture's pixels."""
    return [fault.kind for fault in faults_of(measure(image), image.size)]


@pytest.mark.parametrize("size", [(96, 96), (330, 240), (180, 640)])
@pytest.mark.parametrize("radius", [2.0, 3.0, 4.0])
def test_blurred_at_every_size(size: tuple[int, int], radius: float, tmp_path: Path) -> None:
    """A blur of 2 px at 96 px, or the same share of a larger side, is found; sharp is not."""
    sharp = [textured(0, size), render(SAMPLES[0], seed=1, size=size)]
    scaled = ImageFilter.GaussianBlur(radius * min(size) / SIDE)
    for number, image in enumerate(sharp):
        path = tmp_path / f"{number}.jpg"
        image.filter(scaled).save(path, quality=90)

        assert "blurred" not in pixel_kinds(image)
        assert "blurred" in kinds(look_at(path))


def test_more_blur_is_less_sharp() -> None:
    """Sharpness falls with every pixel of blur, and severity rises."""
    radii = [0.0, 0.5, 1.0, 2.0, 3.0]
    measured = [measure(textured(1).filter(ImageFilter.GaussianBlur(radius))) for radius in radii]
    values = [each.sharpness for each in measured]

    assert values == sorted(values, reverse=True)
    assert values[1] > BLURRED > values[-1]
    severe = [faults_of(each, (120, 96))[0].severity for each in measured[-2:]]
    assert severe[0] < severe[1] <= 1


def test_a_sharp_subject_before_a_soft_background_is_fine() -> None:
    """A third of the picture in focus is enough; so is a sharp skyline below a plain sky."""
    soft = textured(2, (144, 96)).filter(ImageFilter.GaussianBlur(4))
    soft.paste(textured(2, (144, 96)).crop((48, 0, 96, 96)), (48, 0))
    sky = Image.new("RGB", (144, 96), (120, 160, 220))
    sky.paste(textured(3, (144, 24)), (0, 72))

    assert pixel_kinds(soft) == pixel_kinds(sky) == []


@pytest.mark.parametrize("quality", [30, 95])
def test_blank_and_dark(quality: int, tmp_path: Path) -> None:
    """One colour is blank, whatever JPEG makes of it; a faint picture is dark; lights are not."""
    plain = Image.new("RGB", (200, 150), (90, 140, 60))
    faint = textured(4, (200, 150)).point(lambda value: value * 0.12)
    night = faint.copy()
    ImageDraw.Draw(night).rectangle((20, 20, 90, 60), fill=(250, 220, 180))
    for name, image in (("blank", plain), ("dark", faint), ("night", night)):
        image.save(tmp_path / f"{name}.jpg", quality=quality)

    assert kinds(look_at(tmp_path / "blank.jpg")) == ["blank"]
    assert kinds(look_at(tmp_path / "dark.jpg")) == ["dark"]
    assert not {"dark", "blank", "blurred"} & set(kinds(look_at(tmp_path / "night.jpg")))


def test_drawings_and_screenshots() -> None:
    """A page of text and a chart are drawings; a picture with texture is none."""
    page = Image.new("RGB", (320, 400), "white")
    pen = ImageDraw.Draw(page)
    pen.rectangle((0, 0, 320, 30), fill="#1a73e8")
    for y in range(40, 390, 14):
        pen.text((10, y), "names of landmarks and where they stand " * 2, fill="black")
    chart = Image.new("RGB", (320, 240), "white")
    for number, colour in enumerate(("red", "green", "blue", "orange")):
        left = 40 + 60 * number
        ImageDraw.Draw(chart).rectangle((left, 40 * number, left + 40, 200), fill=colour)

    assert "drawing" in pixel_kinds(page)
    assert "drawing" in pixel_kinds(chart)
    assert "drawing" not in pixel_kinds(textured(5, (320, 240)))


def test_tiny() -> None:
    """The shorter side decides."""
    assert "tiny" in pixel_kinds(textured(6, (400, TINY - 1)))
    assert "tiny" not in pixel_kinds(textured(6, (400, TINY)))


@pytest.mark.parametrize("named", FORMATS)
@pytest.mark.parametrize("suffix", FORMATS)
def test_extension(named: str, suffix: str, tmp_path: Path) -> None:
    """A name that promises another format than the content is told; the photo is kept."""
    path = tmp_path / f"photo{named.upper()}"
    textured(7).save(path, FORMATS[suffix])
    found = look_at(path)

    assert found.look is not None
    assert kinds(found) == ([] if named == suffix else ["wrong-extension"])
    assert all(fault.suggest == "keep" for fault in found.faults)


@pytest.mark.parametrize("name", ["photo", "photo.html", "photo.jpg.part"])
def test_a_photo_without_the_name_of_one(name: str, tmp_path: Path) -> None:
    """It is told what to call it."""
    textured(8).save(tmp_path / name, "WEBP")
    (fault,) = look_at(tmp_path / name).faults

    assert fault.kind == "wrong-extension"
    assert ".webp" in fault.reason


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("suffix", [*FORMATS, "progressive"])
def test_truncated(suffix: str, kept: float, tmp_path: Path) -> None:
    """A file whose end is missing is truncated, in every format, wherever it was cut."""
    path = tmp_path / f"photo{suffix if suffix in FORMATS else '.jpg'}"
    textured(9, (300, 200)).save(path, progressive=suffix not in FORMATS)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    found = look_at(path)

    assert kinds(found) == ["truncated"]
    assert found.look is None
    assert str(tmp_path) not in found.faults[0].reason


def test_unreadable(tmp_path: Path) -> None:
    """What is no photo, empty, missing, a folder or a pipe is a fault, and never waited for."""
    (tmp_path / "text.jpg").write_text("<html>no photo here</html>")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    for name in ("text.jpg", "empty.jpg", "folder.jpg", "pipe.jpg", "gone.jpg"):
        found = look_at(tmp_path / name)

        assert kinds(found) == ["unreadable"]
        assert found.faults[0].suggest == "drop"
        assert not found.pixels


def test_same_pixels_in_other_files(tmp_path: Path) -> None:
    """A PNG, a BMP and a PNG with a comment are one picture in three files."""
    from PIL.PngImagePlugin import PngInfo

    image, comment = textured(10), PngInfo()
    comment.add_text("Comment", "copied")
    image.save(tmp_path / "a.png")
    image.save(tmp_path / "b.bmp")
    image.save(tmp_path / "c.png", pnginfo=comment)
    found = [look_at(tmp_path / name) for name in ("a.png", "b.bmp", "c.png")]

    assert len({each.pixels for each in found}) == 1
    assert len({each.digest for each in found}) == 3
    image.putpixel((3, 3), (1, 2, 3))
    image.save(tmp_path / "d.png")
    assert look_at(tmp_path / "d.png").pixels != found[0].pixels


def test_size_and_place_of_a_large_photo(tmp_path: Path) -> None:
    """The size is the file's, though it was decoded reduced; the place only where asked for."""
    exif = Image.Exif()
    exif.get_ifd(0x8825).update(
        {1: "N", 2: (48.0, 51.0, 30.0), 3: "E", 4: (2.0, 17.0, 40.0)}  # by Eiffel's tower
    )
    exif[0x0112] = 6  # lies on its side
    path = tmp_path / "large.jpg"
    textured(11, (1600, 1200)).save(path, exif=exif)

    assert look_at(path).gps is None
    found = look_at(path, gps=True)
    assert found.size == (1200, 1600)
    assert found.gps == pytest.approx((48.858, 2.294), abs=0.001)


def test_the_view_is_made_of_the_photo(tmp_path: Path) -> None:
    """What the network is to see is asked for once, with the upright picture."""
    textured(12).save(tmp_path / "a.png")
    asked = []

    def view(image: Image.Image) -> np.ndarray:
        asked.append(image.size)
        return np.zeros((3, 4, 4), np.float32)

    found = examine(tmp_path / "a.png", view=view, min_side=8, gps=False)

    assert asked == [(120, 96)]
    assert found.view is not None
    assert found.view.shape == (3, 4, 4)


@pytest.mark.parametrize("suffix", [".NEF", ".cr2"])
def test_raw_files_are_left_alone(suffix: str, tmp_path: Path) -> None:
    """A camera's raw file begins as a TIFF does; it is neither cut off nor wrongly named."""
    path = tmp_path / f"x{suffix}"
    path.write_bytes(b"II*\0\x10\0\0\0CR\2\0" + bytes(range(256)) * 20)
    (fault,) = look_at(path).faults
    assert (fault.kind, fault.suggest) == ("unreadable", "review")
    assert "raw" in fault.reason

    textured(0).save(path, "TIFF")
    assert look_at(path).faults == ()


def test_large_photos_are_measured_like_small_ones() -> None:
    """Row by row or at once: the same pixels are taken."""
    image = textured(0, (400, 300))
    for step in (1, 8, 9, 30):
        whole = np.asarray(image)[::step, ::step]
        assert np.array_equal(check_photo_pixels._every(image, step), whole)
