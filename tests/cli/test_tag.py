"""`waymark tag` and `waymark library`: what they print, what they write, how they end."""

from __future__ import annotations

import csv
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from waymark.bundle.format import write_bundle
from waymark.bundle.tiny import tiny_bundle
from waymark.cli import app
from waymark.cli.tag_progress import Rate, rated_lines


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a folder with a bundle and four photos, one of them broken."""
    write_bundle(tmp_path / "b.waymark", tiny_bundle(4))
    (tmp_path / "photos").mkdir()
    for seed in range(3):
        blocks = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
        image = Image.fromarray(blocks).resize((90, 70))
        exif = image.getexif()
        exif.get_ifd(0x8769)[0x9003] = f"202{seed}:05:17 18:30:00"
        image.save(tmp_path / "photos" / f"{seed}.jpg", exif=exif)
    (tmp_path / "photos" / "bad.jpg").write_bytes(b"\xff\xd8\xff")
    return tmp_path


def waymark(home: Path, *words: Any, code: int = 0) -> Any:
    """Run a command on the library in `home`; it must end with `code`."""
    arguments = [*map(str, words), "--library", str(home / "l.sqlite")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == code, done.output
    return done


def tag(home: Path, *options: Any) -> Any:
    """Tag the photos, so that nothing is unknown."""
    bundle = ("--bundle", home / "b.waymark", "--unknown-threshold", 1)
    return waymark(home, "tag", home / "photos", *bundle, *options, code=1)


def test_tag_sums_up(home: Path) -> None:
    """What was done, what could not be read, and where it is kept; then that nothing is new."""
    first = tag(home).stdout
    assert "4 photos: 3 recognised" in first
    assert "1 photo cannot be read" in first
    assert str(home / "l.sqlite") in first
    assert "0 recognised, 4 unchanged" in tag(home).stdout


def test_tag_gives_the_photos_as_json_and_csv(home: Path) -> None:
    """The broken one among them; the summary goes to stderr."""
    done = tag(home, "--json", "--csv", home / "out.csv")

    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(row["photo"]).name for row in rows] == ["0.jpg", "1.jpg", "2.jpg", "bad.jpg"]
    assert all(row["landmark"]["place"] == "Testville" for row in rows[:3])
    assert rows[3]["error"]
    assert "3 recognised" in done.stderr
    with (home / "out.csv").open() as file:
        assert [row["landmark"] for row in csv.DictReader(file)][:3] == [
            row["landmark"]["id"] for row in rows[:3]
        ]


def test_tag_tells_of_what_it_was_given(home: Path) -> None:
    """A photo behind a link is listed; what is no photo is named, and is no success."""
    bundle = ("--bundle", home / "b.waymark")
    (home / "link").symlink_to(home / "photos")
    done = waymark(home, "tag", home / "link" / "0.jpg", *bundle, "--json")
    assert [Path(json.loads(line)["photo"]).name for line in done.stdout.splitlines()] == ["0.jpg"]
    (home / "in").mkdir()
    (home / "in" / "link").symlink_to(home / "photos")
    done = waymark(home, "tag", home / "in", *bundle, "--json", code=1)
    assert len(done.stdout.splitlines()) == 4
    (home / "notes.txt").write_text("no photo")
    (home / "a.orf").write_text("raw")
    done = waymark(home, "tag", home / "notes.txt", home / "a.orf", *bundle, code=1)
    assert "notes.txt: is no photo" in done.stderr
    assert "1 RAW file of another maker" in done.stdout


def test_the_last_bundle_is_used_again(home: Path) -> None:
    """Until another is named; one that is gone is missed by name."""
    tag(home)
    again = waymark(home, "tag", home / "photos", "--unknown-threshold", 1, code=1).stdout
    assert "0 recognised, 4 unchanged" in again
    assert f"bundle: {home / 'b.waymark'} (" in again
    (home / "b.waymark").unlink()
    done = CliRunner().invoke(
        app, ["tag", str(home / "photos"), "--library", str(home / "l.sqlite")]
    )
    assert done.exit_code == 2
    assert "b.waymark" in done.stderr
    assert "the bundle of this library's last run; name another by --bundle" in " ".join(
        done.stderr.split()
    )


def test_a_bundle_that_cannot_be_loaded_is_not_the_last(home: Path) -> None:
    """The next run that names none is with the one before."""
    tag(home)
    (home / "bad.waymark").write_bytes(b"no bundle")
    done = waymark(home, "tag", home / "photos", "--bundle", home / "bad.waymark", code=2)
    assert "last run" not in done.stderr
    again = waymark(home, "tag", home / "photos", "--unknown-threshold", 1, code=1).stdout
    assert f"bundle: {home / 'b.waymark'} (" in again


def test_a_path_that_the_library_does_not_know_is_told(home: Path) -> None:
    """And a bar that no photo can reach is a wrong usage."""
    tag(home)
    done = waymark(home, "library", "list", "--path", home / "photos", "--path", home / "typo")
    assert len(done.stdout.splitlines()) >= 4
    assert done.stderr.split() == f"nothing of the library is below {home / 'typo'}".split()
    done = waymark(home, "library", "export", home / "o.csv", "--path", home / "typo")
    assert "nothing of the library is below" in done.stderr
    for option in ("--min-score", "--max-score"):
        refused = waymark(home, "library", "list", option, 5, code=2).stderr
        assert "must be from 0 to 1" in " ".join(refused.split())


def test_a_typo_makes_no_library(home: Path) -> None:
    """Nor does it load anything."""
    done = CliRunner().invoke(app, ["tag", str(home / "photo"), "--library", str(home / "new")])
    assert done.exit_code == 2
    assert not (home / "new").exists()


@pytest.mark.parametrize(
    ("options", "years"),
    [
        (("--since", "2021"), "2021 2022"),
        (("--until", "2021"), "2020 2021"),
        (("--since", "2020-06", "--until", "2021-05"), "2021"),
        (("--since", "2022-05-17", "--until", "2022-05-17"), "2022"),
    ],
)
def test_days_months_and_years(home: Path, options: tuple[str, ...], years: str) -> None:
    """From the first of them to the last."""
    tag(home)
    lines = waymark(home, "library", "list", *options).stdout.splitlines()
    assert " ".join(line[:4] for line in lines) == years


def test_what_is_not_there_is_said_kindly(home: Path) -> None:
    """A search that finds nothing is no error; a name that is misspelt is, with the right one."""
    tag(home)
    assert "no photos" in waymark(home, "library", "search", "zzzz qqqq").stderr
    list_ = ["library", "list", "--library", str(home / "l.sqlite")]
    wrong = CliRunner().invoke(app, [*list_, "--place", "Testvile"])
    assert "did you mean 'Testville'?" in wrong.stderr
    for day in ("2023-13", "yesterday", "2023-1-1-1"):
        done = CliRunner().invoke(app, [*list_, "--since", day])
        assert "a day, a month or a year" in done.stderr


def test_tag_says_when_settings_decide_on_all_of_the_library(home: Path) -> None:
    """They are not those of one folder; said once, when they change."""
    assert "whole library" not in tag(home).stdout
    assert "whole library" in tag(home, "--no-context").stdout
    assert "whole library" not in tag(home, "--no-context").stdout


def test_lists_and_pages(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line a photo; the last line says how to go on, and that goes on."""
    tag(home)
    *lines, reason = waymark(home, "library", "list").stdout.splitlines()
    assert len(lines) == 4
    assert reason.startswith("    the end of this JPEG")
    monkeypatch.setattr(sys, "argv", ["waymark", "library", "list", "--after", "1,2", "-n", "2"])
    first = waymark(home, "library", "list", "--place", "testville", "-n", 2)
    assert [line[:4] for line in first.stdout.splitlines()] == ["2020", "2021"]
    given = shlex.split(first.stderr.partition(": ")[2])
    second = waymark(home, "library", "list", "--place", "testville", given[-1])
    assert [line[:4] for line in second.stdout.splitlines()] == ["2022"]
    failed = waymark(home, "library", "list", "--failed").stdout
    assert "cannot be read" in failed
    found = waymark(home, "library", "search", "wahrzeichen", "--since", "2021-01-01", "--json")
    assert [json.loads(line)["taken"][:4] for line in found.stdout.splitlines()] == ["2021", "2022"]


def test_stats_and_export(home: Path) -> None:
    """Numbers to read and as JSON; a map of what was asked for."""
    tag(home)
    assert "landmarks" in waymark(home, "library", "stats").stdout
    assert json.loads(waymark(home, "library", "stats", "--json").stdout)["known"] == 3
    waymark(home, "library", "export", home / "map.geojson", "--until", "2021-12-31")
    features = json.loads((home / "map.geojson").read_text())["features"]
    assert len(features) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("library", "list", "--after", "x"), "--after"),
        (("library", "list", "--after=99999999999999999999999,1"), "--after"),
        (("library", "list", "--after=--5,3"), "--after"),
        (("library", "list", "--after", "²,1"), "--after"),
        (("library", "list", "--state", "maybe"), "approved"),
        (("library", "list", "--landmark", "atlantis"), "atlantis"),
        (("library", "export", "a.xlsx"), "geojson"),
        (("tag", "no-such-folder"), "no-such-folder"),
        (("tag", "s3://bucket/photos"), "address"),
    ],
)
def test_wrong_usage_is_one_line(home: Path, words: tuple[str, ...], said: str) -> None:
    """It names what was given, and what to do."""
    tag(home)
    done = waymark(home, *words, code=2)
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_table_takes_no_photos_place(home: Path) -> None:
    """`--csv *.jpg` names the first photo; nothing is tagged before that is said."""
    photos = sorted((home / "photos").glob("?.jpg"))
    before = photos[0].read_bytes()
    done = waymark(home, "tag", "--csv", *photos, code=2)
    assert "0.jpg is there and is no CSV" in done.stderr
    assert photos[0].read_bytes() == before
    assert waymark(home, "library", "stats", "--json").stdout.startswith('{"photos": 0')
    done = waymark(home, "library", "export", home / "l.sqlite", "--format", "csv", code=2)
    assert "no CSV" in done.stderr


def test_any_terminal_will_do(home: Path) -> None:
    """Names that its encoding has not are escaped."""
    (home / "photos" / "0.jpg").rename(
        home / "photos" / "caf\N{LATIN SMALL LETTER E WITH ACUTE}.jpg"
    )
    tag(home)
    words = [sys.executable, "-m", "waymark", "library", "list", "--library", home / "l.sqlite"]
    plain = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(words, env=plain, capture_output=True, text=True, check=True)
    assert "caf\\xe9.jpg" in done.stdout


def test_forget_is_dry_unless_asked(home: Path) -> None:
    """It lists what is gone, then forgets that; what is there stays."""
    tag(home)
    shutil.rmtree(home / "photos")
    done = waymark(home, "library", "forget", home / "photos")
    assert [Path(line).name for line in done.stdout.splitlines()] == [
        "0.jpg",
        "1.jpg",
        "2.jpg",
        "bad.jpg",
    ]
    assert "4 photos gone" in done.stderr
    done = waymark(home, "library", "forget", home / "photos" / "0.jpg", "--apply")
    assert done.stdout == "1 photo forgotten\n"
    waymark(home, "library", "forget", home, "--apply")
    assert waymark(home, "library", "list", "--missing").stdout == ""


def test_looking_makes_no_library(home: Path) -> None:
    """The message names the command that does."""
    done = waymark(home, "library", "stats", code=2)
    assert "waymark tag" in done.stderr
    assert not (home / "l.sqlite").exists()


def test_pace_and_time_left() -> None:
    """Over the last seconds, not since the beginning."""
    now = 0.0
    rate = Rate(lambda: now)
    assert rate.words(0, 100) == ""
    now = 10.0
    assert rate.words(20, 100) == "2.0 photos/s, 0:00:40 left"
    assert rate.words(20, 0) == "2 photos/s"


def test_piped_progress_is_a_line_now_and_then() -> None:
    """With the pace in it."""
    now, lines = 0.0, list[str]()
    progress = rated_lines(lines.append, every=5.0, clock=lambda: now)
    for done in range(0, 101, 10):
        progress(done, 100, "tagging photos")
        now += 1.0
    assert lines == [
        "tagging photos: 50/100, 10.0 photos/s, 0:00:05 left",
        "tagging photos: 100/100, 10.0 photos/s, 0:00:00 left",
    ]
