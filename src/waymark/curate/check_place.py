"""Find photos that were taken far from where their landmark stands, by their EXIF.

In:  a `Dataset` whose landmarks have places, and a `Reading` with positions.
Out: findings: gps-far.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from waymark.curate.check_read import Reading, is_placed
from waymark.curate.finding import Finding
from waymark.dataset.index import Dataset
from waymark.gazetteer import Landmark

FAR_M = 5_000.0
"""How far beyond a landmark's extent a camera may stand, in metres: a tower or a mountain is
seen from far, and positions are rough."""
_EXTENT_M = 300.0  # of a landmark of which nobody says it
_WORST_M = 1_000_000.0
_EARTH_M = 6_371_000.0

Point = tuple[float, float]


def place_findings(dataset: Dataset, reading: Reading) -> Iterator[Finding]:
    """Yield the photos whose position is not near their landmark.

    Landmarks without a place, or with one estimated from these very photos, are left out.
    """
    for entry, seen in zip(reading.entries, reading.examined, strict=True):
        landmark = dataset.landmarks.get(entry.label or "")
        if seen.gps is None or landmark is None or not is_placed(landmark):
            continue
        away = distance(seen.gps, _position(landmark))
        beyond = away - (landmark.extent_m or _EXTENT_M)
        if beyond > FAR_M:
            worst = math.log(_WORST_M / FAR_M)
            yield Finding(
                kind="gps-far",
                paths=(entry.name,),
                severity=min(1.0, 0.4 + 0.6 * math.log(beyond / FAR_M) / worst),
                suggest="review",
                reason=f"taken {away / 1000:,.0f} km from where {landmark.name} stands, "
                "by its GPS position",
            )


def distance(one: Point, two: Point) -> float:
    """Return metres between two points in degrees north and east, on a sphere.

    Source: the haversine formula.
    """
    lat1, lat2 = math.radians(one[0]), math.radians(two[0])
    half_lat, half_lon = (lat2 - lat1) / 2, math.radians(two[1] - one[1]) / 2
    h = math.sin(half_lat) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin(half_lon) ** 2
    return 2 * _EARTH_M * math.asin(math.sqrt(min(1.0, h)))


def _position(landmark: Landmark) -> Point:
    return landmark.lat or 0.0, landmark.lon or 0.0
