"""The Teach page, with JavaScript or without.

In:  requests of a browser.
Out: HTML. Scripts send the same forms and put the parts of the answer in place, so that
     what is shown has one maker.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from waymark.gazetteer import load_gazetteer
from waymark.gazetteer_country import country_table
from waymark.serve import outline
from waymark.serve.pages import MOST_NAMES, page
from waymark.serve.problems import Problem, problem_of
from waymark.serve.service import Busy, Service
from waymark.serve.teach import Teacher
from waymark.serve.teach_api import state_of, take_photos
from waymark.serve.teach_draft import LEAST, MOST
from waymark.serve.uploads import Form, read_form

_KEPT = ("name", "place", "country", "category", "lat", "lon")  # of a form that was refused


def teach_pages(service: Service, teacher: Teacher) -> APIRouter:
    """Return the routes of the page."""
    router = APIRouter(include_in_schema=False)

    @router.get("/teach")
    async def teach(request: Request) -> Response:
        return _page(request, service, teacher)

    @router.post("/teach")
    async def act(request: Request) -> Response:
        form = Form()
        try:
            form = await read_form(request)
            await _act(teacher, request, form)
        except (Problem, Busy) as error:
            problem = problem_of(error)
            if problem.status == 403:
                raise
            given = {name: form.fields.get(name, "") for name in _KEPT}
            answer = _page(
                request, service, teacher, code=problem.status, problem=problem.error, given=given
            )
            answer.headers.update(problem.headers)
            return answer
        return RedirectResponse("/teach", 303)

    @router.get("/teach/photos/{name}")
    async def photo(name: str) -> Response:
        found = teacher.draft.find(name.removesuffix(".jpg"))
        if found is None:
            return Response(status_code=404)
        return Response(found.thumb, media_type="image/jpeg")

    return router


async def _act(teacher: Teacher, request: Request, form: Form) -> None:
    """Do what a button of the page says."""
    what, _, on = form.fields.get("do", "").partition(":")
    if what == "add":
        await take_photos(teacher, request, form)
    elif what in ("keep", "drop"):
        teacher.choose(on, use=what == "keep")
    elif what == "remove":
        teacher.remove(on)
    elif what == "teach":
        teacher.start()
    elif what == "undo":
        await teacher.undo()
    elif what == "forget":
        teacher.forget()
    else:
        raise Problem(422, "invalid", "the form does not say what to do.", "Use its buttons.")


def _page(
    request: Request, service: Service, teacher: Teacher, *, code: int = 200, **values: Any
) -> Response:
    landmarks = service.recogniser.bundle.manifest.landmarks
    listed = load_gazetteer().landmarks
    kinds = {one.category for one in (*landmarks, *listed) if one.category}
    given = dict.fromkeys(_KEPT, "")
    return page(
        request,
        service,
        "teach.html",
        code=code,
        **{
            "state": state_of(teacher),
            "problem": None,
            "given": given,
            "least": LEAST,
            "most": MOST,
            "names": sorted({one.name for one in landmarks}, key=str.casefold)[:MOST_NAMES],
            "tells": bool(service.recogniser.bundle.manifest.categories),
            "kinds": sorted(kind.replace("_", " ") for kind in kinds),
            "all_countries": sorted(
                ((code, one.name) for code, one in country_table().items()),
                key=lambda row: row[1],
            ),
            "world": outline.WORLD,
            "path": outline.land_path(),
            "towns": outline.towns(listed),
            "folder": _short(teacher.folder),
            "earlier": _short(teacher.earlier[0]) if teacher.earlier else None,
        }
        | values,
    )


def _short(path: Path) -> str:
    """Return a path without the name of who is at home there."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except ValueError:
        return str(path)
