"""The library's pages: the grid, the review of one photo after the other, bulk approval.

In:  requests of a browser, with JavaScript or without.
Out: HTML, thumbnails, and the manifest to teach with. Scripts put parts of it in place.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from waymark.gazetteer import load_gazetteer
from waymark.gazetteer_country import country_table
from waymark.library.store import Store
from waymark.library.store_query import landmarks_of
from waymark.library.store_queue import queue_numbers, standing
from waymark.serve import outline
from waymark.serve.library_api import details, key_of
from waymark.serve.library_filter import (
    EVIDENCE_WORDS,
    FIELDS,
    STATE_WORDS,
    filter_of,
    query_of,
)
from waymark.serve.library_more import press, show
from waymark.serve.library_rows import listed
from waymark.serve.library_say import Known, say, undo
from waymark.serve.library_shelf import Shelf
from waymark.serve.pages import MOST_NAMES
from waymark.serve.pages_render import render
from waymark.serve.problems import Problem, problem_of
from waymark.serve.service import Busy, Service

_SHOWN = 60  # photos a page without JavaScript
_SCORES = ("0.5", "0.75", "0.9", "0.95", "0.99")


def library_pages(service: Service, shelf: Shelf) -> APIRouter:
    """Return the routes of the pages."""
    router = APIRouter(include_in_schema=False)
    known = Known(service)

    @router.get("/library")
    async def grid(request: Request) -> Response:
        query = request.query_params
        values: dict[str, Any] = {"photos": [], "problem": None}
        code = 200

        def ask(store: Store) -> list[dict[str, Any]]:
            return listed(store, filter_of(query), limit=_SHOWN, after=key_of(after))

        after = query.get("after", "")
        try:
            values["photos"] = await shelf.read(ask)
        except (Problem, Busy) as error:
            values["problem"] = problem_of(error).error
            code = problem_of(error).status
        rows = values["photos"]
        more = len(rows) == _SHOWN and f"{query_of(query)}&after={rows[-1]['key']}"
        return show(
            request,
            service,
            "library.html",
            code,
            **values,
            **await shelf.read(_choices),
            given={name: query.get(name, "")[:200] for name in FIELDS},
            first=f"/library?{query_of(query)}" if after else None,
            more=f"/library?{more.lstrip('&')}" if more else None,
            scores=_SCORES,
            standing=await shelf.read(standing),
            world=outline.WORLD,
            path=outline.land_path(),
            towns=outline.towns(load_gazetteer().landmarks),
        )

    @router.get("/library/review")
    async def review(request: Request) -> Response:
        query = request.query_params
        number = query.get("photo", "")
        if number and not (number.isascii() and number.isdecimal() and len(number) < 19):
            raise Problem(404, "not-found", "the library has no such photo.", None)

        def ask(store: Store) -> dict[str, Any]:
            first = [int(number)] if number else queue_numbers(store, limit=1)
            photo = details(store, first[0]) if first else None
            return {"photo": photo, "standing": standing(store)}

        values = await shelf.read(ask)
        values |= {"names": (), "world": outline.WORLD, "csrf": request.state.csrf}
        if query.get("part") == "card":  # what the script puts in place
            common = {"states": STATE_WORDS, "evidence": EVIDENCE_WORDS, "problem": None}
            text = render("library_card.html", common | values)
            return HTMLResponse(text.encode("utf-8", "replace"))
        landmarks = await shelf.read(landmarks_of)
        values["names"] = sorted({one.name for one in landmarks.values()}, key=str.casefold)
        values["names"] = values["names"][:MOST_NAMES]
        return show(
            request,
            service,
            "library_review.html",
            **values,
            path=outline.land_path(),
            towns=outline.towns(load_gazetteer().landmarks),
        )

    @router.post("/library/review")
    async def reviewed(request: Request) -> Response:
        return await press(
            request, service, lambda form: say(shelf, known, form.fields), "/library/review"
        )

    @router.post("/library/undo")
    async def undone(request: Request) -> Response:
        return await press(request, service, lambda _: undo(shelf), "/library")

    return router


def _choices(store: Store) -> dict[str, Any]:
    """Return what the filters offer: what the landmarks of the library are."""
    landmarks = landmarks_of(store).values()
    table = country_table()
    codes = {one.country for one in landmarks if one.country}
    return {
        "countries": sorted(
            ((code, table[code].name if code in table else code) for code in codes),
            key=lambda pair: pair[1],
        ),
        "categories": sorted({one.category for one in landmarks if one.category}),
        "all_places": sorted({one.place for one in landmarks if one.place})[:MOST_NAMES],
        "all_landmarks": sorted({one.name for one in landmarks})[:MOST_NAMES],
    }
