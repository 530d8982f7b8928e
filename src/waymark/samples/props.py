"""Clutter: trees, people and cars, drawn flat where they stand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from waymark.samples.scene import Scene
from waymark.samples.shapes import Floats
from waymark.samples.weather import Camera, Light

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

Shade = tuple[int, int, int]


@dataclass(frozen=True)
class Prop:
    """One thing that stands about.

    Attributes:
        kind: "tree", "person" or "car".
        foot: (3,) where it stands, metres.
    """

    kind: str
    foot: Floats


@dataclass(frozen=True)
class Brush:
    """What a prop is drawn with.

    Attributes:
        pen: draws on the picture.
        x: foot of the prop, pixels.
        y: foot of the prop, pixels.
        m: pixels in a metre at its distance.
        shade: turns RGB reflectances, 0-1, into bytes under the light and the haze there.
        rng: for shapes and colours.
    """

    pen: ImageDraw
    x: float
    y: float
    m: float
    shade: Callable[..., Shade]
    rng: np.random.Generator


def place_props(rng: np.random.Generator, scene: Scene, camera: Camera) -> list[Prop]:
    """Stand trees, people and cars around the scene, some of them before the camera."""
    placed = []
    towards = camera.eye[:2] / np.linalg.norm(camera.eye[:2])
    across = np.array([-towards[1], towards[0]])
    clear = scene.radius * (0.2 if scene.trees > 20 else 1.15)
    for kind, mean in (("tree", scene.trees), ("person", scene.people), ("car", scene.cars)):
        for _ in range(rng.poisson(mean)):
            if kind == "person" and rng.random() < 0.6:
                ahead = camera.distance * rng.uniform(0.35, 0.93)
                room = (camera.distance - ahead) * 0.8
            else:
                ahead = camera.distance * rng.uniform(-1.2, 0.55)
                room = camera.distance * 1.1
            spot = towards * ahead + across * rng.uniform(-room, room)
            if np.linalg.norm(spot) > clear:
                placed.append(Prop(kind, np.array([*spot, 0.0])))
    return placed


def draw_prop(
    pen: ImageDraw, prop: Prop, camera: Camera, light: Light, rng: np.random.Generator
) -> None:
    """Draw one thing upright on its foot, if it is before the camera."""
    pixel, depth = camera.project(prop.foot)
    if depth < 1.2:
        return
    veil = 1 - np.exp(-light.haze * float(depth) / camera.distance * 1.6)
    lit = light.ambient + 0.5 * light.sun_colour

    def shade(*colour: float) -> Shade:
        seen = np.array(colour) * lit
        seen = np.clip((seen + (light.horizon - seen) * veil) * 255, 0, 255)
        return int(seen[0]), int(seen[1]), int(seen[2])

    metre = camera.focal / float(depth)
    PROPS[prop.kind](Brush(pen, float(pixel[0]), float(pixel[1]), metre, shade, rng))


def _tree(b: Brush) -> None:
    """Draw a trunk under a crown of blots, light above and dark below; some are cypresses."""
    tall = b.rng.uniform(6, 14) * b.m
    b.pen.rectangle(
        [b.x - 0.2 * b.m, b.y - tall * 0.45, b.x + 0.2 * b.m, b.y], fill=b.shade(0.3, 0.22, 0.16)
    )
    green = np.array([0.22, 0.36, 0.14]) * b.rng.uniform(0.7, 1.3) + [b.rng.uniform(0, 0.12), 0, 0]
    slim = 0.3 if b.rng.random() < 0.25 else 1.0
    for t in np.linspace(0, 1, 16):
        r = tall * b.rng.uniform(0.1, 0.17) * (0.6 + 0.4 * slim)
        x = b.x + b.rng.normal(0, 0.13) * tall * slim
        y = b.y - tall * (0.38 + 0.5 * t) + b.rng.normal(0, 0.03) * tall
        b.pen.ellipse([x - r, y - r, x + r, y + r], fill=b.shade(*(green * (0.62 + 0.6 * t))))


def _person(b: Brush) -> None:
    """Draw legs, a coat and a head."""
    x, y, tall = b.x, b.y, b.rng.uniform(1.45, 1.9) * b.m
    coat, legs = b.rng.uniform(0.08, 0.85, 3), b.rng.uniform(0.08, 0.4, 3)
    skin = b.shade(*(np.array([0.8, 0.6, 0.48]) * b.rng.uniform(0.45, 1.1)))
    hair = b.shade(*(b.rng.uniform(0.05, 0.4) * np.array([1, 0.8, 0.6])))
    w, r = tall * 0.13, tall * 0.075
    step = b.rng.uniform(0.2, 0.9) * w
    hip, hem, shoulder = y - tall * 0.5, y - tall * 0.42, y - tall * 0.82
    for foot in (x - step, x + step):
        leg = [x - w * 0.45, hip, x + w * 0.45, hip, foot + w * 0.3, y, foot - w * 0.3, y]
        b.pen.polygon(leg, fill=b.shade(*legs))
    body = [x - w, shoulder, x + w, shoulder, x + w * 1.1, hem, x - w * 1.1, hem]
    b.pen.polygon(body, fill=b.shade(*coat))
    b.pen.ellipse([x - w, y - tall * 0.86, x + w, y - tall * 0.74], fill=b.shade(*coat))
    b.pen.rectangle([x - r * 0.4, y - tall * 0.88, x + r * 0.4, shoulder], fill=skin)
    b.pen.ellipse([x - r, y - tall, x + r, y - tall + 2.2 * r], fill=skin)
    head = [x - r * 1.08, y - tall * 1.01, x + r * 1.08, y - tall + 2.1 * r]
    b.pen.pieslice(head, 170, 370, fill=hair)


PAINTS = ((0.75, 0.1, 0.1), (0.15, 0.25, 0.5), (0.85, 0.85, 0.85), (0.15, 0.15, 0.16))


def _car(b: Brush) -> None:
    """Draw a side view: body, cabin, panes and two wheels."""
    x, y, m = b.x, b.y, b.m
    paint, glass = b.shade(*PAINTS[b.rng.integers(len(PAINTS))]), b.shade(0.14, 0.18, 0.22)
    black, rim = b.shade(0.07, 0.07, 0.07), b.shade(0.5, 0.5, 0.5)

    def outline(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(x + right * m, y - up * m) for right, up in points]

    b.pen.rectangle([x - 2 * m, y - 0.35 * m, x + 2 * m, y - 0.12 * m], fill=black)
    b.pen.rounded_rectangle(
        [x - 2.1 * m, y - 0.95 * m, x + 2.1 * m, y - 0.25 * m], 0.25 * m, fill=paint
    )
    b.pen.polygon(outline((-1.3, 0.9), (-0.8, 1.45), (0.7, 1.45), (1.3, 0.9)), fill=paint)
    b.pen.polygon(outline((-1.1, 0.92), (-0.72, 1.36), (-0.08, 1.36), (-0.08, 0.92)), fill=glass)
    b.pen.polygon(outline((0.04, 0.92), (0.04, 1.36), (0.66, 1.36), (1.08, 0.92)), fill=glass)
    for wheel in (x - 1.25 * m, x + 1.25 * m):
        for r, fill in ((0.33 * m, black), (0.16 * m, rim)):
            middle = y - 0.33 * m
            b.pen.ellipse([wheel - r, middle - r, wheel + r, middle + r], fill=fill)


PROPS: dict[str, Callable[[Brush], None]] = {"tree": _tree, "person": _person, "car": _car}
