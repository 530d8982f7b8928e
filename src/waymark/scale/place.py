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
from urllib.parse import parse_qsl, unquote, urlsplit

from waymark.errors import ConfigError, MissingExtra

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(?=.)")
_OPTIONS = re.compile(r"\?|&(?=\w*(?:key|secret|token|password)\w*=)", re.IGNORECASE)
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_BUCKETS = ("s3", "gs", "gcs")  # before the first slash is a bucket, which has no port


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder or a prefix.

    Attributes:
        shown: what to put before the name of a photo in it; no slash at its end, no keys.
        of: what tells it from any other place: the same for each way to write its address.
        filesystem: a `pyarrow.fs.FileSystem`; it travels to other processes.
        path: of the place in that file system.
        local: it is a folder that this machine's own calls reach.
    """

    shown: str
    of: str
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
        from pyarrow import fs
    except ImportError as error:
        raise missing_scale() from error
    text = os.fspath(where)
    scheme = _SCHEME.match(text)
    if filesystem is not None:
        path, shown = text[scheme.end() :].lstrip("/") if scheme else text, text.rstrip("/")
        return Place(shown=shown, of=shown, filesystem=filesystem, path=path, local=False)
    if scheme is None or scheme[1].lower() == "file":
        folder = text if scheme is None else unquote(urlsplit(text).path)
        path = os.path.abspath(folder)  # noqa: PTH100  # links stay links
        return Place(shown=folder, of=path, filesystem=fs.LocalFileSystem(), path=path, local=True)
    address = f"{scheme[1].lower()}://{text[scheme.end() :].lstrip('/')}"
    try:
        if _has_stray_keys(address):
            raise ValueError
        found, path = fs.FileSystem.from_uri(address)
    except (ValueError, NotImplementedError, OSError) as error:  # pyarrow's own are ValueErrors
        raise _unusable(address, error) from None  # its reason may hold keys
    shown = without_keys(address)
    endpoint = _endpoint(address)
    of = f"{shown} at {endpoint}" if endpoint else shown
    return Place(shown=shown, of=of, filesystem=found, path=path, local=False)


def without_keys(address: str) -> str:
    """Return an address without what may be keys: its options, and the user before the bucket."""
    if _SCHEME.match(address) is None:
        return address.rstrip("/") or address
    return re.sub(r"(?<=://)[^/]*@", "", _OPTIONS.split(address, maxsplit=1)[0]).rstrip("/")


def _has_stray_keys(address: str) -> bool:
    """Say whether what looks like keys stands where a bucket or the name of a photo would.

    So it does where a secret has a slash in it, or where options begin without a `?`.
    """
    scheme, _, rest = address.partition("?")[0].partition("://")
    bucket = rest.partition("/")[0]
    stray = scheme in _BUCKETS and ":" in bucket and "@" not in bucket
    return stray or _OPTIONS.search(rest) is not None


def _unusable(address: str, error: Exception) -> ConfigError:
    """Return the error that says why, without keys, wherever in the address they are."""
    before, *options = _OPTIONS.split(address, maxsplit=1)
    scheme, _, rest = before.partition("://")
    user, _, place = rest.rpartition("@")  # the last one: a secret may have slashes
    shown = f"{scheme}://{place}"
    secrets = [user, *(value for _, value in parse_qsl("".join(options)))]
    words = {word for secret in secrets for word in re.findall(r"[^:/@]{3,}", secret)}
    reason = " ".join(str(error).replace(address, shown).split())[:200]
    if any(word in reason or unquote(word) in reason for word in words):
        reason = ""
    return ConfigError(
        f"{shown!a} cannot be used{f' ({reason})' if reason else ''}; expected a folder, "
        "s3://bucket/prefix or gs://bucket/prefix, with %20 for a space, options after a ? and "
        "better no keys: these are read from the environment."
    )


def _endpoint(address: str) -> str:
    """Return which server keeps a bucket, where that is not the one of its scheme."""
    options = dict(parse_qsl(address.partition("?")[2]))
    usual = (os.environ.get(name) for name in _ENDPOINTS if address.startswith("s3:"))
    found = options.get("endpoint_override") or next(filter(None, usual), "")
    return re.sub(r"^\w+://|[^/]*@", "", found).rstrip("/")


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
