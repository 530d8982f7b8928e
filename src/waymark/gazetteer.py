"""Landmarks of the world: names, places and positions, by id or by any spelling.

In:  `landmarks.csv` (ours, or a user's own with the same columns; only `id` is required).
Out: `Landmark` records, a `Gazetteer` to look them up in, and the outline of the land.

Facts only, each with its source in the file. Standard library only.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from waymark.errors import GazetteerError, UnknownName
from waymark.gazetteer_country import country_name
from waymark.gazetteer_search import likeness, plain

_HERE = Path(__file__).parent
_NUMBERS = ("lat", "lon", "extent_m")


@dataclass(frozen=True, kw_only=True)
class Landmark:
    """What is known of one landmark; None where nothing is known.

    Attributes:
        id: stable name, as in a folder's name or a class of a bundle.
        name: for display, in English where there is an English name.
        local_name: as it is called and written there.
        place: city or region.
        country: ISO 3166-1 code, two capitals.
        category: kind of landmark: bridge, tower, palace ...
        lat: degrees north, -90 to 90.
        lon: degrees east, -180 to 180.
        extent_m: rough radius of the landmark, in metres.
        wikidata: Wikidata id: Q and a number.
        estimated: the position is the median of photos' GPS, not a checked fact.
    """

    id: str
    name: str
    local_name: str | None = None
    place: str | None = None
    country: str | None = None
    category: str | None = None
    lat: float | None = None
    lon: float | None = None
    extent_m: float | None = None
    wikidata: str | None = None
    estimated: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be true of any landmark."""
        for fault in faults_of(vars(self)):
            raise GazetteerError(fault)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; every key is present."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Landmark:
        """Make a landmark of JSON values; unknown keys are ignored.

        Raises:
            GazetteerError: a value is missing, of the wrong type or out of range.
        """
        known = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        for key, value in known.items():
            good: tuple[type, ...] = (str,)
            if key in _NUMBERS:
                good = (int, float)
            elif key == "estimated":
                good = (bool,)
            optional = value is None and key not in ("id", "name", "estimated")
            if not optional and (
                not isinstance(value, good) or (value is True and bool not in good)
            ):
                raise GazetteerError(
                    f"{key} of a landmark is {value!r}; expected {good[-1].__name__}."
                )
        if "id" not in known:
            raise GazetteerError("a landmark has no id; every landmark needs one.")
        return cls(**{"name": display_name(known["id"]), **known})


def faults_of(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield what cannot be true of any landmark, in words.

    Args:
        values: fields of `Landmark`, of the right types; what is not there is None.
    """
    label, lat, lon = values["id"], values.get("lat"), values.get("lon")
    for field in ("id", "name"):
        value = values[field]
        if not value or not value.strip() or any(ord(c) < 32 for c in value):
            yield f"{field} of a landmark is {value!r}; give it a name in printable characters."
    if (lat is None) != (lon is None):
        yield f"{label!r} has only one of lat and lon; give both or neither."
    for field, degrees, limit in (("lat", lat, 90), ("lon", lon, 180)):
        if degrees is not None and not -limit <= degrees <= limit:
            yield (
                f"{field} of {label!r} is {degrees}; it must be in degrees, -{limit} to {limit}."
            )
    extent, country, item = (values.get(key) for key in ("extent_m", "country", "wikidata"))
    if extent is not None and not (extent > 0 and math.isfinite(extent)):
        yield f"extent_m of {label!r} is {extent}; it must be a radius in metres, above 0."
    if country is not None and not re.fullmatch("[A-Z]{2}", country):
        yield (
            f"country of {label!r} is {country!r}; use the two capitals of ISO 3166-1, such as FR."
        )
    if item is not None and not re.fullmatch(r"Q[1-9]\d*", item, re.ASCII):
        yield f"wikidata of {label!r} is {item!r}; use an id such as Q243."


def display_name(label: str) -> str:
    """Return how an id is shown: without a leading index, underscores and parent.

    `09.Golden_Gate_Bridge` is shown as `Golden Gate Bridge`, and `nice/opera` as
    `opera (nice)`.
    """
    *parents, name = label.split("/")
    shown = re.sub(r"^\d+[.)_\-\s]+(?=[^\W\d_])", "", name).replace("_", " ")
    shown = " ".join(shown.split()) or label
    return f"{shown} ({', '.join(map(display_name, parents))})" if parents else shown


class Gazetteer:
    """Landmarks, to be found by id or by any spelling of a name."""

    def __init__(self, landmarks: Iterable[Landmark]) -> None:
        self.landmarks = tuple(landmarks)
        self._by_id = {landmark.id: landmark for landmark in self.landmarks}

    def __len__(self) -> int:
        return len(self.landmarks)

    def get(self, landmark_id: str) -> Landmark | None:
        """Return the landmark of exactly that id, or None."""
        return self._by_id.get(landmark_id)

    def find(self, landmark_id: str) -> Landmark:
        """Return the landmark of exactly that id.

        Raises:
            UnknownName: there is none; the message has the nearest id.
        """
        if landmark_id in self._by_id:
            return self._by_id[landmark_id]
        near = get_close_matches(landmark_id, self._by_id, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UnknownName(f"no landmark {landmark_id!r}; {hint}`waymark landmarks` lists all.")

    def search(self, text: str, limit: int = 10) -> list[tuple[Landmark, float]]:
        """Find landmarks by name, local name, id, Wikidata id, place, country or category.

        Case, accents and punctuation do not matter, and a letter or two may be wrong.

        Returns:
            At most `limit` landmarks with a score above 0, up to 1 (the very name), best first.
        """
        query = plain(text)
        if not query:
            return []
        scored = [
            (landmark, max(weight * likeness(query, key) for key, weight in keys))
            for landmark, keys in zip(self.landmarks, self._keys, strict=True)
        ]
        found = sorted((pair for pair in scored if pair[1] > 0), key=lambda pair: -pair[1])
        return found[:limit]

    @cached_property
    def _keys(self) -> list[list[tuple[str, float]]]:
        """For each landmark, what it may be asked for by, and how much that says."""
        return [
            [
                (plain(text), weight)
                for text, weight in (
                    (landmark.name, 1.0),
                    (landmark.local_name, 1.0),
                    (landmark.id, 1.0),
                    (landmark.wikidata, 1.0),
                    (landmark.place, 0.8),
                    (landmark.country, 0.7),
                    (country_name(landmark.country), 0.8),
                    (landmark.category, 0.7),
                    (
                        " ".join(filter(None, (landmark.name, landmark.place, landmark.category))),
                        0.7,
                    ),
                )
                if text
            ]
            for landmark in self.landmarks
        ]


@cache
def _packaged() -> Gazetteer:
    return Gazetteer(_read(_HERE / "landmarks.csv"))


def load_gazetteer(path: Path | None = None) -> Gazetteer:
    """Read a landmarks file; without `path`, the one inside the package.

    Args:
        path: CSV in UTF-8 with the column `id` and any of the other fields of `Landmark`;
            further columns are ignored.

    Raises:
        GazetteerError: the file cannot be read, or a row cannot be right; names the row.
    """
    return _packaged() if path is None else Gazetteer(_read(path))


@cache
def outline() -> list[list[tuple[float, float]]]:
    """Return the coast lines of the world, roughly, for a small map.

    Returns:
        Closed rings of (lon, lat) in degrees, to a tenth; a lake is a ring inside another,
        so fill by the even-odd rule.

    Source: Natural Earth, land 1:110 m (public domain), simplified; islets are left out.
    """
    rings = json.loads((_HERE / "land.json").read_text(encoding="utf-8"))
    return [[(lon, lat) for lon, lat in ring] for ring in rings]


def _read(path: Path) -> list[Landmark]:
    from waymark.gazetteer_file import load_landmarks

    return load_landmarks(path)
