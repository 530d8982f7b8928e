"""Five example photos for who has none at hand: rendered, so nobody's.

Four look like landmarks of the world and are recognised as such by the world bundle; the
last shows none, and a recogniser does well to say so.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache

from waymark.samples import render

SIZE = (720, 540)  # pixels


@dataclass(frozen=True, kw_only=True)
class Example:
    """One example photo.

    Attributes:
        number: 1 to 5, as in its address.
        title: what it shows.
        sample: name in `waymark.samples`.
        seed: which picture of it.
    """

    number: int
    title: str
    sample: str
    seed: int

    @property
    def file(self) -> str:
        """What the photo is called as an upload."""
        return f"example-{self.number}.jpg"


EXAMPLES = (
    Example(number=1, title="An iron tower", sample="lattice_tower", seed=5),
    Example(number=2, title="A suspension bridge", sample="suspension_bridge", seed=2),
    Example(number=3, title="A leaning tower", sample="leaning_tower", seed=5),
    Example(number=4, title="A pyramid", sample="stepped_pyramid", seed=3),
    Example(number=5, title="Trees, no landmark", sample="woodland", seed=0),
)


@cache
def example_photo(number: int) -> bytes:
    """Return example 1 to 5 as the bytes of a JPEG; painted at the first call.

    Raises:
        KeyError: if there is no example of that number.
    """
    example = {one.number: one for one in EXAMPLES}[number]
    buffer = io.BytesIO()
    picture = render(example.sample, seed=example.seed, size=SIZE)
    picture.save(buffer, "JPEG", quality=88, optimize=True)
    return buffer.getvalue()
