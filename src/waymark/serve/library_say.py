"""What a person says of photos of the library, from a form of a page or of a program.

In:  the fields of a form.
Out: a change of the library, and the photos that it was about.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from waymark.gazetteer import Landmark
from waymark.library import store_review
from waymark.library.store import Store
from waymark.library.store_query import STATES, landmarks_of
from waymark.serve.library_filter import filter_of
from waymark.serve.library_rows import above, content_of, guessed, shown
from waymark.serve.library_shelf import Shelf
from waymark.serve.problems import Problem
from waymark.serve.service import Service
from waymark.serve.teach_names import Names, clean_name

MOST = 1_000  # photos of a press
NEW_LANDMARK = "new-landmark"
"""The code of the problem that a name is nobody's; with the field `new` it is none."""


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

    def meant(self, store: Store, text: str, photos: list[int], *, new: bool) -> Landmark:
        """Return the landmark that a person means, for these photos.

        A name that was only ever given by a correction that was undone is nobody's again.

        Args:
            store: the library.
            text: an id or a name.
            photos: what it is said of.
            new: whether a name that nobody knows makes a landmark.

        Raises:
            Problem: it is no name; or nobody knows it, and it was not said to be new.
        """
        if new:
            return self.names.find(text, landmarks_of(store).values())
        ours = shown(store)
        found = _of_id(text, [*guessed(store, photos), *ours]) or self.names.look_up(text, ours)
        if found is not None:
            return found
        near = self.names.search(text, ours, limit=1)
        raise Problem(
            409,
            NEW_LANDMARK,
            f'no landmark is called "{clean_name(text)}".',
            f"Did you mean {near[0].name}? Else say that it is a new one."
            if near
            else "Say that it is a new one, or type another name.",
        )


async def say(shelf: Shelf, known: Known, fields: Mapping[str, str]) -> list[int]:
    """Do what a form says: `say`, of the photos `photo`; `landmark` where it is `corrected`.

    `content` says what was seen of each (`library_rows.content_of`), if it is there. A `landmark`
    that nobody knows makes one with `new=1` only.

    Returns:
        The photos that changed, copies included.

    Raises:
        Problem: the form cannot be right, or a photo is not the library's.
        Busy: another program writes the library.
    """
    photos = _numbers(fields.get("photo", ""))
    text, new = fields.get("landmark", ""), fields.get("new", "") == "1"
    what = next((state for state in STATES[1:] if state == fields.get("say", "")), None)
    if what is None:
        raise _wrong(f"say must be one of {', '.join(STATES[1:])}.")

    contents = fields.get("content", "").split(",")

    def change(store: Store) -> list[int]:
        _check_seen(store, photos, contents)
        if what != "corrected":
            return store_review.say(store, photos, what)
        return store_review.correct(store, photos, known.meant(store, text, photos, new=new))

    return await shelf.write(change)


def _check_seen(store: Store, numbers: list[int], contents: list[str]) -> None:
    """Refuse what is said of photos that are not those that were seen.

    Raises:
        Problem: a file was replaced, and tagged again, since the page was made.
    """
    if not any(contents):
        return
    now = [
        next(store.connection.execute("SELECT sha256 FROM photo WHERE id = ?", [one]), (None,))
        for one in numbers
    ]
    if [content_of(digest) for (digest,) in now] != contents:
        raise Problem(
            409, "changed", "it is another photo now than you saw.", "Load the page again."
        )


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
    """Take back what was said last.

    Returns:
        `undone`, the number of photos; `photo`, one of them; `photos`, the first `MOST`.
    """
    photos = await shelf.write(store_review.undo)
    return {"undone": len(photos), "photo": min(photos, default=None), "photos": photos[:MOST]}


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


def _of_id(text: str, landmarks: list[Landmark]) -> Landmark | None:
    return next((one for one in landmarks if one.id == text), None)


def _wrong(message: str) -> Problem:
    return Problem(422, "invalid", message, "Use the buttons of the page.")
