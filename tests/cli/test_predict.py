"""`waymark predict`: what it prints, what it writes, and how it ends."""

from __future__ import annotations

import json
import os
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from waymark.bundle.format import write_bundle
from waymark.bundle.tiny import tiny_bundle
from waymark.cli import app


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Return the path of a tiny bundle."""
    write_bundle(tmp_path / "b.waymark", tiny_bundle(4))
    return tmp_path / "b.waymark"


def save_photo(path: Path, seed: int = 0) -> Path:
    """Write a small photo of coloured noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    Image.fromarray(blocks).resize((90, 70)).save(path, "PNG")
    return path


def predict(bundle: Path, *arguments: Any) -> Any:
    """Run `waymark predict` with a bundle."""
    return CliRunner().invoke(app, ["predict", "--bundle", str(bundle), *map(str, arguments)])


def test_json_is_one_object_a_line_in_the_order_given(bundle: Path, tmp_path: Path):
    """With the error of a photo that cannot be read in its place, and exit code 1."""
    paths = [save_photo(tmp_path / f"{name}.png", seed=i) for i, name in enumerate("cab")]
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"\xff\xd8\xff")

    done = predict(bundle, "--json", paths[0], bad, *paths[1:], "-k", 2)

    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 1
    assert [row["photo"] for row in rows] == [str(p) for p in (paths[0], bad, *paths[1:])]
    assert list(rows[1]) == ["photo", "error"]
    for row in (rows[0], *rows[2:]):
        assert list(row) == [
            "photo",
            "known",
            "unknown_score",
            "predictions",
            "category_predictions",
            "bundle",
        ]
        assert len(row["predictions"]) == 2
        assert row["predictions"][0]["local_name"].startswith("Wahrzeichen")


def test_folders_stand_for_the_photos_in_them(bundle: Path, tmp_path: Path):
    """At any depth, sorted, without what is no photo; and in the folder's place."""
    alone = save_photo(tmp_path / "z.png")
    folder = tmp_path / "trip"
    inside = [save_photo(folder / name) for name in ("a.png", "b/deep/er.png", "c.dat")]
    (folder / "notes.txt").write_text("no photo")

    done = predict(bundle, "--json", alone, folder, alone)

    assert done.exit_code == 0
    said = [json.loads(line)["photo"] for line in done.stdout.splitlines()]
    assert said[0] == said[-1] == str(alone)
    assert sorted(said[1:-1]) == sorted(map(str, inside))


def test_a_broken_photo_in_a_folder_is_not_passed_over(bundle: Path, tmp_path: Path):
    """It has its line, in its place, and the exit code is 1."""
    folder = tmp_path / "trip"
    photos = [save_photo(folder / name) for name in ("a.png", "c.png")]
    (folder / "b.jpg").write_bytes(b"")

    done = predict(bundle, "--json", folder)

    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 1
    assert [row["photo"] for row in rows] == [str(photos[0]), str(folder / "b.jpg"), str(photos[1])]
    assert "empty" in rows[1]["error"]


def test_a_broken_photo_is_called_as_its_folder_is(bundle: Path, tmp_path: Path):
    """A name in another form of Unicode than the usual one is a name, not a folder elsewhere."""
    folder = tmp_path / unicodedata.normalize("NFD", "Île")
    save_photo(folder / "a.png")
    (folder / "b.jpg").write_bytes(b"no photo")

    done = predict(bundle, "--json", folder)

    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["photo"] for row in rows] == [str(folder / "a.png"), str(folder / "b.jpg")]
    assert "not a photo" in rows[1]["error"]


def test_text_names_place_and_score(bundle: Path, tmp_path: Path):
    """Names in English and as they are called there; no bars when piped."""
    photo = save_photo(tmp_path / "p.png")

    done = predict(bundle, photo, "--unknown-threshold", 1)

    lines = done.stdout.splitlines()
    assert done.exit_code == 0
    assert lines[0] == str(photo)
    assert len(lines) == 5
    assert "Landmark" in lines[1]
    assert "(Wahrzeichen" in lines[1]
    assert "Testville, AQ" in lines[1]
    assert lines[1].endswith("%")
    assert "█" not in done.stdout


def test_categories_are_told_where_the_bundle_knows_them(tmp_path: Path, bundle: Path):
    """A line in the text, a list in the JSON, with test-time augmentation too; else null."""
    two = tmp_path / "two.waymark"
    write_bundle(two, tiny_bundle(4, categories=2))
    photo = save_photo(tmp_path / "p.png")

    for option in ([], ["--tta"], ["--fast"]):
        text = predict(two, photo, "--unknown-threshold", 1, *option).stdout
        row = json.loads(predict(two, photo, "--json", *option).stdout)["category_predictions"]
        first, second = row
        assert first["score"] + second["score"] == pytest.approx(1, abs=1e-5)
        assert text.splitlines()[-1] == "  category: " + ", ".join(
            f"{kind['category']} {kind['score']:.1%}" for kind in row
        )
    assert "category" not in predict(bundle, photo, "--unknown-threshold", 1).stdout
    assert json.loads(predict(bundle, photo, "--json").stdout)["category_predictions"] is None


def test_unknown_is_said_plainly(bundle: Path, tmp_path: Path):
    """With the nearest landmarks, so that one can judge."""
    done = predict(bundle, save_photo(tmp_path / "p.png"), "--unknown-threshold", 0)

    assert "unknown: no landmark I know (nearest: Landmark " in done.stdout
    assert done.exit_code == 0


def test_control_characters_in_names_are_escaped(bundle: Path, tmp_path: Path):
    """A file's name cannot steer the terminal, in text or in JSON."""
    photo = save_photo(tmp_path / "a\x1b[2Jb\n.png")

    text = predict(bundle, photo).stdout
    line = predict(bundle, photo, "--json").stdout

    assert "\x1b" not in text
    assert "a\\x1b[2Jb\\n.png" in text
    assert line.count("\n") == 1
    assert json.loads(line)["photo"] == str(photo)


@pytest.mark.skipif(os.name != "posix", reason="names of files are bytes on POSIX only")
def test_a_name_that_is_no_text_is_printed(bundle: Path, tmp_path: Path):
    """Linux allows any bytes as the name of a file."""
    photo = save_photo(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.png")))

    assert predict(bundle, photo).exit_code == 0
    done = predict(bundle, photo, "--json")
    assert json.loads(done.stdout)["photo"] == str(photo)


def test_explain_writes_a_heatmap_a_photo_and_overwrites_nothing(bundle: Path, tmp_path: Path):
    """Photos of one name, and earlier heatmaps, get numbers."""
    photos = [save_photo(tmp_path / folder / "p.png") for folder in ("a", "b")]
    out = tmp_path / "heat"

    done = predict(bundle, *photos, "--explain", out, "--json")
    predict(bundle, photos[0], "--explain", out)

    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == 2
    assert sorted(p.name for p in out.iterdir()) == ["p-2.png", "p-3.png", "p.png"]
    with Image.open(out / "p-2.png") as heat:
        assert heat.size == (90, 70)


def test_a_missing_photo_is_not_read(bundle: Path, tmp_path: Path):
    """It is an error of that photo: exit code 1, the others are done."""
    photo = save_photo(tmp_path / "p.png")

    done = predict(bundle, tmp_path / "missing.jpg", photo)

    assert done.exit_code == 1
    assert "cannot be read" in done.stdout
    assert str(photo) in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-k", "0"], "k is 0"),
        (["--unknown-threshold", "2"], "unknown threshold is 2"),
        (["--tta", "--fast"], "choose one"),
        (["--bundle", "nowhere.waymark"], "no bundle"),
    ],
)
def test_wrong_usage_ends_with_2_and_one_line(
    bundle: Path, tmp_path: Path, arguments: list[str], message: str
):
    """On stderr, without a traceback; nothing on stdout."""
    done = predict(bundle, save_photo(tmp_path / "p.png"), *arguments)

    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_empty_folder_is_wrong_usage(bundle: Path, tmp_path: Path):
    """There was nothing to do, which nobody can have meant."""
    (tmp_path / "empty").mkdir()

    done = predict(bundle, tmp_path / "empty")

    assert done.exit_code == 2
    assert "no photos in" in done.stderr


@pytest.mark.parametrize("option", ["--tta", "--fast", "--allow-truncated"])
def test_every_option_predicts(bundle: Path, tmp_path: Path, option: str):
    """Each setting gives an answer for a good photo."""
    assert predict(bundle, save_photo(tmp_path / "p.png"), option).exit_code == 0
