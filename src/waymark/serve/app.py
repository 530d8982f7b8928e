"""Put the app together.

In:  a recogniser and the settings; nothing is global, so any number of apps may live in
     one program.
Out: an ASGI app.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from waymark.errors import WaymarkError
from waymark.recognise.recogniser import Recogniser
from waymark.serve.api import api_router, monitor_router
from waymark.serve.library_api import library_router
from waymark.serve.library_more import library_more
from waymark.serve.library_page import library_page
from waymark.serve.library_review import library_review
from waymark.serve.library_shelf import Shelf
from waymark.serve.library_thumb import thumbs_router
from waymark.serve.login import login_router
from waymark.serve.neighbours import neighbours_router
from waymark.serve.pages import page, pages_router
from waymark.serve.problems import Problem, invalid, problem_of
from waymark.serve.safety import Guard
from waymark.serve.service import Service
from waymark.serve.settings import Settings
from waymark.serve.teach import Teacher
from waymark.serve.teach_api import teach_router
from waymark.serve.teach_page import teach_pages
from waymark.serve.tokens import Keys
from waymark.serve.vision import vision_router
from waymark.version import __version__

OPENAPI = "/api/v1/openapi.json"
DESCRIPTION = (
    "Names the landmark in a photo, says where it stands, and says honestly when it is "
    "unknown. Photos are answered and forgotten."
)


def create_app(
    recogniser: Recogniser,
    settings: Settings | None = None,
    *,
    teacher: Any = None,
    store: Any = None,
    bundle_file: Path | None = None,
) -> FastAPI:
    """Make the app.

    Args:
        recogniser: what names the landmarks.
        settings: how to serve; the defaults where None.
        teacher: what the Teach page learns with; it is there where `allow_teach` is set.
        store: where what was taught is kept.
        bundle_file: where the recogniser's bundle is; beside it may be an index of the photos
            that it learnt from, of which the nearest are shown.

    Returns:
        The app; `app.state.service` is the `Service` under it.
    """
    settings = settings or Settings()
    service = Service(recogniser, settings, bundle_file=bundle_file)
    if settings.allow_teach and teacher is None:
        teacher = Teacher(service, folder=store)
    keys = Keys(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            if settings.allow_teach:
                teacher.close()
            service.close()

    app = FastAPI(
        title="waymark",
        version=__version__,
        description=DESCRIPTION,
        openapi_url=OPENAPI,
        docs_url=None,  # both pages would fetch scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.service, app.state.teacher, app.state.store = service, teacher, store

    async def handle(request: Request, error: Exception) -> Response:
        problem = invalid(error) if isinstance(error, RequestValidationError) else problem_of(error)
        return answer(request, service, problem)

    for kind in (HTTPException, RequestValidationError, WaymarkError, Problem):
        app.add_exception_handler(kind, handle)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=("GET", "POST"),
            allow_headers=("Authorization", "Content-Type"),
        )
    app.add_middleware(Guard, service=service, keys=keys)  # the outermost
    for router in (
        api_router(service),
        vision_router(service),
        monitor_router(service),
        login_router(service, keys),
        pages_router(service),
        neighbours_router(service),
        *(_library(service, settings.library) if settings.library is not None else ()),
        *((teach_router(service, teacher), teach_pages(service, teacher)) if teacher else ()),
    ):
        app.include_router(router)
    if keys.needed:
        _ask_for_token(app)
    return app


def _library(service: Service, file: Path) -> tuple[APIRouter, ...]:
    shelf = Shelf(file)
    made = (library_router, library_page, library_review, library_more, thumbs_router)
    return tuple(make(service, shelf) for make in made)


def _ask_for_token(app: FastAPI) -> None:
    """Say in the OpenAPI description that callers show a token."""
    described = app.openapi()
    described["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    described["security"] = [{"token": []}]


def answer(request: Request, service: Service, problem: Problem) -> Response:
    """Tell what went wrong: a person on a page, a program in JSON."""
    reads_html = "text/html" in request.headers.get("accept", "")
    if not reads_html or request.url.path.startswith(("/api/", "/v1/")):
        return problem.response()
    values = {"title": "That did not work", "message": problem.message, "hint": problem.hint}
    if problem.code in ("not-found", "method"):  # whose hints are for programs
        values = {"title": "There is no such page", "message": "Nothing is here.", "hint": None}
    found = page(request, service, "message.html", code=problem.status, **values)
    found.headers.update(problem.headers)
    return found
