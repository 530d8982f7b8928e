"""Addresses of folders and of object stores."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from waymark.errors import ConfigError, MissingExtra
from waymark.scale.place import as_typed, find_place, without_keys

pytest.importorskip("pyarrow")


def test_a_folder_and_its_address_are_the_same(tmp_path: Path) -> None:
    """`file:///x` is `/x`, quoted characters and all."""
    folder = tmp_path / "my photos"
    by_address = find_place(folder.as_uri())
    by_path = find_place(folder)

    assert by_address.local
    assert by_path.local
    assert by_address.path == by_path.path == str(folder)
    assert by_address.name("a.jpg") == by_path.name("a.jpg") == str(folder / "a.jpg")


def test_an_object_store_is_no_folder() -> None:
    """An S3 address gives pyarrow's S3 file system; its options are not shown in names."""
    place = find_place("s3://bucket/some/prefix?region=eu-west-1&endpoint_override=127.0.0.1:9")

    assert not place.local
    assert place.path == "bucket/some/prefix"
    assert place.child("a/b.jpg") == "bucket/some/prefix/a/b.jpg"
    assert place.name("a/b.jpg") == "s3://bucket/some/prefix/a/b.jpg"


def test_keys_in_an_address_are_not_shown() -> None:
    """Neither those before the bucket nor those among the options."""
    address = "s3://key:secret@bucket/a@b?access_key=key"

    assert without_keys(address) == "s3://bucket/a@b"
    assert without_keys("photos/a") == "photos/a"


@pytest.mark.parametrize(
    "address",
    [
        "s3://AKIAKEY:SECRET/with/slashes@bucket/prefix",
        "s3://AKIAKEY:123/SECRET@bucket/prefix",
        "s3://AKIAKEY:SECRET@bucket/a space",
        "s3://AKIAKEY:SECRET@bucket/prefix?regoin=eu",
        "s3://bucket/prefix&secret_access_key=SECRET",
        "s3://bucket/prefix?region=eu&secret_access_key=SECRET",
        "https://AKIAKEY:SECRET@host/x",
    ],
)
def test_keys_in_an_unusable_address_are_not_shown(address: str) -> None:
    """Neither in the address nor in what pyarrow says of it, in no form of the error."""
    with pytest.raises(ConfigError, match="cannot be used") as caught:
        find_place(address)

    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert not re.search("AKIAKEY|SECRET|slashes", str(caught.value))


def test_why_an_address_cannot_be_used_is_said() -> None:
    """pyarrow's reason, and how to write what an address does not take."""
    with pytest.raises(ConfigError, match=r"Unexpected query parameter.*regoin"):
        find_place("s3://bucket/prefix?regoin=eu")
    with pytest.raises(ConfigError, match=r"syntax error.*%20 for a space"):
        find_place("s3://bucket/a b")


def test_servers_tell_places_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One bucket's name on two servers is two places; one folder by two paths is one."""
    address = "s3://bucket/a?region=eu&endpoint_override="
    here, there = (find_place(f"{address}{server}") for server in ("http://h:1", "h:2"))
    assert (here.shown, here.of) == ("s3://bucket/a", "s3://bucket/a at h:1")
    assert here.of != there.of
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://h:1/")
    assert find_place("s3://bucket/a?region=eu").of == here.of

    monkeypatch.chdir(tmp_path)
    assert find_place("photos").of == find_place(tmp_path / "photos").of


@pytest.mark.parametrize(
    "address",
    ["s3://bucket/prefix", "gs://bucket/a/b", "file:///photos/x", "photos/x", "/photos"],
)
def test_addresses_survive_a_path(address: str) -> None:
    """What the command line has made a `Path` of is the address again."""
    assert as_typed(Path(address)) == as_typed(address) == address


def test_an_unknown_scheme_is_said() -> None:
    """An address that nothing reads is the user's error, with what would do."""
    with pytest.raises(ConfigError, match="expected a folder, s3:"):
        find_place("gopher://bucket/prefix")


def test_without_pyarrow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pyarrow is missing, the error has the command that installs it."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"waymark\[scale\]"):
        find_place("photos")
