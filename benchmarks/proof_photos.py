"""Prove that no image file, however broken, gets past `waymark.photo` but as a `PhotoError`.

    python benchmarks/proof_photos.py --photos 10000

Hypothesis makes the files: small valid photos of every format (and of every mode that
Pillow writes), bent, spliced and cut; sound headers on noise; plain noise. Each is read
four ways. Warnings count as failures. Prints what became of the files, by format.
"""

from __future__ import annotations

import argparse
import base64
import io
import struct
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from PIL import Image

from waymark.errors import PhotoError
from waymark.photo import FORMATS, Limits, read_facts, read_photo, sniff

LIMITS = Limits(max_pixels=250_000)  # fields are bent to huge sizes: memory stays small
HEIC = Path(__file__).parent.parent / "tests" / "photos"
WAYS: tuple[dict[str, Any], ...] = ({}, {"min_side": 8}, {"allow_truncated": True})


def valid_photos() -> list[bytes]:
    """Render one small photo of every format and mode, with EXIF where it can be."""
    ramp = Image.linear_gradient("L").resize((40, 24))
    colour = Image.merge("RGB", (ramp, ramp.rotate(180), Image.effect_noise((40, 24), 60)))
    clear = colour.convert("RGBA")
    clear.putalpha(ramp)
    wide = ramp.convert("I").point(lambda v: v * 257).convert("I;16")
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769).update({0x9003: "2024:05:17 18:30:00", 0x9011: "+02:00"})
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 30.2), 3: "E", 4: (2.0, 17.0, 40.2)})
    made: list[tuple[Image.Image, str, dict[str, Any]]] = [
        (colour, "JPEG", {"exif": exif}),
        (colour, "JPEG", {"progressive": True}),
        (colour.convert("CMYK"), "JPEG", {}),
        (ramp, "JPEG", {"restart_marker_blocks": 2}),
        (colour, "MPO", {"save_all": True, "append_images": [colour]}),
        (colour, "PNG", {"exif": exif}),
        (clear, "PNG", {}),
        (wide, "PNG", {}),
        (colour.quantize(9), "PNG", {"transparency": 3}),
        (colour, "PNG", {"save_all": True, "append_images": [colour.rotate(180)]}),
        (colour, "WEBP", {"exif": exif}),
        (clear, "WEBP", {"lossless": True}),
        (colour, "WEBP", {"save_all": True, "append_images": [colour.rotate(180)]}),
        (colour, "TIFF", {"exif": exif}),
        (wide, "TIFF", {}),
        (ramp.convert("F"), "TIFF", {"compression": "tiff_lzw"}),
        (colour, "TIFF", {"compression": "jpeg"}),
        (ramp.convert("1"), "TIFF", {"compression": "group4"}),
        (colour, "TIFF", {"compression": "tiff_deflate", "big_tiff": True}),
        (colour, "BMP", {}),
        (colour.quantize(9), "BMP", {}),
        (colour.quantize(9), "GIF", {"save_all": True, "append_images": [colour.rotate(180)]}),
        (colour, "AVIF", {"exif": exif}),
        (clear, "AVIF", {}),
    ]
    photos = []
    for image, kind, options in made:
        file = io.BytesIO()
        image.save(file, kind, **options)
        photos.append(file.getvalue())
    # Pillow cannot write HEIC: three that libheif's own encoder made of a rendered picture.
    heic = ("orientation-1.heic", "orientation-6.heic", "alpha.heic")
    return photos + [(HEIC / name).read_bytes() for name in heic]


def image_files(photos: list[bytes]) -> st.SearchStrategy[bytes]:
    """Make broken image files: bent and cut valid ones, headers on noise, noise."""
    place = st.floats(0, 1, exclude_max=True)
    extreme = st.sampled_from([0, 1, 7, 127, 128, 255, 256, 32767, 65535, 2**31 - 1, 2**32 - 1])
    word = st.builds(
        lambda value, code: struct.pack(code, value & (2 ** (8 * struct.calcsize(code)) - 1)),
        extreme,
        st.sampled_from([">B", ">H", "<H", ">L", "<L"]),
    )
    patch = st.one_of(st.binary(min_size=1, max_size=6), word, st.just(b"\xff\xd9"))
    change = st.tuples(st.sampled_from(["set", "insert", "drop", "repeat"]), place, patch)
    bent = st.builds(
        _bend,
        st.sampled_from(photos),
        st.lists(change, max_size=5),
        st.one_of(st.just(1.0), st.just(1.0), place),
    )
    spliced = st.builds(
        lambda one, other, at, to: one[: int(at * len(one))] + other[int(to * len(other)) :],
        *(st.sampled_from(photos),) * 2,
        *(place,) * 2,
    )
    headed = st.builds(
        lambda photo, size, noise: photo[:size] + noise,
        st.sampled_from(photos),
        st.integers(2, 64),
        st.binary(max_size=400),
    )
    return st.one_of(bent, bent, bent, spliced, headed, st.binary(max_size=200))


def _bend(photo: bytes, changes: list[tuple[str, float, bytes]], keep: float) -> bytes:
    data = bytearray(photo)
    for how, place, patch in changes:
        # Half of the changes go into the first bytes, where the headers are.
        at = int(place * 2 * len(data)) if place < 0.5 else int((place - 0.5) * 2 * 64)
        at = min(max(at, 8), len(data))  # most keep their magic bytes
        if how == "set":
            data[at : at + len(patch)] = patch
        elif how == "insert":
            data[at:at] = patch
        elif how == "drop":
            del data[at : at + len(patch)]
        else:
            data[at:at] = data[at : at + 20 * len(patch)]
    return bytes(data[: int(keep * len(data))]) if keep < 1 else bytes(data)


def fate(data: bytes) -> str:
    """Read one file in every way; return what became of it. Raises if anything escapes."""
    results = []
    for way in WAYS:
        try:
            image = read_photo(data, limits=LIMITS, **way)
        except PhotoError as error:
            message = str(error)
            if not message.startswith("this photo: ") or "\n" in message:
                raise ValueError(f"not a message on one line: {message!r}") from error
            results.append(error.code)
        else:
            if image.mode != "RGB" or image.getexif() or image.info:
                raise ValueError(f"not a plain RGB image: {image.mode} {image.info}")
            results.append("read")
    try:
        read_facts(data, limits=LIMITS)
    except PhotoError:
        if results[0] == "read":
            raise
    return "read as truncated" if results[0] != "read" == results[2] else results[0]


def prove(photos: int, *, start: int = 0) -> tuple[Counter[tuple[str, str]], float]:
    """Read `photos` broken files; return what became of them and the slowest's seconds."""
    fates: Counter[tuple[str, str]] = Counter()
    slowest = 0.0

    @seed(start)
    @settings(
        max_examples=photos,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(image_files(valid_photos()))
    def read_each(data: bytes) -> None:
        nonlocal slowest
        started = time.perf_counter()
        try:
            what = fate(data)
        except Exception as error:
            error.add_note(f"the file, in base64: {base64.b64encode(data).decode()}")
            raise
        slowest = max(slowest, time.perf_counter() - started)
        fates[sniff(data[:32]) or "no photo", what] += 1

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_each()
    return fates, slowest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    fates, slowest = prove(options.photos, start=options.seed)
    outcomes = sorted({what for _, what in fates})
    print(f"{'format':10}", *(f"{what:>18}" for what in outcomes))
    for kind in [*FORMATS, "no photo"]:
        print(f"{kind:10}", *(f"{fates[kind, what]:18,}" for what in outcomes))
    print(f"{fates.total():,} files, nothing escaped; the slowest took {slowest * 1000:.0f} ms.")


if __name__ == "__main__":
    main()
