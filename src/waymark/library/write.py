"""Write what waymark says of photos into their sidecars; nothing without a journal.

In:  tagged photos, how they are to be written, and the library's journal.
Out: `Change` for each photo, first as a plan, then done.

The journal's rows are on disk before the first sidecar of a batch is replaced. Each sidecar is
hashed again at the last moment, and replaced in one step. Photos are never touched.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from waymark.errors import ConfigError, SidecarError
from waymark.library.journal import Entry, FileState, Journal, Row
from waymark.library.journal_settle import settle_all, stop_if_hopeless
from waymark.library.sidecar import merge, take_back
from waymark.library.sidecar_embedded import embedded_tags
from waymark.library.sidecar_file import Folder, Style, digest, read_file, replace_file
from waymark.library.sidecar_forms import TAGS
from waymark.library.sidecar_mark import Language, Mark, mark_of
from waymark.library.sidecar_parse import Packet
from waymark.library.sidecar_read import has_position, spared
from waymark.library.sidecar_text import decode_sidecar
from waymark.library.tagged import Tagged
from waymark.library.write_change import Change, Outcome, Tally, left
from waymark.progress import Progress, silent

BATCH = 64  # sidecars between two commits of the journal
_NEVER = ("rejected", "not-a-landmark")


@dataclass(frozen=True, kw_only=True)
class WriteOptions:
    """What is written, and how.

    Attributes:
        min_score: least confidence of a photo that nobody looked at yet; None leaves those out.
        gps: estimate a position where photo and sidecar have none.
        style: name of a new sidecar: `photo.jpg.xmp`, or Adobe's `photo.xmp`.
        language: of the landmark's name in keywords.
    """

    min_score: float | None = None
    gps: bool = False
    style: Style = "default"
    language: Language = "english"

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if self.min_score is not None and not 0 <= self.min_score <= 1:
            raise ConfigError(f"min_score is {self.min_score}; it must be between 0 and 1.")
        if self.style not in ("default", "adobe"):
            raise ConfigError(f"sidecar style is {self.style!r}; use default or adobe.")
        if self.language not in ("english", "local"):
            raise ConfigError(f"language is {self.language!r}; use english or local.")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def is_wanted(tagged: Tagged, options: WriteOptions) -> bool:
    """Say whether a photo is to be written: a person said so, or it is sure enough."""
    if tagged.state in _NEVER:
        return False
    if tagged.state in ("approved", "corrected"):
        return True
    return options.min_score is not None and tagged.confidence >= options.min_score


def plan_writes(
    tagged: Iterable[Tagged], options: WriteOptions, journal: Journal, *, check: bool = False
) -> Iterator[Change]:
    """Yield what is to be done for each photo that is to be written; touch nothing.

    Args:
        tagged: photos; best all of a folder one after another.
        options: which of them, and how.
        journal: of what was written before; it is only read.
        check: read each photo that is to be written, to see that it is the one that was tagged.
    """
    folder, names = None, Folder(())
    for one in tagged:
        if not is_wanted(one, options):
            continue
        parent = Path(os.path.realpath(one.path.parent))
        photo = parent / one.path.name
        if parent != folder:
            try:
                folder, names = parent, Folder(entry.name for entry in parent.iterdir())
            except OSError as error:
                folder = None
                yield left(photo, photo, error)
                continue
        change = _plan(one, photo, names, options, journal)
        if check and change.action in ("create", "change"):
            change = _checked(change, one.sha256)
        yield change


def _plan(
    tagged: Tagged, photo: Path, names: Folder, options: WriteOptions, journal: Journal
) -> Change:
    """Plan the sidecar of one photo."""
    if not photo.is_file():
        return left(photo, photo, "is not there any more; run `waymark tag` again")
    found = names.sidecars(photo)
    file = found[0] if found else names.new_sidecar(photo, options.style)
    mark = mark_of(tagged, language=options.language, gps=options.gps)
    try:
        before = read_file(file)
        last = None if before is None else journal.live(file)
        if last is not None and not options.gps and _landmark(last.mark) == _landmark(mark):
            mark = replace(mark, estimate=last.added.estimate)  # it was asked for once
        others = [read_file(other) for other in found[1:]] if mark.estimate else []
        if any(has_position(Packet(decode_sidecar(data).text)) for data in others if data):
            mark = replace(mark, estimate=None)
        if before is None or not Packet(decode_sidecar(before).text).has(TAGS):
            mark = replace(mark, mirrored=embedded_tags(photo))
        after, added, notes = remarked(before, mark, last)
    except (SidecarError, OSError) as error:
        return left(photo, file, error)
    return Change(
        photo=photo,
        file=file,
        action="create" if before is None else "same" if after == before else "change",
        before=before,
        after=after,
        mark=mark,
        added=added,
        notes=notes,
    )


def _checked(change: Change, sha256: str) -> Change:
    """Return the change, if the photo is still the one that was tagged."""
    try:
        with change.photo.open("rb") as file:
            same = hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError as error:
        return left(change.photo, change.file, error)
    if same:
        return change
    reason = "its photo was changed since it was tagged; run `waymark tag` again"
    return left(change.photo, change.file, reason)


def remarked(
    before: bytes | None, mark: Mark, last: Row | None
) -> tuple[bytes, Mark, tuple[str, ...]]:
    """Return a sidecar with a mark in it, in place of what an earlier write said otherwise.

    What the earlier write added and somebody took out since is not added again.

    Args:
        before: the sidecar now; None where there is none.
        mark: what it is to say.
        last: the write whose additions are in it.

    Returns:
        The sidecar's bytes, everything in it that waymark added, and notes on what stays.
    """
    if before is None or last is None:
        merged = merge(before, mark)
        return merged.data, merged.added, merged.notes
    wanted = spared(before, last.mark, mark)
    if not last.added.is_within(mark):
        wanted = replace(wanted, mirrored=last.added.mirrored)
        cleared = take_back(before, last.added)
        base = None if cleared.empty and last.before is None else cleared.data
        merged = merge(base, wanted)
        return merged.data, merged.added, (*cleared.notes, *merged.notes)
    merged = merge(before, wanted)
    return merged.data, last.added.joined(merged.added), merged.notes


def apply_writes(
    changes: Iterable[Change],
    journal: Journal,
    *,
    command: str,
    options: Mapping[str, Any],
    progress: Progress = silent,
) -> Outcome:
    """Do what was planned.

    Args:
        changes: of `plan_writes`; they are planned while earlier ones are being written.
        journal: keeps what was there before.
        command: as it was given; shown by `waymark undo --list`.
        options: by which an interrupted write is known again and goes on.
        progress: told of each photo.

    Raises:
        SidecarError: the disk is full, or another write is at work. What was written until then
            is in the journal, and whole.
    """
    tally, write_id, waiting = Tally(), None, iter(changes)
    with journal.writing():
        settle_all(journal)
        while batch := list(islice(waiting, BATCH)):
            due = [change for change in batch if change.action in ("create", "change")]
            for change in batch:
                tally.note(change)
            if due:
                write_id = write_id or journal.begin(command, options)
                rows = journal.plan(write_id, [_entry(change) for change in due])
                _write_batch(zip(rows, due, strict=True), journal, tally)
            progress(tally.seen, 0, "writing sidecars")
        if write_id is not None:
            journal.finish(write_id)
    return tally.outcome(write_id if tally.done else None)


def _write_batch(work: Iterable[tuple[Row, Change]], journal: Journal, tally: Tally) -> None:
    """Replace the sidecars of a batch, and note how far each came."""
    states: dict[int, FileState] = {}
    try:
        for row, change in work:
            try:
                assert change.after is not None  # by `_plan`
                replace_file(
                    row.file,
                    change.after,
                    expected=row.before_sha256,
                    part=row.part,
                    like=row.photo,
                )
            except (SidecarError, OSError) as error:
                states[row.id] = "dropped"
                stop_if_hopeless(error, row.file)
                tally.fail(change, error)
            else:
                states[row.id] = "written"
                tally.count(change)
    except BaseException:
        with suppress(sqlite3.Error):
            journal.settle(states)
            settle_all(journal)
        raise
    journal.settle(states)


def _entry(change: Change) -> Entry:
    """Return what the journal keeps of a change."""
    after = digest(change.after)
    assert after is not None  # by `_plan`
    return Entry(
        photo=change.photo,
        file=change.file,
        before=change.before,
        before_sha256=digest(change.before),
        after_sha256=after,
        mark=change.mark,
        added=change.added,
    )


def _landmark(mark: Mark) -> str | None:
    return dict(mark.facts).get("Landmark")
