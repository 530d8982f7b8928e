"""Sky, hills and ground: everything behind the solid things, one value a pixel."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from waymark.samples.shapes import Pixels
from waymark.samples.weather import Camera, Light

TILE = 256
GROUND = {
    "plaza": (0.58, 0.56, 0.53),
    "grass": (0.31, 0.4, 0.2),
    "sand": (0.76, 0.66, 0.48),
    "water": (0.12, 0.26, 0.34),
}


@lru_cache(maxsize=1)
def cloth() -> Pixels:
    """Return a (256, 256) tile of smooth noise that joins at its edges, 0-1."""
    rng = np.random.default_rng(7)
    total = np.zeros((TILE, TILE))
    for cells, weight in ((4, 1.0), (8, 0.6), (16, 0.36), (32, 0.22), (64, 0.13), (128, 0.1)):
        grid = rng.random((cells, cells))
        at = np.arange(TILE) * cells / TILE
        low = at.astype(int)
        part = at - low
        part = part * part * (3 - 2 * part)
        high = (low + 1) % cells
        rows = grid[low] * (1 - part)[:, None] + grid[high] * part[:, None]
        total += weight * (rows[:, low] * (1 - part) + rows[:, high] * part)
    total -= total.min()
    tile: Pixels = (total / total.max()).astype(np.float32)
    return tile


def _sample(x: Pixels, y: Pixels) -> Pixels:
    """Look up the cloth at tile coordinates, wrapping round."""
    wrap = np.int32(TILE - 1)
    found: Pixels = cloth()[y.astype(np.int32) & wrap, x.astype(np.int32) & wrap]
    return found


def backdrop(
    rng: np.random.Generator, camera: Camera, light: Light, ground: str, size: tuple[int, int]
) -> Pixels:
    """Paint what lies behind.

    Returns:
        (height, width, 3) float32, 0-1 (a little over where the sun glows).
    """
    rays = camera.rays(*size)
    up = rays[..., 2]
    horizon, zenith = light.horizon.astype(np.float32), light.zenith.astype(np.float32)
    climb = np.sqrt(np.clip(up, 0, 1))[..., None]
    picture: Pixels = horizon + (zenith - horizon) * climb
    _glow(picture, rays, light)
    _clouds(rng, picture, rays, light)
    _skyline(rng, picture, rays, light, town=ground == "plaza")
    _ground(rng, picture, rays, camera, light, ground)
    return picture


def _glow(picture: Pixels, rays: Pixels, light: Light) -> None:
    """Brighten the sky around the sun."""
    if light.sky == "clear" and light.hour != "night":
        near = np.clip(rays @ light.sun.astype(np.float32), 0, 1)
        picture += (0.25 * near**8 + 0.5 * near**300)[..., None] * np.array(
            [1, 0.9, 0.7], np.float32
        )


def _clouds(rng: np.random.Generator, picture: Pixels, rays: Pixels, light: Light) -> None:
    """Draw clouds on a flat ceiling, thinner towards the horizon."""
    if light.clouds <= 0.05:
        return
    above = (rays[..., 2] > 0).any(axis=1)  # rows with sky in them
    whole, picture, rays = picture, picture[above], rays[above]
    up = np.maximum(rays[..., 2], 0.02)
    shift = (rng.uniform(0, TILE, 2) + 16 * TILE).astype(np.float32)
    scale = np.float32(rng.uniform(22, 50))
    puffs = _sample(rays[..., 0] / up * scale + shift[0], rays[..., 1] / up * scale + shift[1])
    cover = np.clip((puffs - (0.78 - 0.55 * light.clouds)) * 3.5, 0, 1)
    cover *= np.clip(rays[..., 2] * 7, 0, 1)
    bright = {"day": 0.97, "dusk": 0.72, "night": 0.13}[light.hour]
    if light.sky != "clear":
        bright *= 0.72
    colour = (
        np.array([1, 0.985, 0.97], np.float32) * bright * 0.7
        + light.horizon.astype(np.float32) * 0.3
    )
    shade = (1 - 0.18 * puffs)[..., None] * colour
    whole[above] = picture + (shade - picture) * (cover * 0.85)[..., None]


def _skyline(
    rng: np.random.Generator, picture: Pixels, rays: Pixels, light: Light, *, town: bool
) -> None:
    """Draw far hills, or the roofs of a town, along the horizon."""
    near = ((rays[..., 2] > -0.02) & (rays[..., 2] < 0.14)).any(axis=1)  # rows it can reach
    whole, picture, rays = picture, picture[near], rays[near]
    around = (np.arctan2(rays[..., 1], rays[..., 0]) / np.float32(2 * np.pi) + 0.5) * TILE
    up = rays[..., 2]
    for layer, tall in enumerate((0.1, 0.06)):
        row = np.float32(rng.integers(0, TILE))
        rough = 14 if town and layer else 2 + layer
        at = around * rough
        step = np.floor(at) if town and layer else at
        line = _smooth_row(step, row) * np.float32(tall * rng.uniform(0.4, 1.3))
        land = np.array([0.45, 0.42, 0.4] if town and layer else [0.3, 0.36, 0.3], np.float32)
        lit = light.ambient + 0.35 * light.sun_colour
        far = np.float32(0.35 + 0.25 * layer)
        far *= np.float32(max(0.0, 1 - 2.2 * light.haze))
        colour = light.horizon.astype(np.float32) * (1 - far) + land * lit.astype(np.float32) * far
        cover = np.clip((line - up) * 160, 0, 1) * (up > -0.02)
        picture += (colour - picture) * cover[..., None]
    whole[near] = picture


def _smooth_row(at: Pixels, row: np.float32) -> Pixels:
    """Interpolate one row of the cloth."""
    values: Pixels = cloth()[int(row)]
    low = np.floor(at).astype(np.int32)
    part = at - low
    wrap = TILE - 1
    line: Pixels = values[low & wrap] * (1 - part) + values[(low + 1) & wrap] * part
    return line


def _ground(  # noqa: PLR0917 (all six are what drawing is about)
    rng: np.random.Generator, picture: Pixels, rays: Pixels, camera: Camera, light: Light, kind: str
) -> None:
    """Lay a textured plane that fades into the haze."""
    below = rays[..., 2] < -1e-3
    if not below.any():
        return
    rows = below.any(axis=1)
    part, look = picture[rows], rays[rows]
    down = np.minimum(look[..., 2], -1e-3)
    reach = np.float32(camera.eye[2]) / -down
    x = look[..., 0] * reach + np.float32(camera.eye[0])
    y = look[..., 1] * reach + np.float32(camera.eye[1])
    limit = np.float32(1e5)
    x, y = np.clip(x, -limit, limit) + limit, np.clip(y, -limit, limit) + limit
    fine = 1 / (1 + reach * np.float32(30 / camera.focal))
    rough = _sample(x * 8, y * 8) - 0.5
    patches = _sample(x * 0.9 + 31, y * 0.9) - 0.5
    tone = 1 + 0.55 * rough * fine + 0.32 * patches
    if kind == "plaza":
        tile = np.float32(rng.choice([1.5, 3.0, 4.0]))
        joint = ((x % tile) < 0.1 * tile) | ((y % tile) < 0.1 * tile)
        tone -= 0.2 * joint * fine
    lit = light.ambient + light.sun_colour * max(0.1, float(light.sun[2]))
    base = np.array(GROUND[kind]) * (1 + rng.uniform(-0.12, 0.12) + rng.normal(0, 0.025, 3))
    colour = (base * lit).astype(np.float32)
    plane: Pixels = tone[..., None] * colour
    if kind == "water":
        wave = _sample(x * 2.2, y * 5) * fine + 0.5 * (1 - fine)
        mirror = np.clip(0.25 + 0.75 * (1 + down) ** 3, 0, 1) * (0.5 + 0.5 * wave)
        sky = (light.horizon * 0.55 + light.zenith * 0.45).astype(np.float32)
        plane = plane * (0.7 + 0.6 * wave)[..., None]
        plane += (sky - plane) * mirror[..., None]
    strength = np.float32(light.haze * 0.9 + 0.015) / np.float32(camera.distance)
    fade = (1 - np.exp(-reach * strength)) * np.float32(0.55 + 0.45 * min(1, light.haze * 3))
    plane += (light.horizon.astype(np.float32) - plane) * fade[..., None]
    picture[rows] = np.where(below[rows][..., None], plane, part)
