"""What waymark says of a photo in its sidecar, and what of that is an addition of its own.

In:  a `Tagged` photo and how its owner wants it written.
Out: `Mark`, plain values that go into a sidecar, into the journal, and out of both again.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC
from typing import Any, Literal

from waymark.gazetteer import Landmark
from waymark.gazetteer_country import country_name, country_table, local_language
from waymark.library.tagged import Tagged

Language = Literal["english", "local"]
METHOD = "waymark estimate"
_ROOT = "Places"
# what XML 1.0 cannot hold, even escaped
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The place that a photo shows: one entry of Iptc4xmpExt:LocationShown.

    Attributes:
        names: (language, name), the one for everybody (`x-default`) first.
        city: city or region.
        country_code: ISO 3166-1, two capitals.
        country: its name in English.
        lat: as XMP writes it: `48,51.504N`.
        lon: as XMP writes it: `2,17.67E`.
        identifier: address of the Wikidata item.
    """

    names: tuple[tuple[str, str], ...]
    city: str | None = None
    country_code: str | None = None
    country: str | None = None
    lat: str | None = None
    lon: str | None = None
    identifier: str | None = None


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A position for a photo that has none: that of its landmark.

    Attributes:
        lat: as XMP writes it: `48,51.504N`.
        lon: as XMP writes it: `2,17.67E`.
        radius: of the landmark in metres, as a fraction: `150/1`; None where it is not known.
        method: says that it is an estimate, and whose; None where only the position is meant.
    """

    lat: str
    lon: str
    radius: str | None = None
    method: str | None = METHOD


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Everything that waymark writes into one sidecar, or the part of it that was new there.

    Attributes:
        subject: flat keywords, dc:subject.
        tags: hierarchical keywords, digiKam:TagsList: `Places/France/Paris/Eiffel Tower`.
        hierarchy: the same, lr:hierarchicalSubject: `Places|France|Paris|Eiffel Tower`.
        shown: the place in the photo.
        estimate: the place of the photo, where it is to be written.
        facts: (name, value) of the properties in waymark's own namespace.
        mirrored: the owner's own tags that a new TagsList starts with, so as not to hide them.
        hollow: lists that stood there empty before, as `{namespace}name`.
        bare: properties that stood there with nothing in them, not even a list.
        refused: keywords that waymark wrote and the owner took out: not to be written again.
    """

    subject: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    hierarchy: tuple[str, ...] = ()
    shown: Shown | None = None
    estimate: Estimate | None = None
    facts: tuple[tuple[str, str], ...] = ()
    mirrored: tuple[str, ...] = ()
    hollow: tuple[str, ...] = ()
    bare: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether it says anything."""
        return self != Mark()

    def is_within(self, other: Mark) -> bool:
        """Say whether another mark says all of this one."""
        return (
            all(
                set(getattr(self, name)) <= set(getattr(other, name))
                for name in ("subject", "tags", "hierarchy", "facts")
            )
            and self.shown in (None, other.shown)
            and self.estimate in (None, other.estimate)
        )

    def joined(self, other: Mark) -> Mark:
        """Return what either says; where only one can be said, it is the other's."""
        lists = {
            name: tuple(dict.fromkeys((*getattr(self, name), *getattr(other, name))))
            for name in ("subject", "tags", "hierarchy", "mirrored", "hollow", "bare")
        }
        facts = tuple((dict(self.facts) | dict(other.facts)).items())
        shown, estimate = other.shown or self.shown, other.estimate or self.estimate
        return Mark(shown=shown, estimate=estimate, facts=facts, **lists)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Mark:
        """Make a mark of what `to_dict` gave and JSON kept."""
        known = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        for name in ("subject", "tags", "hierarchy", "mirrored", "hollow", "bare", "refused"):
            known[name] = tuple(known.get(name, ()))
        known["facts"] = tuple((name, value) for name, value in known.get("facts", ()))
        if known.get("shown"):
            shown = Shown(**known["shown"])
            known["shown"] = replace(shown, names=tuple((a, b) for a, b in shown.names))
        if known.get("estimate"):
            known["estimate"] = Estimate(**known["estimate"])
        return cls(**known)


def mark_of(tagged: Tagged, *, language: Language = "english", gps: bool = False) -> Mark:
    """Return what a sidecar is to say of a photo.

    Args:
        tagged: the photo and its landmark.
        language: whether keywords name the landmark in English or as it is called there.
        gps: also estimate where the photo was taken, if nothing else says it.
    """
    landmark = tagged.landmark
    local = clean(landmark.local_name)
    name = (local if language == "local" else None) or clean(landmark.name) or landmark.id
    place, country = clean(landmark.place), clean(country_name(landmark.country))
    path = [_ROOT, *(part for part in (country, place, name) if part)]
    lat, lon = xmp_degrees(landmark.lat, "NS"), xmp_degrees(landmark.lon, "EW")
    estimate = None
    if gps and tagged.gps is None and lat and lon:
        estimate = Estimate(lat=lat, lon=lon, radius=_radius(landmark.extent_m))
    facts = {
        "Landmark": clean(landmark.id),
        "Score": f"{tagged.score:.4f}",
        "Confidence": f"{tagged.confidence:.4f}",
        "Evidence": tagged.evidence,
        "State": tagged.state,
        "Bundle": clean(tagged.bundle),
        "TaggedAt": tagged.tagged_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return Mark(
        subject=tuple(dict.fromkeys(part for part in (name, place, country) if part)),
        tags=("/".join(part.replace("/", "-") for part in path),),
        hierarchy=("|".join(part.replace("|", "-") for part in path),),
        shown=Shown(
            names=_names(landmark, language),
            city=place,
            country_code=landmark.country,
            country=country if landmark.country in country_table() else None,
            lat=lat,
            lon=lon,
            identifier=(
                f"http://www.wikidata.org/entity/{landmark.wikidata}" if landmark.wikidata else None
            ),
        ),
        estimate=estimate,
        facts=tuple((key, value) for key, value in facts.items() if value),
    )


def _names(landmark: Landmark, language: Language) -> tuple[tuple[str, str], ...]:
    """Return (language, name): for everybody first, then in the languages that are known."""
    english, local = clean(landmark.name) or landmark.id, clean(landmark.local_name)
    spoken = local_language(local, landmark.country) if local else None
    names = {"x-default": (local if language == "local" else None) or english}
    if local and local != english:
        if language == "local":
            names["en"] = english
        if spoken and spoken != "en":
            names[spoken] = local
    return tuple(names.items())


def clean(text: str | None) -> str | None:
    """Return text that XML can hold, on one line; None where there is nothing in it."""
    if text is None:
        return None
    text = unicodedata.normalize("NFC", _ILLEGAL.sub("\ufffd", text))
    text = "".join(" " if unicodedata.category(c) == "Cc" else c for c in text)
    return " ".join(text.split()) or None


def xmp_degrees(degrees: float | None, letters: str) -> str | None:
    """Write degrees as XMP does: whole degrees, decimal minutes and a letter.

    Args:
        degrees: north or east; None gives None.
        letters: of the positive and the negative half: `NS` or `EW`.

    Source: XMP specification part 2, 1.2.7.4: GPSCoordinate, `DDD,MM.mmk`.
    """
    if degrees is None:
        return None
    millionths = round(abs(degrees) * 60 * 10**6)
    whole, rest = divmod(millionths, 60 * 10**6)
    minutes = f"{rest / 10**6:.6f}".rstrip("0")
    return f"{whole},{minutes + '0' if minutes.endswith('.') else minutes}{letters[degrees < 0]}"


def degrees_of(text: str | None) -> float | None:
    """Read a coordinate of XMP, `DDD,MM.mmk` or `DDD,MM,SSk`; None where it is none."""
    match = re.fullmatch(
        r"\s*(\d{1,3}),(\d{1,2}(?:\.\d*)?)(?:,(\d{1,2}(?:\.\d*)?))?\s*([NSEWnsew])\s*", text or "",
        re.ASCII,
    )  # fmt: skip
    if match is None:
        return None
    value = int(match[1]) + float(match[2]) / 60 + float(match[3] or 0) / 3600
    return -value if match[4] in "SWsw" else value


def _radius(metres: float | None) -> str | None:
    """Write metres as the fraction that XMP wants."""
    return f"{max(1, round(metres))}/1" if metres else None
