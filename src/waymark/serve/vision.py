"""Answer Google Vision's LANDMARK_DETECTION, so that its clients can be pointed here.

In:  POST /v1/images:annotate with base64 content, as its REST clients send it.
Out: `landmarkAnnotations` of the photos whose landmark is known; none where it is unknown.

`mid` is left out: it would be looked up in Google's own graph. Features other than
landmarks are passed over; images named by an address are not fetched.
Source: https://cloud.google.com/vision/docs/reference/rest/v1/images/annotate
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from typing import Any

from fastapi import APIRouter, Request, Response

from waymark.serve.api import reply
from waymark.serve.problems import Problem
from waymark.serve.schemas import ANNOTATE_BODY, ANNOTATED, errors
from waymark.serve.service import Service
from waymark.serve.settings import MAX_K
from waymark.serve.uploads import read_body

_LANDMARK = ("LANDMARK_DETECTION", 2)
_MARKS = 10_000  # objects, lists and values of a body, together
_LEAST = 0.1  # score of a guess after the best
_INVALID, _UNIMPLEMENTED = 3, 12  # google.rpc.Code


def vision_router(service: Service) -> APIRouter:
    """Return the route."""
    router = APIRouter(tags=["Google Vision"])

    @router.post(
        "/v1/images:annotate",
        summary="Detect landmarks as Google Vision does",
        responses={200: ANNOTATED, **errors(400, 403, 408, 413, 503)},
        openapi_extra=ANNOTATE_BODY,
        response_class=Response,
    )
    async def annotate(request: Request) -> Response:
        """Each request has its own response; what is wrong with one is told in its place."""
        service.check_room()
        body = await read_body(request)  # tens of megabytes of base64 are not for the event loop
        wanted, read = await asyncio.to_thread(_parse, body, service.settings.max_photos)
        request.state.photos = len(wanted)
        photos = [("", one) for one in read if isinstance(one, bytes)]
        said = iter(await service.predict(photos, k=MAX_K, size=True) if photos else [])
        responses = [
            _response(next(said), _most(one)) if isinstance(data, bytes) else {"error": data}
            for one, data in zip(wanted, read, strict=True)
        ]
        return reply({"responses": responses})

    return router


def _parse(body: bytes, most: int) -> tuple[list[dict[str, Any]], list[bytes | dict[str, Any]]]:
    """Return the requests of a body, and the photo of each or what is wrong with it."""
    wanted = _requests(body, most)
    return wanted, [_read(one) for one in wanted]


def _requests(body: bytes, most: int) -> list[dict[str, Any]]:
    """Return the requests of a body.

    Raises:
        Problem: if it is not what Google's clients send.
    """
    try:
        if sum(body.count(mark) for mark in b"{[,") > _MARKS:  # small in bytes, large in memory
            raise ValueError
        wanted = json.loads(body)["requests"]
        if not isinstance(wanted, list) or not all(map(_is_request, wanted)):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Problem(
            400,
            "invalid",
            "the body must be JSON with a list under `requests`, each with `image` and `features`.",
            "See https://cloud.google.com/vision/docs/reference/rest/v1/images/annotate.",
        ) from None
    if len(wanted) > most:
        raise Problem(
            400, "too-many", f"the request has more than {most} images.", "Send several requests."
        )
    return wanted


def _is_request(wanted: Any) -> bool:
    """Say whether this has the shape of an AnnotateImageRequest."""
    if not isinstance(wanted, dict):
        return False
    features, image = wanted.get("features", []), wanted.get("image", {})
    return (
        isinstance(features, list)
        and all(isinstance(one, dict) for one in features)
        and all(type(one.get("type", 0)) in (str, int) for one in features)
        and all(type(one.get("maxResults", 0)) is int for one in features)
        and isinstance(image, dict)
        and isinstance(image.get("content", ""), str)
    )


def _read(wanted: dict[str, Any]) -> bytes | dict[str, Any]:
    """Return the photo of one request, or a `google.rpc.Status` that says why there is none."""
    if not any(one.get("type") in _LANDMARK for one in wanted.get("features", [])):
        return _status(_UNIMPLEMENTED, "Only LANDMARK_DETECTION is answered here.")
    content = wanted.get("image", {}).get("content", "")
    if not content:
        return _status(
            _INVALID,
            "Send the image's bytes as base64 in image.content; addresses are not fetched.",
        )
    try:
        text = content.encode("ascii").translate(bytes.maketrans(b"-_", b"+/"))
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return _status(_INVALID, "image.content is not base64.")


def _most(wanted: dict[str, Any]) -> int:
    """Return how many annotations a request asks for, at most."""
    asked = (one for one in wanted["features"] if one.get("type") in _LANDMARK)
    most: int = next(asked).get("maxResults", MAX_K)
    return min(most, MAX_K) if most > 0 else MAX_K


def _response(said: dict[str, Any], most: int) -> dict[str, Any]:
    if "error" in said:
        return {"error": _status(_INVALID, f"Bad image data: {said['error']['message']}")}
    if not said["known"]:
        return {}
    width, height = said["size"]
    corners = ((0, 0), (width, 0), (width, height), (0, height))
    guesses = said["predictions"][:most]
    return {
        "landmarkAnnotations": [
            {
                "description": guess["name"],
                "score": guess["score"],
                "boundingPoly": {"vertices": [{"x": x, "y": y} for x, y in corners]},
                "locations": []
                if guess["lat"] is None
                else [{"latLng": {"latitude": guess["lat"], "longitude": guess["lon"]}}],
            }
            for rank, guess in enumerate(guesses)
            if rank == 0 or guess["score"] >= _LEAST
        ]
    }


def _status(code: int, message: str) -> dict[str, Any]:
    return {"code": code, "message": message}
