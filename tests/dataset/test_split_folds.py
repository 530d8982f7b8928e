"""Folds: every photo is chosen on once, nothing leaks, and tables say it again."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from waymark.dataset.folders import materialise_split
from waymark.dataset.index import Dataset, Photo, read_dataset
from waymark.dataset.split import write_split
from waymark.dataset.split_folds import fold_dataset
from waymark.errors import ConfigError
from waymark.gazetteer import Landmark

ROOT = Path("/photos")


def dataset(counts: dict[str, int], negatives: int = 0) -> Dataset:
    """Make a dataset without files."""
    photos = tuple(
        Photo(path=ROOT / label / f"{i}.jpg", label=label)
        for label, count in counts.items()
        for i in range(count)
    )
    return Dataset(
        root=ROOT,
        name="photos",
        photos=photos,
        negatives=tuple(ROOT / f"unknown/{i}.jpg" for i in range(negatives)),
        landmarks={label: Landmark(id=label, name=label) for label in counts},
    )


@given(
    sizes=st.lists(st.integers(12, 30), min_size=2, max_size=4),
    groups=st.integers(8, 40),
    k=st.integers(2, 5),
    test=st.sampled_from([0.0, 0.2, 2]),
    seed=st.integers(0, 50),
)
@settings(max_examples=60, deadline=None)
def test_folds_cover_all_and_part_no_group(sizes, groups, k, test, seed) -> None:
    """Each photo outside the test is in val exactly once; groups are on one side every time."""
    data = dataset({f"l{i}": size for i, size in enumerate(sizes)}, negatives=7)
    numbers = np.random.default_rng(seed).integers(0, groups, len(data.photos)).tolist()
    assume(len(data.photos) >= 12 * k)

    folds = fold_dataset(data, k=k, test=test, seed=seed, groups=numbers)

    times: Counter[Path] = Counter()
    for fold in range(k):
        part = folds.part(fold)
        sides = defaultdict(set)
        for photo, number in zip(part.photos, numbers, strict=True):
            sides[number].add(photo.split)
            times[photo.path] += photo.split == "val"
        assert all(len(side) == 1 for side in sides.values())
        assert {p.path for p in part.photos if p.split == "test"} == {
            p.path for p in folds.dataset.photos if p.split == "test"
        }
    tested = {photo.path for photo in folds.dataset.photos if photo.split == "test"}
    assert all(times[p.path] == (p.path not in tested) for p in data.photos)


def test_folds_are_like_each_other() -> None:
    """Each landmark, and the negatives, are spread evenly; the test is kept apart."""
    data = dataset({"a": 50, "b": 25}, negatives=10)

    folds = fold_dataset(data, k=4, test=0.2, groups=range(85))

    counts = [folds.part(fold).of_split("val").counts() for fold in range(4)]
    assert counts == [{"a": 10, "b": 5}] * 4
    assert folds.part(0).of_split("test").counts() == {"a": 10, "b": 5}
    assert np.bincount(folds.numbers[75:][folds.numbers[75:] >= 0]).tolist() == [2] * 4


def test_a_validation_split_joins_the_pool() -> None:
    """What was for choosing is dealt out again; a given test split stays."""
    data = dataset({"a": 30})
    splits = ["train"] * 10 + ["val"] * 10 + ["test"] * 10
    photos = (replace(p, split=s) for p, s in zip(data.photos, splits, strict=True))
    data = replace(data, photos=tuple(photos))

    folds = fold_dataset(data, k=5, test=0.5, groups=range(30))

    assert (folds.numbers[:20] >= 0).all()
    assert (folds.numbers[20:] == -1).all()


def test_tables_and_folders_are_read_back(save, draw, tmp_path: Path) -> None:
    """Each table, and each set of folders, is the dataset with that fold's splits."""
    for label in ("mill", "tower"):
        for number in range(6):
            save(f"data/{label}/{number}.jpg")
    save("data/mill/copy.png", draw(1))
    save("data/mill/copy-2.png", draw(1))
    save("data/unknown/1.jpg")
    data = read_dataset(tmp_path / "data")
    folds = fold_dataset(data, k=3, test=1)

    for fold in range(3):
        part = folds.part(fold)
        write_split(data.root / f"fold-{fold + 1}.csv", part, folds=folds.numbers.tolist())
        again = read_dataset(data.root / f"fold-{fold + 1}.csv")
        assert again.photos == part.photos
        assert again.negative_splits == part.negative_splits
        materialise_split(part, tmp_path / f"{fold}", how="link")
        laid = read_dataset(tmp_path / f"{fold}")
        assert Counter((p.label, p.split) for p in laid.photos) == Counter(
            (p.label, p.split) for p in part.photos
        )
    header, *rows = (data.root / "fold-2.csv").read_text().splitlines()
    assert header == "path,label,split,group,fold"
    for row in rows:
        _, _, split, _, fold = row.split(",")
        assert split == ("test" if not fold else "val" if fold == "2" else "train")


@pytest.mark.parametrize("k", [1, 6])
def test_folds_out_of_range(k: int) -> None:
    """Fewer than two, or more than photos, is an error; so is a fold that is not there."""
    data = dataset({"a": 5})

    with pytest.raises(ConfigError, match=f"k is {k}; photos has 5 photos"):
        fold_dataset(data, k=k, groups=range(5))
    with pytest.raises(ConfigError, match="there is no 6"):
        fold_dataset(data, k=5, groups=range(5)).part(5)
