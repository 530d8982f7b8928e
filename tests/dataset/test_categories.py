"""The category of a landmark: who says it, who contradicts himself, and who forgot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from waymark.dataset.categories import categories_of
from waymark.dataset.index import Dataset, read_dataset
from waymark.errors import DatasetError


def table(folder: Path, *rows: str) -> Path:
    """Save a manifest with a category column."""
    path = folder / "photos.csv"
    path.write_text("\n".join(["path,label,category", *rows]) + "\n", encoding="utf-8")
    return path


def test_classes_are_sorted_and_each_label_has_its_own(save, tmp_path: Path) -> None:
    """The index of a label's category stands in the order of `labels`, from folder levels."""
    for name in ("tower/eiffel", "bridge/rialto", "tower/galata", "arch/wellington"):
        save(f"{name}/1.jpg")

    dataset = read_dataset(tmp_path, levels="category,landmark")
    names, of = categories_of(dataset)

    assert names == ("arch", "bridge", "tower")
    assert of.dtype == np.int64
    assert dict(zip(dataset.labels, (names[i] for i in of), strict=True)) == {
        "eiffel": "tower", "galata": "tower", "rialto": "bridge", "wellington": "arch",
    }  # fmt: skip
    assert categories_of(dataset.of_split("train") if dataset.splits else dataset)[0] == names


def test_the_dataset_comes_before_files_and_these_before_the_gazetteer(
    save, tmp_path: Path
) -> None:
    """Column, then landmarks.csv, then gazetteer, each where the one before says nothing."""
    for name in ("colosseum", "petra", "stonehenge"):
        save(f"{name}.jpg")
    path = table(
        tmp_path, "colosseum.jpg,colosseum,arena", "petra.jpg,petra,", "stonehenge.jpg,stonehenge,"
    )
    (tmp_path / "landmarks.csv").write_text("id,category\ncolosseum,pit\npetra,town\n")

    names, of = categories_of(read_dataset(path))

    assert [names[i] for i in of] == ["arena", "town", "ancient_site"]


def test_one_photo_may_speak_for_the_others_of_its_label(save, tmp_path: Path) -> None:
    """Rows without a category do not contradict the one that has it."""
    save("1.jpg"), save("2.jpg")
    dataset = read_dataset(table(tmp_path, "1.jpg,mill,", "2.jpg,mill,tower"))

    assert dataset.landmarks["mill"].category == "tower"


def test_two_categories_of_one_label_are_an_error(save, tmp_path: Path) -> None:
    """The message names the label and both."""
    save("1.jpg"), save("2.jpg")

    with pytest.raises(DatasetError, match=r"'mill' are of two categories, 'house' and 'tower'"):
        read_dataset(table(tmp_path, "1.jpg,mill,tower", "2.jpg,mill,house"))


def test_labels_without_one_are_listed_with_what_to_do(save, tmp_path: Path) -> None:
    """Ten by name, the rest counted; a place level gives none."""
    for i in range(12):
        save(f"Ulm/mill{i:02}/1.jpg")

    with pytest.raises(DatasetError) as caught:
        categories_of(read_dataset(tmp_path, levels="place,landmark"))

    message = str(caught.value)
    assert "12 labels without a category: 'mill00', 'mill01'" in message
    assert "'mill09' and 2 more" in message
    for way in ("a manifest", "--levels category,landmark", "landmarks.csv"):
        assert way in message


def test_a_single_category_is_nothing_to_learn(save, tmp_path: Path) -> None:
    """It is named."""
    save("tower/a/1.jpg"), save("tower/b/1.jpg")

    with pytest.raises(DatasetError, match="one category, 'tower'"):
        categories_of(read_dataset(tmp_path, levels="category,landmark"))


def test_hostile_names_are_made_printable(save, tmp_path: Path) -> None:
    """Control characters do not reach a class of a bundle; blanks are no category."""
    save("a\x1b[2J\nb/mill/1.jpg"), save("<script>/tower/1.jpg"), save("=1+1/arch/1.jpg")

    names, _ = categories_of(read_dataset(tmp_path, levels="category,landmark"))

    assert names == ("<script>", "=1+1", "a\ufffd[2J\ufffdb")
    save("rows.jpg"), save("more.jpg")
    table(tmp_path, 'rows.jpg,mill,"a\x07"', "more.jpg,arch,\u00a0")
    told: Dataset = read_dataset(tmp_path / "photos.csv")
    assert told.landmarks["mill"].category == "a\ufffd"
    assert told.landmarks["arch"].category is None


def test_a_category_that_no_bundle_could_hold_is_refused_at_once(save, tmp_path: Path) -> None:
    """Better before the training than when its result is written."""
    save("tower/a/1.jpg"), save("arch/b/1.jpg")
    dataset = read_dataset(tmp_path, levels="category,landmark")
    landmarks = dataset.landmarks
    landmarks["a"] = replace(landmarks["a"], category="x" * 1001)

    with pytest.raises(DatasetError, match="1,001 characters"):
        categories_of(dataset)
