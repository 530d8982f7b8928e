"""What the folders above a photo say of it: its split and its label.

In:  the names of a path, outermost first.
Out: split and label, for archives and folders alike.
"""

from __future__ import annotations

from pathlib import PurePosixPath

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_LEFT = frozenset(("__MACOSX", "@eaDir"))
SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"),
        *(".heic", ".heif", ".avif"),
    )
)


def labelled(path: str, label: str | None = None) -> tuple[str | None, str]:
    """Return split and label of `.../train/label/photo.jpg`.

    Args:
        path: relative, with forward slashes.
        label: if given, the label of all.

    Returns:
        Split, None without one; label, empty where there is no folder to name it.
    """
    folders = PurePosixPath(path).parts[:-1]
    split = next((SPLITS[name.lower()] for name in folders if name.lower() in SPLITS), None)
    if label is not None:
        return split, label
    last = folders[-1] if folders else ""
    return split, "" if last.lower() in SPLITS else last


def hidden(path: str) -> bool:
    """Say whether a path is one that operating systems leave beside photos."""
    names = PurePosixPath(path.replace("\\", "/")).parts
    return any((name[0] == "." and name != "..") or name in _LEFT for name in names)


def named_like_photo(path: str) -> bool:
    """Say whether a file is named like a photo."""
    return PurePosixPath(path).suffix.lower() in SUFFIXES
