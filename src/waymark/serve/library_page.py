"""The library's first page: its photos in a grid, with filters and a map.

In:  requests of a browser, with JavaScript or without.
Out: HTML; without JavaScript a page of photos, which scripts replace by a grid of all.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from waymark.gazetteer import load_gazetteer
from waymark.gazetteer_country import country_table
from waymark.library.store import Store
from waymark.library.store_queue import count_waiting, standing
from waymark.serve import outline
from waymark.serve.library_api import key_of
from waymark.serve.library_filter import (
    FIELDS,
    GPS_WORDS,
    LABELS,
    ONLY_WORDS,
    chips_of,
    filter_of,
    query_of,
)
from waymark.serve.library_more import show
from waymark.serve.library_rows import listed, shown
from waymark.serve.library_shelf import Shelf
from waymark.serve.pages import MOST_NAMES
from waymark.serve.pages_place import percent
from waymark.serve.problems import Problem, problem_of
from waymark.serve.service import Busy, Service

_SHOWN = 60  # photos a page without JavaScript
_SCORES = ("0.5", "0.75", "0.9", "0.95", "0.99")


def library_page(service: Service, shelf: Shelf) -> APIRouter:
    """Return the route of the page."""
    router = APIRouter(include_in_schema=False)

    @router.get("/library")
    async def grid(request: Request) -> Response:
        query = request.query_params
        after, text = query.get("after", ""), query_of(query)
        values: dict[str, Any] = {"photos": [], "waiting": 0, "problem": None}
        code = 200

        def ask(store: Store) -> dict[str, Any]:
            wanted = filter_of(query)
            photos = listed(store, wanted, limit=_SHOWN, after=key_of(after))
            return {"photos": photos, "waiting": count_waiting(store, wanted) if text else 0}

        try:
            values |= await shelf.read(ask)
        except (Problem, Busy) as error:
            values["problem"] = problem_of(error).error
            code = problem_of(error).status
        rows = values["photos"]
        more = len(rows) == _SHOWN and f"{text}&after={rows[-1]['key']}".lstrip("&")
        here = f"{text}&after={after}".lstrip("&") if after else text
        return show(
            request,
            service,
            "library.html",
            code,
            **values,
            **await shelf.read(_choices),
            given={name: query.get(name, "")[:200] for name in FIELDS},
            query=text,
            chips=chips_of(query),
            here=f"/library?{here}" if here else "/library",
            first=f"/library?{text}" if after else None,
            more=f"/library?{more}" if more else None,
            scores=[(one, percent(float(one))) for one in _SCORES],
            labels=LABELS,
            gps=GPS_WORDS,
            only=ONLY_WORDS,
            standing=await shelf.read(standing),
            world=outline.WORLD,
            path=outline.land_path(),
            towns=outline.towns(load_gazetteer().landmarks),
        )

    return router


def _choices(store: Store) -> dict[str, Any]:
    """Return what the filters offer: what the landmarks of the library are."""
    landmarks = shown(store)
    table = country_table()
    codes = {one.country for one in landmarks if one.country}
    return {
        "countries": sorted(
            ((code, table[code].name if code in table else code) for code in codes),
            key=lambda pair: pair[1],
        ),
        "categories": [
            (one, one.replace("_", " "))
            for one in sorted({one.category for one in landmarks if one.category})
        ],
        "all_places": sorted({one.place for one in landmarks if one.place})[:MOST_NAMES],
        "all_landmarks": sorted({one.name for one in landmarks})[:MOST_NAMES],
    }
