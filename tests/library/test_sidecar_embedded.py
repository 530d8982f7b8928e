"""Tags inside a photo are found, so that a sidecar does not hide them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from waymark.library.sidecar_embedded import embedded_tags


@pytest.mark.parametrize(
    ("orders", "tags"),
    [
        ((), ()),
        (("-XMP-digiKam:TagsList=People/Ann", "-IPTC:Keywords=x"), ("People/Ann",)),
        (("-XMP-lr:HierarchicalSubject=People|Ann|a/b",), ("People/Ann/a|b",)),
        (("-IPTC:Keywords=été", "-IPTC:Keywords=Ann"), ("été", "Ann")),
        (("-IPTC:Keywords=été", "-codedcharacterset=utf8"), ("été",)),
        (("-XMP-dc:Subject=flat", "-IPTC:Keywords=x"), ("flat",)),
    ],
)
def test_the_list_that_counts(
    tmp_path: Path, tool: Callable[[str], str], orders: tuple[str, ...], tags: tuple[str, ...]
) -> None:
    """TagsList, hierarchicalSubject, subject, IPTC keywords: the first that exiftool wrote."""
    photo = tmp_path / "a.jpg"
    Image.new("RGB", (8, 8)).save(photo)
    subprocess.run([tool("exiftool"), "-q", "-charset", "UTF8", *orders, str(photo)], check=False)

    assert embedded_tags(photo) == tags


@pytest.mark.parametrize("data", [b"", b"no photo", b"\xff\xd8\xff\xe1\x00\x10http://ns.adobe"])
def test_what_cannot_be_read_has_none(tmp_path: Path, data: bytes) -> None:
    """A damaged photo is no reason to stop."""
    (tmp_path / "a.jpg").write_bytes(data)

    assert embedded_tags(tmp_path / "a.jpg") == ()
    assert embedded_tags(tmp_path / "gone.jpg") == ()
