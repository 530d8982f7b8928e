"""Paint a scene: backdrop, shadows, faces from far to near, people, trees and cars, lens.

Painter's algorithm with Lambert shading on a picture of twice the size, then halved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from waymark.samples.backdrop import backdrop
from waymark.samples.props import Prop, draw_prop, place_props
from waymark.samples.scene import Scene
from waymark.samples.shapes import Floats, Mesh, Pixels
from waymark.samples.weather import Camera, Light, draw_camera, draw_light

if TYPE_CHECKING:
    from PIL.Image import Image as Photo
    from PIL.ImageDraw import ImageDraw as Pen

SCALE = 2
METER = {"day": 1.4, "dusk": 1.4, "night": 1.3}  # most that a camera brightens a dark scene


def paint(scene: Scene, rng: np.random.Generator, size: tuple[int, int]) -> Photo:
    """Photograph a scene once, from somewhere, at some time.

    Args:
        scene: what to photograph.
        rng: where viewpoint, light, weather, clutter and noise come from.
        size: width and height of the picture, pixels.

    Returns:
        An RGB image of `size`.
    """
    from PIL import Image, ImageDraw, ImageFilter

    camera = draw_camera(rng, scene, *size)
    light = draw_light(rng, camera)
    behind = backdrop(rng, camera, light, scene.ground, size)
    if scene.ground != "water" and light.sky == "clear" and light.hour != "night":
        behind *= _shadow(scene.mesh, camera, light, size)
    canvas = Image.fromarray(_bytes(behind)).resize(
        (size[0] * SCALE, size[1] * SCALE), Image.Resampling.BILINEAR
    )
    large = camera.enlarged(SCALE)
    if scene.ground == "water":
        mirrored = canvas.copy()
        _draw(ImageDraw.Draw(mirrored), _reflected(scene.mesh), large, light, [], rng)
        canvas = Image.blend(canvas, mirrored.filter(ImageFilter.BoxBlur(2 * SCALE)), 0.38)
    props = place_props(rng, scene, camera)
    _draw(ImageDraw.Draw(canvas), scene.mesh, large, light, props, rng)
    return _lens(canvas.reduce(SCALE), light, rng)


def _bytes(picture: Pixels) -> NDArray[np.uint8]:
    """Turn 0-1 into bytes."""
    levels: NDArray[np.uint8] = np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8)
    return levels


def _reflected(mesh: Mesh) -> Mesh:
    """Mirror a mesh in the water; corners swap so that faces still look outwards."""
    quads = mesh.quads[:, ::-1] * np.array([1, 1, -1.0])
    return Mesh(quads, mesh.colour, mesh.glow, mesh.lift, mesh.flat)


def _normals(quads: Floats) -> Floats:
    """Return the (N, 3) outward unit normals, from the diagonals."""
    normal = np.cross(quads[:, 2] - quads[:, 0], quads[:, 3] - quads[:, 1])
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    unit: Floats = normal / np.maximum(length, 1e-12)
    return unit


def _shade(
    mesh: Mesh, normals: Floats, distance: Floats, light: Light, rng: np.random.Generator
) -> Floats:
    """Light the faces.

    Args:
        mesh: N faces.
        normals: (N, 3) unit vectors towards the viewer's side.
        distance: (N,) from the eye, in camera distances.
        light: of the moment.
        rng: for the grain of the surfaces and for which lamps are on.

    Returns:
        (N, 3) colours, 0-1 or a little over.
    """
    facing = np.clip(normals @ light.sun, 0, 1)[:, None]
    above = (0.72 + 0.28 * normals[:, 2])[:, None]
    colour = mesh.colour * (light.ambient * above + light.sun_colour * facing)
    colour *= rng.uniform(0.94, 1.06, (len(colour), 1))
    if light.hour != "day":  # floodlights at the foot, lamps behind the panes
        flood = 0.95 if light.hour == "night" else 0.12
        foot = np.clip(1.15 - mesh.quads[:, :, 2].mean(axis=1) / 90, 0.35, 1)[:, None]
        warm = rng.uniform(0.75, 1.0) * np.array([1.0, 0.83, 0.58])
        colour += mesh.colour * warm * flood * foot * (0.75 - 0.25 * normals[:, 2:])
        on = mesh.glow * (rng.random(len(colour)) < 0.62)
        colour += (
            on[:, None] * np.array([0.95, 0.76, 0.42]) * (1.0 if light.hour == "night" else 0.7)
        )
    veil = 1 - np.exp(-light.haze * distance * 1.6)
    return colour + (light.horizon - colour) * veil[:, None]  # type: ignore[no-any-return]


def _draw(  # noqa: PLR0917 (all six are what drawing is about)
    pen: Pen, mesh: Mesh, camera: Camera, light: Light, props: list[Prop], rng: np.random.Generator
) -> None:
    """Draw faces and props from far to near."""
    normals = _normals(mesh.quads)
    middle = mesh.quads.mean(axis=1)
    towards = camera.eye - middle
    seen = np.einsum("nc,nc->n", normals, towards)
    normals = np.where((mesh.flat & (seen < 0))[:, None], -normals, normals)
    pixels, depth = camera.project(mesh.quads)
    visible = (mesh.flat | (seen > 0)) & (depth.min(axis=1) > 0.3)
    away = np.linalg.norm(towards, axis=1)
    colours = _shade(mesh, normals, away / camera.distance, light, rng)
    shades = [tuple(c) for c in np.clip(colours * 255, 0, 255).astype(int).tolist()]
    corners = pixels.reshape(len(pixels), 8).tolist()
    order = [(float(away[i] - mesh.lift[i]), i) for i in np.flatnonzero(visible).tolist()]
    order += [
        (float(np.linalg.norm(camera.eye - prop.foot)), -1 - i) for i, prop in enumerate(props)
    ]
    for _, i in sorted(order, reverse=True):
        if i >= 0:
            pen.polygon(corners[i], fill=shades[i])
        else:
            draw_prop(pen, props[-1 - i], camera, light, rng)


def _shadow(mesh: Mesh, camera: Camera, light: Light, size: tuple[int, int]) -> Pixels:
    """Return the (height, width, 1) share of light that the shadow leaves on the ground."""
    from PIL import Image, ImageDraw, ImageFilter

    mask = Image.new("L", size, 0)
    draw = ImageDraw.Draw(mask)
    points = mesh.quads.reshape(-1, 3)
    reach = np.minimum(points[:, 2:] / max(0.12, light.sun[2]), 4 * camera.distance)
    fallen = points - reach * light.sun
    fallen[:, 2] = 0
    pixels, depth = camera.project(fallen.reshape(-1, 4, 3))
    for corners in pixels[depth.min(axis=1) > 0.5].reshape(-1, 8).tolist():
        draw.polygon(corners, fill=255)
    dark = np.asarray(mask.filter(ImageFilter.BoxBlur(1)), dtype=np.float32) / 255
    left: Pixels = 1 - (0.5 if light.hour == "day" else 0.3) * dark[..., None]
    return left


def _lens(image: Photo, light: Light, rng: np.random.Generator) -> Photo:
    """Add rain, metered exposure, white balance, vignette, softness and sensor noise."""
    from PIL import Image, ImageDraw, ImageFilter

    width, height = image.size
    if light.sky == "rain":
        wet = image.copy()
        draw = ImageDraw.Draw(wet)
        slant = rng.normal(0, 0.12)
        for x, y, long in rng.uniform([0, 0, 0.03], [width, height, 0.09], (160, 3)).tolist():
            fall = long * height
            draw.line([x, y, x + slant * fall, y + fall], fill=(205, 210, 218))
        image = Image.blend(image, wet, 0.35 if light.hour == "day" else 0.15)
    if rng.random() < 0.35:
        image = image.filter(
            ImageFilter.GaussianBlur(rng.uniform(0.2, 0.8) * min(width, height) / 240)
        )
    pixels = np.asarray(image, dtype=np.float32) / 255
    metered = np.clip((0.5 / max(0.02, float(pixels.mean()))) ** 0.5, 0.8, METER[light.hour])
    balance = metered * np.exp(rng.normal(0, 0.022, 3) + rng.normal(0.03, 0.09)).astype(np.float32)
    x, y = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)
    corners = 1 - np.float32(rng.uniform(0.02, 0.13)) * (x[None] ** 2 + y[:, None] ** 2)
    pixels = pixels * balance * corners[..., None]
    grain = {"day": 0.012, "dusk": 0.022, "night": 0.026}[light.hour] * rng.uniform(0.6, 1.5)
    pixels += rng.standard_normal(pixels.shape, dtype=np.float32) * np.float32(grain)
    return Image.fromarray(_bytes(pixels))
