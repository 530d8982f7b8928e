"""Decoders give what the recogniser would make itself, and outlive hostile files."""

from __future__ import annotations

import io
import os
import signal
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from waymark.errors import PhotoTooLarge, TruncatedPhoto, UnreadablePhoto
from waymark.photo import read_photo
from waymark.recognise.recogniser import Recogniser
from waymark.recognise.views import photo_views
from waymark.serve import decoding
from waymark.serve.decoding import Decoders, setup_for


@pytest.fixture(scope="module")
def decoders(recogniser: Recogniser) -> Iterator[Decoders]:
    """Return decoders that take up to 20 megapixels and 20 seconds."""
    limit = 20_000_000
    made = Decoders(setup_for(recogniser, max_pixels=limit), max_pixels=limit, seconds=20)
    yield made
    made.close()


def png(width: int, height: int, rows: bytes | None = None) -> bytes:
    """Return a PNG of one grey, of any size, in a few kilobytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes((width + 1) * height) if rows is None else rows, 9)
    parts = [chunk(b"IHDR", head), chunk(b"IDAT", data), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("tta", [False, True])
def test_views_are_those_of_the_recogniser(
    recogniser: Recogniser, jpeg: Callable[..., bytes], tta: bool
) -> None:
    """A decoder's views are what this process makes of the same photo, to the last bit."""
    setup = replace(setup_for(recogniser, max_pixels=10**7), tta=tta)
    made = Decoders(setup, max_pixels=10**7, seconds=20)
    data = jpeg(3, (400, 300))
    try:
        found = made.decode(data)
        drawn = made.decode(data, facts=True, picture=True)
    finally:
        made.close()
    image = read_photo(data, min_side=recogniser.preprocess.min_side)
    np.testing.assert_array_equal(found.views, photo_views(image, recogniser.preprocess, tta=tta))
    np.testing.assert_array_equal(found.views, drawn.views)
    assert (found.size, found.gps, found.picture) == (None, None, None)
    assert drawn.size == (400, 300)
    assert drawn.picture is not None
    assert drawn.picture.size == (400, 300)


@pytest.mark.parametrize("name", ["orientation-6", "alpha"])
def test_heic_is_decoded_too(
    decoders: Decoders, recogniser: Recogniser, root: Path, name: str
) -> None:
    """By a helper of the decoder's own, within the decoder's limits."""
    data = (root / "tests" / "photos" / f"{name}.heic").read_bytes()
    image = read_photo(data, min_side=recogniser.preprocess.min_side)
    found = decoders.decode(data, facts=True)
    np.testing.assert_array_equal(found.views, photo_views(image, recogniser.preprocess))
    assert found.size == image.size


def test_pictures_are_small(decoders: Decoders, jpeg: Callable[..., bytes]) -> None:
    """What is drawn on has at most 1,024 px."""
    picture = decoders.decode(jpeg(size=(2000, 1500)), picture=True).picture
    assert picture is not None
    assert picture.size == (1024, 768)


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b"", UnreadablePhoto, "empty"),
        (b"hello", UnreadablePhoto, "not a photo"),
        (png(16, 16)[:-20], TruncatedPhoto, "missing"),
        (png(40_000, 40_000, b""), PhotoTooLarge, "at most 20,000,000"),
        (png(5000, 5000), PhotoTooLarge, "at most 20,000,000"),
    ],
)
def test_faults_are_told_as_everywhere(
    decoders: Decoders, data: bytes, kind: type[Exception], words: str
) -> None:
    """An error crosses from the process with its kind and its words."""
    with pytest.raises(kind, match=words):
        decoders.decode(data)


def test_large_photos_pass_one_by_one(decoders: Decoders) -> None:
    """Between 16 megapixels and the limit, a photo is decoded, when it is its turn."""
    found: list[Any] = []
    large = png(4_400, 4_400)
    threads = [
        threading.Thread(target=lambda: found.append(decoders.decode(large).views))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("seen", [True, False])
def test_a_decoder_killed_while_it_waits_costs_no_photo(
    decoders: Decoders, jpeg: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch, seen: bool
) -> None:
    """Another takes its next photo, also where it is found out only when it is spoken to."""
    decoders.decode(jpeg())
    before = set(decoders.pids)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    if not seen:
        monkeypatch.setattr(decoding._Process, "alive", True)
    for _ in before:
        assert decoders.decode(jpeg()).views.shape[0] == 1
    assert not before & set(decoders.pids)


def test_a_decoder_that_dies_costs_one_photo(
    recogniser: Recogniser, jpeg: Callable[..., bytes]
) -> None:
    """Gone with a photo in hand, it fails that one; the next gets a new process."""
    made = Decoders(setup_for(recogniser, max_pixels=10**6), max_pixels=10**6, seconds=20)
    try:
        made.decode(jpeg())
        (pid,) = made.pids
        os.kill(pid, signal.SIGSTOP)  # so that it has the photo when it dies
        killer = threading.Timer(0.3, os.kill, (pid, signal.SIGKILL))
        killer.start()
        with pytest.raises(UnreadablePhoto, match="crashed"):
            made.decode(jpeg())
        killer.join()
        assert made.decode(jpeg()).views.shape[0] == 1
        assert pid not in made.pids
    finally:
        made.close()


def test_a_decoder_that_stalls_is_killed(
    recogniser: Recogniser, jpeg: Callable[..., bytes]
) -> None:
    """A photo that takes too long is refused, and its process is gone."""
    made = Decoders(setup_for(recogniser, max_pixels=10**6), max_pixels=10**6, seconds=20)
    try:
        made.decode(jpeg())
        (pid,) = made.pids
        made._seconds = 0.2
        os.kill(pid, signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(UnreadablePhoto, match="longer than"):
            made.decode(jpeg())
        assert time.monotonic() - started < 15
        assert made.pids == []
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    finally:
        made.close()


def test_memory_of_a_decoder_is_bounded(recogniser: Recogniser, jpeg: Callable[..., bytes]) -> None:
    """A photo within the limit on pixels, but beyond that on memory, is refused as too large."""
    setup = replace(setup_for(recogniser, max_pixels=10**8), max_memory=300 * 2**20)
    made = Decoders(setup, max_pixels=10**8, seconds=60)
    file = io.BytesIO()
    Image.new("RGBA", (6_000, 6_000), (1, 2, 3, 4)).save(file, "PNG", compress_level=1)
    try:
        with pytest.raises((PhotoTooLarge, UnreadablePhoto)):
            made.decode(file.getvalue())
        assert made.decode(jpeg()).views.shape[0] == 1
    finally:
        made.close()


def test_decoders_write_no_file_and_see_no_token(
    decoders: Decoders, jpeg: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file may grow by a byte, no core dump is written, and the token is not handed on."""
    monkeypatch.setenv("WAYMARK_TOKEN", "open sesame")
    made = Decoders(decoders.setup, max_pixels=10**6, seconds=20)
    try:
        made.decode(jpeg())
        (pid,) = made.pids
        limits = Path(f"/proc/{pid}/limits").read_text(encoding="ascii")
        found = {line[:25].strip(): line[26:46].strip() for line in limits.splitlines()}
        assert found["Max file size"] == found["Max core file size"] == "0"
        assert found["Max address space"] != "unlimited"
        assert b"sesame" not in Path(f"/proc/{pid}/environ").read_bytes()
    finally:
        made.close()


def test_closing_ends_all(recogniser: Recogniser, jpeg: Callable[..., bytes]) -> None:
    """After `close` no process is left, and nothing new is started."""
    made = Decoders(setup_for(recogniser, max_pixels=10**6), max_pixels=10**6, seconds=20)
    made.warm(2)
    pids = made.pids
    made.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    with pytest.raises(UnreadablePhoto, match="stopping"):
        made.decode(jpeg())
