"""Fill the pages' templates: every value escaped, nothing undefined, no inline script or style.

In:  values of Python.
Out: HTML, the same from the server for who has no JavaScript as from the browser's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waymark import gazetteer_country
from waymark.serve import outline, pages_place

if TYPE_CHECKING:
    from jinja2 import Environment

    from waymark.gazetteer import Landmark

TEMPLATES = Path(__file__).parent / "templates"

Place = Mapping[str, Any]


@cache
def templates() -> Environment:
    """Return the templates, read once."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    pages = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, auto_reload=False,
    )  # fmt: skip
    pages.filters |= {
        "percent": pages_place.percent,
        "country": gazetteer_country.country_name,
        "language": gazetteer_country.local_language,
        "kind": lambda category: category and category.replace("_", " "),
        "thousands": "{:,}".format,
        "around": lambda guess: outline.around(*_position(guess)),
        "around_both": lambda guess, point: outline.around_all((_position(guess), tuple(point))),
        "coordinates": lambda guess: pages_place.coordinates(*_position(guess)),
        "openstreetmap": lambda guess: pages_place.openstreetmap(*_position(guess)),
        "distance": pages_place.say_distance,
        "camera_pin": lambda point: (*outline.project(*point), "The camera", None, False),
        "pin": lambda guess: (*outline.project(*_position(guess)), guess["name"], None, True),
    }
    return pages


def render(template: str, values: Mapping[str, Any]) -> str:
    """Return a page."""
    return templates().get_template(template).render(values)


def countries(landmarks: Sequence[Landmark]) -> list[tuple[str, str, str, int]]:
    """Return code, name, language and whether that is in Latin letters, for the browser."""
    table = gazetteer_country.country_table()
    codes = sorted({one.country for one in landmarks if one.country})
    known = [(code, table[code]) for code in codes if code in table]
    return [(code, one.name, one.language, int(one.latin)) for code, one in known]


def as_json(result: Mapping[str, Any]) -> str:
    """Return what the API says of a photo, as text to copy; without pictures."""
    kept = {key: value for key, value in result.items() if key not in ("heatmap", "neighbours")}
    return json.dumps(kept, ensure_ascii=False, indent=2)


def _position(guess: Place) -> tuple[float, float]:
    return float(guess["lat"]), float(guess["lon"])
