"""A manifest of what is kept can be read back, and never leads out of its folder."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from waymark.curate.clean_manifest import leading_out, write_manifest
from waymark.dataset.index import Dataset, read_dataset
from waymark.errors import ConfigError
from waymark.samples import SAMPLES, render, write_samples

ODD = ("=1+1", "-x", 'a, "b"', "two\nlines", "京都", "'=quoted")
UNFIT = (" blank ", "cut\rhere", os.fsdecode(b"latin-\xe9"))


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Return a dataset with odd names, splits and negatives."""
    root = tmp_path / "above" / "photos"
    root.mkdir(parents=True)
    render(SAMPLES[0], seed=0, size=(24, 16)).save(tmp_path / "photo.jpg")
    for split in ("train", "test"):
        for name in (*ODD, *UNFIT, "unknown"):
            folder = root / split / name
            folder.mkdir(parents=True)
            shutil.copy(tmp_path / "photo.jpg", folder / f"{name}.jpg")
    return read_dataset(root)


def keys(dataset: Dataset, root: Path) -> set[tuple[str, str, str | None]]:
    """Return path, label and split of each photo, and the negatives."""
    rows = {(os.path.relpath(p.path, root), p.label, p.split) for p in dataset.photos}
    negatives = zip(dataset.negatives, dataset.negative_splits, strict=True)
    return rows | {(os.path.relpath(path, root), "unknown", split) for path, split in negatives}


@pytest.mark.parametrize("place", ["clean.csv", "../clean.csv"])
def test_what_is_written_is_read_back(dataset: Dataset, place: str) -> None:
    """All that a table can hold; the rest is told. Photos are found from where it lies."""
    out = dataset.root / place
    missing = write_manifest(out, dataset)
    back = read_dataset(out)
    fit = {row for row in keys(dataset, dataset.root) if Path(row[0]).stem not in UNFIT}

    assert len(missing) == 2 * len(UNFIT)
    assert not back.skipped
    assert keys(back, dataset.root) == fit
    assert not list(dataset.root.parent.rglob(".*part"))


@pytest.mark.parametrize("place", ["../../aside/clean.csv", "train/clean.csv", "clean.txt"])
def test_a_manifest_never_points_upwards(dataset: Dataset, place: str) -> None:
    """Neither from beside the dataset nor from a folder in it; and it is a CSV."""
    out = dataset.root / place
    out.parent.mkdir(exist_ok=True)
    with pytest.raises(ConfigError):
        write_manifest(out, dataset)
    assert not out.exists()


def test_nothing_is_written_over(dataset: Dataset) -> None:
    """Not even a link that leads nowhere."""
    out = dataset.root / "clean.csv"
    out.symlink_to("nowhere")
    with pytest.raises(ConfigError, match="exists"):
        write_manifest(out, dataset)
    assert out.is_symlink()


def test_photos_that_lie_elsewhere_are_not_listed(dataset: Dataset, tmp_path: Path) -> None:
    """Negatives of another folder stay out of it, and are told."""
    elsewhere = replace(dataset, negatives=(tmp_path / "photo.jpg",), negative_splits=())
    missing = write_manifest(dataset.root / "clean.csv", elsewhere)
    assert "outside" in {row.path: row.reason for row in missing}[str(tmp_path / "photo.jpg")]


def test_links_that_lead_out_are_told(dataset: Dataset, tmp_path: Path) -> None:
    """Photos and folders that are links elsewhere; links within the dataset are its own."""
    folder = dataset.root / "train" / "京都"
    inner, outer = folder / "inner.jpg", folder / "outer.jpg"
    inner.symlink_to("京都.jpg")
    outer.symlink_to(tmp_path / "photo.jpg")
    (tmp_path / "more").mkdir()
    shutil.copy(tmp_path / "photo.jpg", tmp_path / "more" / "photo.jpg")
    (dataset.root / "train" / "linked").symlink_to(tmp_path / "more")
    linked = dataset.root / "train" / "linked" / "photo.jpg"

    assert set(leading_out(read_dataset(dataset.root))) == {str(outer), str(linked)}


def test_a_disk_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to do instead; nothing is left."""
    root = write_samples(tmp_path / "set", per_landmark=1, size=(48, 32))

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    dataset = read_dataset(root)
    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(ConfigError, match=r"read-only file system.*--materialise link"):
        write_manifest(root / "clean.csv", dataset)
