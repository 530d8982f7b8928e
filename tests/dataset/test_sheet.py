"""The contact sheet: which photos are drawn, and that each is where it belongs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from waymark.dataset.index import Dataset, Photo, read_dataset
from waymark.dataset.sheet import MOST, ROWS, SIDE, choose_rows, draw_sheets
from waymark.errors import ConfigError, DatasetError, UnknownName
from waymark.gazetteer import Landmark

ROOT = Path("/photos")


def dataset(counts: dict[str, int], negatives: int = 0) -> Dataset:
    """Make a dataset without files."""
    return Dataset(
        root=ROOT,
        name="photos",
        photos=tuple(
            Photo(path=ROOT / label / f"{i}.jpg", label=label)
            for label, count in counts.items()
            for i in range(count)
        ),
        negatives=tuple(ROOT / f"unknown/{i}.jpg" for i in range(negatives)),
        landmarks={label: Landmark(id=label, name=label.title()) for label in counts},
    )


def test_each_landmark_has_a_row_and_the_negatives_the_last() -> None:
    """Names, counts and photos are those of the label; no photo is drawn twice."""
    rows = choose_rows(dataset({"b": 20, "a": 3}, negatives=9), photos=5)

    assert [(row.label, row.name, row.count, len(row.paths)) for row in rows] == [
        ("a", "A", 3, 3),
        ("b", "B", 20, 5),
        ("unknown", "no landmark", 9, 5),
    ]
    for row in rows:
        assert len(set(row.paths)) == len(row.paths)
        assert all(path.parent.name == row.label for path in row.paths)


def test_lots_depend_on_the_seed_and_not_on_other_labels() -> None:
    """The same seed draws the same photos of a label, whatever labels stand beside it."""
    small, large = dataset({"b": 50}), dataset({"a": 7, "b": 50, "c": 2})

    (alone,) = choose_rows(small, seed=3)
    (among,) = choose_rows(large, seed=3, labels=["b"])
    (other,) = choose_rows(small, seed=4)

    assert alone == among == choose_rows(large, seed=3)[1]
    assert alone.paths != other.paths


def test_only_a_split() -> None:
    """Photos of other splits are not drawn; a split that is not there is an error."""
    data = dataset({"a": 10})
    photos = (replace(p, split="test" if i < 4 else "train") for i, p in enumerate(data.photos))
    data = replace(data, photos=tuple(photos))

    (row,) = choose_rows(data, photos=9, split="test")

    assert (row.count, len(row.paths)) == (4, 4)
    with pytest.raises(DatasetError, match="no photos for 'val'"):
        choose_rows(data, split="val")


def test_what_cannot_be_drawn_is_said() -> None:
    """A mistyped label, and more photos than a row has room for."""
    with pytest.raises(UnknownName, match="did you mean 'tower'"):
        choose_rows(dataset({"tower": 1}), labels=["towr"])
    for photos in (0, MOST + 1):
        with pytest.raises(ConfigError, match="1 to 40"):
            choose_rows(dataset({"a": 1}), photos=photos)


def test_photos_stand_in_the_row_of_their_landmark(tmp_path: Path) -> None:
    """Of one-coloured photos, each row shows its own colour and no other."""
    colours = {"blue": (20, 40, 220), "green": (20, 200, 40), "red": (220, 30, 30)}
    for name, colour in colours.items():
        (tmp_path / name).mkdir()
        for number in range(2):
            Image.new("RGB", (300, 200), colour).save(tmp_path / name / f"{number}.png")
    calls: list[tuple[int, int, str]] = []
    rows = choose_rows(read_dataset(tmp_path))

    (sheet,) = draw_sheets(rows, title="colours", progress=lambda *call: calls.append(call))

    pixels = np.asarray(sheet).astype(int)
    tops = []
    for colour in colours.values():
        found = np.argwhere(np.abs(pixels - colour).max(axis=2) <= 2)
        (top, left), (bottom, right) = found.min(axis=0), found.max(axis=0)
        assert bottom - top < SIDE < right - left < 2 * SIDE + 20
        tops.append(top)
    assert tops == sorted(tops)
    assert calls[-1] == (6, 6, "drawing photos")


def test_a_broken_photo_is_a_crossed_box(tmp_path: Path) -> None:
    """The row keeps its place, and the sheet is drawn."""
    (tmp_path / "mill").mkdir()
    (tmp_path / "mill/1.jpg").write_bytes(b"\xff\xd8\xff broken")

    (sheet,) = draw_sheets(choose_rows(read_dataset(tmp_path)), title="t")

    box = np.asarray(sheet)[-SIDE:, -SIDE - 20 :]
    assert len(np.unique(box.reshape(-1, 3), axis=0)) > 2


def test_many_landmarks_take_several_pages(tmp_path: Path) -> None:
    """Every landmark is on one of them; long and strange names do not widen a page."""
    rows = choose_rows(dataset({f"{'long ' * 40}{i} 长\u202e": 1 for i in range(ROWS + 3)}))

    first, second = draw_sheets(rows, title="many" * 200)

    assert first.width == second.width
    assert first.height > ROWS * SIDE > second.height > 3 * SIDE
