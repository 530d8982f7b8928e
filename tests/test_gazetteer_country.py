"""Countries have names, and local names a language where there is no doubt."""

from __future__ import annotations

import pytest

from waymark.gazetteer_countries import COUNTRIES
from waymark.gazetteer_country import country_name, country_table, local_language


def test_every_country_of_the_table_is_one() -> None:
    """Codes are ISO's, names are not empty."""
    assert set(country_table()) <= COUNTRIES
    assert all(country.name for country in country_table().values())


@pytest.mark.parametrize(("code", "name"), [("FR", "France"), ("QQ", "QQ"), (None, None)])
def test_names(code: str | None, name: str | None) -> None:
    """A code without a name stays a code."""
    assert country_name(code) == name


@pytest.mark.parametrize(
    ("text", "country", "language"),
    [("Tour Eiffel", "FR", "fr"), ("東京", "FR", None), ("Tower", None, None), ("1", "FR", None)],
)
def test_languages(text: str, country: str | None, language: str | None) -> None:
    """Country and script must agree."""
    assert local_language(text, country) == language
