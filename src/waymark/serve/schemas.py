"""What the OpenAPI description says: shapes, examples, and every status there can be.

In:  nothing.
Out: records for the routes' `responses` and `openapi_extra`.

The models describe; they do not run. Answers are built as plain dicts, and a test holds
them to these.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class Error(BaseModel):
    """What went wrong."""

    code: str
    message: str
    hint: str | None


class Failure(BaseModel):
    """Every error, of every route."""

    error: Error


class Place(BaseModel):
    """Degrees north and east."""

    lat: float
    lon: float


class LandmarkGuess(BaseModel):
    """A landmark that the photo may show."""

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
    distance_m: int | None


class KindGuess(BaseModel):
    """A category that the photo may show."""

    category: str
    score: float


class Neighbour(BaseModel):
    """A photo that the bundle learnt from: its address here, what it shows, how alike it is."""

    src: str
    label: str
    similarity: float


class Answer(BaseModel):
    """What is said of a photo."""

    photo: str
    known: bool
    unknown_score: float
    predictions: list[LandmarkGuess]
    category_predictions: list[KindGuess] | None
    bundle: str
    camera: Place | None
    heatmap: str | None
    neighbours: list[Neighbour] | None


class Unreadable(BaseModel):
    """A photo of a form that cannot be used."""

    photo: str
    error: Error


class Predicted(BaseModel):
    """One answer a photo, in order."""

    photos: list[Answer | Unreadable]


class LandmarkRow(BaseModel):
    """A landmark that the bundle knows."""

    landmark: str
    name: str
    local_name: str | None
    place: str | None
    country: str | None
    category: str | None
    lat: float | None
    lon: float | None
    extent_m: float | None
    wikidata: str | None
    estimated: bool
    measured: dict[str, Any] | None


class Landmarks(BaseModel):
    """All landmarks of a bundle."""

    bundle: str
    landmarks: list[LandmarkRow]


class AboutBundle(BaseModel):
    """What is known of a bundle."""

    bundle: str
    sha256: str
    landmarks: int
    categories: list[str]
    unknown_threshold: float
    input_px: int
    backbone: str | None
    metrics: dict[str, Any]
    limits: dict[str, int]


_SAID = {
    400: ("broken-form", "the form is cut short or malformed.", "Send it again."),
    401: ("token", "this server asks for a token.", "Send it as `Authorization: Bearer TOKEN`."),
    403: ("cross-site", "this request comes from a page of another site.", None),
    404: ("not-found", "there is no such thing here.", None),
    409: ("not-now", "I am learning just now.", "Wait until that is done."),
    408: ("slow", "the request took too long to arrive.", "Send it faster, or less of it."),
    413: ("too-large", "the request has more than 33,554,432 bytes.", "Send fewer photos."),
    415: ("not-a-form", "this is neither a form nor a photo.", "Send an image's bytes."),
    421: ("wrong-host", "this server does not go by the name in the Host header.", None),
    422: ("unreadable-photo", "damaged JPEG.", "Send one that opens in other programs."),
    500: ("internal", "something went wrong in the server.", "Try again."),
    503: ("busy", "the server has as many photos as it takes on.", "Try again in a second."),
    507: ("full", "the disk is full.", "Make room, then try again."),
}
_WORDS = {
    400: "The request is malformed.",
    401: "A token is asked for, and was not shown.",
    403: "A page of another site, or a form without its token.",
    404: "There is no such thing.",
    408: "It did not arrive in time.",
    409: "Not while things are as they are.",
    413: "Too many bytes, pixels or photos.",
    415: "Neither a form nor a photo.",
    421: "The Host header names another server.",
    422: "A parameter or a photo cannot be used.",
    500: "A fault of the server.",
    503: "Too much to do; Retry-After says when to try again.",
    507: "Photos cannot be kept: the disk is full, or the folder read-only.",
}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {
        "model": Failure,
        "description": _WORDS[status],
        "content": {
            "application/json": {
                "example": {"error": dict(zip(("code", "message", "hint"), said, strict=True))}
            }
        },
    }
    for status, said in _SAID.items()
}
ERRORS[503]["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
CLOSED: dict[int | str, dict[str, Any]] = {500: ERRORS[500]}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the errors of a route: those of every route, and its own."""
    return {status: ERRORS[status] for status in sorted({401, 421, *statuses})}


_GUESS = {
    "landmark": "eiffel_tower",
    "name": "Eiffel Tower",
    "local_name": "Tour Eiffel",
    "score": 0.97,
    "place": "Paris",
    "country": "FR",
    "category": "tower",
    "lat": 48.8584,
    "lon": 2.2945,
    "extent_m": 150.0,
    "wikidata": "Q243",
}
_ANSWER = {
    "photo": "tower.jpg",
    "known": True,
    "unknown_score": 0.04,
    "predictions": [{**_GUESS, "distance_m": None}],
    "category_predictions": None,
    "bundle": "0123456789ab",
    "camera": None,
    "heatmap": None,
    "neighbours": None,
}


def _example(model: type[BaseModel], description: str, value: Any) -> dict[str, Any]:
    return {
        "model": model,
        "description": description,
        "content": {"application/json": {"example": value}},
    }


PREDICTED = _example(Predicted, "One answer a photo, in order.", {"photos": [_ANSWER]})
LANDMARKS = _example(
    Landmarks,
    "The landmarks, in the order of the network's outputs.",
    {
        "bundle": "0123456789ab",
        "landmarks": [
            {key: value for key, value in _GUESS.items() if key != "score"}
            | {"estimated": False, "measured": {"precision": 0.96, "recall": 0.94, "f1": 0.95}}
        ],
    },
)
BUNDLE = _example(
    AboutBundle,
    "What is known of the bundle.",
    {
        "bundle": "0123456789ab",
        "sha256": "0123456789ab" + 52 * "0",
        "landmarks": 54,
        "categories": [],
        "unknown_threshold": 0.5,
        "input_px": 128,
        "backbone": "tf_efficientnetv2_b0",
        "metrics": {"top1": 0.9},
        "limits": {"photos": 32, "bytes": 33_554_432, "pixels": 64_000_000},
    },
)
CHECK_BOX = {"type": "string", "enum": ["on", "off", "true", "false", "yes", "no", "1", "0", ""]}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
PHOTO_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["photos"],
                    "properties": {
                        "photos": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "minItems": 1,
                        },
                        "k": {"type": "integer", "minimum": 1, "maximum": 10},
                        "explain": CHECK_BOX,
                        "use_gps": CHECK_BOX,
                        "neighbours": CHECK_BOX,
                    },
                }
            },
            "image/jpeg": _BINARY,
            "image/png": _BINARY,
            "image/webp": _BINARY,
            "image/heic": _BINARY,
            "image/avif": _BINARY,
            "application/octet-stream": _BINARY,
        },
    }
}


class Annotated(BaseModel):
    """Google's BatchAnnotateImagesResponse, as far as landmarks go."""

    responses: list[dict[str, Any]]


ANNOTATED = _example(
    Annotated,
    "One response a request, in order.",
    {
        "responses": [
            {
                "landmarkAnnotations": [
                    {
                        "description": "Eiffel Tower",
                        "score": 0.97,
                        "boundingPoly": {"vertices": [{"x": 0, "y": 0}, {"x": 1600, "y": 0}]},
                        "locations": [{"latLng": {"latitude": 48.8584, "longitude": 2.2945}}],
                    }
                ]
            },
            {"error": {"code": 3, "message": "Bad image data: damaged JPEG."}},
        ]
    },
)
ANNOTATE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["requests"],
                    "properties": {
                        "requests": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "properties": {
                                    "image": {
                                        "type": "object",
                                        "properties": {
                                            "content": {"type": "string", "format": "byte"}
                                        },
                                    },
                                    "features": {
                                        "type": "array",
                                        "items": {
                                            "type": "object",
                                            "properties": {
                                                "type": {"type": ["string", "integer"]},
                                                "maxResults": {"type": "integer"},
                                            },
                                        },
                                    },
                                },
                            },
                        }
                    },
                },
                "example": {
                    "requests": [
                        {
                            "image": {"content": "/9j/4AAQSkZJRg=="},
                            "features": [{"type": "LANDMARK_DETECTION", "maxResults": 3}],
                        }
                    ]
                },
            }
        },
    }
}
