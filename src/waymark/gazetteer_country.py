"""What countries are called in English, and which language a local name is in.

In:  an ISO 3166-1 code, and for the language a landmark's local name.
Out: text; None where nothing is certain.
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
    """A country in words.

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
