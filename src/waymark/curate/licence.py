"""What may be done with a photo: one short name for each licence, however it is written.

In:  "CC BY-SA 4.0", "cc-by-sa-4.0", "https://creativecommons.org/licenses/by/2.0/", ...
Out: an id such as `cc-by-sa-4.0`, and whether a list such as `cc0,cc-by` takes it.

Standard library only.
"""

from __future__ import annotations

import re

from waymark.errors import ConfigError

FAMILIES = (
    "cc0",
    "pd",
    "cc-by",
    "cc-by-sa",
    "cc-by-nc",
    "cc-by-nc-sa",
    "cc-by-nd",
    "cc-by-nc-nd",
    "gfdl",
)
"""What `--licence` takes: each stands for all its versions."""

_CC = re.compile(r"cc[ -]?by((?:[ -](?:nc|nd|sa))*)(?:[ -]v?(\d(?:\.\d)?)(?:[ ,-].*)?)?$")
_WORDS = (
    (r"creative ?commons[ -]", "cc "),
    (r"\battribution\b", "by"),
    (r"share ?-?alike", "sa"),
    (r"non-?commercial", "nc"),
    (r"no-?deriv(?:ative)?s(?: works)?", "nd"),
    (r"\b(?:international|unported|generic|licen[cs]e)\b", ""),
)
_ADDRESS = re.compile(
    r"https?://(?:www\.)?creativecommons\.org/(licenses|publicdomain)/([a-z-]+)(?:/([\d.]+))?"
)


def licence_id(text: str) -> str:
    """Return the id of a licence, or its text in lower case where it is none of `FAMILIES`."""
    flat = " ".join(text.lower().replace("_", "-").split())
    if address := _ADDRESS.match(flat):
        kind, name, version = address.groups()
        if kind == "publicdomain":
            return "cc0" if name == "zero" else "pd"
        flat = f"cc-{name}" + (f"-{version}" if version else "")
    if "creative" in flat:
        for words, short in _WORDS:
            flat = re.sub(words, short, flat)
        flat = " ".join(flat.split())
    if re.match(r"cc[ -]?0|cc[ -]zero", flat):
        return "cc0"
    if re.match(r"(?:pd\b|public domain|no restrictions|cc[ -]pd)", flat):
        return "pd"
    if flat.startswith(("gfdl", "gnu free documentation")):
        return "gfdl"
    if match := _CC.match(flat):
        terms = re.findall("nc|nd|sa", match[1])
        family = "-".join(["cc-by", *[term for term in ("nc", "nd", "sa") if term in terms]])
        return family + (f"-{match[2]}" if match[2] else "")
    return flat


def family_of(licence: str) -> str | None:
    """Return which of `FAMILIES` a licence id belongs to."""
    bare = re.sub(r"-\d(?:\.\d)?$", "", licence)
    return bare if bare in FAMILIES else None


def read_licences(text: str | None) -> frozenset[str]:
    """Read a list such as `cc0,cc-by`; nothing means that any licence will do.

    Raises:
        ConfigError: a name that is none of `FAMILIES`.
    """
    names = {name.strip().lower() for name in (text or "").split(",") if name.strip()}
    wrong = sorted(names - set(FAMILIES))
    if wrong:
        raise ConfigError(
            f"--licence has {', '.join(wrong)}; use names of {', '.join(FAMILIES)}, "
            "separated by commas; each stands for all its versions."
        )
    return frozenset(names)


def refusal(licence: str | None, wanted: frozenset[str]) -> str | None:
    """Say why a licence is not one of those wanted; None where it is."""
    if not wanted:
        return None
    if not licence:
        return "no licence is stated"
    if family_of(licence_id(licence)) in wanted:
        return None
    return f"licence {licence} is not asked for"
