"""Names and rows of a collection. What a kill does to it is tested in test_collect.py."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waymark.curate.ledger import COLUMNS, Miss, clean, key_of, open_ledger, path_for, safe_name
from waymark.dataset.manifest import COLUMNS as DATASET_COLUMNS
from waymark.errors import CollectError

TEXTS = st.text(st.characters(exclude_categories=()), max_size=200)


@given(TEXTS, TEXTS)
def test_a_path_is_two_plain_names(label: str, name: str) -> None:
    """Never absolute, never upwards, never hidden, never too long for a file system."""
    path = path_for(label, name, key_of(name), "jpeg")
    folder, _, file = path.partition("/")

    assert "/" not in file
    assert file.endswith(f"-{key_of(name)}.jpg")
    for part in (folder, file):
        assert part.isprintable()
        assert not part.startswith(".")
        assert len(part.encode()) < 255
        assert not set(part) & set('\\:*?"<>|')


@given(TEXTS)
def test_safe_names_stay_as_they_are(text: str) -> None:
    """A name that is safe is not changed again, so a label has one folder."""
    assert safe_name(safe_name(text)) == safe_name(text)
    assert clean(clean(text)) == clean(text)


def test_a_manifest_has_the_columns_of_a_dataset() -> None:
    """And its own behind them."""
    assert COLUMNS[: len(DATASET_COLUMNS)] == DATASET_COLUMNS


def test_misses_come_back_as_they_were(tmp_path: Path) -> None:
    """A formula, a comma, a quote and a line break in a cell survive, but for the break."""
    miss = Miss(
        url='=1+1,"a"',
        label="-x",
        reason="a\nb",
        again=True,
        source="'=quoted",
        retrieved="now",
        key="k",
    )
    with open_ledger(tmp_path) as ledger:
        ledger.miss(miss)
    with (tmp_path / "skipped.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["url"].startswith("'=")
    with open_ledger(tmp_path) as ledger:
        (back,) = ledger.misses
        assert not ledger.taken("k")

    assert (back.url, back.label, back.reason, back.again) == (miss.url, "-x", "a b", True)
    assert back.source == miss.source


def test_a_folder_without_photos_keeps_no_list_of_misses(tmp_path: Path) -> None:
    """An empty run leaves an empty manifest, and nothing else."""
    with open_ledger(tmp_path):
        pass

    assert [path.name for path in tmp_path.iterdir()] == ["manifest.csv"]


@pytest.mark.parametrize("name", ["manifest.csv", "skipped.csv"])
def test_tables_of_others(name: str, tmp_path: Path) -> None:
    """A table with other columns is not touched."""
    (tmp_path / name).write_text("a,b\n1,2\n")
    with pytest.raises(CollectError, match=name), open_ledger(tmp_path):
        pass
    assert (tmp_path / name).read_text() == "a,b\n1,2\n"
