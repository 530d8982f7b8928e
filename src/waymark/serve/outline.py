"""The outline of the world as an SVG that zooms, and where a place lies on it.

In:  latitudes and longitudes, degrees.
Out: a path of the land, and views and points in tenths of a degree east.

Mercator's projection: shapes stay true at every zoom, which a place in the north needs.
`static/map.js` has the same projection; a test holds the two together.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from waymark.gazetteer import Landmark, outline

WEST, NORTH, SOUTH = -170, 78, -57  # degrees; cut where there is hardly land
SCALE = 10  # units a degree
ASPECT = 1.7  # width by height of a view
CLOSE = 420  # units: width of a view around one place


@dataclass(frozen=True, kw_only=True)
class View:
    """A rectangle of the map.

    Attributes:
        x: of the left edge, units.
        y: of the upper edge, units.
        width: units.
        height: units.
    """

    x: float
    y: float
    width: float
    height: float

    def __str__(self) -> str:
        """Return it as an SVG's viewBox."""
        return f"{self.x:.1f} {self.y:.1f} {self.width:.1f} {self.height:.1f}"


def _mercator(lat: float) -> float:
    return math.degrees(math.asinh(math.tan(math.radians(lat))))


WORLD = View(x=0, y=0, width=360 * SCALE, height=SCALE * (_mercator(NORTH) - _mercator(SOUTH)))


def project(lat: float, lon: float) -> tuple[float, float]:
    """Return where a place lies, units; what is beyond the map lies on its edge."""
    north = _mercator(min(max(lat, SOUTH), NORTH))
    return (lon - WEST) % 360 * SCALE, (_mercator(NORTH) - north) * SCALE


def around(lat: float, lon: float, width: float = CLOSE) -> View:
    """Return the view with a place in its middle, or as near it as the edge allows."""
    x, y = project(lat, lon)
    height = width / ASPECT
    return View(
        x=min(max(x - width / 2, 0), WORLD.width - width),
        y=min(max(y - height / 2, 0), WORLD.height - height),
        width=width,
        height=height,
    )


def around_all(places: Iterable[tuple[float, float]]) -> View:
    """Return the smallest view with all places (lat, lon) in it and room around them."""
    points = [project(lat, lon) for lat, lon in places]
    if not points:
        return WORLD
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    top, bottom = min(y for _, y in points), max(y for _, y in points)
    width = max(1.25 * (right - left), 1.25 * (bottom - top) * ASPECT, CLOSE)
    if width >= WORLD.width or width / ASPECT >= WORLD.height:
        return WORLD
    height = width / ASPECT
    return View(
        x=min(max((left + right - width) / 2, 0), WORLD.width - width),
        y=min(max((top + bottom - height) / 2, 0), WORLD.height - height),
        width=width,
        height=height,
    )


@cache
def land_path() -> str:
    """Return the land as an SVG path in whole units, to be filled by the even-odd rule."""
    return "".join(_ring(ring) for ring in outline() if max(lat for _, lat in ring) > SOUTH)


def _ring(ring: list[tuple[float, float]]) -> str:
    """Write a closed ring by steps from point to point, which is half as long."""
    points: list[tuple[int, int]] = []
    for lon, lat in ring:
        north = _mercator(min(max(lat, SOUTH), 83.6))
        point = (round((lon - WEST) * SCALE), round((_mercator(NORTH) - north) * SCALE))
        if not points or point != points[-1]:
            points.append(point)
    (x, y), *others = points
    path = f"M{x} {y}l"
    for after_x, after_y in others:
        path += f"{after_x - x} {after_y - y} "
        x, y = after_x, after_y
    return path.rstrip() + "z"


def towns(landmarks: Iterable[Landmark]) -> list[tuple[str, float, float]]:
    """Return name, x and y (units) of places to find one's way by, those to name first first.

    They are large cities of the world, then the places that landmarks stand in.
    """
    found = dict(_cities())
    standing: dict[str, list[tuple[float, float]]] = {}
    for one in landmarks:
        if one.place and one.place not in found and one.lat is not None and one.lon is not None:
            standing.setdefault(one.place, []).append((one.lat, one.lon))
    for place, at in standing.items():
        middle = (sum(lat for lat, _ in at) / len(at), sum(lon for _, lon in at) / len(at))
        found[place] = project(*middle)
    return [(name, *point) for name, point in found.items()]


@cache
def _cities() -> dict[str, tuple[float, float]]:
    """Return where large cities lie, units; the file has them to a tenth of a degree."""
    with (Path(__file__).parent / "towns.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["name"]: project(float(row["lat"]), float(row["lon"]))
            for row in csv.DictReader(file)
        }
