"""Places in words: positions, distances, shares, links.

In:  what a bundle or a prediction says of a landmark.
Out: text for a page, and the address of a place on OpenStreetMap.
"""

from __future__ import annotations

import math


def openstreetmap(lat: float, lon: float, zoom: int = 16) -> str:
    """Return the address of a place on OpenStreetMap, with a marker on it."""
    at = f"{lat:.5f}", f"{lon:.5f}"
    return f"https://www.openstreetmap.org/?mlat={at[0]}&mlon={at[1]}#map={zoom}/{at[0]}/{at[1]}"


def coordinates(lat: float, lon: float) -> str:
    """Write a position: `48.8584° N, 2.2945° E`."""
    return f"{abs(lat):.4f}° {'N' if lat >= 0 else 'S'}, {abs(lon):.4f}° {'E' if lon >= 0 else 'W'}"


def say_distance(metres: float) -> str:
    """Write a distance as one would say it: `40 m`, `1.2 km`, `5,800 km`."""
    if metres < 1000:
        return f"{max(10, round(metres, -1)):.0f} m"
    if metres < 10_000:
        return f"{metres / 1000:.1f} km"
    return f"{metres / 1000:,.0f} km"


def percent(share: float, digits: int = 0) -> str:
    """Write 0-1 as a percentage that claims no certainty: 0.9996 is `>99 %`, 0.001 is `<1 %`.

    Whole ones are rounded down: what is 98.5 % is none of those "from 99 %".
    """
    least = 10 ** -(digits + 2)
    if 1 - least / 2 <= share < 1:
        return f">{100 - 100 * least:.{digits}f} %"
    if 0 < share < least:
        return f"<{100 * least:.{digits}f} %"
    whole = share if digits else math.floor(100 * share + 1e-9) / 100
    return f"{100 * whole:.{digits}f} %"
