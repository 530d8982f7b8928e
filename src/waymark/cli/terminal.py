"""Text for a terminal, whatever a file or a landmark is called."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from waymark.dataset.index import Dataset, Skipped


_TOGETHER = 3  # files of one reason, beyond which they are counted


def shown(text: str) -> str:
    """Escape what could steer a terminal, or cannot be printed at all."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def counted(count: int, one: str, many: str = "") -> str:
    """Return a number and what is counted: `1 photo`, `1,200 photos`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def say_skipped(skipped: Sequence[Skipped], most: int = 20) -> None:
    """List on stderr what of a dataset could not be used, and why."""
    for row in skipped[:most]:
        print(f"skipped {shown(row.path)}: {shown(row.reason)}", file=sys.stderr)
    if len(skipped) > most:
        print(f"... {len(skipped)} files skipped in all", file=sys.stderr)


def say_reasons(rows: Sequence[Skipped], what: str, most: int = 20) -> None:
    """List on stderr files and why; those of one reason together, where they are many."""
    reasons = Counter(row.reason for row in rows)
    few = [row for row in rows if reasons[row.reason] <= _TOGETHER]
    for reason, count in reasons.items():
        if count > _TOGETHER:
            first = next(row.path for row in rows if row.reason == reason)
            print(f"{what} {count:,} files, {shown(first)} first: {shown(reason)}", file=sys.stderr)
    for row in few[:most]:
        print(f"{what} {shown(row.path)}: {shown(row.reason)}", file=sys.stderr)
    if len(few) > most:
        print(f"... and {len(few) - most:,} more", file=sys.stderr)


def sizes_of(dataset: Dataset) -> str:
    """Say how many photos each split has."""
    counts = Counter(photo.split or "no split" for photo in dataset.photos)
    order = [split for split in ("train", "val", "test", "no split") if counts[split]]
    return ", ".join(f"{split} {counts[split]}" for split in order)
