"""What was said of a RAW file or of its JPEG, when they come together and part."""

from __future__ import annotations

import os
import shutil
import struct
from io import BytesIO
from typing import Any

import pytest
from PIL import Image


def nef(colour: str) -> bytes:
    """Return a RAW file with a preview in a colour: a TIFF with one directory."""
    out = BytesIO()
    Image.new("RGB", (320, 240), colour).save(out, "JPEG")
    jpeg = out.getvalue()
    return struct.pack(
        ">4sLHHHLLHHLLL", b"MM\0*", 8, 2, 0x201, 4, 1, 38, 0x202, 4, 1, len(jpeg), 0
    ) + jpeg  # fmt: skip


JUDGED, NEW = ("corrected", "landmark-3"), "new"
RED, BLUE = nef("red"), nef("blue")


@pytest.mark.parametrize("raw_first", [True, False])
def test_raw_and_jpeg_share_what_was_said(home: Any, *, raw_first: bool) -> None:
    """Of either alone, when the other comes and it goes; the row stays."""
    jpeg_file = home.photo("a.jpg", 0)
    raw_file = home.folder / "a.NEF"
    raw = RED
    if raw_first:
        jpeg_file.unlink()
        raw_file.write_bytes(raw)
    home.tag()
    (first,) = home.listed().values()
    home.store.correct(first.id, "landmark-3")
    home.photo("a.jpg", 0)
    raw_file.write_bytes(raw)
    home.tag()
    assert home.said() == {"a.jpg": ("corrected", "landmark-3")}
    jpeg_file.unlink()
    report = home.tag()

    assert (report.missing, home.rows()) == (0, 1)
    assert home.said() == {"a.NEF": ("corrected", "landmark-3")}
    assert home.number("a.NEF") == first.id


@pytest.mark.parametrize("case", ["pair after RAW", "RAW after pair", "renumbered"])
def test_another_raw_file_of_that_name_gets_no_answer(home: Any, case: str) -> None:
    """Alone or with a JPEG, when that which was spoken of has gone, or has another name."""
    raw, still, other = (home.folder / name for name in ("1.nef", "1.jpg", "0.nef"))
    raw.write_bytes(RED)
    if case == "RAW after pair":
        home.photo("1.jpg", 1)
    home.tag()
    (number,) = (photo.id for photo in home.listed().values())
    home.store.correct(number, "landmark-3")
    if case == "renumbered":
        raw.rename(other)
    still.unlink(missing_ok=True)
    raw.unlink(missing_ok=True)
    raw.write_bytes(BLUE)
    if case != "RAW after pair":
        home.photo("1.jpg", 5)

    home.tag()
    found = home.said()
    assert found.pop("0.nef", JUDGED) == JUDGED
    assert [state for state, _ in found.values()] == [NEW]


@pytest.mark.parametrize("to", ["aa", "zz"])
def test_the_halves_of_a_pair_keep_its_answer_apart(home: Any, to: str) -> None:
    """Each in a folder of its own, or the RAW file elsewhere and the JPEG gone."""
    still, raw = home.photo("p/1.jpg", 5), home.folder / "p/1.nef"
    raw.write_bytes(RED)
    home.tag()
    home.store.correct(home.number("p/1.jpg"), "landmark-3")
    (home.folder / to).mkdir()
    still.rename(home.folder / to / "1.jpg")
    home.tag()
    assert home.said() == {f"{to}/1.jpg": JUDGED, "p/1.nef": JUDGED}
    (home.folder / to / "1.jpg").unlink()
    raw.rename(home.folder / to / "2.nef")
    home.tag()
    assert home.said() == {f"{to}/2.nef": JUDGED}
    home.store.undo_review()
    home.tag()
    assert home.said()[f"{to}/2.nef"][0] == NEW


def test_a_raw_file_brings_its_answer_to_its_jpeg(home: Any) -> None:
    """One that has been tagged already, and its copies; also one that was gone for a while."""
    still, raw = home.photo("j/1.jpg", 5), home.folder / "r.nef"
    shutil.copy(still, home.folder / "copy.jpg")
    raw.write_bytes(RED)
    home.tag()
    home.store.correct(home.number("r.nef"), "landmark-3")
    raw.rename(home.folder / "j/1.nef")
    assert home.tag().refreshed == 1
    assert home.said() == {"copy.jpg": JUDGED, "j/1.jpg": JUDGED}

    content = still.read_bytes()
    still.unlink()
    home.tag()
    home.store.not_a_landmark([home.number("j/1.nef")])
    still.write_bytes(content)
    home.tag()
    assert home.said()["j/1.jpg"][0] == "not-a-landmark"


@pytest.mark.parametrize("paired", [True, False])
def test_halves_with_answers_of_their_own_keep_them(home: Any, *, paired: bool) -> None:
    """When their names are exchanged, for a while or for good, or they meet for the first time."""
    still, other = home.photo("1.jpg", 5), home.photo("2.jpg", 6)
    raws = [home.folder / "1.nef", home.folder / ("2.nef" if paired else "3.nef")]
    for raw, content in zip(raws, (RED, BLUE), strict=True):
        raw.write_bytes(content)
    home.tag()
    home.store.correct(home.number("1.jpg"), "landmark-3")
    home.store.not_a_landmark([home.number("2.jpg" if paired else "3.nef")])
    before = home.said()["1.jpg"], home.said()["2.jpg" if paired else "3.nef"]
    still.rename(home.folder / "x.jpg")
    raws[0].rename(home.folder / "0.nef")
    raws[1].rename(home.folder / "x.nef")
    other.unlink()
    for _ in range(2):
        home.tag()
        assert home.said() == {"0.nef": before[0], "x.jpg": before[0]}
        os.utime(home.folder / "x.jpg", (5, 5))
    (home.folder / "x.jpg").rename(home.folder / "y.jpg")
    home.tag()
    assert home.said() == {"0.nef": before[0], "x.nef": before[1], "y.jpg": before[0]}


def test_pairs_of_before_get_their_marks(home: Any) -> None:
    """With the next run, which reads no photo; then either half has what was said."""
    home.photo("1.jpg", 5)
    (home.folder / "1.nef").write_bytes(RED)
    (home.folder / "2.tif").write_bytes(RED)  # by its name nobody knows that it is RAW
    home.tag()
    home.store.correct(home.number("1.jpg"), "landmark-3")
    for table in ("photo", "review"):
        home.store.connection.execute(f"UPDATE {table} SET raw_mark = NULL, picture = NULL")
    report = home.tag()
    assert (report.recognised, report.reused) == (0, 0)
    assert report.refreshed >= 1
    assert home.tag().unchanged == 2
    (home.folder / "1.jpg").unlink()
    home.tag()
    assert home.said()["1.nef"] == JUDGED
