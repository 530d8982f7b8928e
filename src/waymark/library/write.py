"""Write what waymark says of photos into their sidecars; nothing without a journal.

In:  planned changes, and the library's journal.
Out: the sidecars, and what was done.

The journal's rows are on disk before the first sidecar of a batch is replaced. Each sidecar is
hashed again at the last moment, and replaced in one step. Photos are never touched.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

from waymark.errors import SidecarError
from waymark.library.journal import NO_FILE, Entry, FileState, Journal, Row
from waymark.library.journal_settle import settle_all, stop_if_hopeless
from waymark.library.sidecar_file import digest, remove_file, replace_file
from waymark.library.write_change import Change, Outcome, Tally
from waymark.library.write_follow import keep_up
from waymark.progress import Progress, silent

BATCH = 64  # sidecars between two commits of the journal
_DUE = ("create", "change", "remove")


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
        changes: of `write_plan`; they are planned while earlier ones are being written.
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
            for change in batch:
                tally.note(change)
            due = [change for change in keep_up(batch, journal) if change.action in _DUE]
            if due:
                write_id = write_id or journal.begin(command, options)
                rows = journal.plan(write_id, [_entry(change) for change in due])
                _write_batch(zip(rows, due, strict=True), journal, tally)
            progress(tally.seen, 0, "writing sidecars")
        if write_id is not None:
            journal.finish(write_id)
    return tally.outcome(write_id)


def _write_batch(work: Iterable[tuple[Row, Change]], journal: Journal, tally: Tally) -> None:
    """Replace the sidecars of a batch, and note how far each came."""
    states: dict[int, FileState] = {}
    try:
        for row, change in work:
            try:
                if change.after is None:
                    remove_file(row.file, expected=row.before_sha256)
                else:
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
    return Entry(
        photo=change.photo,
        file=change.file,
        before=change.before,
        before_sha256=digest(change.before),
        after_sha256=digest(change.after) or NO_FILE,
        mark=change.mark,
        added=change.added,
        photo_sha256=change.sha256,
        follows=None if change.last is None else change.last.id,
    )
