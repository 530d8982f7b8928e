"""Lists of addresses, as tables and as texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from waymark.curate.sources import Desk, Find
from waymark.curate.sources.urls import Urls
from waymark.errors import CollectError, ConfigError


def read(text: str | bytes, tmp_path: Path, proof: Any, **more: Any) -> list[Find]:
    """Return what a list has."""
    file = tmp_path / "list.csv"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    desk = Desk(web=proof.web(proof.Time()), work=tmp_path)
    return list(Urls(file=file, **more).find(desk))


def test_a_table_with_columns_of_any_name(tmp_path: Path, proof: Any) -> None:
    """Columns are named; those of a manifest are kept; empty rows are passed over."""
    text = "\ufeffhashtag, image_url ,author,licence,page,split,likes\n"
    text += '#eiffel,https://h/a.jpg,"Ann, B.",CC BY 4.0,https://h/a,test,3\n,,,,,,\n'
    (find,) = read(text, tmp_path, proof, url_column="image_url", label_column="hashtag")

    assert (find.label, find.url, find.title) == ("#eiffel", "https://h/a.jpg", "a")
    assert (find.author, find.licence, find.page) == ("Ann, B.", "CC BY 4.0", "https://h/a")
    assert find.split == "test"


def test_a_text_with_an_address_a_line(tmp_path: Path, proof: Any) -> None:
    """The label stands behind the address, after a blank, a tab or a comma."""
    text = "# my list\nhttps://h/a.jpg eiffel tower\nhttps://h/b.jpg\tlouvre\n\n"
    text += "https://h/c.jpg,big ben\nhttps://h/d.jpg\n"
    finds = read(text, tmp_path, proof)

    assert [find.label for find in finds] == ["eiffel tower", "louvre", "big ben", ""]
    assert [find.url[-5:] for find in finds] == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    assert finds[-1].refused == "no label"


def test_one_label_for_all(tmp_path: Path, proof: Any) -> None:
    """A comma then belongs to the address."""
    (find,) = read("https://h/a,b.jpg?w=1,2\r\n", tmp_path, proof, label="x")

    assert (find.url, find.label, find.title) == ("https://h/a,b.jpg?w=1,2", "x", "a,b")


def test_rows_that_cannot_be_used(tmp_path: Path, proof: Any) -> None:
    """No address, no label, a wrong split or licence: each row says why."""
    text = "url,label,split,licence\n,x,,CC0\nhttps://h/a,,,CC0\nhttps://h/a,x,dev,CC0\nhttps://h/a,x,,\n"
    finds = read(text, tmp_path, proof, licences=frozenset(("cc0",)))

    assert [str(find.refused)[:12] for find in finds] == [
        "no address",
        "no label",
        "its split is",
        "no licence i",
    ]


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("a,b\n1,2\n", ConfigError, "--url-column"),
        (b"\xff\xfe\x00url", CollectError, "UTF-8"),
        ('url,label\n"' + "x" * 140_000 + '",a\n', CollectError, "CSV"),
    ],
)
def test_files_that_are_no_lists(
    text: str | bytes, error: type[Exception], words: str, tmp_path: Path, proof: Any
) -> None:
    """The message says what was expected."""
    with pytest.raises(error, match=words):
        read(text, tmp_path, proof)


def test_no_file_and_an_empty_file(tmp_path: Path, proof: Any) -> None:
    """A missing list is an error, an empty one has nothing."""
    assert read("", tmp_path, proof) == []
    desk = Desk(web=proof.web(proof.Time()), work=tmp_path)
    with pytest.raises(CollectError, match="cannot be read"):
        list(Urls(file=tmp_path / "gone.txt").find(desk))
