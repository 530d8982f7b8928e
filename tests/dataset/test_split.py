"""A split is fair to every landmark, never leaks, and can be read again."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waymark.dataset.index import Dataset, Photo, read_dataset
from waymark.dataset.split import (
    folds,
    read_split,
    split_dataset,
    split_hash,
    unsplit,
    write_split,
)
from waymark.errors import ConfigError, DatasetError
from waymark.gazetteer import Landmark

ROOT = Path("/photos")


def dataset(counts: dict[str, int], *, negatives: int = 0, **shared: str) -> Dataset:
    """Make a dataset without files."""
    photos = tuple(
        Photo(path=ROOT / label / f"{i}.jpg", label=label, **shared)
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


def alone(data: Dataset) -> range:
    """Return groups of one photo each."""
    return range(len(data.photos))


def test_every_landmark_is_parted_alike() -> None:
    """A tenth of each goes to val and a fifth to test, to the photo."""
    data = dataset({"a": 100, "b": 50, "c": 10}, negatives=30)

    parted = split_dataset(data, val=0.1, test=0.2, groups=alone(data))

    assert parted.of_split("val").counts() == {"a": 10, "b": 5, "c": 1}
    assert parted.of_split("test").counts() == {"a": 20, "b": 10, "c": 2}
    assert Counter(parted.negative_splits) == {"train": 21, "val": 3, "test": 6}


@given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=6),
    groups=st.integers(1, 40),
    named=st.integers(0, 5),
    shares=st.tuples(st.floats(0, 0.5) | st.integers(1, 9), st.floats(0, 0.4) | st.just(2)),
    seed=st.integers(0, 100),
)
@settings(max_examples=150, deadline=None)
def test_no_group_is_on_both_sides(sizes, groups, named, shares, seed) -> None:
    """Whatever the groups by number and by name, none is parted and none loses its training."""
    data = dataset({f"l{i}": size for i, size in enumerate(sizes)})
    rng = np.random.default_rng(seed)
    photos = [
        replace(photo, group=f"g{rng.integers(named)}" if named and rng.random() < 0.3 else None)
        for photo in data.photos
    ]
    numbers = rng.integers(0, groups, len(photos)).tolist()
    data = replace(data, photos=tuple(photos))

    parted = split_dataset(data, val=shares[0], test=shares[1], seed=seed, groups=numbers)

    sides: dict[object, set[str | None]] = defaultdict(set)
    for photo, number, before in zip(parted.photos, numbers, photos, strict=True):
        sides[number].add(photo.split)
        if before.group is not None:
            sides[before.group].add(photo.split)
    assert all(len(split) == 1 for split in sides.values())
    assert all(parted.of_split("train").counts().values())


def test_small_landmarks() -> None:
    """One photo goes to train; five give one to val; five of one group give none."""
    data = dataset({"one": 1, "five": 5, "burst": 5})
    groups = [0, 1, 2, 3, 4, 5, 6, 6, 6, 6, 6]

    parted = split_dataset(data, val=0.1, groups=groups)

    assert parted.of_split("val").counts() == {"one": 0, "five": 1, "burst": 0}


def test_only_tiny_landmarks_still_give_a_val() -> None:
    """Where each share rounds to nothing, each landmark with two photos gives one."""
    data = dataset({"two": 2, "one": 1, "three": 3}, negatives=9)

    parted = split_dataset(data, val=0.1, groups=alone(data))

    assert parted.of_split("val").counts() == {"one": 0, "three": 1, "two": 1}


def test_large_groups_still_give_a_val() -> None:
    """Where no group fits the share, the smallest is taken."""
    data = dataset({"a": 30})

    parted = split_dataset(data, val=0.1, groups=[0] * 12 + [1] * 8 + [2] * 10)

    assert parted.of_split("val").counts() == {"a": 8}


def test_the_seed_decides() -> None:
    """The same seed gives the same split, another one another."""
    data = dataset({"a": 100}, negatives=10)
    first, again, other = (split_dataset(data, seed=seed, groups=alone(data)) for seed in (1, 1, 2))

    assert first == again
    assert split_hash(first) == split_hash(again) != split_hash(other)


def test_given_splits_are_kept() -> None:
    """Val is made out of train, test stays; with val there, nothing is moved."""
    data = dataset({"a": 40})
    photos = tuple(
        replace(photo, split="test" if i < 20 else "train") for i, photo in enumerate(data.photos)
    )
    data = replace(data, photos=photos)

    parted = split_dataset(data, val=0.1, test=0.5, groups=alone(data))

    assert parted.of_split("test").photos == photos[:20]
    assert len(parted.of_split("val").photos) == 2
    assert split_dataset(parted, val=0.5, groups=alone(data)) == parted


def test_near_duplicates_are_found_where_no_groups_are_given(save, draw, tmp_path: Path) -> None:
    """Copies of one photo under two names stay on one side, and get a common group."""
    for number in range(12):
        save(f"mill/{number}.jpg", draw(number))
        save(f"mill/{number}-copy.png", draw(number))

    parted = split_dataset(read_dataset(tmp_path), val=0.25)

    sides = defaultdict(set)
    for photo in parted.photos:
        sides[photo.path.stem.removesuffix("-copy")].add((photo.split, photo.group))
    assert [len(found) for found in sides.values()] == [1] * 12
    assert parted.of_split("val").counts() == {"mill": 6}


def test_numbers_are_photos_of_each_landmark() -> None:
    """So many go to val and to test; negatives go in the proportion of all the photos."""
    data = dataset({"a": 100, "b": 42}, negatives=70)

    parted = split_dataset(data, val=5, test=16, groups=alone(data))

    assert parted.of_split("val").counts() == {"a": 5, "b": 5}
    assert parted.of_split("test").counts() == {"a": 16, "b": 16}
    assert Counter(parted.negative_splits) == {"train": 49, "val": 5, "test": 16}


@given(
    sizes=st.lists(st.integers(4, 30), min_size=1, max_size=5),
    val=st.integers(1, 40),
    test=st.one_of(st.integers(1, 40), st.floats(0, 0.4)),
)
@settings(max_examples=100, deadline=None)
def test_numbers_leave_half_of_a_small_landmark(sizes, val, test) -> None:
    """Never more than asked for; of a landmark without enough, half stays for training."""
    data = dataset({f"l{i}": size for i, size in enumerate(sizes)})

    parted = split_dataset(data, val=val, test=test, groups=alone(data))

    counts = Counter((photo.label, photo.split) for photo in parted.photos)
    for label, size in data.counts().items():
        assert counts[label, "val"] <= val
        if test >= 1:
            assert counts[label, "train"] >= size / 2
            if val + test <= size // 2:
                assert (counts[label, "val"], counts[label, "test"]) == (val, test)
        else:
            assert counts[label, "train"] >= 1


@pytest.mark.parametrize(
    ("val", "test"), [(1.5, 0), (-0.1, 0), (0.5, 0.5), (float("nan"), 0), (0, float("inf"))]
)
def test_shares_out_of_range(val: float, test: float) -> None:
    """Something must be left for training."""
    data = dataset({"a": 5})

    with pytest.raises(ConfigError, match="leave something for train"):
        split_dataset(data, val=val, test=test, groups=alone(data))


def test_groups_of_another_length() -> None:
    """A number too few is an error with both lengths."""
    with pytest.raises(ConfigError, match="groups has 3 numbers; photos has 5 photos"):
        split_dataset(dataset({"a": 5}), groups=[1, 2, 3])


def test_groups_may_cover_negatives() -> None:
    """Negatives that belong together stay together."""
    data = dataset({"a": 10}, negatives=10)

    parted = split_dataset(data, val=0.3, groups=[*range(10), *([11] * 5), *([12] * 5)])

    assert len(set(parted.negative_splits[:5])) == len(set(parted.negative_splits[5:])) == 1


def test_write_and_read(tmp_path: Path) -> None:
    """A split comes back the same; strange names, negatives from elsewhere and groups too."""
    data = dataset({"=cmd": 3, 'l\'été, "x"': 6, "a": 5}, negatives=4, place="Ulm")
    data = replace(data, negatives=(*data.negatives, Path("/elsewhere/1.jpg")))
    parted = split_dataset(data, val=0.3, groups=[0, 0, *range(2, 14)])

    write_split(tmp_path / "split.csv", parted)

    assert read_split(tmp_path / "split.csv", data) == parted
    header, first, *_ = (tmp_path / "split.csv").read_text().splitlines()
    assert header == "path,label,split,group,place"
    assert first == "'=cmd/0.jpg,'=cmd,train,near-0,Ulm"
    assert [path.name for path in tmp_path.iterdir()] == ["split.csv"]


def test_a_split_is_a_manifest(save, tmp_path: Path) -> None:
    """Beside the photos, split.csv is a dataset with the same labels, splits and places."""
    for number in range(6):
        save(f"ulm/mill/{number}.jpg")
    save("ulm/unknown/1.jpg")
    data = read_dataset(tmp_path, levels="place,landmark")
    parted = split_dataset(data, val=0.3, test=0.2)
    write_split(tmp_path / "split.csv", parted)

    again = read_dataset(tmp_path / "split.csv")

    assert again.photos == parted.photos
    assert again.negatives == parted.negatives
    assert again.landmarks == parted.landmarks
    assert split_hash(again) == split_hash(parted)


def test_a_split_keeps_whose_photos_they_are(save, tmp_path: Path) -> None:
    """Source, licence, author and address of a manifest come back from its split."""
    rows = [save(f"mill/{i}.jpg").relative_to(tmp_path) for i in range(6)]
    facts = "flickr,CC BY 4.0,Ann,https://example.org/1"
    text = "path,label,source,licence,author,url\n" + f"{rows[0]},mill,{facts}\n"
    text += "".join(f"{row},mill,,,,\n" for row in rows[1:])
    (tmp_path / "photos.csv").write_text(text)
    parted = split_dataset(read_dataset(tmp_path / "photos.csv"), val=0.3)

    write_split(tmp_path / "split.csv", parted)

    assert read_dataset(tmp_path / "split.csv").photos == parted.photos
    assert parted.photos[0].licence == "CC BY 4.0"


@pytest.mark.parametrize("fault", ["missing", "label"])
def test_the_split_of_another_dataset(tmp_path: Path, fault: str) -> None:
    """A photo that is not listed, or listed as something else, is an error."""
    data = dataset({"a": 5})
    write_split(tmp_path / "split.csv", split_dataset(data, groups=alone(data)))
    photo = data.photos[0]
    other = replace(photo, path=ROOT / "x.jpg") if fault == "missing" else replace(photo, label="b")

    with pytest.raises(DatasetError, match="is the split of another dataset"):
        read_split(tmp_path / "split.csv", replace(data, photos=(other,)))


def test_folds_are_even_and_keep_groups() -> None:
    """Each landmark is spread evenly over the folds; no group is in two."""
    data = dataset({"a": 40, "b": 20})
    groups = [i // 2 for i in range(60)]

    found = folds(data, k=4, groups=groups)

    assert np.bincount(found[:40]).tolist() == [10] * 4
    assert sorted(np.bincount(found[40:], minlength=4)) == [4, 4, 6, 6]
    assert all(found[i] == found[i + 1] for i in range(0, 60, 2))
    np.testing.assert_array_equal(found, folds(data, k=4, groups=groups))


@pytest.mark.parametrize("k", [1, 6])
def test_folds_out_of_range(k: int) -> None:
    """Fewer than two folds, or more than photos, is an error."""
    data = dataset({"a": 5})

    with pytest.raises(ConfigError, match=f"k is {k}; photos has 5 photos"):
        folds(data, k=k, groups=alone(data))


def test_unsplit_forgets_splits_and_keeps_groups() -> None:
    """What was parted can be parted anew; what belongs together still does."""
    parted = split_dataset(dataset({"a": 10, "b": 10}), val=0.3, groups=[0, 0, *range(1, 19)])

    again = unsplit(parted)

    assert again.splits == ()
    assert [photo.group for photo in again.photos] == [photo.group for photo in parted.photos]
    assert split_dataset(again, test=0.5, groups=alone(again)).splits == ("train", "val", "test")
