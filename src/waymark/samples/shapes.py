"""Solid shapes from quadrilaterals: boxes, turned solids, roofs, bars and windows.

Lengths are metres; x points east, y north, z up; the ground is z = 0. Colours are RGB, 0-1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Pixels = NDArray[np.floating]
Colour = tuple[float, float, float]
Point = tuple[float, float, float]

GLASS: Colour = (0.16, 0.2, 0.25)


@dataclass(frozen=True)
class Mesh:
    """Faces with one colour each.

    Attributes:
        quads: (N, 4, 3) corners, anticlockwise seen from outside; a triangle repeats one.
        colour: (N, 3) diffuse reflectance, 0-1.
        glow: (N,) how brightly a face shines at night, 0-1.
        lift: (N,) metres that a face counts as nearer, so that a window covers its wall.
        flat: (N,) True for a face that is seen from both sides.
    """

    quads: Floats
    colour: Floats
    glow: Floats
    lift: Floats
    flat: NDArray[np.bool_]


def mesh(
    quads: Floats | Sequence[object], colour: Colour, *, lift: float = 0.0, flat: bool = False
) -> Mesh:
    """Build a mesh of one colour from (N, 4, 3) corners."""
    corners = np.asarray(quads, dtype=np.float64).reshape(-1, 4, 3)
    n = len(corners)
    return Mesh(
        corners, np.tile(np.asarray(colour, dtype=np.float64), (n, 1)),
        np.zeros(n), np.full(n, lift), np.full(n, flat),
    )  # fmt: skip


def join(*parts: Mesh) -> Mesh:
    """Put meshes together."""
    return Mesh(
        np.concatenate([p.quads for p in parts]), np.concatenate([p.colour for p in parts]),
        np.concatenate([p.glow for p in parts]), np.concatenate([p.lift for p in parts]),
        np.concatenate([p.flat for p in parts]),
    )  # fmt: skip


def lamp(part: Mesh, glow: float) -> Mesh:
    """Light the faces of a mesh at night."""
    return replace(part, glow=np.full(len(part.quads), glow))


def move(part: Mesh, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Mesh:
    """Shift a mesh."""
    return replace(part, quads=part.quads + np.array([x, y, z]))


def turn(part: Mesh, degrees: float) -> Mesh:
    """Rotate a mesh anticlockwise about the vertical axis."""
    a = np.radians(degrees)
    matrix = np.array([[np.cos(a), np.sin(a), 0], [-np.sin(a), np.cos(a), 0], [0, 0, 1]])
    return replace(part, quads=part.quads @ matrix)


def lean(part: Mesh, degrees: float) -> Mesh:
    """Tilt a mesh towards +x about the origin."""
    a = np.radians(degrees)
    matrix = np.array([[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]])
    return replace(part, quads=part.quads @ matrix)


def box(
    size: Point, colour: Colour, at: Point = (0, 0, 0), *, top: float = 1.0, cell: float = 0.0
) -> Mesh:
    """Stand a box on `at` (the middle of its base).

    Args:
        size: width (x), depth (y) and height (z), metres.
        colour: RGB, 0-1.
        at: middle of the base.
        top: size of the upper face relative to the base; under 1 it tapers.
        cell: longest side of a piece of its walls, metres; 0 leaves the walls whole.
    """
    w, d, h = size[0] / 2, size[1] / 2, size[2]
    base = np.array([[-w, -d, 0], [w, -d, 0], [w, d, 0], [-w, d, 0]])
    roof = base * [top, top, 1] + [0, 0, h]
    walls = [(base[i], base[(i + 1) % 4], roof[(i + 1) % 4], roof[i]) for i in range(4)]
    quads = [piece for wall in walls for piece in _grid(wall, cell)]
    quads += _grid((roof[0], roof[1], roof[2], roof[3]), cell)
    return move(mesh(np.array(quads), colour), *at)


def _grid(corners: tuple[Floats, Floats, Floats, Floats], cell: float) -> list[Floats]:
    """Cut a quadrilateral into pieces of at most `cell` metres."""
    a, b, c, d = corners
    columns = max(1, int(np.linalg.norm(b - a) // cell)) if cell else 1
    rows = max(1, int(np.linalg.norm(d - a) // cell)) if cell else 1
    u = np.linspace(0, 1, columns + 1)[:, None, None]
    v = np.linspace(0, 1, rows + 1)[None, :, None]
    knots = (a * (1 - u) + b * u) * (1 - v) + (d * (1 - u) + c * u) * v
    pieces = np.stack([knots[:-1, :-1], knots[1:, :-1], knots[1:, 1:], knots[:-1, 1:]], axis=2)
    return list(pieces.reshape(-1, 4, 3))


def turned(
    profile: Sequence[tuple[float, float]],
    colours: Colour | Sequence[Colour],
    at: Point = (0, 0, 0),
    *,
    sides: int = 16,
) -> Mesh:
    """Turn a profile about the vertical axis: columns, domes, towers, cones.

    Args:
        profile: (radius, height) from the bottom up.
        colours: one colour, or one for each ring between two heights (repeated in turn).
        at: where the axis meets height 0.
        sides: number of faces around.
    """
    palette = [colours] if isinstance(colours[0], (int, float)) else list(colours)
    angles = np.linspace(0, 2 * np.pi, sides + 1)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    rings = []
    for (r0, z0), (r1, z1), number in zip(profile, profile[1:], range(99), strict=False):
        low = np.c_[circle * r0, np.full(sides + 1, z0)]
        high = np.c_[circle * r1, np.full(sides + 1, z1)]
        quads = np.stack([low[:-1], low[1:], high[1:], high[:-1]], axis=1)
        rings.append(mesh(quads, palette[number % len(palette)]))  # type: ignore[arg-type]
    return move(join(*rings), *at)


def dome(radius: float, colour: Colour, at: Point, *, rise: float = 1.0, sides: int = 18) -> Mesh:
    """Build half a sphere; `rise` stretches it upwards."""
    angles = np.linspace(0, np.pi / 2, 7)
    profile = [(radius * np.cos(a), radius * rise * np.sin(a)) for a in angles]
    return turned(profile, colour, at, sides=sides)


def column(radius: float, height: float, colour: Colour, at: Point, *, sides: int = 8) -> Mesh:
    """Build a round column with a slight taper."""
    return turned([(radius, 0), (radius * 0.85, height)], colour, at, sides=sides)


def bar(a: Point, b: Point, width: float, colour: Colour) -> Mesh:
    """Join two points by a square bar."""
    start, end = np.array(a, dtype=np.float64), np.array(b, dtype=np.float64)
    along = end - start
    helper = np.array([0, 0, 1.0]) if abs(along[2]) < 0.9 * np.linalg.norm(along) else [1.0, 0, 0]
    u = np.cross(along, helper)
    u *= width / 2 / np.linalg.norm(u)
    v = np.cross(along, u)
    v *= width / 2 / np.linalg.norm(v)
    ring = [u + v, u - v, -u - v, -u + v]
    quads = [
        (start + ring[i], end + ring[i], end + ring[(i + 1) % 4], start + ring[(i + 1) % 4])
        for i in range(4)
    ]
    return mesh(np.array(quads), colour)


def gable(size: Point, colour: Colour, at: Point, wall: Colour | None = None) -> Mesh:
    """Build a saddle roof whose ridge runs along x."""
    w, d, h = size[0] / 2, size[1] / 2, size[2]
    slopes = [
        [(-w, -d, 0), (w, -d, 0), (w, 0, h), (-w, 0, h)],
        [(w, d, 0), (-w, d, 0), (-w, 0, h), (w, 0, h)],
    ]
    ends = [
        [(w, -d, 0), (w, d, 0), (w, 0, h), (w, 0, h)],
        [(-w, d, 0), (-w, -d, 0), (-w, 0, h), (-w, 0, h)],
    ]
    return move(join(mesh(slopes, colour), mesh(ends, wall or colour)), *at)


def windows(
    width: float, height: float, at: Point, *, rows: int, columns: int, facing: float = 0.0,
    colour: Colour = GLASS, fill: float = 0.5, lit: float = 0.6,
) -> Mesh:  # fmt: skip
    """Lay a grid of windows on a wall.

    Args:
        width: of the wall, metres.
        height: of the wall, metres.
        at: lower middle of the wall; the panes sit 5 cm before it.
        rows: windows upwards.
        columns: windows across.
        facing: direction the wall looks to: 0 is south (-y), 90 east, 180 north, 270 west.
        colour: of the panes by day.
        fill: share of a cell's width that is glass.
        lit: brightness at night, 0-1.
    """
    x = (np.arange(columns) + 0.5) / columns * width - width / 2
    z = (np.arange(rows) + 0.5) / rows * height
    half_x, half_z = width / columns * fill / 2, height / rows * min(0.95, fill * 1.3) / 2
    quads = [
        [(a - half_x, -0.05, b - half_z), (a + half_x, -0.05, b - half_z),
         (a + half_x, -0.05, b + half_z), (a - half_x, -0.05, b + half_z)]
        for a in x for b in z
    ]  # fmt: skip
    panes = mesh(quads, colour, lift=1.5)
    return move(turn(lamp(panes, lit), facing), *at)


def arch(width: float, height: float, at: Point, *, facing: float = 0.0, lift: float = 2.0) -> Mesh:
    """Draw a dark round-headed opening on a wall, placed as `windows` are."""
    r = width / 2
    angles = np.linspace(0, np.pi, 9)
    spring = max(0.0, height - r)
    quads: list[object] = [[(-r, 0, 0), (r, 0, 0), (r, 0, spring), (-r, 0, spring)]]
    for a, b in pairwise(angles):
        p = (r * np.cos(a), 0, spring + r * np.sin(a))
        q = (r * np.cos(b), 0, spring + r * np.sin(b))
        quads.append([(0, 0, spring), p, q, q])
    opening = mesh(np.array(quads) - (0, 0.06, 0), (0.1, 0.09, 0.09), lift=lift)
    return move(turn(lamp(opening, 0.35), facing), *at)


def outward(facing: float, distance: float) -> Floats:
    """Return the offset of a wall that looks towards `facing` (see `windows`)."""
    a = np.radians(facing)
    return np.array([np.sin(a), -np.cos(a), 0.0]) * distance
