"""Write what waymark says into the photos themselves, for programs that read no sidecars.

In:  tagged photos, how they are to be written, and the library's journal.
Out: `Change` for each photo: its XMP packet before and after; then the photos, rewritten.

The packet is merged as a sidecar is. exiftool puts it into the photo; the photo of before stays
beside it as `photo.jpg_original`, which `waymark undo` puts back. No other byte of XMP changes,
and a photo that has an `_original` already is left alone.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from waymark.errors import SidecarError
from waymark.library.embed_file import (
    FORMATS,
    find_exiftool,
    make_part,
    original_of,
    photo_digest,
    put_part,
    read_packet,
)
from waymark.library.journal import NO_FILE, Entry, Journal
from waymark.library.journal_owner import says_of
from waymark.library.journal_settle import settle_all, stop_if_hopeless
from waymark.library.sidecar_embedded import embedded_tags
from waymark.library.sidecar_file import Folder, read_file
from waymark.library.sidecar_forms import TAGS
from waymark.library.sidecar_mark import mark_of
from waymark.library.sidecar_parse import Packet
from waymark.library.sidecar_read import has_position
from waymark.library.sidecar_text import decode_sidecar
from waymark.library.tagged import Tagged
from waymark.library.write_change import Change, Outcome, Tally, left
from waymark.library.write_plan import (
    Paths,
    WriteOptions,
    is_wanted,
    remarked,
    still_estimated,
    unheld_photos,
    why_changed,
)
from waymark.progress import Progress, silent


def plan_embeds(
    tagged: Iterable[Tagged], options: WriteOptions, journal: Journal, *, paths: Paths = None
) -> Iterator[Change]:
    """Yield what is to become of each photo's own XMP packet; touch nothing.

    Photos that say what is not held any more are named: only an undo takes that out.

    Args:
        tagged: photos.
        options: which of them, and how.
        journal: of what was written before; it is only read.
        paths: folders and photos where these are; None is all of the library.

    Raises:
        MissingExtra: exiftool is not installed.
    """
    exiftool = find_exiftool()
    for one in tagged:
        if is_wanted(one, options):
            photo = Path(os.path.realpath(one.path.parent)) / one.path.name
            try:
                yield _plan(one, photo, options, journal, exiftool)
            except (SidecarError, OSError) as error:
                yield left(photo, photo, error)
    yield from unheld_photos(paths, options, journal, kept=False)


def _plan(
    tagged: Tagged, photo: Path, options: WriteOptions, journal: Journal, exiftool: str
) -> Change:
    if photo.suffix[1:].lower() not in FORMATS:
        return left(photo, photo, "is of a format that is written into only by its sidecar")
    if not photo.is_symlink() and not photo.is_file():
        return left(photo, photo, "is not there any more; run `waymark tag` again")
    before = read_packet(photo, exiftool)
    mark = mark_of(tagged, language=options.language, gps=options.gps)
    last = journal.live(photo)
    if last is not None and not (before and says_of(last, before)):
        last = None
    mark = still_estimated(mark, last, tagged, options)
    if mark.estimate and _has_placed_sidecar(photo):
        mark = replace(mark, estimate=None)
    if before is None or not Packet(decode_sidecar(before).text).has(TAGS):
        mark = replace(mark, mirrored=embedded_tags(photo))
    after, mark, added, notes = remarked(before, mark, last)
    if after == before:
        return Change(photo=photo, file=photo, action="same", before=before, after=before)
    if original_of(photo).exists():
        return left(photo, photo, f"{original_of(photo).name} is there already, and is kept")
    if reason := why_changed(photo, tagged):
        return left(photo, photo, reason)
    return Change(
        photo=photo,
        file=photo,
        action="change",
        before=before,
        after=after,
        mark=mark,
        added=added,
        notes=notes,
        sha256=photo_digest(photo),
    )


def _has_placed_sidecar(photo: Path) -> bool:
    """Say whether a sidecar knows where the photo was taken."""
    found = Folder(each.name for each in photo.parent.iterdir()).sidecars(photo)
    return any(
        has_position(Packet(decode_sidecar(data).text))
        for data in map(read_file, found)
        if data is not None
    )


def apply_embeds(
    changes: Iterable[Change],
    journal: Journal,
    *,
    command: str,
    options: Mapping[str, Any],
    progress: Progress = silent,
) -> Outcome:
    """Do what was planned, one photo after another; as `apply_writes`, which see.

    Raises:
        SidecarError: the disk is full, or another write is at work.
        MissingExtra: exiftool is not installed.
    """
    tally, write_id, exiftool = Tally(), None, find_exiftool()
    with journal.writing():
        settle_all(journal)
        for change in changes:
            tally.note(change)
            if change.action == "change":
                write_id = write_id or journal.begin(command, options)
                _embed(change, write_id, journal, tally, exiftool)
            progress(tally.seen, 0, "writing photos")
        if write_id is not None:
            journal.finish(write_id)
    return tally.outcome(write_id)


def _embed(change: Change, write_id: int, journal: Journal, tally: Tally, exiftool: str) -> None:
    """Give one photo its packet."""
    assert change.after is not None  # by `_plan`
    entry = Entry(
        photo=change.photo,
        file=change.file,
        kind="embedded",
        before=None,
        before_sha256=change.sha256,
        after_sha256=NO_FILE,  # known once exiftool has written it
        mark=change.mark,
        added=change.added,
        photo_sha256=change.sha256,
    )
    (row,) = journal.plan(write_id, [entry])
    try:
        after = make_part(row, change.after, exiftool)
        journal.note_after(row.id, after)
        put_part(replace(row, after_sha256=after))
    except (SidecarError, OSError) as error:
        settle_all(journal)
        stop_if_hopeless(error, row.file)
        tally.fail(change, error)
    except BaseException:
        with suppress(sqlite3.Error):
            settle_all(journal)
        raise
    else:
        journal.settle({row.id: "written"})
        tally.count(change)
