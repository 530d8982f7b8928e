"""RAW files: the preview that the camera left in them, whatever else the file holds."""

from __future__ import annotations

import os
import struct
import subprocess
from datetime import datetime, timedelta, timezone
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from waymark.library.raw import Preview, raw_kind, read_preview
from waymark.library.tag_read import raw_mark, read_one
from waymark.preprocess import Preprocess

TAKEN = b"2024:05:17 18:30:00\0"


def jpeg(width: int, height: int, *, colour: str = "red") -> bytes:
    """Return a JPEG with its left half in another colour."""
    image = Image.new("RGB", (width, height), "white")
    image.paste(colour, (0, 0, width // 2, height))
    out = BytesIO()
    image.save(out, "JPEG")
    return out.getvalue()


class Tiff:
    """Writes a TIFF, directory by directory, as makers do."""

    def __init__(self, order: str = "<", magic: bytes = b"") -> None:
        self.order = order
        head = b"II*\0" if order == "<" else b"MM\0*"
        self.data = bytearray(head + b"\0\0\0\0" + magic)

    def add(self, blob: bytes) -> int:
        """Append bytes; return where they are."""
        at = len(self.data)
        self.data += blob
        return at

    def directory(self, entries: list[tuple[int, int, Any]], following: int = 0) -> int:
        """Append a directory of (tag, type, values); return where it is."""
        packed = []
        for tag, kind, value in sorted(entries):
            code = {2: "s", 3: "H", 4: "L", 5: "LL"}[kind]
            if kind == 2:
                raw, count = value, len(value)
            else:
                values = value if isinstance(value, list) else [value]
                raw = struct.pack(f"{self.order}{len(values)}{code[0]}", *values)
                count = len(values) // len(code)
            if len(raw) > 4:
                raw = struct.pack(self.order + "L", self.add(raw))
            packed.append(struct.pack(self.order + "HHL", tag, kind, count) + raw.ljust(4, b"\0"))
        body = struct.pack(self.order + "H", len(packed)) + b"".join(packed)
        return self.add(body + struct.pack(self.order + "L", following))

    def done(self, first: int) -> bytes:
        """Return the file, its first directory there."""
        struct.pack_into(self.order + "L", self.data, 4, first)
        return bytes(self.data)


def exif_of(tiff: Tiff) -> list[tuple[int, int, Any]]:
    """Return entries that point to a capture time and a place."""
    exif = tiff.directory([(0x9003, 2, TAKEN)])
    north = [48, 1, 51, 1, 30, 1]
    gps = tiff.directory(
        [(1, 2, b"N\0"), (2, 5, north), (3, 2, b"E\0"), (4, 5, [2, 1, 0, 1, 0, 1])]
    )
    return [(0x8769, 4, exif), (0x8825, 4, gps)]


def make_cr2(big: bytes, small: bytes, orientation: int = 1) -> bytes:
    """Write a CR2: the preview a strip of IFD0, a thumbnail in IFD1, the RAW a lossless JPEG."""
    tiff = Tiff(magic=b"CR\2\0\0\0\0\0")
    lossless = b"\xff\xd8\xff\xc3" + struct.pack(">HBHHB", 17, 14, 4000, 6000, 3) + b"\0" * 40
    raw = tiff.directory([(0x103, 3, 6), (0x111, 4, tiff.add(lossless)), (0x117, 4, len(lossless))])
    thumb = tiff.directory([(0x201, 4, tiff.add(small)), (0x202, 4, len(small))], raw)
    entries = [(0x10F, 2, b"Canon\0"), (0x112, 3, orientation), (0x103, 3, 6)]
    entries += [(0x111, 4, tiff.add(big)), (0x117, 4, len(big)), *exif_of(tiff)]
    return tiff.done(tiff.directory(entries, thumb))


def make_nef(big: bytes, small: bytes, orientation: int = 1) -> bytes:
    """Write a NEF: the preview in the first of two sub-directories, big-endian."""
    tiff = Tiff(">")
    preview = tiff.directory([(0x201, 4, tiff.add(big)), (0x202, 4, len(big))])
    raw = tiff.directory([(0x111, 4, [tiff.add(b"raw" * 9)]), (0x117, 4, [27])])
    entries = [(0x10F, 2, b"NIKON CORPORATION\0"), (0x112, 3, orientation)]
    entries += [(0x14A, 4, [preview, raw]), *exif_of(tiff)]
    entries += [(0x201, 4, tiff.add(small)), (0x202, 4, len(small))]
    return tiff.done(tiff.directory(entries))


def make_arw(big: bytes, small: bytes, orientation: int = 1) -> bytes:
    """Write an ARW: the preview in IFD0, the thumbnail in IFD1."""
    tiff = Tiff()
    thumb = tiff.directory([(0x201, 4, tiff.add(small)), (0x202, 4, len(small))])
    entries = [(0x10F, 2, b"SONY\0"), (0x112, 3, orientation), *exif_of(tiff)]
    entries += [(0x201, 4, tiff.add(big)), (0x202, 4, len(big))]
    return tiff.done(tiff.directory(entries, thumb))


def make_dng(big: bytes, small: bytes, orientation: int = 1) -> bytes:
    """Write a DNG: the preview as a JPEG strip of a sub-directory."""
    tiff = Tiff()
    sub = [(0xFE, 4, 1), (0x103, 3, 7), (0x111, 4, tiff.add(big)), (0x117, 4, len(big))]
    preview = tiff.directory([*sub, (0x100, 4, 64), (0x101, 4, 48)])
    entries = [(0xC612, 4, 0x01040000), (0x112, 3, orientation), (0x14A, 4, preview)]
    entries += [(0x201, 4, tiff.add(small)), (0x202, 4, len(small)), *exif_of(tiff)]
    return tiff.done(tiff.directory(entries))


def box(kind: bytes, *content: bytes) -> bytes:
    """Return a box of an MP4."""
    body = b"".join(content)
    return struct.pack(">L", len(body) + 8) + kind + body


def make_cr3(big: bytes, small: bytes, orientation: int = 1) -> bytes:
    """Write a CR3: the big JPEG as a track, a smaller one in PRVW, EXIF in boxes of its own."""
    main, exif, gps = Tiff(), Tiff(), Tiff()
    cmt1 = main.done(main.directory([(0x10F, 2, b"Canon\0"), (0x112, 3, orientation)]))
    cmt2 = exif.done(exif.directory([(0x9003, 2, TAKEN), (0x9011, 2, b"+02:00\0")]))
    north = [48, 1, 51, 1, 30, 1]
    place = [(1, 2, b"N\0"), (2, 5, north), (3, 2, b"E\0"), (4, 5, [2, 1, 0, 1, 0, 1])]
    cmt4 = gps.done(gps.directory(place))
    canon = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
    preview = bytes.fromhex("eaf42b5e1c984b88b9fbb7dc406e4d16")

    def whole(at: int) -> bytes:
        stbl = box(
            b"stbl",
            box(b"stsz", struct.pack(">LLL", 0, len(big), 1)),
            box(b"co64", struct.pack(">LLQ", 0, 1, at)),
        )
        facts = box(b"uuid", canon, box(b"CMT1", cmt1), box(b"CMT2", cmt2), box(b"CMT4", cmt4))
        moov = box(b"moov", facts, box(b"trak", box(b"mdia", box(b"minf", stbl))))
        prvw = box(b"PRVW", struct.pack(">LHHHHL", 0, 1, 48, 32, 1, len(small)), small)
        ftyp = box(b"ftyp", b"crx \0\0\0\1crx isom")
        head = ftyp + moov + box(b"uuid", preview, struct.pack(">LL", 0, 1), prvw)
        return head + box(b"mdat", big)

    return whole(len(whole(0)) - len(big))


MAKERS = {"cr2": make_cr2, "nef": make_nef, "arw": make_arw, "dng": make_dng, "cr3": make_cr3}
BIG, SMALL = jpeg(96, 64), jpeg(48, 32, colour="blue")


@pytest.mark.parametrize("kind", MAKERS)
def test_the_largest_preview_is_found(kind: str) -> None:
    """With capture time and place, in every maker's layout."""
    data = MAKERS[kind](BIG, SMALL, 6)

    found = read_preview(data)

    assert raw_kind(data[:32], f"IMG.{kind.upper()}") == kind
    assert found.jpeg == BIG
    assert (found.width, found.height, found.orientation) == (96, 64, 6)
    zone = timezone(timedelta(hours=2)) if kind == "cr3" else None
    assert found.taken == datetime(2024, 5, 17, 18, 30, tzinfo=zone)
    assert found.gps == pytest.approx((48 + 51.5 / 60, 2.0))


@pytest.mark.parametrize("kind", MAKERS)
def test_the_smaller_one_does_where_the_larger_is_cut(kind: str) -> None:
    """A preview whose bytes are not all there is not taken."""
    larger = BIG[:2] + b"\xff\xfe\x7f\xff" + BIG[2:]  # a comment that goes past its end
    data = MAKERS[kind](larger, SMALL)

    assert read_preview(data).jpeg == SMALL


def test_any_tiff_is_no_raw() -> None:
    """A scan in a TIFF stays a TIFF, and so does a HEIC."""
    assert raw_kind(b"II*\0" + bytes(28), "scan.tif") is None
    assert raw_kind(b"\0\0\0\x18ftypheic" + bytes(20), "a.cr3") is None


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", MAKERS)
def test_a_raw_photo_stands_upright(kind: str, orientation: int, tmp_path: Path) -> None:
    """The network sees the preview as a JPEG with the same EXIF orientation would be seen."""
    path = tmp_path / f"a.{kind}"
    path.write_bytes(MAKERS[kind](BIG, SMALL, orientation))
    exif = Image.Exif()
    exif[0x112] = orientation
    plain = tmp_path / "plain.jpg"
    block = exif.tobytes()
    plain.write_bytes(BIG[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + BIG[2:])
    preprocess = Preprocess(size=64)

    reading, views = read_one(bytes(path), preprocess, tta=False, known=lambda _: False)
    expected, same = read_one(bytes(plain), preprocess, tta=False, known=lambda _: False)

    assert reading is not None
    assert expected is not None
    assert (reading.format, reading.error) == (kind, None)
    assert (reading.width, reading.height) == (expected.width, expected.height)
    assert views is not None
    assert same is not None
    np.testing.assert_allclose(views, same, atol=0.05)


def test_a_raw_file_without_a_preview_says_so(tmp_path: Path) -> None:
    """The message says what to do."""
    tiff = Tiff(magic=b"CR\2\0\0\0\0\0")
    path = tmp_path / "a.cr2"
    path.write_bytes(tiff.done(tiff.directory([(0x112, 3, 1)])))

    reading, views = read_one(bytes(path), Preprocess(size=64), tta=False, known=lambda _: False)

    assert views is None
    assert reading is not None
    assert "no JPEG preview" in (reading.error or "")


@pytest.mark.parametrize("kind", ["cr2", "nef", "arw", "dng"])
def test_exiftool_reads_our_files_the_same(kind: str, tmp_path: Path, tool: Any) -> None:
    """exiftool finds the same time, place and orientation in what the tests write."""
    path = tmp_path / f"a.{kind}"
    path.write_bytes(MAKERS[kind](BIG, SMALL, 6))
    tags = ["-DateTimeOriginal", "-GPSLatitude", "-GPSLongitude", "-Orientation"]
    command = [tool("exiftool"), "-n", "-s3", *tags, str(path)]

    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")

    assert said[0] == "2024:05:17 18:30:00"
    assert float(said[1].split()[0]) == pytest.approx(48 + 51.5 / 60)
    assert said[3] == "6"


@given(
    kind=st.sampled_from(sorted(MAKERS)),
    where=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=12),
    cut=st.integers(0, 4000),
)
@settings(max_examples=150, deadline=None)
def test_damage_never_raises(kind: str, where: list[tuple[int, int]], cut: int) -> None:
    """Whatever the bytes say, there is an answer, and a preview is a part of the file."""
    data = bytearray(MAKERS[kind](BIG, SMALL, 3))
    for at, value in where:
        data[at % len(data)] = value
    broken = bytes(data[: len(data) - cut % len(data)])

    found = read_preview(broken)

    assert isinstance(found, Preview)
    assert found.jpeg is None or found.jpeg in broken


def test_directories_in_circles_end() -> None:
    """A directory that names itself as its next is read once."""
    tiff = Tiff()
    at = tiff.directory([(0x14A, 4, [10, 10, 10])], 10)
    data = bytearray(tiff.done(at))
    struct.pack_into("<L", data, len(data) - 4, at)

    assert read_preview(bytes(data)).jpeg is None


def test_a_mark_is_of_both_ends(tmp_path: Path) -> None:
    """And of the size; what cannot be read has none."""
    marks = set()
    for middle, end in ((b"", b"x"), (b"", b"y"), (b".", b"x")):
        path = tmp_path / "a.nef"
        path.write_bytes(bytes(100_000) + middle + bytes(100_000) + end)
        marks.add(raw_mark(os.fsencode(path)))
    assert len(marks) == 3
    assert {len(mark) for mark in marks} == {16}
    os.mkfifo(tmp_path / "b.nef")
    for name in ("b.nef", "none.nef", ""):
        assert raw_mark(os.fsencode(tmp_path / name)) == b""


def test_a_raw_file_is_tried_again_under_a_name_that_says_what_it_is(home: Any) -> None:
    """Recovered without an ending it looks like a broken TIFF; renamed it is a photo."""
    (home.folder / "recovered0001").write_bytes(make_nef(jpeg(320, 240), jpeg(80, 60)))
    assert home.tag().failed == 1
    number = home.listed(failed=True)["recovered0001"].id
    (home.folder / "recovered0001").rename(home.folder / "a.nef")

    report = home.tag()
    assert (report.recognised, report.failed, report.missing) == (1, 0, 0)
    assert home.number("a.nef") == number


def test_a_raw_file_without_a_preview_says_when_and_where(home: Any) -> None:
    """It cannot be looked at, but its neighbours can use it."""
    raw = make_nef(jpeg(320, 240), jpeg(80, 60))
    (home.folder / "a.nef").write_bytes(raw.replace(b"\xff\xd8\xff", b"\0\0\0"))

    assert home.tag().failed == 1
    photo = home.listed(failed=True)["a.nef"]
    assert photo.gps is not None
    assert photo.taken is not None
