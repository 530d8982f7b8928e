"""How alike two names are, whatever their case, accents, script or spelling.

In:  names as people write them.
Out: plain forms, and scores from 0 (unlike) to 1 (equal). Standard library only.
"""

from __future__ import annotations

import unicodedata
from difflib import SequenceMatcher

# letters that no decomposition takes apart; of Arabic, two that are often written for others
_FOLDED = str.maketrans(dict(zip("ıøłđðħةى", "iolddhهي", strict=True)) | {"æ": "ae", "œ": "oe"})
_SHORT = {"saint": "st", "sankt": "st", "mount": "mt"}


def plain(text: str) -> str:
    """Lower case, no accents, words parted by single spaces; any script."""
    # some letters, such as those of mathematics, are capitals only once they are taken apart
    apart = unicodedata.normalize("NFKD", text).casefold()
    letters = unicodedata.normalize("NFKD", apart).translate(_FOLDED)
    kept = (
        ""
        if unicodedata.combining(c) or c in "'’"
        else c
        if unicodedata.category(c)[0] in "LMN"
        else " "
        for c in letters
    )
    return " ".join(_SHORT.get(word, word) for word in "".join(kept).split())


def likeness(query: str, key: str) -> float:
    """Score 0 (unlike) to 1 (equal) of what is asked for and a name, both plain."""
    if query == key:
        return 1.0
    return _contained(query, key) or (_nearly(query, key) if len(query) >= 4 else 0.0)


def _contained(query: str, key: str) -> float:
    """Score a query that is in a name letter by letter."""
    if query.replace(" ", "") == key.replace(" ", ""):
        return 0.97
    if key.startswith(query + " "):
        return 0.95
    words = key.split()
    if all(any(word.startswith(want) for word in words) for want in query.split()):
        return 0.9
    return 0.85 if len(query) > 1 and query in key else 0.0


def _nearly(query: str, key: str) -> float:
    """Score a query with wrong letters."""
    words = key.split()
    nearest = [max(ratio(want, word) for word in words) for want in query.split()]
    by_word = sum(nearest) / len(nearest) if min(nearest) >= 0.6 else 0.0
    near = max(by_word, ratio(query, key))
    return 0.8 * near if near >= 0.75 else 0.0


def ratio(one: str, two: str, *, least: float = 0.6) -> float:
    """Share of letters that two texts have in common, in order; 0 where it is below `least`."""
    matcher = SequenceMatcher(None, one, two, autojunk=False)
    if matcher.real_quick_ratio() < least or matcher.quick_ratio() < least:
        return 0.0
    found = matcher.ratio()
    return found if found >= least else 0.0
