"""One id for each licence, however a site writes it."""

from __future__ import annotations

import pytest

from waymark.curate.licence import FAMILIES, family_of, licence_id, read_licences, refusal
from waymark.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("CC BY-SA 4.0", "cc-by-sa-4.0"),
        ("cc-by-sa-3.0,2.5,2.0,1.0", "cc-by-sa-3.0"),
        ("cc-by-sa-3.0-de", "cc-by-sa-3.0"),
        ("CC BY 2.0", "cc-by-2.0"),
        ("cc-by-nc-nd-4.0", "cc-by-nc-nd-4.0"),
        ("CC0", "cc0"),
        ("cc-zero", "cc0"),
        ("Public domain", "pd"),
        ("PD-old-100", "pd"),
        ("No restrictions", "pd"),
        ("GFDL", "gfdl"),
        ("https://creativecommons.org/licenses/by-sa/3.0/deed.de", "cc-by-sa-3.0"),
        ("http://creativecommons.org/publicdomain/zero/1.0/", "cc0"),
        ("https://creativecommons.org/publicdomain/mark/1.0/", "pd"),
        ("Creative Commons Attribution-ShareAlike 4.0 International", "cc-by-sa-4.0"),
        ("Creative Commons Attribution-NonCommercial-NoDerivs 3.0", "cc-by-nc-nd-3.0"),
        ("Creative Commons Attribution 3.0 Unported License", "cc-by-3.0"),
    ],
)
def test_spellings(text: str, found: str) -> None:
    """What sites write becomes one id, and every id has a family."""
    assert licence_id(text) == found
    assert family_of(found) in FAMILIES


@pytest.mark.parametrize("text", ["Attribution", "Copyrighted", "CC BY-XX 4.0", "see page", ""])
def test_what_is_no_family_is_in_none(text: str) -> None:
    """A licence that is not known is never taken for a free one."""
    assert family_of(licence_id(text)) is None
    assert refusal(text, frozenset(FAMILIES))


def test_a_family_is_not_its_stricter_sister() -> None:
    """cc-by takes every version of CC BY, and no CC BY-SA, -NC or -ND."""
    wanted = read_licences("cc0, CC-BY")

    assert refusal("CC BY 2.0", wanted) is None
    assert refusal("CC0", wanted) is None
    assert all(refusal(f"CC BY-{more} 2.0", wanted) for more in ("SA", "NC", "ND", "NC-SA"))
    assert refusal(None, wanted) == "no licence is stated"
    assert refusal(None, read_licences(None)) is None


def test_a_name_that_is_no_family() -> None:
    """The message lists the names there are."""
    with pytest.raises(ConfigError, match=r"cc-bye; use names of cc0, pd"):
        read_licences("cc0,cc-bye")
