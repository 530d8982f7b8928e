"""Where the camera stands and what the light and the weather are, drawn at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from waymark.samples.scene import Scene
from waymark.samples.shapes import Floats, Pixels


@dataclass(frozen=True, kw_only=True)
class Light:
    """One moment of one day.

    Attributes:
        hour: "day", "dusk" or "night".
        sky: "clear", "overcast", "fog" or "rain".
        sun: (3,) unit vector towards the sun, or the moon.
        sun_colour: (3,) light of the sun on a face turned to it.
        ambient: (3,) light from everywhere.
        zenith: (3,) colour of the sky overhead.
        horizon: (3,) colour of the sky at the horizon, and of haze.
        clouds: share of the sky under clouds, 0-1.
        haze: how much of a colour is lost over one camera distance, 0-1.
    """

    hour: str
    sky: str
    sun: Floats
    sun_colour: Floats
    ambient: Floats
    zenith: Floats
    horizon: Floats
    clouds: float
    haze: float


def draw_light(rng: np.random.Generator, camera: Camera) -> Light:
    """Draw an hour and a weather, the sun more often behind the camera than before it."""
    hour = str(rng.choice(["day", "dusk", "night"], p=[0.7, 0.16, 0.14]))
    sky = str(rng.choice(["clear", "overcast", "fog", "rain"], p=[0.58, 0.22, 0.1, 0.1]))
    azimuth = np.arctan2(camera.eye[1], camera.eye[0]) + rng.normal(0, 1.15)
    height = np.radians({"day": rng.uniform(22, 65), "dusk": rng.uniform(3, 10)}.get(hour, 40.0))
    sun = np.array(
        [np.cos(azimuth) * np.cos(height), np.sin(azimuth) * np.cos(height), np.sin(height)]
    )
    blue = rng.uniform(0, 1)
    if hour == "day":
        zenith = np.array([0.2, 0.42, 0.78]) * (0.85 + 0.3 * blue)
        horizon, sun_colour = np.array([0.74, 0.84, 0.93]), np.array([0.74, 0.69, 0.6])
        ambient = np.array([0.46, 0.48, 0.53])
    elif hour == "dusk":
        zenith = np.array([0.18, 0.22, 0.45]) + 0.1 * blue
        horizon = np.array([0.97, 0.62 - 0.12 * blue, 0.4])
        sun_colour, ambient = np.array([0.85, 0.46, 0.24]), np.array([0.38, 0.34, 0.38])
    else:
        zenith, horizon = np.array([0.03, 0.045, 0.13]), np.array([0.13, 0.14, 0.26 + 0.08 * blue])
        sun_colour, ambient = np.array([0.07, 0.08, 0.12]), np.array([0.11, 0.115, 0.17])
    if sky != "clear":
        grey = {"day": 0.74, "dusk": 0.42, "night": 0.13}[hour] * (0.85 if sky == "rain" else 1)
        tint = np.array([0.97, 1.0, 1.04])
        zenith, horizon = 0.15 * zenith + 0.8 * grey * tint, 0.2 * horizon + 0.8 * grey * tint
        ambient, sun_colour = ambient + 0.25 * sun_colour, 0.22 * sun_colour
    haze = {"clear": 0.04, "overcast": 0.09, "fog": rng.uniform(0.35, 0.6), "rain": 0.2}[sky]
    clouds = {"clear": rng.uniform(0, 0.55), "overcast": 0.9, "fog": 0.0, "rain": 1.0}[sky]
    return Light(
        hour=hour, sky=sky, sun=sun, sun_colour=sun_colour, ambient=ambient, zenith=zenith,
        horizon=horizon, clouds=float(clouds), haze=float(haze),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A pinhole camera.

    Attributes:
        eye: (3,) position, metres.
        axes: (3, 3) rows: right, down and forward.
        focal: focal length, pixels.
        centre: (x, y) of the optical axis in the picture, pixels.
        distance: metres to the middle of the scene.
    """

    eye: Floats
    axes: Floats
    focal: float
    centre: tuple[float, float]
    distance: float

    def project(self, points: Floats) -> tuple[Floats, Floats]:
        """Turn (..., 3) points into (..., 2) pixels and their (...,) depth in metres."""
        local = (points - self.eye) @ self.axes.T
        depth = local[..., 2]
        safe = np.maximum(depth, 0.05)[..., None]
        return local[..., :2] / safe * self.focal + np.asarray(self.centre), depth

    def rays(self, width: int, height: int) -> Pixels:
        """Return the (height, width, 3) unit directions that the pixels look in."""
        x = (np.arange(width, dtype=np.float32) + 0.5 - self.centre[0]) / self.focal
        y = (np.arange(height, dtype=np.float32) + 0.5 - self.centre[1]) / self.focal
        right, down, forward = self.axes.astype(np.float32)
        rays: Pixels = forward + x[None, :, None] * right + y[:, None, None] * down
        rays /= np.sqrt(np.einsum("hwc,hwc->hw", rays, rays))[..., None]
        return rays

    def enlarged(self, factor: int) -> Camera:
        """Return the same camera on a picture `factor` times as large."""
        centre = (self.centre[0] * factor, self.centre[1] * factor)
        return Camera(
            eye=self.eye, axes=self.axes, focal=self.focal * factor, centre=centre,
            distance=self.distance,
        )  # fmt: skip


def draw_camera(rng: np.random.Generator, scene: Scene, width: int, height: int) -> Camera:
    """Draw a viewpoint that has the scene in the picture, now and then cut at an edge."""
    side = rng.choice([-90.0, 90.0])
    azimuth = np.radians(side + rng.uniform(-scene.spread, scene.spread))
    fov = np.radians(rng.uniform(34, 68))  # of the longer side
    focal = max(width, height) / 2 / np.tan(fov / 2)
    fit = max(scene.height * 0.56 / (height / 2), scene.radius * 0.95 / (width / 2)) * focal
    distance = fit * rng.uniform(0.88, 1.4) + scene.radius * 0.6
    rise = rng.choice([rng.uniform(1.5, 2.5), distance * rng.uniform(0.08, 0.5)], p=[0.62, 0.38])
    eye = np.array([np.cos(azimuth) * distance, np.sin(azimuth) * distance, rise])
    slack = 0.1 * distance / focal * min(width, height)
    target = np.array([0, 0, scene.height * rng.uniform(0.4, 0.55)])
    target += rng.normal(0, 1, 3) * slack * [0.7, 0.7, 0.35]
    forward = target - eye
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0, 0, 1.0])
    right /= np.linalg.norm(right)
    roll = np.radians(rng.normal(0, 1.6))
    down = np.cross(forward, right)
    cos, sin = np.cos(roll), np.sin(roll)
    axes = np.stack([right * cos + down * sin, down * cos - right * sin, forward])
    return Camera(
        eye=eye, axes=axes, focal=focal, centre=(width / 2, height / 2), distance=float(distance)
    )
