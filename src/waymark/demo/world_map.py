"""An outline of the world as SVG, with a dot for each place found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from waymark.gazetteer import outline

WEST, EAST, SOUTH, NORTH = -170, 190, -58, 80  # degrees; cut where there is hardly land


@dataclass(frozen=True)
class Dot:
    """A place on the map.

    Attributes:
        number: the number it bears on the page, from 1.
        name: what stands there.
        x: degrees east of `WEST`.
        y: degrees south of `NORTH`.
    """

    number: int
    name: str
    x: float
    y: float


@dataclass(frozen=True)
class WorldMap:
    """What the template draws, in units of a degree.

    Attributes:
        width: of the view.
        height: of the view.
        land: an SVG path, to be filled by the even-odd rule.
        dots: places, in the order given.
    """

    width: int
    height: int
    land: str
    dots: tuple[Dot, ...]


def world_map(places: Iterable[tuple[int, str, float, float]]) -> WorldMap:
    """Lay out a map (plate carrée).

    Args:
        places: number, name, latitude and longitude (degrees) of each.
    """
    path = "".join(
        "M" + "L".join(f"{lon - WEST:.1f} {NORTH - lat:.1f}" for lon, lat in ring) + "Z"
        for ring in outline()
    )
    dots = tuple(
        Dot(number, name, (lon - WEST) % 360, min(max(NORTH - lat, 2.0), NORTH - SOUTH - 2.0))
        for number, name, lat, lon in places
    )
    return WorldMap(EAST - WEST, NORTH - SOUTH, path, dots)
