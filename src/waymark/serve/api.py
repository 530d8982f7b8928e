"""The REST API: thin routes over the service, and what monitors ask.

In:  HTTP.
Out: JSON, as `schemas` describes it; every error in the shape of `problems`.
"""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from waymark.serve.metrics import CONTENT_TYPE
from waymark.serve.problems import Problem
from waymark.serve.schemas import (
    BUNDLE,
    CLOSED,
    ERRORS,
    LANDMARKS,
    PHOTO_BODY,
    PREDICTED,
    errors,
)
from waymark.serve.service import Service
from waymark.serve.settings import MAX_K
from waymark.serve.uploads import read_body, read_form

_NO_TOKEN: dict[str, Any] = {"security": []}  # monitors have none
_FLAGS = {"on": True, "1": True, "true": True, "yes": True}
_FLAGS |= {"off": False, "0": False, "false": False, "no": False, "": False}
_RAW = ("image/", "application/octet-stream")
_REFUSED = {"photo-too-large": 413}  # the others are 422


def api_router(service: Service) -> APIRouter:
    """Return the routes of /api/v1."""
    router = APIRouter(prefix="/api/v1", tags=["photos"])

    @router.post(
        "/predict",
        summary="Name the landmark in photos",
        responses={200: PREDICTED, **errors(400, 403, 408, 413, 415, 422, 503), **CLOSED},
        openapi_extra=PHOTO_BODY,
        response_class=Response,
    )
    async def predict(
        request: Request,
        k: Annotated[int, Query(ge=1, le=MAX_K, description="Guesses a photo.")] = 5,
        explain: Annotated[bool, Query(description="Draw where the landmark is seen.")] = False,
        use_gps: Annotated[
            bool, Query(description="Say how far the camera was from each guess.")
        ] = False,
        neighbours: Annotated[
            bool, Query(description="Show the nearest training photos, where they are here.")
        ] = False,
    ) -> Response:
        """Send a photo's bytes, or a form with any number of photos.

        A photo sent by itself that cannot be read is answered with an error. In a form, each
        photo has its own answer or error, in order. The fields of a form go before the query.
        """
        service.check_room()
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        options: dict[str, Any] = {"k": k, "explain": explain, "use_gps": use_gps}
        options["neighbours"] = neighbours
        alone = kind.startswith(_RAW)
        if alone:
            photos = [("", await read_body(request))]
        else:
            form = await read_form(request)
            photos = form.photos
            options |= {
                name: flag(name, form.fields[name])
                for name in ("explain", "use_gps", "neighbours")
                if name in form.fields
            }
            options["k"] = _k(form.fields.get("k"), k)
        if not photos:
            raise Problem(
                422, "no-photo", "no photo came.", "Send files in the form's field `photos`."
            )
        request.state.photos = len(photos)
        answers = await service.predict(photos, **options)
        if alone and "error" in answers[0]:
            error = answers[0]["error"]
            raise Problem(
                _REFUSED.get(error["code"], 422), error["code"], error["message"], error["hint"]
            )
        return reply({"photos": answers})

    @router.get(
        "/landmarks",
        summary="List the landmarks that the bundle knows",
        responses={200: LANDMARKS, **errors()},
        response_class=Response,
    )
    async def landmarks() -> Response:
        """All landmarks of the bundle, with place and category, and how well each is known."""
        manifest = service.recogniser.bundle.manifest
        measured = manifest.metrics.get("per_class")
        measured = measured if isinstance(measured, dict) else {}
        found = [
            {
                "landmark": one.id,
                "name": one.name,
                "local_name": one.local_name,
                "place": one.place,
                "country": one.country,
                "category": one.category,
                "lat": one.lat,
                "lon": one.lon,
                "extent_m": one.extent_m,
                "wikidata": one.wikidata,
                "estimated": one.estimated,
                "measured": measured.get(one.id),
            }
            for one in manifest.landmarks
        ]
        return reply({"bundle": service.recogniser.bundle.short_hash, "landmarks": found})

    @router.get(
        "/bundle",
        summary="Say what is known of the bundle",
        responses={200: BUNDLE, **errors()},
        response_class=Response,
    )
    async def bundle() -> Response:
        """What the bundle was made of, how it was measured, and how this server uses it."""
        recogniser = service.recogniser
        manifest = recogniser.bundle.manifest
        told = {
            key: value
            for key, value in manifest.metrics.items()
            if isinstance(value, int | float | str | list | None) and key != "skipped"
        }
        return reply(
            {
                "bundle": recogniser.bundle.short_hash,
                "sha256": recogniser.bundle.sha256,
                "landmarks": len(manifest.landmarks),
                "categories": [one.id for one in manifest.categories],
                "unknown_threshold": recogniser.threshold,
                "input_px": recogniser.preprocess.size,
                "backbone": manifest.backbone.get("timm_name"),
                "metrics": told,
                "limits": {
                    "photos": service.settings.max_photos,
                    "bytes": service.settings.max_body,
                    "pixels": service.settings.max_pixels,
                },
            }
        )

    return router


def monitor_router(service: Service) -> APIRouter:
    """Return /healthz, /readyz and /metrics."""
    router = APIRouter(tags=["monitoring"])
    alive: dict[int | str, dict[str, Any]] = {
        200: {"description": "It is.", "content": {"application/json": {}}}
    }

    @router.get(
        "/healthz",
        summary="Is the process alive?",
        responses={**alive, 421: ERRORS[421]},
        openapi_extra=_NO_TOKEN,
    )
    async def healthz() -> Response:
        """Answer as long as the event loop turns."""
        return reply({"status": "alive"})

    @router.get(
        "/readyz",
        summary="Does it take photos?",
        responses={**alive, 421: ERRORS[421], 503: ERRORS[503]},
        openapi_extra=_NO_TOKEN,
    )
    async def readyz() -> Response:
        """Answer 200 once the bundle is loaded and decoders run, until the server stops."""
        if not service.ready:
            raise Problem(
                503,
                "not-ready",
                "the server is starting or stopping.",
                "Ask again in a second.",
                {"Retry-After": "1"},
            )
        return reply({"status": "ready"})

    @router.get(
        "/metrics",
        summary="Counts, for Prometheus",
        responses={
            200: {"description": "Prometheus text.", "content": {"text/plain": {}}},
            **errors(),
        },
        response_class=Response,
    )
    async def metrics() -> Response:
        """Return the sum over all workers."""
        text = await asyncio.to_thread(service.metrics.text)  # it reads the files of all workers
        return Response(text, headers={"Content-Type": CONTENT_TYPE})

    return router


def reply(value: Any) -> Response:
    """Return JSON; ASCII, so that no name can be read in two ways."""
    return Response(json.dumps(value, allow_nan=False), media_type="application/json")


def flag(name: str, given: str) -> bool:
    """Read a check box of a form, or what a program writes for one."""
    try:
        return _FLAGS[given.strip().lower()]
    except KeyError:
        raise Problem(
            422, "invalid", f"{name} must be true or false.", "Leave it out for false."
        ) from None


def _k(given: str | None, otherwise: int) -> int:
    if given is None:
        return otherwise
    if not given.strip().isascii() or not given.strip().isdecimal():
        given = "0"
    k = int(given.strip()[:4])
    if not 1 <= k <= MAX_K:
        raise Problem(
            422, "invalid", f"k must be a number from 1 to {MAX_K}.", "Leave it out for 5."
        )
    return k
