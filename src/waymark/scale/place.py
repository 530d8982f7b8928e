"""Where photos come from and where results go: a folder, or a prefix of an object store.

In:  a path or an address: `photos`, `file:///photos`, `s3://bucket/prefix`, `gs://...`.
Out: a `Place`: what reads and writes there, and how the photos in it are called.

A folder is read as any folder is in waymark: by the system's own calls, names being bytes.
Everything else goes through pyarrow's file systems.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from waymark.errors import ConfigError, MissingExtra

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(?=.)")


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder or a prefix.

    Attributes:
        shown: what to put before the name of a photo in it; no slash at its end.
        filesystem: a `pyarrow.fs.FileSystem`; it travels to other processes.
        path: of the place in that file system.
        local: it is a folder that this machine's own calls reach.
    """

    shown: str
    filesystem: Any
    path: str
    local: bool

    def child(self, name: str) -> str:
        """Return the path of something in the place, in its file system."""
        return f"{self.path.rstrip('/')}/{name}" if self.path else name

    def name(self, name: str) -> str:
        """Return what a photo of the place is called in results."""
        return os.path.join(self.shown, name) if self.local else f"{self.shown}/{name}"  # noqa: PTH118  # as given, "." and all


def find_place(where: str | os.PathLike[str], *, filesystem: Any = None) -> Place:
    """Find what an address means; nothing is read.

    Args:
        where: a path or an address.
        filesystem: a `pyarrow.fs.FileSystem` to use instead of the one that the address
            names: for a store with an endpoint or keys of its own. The address without
            its scheme is the path in it.

    Raises:
        ConfigError: nothing reads such an address.
        MissingExtra: pyarrow is not installed.
    """
    try:
        from pyarrow import ArrowInvalid, fs
    except ImportError as error:
        raise missing_scale() from error
    text = os.fspath(where)
    scheme = _SCHEME.match(text)
    if filesystem is not None:
        path = text[scheme.end() :].lstrip("/") if scheme else text
        return Place(shown=text.rstrip("/"), filesystem=filesystem, path=path, local=False)
    if scheme is None or scheme[1].lower() == "file":
        folder = text if scheme is None else unquote(urlsplit(text).path)
        resolved = os.path.abspath(folder)  # noqa: PTH100  # links stay links
        return Place(shown=folder, filesystem=fs.LocalFileSystem(), path=resolved, local=True)
    address = f"{scheme[1].lower()}://{text[scheme.end() :].lstrip('/')}"
    try:
        found, path = fs.FileSystem.from_uri(address)
    except (ArrowInvalid, NotImplementedError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"{address!a} cannot be used ({reason}); expected a folder, s3://bucket/prefix or "
            "gs://bucket/prefix."
        ) from error
    return Place(shown=without_keys(address), filesystem=found, path=path, local=False)


def without_keys(address: str) -> str:
    """Return an address without what may be keys: its options, and the user before the bucket."""
    return re.sub(r"(?<=://)[^/]*@", "", address.partition("?")[0]).rstrip("/")


def as_typed(where: Path | str) -> str:
    """Return an address as it was typed: a `Path` makes one slash of two."""
    text = os.fspath(where)
    scheme = _SCHEME.match(text)
    if scheme is None or len(scheme[1]) == 1:  # a drive
        return text
    slashes = "///" if scheme[1].lower() == "file" else "//"
    return f"{scheme[1]}:{slashes}{text[scheme.end() :].lstrip('/')}"


def missing_scale() -> MissingExtra:
    """Return the error that says how to install what the scale extra has."""
    return MissingExtra(
        "`tag --engine ray` needs Ray and pyarrow, which are not installed; "
        "install them with: pip install 'waymark[scale]'"
    )
