"""What the library's pages, and programs, ask of it.

In:  filters, numbers of photos, and what a person says of them.
Out: JSON, and thumbnails. No address holds a path.

There only where the server was started with `--library`.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from waymark.gazetteer import Gazetteer
from waymark.library.store import Store
from waymark.library.store_query import Filter, Key, photos
from waymark.library.store_queue import queue_numbers, standing
from waymark.serve.api import reply
from waymark.serve.library_filter import filter_of, limited_to
from waymark.serve.library_rows import PAGE, above, overview, row_of
from waymark.serve.library_rows import listed as rows
from waymark.serve.library_rows import shown as shown_by
from waymark.serve.library_say import Known, approve_above, say, score_of, undo
from waymark.serve.library_shelf import Shelf
from waymark.serve.problems import Problem
from waymark.serve.schemas import CLOSED, errors
from waymark.serve.service import Service
from waymark.serve.teach_api import read_press
from waymark.serve.teach_names import MAX_NAME
from waymark.serve.uploads import read_form

_FOUND: dict[int | str, dict[str, Any]] = {
    200: {"description": "What was found.", "content": {"application/json": {}}}
}
MOST_QUEUED = 5_000  # photos of an answer
_READS = {**_FOUND, **errors(404, 422, 503)}
_WRITES = {**_FOUND, **errors(400, 403, 404, 408, 409, 413, 415, 422, 503), **CLOSED}


def library_router(service: Service, shelf: Shelf) -> APIRouter:
    """Return the routes of /api/v1/library."""
    router = APIRouter(prefix="/api/v1/library", tags=["library"])
    known = Known(service)

    async def how_far(wanted: Filter | None) -> dict[str, Any]:
        return (await shelf.read(lambda store: standing(store, wanted))).to_dict()

    @router.get("", summary="List photos, oldest first", responses=_READS)
    async def listed(request: Request, after: str = "", limit: int = PAGE) -> Response:
        """A page of photos. Filters: q, landmark, place, country, category, state, evidence,
        gps, since, until, min_score, max_score, only; `after` is the `key` of the last photo of
        the page before."""
        wanted = filter_of(request.query_params)
        key, most = key_of(after), min(max(limit, 1), PAGE)
        found = await shelf.read(lambda store: rows(store, wanted, limit=most, after=key))
        return reply({"photos": found})

    @router.get("/overview", summary="Count photos, and where they are", responses=_READS)
    async def seen(request: Request) -> Response:
        """Of a filter: the number of photos, how many of them wait for review, the key before
        each page, photos by landmark."""
        wanted = filter_of(request.query_params)
        return reply(await shelf.read(lambda store: overview(store, wanted)))

    @router.get("/queue", summary="What to review next", responses=_READS)
    async def waiting(request: Request, limit: int = 200) -> Response:
        """Numbers of photos that nobody has looked at, the most valuable answer first: the
        doubtful tags, or with a filter all that it holds and can be read."""
        wanted, most = limited_to(request.query_params), min(max(limit, 1), MOST_QUEUED)
        found = await shelf.read(lambda store: queue_numbers(store, wanted, limit=most))
        return reply({"photos": found, "standing": await how_far(wanted)})

    @router.get("/photos/{number}", summary="See one photo's tag", responses=_READS)
    async def one(number: int) -> Response:
        """What the library says of a photo, guesses included."""
        return reply(await shelf.read(lambda store: details(store, number)))

    @router.get("/names", summary="Find landmarks by name", responses=_READS)
    async def names(q: str = "", shown: bool = False) -> Response:
        """Landmarks of the library, of the bundle and of the gazetteer that may be meant; with
        `shown`, only those that a photo of the library shows."""
        ours = await shelf.read(shown_by)
        if shown:
            hits = await run_in_threadpool(Gazetteer(ours).search, q[:MAX_NAME], 8)
            found = [one for one, _ in hits]
        else:
            found = await run_in_threadpool(known.names.search, q[:MAX_NAME], ours)
        keys = ("name", "local_name", "place", "country", "category", "lat", "lon")
        return reply(
            {
                "names": [
                    {
                        **{key: getattr(each, key) for key in keys},
                        "landmark": each.id,
                        "known": known.names.is_known(each.id),
                    }
                    for each in found
                ]
            }
        )

    @router.get("/above", summary="Count what a bulk approval would approve", responses=_READS)
    async def counted(request: Request, score: str = "") -> Response:
        """The number of photos of a filter with that score that nobody has looked at."""
        wanted, least = filter_of(request.query_params), score_of(score)
        count = await shelf.read(lambda store: len(above(store, wanted, least)))
        return reply({"photos": count})

    @router.post(
        "/reviews",
        summary="Say whether tags are right",
        responses=_WRITES,
        openapi_extra=_body(["say", "photo"], "say", "photo", "content", "landmark", "new"),
    )
    async def reviews(request: Request) -> Response:
        """`say` is approved, rejected, not-a-landmark or corrected (with `landmark`, its id or
        name; one that nobody knows is refused, but with `new` = 1); `photo` is a number, or
        several with commas, and `content`, if given, what was seen of each, in the same order:
        a photo that is another by now is refused. What is sent together is undone together.
        Copies follow: `photos` are all that changed. `standing` is of the filter in the address,
        if any."""
        wanted, form = limited_to(request.query_params), await read_form(request)
        photos = await say(shelf, known, form.fields)
        told = {"changed": len(photos), "photos": photos}
        return reply({**told, "standing": await how_far(wanted)})

    @router.post(
        "/approve-above",
        summary="Approve all from a score on",
        responses=_WRITES,
        openapi_extra=_body(["score", "expected"], "score", "expected"),
    )
    async def bulk(request: Request) -> Response:
        """Approve what a filter holds; `expected` is the number that /above told, and `changed`
        counts these. Copies of them that are less sure follow."""
        form = await read_form(request)
        changed = await approve_above(shelf, form.fields)
        return reply({"changed": changed, "standing": await how_far(None)})

    @router.post("/undo", summary="Take back what was said last", responses=_WRITES)
    async def undone(request: Request) -> Response:
        """Go back one press; as often as there were presses. `standing` as in /reviews."""
        wanted = limited_to(request.query_params)
        await read_press(request)
        done = await undo(shelf)
        return reply({**done, "standing": await how_far(wanted)})

    return router


def details(store: Store, number: int) -> dict[str, Any]:
    """Return a photo with its guesses.

    Raises:
        Problem: there is none of that number.
    """
    found = photos(store, [number]) if abs(number) < 2**63 else []
    if not found:
        raise Problem(404, "not-found", "the library has no such photo.", "Load the page again.")
    return row_of(found[0], guesses=True)


def key_of(text: str) -> Key | None:
    """Read the key of a photo.

    Raises:
        Problem: it is none.
    """
    if not text:
        return None
    parts = text.split(",")
    try:
        moment, number = (int(part) for part in parts)
        if max(abs(moment), abs(number)) >= 2**63:
            raise ValueError
    except ValueError:
        raise Problem(
            422, "invalid", "after is no key of a photo.", "Take `key` of the last photo."
        ) from None
    return moment, number


def _body(required: list[str], *fields: str) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": required,
        "properties": {name: {"type": "string"} for name in fields},
    }
    return {
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    }
