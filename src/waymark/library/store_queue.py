"""What a person should look at next, and how far they are.

In:  a `Store` whose tags `context_run` has decided; a `Filter`, where not all of it is asked for.
Out: photos, the most valuable answer first; numbers of photos.

An answer is worth the chance that it changes the tag, times the doubtful photos of the same
minutes that it speaks for too (`context_run.decide` keeps that as `worth`). What one answer says
of a landmark and a day, the next says less of: the second photo of such a group is worth half
of the first, and so on.

Without a filter, doubtful tags wait. With one, all of its photos do that nobody has looked at:
who filters means to look through these, the unknown ones too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from waymark.errors import UnknownName
from waymark.library.store import Store
from waymark.library.store_query import STATES, Condition, Filter, Listed, condition, photos

_CANDIDATES = 5_000  # of the highest worth, among which groups are told apart
_DAY_S = 86_400
_NEW = "state = 'new' AND missing = 0"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far the review is.

    Attributes:
        left: photos that wait.
        done: photos of which a person said something.
        unknown: photos without a landmark that nobody has looked at.
        last: what was said last, and would be taken back first; None where nothing was.
    """

    left: int
    done: int
    unknown: int
    last: Act | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Act:
    """What a person said in one go.

    Attributes:
        photos: of how many photos, copies included.
        photo: the number of one of them.
        state: what was said.
        name: of the landmark, where one was named.
    """

    photos: int
    photo: int
    state: str
    name: str | None


def queue_numbers(store: Store, wanted: Filter | None = None, *, limit: int = 200) -> list[int]:
    """Return the numbers of the photos about which an answer is worth most, those first.

    What has an answer waits no longer, so the next page is simply the next call. A name that
    nothing in the library has leaves nothing to wait.
    """
    with store.faults():
        waiting, arguments = _waiting(store, wanted)
        # without a filter as the index has them; else what is worth the same is in order
        order = "DESC" if wanted is None else "ASC"
        found = store.connection.execute(
            f"SELECT id, worth, landmark, moment / {_DAY_S} FROM {waiting} "
            f"ORDER BY worth DESC, id {order} LIMIT {max(_CANDIDATES, limit)}",
            arguments,
        ).fetchall()
    seen: dict[tuple[int | None, int], int] = {}
    ranked = []
    for number, worth, landmark, day in found:
        before = seen[landmark, day] = seen.get((landmark, day), 0) + 1
        ranked.append((worth / before, -number))
    ranked.sort(reverse=True)
    return [-number for _, number in ranked[:limit]]


def queue(store: Store, *, limit: int = 100) -> list[Listed]:
    """Return the photos of `queue_numbers`."""
    return photos(store, queue_numbers(store, limit=limit))


def count_waiting(store: Store, wanted: Filter | None = None) -> int:
    """Return how many photos `queue_numbers` would come to in the end."""
    with store.faults():
        return _count(store, *_waiting(store, wanted))


def standing(store: Store, wanted: Filter | None = None) -> Standing:
    """Say how far the review is; `left` is of the filter, where there is one."""
    with store.faults():
        left = _count(store, *_waiting(store, wanted))
        done = _count(store, f"photo WHERE state IN {STATES[1:]} AND missing = 0")
        # apart, as either has an index
        unknown = _count(store, f"photo WHERE landmark IS NULL AND +{_NEW}")
        unknown -= _count(store, f"photo WHERE error IS NOT NULL AND +landmark IS NULL AND +{_NEW}")
        row = store.connection.execute(
            "SELECT count(DISTINCT photo), min(photo), max(review.state), max(landmark.name) "
            "FROM review LEFT JOIN landmark ON landmark.id = review.landmark "
            "WHERE act = (SELECT max(act) FROM review)"
        ).fetchone()
    last = Act(photos=row[0], photo=row[1], state=row[2], name=row[3]) if row[0] else None
    return Standing(left=left, done=done, unknown=unknown, last=last)


def _count(store: Store, source: str, arguments: Sequence[Any] = ()) -> int:
    return int(store.connection.execute(f"SELECT count(*) FROM {source}", arguments).fetchone()[0])


def _waiting(store: Store, wanted: Filter | None) -> Condition:
    """Return, in SQL, the photos that a person is asked about, to come after FROM."""
    if wanted is None:
        return f"photo INDEXED BY photo_worth WHERE {_NEW} AND worth > 0", []
    try:
        where, arguments = condition(store, wanted)
    except UnknownName:
        return "photo WHERE 0", []
    # nearly all photos are new, so that this index leads the longest way round; SQLite likes it
    others = wanted.names or wanted.gps or wanted.evidence or wanted.unknown
    return f"photo WHERE {'+' if others else ''}{_NEW} AND error IS NULL AND {where}", arguments
