"""Take back what a write added to sidecars, and nothing else.

In:  the journal, and the number of a write.
Out: `Change` for each file of it, first as a plan, then done.

A sidecar that nobody changed since gets the very bytes of before; one that waymark made is
removed. From one that was changed since, only what waymark added goes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice

from waymark.errors import SidecarError
from waymark.library.embed_file import original_of, photo_digest, restore
from waymark.library.journal import FileState, Journal, Row
from waymark.library.journal_settle import settle_all, stop_if_hopeless
from waymark.library.sidecar import merge, take_back
from waymark.library.sidecar_file import digest, read_file, remove_file, replace_file
from waymark.library.sidecar_read import spared
from waymark.library.write import BATCH
from waymark.library.write_change import Action, Change, Outcome, Tally, left
from waymark.progress import Progress, silent


def plan_undo(journal: Journal, write_id: int) -> Iterator[Change]:
    """Yield what is to become of each file of a write, the last one first; touch nothing."""
    for row in journal.rows(write_id):
        plan = _plan if row.kind == "sidecar" else _plan_photo
        yield replace(plan(row, journal), row=row.id)


def _plan(row: Row, journal: Journal) -> Change:
    """Plan how one sidecar is taken back."""
    last = journal.live(row.file)
    if last is not None and last.id != row.id:
        number = last.write_id
        return left(
            row.photo,
            row.file,
            f"was written again by write {number}; `waymark undo {number}` first",
        )
    try:
        now = read_file(row.file)
        if now is None:
            return left(row.photo, row.file, "is not there any more; it was moved or removed")
        after, notes = row.before, tuple[str, ...]()
        if digest(now) != row.after_sha256:
            after, notes = _cleared(row, now, journal.live(row.file, before=row.id))
    except (SidecarError, OSError) as error:
        return left(row.photo, row.file, error)
    action: Action = "remove" if after is None else "same" if after == now else "change"
    return Change(
        photo=row.photo, file=row.file, action=action, before=now, after=after, notes=notes
    )  # fmt: skip


def _plan_photo(row: Row, journal: Journal) -> Change:
    """Plan how a photo that was written into gets its original back."""
    last, now = journal.live(row.file), photo_digest(row.file)
    if last is not None and last.id != row.id:
        reason = f"was written again by write {last.write_id}; take that back first"
        return left(row.photo, row.file, reason)
    if now is None:
        return left(row.photo, row.file, "is not there any more; it was moved or removed")
    if now not in (row.before_sha256, row.after_sha256):
        kept = original_of(row.file).name
        return left(
            row.photo, row.file, f"was changed since; the photo of before is kept as {kept}"
        )
    return Change(photo=row.photo, file=row.file, action="change")


def _cleared(row: Row, now: bytes, earlier: Row | None) -> tuple[bytes | None, tuple[str, ...]]:
    """Return a sidecar that was changed since, without what the write added to it.

    Args:
        row: what the write did.
        now: the sidecar's content.
        earlier: the write before, which stands, and whose words come back.
    """
    cleared = take_back(now, row.added)
    data = None if cleared.empty and row.before is None else cleared.data
    if earlier is not None:
        data = merge(data, spared(now, row.mark, earlier.mark)).data
    return data, cleared.notes


def apply_undo(
    changes: Iterable[Change], journal: Journal, *, progress: Progress = silent
) -> Outcome:
    """Do what was planned.

    Args:
        changes: of `plan_undo`.
        journal: says of each file whether it stands.
        progress: told of each file.

    Raises:
        SidecarError: the disk is full, or another write is at work.
    """
    tally, waiting = Tally(), iter(changes)
    with journal.writing():
        settle_all(journal)
        while batch := list(islice(waiting, BATCH)):
            for change in batch:
                tally.note(change)
            due = [change for change in batch if change.action != "left"]
            _undo_batch(due, journal, tally)
            progress(tally.seen, 0, "taking back")
    return tally.outcome(None)


def _undo_batch(due: list[Change], journal: Journal, tally: Tally) -> None:
    """Take back the files of a batch, and note how far each came."""
    journal.settle({change.row: "undoing" for change in due})
    rows = {row.id: row for row in journal.unsettled()}
    states: dict[int, FileState] = {}
    try:
        for change in due:
            row = rows[change.row]
            try:
                _undo(change, row)
            except (SidecarError, OSError) as error:
                states[row.id] = "written"
                stop_if_hopeless(error, row.file)
                tally.fail(change, error)
            else:
                states[row.id] = "undone"
                if change.action != "same":
                    tally.count(change)
    except BaseException:
        with suppress(sqlite3.Error):
            journal.settle(states)
            settle_all(journal)
        raise
    journal.settle(states)


def _undo(change: Change, row: Row) -> None:
    """Put a file back, or remove it."""
    if row.kind == "embedded":
        restore(row)
        return
    expected = digest(change.before)
    if change.after is None:
        remove_file(change.file, expected=expected)
    elif change.action == "change":
        replace_file(
            change.file, change.after, expected=expected, part=row.part, like=change.photo
        )  # fmt: skip
