"""The record of one thing to photograph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from waymark.samples.shapes import Mesh


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Something to photograph.

    Attributes:
        mesh: the solid things.
        height: metres; the camera frames a cylinder of this height...
        radius: ...and of this radius about the origin.
        ground: what it stands on.
        spread: the camera's azimuth stays within this many degrees of the front or back.
        trees: about how many trees stand around.
        people: about how many people stand around.
        cars: about how many cars stand around.
    """

    mesh: Mesh
    height: float
    radius: float
    ground: Literal["plaza", "grass", "sand", "water"] = "plaza"
    spread: float = 90.0
    trees: int = 4
    people: int = 6
    cars: int = 1
