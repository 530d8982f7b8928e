"""The review: one photo after the other, what a person says of it, and undo.

In:  requests of a browser, with JavaScript or without.
Out: HTML; the card of one photo alone, where a script puts it in place.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain, islice
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from waymark.gazetteer import load_gazetteer
from waymark.library.store import Store
from waymark.library.store_neighbours import neighbours
from waymark.library.store_query import Filter, Listed
from waymark.library.store_queue import queue_numbers, standing
from waymark.serve import outline
from waymark.serve.library_api import MOST_QUEUED, details
from waymark.serve.library_filter import (
    EVIDENCE_WORDS,
    STATE_WORDS,
    chips_of,
    limited_to,
    query_of,
    review_link,
)
from waymark.serve.library_more import press, refused, show
from waymark.serve.library_rows import row_of, shown
from waymark.serve.library_say import Known, say, undo
from waymark.serve.library_shelf import Shelf
from waymark.serve.pages import MOST_NAMES
from waymark.serve.pages_render import render
from waymark.serve.problems import Problem
from waymark.serve.service import Busy, Service


def library_review(service: Service, shelf: Shelf) -> APIRouter:
    """Return the routes of the review."""
    router = APIRouter(include_in_schema=False)
    known = Known(service)

    @router.get("/library/review")
    async def review(request: Request) -> Response:
        query = request.query_params
        is_part = query.get("part") == "card"  # what the script puts in place
        try:
            values = await shelf.read(lambda store: _asked(store, query))
        except (Problem, Busy) as error:
            if is_part:
                raise
            return refused(request, service, error, "/library")
        values |= {"world": outline.WORLD, "csrf": request.state.csrf}
        if is_part:
            common = {"states": STATE_WORDS, "evidence": EVIDENCE_WORDS}
            text = render("library_card.html", common | values)
            return HTMLResponse(text.encode("utf-8", "replace"))
        names = {one.name for one in await shelf.read(shown)}
        others = chain(service.recogniser.bundle.manifest.landmarks, load_gazetteer().landmarks)
        names |= {one.name for one in islice(others, MOST_NAMES)}
        return show(
            request,
            service,
            "library_review.html",
            **values,
            names=sorted(names, key=str.casefold)[:MOST_NAMES],
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


def _asked(store: Store, query: Mapping[str, str]) -> dict[str, Any]:
    """Return the photo that is asked about, what is around it, and where to go from it.

    The query may name it (`photo`), or one that was skipped (`past`); it may hold a filter.
    """
    wanted = limited_to(query)
    given, past = (_number(query.get(name, "")) for name in ("photo", "past"))
    number = _next(store, wanted, past) if given is None else given
    photo = None if number is None else details(store, number)
    before, after = ([], []) if number is None else neighbours(store, number)
    return {
        "photo": photo,
        "before": _small(before, query),
        "after": _small(after, query),
        "standing": standing(store, wanted),
        "limits": [words for words, _ in chips_of(query)],
        "query": query_of(query),
        "here": review_link(query, photo=query.get("photo", ""), past=query.get("past", "")),
        "onward": review_link(query, past=query.get("past", "")),
        "skip": review_link(query, past="" if number is None else str(number)),
        "all_again": review_link(query),
    }


def _next(store: Store, wanted: Filter | None, past: int | None) -> int | None:
    """Return the first photo of the queue, or the one after `past`; None where there is none."""
    waiting = queue_numbers(store, wanted, limit=1 if past is None else MOST_QUEUED)
    if past in waiting:
        waiting = waiting[waiting.index(past) + 1 :]
    return waiting[0] if waiting else None


def _small(photos: list[Listed], query: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return neighbours as the card shows them; those whose files are gone it does not."""
    rows = [row_of(one) for one in photos if one.error is None]
    return [
        row | {"href": review_link(query, photo=str(row["id"]))} for row in rows if not row["gone"]
    ]


def _number(text: str) -> int | None:
    """Read the number of a photo.

    Raises:
        Problem: it is none.
    """
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise Problem(404, "not-found", "the library has no such photo.", "Load the page again.")
    return int(text)
