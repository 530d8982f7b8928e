"""The country codes are those of ISO 3166-1."""

from __future__ import annotations

from pathlib import Path

import pytest

from waymark.gazetteer import load_gazetteer
from waymark.gazetteer_countries import COUNTRIES, MEANT


def test_there_are_249_and_one() -> None:
    """All are two capitals; Kosovo's XK is the one that ISO does not assign."""
    assert len(COUNTRIES) == 249 + 1
    assert "XK" in COUNTRIES
    assert all(code.isascii() and code.isupper() and len(code) == 2 for code in COUNTRIES)


def test_they_are_those_of_the_time_zones() -> None:
    """The system's table of time zones, an independent list, has the same codes."""
    table = Path("/usr/share/zoneinfo/iso3166.tab")
    if not table.exists():
        pytest.skip("no time zones on this system")
    lines = table.read_text(encoding="utf-8").splitlines()
    assert {line[:2] for line in lines if not line.startswith("#")} == COUNTRIES - {"XK"}


def test_common_mistakes_lead_to_codes() -> None:
    """What is meant is a code, what is written is none; the gazetteer uses codes only."""
    assert set(MEANT.values()) <= COUNTRIES
    assert not set(MEANT) & COUNTRIES
    assert {landmark.country for landmark in load_gazetteer().landmarks} <= COUNTRIES
