"""What a recogniser says of photos: plain records, and their JSON.

In:  landmarks and scores.
Out: `Prediction` or `PhotoFailure`, a photo each; `to_dict` gives the objects that
     `waymark predict --json` and the REST API promise.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from waymark.errors import PhotoError
from waymark.gazetteer import Landmark


@dataclass(frozen=True, kw_only=True)
class Guess:
    """One landmark that a photo may show; None where nothing is known of it.

    Attributes:
        landmark: id of the landmark.
        score: calibrated probability, given that some known landmark is in the photo.
        others: as in `gazetteer.Landmark`.
    """

    landmark: str
    name: str
    local_name: str | None
    score: float
    place: str | None
    country: str | None
    category: str | None
    lat: float | None
    lon: float | None
    extent_m: float | None
    wikidata: str | None

    @classmethod
    def of(cls, landmark: Landmark, score: float) -> Self:
        """Join what is known of a landmark with its score."""
        return cls(
            landmark=landmark.id,
            name=landmark.name,
            local_name=landmark.local_name,
            score=score,
            place=landmark.place,
            country=landmark.country,
            category=landmark.category,
            lat=landmark.lat,
            lon=landmark.lon,
            extent_m=landmark.extent_m,
            wikidata=landmark.wikidata,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, all keys always present."""
        return asdict(self) | {"score": round(self.score, 6)}


@dataclass(frozen=True, kw_only=True)
class CategoryGuess:
    """One kind of landmark that a photo may show.

    Attributes:
        category: its id.
        score: 0 to 1.
    """

    category: str
    score: float


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a bundle says of a photo.

    Attributes:
        photo: path of the photo; "" where it came as bytes or an image.
        known: whether one of the bundle's landmarks is in the photo.
        unknown_score: 0 to 1, high means that none is.
        predictions: the best guesses, best first, whether known or not.
        category_predictions: the same for categories; None where the bundle has none.
        bundle: first 12 hex digits of the bundle's SHA-256.
    """

    photo: str
    known: bool
    unknown_score: float
    predictions: tuple[Guess, ...]
    category_predictions: tuple[CategoryGuess, ...] | None
    bundle: str

    def to_dict(self) -> dict[str, Any]:
        """Return the object that `waymark predict --json` prints."""
        categories = self.category_predictions
        return {
            "photo": self.photo,
            "known": self.known,
            "unknown_score": round(self.unknown_score, 6),
            "predictions": [guess.to_dict() for guess in self.predictions],
            "category_predictions": categories
            and [{"category": c.category, "score": round(c.score, 6)} for c in categories],
            "bundle": self.bundle,
        }


@dataclass(frozen=True, slots=True)
class PhotoFailure:
    """A photo that could not be read, and why."""

    photo: str
    error: PhotoError

    def to_dict(self) -> dict[str, Any]:
        """Return the object that `waymark predict --json` prints."""
        return {"photo": self.photo, "error": str(self.error)}


@dataclass(frozen=True, slots=True)
class Seen:
    """What the network made of one photo, before any decision.

    Attributes:
        photo: its path.
        logits: (C,) float32.
        embedding: (D,) float32.
        categories: (K,) float32 logits; None where the bundle has no such task.
    """

    photo: str
    logits: NDArray[np.float32]
    embedding: NDArray[np.float32]
    categories: NDArray[np.float32] | None
