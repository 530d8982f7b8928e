"""Scenes that are no landmark: ordinary things, different with every seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from waymark.samples.scene import Scene
from waymark.samples.shapes import (
    Colour,
    Mesh,
    bar,
    box,
    gable,
    join,
    lean,
    mesh,
    move,
    outward,
    turn,
    turned,
    windows,
)

IRON: Colour = (0.36, 0.29, 0.25)


def _house(rng: np.random.Generator, at: tuple[float, float, float]) -> Mesh:
    """Build a small house of random size and colour."""
    w, d, h = rng.uniform(8, 14), rng.uniform(7, 10), rng.uniform(5, 8)
    wall: Colour = tuple(rng.uniform(0.55, 0.92, 3) * [1, 0.97, 0.9])
    roof: Colour = tuple(rng.uniform(0.25, 0.55) * np.array([1.2, rng.uniform(0.6, 1), 0.7]))
    parts = [
        box((w, d, h), wall, cell=5),
        gable((w + 1.2, d + 1.2, rng.uniform(2.5, 5)), roof, (0, 0, h), wall),
    ]
    for a, side, depth in ((0, w, d / 2), (90, d, w / 2), (180, w, d / 2), (270, d, w / 2)):
        at_wall = tuple(np.array([0, 0, 0.8]) + outward(a, depth))
        parts.append(
            windows(side, h - 1, at_wall, rows=2, columns=int(side // 3), facing=a, fill=0.4)
        )
    return move(turn(join(*parts), rng.uniform(0, 90)), *at)


def houses(rng: np.random.Generator) -> Scene:
    """A few houses of a village."""
    spots = [(x, y) for x in (-18, 0, 18) for y in (-14, 8)]
    chosen = rng.permutation(len(spots))[: rng.integers(2, 6)]
    parts = [_house(rng, (spots[i][0] + rng.uniform(-3, 3), spots[i][1], 0)) for i in chosen]
    return Scene(mesh=join(*parts), height=13, radius=25, ground="grass", trees=7, cars=2)


def city_blocks(rng: np.random.Generator) -> Scene:
    """Office towers with rows of windows."""
    parts = []
    for x, y in ((-22, -6), (0, -14), (24, 0), (-6, 16), (14, 20))[: rng.integers(3, 6)]:
        w, d, h = rng.uniform(11, 17), rng.uniform(11, 17), rng.uniform(22, 70)
        tone: Colour = tuple(rng.uniform(0.4, 0.8) * rng.uniform(0.9, 1.1, 3))
        tower = [box((w, d, h), tone, cell=9)]
        for a, side, depth in ((0, w, d / 2), (90, d, w / 2), (180, w, d / 2), (270, d, w / 2)):
            at = tuple(np.array([0, 0, 1.0]) + outward(a, depth))
            tower.append(
                windows(side, h - 2, at, rows=int(h // 5), columns=int(side // 3.4), facing=a)
            )
        parts.append(move(turn(join(*tower), rng.uniform(-8, 8)), x, y))
    return Scene(mesh=join(*parts), height=55, radius=35, cars=5)


def sailing_boats(rng: np.random.Generator) -> Scene:
    """Small boats with triangular sails."""
    parts = []
    for _ in range(rng.integers(2, 6)):
        hull_colour: Colour = tuple(rng.uniform(0.15, 0.9, 3))
        hull = box((9, 2.8, 1.6), hull_colour, top=1.15)
        sail_colour: Colour = tuple(rng.uniform(0.75, 0.98, 3))
        sails = [[(0.2, 0, 2.4), (-4.2, 0.3, 2.2), (0.2, 0, 12), (0.2, 0, 12)],
                 [(0.6, 0, 2.2), (4.4, 0.2, 2), (0.4, 0, 10), (0.4, 0, 10)]]  # fmt: skip
        boat = join(
            hull, bar((0, 0, 1), (0, 0, 12.5), 0.25, IRON), mesh(sails, sail_colour, flat=True)
        )
        parts.append(
            move(turn(boat, rng.uniform(0, 360)), rng.uniform(-16, 16), rng.uniform(-14, 14))
        )
    return Scene(mesh=join(*parts), height=13, radius=16, ground="water", trees=0, people=0, cars=0)


def woodland(rng: np.random.Generator) -> Scene:
    """Trees, a fence and a few logs."""
    logs = [turn(bar((x, 0, 0.6), (x + 5, 1, 0.6), 1, (0.4, 0.28, 0.18)), rng.uniform(0, 360))
            for x in rng.uniform(2, 12, 3)]  # fmt: skip
    return Scene(mesh=join(*logs), height=10, radius=14, ground="grass", trees=26, people=2, cars=0)


def sculpture(rng: np.random.Generator) -> Scene:
    """Bright solids piled up at random."""
    parts = [box((10, 10, 1.2), (0.6, 0.6, 0.6))]
    z = 1.2
    for _ in range(rng.integers(3, 7)):
        hue: Colour = tuple(rng.uniform(0.1, 0.95, 3))
        size = rng.uniform(2, 5)
        at = (rng.uniform(-1.5, 1.5), rng.uniform(-1.5, 1.5), z)
        if rng.random() < 0.4:
            parts.append(turned([(0.1, 0), (size / 2, size / 2), (0.1, size)], hue, at, sides=12))
        else:
            parts.append(turn(box((size, size * 0.7, size), hue, at), rng.uniform(0, 90)))
        z += size * 0.9
    return Scene(mesh=join(*parts), height=z, radius=7, people=8)


def street(rng: np.random.Generator) -> Scene:
    """People and cars before a low wall of shops."""
    parts = []
    for x in (-20, -7, 7, 20):
        h = rng.uniform(4, 7)
        tone: Colour = tuple(rng.uniform(0.4, 0.9, 3))
        parts.append(box((13, 6, h), tone, (x, 10, 0), cell=6))
        for a, y in ((0.0, 7.0), (180.0, 13.0)):
            parts.append(windows(12, 2.6, (x, y, 0.4), rows=1, columns=3, fill=0.8, facing=a))
            parts.append(box((12.5, 1.8, 0.4), tuple(rng.uniform(0.2, 0.9, 3)),
                             (x, y + (0.9 if a else -0.9), 3.2)))  # fmt: skip
    return Scene(mesh=join(*parts), height=9, radius=22, spread=50, people=22, cars=5, trees=2)


def hay_field(rng: np.random.Generator) -> Scene:
    """Round bales on a mown field."""
    parts = []
    for _ in range(rng.integers(4, 9)):
        bale = turned(
            [(0.01, -1.2), (1.3, -1.2), (1.3, 1.2), (0.01, 1.2)], (0.8, 0.68, 0.36), sides=14
        )
        parts.append(move(turn(move(lean(bale, 90), z=1.3), rng.uniform(0, 180)),
                          rng.uniform(-14, 14), rng.uniform(-12, 12)))  # fmt: skip
    return Scene(mesh=join(*parts), height=5, radius=13, ground="sand", trees=6, people=1, cars=0)


OTHERS: dict[str, Callable[[np.random.Generator], Scene]] = {
    "city_blocks": city_blocks,
    "hay_field": hay_field,
    "houses": houses,
    "sailing_boats": sailing_boats,
    "sculpture": sculpture,
    "street": street,
    "woodland": woodland,
}
