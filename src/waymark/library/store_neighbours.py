"""What was photographed just before and after: the photos that help a person to see where it was.

In:  a `Store` and the number of a photo.
Out: `Listed` records, oldest first.
"""

from __future__ import annotations

from waymark.library.context import WINDOW_S
from waymark.library.store import Store
from waymark.library.store_query import Listed, photos

_LOOKED_AT = 30  # of them, as copies are no neighbours


def neighbours(store: Store, number: int, *, each: int = 3) -> tuple[list[Listed], list[Listed]]:
    """Return the photos before and after one within three days, at most `each` of either.

    Only photos that say themselves when they were taken count; a copy is no neighbour.
    """
    with store.faults():
        row = store.connection.execute(
            "SELECT moment, id, sha256, taken FROM photo WHERE id = ?", [number]
        ).fetchone()
        if row is None or row[3] is None:
            return [], []
        moment, _, digest, _ = row
        sides = []
        for compared, order, edge in ((">", "ASC", WINDOW_S), ("<", "DESC", -WINDOW_S)):
            found = store.connection.execute(
                f"SELECT id, sha256 FROM photo WHERE (moment, id) {compared} (?, ?) "
                "AND moment BETWEEN ? AND ? AND taken IS NOT NULL AND missing = 0 "
                f"ORDER BY moment {order}, id {order} LIMIT {_LOOKED_AT}",
                [moment, number, *sorted((moment, moment + edge))],
            ).fetchall()
            seen = {digest} - {None}
            kept: list[int] = []
            for one, content in found:
                if content not in seen and len(kept) < each:
                    kept.append(one)
                if content is not None:
                    seen.add(content)
            sides.append(kept)
    after, before = sides
    return photos(store, before[::-1]), photos(store, after)
