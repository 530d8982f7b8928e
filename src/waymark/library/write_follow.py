"""Keep the journal up with what became of sidecars since they were written.

In:  changes that are planned, each with the write whose additions are in its file now.
Out: the same changes, and a journal that knows where each of these files is: moved with its
     photo, copied, put back from a backup, or removed by its owner.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from waymark.errors import SidecarError
from waymark.library.journal import NO_FILE, Journal
from waymark.library.journal_chain import (
    Place,
    adopt,
    follow,
    forget,
    head,
    heads_at,
    place_of,
)
from waymark.library.journal_owner import find_sidecar, is_at_home
from waymark.library.write_change import Change


def keep_up(changes: Iterable[Change], journal: Journal) -> list[Change]:
    """Note in the journal where the files of changes are now; return the changes with their rows.

    A sidecar that is where it was takes no look at any file.
    """
    kept, taken = list[Change](), set[int]()
    with journal.transaction():
        for change in changes:
            if change.action == "create":
                _forget_removed(change, journal)
            kept.append(_kept_up(change, journal, taken))
    return kept


def _kept_up(change: Change, journal: Journal, taken: set[int]) -> Change:
    """Note where the file of one change is."""
    last = change.last
    if last is None:
        return change
    place = Place(photo=change.photo, file=change.file, sha256=change.sha256)
    newest = head(journal, last)
    is_copy = newest.id in taken or (change.file != newest.file and is_at_home(newest, journal))
    taken.add(newest.id)
    if is_copy and change.file != newest.file:
        return replace(change, last=adopt(journal, last, place))
    if newest.id != last.id:  # put back as it was before
        forget(journal, newest, down_to=last)
    if place_of(last) != place:
        follow(journal, last, place)
    return change


def _forget_removed(change: Change, journal: Journal) -> None:
    """Forget what was written into sidecars of that photo and name that are nowhere any more."""
    for row in heads_at(journal, change.file):
        if row.photo_sha256 not in (None, change.sha256) or row.after_sha256 == NO_FILE:
            continue
        try:
            follow(journal, row, find_sidecar(row, journal)[0])
        except (SidecarError, OSError):
            forget(journal, row)
