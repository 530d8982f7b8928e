"""What a person should look at next, and how far they are.

In:  a `Store` whose tags `context_run` has decided.
Out: photos, the most valuable answer first; numbers of photos.

An answer is worth the chance that it changes the tag, times the doubtful photos of the same
minutes that it speaks for too (`context_run.decide` keeps that as `worth`). What one answer says
of a landmark and a day, the next says less of: the second photo of such a group is worth half
of the first, and so on.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from waymark.library.store import Store
from waymark.library.store_query import STATES, Listed, photos

_CANDIDATES = 5_000  # of the highest worth, among which groups are told apart
_DAY_S = 86_400
_WAITING = "state = 'new' AND worth > 0 AND missing = 0"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far the review is.

    Attributes:
        left: photos that wait.
        done: photos of which a person said something.
        last: what was said last, and would be taken back first; None where nothing was.
    """

    left: int
    done: int
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


def queue_numbers(store: Store, *, limit: int = 200) -> list[int]:
    """Return the numbers of the photos about which an answer is worth most, those first.

    What has an answer waits no longer, so the next page is simply the next call.
    """
    with store.faults():
        found = store.connection.execute(
            f"SELECT id, worth, landmark, moment / {_DAY_S} FROM photo WHERE {_WAITING} "
            f"ORDER BY worth DESC, id DESC LIMIT {max(_CANDIDATES, limit)}"
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


def standing(store: Store) -> Standing:
    """Say how far the review is."""
    with store.faults():
        (left,) = store.connection.execute(
            f"SELECT count(*) FROM photo WHERE {_WAITING}"
        ).fetchone()
        (done,) = store.connection.execute(
            f"SELECT count(*) FROM photo WHERE state IN {STATES[1:]} AND missing = 0"
        ).fetchone()
        row = store.connection.execute(
            "SELECT count(DISTINCT photo), min(photo), max(review.state), max(landmark.name) "
            "FROM review LEFT JOIN landmark ON landmark.id = review.landmark "
            "WHERE act = (SELECT max(act) FROM review)"
        ).fetchone()
    last = Act(photos=row[0], photo=row[1], state=row[2], name=row[3]) if row[0] else None
    return Standing(left=left, done=done, last=last)
