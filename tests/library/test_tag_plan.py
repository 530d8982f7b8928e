"""Which photos of the library are taken for gone."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(
    "name",
    [".h/a.jpg", ".h/deep/a.jpg", "@eaDir/a.jpg", ".a.jpg", "a.part", "a.xmp", "b.jpg_original"],
)
def test_what_a_walk_leaves_alone_is_gone_only_if_it_is(home: Any, name: str) -> None:
    """A photo that was named by itself stays when the folder above is tagged."""
    home.photo("b.jpg", 1)
    photo = home.photo(name, 0)
    home.tag(photo.parent if name.startswith((".h/", "@")) else photo)
    report = home.tag()
    assert (report.photos, report.known, report.missing) == (2, 2, 0)
    assert set(home.listed()) == {name, "b.jpg"}
    photo.unlink()
    assert (home.tag().missing, set(home.listed())) == (1, {"b.jpg"})


def test_photos_of_a_closed_folder_are_gone_only_if_they_are(home: Any) -> None:
    """Whether it was closed before or after; another photo that went is gone."""
    home.photo("shut/a.jpg", 0)
    other = home.photo("c.jpg", 2)
    home.tag()
    (home.folder / "shut" / ".nomedia").touch()
    home.tag(home.photo("shut/b.jpg", 1))
    other.unlink()
    assert (home.tag().missing, set(home.listed())) == (1, {"shut/a.jpg", "shut/b.jpg"})


def test_a_raw_file_that_got_a_jpeg_is_not_a_photo_of_its_own(home: Any) -> None:
    """Though it is there, and no walk leaves it alone."""
    jpeg = home.photo("a.jpg", 0)
    raw = jpeg.rename(jpeg.with_suffix(".dng"))
    home.tag()
    assert set(home.listed()) == {raw.name}
    home.photo("a.jpg", 1)
    home.tag()
    assert set(home.listed()) == {"a.jpg"}
