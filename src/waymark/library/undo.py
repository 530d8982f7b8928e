"""Take back what a write added to sidecars, and nothing else.

In:  the journal, and the number of a write; or all that was ever written.
Out: `Change` for each file, to be shown; or the files as they were.

A sidecar that nobody changed since gets the very bytes of before; one that waymark made is
removed. From one that was changed since, only what waymark added goes. Of several writes into
one file the last is taken back first.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice

from waymark.dataset.index import Skipped, printable
from waymark.errors import SidecarError
from waymark.library.embed_file import original_of, photo_digest, restore
from waymark.library.journal import NO_FILE, FileState, Journal, Row
from waymark.library.journal_chain import earlier, follow, later, place_of
from waymark.library.journal_owner import find_sidecar, is_of, rival_of
from waymark.library.journal_settle import foreseen, settle_all, stop_if_hopeless
from waymark.library.sidecar import merge, take_back
from waymark.library.sidecar_file import digest, refuse_readonly, remove_file, replace_file
from waymark.library.sidecar_mark import Mark
from waymark.library.sidecar_read import spared
from waymark.library.sidecar_text import EMPTY
from waymark.library.write import BATCH
from waymark.library.write_change import Action, Change, Outcome, Tally, left, reason_of
from waymark.progress import Progress, silent


@dataclass(frozen=True, kw_only=True)
class _Step:
    """How one row is taken back.

    Attributes:
        row: of the journal, with where its photo and its file are now.
        before: what the file holds now.
        after: what it is to hold; None: it goes.
        kept: what of the write before is in it again; None where that needs no note.
        notes: what stays, and why.
    """

    row: Row
    before: bytes | None
    after: bytes | None
    kept: Mark | None = None
    notes: tuple[str, ...] = field(default=())


def plan_undo(journal: Journal, write_id: int | None) -> Iterator[Change]:
    """Yield what is to become of each file, the last one first; touch nothing.

    Args:
        journal: of all writes.
        write_id: of the write to take back; None is all.
    """
    with foreseen(journal):
        for row in _newest(journal, write_id):
            try:
                yield _plan(row, journal, write_id)
            except (SidecarError, OSError) as error:
                yield left(row.photo, row.file, error)


def _plan(row: Row, journal: Journal, write_id: int | None) -> Change:
    """Follow a file back through all rows that are to be taken back."""
    if row.kind == "embedded":
        _check_photo(row, journal)
        return Change(photo=row.photo, file=row.file, action="change")
    first = step = _step(row, journal)
    notes = step.notes
    while (before := earlier(journal, step.row)) is not None:
        if write_id is not None and before.write_id != write_id:
            break
        if step.kept is not None:
            before = replace(before, added=step.kept)
        step = _back(_at(before, first.row), step.after, journal)
        notes += step.notes
    after = step.after
    now = first.before
    action: Action = "same" if after == now else "remove" if after is None else "change"
    return Change(
        photo=first.row.photo,
        file=first.row.file,
        action=action,
        before=now,
        after=after,
        notes=notes,
    )


def _newest(journal: Journal, write_id: int | None) -> Iterator[Row]:
    """Yield the last row of each file that is to be taken back."""
    for row in journal.rows(write_id):
        after = later(journal, row)
        if after is None or write_id not in (None, after.write_id):
            yield row


def _step(row: Row, journal: Journal) -> _Step:
    """Plan how a row is taken back, from what its sidecar holds now.

    Raises:
        SidecarError: a later write stands in it, or it is gone, a stranger's or unreadable.
        OSError: it cannot be read.
    """
    _refuse(later(journal, row))
    place, data = find_sidecar(row, journal)
    rival = rival_of(row, place.file, data, journal)
    _refuse(rival if rival is not None and rival.id > row.id else None)
    if data is not None:
        refuse_readonly(place.file)
    now = replace(row, photo=place.photo, file=place.file, photo_sha256=place.sha256)
    return _back(now, data, journal)


def _at(row: Row, other: Row) -> Row:
    """Return a row with where the sidecar of another is."""
    return replace(row, photo=other.photo, file=other.file, photo_sha256=other.photo_sha256)


def _refuse(last: Row | None) -> None:
    """See that no later write stands in a file.

    Raises:
        SidecarError: one does.
    """
    if last is not None:
        number = last.write_id
        raise SidecarError(f"was written again by write {number}; `waymark undo {number}` first")


def _back(row: Row, now: bytes | None, journal: Journal) -> _Step:
    """Plan how a row is taken back, from what its sidecar would hold."""
    if (digest(now) or NO_FILE) == row.after_sha256:
        return _Step(row=row, before=now, after=row.before)
    if now is None:
        raise SidecarError("was removed and made anew in between; what was before stays gone")
    if not is_of(row, now, same_photo=True, same_name=True):
        return _Step(row=row, before=now, after=now)
    cleared = take_back(now, row.added)
    made = row.before is None or cleared.data == EMPTY  # by waymark, if by another library
    after = None if cleared.empty and made else cleared.data
    before, kept = earlier(journal, row), None
    if before is not None and row.before is not None:
        there = spared(row.before, before.added, before.added)  # what this write had found
        merged = merge(after, spared(now, row.mark, there))
        after, kept = merged.data, merged.added
    notes = cleared.notes
    if any(note.startswith("waymark:TaggedAt") for note in notes):
        others = [note for note in notes if not note.startswith("waymark:")]
        notes = (*others, "was written by another library since; what that says of itself stays")
    return _Step(row=row, before=now, after=after, kept=kept, notes=notes)


def _check_photo(row: Row, journal: Journal) -> None:
    """See that a photo that was written into can get its original back.

    Raises:
        SidecarError: it cannot.
        OSError: it cannot be read.
    """
    _refuse(later(journal, row))
    now = photo_digest(row.file)
    if now is None:
        raise SidecarError("is not there any more; it was moved or removed")
    if now == row.before_sha256:
        return
    kept = original_of(row.file)
    if now != row.after_sha256:
        raise SidecarError(f"was changed since; the photo of before is kept as {kept.name}")
    if kept.is_symlink() or photo_digest(kept) != row.before_sha256:
        raise SidecarError(f"{kept.name}, the photo of before, is not there any more")


def apply_undo(journal: Journal, write_id: int | None, *, progress: Progress = silent) -> Outcome:
    """Take back a write.

    Args:
        journal: of all writes.
        write_id: of the write to take back; None is all.
        progress: told of each file.

    Raises:
        SidecarError: the disk is full, or another write is at work.
    """
    tally = Tally()
    with journal.writing():
        settle_all(journal)
        while True:  # a file that was written several times needs as many turns
            done, reasons = _turn(journal, write_id, tally, progress)
            if not done:
                return replace(tally.outcome(None), left=tuple(reasons))


def _turn(
    journal: Journal, write_id: int | None, tally: Tally, progress: Progress
) -> tuple[int, list[Skipped]]:
    """Take back the last row of each file; return how many, and what was left and why."""
    done, reasons = 0, list[Skipped]()
    waiting = _newest(journal, write_id)
    while batch := list(islice(waiting, BATCH)):
        sidecars: list[_Step] = []
        photos: list[Row] = []
        for row in batch:
            try:
                if row.kind == "embedded":
                    _check_photo(row, journal)
                    photos.append(row)
                else:
                    step = _step(row, journal)
                    if place_of(step.row) != place_of(row):
                        follow(journal, row, place_of(step.row))
                    sidecars.append(step)
            except (SidecarError, OSError) as error:
                reasons.append(Skipped(printable(row.file), reason_of(error)))
        done += _undo_batch(sidecars, photos, journal, tally, reasons)
        progress(tally.seen, 0, "taking back")
    return done, reasons


def _undo_batch(
    sidecars: list[_Step],
    photos: list[Row],
    journal: Journal,
    tally: Tally,
    reasons: list[Skipped],
) -> int:
    """Take back the files of a batch, and note how far each came; return how many went back."""
    journal.plan_undo((step.row, step.after, step.kept) for step in sidecars)
    journal.settle({row.id: "undoing" for row in photos})
    states: dict[int, FileState] = {}
    works: list[_Step | Row] = [*sidecars, *photos]
    try:
        for work in works:
            row = work if isinstance(work, Row) else work.row
            try:
                if isinstance(work, Row):
                    restore(work)
                    tally.count(Change(photo=row.photo, file=row.file, action="change"))
                else:
                    _undo(work, tally)
            except (SidecarError, OSError) as error:
                states[row.id] = "written"
                stop_if_hopeless(error, row.file)
                reasons.append(Skipped(printable(row.file), reason_of(error)))
            else:
                states[row.id] = "undone"
                tally.seen += 1
    except BaseException:
        with suppress(sqlite3.Error):
            journal.settle(states)
            settle_all(journal)
        raise
    journal.settle(states)
    return sum(state == "undone" for state in states.values())


def _undo(step: _Step, tally: Tally) -> None:
    """Put a sidecar back, or remove it."""
    row, expected = step.row, digest(step.before)
    action: Action = "same"
    if step.after is None and step.before is not None:
        remove_file(row.file, expected=expected)
        action = "remove"
    elif step.after is not None and step.after != step.before:
        replace_file(row.file, step.after, expected=expected, part=row.part, like=row.photo)
        action = "change"
    tally.same += action == "same"
    if action != "same":
        tally.count(Change(photo=row.photo, file=row.file, action=action, notes=step.notes))
