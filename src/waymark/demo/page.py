"""Compose a page: one HTML file that asks nobody for anything.

Pictures are data URIs; there is no script; the style sheet is let in by its hash alone, so
that no text in the page, whatever a photo or a folder is called, can change what it does.
"""

from __future__ import annotations

import base64
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from waymark.recognise.prediction import Guess

if TYPE_CHECKING:
    from PIL.Image import Image

TEMPLATES = Path(__file__).parent / "templates"
FINE, COARSE = 400, 220  # longer side of a thumbnail, pixels; a card is some 210 wide
CSP = "default-src 'none'; img-src data:; style-src '{hash}'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True, kw_only=True)
class Card:
    """One photo on the page.

    Attributes:
        picture: data URI.
        file: what the photo's file is called.
        verdict: `right` or `wrong` where the truth is known, else `known` or `unknown`.
        guesses: the best guesses, best first.
        unknown_score: 0 to 1.
        truth: what the photo shows, where that is known.
    """

    picture: str
    file: str
    verdict: Literal["right", "wrong", "known", "unknown"]
    guesses: tuple[Guess, ...]
    unknown_score: float
    truth: str | None = None


def thumbnail(image: Image, side: int = FINE) -> str:
    """Turn an RGB photo into a small JPEG as a data URI."""
    small = image.copy()
    small.thumbnail((side, side))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=78, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def compose(template: str, **values: Any) -> str:
    """Fill one of the demo's templates; every value is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    pages = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    pages.filters["percent"] = percent
    csp = CSP.format(hash=f"sha256-{digest}")
    return pages.get_template(template).render(csp=csp, style=Markup(style), **values)


def percent(share: float, digits: int = 0) -> str:
    """Write 0-1 as a percentage, without rounding up to certainty: 0.9996 is `>99 %`."""
    if 1 - 0.5 * 10 ** -(digits + 2) <= share < 1:
        return f">{100 - 10**-digits:.{digits}f} %"
    return f"{100 * share:.{digits}f} %"
