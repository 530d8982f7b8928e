"""int8's scales are measured on the same photos every time, evenly over the landmarks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from waymark.bundle.calibrate import even, photos_of_folder, photos_of_run, prepared
from waymark.bundle.manifest import Manifest
from waymark.bundle.tiny import tiny_bundle
from waymark.dataset.index import read_dataset
from waymark.dataset.split import split_dataset, write_split
from waymark.errors import DatasetError
from waymark.preprocess import Preprocess
from waymark.samples import DISTRACTORS, SAMPLES, write_samples


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a dataset of three landmarks, ten photos each."""
    return write_samples(tmp_path / "photos", per_landmark=10, names=SAMPLES[:3], size=(48, 32))


def manifest(command: str) -> Manifest:
    """Return a manifest that remembers a command."""
    return replace(tiny_bundle(3).manifest, provenance={"command": command})


def run_of(photos: Path, tmp_path: Path, *, negatives: Path | None = None) -> tuple[Path, set[str]]:
    """Return a run's folder with the split of a dataset, and its training photos."""
    dataset = read_dataset(photos, negatives=negatives)
    split = split_dataset(dataset, val=0.3, groups=range(30 + len(dataset.negatives)))
    folder = tmp_path / "run"
    folder.mkdir()
    write_split(folder / "split.csv", split)
    return folder, {str(p.path) for p in split.photos if p.split == "train"}


def test_every_start_is_even_over_the_labels() -> None:
    """Of one large label and two small ones, the small ones are used up first."""
    pairs = [(Path(f"{label}{i}"), label) for label, n in (("a", 9), ("b", 3)) for i in range(n)]

    order = [path.name[0] for path in even(pairs)]

    assert sorted(order[:6]) == ["a", "a", "a", "b", "b", "b"]
    assert sorted(order) == sorted(label for _, label in pairs)
    assert even(pairs) == even(pairs)
    assert even(pairs, seed=1) != even(pairs)


def test_a_run_gives_its_own_training_photos(photos: Path, tmp_path: Path) -> None:
    """None that were held out, and no negatives."""
    others = write_samples(tmp_path / "none", per_landmark=2, names=DISTRACTORS[:1], size=(48, 32))
    folder, trained = run_of(photos, tmp_path, negatives=others)

    found = photos_of_run(folder, manifest(f"waymark train '{photos}' --out {folder}"))

    assert {str(path) for path in found} == trained
    assert {path.parent.name for path in found[:3]} == set(SAMPLES[:3])


def test_a_manifest_stands_for_the_folder_that_it_is_in(photos: Path, tmp_path: Path) -> None:
    """Paths in split.csv start there."""
    folder, trained = run_of(photos, tmp_path)
    (photos / "photos.csv").write_text("path,label\n")

    found = photos_of_run(folder, manifest(f"waymark train {photos / 'photos.csv'}"))

    assert {str(path) for path in found} == trained


@pytest.mark.parametrize("command", ["", "waymark train gone", "an 'open quote"])
def test_photos_that_are_elsewhere_are_an_error(photos: Path, tmp_path: Path, command: str) -> None:
    """Which names the option."""
    folder, _ = run_of(photos, tmp_path)

    with pytest.raises(DatasetError, match="--photos"):
        photos_of_run(folder, manifest(command))


def test_a_folder_gives_all_its_photos(photos: Path) -> None:
    """At any depth, evenly over its folders."""
    found = photos_of_folder(photos.parent)

    assert len(found) == 30
    assert {path.parent.name for path in found[:3]} == set(SAMPLES[:3])


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    """With what the option wants."""
    with pytest.raises(DatasetError, match="--photos"):
        photos_of_folder(tmp_path)


def test_what_cannot_be_read_is_passed_over(photos: Path) -> None:
    """Others come in its place, up to the number that is wanted."""
    (photos / SAMPLES[0] / "000.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    told: list[tuple[int, int, str]] = []

    batches = prepared(
        sorted(photos.rglob("*.jpg")),
        Preprocess(size=32),
        count=20,
        progress=lambda done, total, what: told.append((done, total, what)),
    )

    assert sum(map(len, batches)) == 20
    assert batches[0].shape[1:] == (3, 32, 32)
    assert told[-1] == (20, 20, "reading photos")


def test_nothing_readable_is_an_error(photos: Path) -> None:
    """Scales cannot be measured on nothing."""
    for path in photos.rglob("*.jpg"):
        path.write_bytes(b"\xff\xd8\xff\xe0 no more")

    with pytest.raises(DatasetError, match="none of the photos"):
        prepared(photos.rglob("*.jpg"), Preprocess(size=32))
