"""Photos in a folder, as another downloader left them.

In:  a folder of any depth; labels are the folders' names, or a pattern finds them in the
     files' names.
Out: `Find` records; the photos are copied, the folder stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from waymark.curate.answer import FetchFailed
from waymark.curate.sources import Desk, Find
from waymark.curate.sources.layout import labelled
from waymark.dataset.index import list_photos, printable
from waymark.errors import ConfigError

GROUPS = ("label", "category", "place", "split", "group", "author", "licence", "page")
"""What a group of the pattern may be called: a field of `Find`."""


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder of photos.

    Attributes:
        folder: where they are.
        pattern: regular expression, searched in the path below `folder` (with forward
            slashes), with the named group `label` and any other of `GROUPS`; without one,
            the folder above a photo names it.
        label: the label of all photos.
        source: what the manifest's column `source` says.
        licence: of all photos, where the pattern does not find it.
    """

    folder: Path
    pattern: str | None = None
    label: str | None = None
    source: str = "folder"
    licence: str | None = None

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise ConfigError(f"{self.folder} is not a folder; give one with photos in it.")
        if self.pattern is None:
            return
        try:
            names = set(re.compile(self.pattern).groupindex)
        except re.error as error:
            raise ConfigError(
                f"--pattern {self.pattern!r} is not a regular expression ({error}); write for "
                r"example '(?P<label>\w+)-\d+\.jpg'."
            ) from error
        if self.label is None and "label" not in names:
            raise ConfigError(
                f"--pattern {self.pattern!r} has no group named label; write (?P<label>...) "
                "around the part of the file's name that names the landmark."
            )
        if names - set(GROUPS):
            raise ConfigError(
                f"--pattern has groups named {', '.join(sorted(names - set(GROUPS)))}; they may "
                f"be called {', '.join(GROUPS)}."
            )

    def find(self, desk: Desk) -> Iterator[Find]:
        """Yield the photos of the folder, sorted by path."""
        photos, skipped = list_photos(self.folder)
        for row in skipped:
            desk.trouble(row.path, row.reason, True)
        desk.expected = len(photos)
        for photo in photos:
            yield self._one(photo)

    def _one(self, photo: Path) -> Find:
        below = printable(photo.relative_to(self.folder).as_posix())
        split, label = labelled(below, self.label)
        found: dict[str, str] = {}
        if self.pattern is not None:
            match = re.search(self.pattern, below)
            found = {k: v for k, v in (match.groupdict() if match else {}).items() if v}
            label = self.label or found.get("label", "")
        facts = {"licence": self.licence, "split": split, **found, "label": label}
        return Find(
            # the whole path: two folders of one name are two folders
            name=f"folder:{photo.resolve()}",
            title=photo.stem,
            read=lambda most: _read(photo, most),
            refused=None if label else "no label in its path",
            **{field.name: facts[field.name] for field in fields(Find) if field.name in facts},  # type: ignore[arg-type]
        )


def _read(photo: Path, most: int) -> bytes:
    try:
        with photo.open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise FetchFailed(f"cannot be read ({error.strerror})", again=True) from error
