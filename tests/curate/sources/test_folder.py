"""Folders as other downloaders leave them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from waymark.curate.collect import Report, collect
from waymark.curate.sources.folder import Folder
from waymark.dataset.index import read_dataset
from waymark.errors import ConfigError


def take(folder: Path, out: Path, **wanted: Any) -> Report:
    """Collect from a folder."""
    return collect(Folder(folder=folder, **wanted), out)


@pytest.fixture
def folder(proof: Any, tmp_path: Path) -> Path:
    """Return a folder with photos, a text, a broken photo and a link to elsewhere."""
    root = tmp_path / "in"
    names = ["eiffel/0001.jpg", "eiffel/0002.jpg", "train/big_ben/x.jpeg", "big_ben_9.jpg"]
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(proof.photo(number))
    (root / "eiffel/0001.jpg.json").write_text("{}")
    (root / "eiffel/bad.jpg").write_bytes(b"oops")
    (root / "eiffel/half.jpg").write_bytes(proof.photo(9)[:3000])
    return root


def test_labels_from_folders(folder: Path, tmp_path: Path) -> None:
    """The folder above names a photo; the source stays as it is; a second run takes nothing."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    report = take(folder, tmp_path / "out", source="gallery", licence="CC0")
    photos = read_dataset(tmp_path / "out" / "manifest.csv").photos

    assert report.counts == {"eiffel": 2, "big_ben": 1}
    assert [p.split for p in photos if p.label == "big_ben"] == ["train"]
    assert {(p.source, p.licence) for p in photos} == {("gallery", "CC0")}
    assert {miss.reason.partition(" (")[0] for miss in report.failed} == {
        "named like a photo, but its content is not one",
        "the end of this JPEG is missing",
    }
    assert [miss.reason for miss in report.refused] == ["no label in its path"]
    assert take(folder, tmp_path / "out").taken == 0
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_labels_from_names(proof: Any, tmp_path: Path) -> None:
    """Named groups of a pattern become label, author and the like."""
    root = tmp_path / "in"
    root.mkdir()
    for number, name in enumerate(("big_ben__ann_001.jpg", "louvre__bo_7.jpg", "IMG_1.jpg")):
        (root / name).write_bytes(proof.photo(number))
    pattern = r"(?P<label>\w+?)__(?P<author>[a-z]+)_\d+\.jpg$"
    report = take(root, tmp_path / "out", pattern=pattern)
    photos = read_dataset(tmp_path / "out" / "manifest.csv").photos

    assert sorted((p.label, p.author) for p in photos) == [("big_ben", "ann"), ("louvre", "bo")]
    assert [miss.reason for miss in report.refused] == ["no label in its path"]


def test_a_file_that_goes_away(folder: Path, tmp_path: Path) -> None:
    """A photo that is removed while the run is on is said; the rest is taken."""
    gone = folder / "eiffel/0002.jpg"
    report = collect(
        Folder(folder=folder),
        tmp_path / "out",
        progress=lambda *_: gone.unlink(missing_ok=True),
    )

    assert "cannot be read (No such file or directory)" in {m.reason for m in report.failed}
    assert report.taken == 2


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(", "not a regular"),
        (r"\d+", "no group named label"),
        (r"(?P<label>.)(?P<x>.)", "named x"),
    ],
)
def test_patterns_that_do_not_work(pattern: str, words: str, tmp_path: Path) -> None:
    """The message says what the pattern lacks."""
    with pytest.raises(ConfigError, match=words):
        Folder(folder=tmp_path, pattern=pattern)


def test_no_folder(tmp_path: Path) -> None:
    """A path that is no folder is named."""
    with pytest.raises(ConfigError, match="not a folder"):
        Folder(folder=tmp_path / "gone")
