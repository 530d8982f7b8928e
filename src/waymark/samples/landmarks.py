"""The sample landmarks: made-up buildings, the same whatever the seed."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from waymark.samples.scene import Scene
from waymark.samples.shapes import (
    Colour,
    Mesh,
    arch,
    bar,
    box,
    column,
    dome,
    gable,
    join,
    lamp,
    lean,
    mesh,
    move,
    outward,
    turn,
    turned,
    windows,
)

STONE: Colour = (0.78, 0.72, 0.62)
SAND: Colour = (0.82, 0.68, 0.47)
MARBLE: Colour = (0.9, 0.88, 0.84)
IRON: Colour = (0.36, 0.29, 0.25)
BRICK: Colour = (0.62, 0.33, 0.25)
SLATE: Colour = (0.32, 0.35, 0.42)
SIDES = (0.0, 90.0, 180.0, 270.0)


def lattice_tower() -> Scene:
    """Four curved iron legs, braced, that meet in a needle."""
    levels = np.array([0, 9, 18, 28, 38, 50, 62, 75, 88, 100.0])
    half = 20 * np.exp(-levels / 30) + 0.8
    corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    parts = []
    for low, high, wide, narrow in zip(levels, levels[1:], half, half[1:], strict=False):
        for i, (sx, sy) in enumerate(corners):
            tx, ty = corners[(i + 1) % 4]
            a, b = (sx * wide, sy * wide, low), (sx * narrow, sy * narrow, high)
            c, d = (tx * wide, ty * wide, low), (tx * narrow, ty * narrow, high)
            thick = 0.5 + wide / 9
            parts += [bar(a, b, thick, IRON), bar(b, d, thick * 0.6, IRON)]
            if low >= 9:
                parts += [bar(a, d, thick * 0.45, IRON), bar(c, b, thick * 0.45, IRON)]
    decks = [box((33, 33, 2.2), IRON, (0, 0, 17)), box((13, 13, 2), IRON, (0, 0, 49))]
    cabin = box((5, 5, 3), IRON, (0, 0, 99), cell=2)
    return Scene(
        mesh=join(lamp(join(*parts), 0.4), *decks, cabin, bar((0, 0, 102), (0, 0, 112), 0.7, IRON)),
        height=112, radius=24, ground="grass", trees=6,
    )  # fmt: skip


def domed_mosque() -> Scene:
    """A pale hall under a great dome, half-domes around it, four minarets."""
    lead, wall = (0.45, 0.54, 0.6), (0.85, 0.82, 0.76)
    parts = [box((44, 44, 16), wall, cell=8), box((28, 28, 9), wall, (0, 0, 16), cell=7)]
    parts += [turned([(13, 25), (13, 28)], wall, sides=20), dome(13, lead, (0, 0, 28), rise=0.85)]
    parts += [turned([(0.6, 39), (0.1, 44)], (0.85, 0.7, 0.3), sides=6)]
    for a in SIDES:
        parts.append(turn(dome(7, lead, (0, -15, 16), rise=0.8), a))
        parts.append(turn(arch(8, 12, (0, -22, 0)), a))
        parts += [turn(arch(4, 7, (x, -22, 0)), a) for x in (-14, 14)]
        parts.append(turn(windows(40, 4, (0, -22, 11.5), rows=1, columns=12, fill=0.4), a))
        parts.append(turn(windows(24, 5, (0, -14, 18), rows=1, columns=7, fill=0.45), a))
    for x, y in ((-27, -27), (27, -27), (27, 27), (-27, 27)):
        shaft = [(2.4, 0), (2, 22), (3.2, 22.5), (3.2, 24), (1.8, 24), (1.7, 38), (2.6, 38.5),
                 (2.6, 40), (1.5, 40), (1.5, 45), (0.05, 58)]  # fmt: skip
        parts.append(turned(shaft, [wall] * 9 + [lead], (x, y, 0), sides=10))
    return Scene(mesh=join(*parts), height=54, radius=36, trees=5)


def suspension_bridge() -> Scene:
    """Two red towers in the water, a deck and its cables."""
    red: Colour = (0.72, 0.24, 0.16)
    parts = []
    for x in range(-110, 110, 10):
        parts.append(box((10, 9, 2), (0.5, 0.2, 0.16), (x + 5, 0, 16)))
    for x in (-55, 55):
        for y in (-5.0, 5.0):
            parts.append(box((4, 2.6, 64), red, (x, y, 0), top=0.75, cell=9))
            parts.append(box((8, 5, 6), (0.6, 0.58, 0.55), (x, y, 0)))
        parts += [box((2.5, 10, 3), red, (x, 0, z)) for z in (12, 30, 44, 58)]

    def cable(x: float) -> float:
        return 20 + 42 * (x / 55) ** 2 if abs(x) <= 55 else 62 - 44 * (abs(x) - 55) / 55

    for y in (-5.0, 5.0):
        for x in range(-110, 110, 5):
            parts.append(bar((x, y, cable(x)), (x + 5, y, cable(x + 5)), 0.9, red))
            if x % 55:
                parts.append(bar((x, y, 18), (x, y, cable(x)), 0.3, red))
    return Scene(
        mesh=join(*parts), height=64, radius=75, ground="water", spread=55, trees=0, people=1,
        cars=0,
    )  # fmt: skip


def triumphal_arch() -> Scene:
    """A block of stone with one great passage and two small ones."""
    parts = [
        box((12, 20, 34), STONE, (-17, 0, 0), cell=6),
        box((12, 20, 34), STONE, (17, 0, 0), cell=6),
    ]
    angles = np.linspace(0, np.pi, 13)
    for y, flip in ((-10, 1), (10, -1)):
        for a, b in pairwise(angles):
            p, q = (11 * np.cos(a), 23 + 11 * np.sin(a)), (11 * np.cos(b), 23 + 11 * np.sin(b))
            face = [(p[0], y, p[1]), (p[0], y, 34.5), (q[0], y, 34.5), (q[0], y, q[1])]
            parts.append(mesh([face[::-flip]], STONE))
    for a, b in pairwise(angles):
        p, q = (11 * np.cos(a), 23 + 11 * np.sin(a)), (11 * np.cos(b), 23 + 11 * np.sin(b))
        parts.append(
            mesh([[(p[0], -10, p[1]), (q[0], -10, q[1]), (q[0], 10, q[1]), (p[0], 10, p[1])]],
                 (0.6, 0.55, 0.47), flat=True)
        )  # fmt: skip
    parts += [
        box((49, 23, 3), MARBLE, (0, 0, 34), cell=8),
        box((44, 19, 9), STONE, (0, 0, 37), cell=7),
    ]
    parts.append(box((47, 22, 1.6), MARBLE, (0, 0, 46), cell=8))
    for a in (0.0, 180.0):
        parts += [turn(windows(8, 9, (x, -10, 20), rows=1, columns=1, colour=(0.62, 0.55, 0.45),
                               fill=0.8, lit=0.0), a) for x in (-17, 17)]  # fmt: skip
        parts.append(turn(windows(40, 6, (0, -9.5, 38.5), rows=1, columns=9,
                                  colour=(0.66, 0.6, 0.5), fill=0.7, lit=0.0), a))  # fmt: skip
    for a in (90.0, 270.0):
        parts.append(turn(arch(8, 16, (0, -23, 0)), a))
    return Scene(mesh=join(*parts), height=48, radius=27, spread=70, cars=3)


def stepped_pyramid() -> Scene:
    """Nine terraces, a stair up the middle of each side, a shrine on top."""
    parts = [
        box((60 - 6 * i, 60 - 6 * i, 3.4), tuple(c * (1 - 0.02 * (i % 2)) for c in SAND),  # type: ignore[arg-type]
            (0, 0, 3.4 * i), top=0.97, cell=9)
        for i in range(9)
    ]  # fmt: skip
    for a in SIDES:
        for i in range(18):
            parts.append(turn(box((8, 1.8, 1.7 * (i + 1)), STONE, (0, -32 + 1.55 * i, 0)), a))
    parts.append(box((9, 9, 6), STONE, (0, 0, 30.6)))
    parts.append(box((10.5, 10.5, 1.4), SAND, (0, 0, 36.6)))
    parts += [turn(arch(3, 4.6, (0, -4.5, 30.6)), a) for a in SIDES]
    return Scene(mesh=join(*parts), height=38, radius=38, ground="sand", trees=2)


def leaning_tower() -> Scene:
    """A white round tower of arcades that leans."""
    parts = [turned([(7.6, 0), (7.6, 10)], MARBLE, sides=20)]
    for i in range(15):
        a = 24.0 * i
        parts.append(turn(arch(2.2, 8, (0, -7.7, 0.6), lift=1), a))
    for level in range(6):
        z = 10 + 6.4 * level
        parts.append(turned([(8.3, z), (8.3, z + 0.9)], MARBLE, sides=20))
        parts.append(turned([(5.6, z), (5.6, z + 6.4)], (0.55, 0.52, 0.47), sides=14))
        for i in range(20):
            a = 2 * np.pi * i / 20
            parts.append(
                column(0.42, 5.6, MARBLE, (7.4 * np.cos(a), 7.4 * np.sin(a), z + 0.8), sides=5)
            )
    top = 48.4
    parts.append(turned([(8.3, top), (8.3, top + 1.2), (5, top + 1.2), (5, top + 8), (5.5, top + 8),
                         (5.5, top + 9)], MARBLE, sides=20))  # fmt: skip
    for i in range(8):
        parts.append(turn(arch(2, 5, (0, -5.1, top + 1.6), lift=1), 45.0 * i))
    return Scene(mesh=lean(join(*parts), 6.5), height=57, radius=13, ground="grass")


def _battlements(width: float, colour: Colour, at: tuple[float, float, float]) -> Mesh:
    """Set merlons in a row along x."""
    count = max(2, int(width / 3))
    xs = np.linspace(-width / 2 + 0.8, width / 2 - 0.8, count)
    return join(*[box((1.5, 1.2, 1.8), colour, (at[0] + x, at[1], at[2])) for x in xs])


def castle() -> Scene:
    """Curtain walls, four round towers with cones, a keep and a gate."""
    grey: Colour = (0.6, 0.58, 0.55)
    parts = []
    for a in SIDES:
        parts.append(turn(box((44, 2.5, 12), grey, (0, -22, 0), cell=6), a))
        parts.append(turn(_battlements(36, grey, (0, -22.6, 12)), a))
    for x, y in ((-22, -22), (22, -22), (22, 22), (-22, 22)):
        parts.append(turned([(5, 0), (4.6, 17), (5.5, 17.5), (5.5, 20)], grey, (x, y, 0), sides=14))
        parts.append(turned([(5.8, 20), (0.05, 31)], (0.35, 0.32, 0.42), (x, y, 0), sides=14))
        parts.append(turned([(4.72, 9), (4.7, 10.4)], (0.2, 0.19, 0.2), (x, y, 0), sides=7))
    parts.append(box((17, 17, 28), grey, (0, 3, 0), cell=6))
    for a in SIDES:
        parts.append(move(turn(_battlements(17, grey, (0, -8, 28)), a), 0, 3))
        parts.append(windows(14, 16, tuple(np.array([0, 3, 11]) + outward(a, 8.5)), rows=3,
                             columns=3, fill=0.25, facing=a))  # fmt: skip
    parts.append(bar((0, 3, 28), (0, 3, 40), 0.5, IRON))
    parts.append(
        mesh([[(0, 3, 40), (6, 3, 39.2), (6, 3, 36.4), (0, 3, 36)]], (0.7, 0.15, 0.15), flat=True)
    )
    parts += [box((12, 6, 16), grey, (0, -23, 0), cell=6), _battlements(12, grey, (0, -25.4, 16))]
    parts.append(arch(5.5, 8.5, (0, -26, 0)))
    return Scene(mesh=join(*parts), height=36, radius=31, ground="grass", trees=6)


def columned_temple() -> Scene:
    """A Doric temple: three steps, columns all around, a pediment."""
    parts = [box((46 - 2 * i, 26 - 2 * i, 1.1), STONE, (0, 0, 1.1 * i), cell=6) for i in range(3)]
    parts.append(box((30, 11, 11), (0.6, 0.54, 0.45), (0, 0, 3.3), cell=6))
    for x in np.linspace(-19, 19, 10):
        parts += [column(1.15, 10.8, MARBLE, (x, y, 3.3)) for y in (-9.3, 9.3)]
    for y in np.linspace(-5.6, 5.6, 4):
        parts += [column(1.15, 10.8, MARBLE, (x, y, 3.3)) for x in (-19, 19)]
    parts.append(box((42, 22, 2.8), MARBLE, (0, 0, 14.1), cell=5))
    parts.append(gable((43, 23, 5.5), (0.6, 0.45, 0.36), (0, 0, 16.9), MARBLE))
    return Scene(mesh=join(*parts), height=23, radius=24, ground="sand", trees=3)


def obelisk() -> Scene:
    """A needle of granite on a stepped base."""
    granite: Colour = (0.66, 0.5, 0.42)
    parts = [box((16 - 4 * i, 16 - 4 * i, 1.6), STONE, (0, 0, 1.6 * i)) for i in range(3)]
    parts.append(box((5.4, 5.4, 6), MARBLE, (0, 0, 4.8)))
    parts.append(box((3.8, 3.8, 32), granite, (0, 0, 10.8), top=0.65, cell=3))
    parts.append(box((2.5, 2.5, 3.4), (0.85, 0.7, 0.32), (0, 0, 42.8), top=0.02))
    for a in SIDES:
        for z in np.arange(14, 40, 3.2):
            at = tuple(np.array([0, 0, z]) + outward(a, 1.9 - 0.021 * (z - 10.8)))
            parts.append(
                windows(1.6, 2, at, rows=1, columns=1, colour=(0.48, 0.35, 0.3), lit=0, facing=a)
            )
    return Scene(mesh=join(*parts), height=46, radius=12, people=9, cars=2)


def ferris_wheel() -> Scene:
    """A white wheel with coloured cabins on two A-frames."""
    white: Colour = (0.86, 0.88, 0.9)
    r, hub = 26.0, 31.0
    angles = np.linspace(0, 2 * np.pi, 25)
    parts = []
    for y in (-2.0, 2.0):
        for a, b in pairwise(angles):
            p, q = (r * np.cos(a), y, hub + r * np.sin(a)), (r * np.cos(b), y, hub + r * np.sin(b))
            parts += [bar(p, q, 0.8, white), bar((0, y, hub), p, 0.28, white)]
        for x in (-13, 13):
            parts.append(bar((x, 2.4 * y, 0), (0, y * 1.5, hub), 1.6, white))
    parts.append(turn(turned([(2.2, 0), (2.2, 1)], white), 0))
    parts.append(bar((0, -4.5, hub), (0, 4.5, hub), 3, white))
    hues: list[Colour] = [(0.85, 0.25, 0.2), (0.95, 0.7, 0.2), (0.2, 0.5, 0.8), (0.3, 0.65, 0.35)]
    for i, a in enumerate(angles[:-1]):
        at = ((r + 1) * np.cos(a), 0.0, hub + (r + 1) * np.sin(a) - 3)
        parts.append(lamp(box((2.8, 2.8, 2.8), hues[i % 4], at), 0.5))
    return Scene(mesh=join(*parts), height=60, radius=29, spread=60, people=9)


def pagoda() -> Scene:
    """Five storeys of red timber under dark curved roofs."""
    red: Colour = (0.66, 0.22, 0.16)
    parts = [box((22, 22, 2.4), STONE)]
    z = 2.4
    for level in range(5):
        side = 14 - 1.6 * level
        parts.append(box((side, side, 5), red, (0, 0, z), cell=3.5))
        for a in SIDES:
            at = tuple(np.array([0, 0, z + 0.4]) + outward(a, side / 2))
            parts.append(
                windows(side, 4, at, rows=1, columns=5, facing=a, colour=(0.85, 0.8, 0.66))
            )
        roof = side / 2 * 1.42
        profile = [(roof * 1.24, z + 4.4), (roof * 0.95, z + 5.3), (roof * 0.62, z + 7.2)]
        parts.append(turn(turned([(roof * 1.2, z + 4.1), *profile], SLATE, sides=4), 45))
        z += 6.6
    parts += [turned([(0.6, z), (0.15, z + 9)], (0.7, 0.6, 0.3), sides=6)]
    parts += [
        turned([(1.3, z + i), (1.3, z + i + 0.4)], (0.7, 0.6, 0.3), sides=8) for i in (2, 4, 6)
    ]
    return Scene(mesh=join(*parts), height=44, radius=15, ground="grass", trees=8)


def lighthouse() -> Scene:
    """A red and white tower with a lantern, on a rock in the sea."""
    heights = np.linspace(3, 31, 8)
    radii = np.linspace(5, 3.1, 8)
    stripes: list[Colour] = [(0.78, 0.2, 0.17), (0.93, 0.92, 0.9)]
    parts = [turned([(15, -1), (12, 1.6), (9, 3), (0.1, 3.4)], (0.4, 0.37, 0.34), sides=9)]
    parts.append(turned(list(zip(radii, heights, strict=True)), stripes, sides=18))
    parts.append(turned([(4.4, 31), (4.4, 32.2), (2.4, 32.2)], SLATE, sides=18))
    lantern = turned([(2.3, 32.2), (2.3, 36)], (0.75, 0.78, 0.7), sides=10)
    parts.append(lamp(lantern, 1))
    parts.append(turned([(2.9, 36), (0.05, 39.5)], (0.78, 0.2, 0.17), sides=12))
    parts.append(box((8, 6, 4.5), MARBLE, (7, 3, 2.6)))
    parts.append(gable((9, 7, 3), BRICK, (7, 3, 7.1), MARBLE))
    for z in (8.0, 15.0, 22.0):
        parts += [windows(1.6, 2.2, tuple(np.array([0, 0, z]) + outward(a, 5.05 - 0.068 * (z - 3))),
                          rows=1, columns=1, fill=0.8, facing=a) for a in SIDES]  # fmt: skip
    return Scene(mesh=join(*parts), height=40, radius=15, ground="water", trees=0, people=0, cars=0)


LANDMARKS: dict[str, Callable[[], Scene]] = {
    "castle": castle,
    "columned_temple": columned_temple,
    "domed_mosque": domed_mosque,
    "ferris_wheel": ferris_wheel,
    "lattice_tower": lattice_tower,
    "leaning_tower": leaning_tower,
    "lighthouse": lighthouse,
    "obelisk": obelisk,
    "pagoda": pagoda,
    "stepped_pyramid": stepped_pyramid,
    "suspension_bridge": suspension_bridge,
    "triumphal_arch": triumphal_arch,
}
