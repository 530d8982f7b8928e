"""Moments that a photo has left: it went, cannot be read, or was taken at another time.

In:  rows of the table `photo` that are about to change.
Out: the table `stale`, by which `context_run` decides anew on what was beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3


def leave(connection: sqlite3.Connection, where: str, arguments: Sequence[Any]) -> None:
    """Note when the photos of a condition were taken, as far as they are neighbours to anybody."""
    connection.execute(
        "INSERT OR IGNORE INTO stale SELECT moment FROM photo "
        f"WHERE taken IS NOT NULL AND missing = 0 AND error IS NULL AND {where}",
        arguments,
    )
