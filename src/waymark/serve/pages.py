"""The pages: Identify, Landmarks, Report; what they are made of, and the example photos.

In:  requests of a browser, with JavaScript or without.
Out: HTML, style sheets, scripts and pictures, all of this origin.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import HTMLResponse

from waymark.gazetteer import Landmark, load_gazetteer
from waymark.serve import outline, pages_report
from waymark.serve.pages_card import card_html
from waymark.serve.pages_form import answer_form
from waymark.serve.pages_render import countries, render
from waymark.serve.samples import EXAMPLES, example_photo

if TYPE_CHECKING:
    from waymark.serve.service import Service

STATIC = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
MAX_QUERY = 200  # characters
MOST_NAMES = 5000  # landmarks offered without JavaScript on the Teach page
MOST_PINS = 3000  # landmarks on one map


def page(
    request: Request,
    service: Service,
    template: str,
    *,
    code: int = 200,
    **values: Any,
) -> HTMLResponse:
    """Fill a template with what every page needs and with `values`."""
    settings, bundle = service.settings, service.recogniser.bundle
    common = {
        "csrf": getattr(request.state, "csrf", ""),
        "page": template.removesuffix(".html"),
        "shrink": settings.shrink,
        "allow_teach": settings.allow_teach,
        "library": settings.library is not None,
        "signed_in": settings.token is not None,
        "bundle": bundle.short_hash,
        "classes": len(bundle.manifest.landmarks),
    }
    return HTMLResponse(_bytes(render(template, common | values)), code)


def identify_page(
    request: Request, service: Service, *, code: int = 200, **values: Any
) -> HTMLResponse:
    """Return the Identify page; `values` are the form's choices and the results, if any."""
    landmarks = service.recogniser.bundle.manifest.landmarks
    nothing: dict[str, Any] = {
        "k": 5, "explain": False, "use_gps": False, "results": [], "problem": None, "status": "",
    }  # fmt: skip
    return page(
        request,
        service,
        "identify.html",
        code=code,
        examples=EXAMPLES,
        world=outline.WORLD,
        path=outline.land_path(),
        towns=_towns(landmarks),
        pins=[
            outline.project(one.lat, one.lon)
            for one in landmarks[:MOST_PINS]
            if one.lat is not None and one.lon is not None
        ],
        countries=countries(landmarks),
        **(nothing | values),
    )


def login_page(
    request: Request, *, error: str = "", next_page: str = "", code: int = 200
) -> HTMLResponse:
    """Return the page that asks for the token; it tells nothing of the bundle."""
    values = {
        "csrf": getattr(request.state, "csrf", ""), "page": "login", "shrink": 0,
        "allow_teach": False, "library": False, "signed_in": False, "bundle": "",
        "error": error, "next": next_page,
    }  # fmt: skip
    return HTMLResponse(_bytes(render("login.html", values)), code)


def pages_router(service: Service) -> APIRouter:
    """Return the routes of the pages."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def identify(request: Request) -> Response:
        return identify_page(request, service)

    @router.post("/")
    async def identified(request: Request) -> Response:
        answered = await answer_form(request, service)
        return identify_page(request, service, **answered)

    @router.get("/landmarks")
    def landmarks(request: Request) -> Response:
        manifest = service.recogniser.bundle.manifest
        query = request.query_params.get("q", "")[:MAX_QUERY]
        rows = pages_report.rows(manifest, query)
        pins = [
            (*row.at, row.landmark["name"], f"#landmark-{row.index}", False)
            for row in rows[:MOST_PINS]
            if row.at
        ]
        placed = [
            (float(row.landmark["lat"]), float(row.landmark["lon"])) for row in rows if row.at
        ]
        return page(
            request,
            service,
            "landmarks.html",
            q=query,
            rows=rows,
            pins=pins,
            view=outline.around_all(placed) if query else outline.WORLD,
            world=outline.WORLD,
            path=outline.land_path(),
            towns=_towns(manifest.landmarks),
            measured=pages_report.measured_on(manifest.metrics)
            if manifest.metrics.get("per_class")
            else None,
        )

    @router.get("/report")
    def report(request: Request) -> Response:
        bundle = service.recogniser.bundle
        return page(
            request,
            service,
            "report.html",
            summary=pages_report.summary(bundle.manifest),
            tiles=pages_report.tiles(bundle.manifest.metrics),
            facts=pages_report.facts(bundle.manifest, bundle.sha256, bundle.card),
            card=card_html(bundle.card, level=3),
            notice=bundle.notice,
        )

    @router.get("/samples/{name}")
    def sample(name: str) -> Response:
        for one in EXAMPLES:
            if name == f"{one.number}.jpg":
                return Response(
                    example_photo(one.number),
                    media_type="image/jpeg",
                    headers={"Cache-Control": "max-age=86400"},
                )
        raise HTTPException(404)

    @router.get("/static/{name}")
    async def static(name: str, request: Request) -> Response:
        known = _static()
        if name not in known:
            raise HTTPException(404)
        data, kind, tag = known[name]
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(data, media_type=kind, headers=headers)

    return router


def _towns(landmarks: Sequence[Landmark]) -> list[tuple[str, float, float]]:
    """Return the places of a bundle's landmarks and of the gazetteer's, to find one's way by."""
    return outline.towns((*landmarks[:MOST_PINS], *load_gazetteer().landmarks))


def _bytes(text: str) -> bytes:
    """Encode a page; half a surrogate pair, which JSON may hold, becomes a question mark."""
    return text.encode("utf-8", "replace")


@cache
def _static() -> dict[str, tuple[bytes, str, str]]:
    """Return content, type and tag of each file under `static/`, read once."""
    return {
        file.name: (data, _TYPES[file.suffix], f'"{hashlib.sha256(data).hexdigest()[:16]}"')
        for file in sorted(STATIC.iterdir())
        if file.suffix in _TYPES and (data := file.read_bytes())
    }
