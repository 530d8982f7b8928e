"""Which landmarks of a library are asked for, by name, place, country, category, any spelling.

In:  landmarks by their numbers in the library, and a `Filter`.
Out: the numbers of those that are meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

from waymark.errors import UnknownName
from waymark.gazetteer import Gazetteer, Landmark
from waymark.gazetteer_country import country_name
from waymark.gazetteer_search import plain

if TYPE_CHECKING:
    from waymark.library.store_query import Filter

_LIKE = 0.6  # how like what was searched for the name of a landmark must be


def numbers_asked_for(landmarks: Mapping[int, Landmark], wanted: Filter) -> list[int]:
    """Return the numbers of the landmarks that are asked for.

    Raises:
        UnknownName: none of them is called so.
    """
    found = dict(landmarks)
    for field_name in ("landmark", "place", "country", "category"):
        value = getattr(wanted, field_name)
        if value is None:
            continue
        kept = {n: each for n, each in found.items() if _is(each, field_name, value)}
        if not kept:
            near = _nearest(found.values(), field_name, value)
            hint = f"did you mean {near!a}? " if near else ""
            raise UnknownName(
                f"no {field_name} {value!a} in this library; {hint}"
                "`waymark library stats` lists them."
            )
        found = kept
    if wanted.text is not None:
        numbers = {each: number for number, each in found.items()}
        hits = Gazetteer(found.values()).search(wanted.text, limit=len(found))
        best = hits[0][1] if hits else 0.0
        found = {numbers[e]: e for e, score in hits if score >= max(_LIKE * best, _LIKE / 2)}
        if not found:
            raise UnknownName(f"nothing in this library is called {wanted.text!a}.")
    return list(found)


def _nearest(landmarks: Iterable[Landmark], name: str, value: str) -> str | None:
    """Return the name in the library that is most like what was asked for."""
    column = "name" if name == "landmark" else name
    names = {plain(each): each for one in landmarks if (each := getattr(one, column))}
    return next((names[each] for each in get_close_matches(plain(value), names, n=1)), None)


def _is(landmark: Landmark, name: str, value: str) -> bool:
    if name == "landmark":
        called = (landmark.id, landmark.name, landmark.local_name, landmark.wikidata)
        return plain(value) in {plain(each) for each in called if each}
    if name == "country":
        names = (landmark.country, country_name(landmark.country))
        return plain(value) in {plain(each) for each in names if each}
    return plain(value) == plain(getattr(landmark, name) or "")
