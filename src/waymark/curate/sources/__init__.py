"""Where photos come from: one small protocol, one file a source.

A source is a record of what is wanted, with a `find` that yields `Find` records; what
becomes of them (fetched, checked, kept, written down) is the same for all, in
`curate/collect.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from waymark.progress import Progress, silent

if TYPE_CHECKING:
    from waymark.curate.fetch import Web


@dataclass(frozen=True, kw_only=True, slots=True)
class Find:
    """One photo that a source knows of.

    Attributes:
        name: what it is remembered by, of all sources: its address, or archive and path.
            Two finds of one name are one photo.
        label: what it shows.
        title: what its file is called; any text.
        url: where its bytes are; empty where `read` gives them.
        page: where a person may look at it, with its author and licence.
        author: who took it.
        licence: what may be done with it.
        category: kind of landmark.
        place: city or region.
        split: train, val or test, where the source says so.
        group: photos that belong together.
        read: gives its bytes, at most as many as it is told (and one more, if there are
            more); None where they are to be fetched from `url`.
        refused: why it is not wanted; it is then only written down.
    """

    name: str
    label: str
    title: str
    url: str = ""
    page: str | None = None
    author: str | None = None
    licence: str | None = None
    category: str | None = None
    place: str | None = None
    split: str | None = None
    group: str | None = None
    read: Callable[[int], bytes] | None = None
    refused: str | None = None


@dataclass(kw_only=True)
class Desk:
    """What a source may use while it looks for photos.

    Attributes:
        web: the polite client.
        work: a folder for what is kept between runs.
        wants: says whether photos of a label are still wanted.
        taken: says whether the photo of a name needs no fetching any more.
        progress: for long work before the first photo.
        max_total: most bytes of photos that this run takes.
        expected: how many photos there will be, once the source knows; 0 until then.
        trouble: writes down what a source could not use, and why; (what, reason, again).
    """

    web: Web
    work: Path
    wants: Callable[[str], bool] = field(default=lambda _: True)
    taken: Callable[[str], bool] = field(default=lambda _: False)
    progress: Progress = silent
    max_total: int = 1 << 40
    expected: int = 0
    trouble: Callable[[str, str, bool], None] = field(default=lambda *_: None)


class Source(Protocol):
    """Where photos come from."""

    @property
    def source(self) -> str:
        """What the manifest's column `source` says."""

    def find(self, desk: Desk) -> Iterator[Find]:
        """Yield the photos there are; those of `desk.taken` may be left out."""
