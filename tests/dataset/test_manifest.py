"""A manifest is a table of photos; what it may not say is an error that names the row."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from waymark.dataset.index import read_dataset
from waymark.dataset.manifest import escaped, table_rows
from waymark.errors import ConfigError, DatasetError, MissingExtra

FULL = "path,label,category,place,split,group,source,licence,author,url"


def write(folder: Path, text: str) -> Path:
    """Save a manifest."""
    path = folder / "photos.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_all_columns_are_read(save, tmp_path: Path) -> None:
    """Every column ends in its field, an empty cell as None."""
    save("a/1.jpg")
    path = write(tmp_path, f"{FULL}\na/1.jpg,mill,tower,Ulm,test,g1,flickr,CC0,Ann,https://x\n")

    dataset = read_dataset(path)
    (photo,) = dataset.photos

    assert (photo.label, photo.category, photo.place, photo.split) == (
        "mill",
        "tower",
        "Ulm",
        "test",
    )
    assert (photo.group, photo.source, photo.licence) == ("g1", "flickr", "CC0")
    assert (photo.author, photo.url, photo.path) == ("Ann", "https://x", tmp_path / "a/1.jpg")
    assert (dataset.name, dataset.root) == ("photos", tmp_path)
    assert (dataset.landmarks["mill"].category, dataset.landmarks["mill"].place) == ("tower", "Ulm")


def test_unknown_rows_are_negatives(save, tmp_path: Path) -> None:
    """The reserved label is no class, and keeps its split."""
    save("1.jpg"), save("2.jpg")

    dataset = read_dataset(write(tmp_path, "path,label,split\n1.jpg,mill,\n2.jpg,unknown,test\n"))

    assert (dataset.labels, dataset.negative_splits) == (("mill",), ("test",))


def test_rows_that_cannot_be_used_are_skipped(save, tmp_path: Path) -> None:
    """A missing file, no photo, no label, a photo listed twice: each has its reason."""
    save("1.jpg")
    (tmp_path / "words.jpg").write_text("words")
    rows = "1.jpg,mill\ngone.jpg,mill\nwords.jpg,mill\n1.jpg,tower\n1.jpg,\nnotes.txt,mill\n"

    dataset = read_dataset(write(tmp_path, f"path,label\n{rows}"))

    assert dataset.counts() == {"mill": 1}
    assert [(row.path, row.reason) for row in dataset.skipped] == [
        ("gone.jpg", "a broken link or no such file"),
        ("words.jpg", "named like a photo, but its content is not one"),
        ("1.jpg", "listed twice"),
        ("photos.csv, row 6", "has no path or no label"),
        ("notes.txt", "missing, or not a photo"),
    ]


@pytest.mark.parametrize("named", ["/etc/1.jpg", "../1.jpg", "a/../../1.jpg", "C:\\1.jpg"])
def test_a_path_stays_inside(tmp_path: Path, named: str) -> None:
    """A row that leads out of the dataset is an error that says so and names the row."""
    path = write(tmp_path, f"path,label\n{named},mill\n")

    with pytest.raises(DatasetError, match=r"row 2: path is .* leads out of the dataset"):
        read_dataset(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has the columns"),
        ("file,label\n1.jpg,mill\n", "expected path,label"),
        ("path;label\n1.jpg;mill\n", "separated by commas"),
        ("path,label,label\n1.jpg,mill,x\n", "once each"),
        ("path,label\n1.jpg,mill,x\n", "line 2 has more cells"),
        ("path,label,split\n1.jpg,mill,dev\n", "row 2: split is 'dev'; use train, val, test"),
        ("path,label\n" + "x" * 200_000 + ",mill\n", "not a CSV file in UTF-8"),
        ("path,label\n", "no photos with a label"),
    ],
)
def test_a_wrong_table_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    """The message says what was found and what was expected."""
    with pytest.raises(DatasetError, match=message):
        read_dataset(write(tmp_path, text))


def test_a_table_in_another_encoding(tmp_path: Path) -> None:
    """Latin-1 is not guessed at."""
    path = tmp_path / "photos.csv"
    path.write_bytes(b"path,label\n1.jpg,caf\xe9\n")

    with pytest.raises(DatasetError, match="UTF-8"):
        read_dataset(path)


def test_levels_are_for_folders(save, tmp_path: Path) -> None:
    """`--levels` with a manifest names the columns instead."""
    with pytest.raises(ConfigError, match="columns category and place"):
        read_dataset(write(tmp_path, "path,label\n"), levels="place,landmark")


def test_parquet_equals_csv(save, tmp_path: Path) -> None:
    """The same table in both formats is the same dataset."""
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    save("1.jpg"), save("2.jpg")
    path = write(tmp_path, "path,label,group,extra\n1.jpg,mill,7,x\n2.jpg,tower,,y\n")
    columns = {"path": ["1.jpg", "2.jpg"], "label": ["mill", "tower"], "group": [7, None]}
    pq.write_table(pa.table(columns), tmp_path / "photos.parquet")

    assert read_dataset(tmp_path / "photos.parquet") == read_dataset(path)


def test_a_damaged_parquet(tmp_path: Path) -> None:
    """Garbage named .parquet is an error, not a traceback."""
    pytest.importorskip("pyarrow")
    path = tmp_path / "photos.parquet"
    path.write_bytes(b"PAR1 and then nothing")

    with pytest.raises(DatasetError, match="not a readable Parquet file"):
        read_dataset(path)


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch) -> None:
    """The error has the command that installs it."""
    (tmp_path / "photos.parquet").touch()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)

    with pytest.raises(MissingExtra, match=r"waymark\[parquet\]"):
        read_dataset(tmp_path / "photos.parquet")


@pytest.mark.parametrize("text", ["=1+1", "+x", "-x", "@x", "mill", "'quoted", "'=1", "l'été"])
def test_escaped_cells_come_back(tmp_path: Path, text: str) -> None:
    """No cell begins like a formula, and reading gives the text back."""
    assert not escaped(text).startswith(("=", "+", "-", "@"))
    ((number, row),) = table_rows(write(tmp_path, f"path,label\n1.jpg,{escaped(text)}\n"))

    assert (number, row["label"]) == (2, text)
