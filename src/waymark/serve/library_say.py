"""What a person says of photos of the library, from a form of a page or of a program.

In:  the fields of a form.
Out: a change of the library, and the number of photos that it was about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from waymark.library.store import Store
from waymark.library.store_query import landmarks_of
from waymark.library.store_queue import standing
from waymark.serve.library_filter import filter_of
from waymark.serve.library_rows import above
from waymark.serve.library_shelf import Shelf
from waymark.serve.problems import Problem
from waymark.serve.service import Service
from waymark.serve.teach_names import Names

MOST = 1_000  # photos of a press
SAYS: dict[str, Callable[[Store, list[int]], int]] = {
    "approved": Store.approve,
    "rejected": Store.reject,
    "not-a-landmark": Store.not_a_landmark,
}


class Known:
    """The names of landmarks: the library's own, the bundle's, and the gazetteer's."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._made: tuple[str, Names] | None = None

    @property
    def names(self) -> Names:
        """Those of the bundle in use and of the gazetteer."""
        bundle = self._service.recogniser.bundle
        if self._made is None or self._made[0] != bundle.sha256:
            self._made = bundle.sha256, Names(bundle.manifest.landmarks)
        return self._made[1]


async def say(shelf: Shelf, known: Known, fields: Mapping[str, str]) -> int:
    """Do what a form says: `say`, of the photos `photo`; `landmark` where it is `corrected`.

    Raises:
        Problem: the form cannot be right, or a photo is not the library's.
        Busy: another program writes the library.
    """
    what = fields.get("say", "")
    photos = _numbers(fields.get("photo", ""))
    if what == "corrected":
        text = fields.get("landmark", "")

        def correct(store: Store) -> int:
            landmark = known.names.find(text, landmarks_of(store).values())
            return sum(store.correct(photo, landmark) for photo in photos)

        if len(photos) != 1:
            raise _wrong("one photo at a time can be corrected.")
        return await shelf.write(correct)
    if what not in SAYS:
        raise _wrong(f"say must be one of {', '.join((*SAYS, 'corrected'))}.")
    return await shelf.write(lambda store: SAYS[what](store, photos))


async def approve_above(shelf: Shelf, fields: Mapping[str, str]) -> int:
    """Approve what a filter holds from a score on: `score`, `expected`, and the filter's fields.

    Raises:
        Problem: there are more or fewer than were shown and agreed to.
        Busy: another program writes the library.
    """
    wanted, score = filter_of(fields), score_of(fields.get("score", ""))
    expected = fields.get("expected", "")

    def approve(store: Store) -> int:
        found = above(store, wanted, score)
        if str(len(found)) != expected:
            raise Problem(
                409,
                "changed",
                f"there are {len(found):,} such photos now.",
                "Look at them again, then approve.",
            )
        return store.approve_above(score, found)

    return await shelf.write(approve)


async def undo(shelf: Shelf) -> dict[str, Any]:
    """Take back what was said last; return how many photos that was, and one of them."""

    def take_back(store: Store) -> dict[str, Any]:
        last = standing(store).last
        return {"undone": store.undo_review(), "photo": last and last.photo}

    return await shelf.write(take_back)


def score_of(text: str) -> float:
    """Read a score.

    Raises:
        Problem: it is none.
    """
    try:
        score = float(text)
    except ValueError:
        score = -1.0
    if not 0 <= score <= 1:
        raise _wrong("score must be a number from 0 to 1.")
    return score


def _numbers(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() and len(part) < 19 for part in parts):
        raise _wrong("photo must be the number of a photo, or several with commas.")
    if len(parts) > MOST:
        raise _wrong(f"at most {MOST:,} photos can be sent at once.")
    return [int(part) for part in parts]


def _wrong(message: str) -> Problem:
    return Problem(422, "invalid", message, "Use the buttons of the page.")
