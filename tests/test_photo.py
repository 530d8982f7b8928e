"""Photos come in safely: each bad input has its clear error, and threads keep order."""

from __future__ import annotations

import gc
import io
import itertools
import os
import random
import re
import runpy
import struct
import threading
import time
import weakref
import zlib
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from waymark.errors import (
    ConfigError,
    PhotoError,
    PhotoTooLarge,
    TruncatedPhoto,
    UnopenedPhoto,
    UnreadablePhoto,
    WaymarkError,
)
from waymark.photo import Limits, cores, decode_many, is_photo, read_facts, read_photo

PROOF = Path(__file__).parent.parent / "benchmarks" / "proof_photos.py"
HEIC = Path(__file__).parent / "photos"
KINDS = ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF"]


def picture(size: tuple[int, int] = (96, 64)) -> Image.Image:
    """Render a picture that compresses badly, so that a cut takes pixels."""
    noise = random.Random(0).randbytes(size[0] * size[1] * 3)
    return Image.frombytes("RGB", size, noise)


def saved(kind: str, image: Image.Image | None = None, **options: Any) -> bytes:
    """Save a picture."""
    file = io.BytesIO()
    (image or picture()).save(file, kind, **options)
    return file.getvalue()


def png(width: int, height: int, *extra: tuple[bytes, bytes]) -> bytes:
    """Write a PNG header (and chunks) by hand; there are no pixels behind it."""
    chunks = [(b"IHDR", struct.pack(">LLBBBBB", width, height, 8, 2, 0, 0, 0)), *extra]
    parts = [
        struct.pack(">L", len(body)) + name + body + struct.pack(">L", zlib.crc32(name + body))
        for name, body in (*chunks, (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


BAD_BYTES: dict[str, tuple[bytes, type[PhotoError], str]] = {
    "empty": (b"", UnreadablePhoto, "empty"),
    "text": (b"Dear Sir or Madam", UnreadablePhoto, "not a photo"),
    "text that starts like a BMP": (b"BM" + b" " * 60, UnreadablePhoto, "not a photo"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3", UnreadablePhoto, "not a photo"),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", UnreadablePhoto, "not a photo"),
    "PostScript, which Pillow would run": (b"%!PS-Adobe-3.0", UnreadablePhoto, "not a photo"),
    "film": (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", UnreadablePhoto, "not a photo"),
    "zeros": (bytes(5000), UnreadablePhoto, "not a photo"),
    "JPEG magic, then noise": (b"\xff\xd8\xff\xe0\0\x04AB" + b"x" * 99, TruncatedPhoto, "end"),
    "JPEG of nothing": (b"\xff\xd8\xff\xd9", UnreadablePhoto, "damaged JPEG"),
    "PNG magic, then noise": (b"\x89PNG\r\n\x1a\n" + b"x" * 99, TruncatedPhoto, "end"),
    "PNG of a wrong checksum": (
        saved("PNG").replace(b"IHDR\0", b"IHDR\1"),
        UnreadablePhoto,
        "damaged PNG",
    ),
    "PNG without pixels": (png(9, 9), UnreadablePhoto, "damaged PNG"),
    "PNG bomb": (png(60_000, 60_000), PhotoTooLarge, "60,000 x 60,000 pixels"),
    "PNG text bomb": (
        png(9, 9, (b"zTXt", b"a\0\0" + zlib.compress(bytes(80_000_000), 9))),
        PhotoError,
        "PNG",
    ),
    "GIF bomb": (b"GIF89a\xff\xff\xff\xff" + saved("GIF")[10:], PhotoTooLarge, "pixels"),
    "JPEG bomb": (
        re.sub(
            rb"(?<=\xff\xc0\0\x11\x08)....", b"\xff\xff\xff\xff", saved("JPEG"), flags=re.DOTALL
        ),
        PhotoTooLarge,
        "65,535 x 65,535 pixels",
    ),
    "HEIC of nothing": (
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0\0\0\x10meta" + bytes(8),
        TruncatedPhoto,
        "end of this HEIC",
    ),
    "AVIF of zeros": (
        b"\0\0\0\x18ftypavif\0\0\0\0mif1avif" + b"\0\0\0\x10mdat" + bytes(8),
        PhotoError,
        "AVIF",
    ),
}


@pytest.mark.parametrize("case", BAD_BYTES)
def test_bad_bytes_have_their_error(case):
    """Each kind of bad bytes is refused, on one line, with what to do."""
    data, error, words = BAD_BYTES[case]
    with pytest.raises(error, match=words) as caught:
        read_photo(data)

    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_a_progressive_jpeg_of_a_thousand_scans_is_refused():
    """Scan after scan over the same pixels would keep libjpeg busy for minutes."""
    data = saved("JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    scan = data[last:-2]

    with pytest.raises(PhotoTooLarge, match="scans"):
        read_photo(data[:-2] + scan * 1000 + b"\xff\xd9")


def test_limits_hold_before_anything_is_decoded(monkeypatch):
    """Too many bytes or pixels are refused with both numbers, without a decode."""
    data = saved("JPEG")
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda _: pytest.fail("decoded"))

    with pytest.raises(PhotoTooLarge, match=rf"{len(data):,} bytes; at most 100 "):
        read_photo(data, limits=Limits(max_bytes=100))
    with pytest.raises(PhotoTooLarge, match=r"96 x 64 pixels; at most 6,143 "):
        read_photo(data, limits=Limits(max_pixels=96 * 64 - 1))
    with pytest.raises(PhotoTooLarge, match=r"96 x 64 pixels"):
        read_facts(data, limits=Limits(max_pixels=96 * 64 - 1))


@pytest.mark.parametrize("kind", ["WEBP", "TIFF"])
def test_the_hosts_own_limit_holds_too(kind, monkeypatch):
    """Where Pillow refuses by the limit that the program around has set, so does waymark."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)

    with pytest.raises(PhotoTooLarge, match="exceeds limit of 200 pixels"):
        read_photo(saved(kind))


def test_no_memory_is_an_error_of_the_photo(monkeypatch):
    """A photo that does not fit in memory is too large, and the run goes on."""

    def full(_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", full)
    with pytest.raises(PhotoTooLarge, match="out of memory"):
        read_photo(saved("JPEG"))


@pytest.mark.parametrize("kind", [*KINDS, "HEIC", "progressive JPEG", "grey JPEG"])
@pytest.mark.parametrize("part", [0.999, 0.9, 0.5, 0.2, 0.02])
def test_a_cut_file_is_refused_as_truncated(kind, part):
    """Wherever pixels or the header's end are missing, the error says so and names the way out."""
    if kind == "HEIC":
        data = (HEIC / "orientation-1.heic").read_bytes()
    elif kind == "grey JPEG":
        data = saved("JPEG", picture().convert("L"))
    else:
        data = saved(kind.split()[-1], **({"progressive": True} if " " in kind else {}))
    data = data[: max(33, int(part * len(data)))]
    for min_side in (None, 8):
        with pytest.raises(TruncatedPhoto, match="allow-truncated"):
            read_photo(data, min_side=min_side)


def test_a_jpeg_without_its_last_two_bytes_is_truncated():
    """Also when it is decoded reduced, where all pixels come out anyway."""
    data = saved("JPEG", picture((640, 480)))
    for min_side in (None, 60, 480):
        with pytest.raises(TruncatedPhoto):
            read_photo(data[:-2], min_side=min_side)
        read_photo(data + b"trailing bytes do no harm", min_side=min_side)


@pytest.mark.parametrize("kind", ["JPEG", "progressive JPEG", "PNG", "TIFF", "BMP", "GIF"])
def test_allow_truncated_reads_what_is_there(kind):
    """Of a file cut at 60 %, the upper part is the photo's (BMP, bottom up: the lower)."""
    whole = Image.linear_gradient("L").resize((64, 200)).convert("RGB")
    whole.paste(picture((32, 200)), (0, 0))
    options: dict[str, Any] = {"progressive": True} if " " in kind else {}
    if kind == "GIF":
        options = {"interlace": 0}
    data = saved(kind.split()[-1], whole, **options)
    cut = read_photo(data[: int(0.6 * len(data))], allow_truncated=True)
    rows = slice(150, 200) if kind == "BMP" else slice(0, 50)
    want, have = (np.asarray(i, dtype=float)[rows] for i in (read_photo(data), cut))

    assert cut.size == whole.size
    assert np.abs(want - have).mean() < (40 if " " in kind else 1)


def test_allow_truncated_still_turns_upright():
    """The orientation of a cut photo is applied, once."""
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind in ("JPEG", "PNG", "TIFF"):
        data = saved(kind, exif=exif)
        assert read_photo(data[: int(0.8 * len(data))], allow_truncated=True).size == (64, 96)


@pytest.mark.parametrize("kind", ["WEBP", "AVIF", "JPEG"])
def test_allow_truncated_without_a_pixel_is_still_an_error(kind):
    """Where nothing can be shown, the photo is refused as before."""
    with pytest.raises(TruncatedPhoto, match=r"where it came\.$"):
        read_photo(saved(kind)[:60], allow_truncated=True)


def test_allow_truncated_does_not_excuse_damage():
    """A file that is all there but broken stays unreadable."""
    data = bytearray(saved("PNG"))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(UnreadablePhoto, match="damaged PNG"):
        read_photo(bytes(data), allow_truncated=True)


@pytest.mark.parametrize(
    "name", ["a photo.txt", "фото.jpg", "写真", "two\nlines.png", "no-name.heic"]
)
def test_names_say_nothing(tmp_path, name):
    """Any name will do, as the format is told by content; a string and a Path are the same."""
    path = tmp_path / name
    path.write_bytes(saved("WEBP"))
    link = tmp_path / "link"
    link.symlink_to(path)

    assert is_photo(path)
    for source in (path, str(path), link):
        assert read_photo(source).size == (96, 64)
        assert read_facts(source).format == "webp"


def test_a_large_file_is_told_by_its_beginning_too(tmp_path):
    """A film is none, whatever its size; a photo that is too large is one, and reading says so."""
    for name, head, wanted in (
        ("film.mp4", b"\0\0\0\x18ftypisom\0\0\0\0isommp42", False),
        ("photo.jpg", saved("JPEG")[:64], True),
    ):
        path = tmp_path / name
        path.write_bytes(head)
        os.truncate(path, 300 * 2**20)
        assert is_photo(path) is wanted
    with pytest.raises(PhotoTooLarge):
        read_photo(path)


def test_an_error_shows_the_path_on_one_line(tmp_path):
    """A path with a newline, or bytes that are no text, is quoted, not printed raw."""
    for name in (b"two\nlines", b"\xff\xfe"):
        path = os.path.join(os.fsencode(tmp_path), name)  # noqa: PTH118  # bytes
        with open(path, "wb") as file:  # noqa: PTH123  # bytes
            file.write(b"no photo")
        with pytest.raises(UnreadablePhoto) as caught:
            read_photo(os.fsdecode(path))
        assert str(caught.value).isprintable()


def bad_paths(folder: Path) -> dict[str, tuple[Any, str]]:
    """Make what is not a readable file: path and words of the message."""
    (folder / "folder.jpg").mkdir()
    (folder / "empty.jpg").touch()
    os.mkfifo(folder / "pipe.jpg")
    (folder / "dangling.jpg").symlink_to(folder / "gone.jpg")
    (folder / "loop.jpg").symlink_to(folder / "loop.jpg")
    return {
        "folder": (folder / "folder.jpg", "is a folder"),
        "missing": (folder / "missing.jpg", "No such file"),
        "empty": (folder / "empty.jpg", "empty"),
        "pipe": (folder / "pipe.jpg", "a pipe, socket or device"),
        "device": ("/dev/zero", "a pipe, socket or device"),
        "dangling link": (folder / "dangling.jpg", "No such file"),
        "loop of links": (folder / "loop.jpg", "symbolic links"),
        "NUL": ("a\0b.jpg", "null"),
        "no name": ("", "No such file"),
        "long name": (folder / ("x" * 5000), "too long"),
        "a file as a folder": (folder / "empty.jpg" / "a.jpg", "Not a directory"),
    }


@pytest.mark.timeout(20)
def test_what_is_no_readable_file_has_its_error(tmp_path):
    """None of them hangs, and each message says what the path is."""
    for path, words in bad_paths(tmp_path).values():
        for read in (read_photo, read_facts):
            with pytest.raises(UnreadablePhoto, match=words):
                read(path)
        assert not is_photo(path)


def test_no_permission_has_its_error(tmp_path, monkeypatch):
    """A file that may not be read says so (played, as root may read everything)."""
    path = tmp_path / "mine.jpg"
    path.write_bytes(saved("JPEG"))

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(UnopenedPhoto, match=r"Permission denied.*you may read it"):
        read_photo(path)


def test_a_disk_that_fails_has_its_error(tmp_path, monkeypatch):
    """An error while reading is the photo's, not a traceback."""
    path = tmp_path / "bad-sector.jpg"
    path.write_bytes(saved("JPEG"))

    class Failing(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdopen", lambda number, _: (os.close(number), Failing())[1])
    for read in (read_photo, read_facts):
        with pytest.raises(UnopenedPhoto, match="Input/output error"):
            read(path)
    assert not is_photo(path)


def test_impossible_settings_are_refused():
    """Zero is no side, no limit and no number of workers."""
    with pytest.raises(ConfigError, match="min_side"):
        read_photo(saved("JPEG"), min_side=0)
    with pytest.raises(ConfigError, match="max_pixels"):
        Limits(max_pixels=0)
    with pytest.raises(ConfigError, match="workers"):
        decode_many([], np.asarray, workers=0)


def test_facts_are_read_without_decoding(monkeypatch, tmp_path):
    """Format, upright size, time and place come from the header alone."""
    exif = Image.Exif()
    exif[0x0112] = 8
    exif.get_ifd(0x8769).update({0x9003: "2024:05:17 18:30:00", 0x9011: "+02:00"})
    exif.get_ifd(0x8825).update({1: "S", 2: (13.0, 9.0, 47.0), 3: "W", 4: (72.0, 32.0, 44.0)})
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda _: pytest.fail("decoded"))
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF"):
        path = tmp_path / kind
        with monkeypatch.context() as unpatched:
            unpatched.undo()
            path.write_bytes(saved(kind, exif=exif.tobytes()))
        facts = read_facts(path)
        assert (facts.format, facts.width, facts.height) == (kind.lower(), 64, 96)
        assert facts.taken == datetime(2024, 5, 17, 18, 30, tzinfo=timezone(timedelta(hours=2)))
        assert facts.gps == pytest.approx((-13.163056, -72.545556), abs=1e-6)


def test_many_come_in_order_with_errors_as_values():
    """Whatever takes longest, results come as asked; a bad photo is a value in its place."""
    sizes = [(8 + i, 400 - 13 * i) for i in range(24)]
    photos = [saved("PNG", Image.new("RGB", size)) for size in sizes]
    photos[5], photos[11] = b"not a photo", photos[11][:40]
    results = list(decode_many(photos, lambda image: image.size, workers=3))

    assert isinstance(results[5], UnreadablePhoto)
    assert isinstance(results[11], TruncatedPhoto)
    assert [r for r in results if isinstance(r, tuple)] == [
        size for i, size in enumerate(sizes) if i not in (5, 11)
    ]


def test_many_runs_a_bounded_way_ahead_and_ends_when_closed():
    """Endless sources are taken a few at a time; closing ends the threads."""
    taken = itertools.count()
    photo = saved("BMP")
    before = threading.active_count()
    results = decode_many((photo for _ in taken), lambda image: image.size, workers=2)
    for _ in range(10):
        assert next(results) == (96, 64)
        time.sleep(0.005)
    ahead = next(taken) - 10
    results.close()  # type: ignore[attr-defined]  # a generator

    assert ahead <= 3 * 2 + 1
    assert threading.active_count() == before


def test_many_raises_what_prepare_raises_in_its_turn():
    """A fault of the caller's function is no bad photo."""
    results = decode_many([saved("BMP"), b"bad"], lambda image: 1 // (image.width - 96), workers=1)
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_an_error_kept_keeps_no_photo_alive():
    """Errors of a long run may be collected: they hold on to neither bytes nor frames."""
    (error,) = decode_many([saved("PNG")[:-500]], np.asarray, workers=1)

    assert isinstance(error, TruncatedPhoto)
    assert error.__traceback__ is error.__cause__ is error.__context__ is None


def test_many_lets_go_of_what_was_taken():
    """Once the caller drops a result, nothing else holds it."""

    class Result:
        """Something that a weak reference can watch."""

    results = decode_many([saved("BMP")] * 9, lambda _: Result(), workers=1)
    watched = [weakref.ref(next(results)) for _ in range(5)]  # type: ignore[type-var]
    gc.collect()

    assert all(result() is None for result in watched)


SEEDS = [saved(kind) for kind in KINDS] + [(HEIC / "orientation-6.heic").read_bytes()]
FUZZ = settings(
    max_examples=400, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)


def outcome(data: bytes, **options: Any) -> None:
    """Read a photo; only an image or a `WaymarkError` may come of it."""
    for read in (read_photo, read_facts):
        try:
            read(data, **(options if read is read_photo else {}), limits=Limits(max_pixels=10**6))
        except WaymarkError:
            continue


@FUZZ
@given(st.sampled_from(SEEDS), st.binary(max_size=300), st.integers(0, 64), st.booleans())
@example(b"", b"\xff\xd8\xff", 0, True)
def test_noise_never_escapes(photo, noise, keep, allow):
    """Noise, alone or behind the beginning of any format, ends in an error of ours."""
    outcome(photo[:keep] + noise, allow_truncated=allow)


@FUZZ
@given(st.sampled_from(SEEDS), st.data())
def test_bent_photos_never_escape(photo, data):
    """A few bytes of a valid photo changed: an image, or an error of ours."""
    bent = bytearray(photo)
    place = st.one_of(st.integers(0, min(200, len(bent) - 1)), st.integers(0, len(bent) - 1))
    for at, value in data.draw(st.lists(st.tuples(place, st.integers(0, 255)), max_size=6)):
        bent[at] = value
    outcome(bytes(bent), min_side=8)


@FUZZ
@given(st.sampled_from(SEEDS), st.floats(0, 1))
def test_cut_photos_never_pass_as_whole(photo, part):
    """Cut anywhere, a photo is refused; what `allow_truncated` still shows has its size."""
    cut = photo[: int(part * (len(photo) - 8))]
    with pytest.raises(PhotoError):
        read_photo(cut)
    try:
        image = read_photo(cut, allow_truncated=True)
    except PhotoError:
        return
    assert image.size == (96, 64)


def test_the_proof_in_small():
    """`make proof` does this with 10,000 files."""
    fates, _ = runpy.run_path(str(PROOF))["prove"](500)

    assert fates.total() == 500


def test_this_process_may_use_at_least_one_core():
    """The number of workers is never 0."""
    assert cores() >= 1
