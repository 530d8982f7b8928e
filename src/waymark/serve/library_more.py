"""The library's other pages: bulk approval, what there is to teach; and how all are made.

In:  requests of a browser, with JavaScript or without.
Out: HTML.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from waymark.bundle.format import find_bundle, name_bundle
from waymark.dataset.index import printable
from waymark.library.lessons import count_lessons
from waymark.serve.library_filter import (
    EVIDENCE_WORDS,
    FIELDS,
    STATE_WORDS,
    filter_of,
    query_of,
)
from waymark.serve.library_rows import above
from waymark.serve.library_say import NEW_LANDMARK, approve_above, score_of
from waymark.serve.library_shelf import Shelf
from waymark.serve.pages import page
from waymark.serve.problems import Problem, problem_of
from waymark.serve.service import Busy, Service
from waymark.serve.uploads import Form, read_form

_AGAIN = ("say", "photo", "content", "landmark", "back")  # fields of a form that is sent again
_PAGE = re.compile(r"/library(/review|/teach)?(\?[A-Za-z0-9%&=+,._~-]{0,4000})?")


def library_more(service: Service, shelf: Shelf) -> APIRouter:
    """Return the routes of these pages."""
    router = APIRouter(include_in_schema=False)

    @router.get("/library/approve")
    async def ask_bulk(request: Request) -> Response:
        query = request.query_params
        score, wanted = score_of(query.get("score", "")), filter_of(query)
        count = await shelf.read(lambda store: len(above(store, wanted, score)))
        return show(
            request,
            service,
            "library_approve.html",
            count=count,
            score=score,
            given={name: query.get(name, "")[:200] for name in FIELDS if query.get(name)},
            back=f"/library?{query_of(query)}",
        )

    @router.post("/library/approve")
    async def bulk(request: Request) -> Response:
        return await press(
            request,
            service,
            lambda form: approve_above(shelf, form.fields),
            "/library",
            note="approved-{}",
        )

    @router.get("/library/teach")
    async def learn(request: Request) -> Response:
        counts = await shelf.read(count_lessons)
        known = {one.id for one in service.recogniser.bundle.manifest.landmarks}
        better = _vacant(shelf.file.parent)
        parent = await run_in_threadpool(_parent, service, shelf)
        return show(
            request,
            service,
            "library_teach.html",
            rows=[(one, count, one.id in known) for one, count in counts.items()],
            count=sum(counts.values()),
            teach=_command("teach", parent, shelf.file, "--out", better),
            tag=_command("tag", "--bundle", better, "--library", shelf.file),
        )

    return router


def _parent(service: Service, shelf: Shelf) -> str:
    """Return the bundle to teach: the one in use.

    Where that is `world` taught from this library, it is `world`, which has not seen its photos.
    """
    said = service.recogniser.bundle.manifest.provenance
    from_here = str(said.get("data")).endswith(f", then {shelf.file.stem}")
    if said.get("recipe") == "teach" and from_here:
        world = find_bundle("world")
        if said.get("parent") == sha256(world.read_bytes()).hexdigest():
            return name_bundle(world)
    return "world" if service.bundle_file is None else name_bundle(service.bundle_file)


def _vacant(folder: Path) -> Path:
    """Return a file for a new bundle, which does not exist yet."""
    names = (f"better{number or ''}.waymark" for number in (0, *range(2, 10_000)))
    return next(folder / name for name in names if not os.path.lexists(folder / name))


def _command(*words: str | Path) -> str:
    return shlex.join(["waymark", *(printable(word) for word in words)])


def show(
    request: Request, service: Service, template: str, code: int = 200, **values: Any
) -> Response:
    """Fill a template of the library with what each of them needs and with `values`."""
    common = {
        "page": "library",
        "states": STATE_WORDS,
        "evidence": EVIDENCE_WORDS,
        "problem": None,
    }
    return page(request, service, template, code=code, **(common | values))


async def press(
    request: Request,
    service: Service,
    act: Callable[[Form], Awaitable[Any]],
    otherwise: str,
    note: str = "",
) -> Response:
    """Do what a form says, and go back to its page; or tell what was wrong.

    Args:
        request: of a browser.
        service: of the app.
        act: what to do with the form.
        otherwise: where to go if the form does not say.
        note: what the page that it leads to says, with `{}` for what `act` returns.
    """
    form = await read_form(request)
    back = _ours(form.fields.get("back", "")) or otherwise
    try:
        done = await act(form)
    except (Problem, Busy) as error:
        if problem_of(error).status == 403:
            raise
        return refused(request, service, error, back, form.fields)
    return RedirectResponse(back + (f"#{note.format(done)}" if note else ""), 303)


def refused(
    request: Request,
    service: Service,
    error: Problem | Busy,
    back: str,
    fields: Mapping[str, str] = MappingProxyType({}),
) -> Response:
    """Tell what was wrong, and lead back.

    Args:
        request: of a browser.
        service: of the app.
        error: what was wrong.
        back: the address of a page.
        fields: of the form that was refused; where it named a landmark that nobody knows, a
            button sends it again and says so.
    """
    problem = problem_of(error)
    again = {name: fields.get(name, "") for name in _AGAIN}
    answer = show(
        request,
        service,
        "library_problem.html",
        problem.status,
        problem=problem.error,
        back=back,
        again=again if problem.code == NEW_LANDMARK else None,
    )
    answer.headers.update(problem.headers)
    return answer


def _ours(address: str) -> str:
    """Return an address of the library's pages; "" for any other."""
    return address if _PAGE.fullmatch(address) else ""
