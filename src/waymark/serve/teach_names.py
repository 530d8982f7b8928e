"""Which landmark a name means: one that the bundle knows, one of the gazetteer, or a new one.

In:  what somebody typed.
Out: a `Landmark` whose id is a plain word, whatever was typed; and names that begin like it.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from waymark.dataset.index import UNKNOWN
from waymark.gazetteer import Gazetteer, Landmark, load_gazetteer
from waymark.gazetteer_search import plain
from waymark.serve.problems import Problem

MAX_NAME = 120  # characters, of everything that can be typed
_BIDI = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F))
_UNSEEN = ("Cc", "Cs", "Co", "Cn")
_JOINERS = "\u200c\u200d"  # invisible, but part of how words and emoji are written
_FILLERS = dict.fromkeys((0x115F, 0x1160, 0x3164, 0xFFA0, 0x2800, 0x034F))  # letters without ink
_ID = 60  # characters of an id
_WORDS = ("place", "category")


class Names:
    """The landmarks of one bundle, those of the gazetteer, and those that are being taught.

    Attributes:
        kinds: the categories there are, by what they are called in plain letters.
    """

    def __init__(self, known: Iterable[Landmark]) -> None:
        """Make one.

        Args:
            known: landmarks of the bundle.
        """
        self._known = {one.id: one for one in known}
        others = [one for one in load_gazetteer().landmarks if one.id not in self._known]
        self._listed = Gazetteer((*self._known.values(), *others))
        kinds = {one.category for one in self._listed.landmarks if one.category}
        self.kinds = {_key(kind): kind for kind in sorted(kinds)}
        self._by_name: dict[str, Landmark] = {}
        for one in self._listed.landmarks:
            for text in (one.name, one.local_name, one.id):
                if text:
                    self._by_name.setdefault(_key(text), one)

    def is_known(self, landmark: str) -> bool:
        """Say whether the bundle has a landmark of that id."""
        return landmark in self._known

    def find(self, text: str, taught: Iterable[Landmark] = ()) -> Landmark:
        """Return the landmark of that id or name, or a new one of that name.

        Args:
            text: what was typed.
            taught: landmarks that are being taught.

        Raises:
            Problem: it is no name.
        """
        taught = tuple(taught)
        found = self.look_up(text, taught)
        if found is not None:
            return found
        name = clean_name(text)
        return Landmark(id=self._new_id(name, {one.id for one in taught}), name=name)

    def look_up(self, text: str, taught: Iterable[Landmark] = ()) -> Landmark | None:
        """Return the landmark of that id or name; None where nobody knows one. See `find`."""
        name = clean_name(text)
        given = {_key(one.name): one for one in taught}
        return self._listed.get(name) or given.get(_key(name)) or self._by_name.get(_key(name))

    def search(
        self, text: str, taught: Iterable[Landmark] = (), *, limit: int = 8
    ) -> list[Landmark]:
        """Return landmarks that may be meant, the likeliest first."""
        text = text[:MAX_NAME]
        listed = {one.id: 0.0 for one in self._listed.landmarks}
        fresh = Gazetteer(one for one in taught if one.id not in listed)
        found = fresh.search(text, limit) + self._listed.search(text, limit)
        return [one for one, _ in sorted(found, key=lambda pair: -pair[1])[:limit]]

    def _new_id(self, name: str, taken: set[str]) -> str:
        stem = "_".join(plain(name).split())[:_ID].strip("_") or "landmark"
        wanted, number = stem, 1
        while wanted in taken or wanted == UNKNOWN or self._listed.get(wanted):
            number += 1
            wanted = f"{stem}_{number}"
        return wanted


def clean_name(text: str) -> str:
    """Return a name as it is shown: composed, one space between words, nothing invisible.

    Raises:
        Problem: nothing is left of it, or it is too long.
    """
    name = _tidy(text)
    if not name:
        raise _wrong("the landmark has no name.", "Type what it is called.")
    if len(name) > MAX_NAME:
        raise _wrong(
            f"the name has {len(name)} characters; {MAX_NAME} is the most.",
            "Type a shorter one.",
        )
    return name


def with_facts(landmark: Landmark, fields: Mapping[str, str], kinds: Mapping[str, str]) -> Landmark:
    """Return the landmark with what a form says of it; fields that are empty change nothing.

    Args:
        landmark: what is known.
        fields: `lat` and `lon` in degrees, `place`, `country` (two letters), `category`.
        kinds: `Names.kinds`.

    Raises:
        Problem: a field cannot be right.
    """
    news: dict[str, Any] = {}
    for field in _WORDS:
        if text := _tidy(fields.get(field, "")):
            if len(text) > MAX_NAME:
                raise _wrong(f"{field} has more than {MAX_NAME} characters.", "Shorten it.")
            news[field] = kinds.get(_key(text), text) if field == "category" else text
    country = fields.get("country", "").strip().upper()
    if country:
        if not (len(country) == 2 and country.isascii() and country.isalpha()):
            raise _wrong("country is no code of two letters.", "Use one such as FR.")
        news["country"] = country
    lat, lon = (_degrees(fields, name, most) for name, most in (("lat", 90), ("lon", 180)))
    if (lat is None) != (lon is None):
        raise _wrong("only one of latitude and longitude is given.", "Give both or neither.")
    if lat is not None:
        news |= {"lat": lat, "lon": lon, "estimated": False}
    return replace(landmark, **news)


def _degrees(fields: Mapping[str, str], field: str, most: int) -> float | None:
    text = fields.get(field, "").strip().replace("−", "-").replace(",", ".").rstrip("°")
    if not text:
        return None
    try:
        value = float(text) if text.isascii() and len(text) < 40 else math.nan
    except ValueError:
        value = math.nan
    if not abs(value) <= most:
        words = {"lat": "latitude", "lon": "longitude"}[field]
        raise _wrong(
            f"{words} must be a number of degrees from -{most} to {most}.",
            "Click on the map, or type a number such as 48.8584.",
        )
    return round(value, 6)


def _tidy(text: str) -> str:
    composed = unicodedata.normalize("NFC", text).translate(_BIDI)
    seen = "".join(
        " " if unicodedata.category(c) in _UNSEEN else c
        for c in composed.translate(_FILLERS)
        if unicodedata.category(c) != "Cf" or c in _JOINERS
    )
    return " ".join(seen.split()) if seen.strip(f" {_JOINERS}") else ""


def _key(text: str) -> str:
    return plain(text) or text.casefold()


def _wrong(message: str, hint: str) -> Problem:
    return Problem(422, "invalid", message, hint)
