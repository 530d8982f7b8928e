"""How far two places are apart, and whether a camera stood where a landmark can be seen.

In:  positions in degrees north and east.
Out: metres along the ground; `agree`, `near` or `disagree`.
"""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt
from typing import Literal

from waymark.gazetteer import Landmark

Point = tuple[float, float]
Says = Literal["agree", "near", "disagree"]

EARTH_M = 6_371_008.8
EXTENT_M = 300.0
"""Radius of a landmark of which nobody says it, in metres; also the least that is allowed for,
as positions under towers and between houses are no better."""
SIGHT_M = 5_000.0
"""How far beyond its extent a landmark is still photographed from, in metres."""


def metres(one: Point, two: Point) -> float:
    """Return the distance of two places along the ground.

    Source: the haversine formula, Sinnott 1984, Sky and Telescope 68(2), 159
    """
    lat1, lon1, lat2, lon2 = map(radians, (*one, *two))
    half = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_M * asin(min(1.0, sqrt(half)))


def compare(gps: Point | None, landmark: Landmark | None) -> Says | None:
    """Compare where a camera stood with the landmark that its photo is said to show.

    Returns:
        `agree` within the landmark's extent, `near` where it can still be seen from there
        (up to 5 km beyond), else `disagree`; None where one of the two is not known.
    """
    if gps is None or landmark is None or landmark.lat is None or landmark.lon is None:
        return None
    beyond = metres(gps, (landmark.lat, landmark.lon)) - max(landmark.extent_m or 0.0, EXTENT_M)
    if beyond <= 0:
        return "agree"
    return "near" if beyond <= SIGHT_M else "disagree"
