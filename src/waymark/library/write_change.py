"""One file that a write or an undo is about to change, and how that is shown.

In:  what is there now and what is to be there.
Out: `Change`, and the difference as lines that any terminal can print.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from waymark.dataset.index import Skipped, printable
from waymark.errors import SidecarError
from waymark.library.journal import Row
from waymark.library.sidecar_mark import Mark
from waymark.library.sidecar_text import decode_sidecar

_NOTHING = Mark()
_MOST_LINES = 40_000  # difflib's time goes by their square, where lines are alike
Action = Literal["create", "change", "remove", "same", "left"]


@dataclass(frozen=True, kw_only=True)
class Change:
    """What is to become of one file.

    Attributes:
        photo: whose sidecar it is.
        file: the sidecar.
        action: what is done; `same`: nothing, as it says all already; `left`: nothing, as
            `reason` says.
        before: its content now; None where there is none.
        after: its content then; None where there will be none.
        mark: what it is to say of the photo.
        added: everything in it that will be waymark's.
        notes: what stays as it is, and why.
        reason: why the file is left alone.
        sha256: of the photo.
        last: the write whose additions are in the file now.
    """

    photo: Path
    file: Path
    action: Action
    before: bytes | None = None
    after: bytes | None = None
    mark: Mark = _NOTHING
    added: Mark = _NOTHING
    notes: tuple[str, ...] = ()
    reason: str = ""
    sha256: bytes | None = None
    last: Row | None = None

    def difference(self) -> Iterator[str]:
        """Yield the lines of a unified diff; nothing where nothing changes."""
        if self.before == self.after or self.action in ("same", "left"):
            return
        name = printable(self.file)
        old, new = _lines(self.before), _lines(self.after)
        if len(old) + len(new) > _MOST_LINES:
            yield from (f"--- {name}", f"+++ {name}")
            yield f"@@ {len(old):,} lines become {len(new):,}: too many to compare @@"
            return
        yield from difflib.unified_diff(
            old,
            new,
            "/dev/null" if self.before is None else name,
            "/dev/null" if self.after is None else name,
            lineterm="",
        )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a write or an undo did.

    Attributes:
        write_id: number of the write; None where there was nothing to do.
        created: number of sidecars made.
        changed: number of sidecars changed.
        removed: number of sidecars removed.
        same: number of files that said everything already.
        left: files left alone, each with the reason.
        notes: what stays within files that were changed, and why.
    """

    write_id: int | None
    created: int = 0
    changed: int = 0
    removed: int = 0
    same: int = 0
    left: tuple[Skipped, ...] = ()
    notes: tuple[Skipped, ...] = ()


class Tally:
    """What was done so far."""

    def __init__(self) -> None:
        self.seen = self.same = 0
        self._done: dict[Path, Action] = {}  # what became of each file in the end
        self._left: list[Skipped] = []
        self._notes: list[Skipped] = []

    def note(self, change: Change) -> None:
        """Take note of a change that was planned."""
        self.seen += 1
        self.same += change.action == "same"
        if change.action == "left":
            self._left.append(Skipped(printable(change.file), change.reason))

    def fail(self, change: Change, error: Exception) -> None:
        """Take note of a change that could not be made."""
        self._left.append(Skipped(printable(change.file), reason_of(error)))

    def count(self, change: Change) -> None:
        """Take note of a change that was made."""
        self._done[change.file] = change.action
        self._notes += [Skipped(printable(change.file), note) for note in change.notes]

    def outcome(self, write_id: int | None) -> Outcome:
        """Return all of it; `write_id` only where something was done."""
        done = Counter(self._done.values())
        return Outcome(
            write_id=write_id if done else None,
            created=done["create"],
            changed=done["change"],
            removed=done["remove"],
            same=self.same,
            left=tuple(self._left),
            notes=tuple(self._notes),
        )


def left(photo: Path, file: Path, reason: str | Exception) -> Change:
    """Return that a file is left alone, and why."""
    text = reason if isinstance(reason, str) else reason_of(reason)
    return Change(photo=photo, file=file, action="left", reason=text)


def reason_of(error: Exception) -> str:
    """Return an error as the reason why a file was left alone."""
    if isinstance(error, OSError):
        return f"cannot be read or written ({error.strerror or error})"
    return str(error)


def _lines(data: bytes | None) -> list[str]:
    """Return the lines of a sidecar, without their ends."""
    if data is None:
        return []
    try:
        text = decode_sidecar(data).text
    except SidecarError:
        text = data.decode("utf-8", "replace")
    return [line.rstrip("\r") for line in text.split("\n")]
