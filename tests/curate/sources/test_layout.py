"""Split and label of a path."""

from __future__ import annotations

import pytest

from waymark.curate.sources.layout import hidden, labelled, named_like_photo


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("tower/a.jpg", (None, "tower")),
        ("photos/train/tower/a.jpg", ("train", "tower")),
        ("Validation/tower/a.jpg", ("val", "tower")),
        ("test/a.jpg", ("test", "")),
        ("a.jpg", (None, "")),
    ],
)
def test_split_and_label(path: str, found: tuple[str | None, str]) -> None:
    """The folder above names a photo, unless it is a split's; a label of one's own wins."""
    assert labelled(path) == found
    assert labelled(path, "mine") == (found[0], "mine")


def test_what_is_passed_by() -> None:
    """Leftovers of operating systems are hidden; a path that leads out is not."""
    assert hidden("__MACOSX/a.jpg")
    assert hidden("a/.DS_Store")
    assert hidden("a/._b.jpg")
    assert not hidden("../a.jpg")
    assert not hidden("a/b.jpg")
    assert named_like_photo("a/B.JPEG")
    assert not named_like_photo("a/jpg")
