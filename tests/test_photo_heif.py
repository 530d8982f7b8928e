"""HEIC is decoded by a helper process, so that a crash of its decoder costs one photo."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from waymark import photo_heif
from waymark.errors import UnreadablePhoto, WaymarkError
from waymark.photo import read_facts, read_photo

HEIC = sorted((Path(__file__).parent / "photos").glob("*.heic"))


def test_a_photo_whose_decoder_dies_is_unreadable_and_the_next_one_is_read() -> None:
    """A helper that is killed means an error of ours; the next photo gets a new helper."""
    read_photo(HEIC[0])
    photo_heif._idle[-1]._process.kill()

    with pytest.raises(UnreadablePhoto, match="crashed"):
        read_photo(HEIC[0])
    assert read_photo(HEIC[0]).size == read_photo(HEIC[0]).size


def test_bent_headers_never_take_the_program_down() -> None:
    """Of 600 bent files some crash libheif; each ends in an image or an error of ours."""
    for number in range(600):
        rng = random.Random(number)
        bent = bytearray(rng.choice(HEIC).read_bytes())
        for _ in range(rng.randint(1, 6)):
            place = rng.randrange(min(len(bent), rng.choice((200, 500, 1000))))
            bent[place] = rng.choice((0, 1, 255, 127, 128, rng.randrange(256)))
        for read in (read_photo, read_facts):
            try:
                read(bytes(bent))
            except WaymarkError:
                continue


def test_one_helper_serves_photo_after_photo() -> None:
    """Reading one after the other starts no second process."""
    read_photo(HEIC[0])
    helper = photo_heif._idle[-1]
    for path in HEIC:
        read_photo(path)

    assert photo_heif._idle[-1] is helper


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_forked_process_starts_its_own_helper() -> None:
    """Two processes never talk to the same helper."""
    read_photo(HEIC[0])
    kept = list(photo_heif._idle)
    photo_heif._after_fork()
    try:
        assert photo_heif._idle == []
    finally:
        photo_heif._idle.extend(kept)
        photo_heif._others.clear()
