"""Facts from EXIF: right where they are right, absent where they make no sense."""

from __future__ import annotations

import math
import struct
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from waymark.photo_exif import ExifFacts, read_exif

TIME = datetime(2024, 5, 17, 18, 30, 5)


def block(
    *, main: dict[int, Any] | None = None, exif: dict[int, Any] | None = None, gps: Any = None
) -> bytes:
    """Write an EXIF block with Pillow, an independent writer."""
    made = Image.Exif()
    for tag, value in (main or {}).items():
        made[tag] = value
    made.get_ifd(0x8769).update(exif or {})
    made.get_ifd(0x8825).update(gps or {})
    return made.tobytes()


def rational_gps(lat: tuple[int, int], lon: tuple[int, int]) -> bytes:
    """Write a GPS directory with one rational a coordinate, of any two numbers."""
    head = b"II*\0" + struct.pack("<LHHHLLL", 8, 1, 0x8825, 4, 1, 26, 0)
    entries = [
        struct.pack("<HHL4s", 1, 2, 2, b"N\0"),
        struct.pack("<HHLL", 2, 5, 1, 80),
        struct.pack("<HHL4s", 3, 2, 2, b"E\0"),
        struct.pack("<HHLL", 4, 5, 1, 88),
    ]
    directory = struct.pack("<H", 4) + b"".join(entries) + struct.pack("<L", 0)
    return head + directory + struct.pack("<LLLL", *lat, *lon)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_read_in_both_byte_orders(orientation, order):
    """The eight orientations come back, whichever way the bytes run."""
    made = Image.Exif()
    made.endian = order
    made[0x0112] = orientation

    assert read_exif(made.tobytes()).orientation == orientation


@pytest.mark.parametrize("orientation", [0, 9, 255, 65535])
def test_an_impossible_orientation_is_upright(orientation):
    """A number that EXIF does not define turns nothing."""
    assert read_exif(block(main={0x0112: orientation})).orientation == 1


@pytest.mark.parametrize(
    ("text", "offset", "taken"),
    [
        ("2024:05:17 18:30:05", None, TIME),
        ("2024-05-17T18:30:05", None, TIME),
        ("2024:05:17 18:30:05", "+02:00", TIME.replace(tzinfo=timezone(timedelta(hours=2)))),
        (
            "2024:05:17 18:30:05",
            "-09:30",
            TIME.replace(tzinfo=timezone(-timedelta(hours=9, minutes=30))),
        ),
        ("2024:05:17 18:30:05", "Z", TIME.replace(tzinfo=UTC)),
        ("2024:05:17 18:30:05", "+99:00", TIME),
        ("2024:05:17 18:30:05", "soon", TIME),
        ("0000:00:00 00:00:00", None, None),
        ("2024:13:45 18:30:05", None, None),
        ("    :  :     :  :  ", None, None),
        ("yesterday", "+02:00", None),
    ],
)
def test_capture_time(text, offset, taken):
    """The time is aware only with a sound offset, and absent unless it is a time."""
    exif = {0x9003: text} | ({0x9011: offset} if offset else {})

    assert read_exif(block(exif=exif)).taken == taken


def test_the_time_a_file_was_changed_is_no_capture_time():
    """DateTime (of the last change) does not stand in for DateTimeOriginal."""
    assert read_exif(block(main={0x0132: "2024:05:17 18:30:05"})).taken is None


@pytest.mark.parametrize(
    ("lat_ref", "lon_ref", "signs"),
    [("N", "E", (1, 1)), ("S", "E", (-1, 1)), ("N", "W", (1, -1)), ("s", "w", (-1, -1))],
)
def test_place_is_signed_by_its_hemispheres(lat_ref, lon_ref, signs):
    """Degrees, minutes and seconds become decimals, south and west negative."""
    gps = {1: lat_ref, 2: (48.0, 51.0, 30.24), 3: lon_ref, 4: (2.0, 17.0, 40.2)}
    place = read_exif(block(gps=gps)).gps

    assert place == pytest.approx((signs[0] * 48.8584, signs[1] * 2.2945))


@pytest.mark.parametrize(
    "gps",
    [
        {1: "N", 2: (91.0, 0.0, 0.0), 3: "E", 4: (2.0, 0.0, 0.0)},
        {1: "N", 2: (90.0, 0.0, 1.0), 3: "E", 4: (2.0, 0.0, 0.0)},
        {1: "N", 2: (48.0, 0.0, 0.0), 3: "E", 4: (180.0, 30.0, 0.0)},
        {1: "N", 2: (48.0, 60.0, 0.0), 3: "E", 4: (2.0, 0.0, 0.0)},
        {1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)},
        {1: "E", 2: (48.0, 0.0, 0.0), 3: "N", 4: (2.0, 0.0, 0.0)},
        {2: (48.0, 0.0, 0.0), 4: (2.0, 0.0, 0.0)},
        {1: "N", 2: (48.0, 0.0, 0.0)},
        {},
    ],
    ids=["lat>90", "lat>90 by 1s", "lon>180", "60 min", "0,0", "refs", "no refs", "no lon", "none"],
)
def test_a_place_that_cannot_be_is_none(gps):
    """Out of range, without a hemisphere, half, or exactly 0, 0: no place."""
    assert read_exif(block(gps=gps)).gps is None


def test_a_zero_denominator_is_no_place():
    """Fractions over zero neither raise nor become a place."""
    assert read_exif(rational_gps((48, 1), (2, 1))).gps == (48, 2)
    assert read_exif(rational_gps((48, 0), (2, 1))).gps is None
    assert read_exif(rational_gps((0, 0), (0, 0))).gps is None


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_noise_has_no_facts(noise):
    """Whatever follows a TIFF header, nothing is raised and every fact is possible."""
    for data in (noise, b"Exif\0\0II*\0\x08\0\0\0" + noise, b"MM\0*\0\0\0\x08" + noise):
        facts = read_exif(data)
        assert 1 <= facts.orientation <= 8
        assert facts.gps is None or all(map(math.isfinite, facts.gps))


@settings(deadline=None)
@given(st.data())
def test_a_bent_block_never_raises(data):
    """Any few changed bytes, and any cut, leave facts or none."""
    whole = block(
        main={0x0112: 6},
        exif={0x9003: "2024:05:17 18:30:05", 0x9011: "+02:00"},
        gps={1: "N", 2: (48.0, 51.0, 30.24), 3: "E", 4: (2.0, 17.0, 40.2)},
    )
    bent = bytearray(whole)
    for at, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(bent) - 1), st.integers(0, 255)), max_size=8)
    ):
        bent[at] = value
    facts = read_exif(bytes(bent[: data.draw(st.integers(0, len(bent)))]))

    assert 1 <= facts.orientation <= 8
    assert facts.gps is None or (abs(facts.gps[0]) <= 90 and abs(facts.gps[1]) <= 180)


def test_nothing_in_nothing():
    """An empty block has the default facts."""
    assert read_exif(b"") == ExifFacts() == read_exif(b"Exif\0\0" * 3)
