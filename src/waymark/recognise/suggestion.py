"""A prediction put as a question, as a person would ask it.

In:  a prediction and its photo.
Out: `Suggestion`: a sentence in a terminal, the photo with the sentence in Jupyter.
"""

from __future__ import annotations

import base64
import html
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from waymark.recognise.prediction import Prediction

if TYPE_CHECKING:
    from PIL.Image import Image

LONGEST = 480  # px: side of the photo as shown


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """Which landmarks a photo may show.

    Attributes:
        prediction: what the recogniser says.
        thumbnail: the photo, upright, at most 480 px on its longer side.
    """

    prediction: Prediction
    thumbnail: Image

    @property
    def question(self) -> str:
        """`Is this a picture of the A, B, or C?`, or that it is none of the landmarks known."""
        names = [guess.name for guess in self.prediction.predictions]
        if self.prediction.known:
            the = "" if names[0].lower().startswith("the ") else "the "
            return f"Is this a picture of {the}{_listed(names)}?"
        return f"I do not know this one. The nearest that I know: {_listed(names)}."

    def __str__(self) -> str:
        """Return the question."""
        return self.question

    def __repr__(self) -> str:
        """Return the question, for plain notebooks."""
        return f"<Suggestion: {self.question}>"

    def _repr_png_(self) -> bytes:
        """Return the photo as PNG, for notebooks that show no HTML."""
        out = io.BytesIO()
        self.thumbnail.save(out, "PNG")
        return out.getvalue()

    def _repr_html_(self) -> str:
        """Return the photo and the question under it, for Jupyter."""
        out = io.BytesIO()
        self.thumbnail.save(out, "JPEG", quality=85)
        data = base64.b64encode(out.getvalue()).decode("ascii")
        question = html.escape(self.question)
        return (
            f'<figure style="margin:0"><img alt="{question}" src="data:image/jpeg;base64,{data}">'
            f"<figcaption>{question}</figcaption></figure>"
        )


def _listed(names: list[str]) -> str:
    """Join names as a sentence does: `A`, `A or B`, `A, B, or C`."""
    if len(names) < 3:
        return " or ".join(names)
    return f"{', '.join(names[:-1])}, or {names[-1]}"


def suggest(prediction: Prediction, image: Image) -> Suggestion:
    """Join a prediction with a small copy of its photo, an upright RGB image."""
    thumbnail = image.copy()
    thumbnail.thumbnail((LONGEST, LONGEST))
    return Suggestion(prediction=prediction, thumbnail=thumbnail)
