"""Places in words: names of countries, languages of local names, distances, links.

In:  what a bundle or a prediction says of a landmark.
Out: text for a page, and the address of a place on OpenStreetMap.
"""

from __future__ import annotations

import csv
import unicodedata
from functools import cache
from pathlib import Path
from typing import NamedTuple

_TABLE = Path(__file__).parent / "countries.csv"
_SCRIPTS: dict[str, str | tuple[str, ...]] = {
    "ar": "ARABIC", "fa": "ARABIC", "ur": "ARABIC", "el": "GREEK", "he": "HEBREW", "th": "THAI",
    "hi": "DEVANAGARI", "ru": "CYRILLIC", "uk": "CYRILLIC", "ko": "HANGUL",
    "ja": ("CJK", "HIRAGANA", "KATAKANA"), "zh-Hans": "CJK", "zh-Hant": "CJK",
}  # fmt: skip


class Country(NamedTuple):
    """A country as the pages speak of it.

    Attributes:
        name: in English, as people say it.
        language: that landmarks are called in there, where there is hardly another; or "".
    """

    name: str
    language: str

    @property
    def latin(self) -> bool:
        """Whether its language is written in Latin letters."""
        return self.language not in _SCRIPTS


@cache
def country_table() -> dict[str, Country]:
    """Return the countries by ISO 3166-1 code, two capitals."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        return {row["code"]: Country(row["name"], row["language"]) for row in csv.DictReader(file)}


def country_name(code: str | None) -> str | None:
    """Return what a country is called in English; the code where it is not in the table."""
    found = country_table().get(code or "")
    return found.name if found else code


def local_language(text: str, country: str | None) -> str | None:
    """Return the language of a local name, where its country and its script leave no doubt."""
    found = country_table().get(country or "")
    first = next((c for c in text if c.isalpha()), "")
    if not found or not found.language or not first:
        return None
    script = _SCRIPTS.get(found.language, "LATIN")
    return found.language if unicodedata.name(first, "").startswith(script) else None


def openstreetmap(lat: float, lon: float, zoom: int = 16) -> str:
    """Return the address of a place on OpenStreetMap, with a marker on it."""
    at = f"{lat:.5f}", f"{lon:.5f}"
    return f"https://www.openstreetmap.org/?mlat={at[0]}&mlon={at[1]}#map={zoom}/{at[0]}/{at[1]}"


def coordinates(lat: float, lon: float) -> str:
    """Write a position: `48.8584° N, 2.2945° E`."""
    return f"{abs(lat):.4f}° {'N' if lat >= 0 else 'S'}, {abs(lon):.4f}° {'E' if lon >= 0 else 'W'}"


def say_distance(metres: float) -> str:
    """Write a distance as one would say it: `40 m`, `1.2 km`, `5,800 km`."""
    if metres < 1000:
        return f"{max(10, round(metres, -1)):.0f} m"
    if metres < 10_000:
        return f"{metres / 1000:.1f} km"
    return f"{metres / 1000:,.0f} km"


def percent(share: float, digits: int = 0) -> str:
    """Write 0-1 as a percentage that claims no certainty: 0.9996 is `>99 %`, 0.001 is `<1 %`."""
    least = 0.5 * 10 ** -(digits + 2)
    if 1 - least <= share < 1:
        return f">{100 - 10**-digits:.{digits}f} %"
    if 0 < share < least:
        return f"<{10**-digits:.{digits}f} %"
    return f"{100 * share:.{digits}f} %"
