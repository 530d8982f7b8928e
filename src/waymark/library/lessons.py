"""What a person said of the library, as a manifest that `waymark teach` learns from.

In:  a `Store` whose photos were approved and corrected.
Out: rows of a CSV, with paths that are relative to a folder: the table must lie there.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from waymark.dataset.manifest import escaped
from waymark.library.raw import KINDS
from waymark.library.store import Store

COLUMNS = ("path", "label", "category", "place")


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """Photos to learn from.

    Attributes:
        folder: where the table must lie; None where there are none.
        rows: path, label, category, place; copies of a photo stand there once.
        landmarks: their number.
        left_out: photos that no table of text can name, or that are RAW without a JPEG.
    """

    folder: Path | None
    rows: tuple[tuple[str, str, str, str], ...]
    landmarks: int
    left_out: int

    def csv(self) -> Iterator[str]:
        """Yield the table."""
        out = StringIO()
        writer = csv.writer(out, lineterminator="\n")
        for row in (COLUMNS, *self.rows):
            writer.writerow([escaped(cell) for cell in row])
            yield out.getvalue()
            out.seek(0)
            out.truncate()


def lessons(store: Store, *, corrected_only: bool = False) -> Lessons:
    """Collect the photos whose landmark a person has said.

    Args:
        store: the library.
        corrected_only: leave out what was right before, and only approved.
    """
    states = "('corrected')" if corrected_only else "('approved', 'corrected')"
    with store.faults():
        found = store.connection.execute(
            "SELECT photo.path, landmark.key, landmark.category, landmark.place, photo.format "
            "FROM photo JOIN landmark ON landmark.id = photo.landmark "
            f"WHERE photo.state IN {states} AND photo.missing = 0 AND photo.error IS NULL "
            "GROUP BY coalesce(photo.sha256, photo.id) ORDER BY photo.path"
        ).fetchall()
    kept = []
    for path, key, category, place, form in found:
        name = os.fsdecode(path)
        if form not in KINDS and _is_text(name):
            kept.append((name, key, category or "", place or ""))
    if not kept:
        return Lessons(folder=None, rows=(), landmarks=0, left_out=len(found))
    folder = os.path.commonpath([os.path.dirname(row[0]) for row in kept])  # noqa: PTH120
    return Lessons(
        folder=Path(folder),
        rows=tuple((os.path.relpath(row[0], folder), *row[1:]) for row in kept),
        landmarks=len({row[1] for row in kept}),
        left_out=len(found) - len(kept),
    )


def _is_text(name: str) -> bool:
    """Say whether a cell of a table can hold a name, so that it comes back as it was."""
    if name != name.strip() or any(not c.isprintable() for c in name):
        return False
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
