"""The Identify page without JavaScript: a form comes in, the values of a page go out.

In:  a multipart form: `photos`, `k`, `explain`, `use_gps`, or the number of an `example`.
Out: results that the template shows, or what was wrong with the form.

No upload is decoded for its picture: the page shows the file as it came, which the browser
that chose it can draw, where all of them together are small enough to send back.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool

from waymark.serve.pages_place import percent, say_distance
from waymark.serve.pages_render import as_json
from waymark.serve.samples import EXAMPLES, example_photo
from waymark.serve.settings import MAX_K
from waymark.serve.uploads import read_form

if TYPE_CHECKING:
    from starlette.requests import Request

    from waymark.serve.service import Service

ECHO = 12 << 20  # bytes of uploads sent back in a page
_DRAWN = (  # how files begin that a browser draws; never SVG, which is a document
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (8, b"WEBP", "image/webp"),
    (0, b"GIF8", "image/gif"),
    (4, b"ftypavif", "image/avif"),
)
NOTHING = {
    "message": "No photo came with the form.",
    "hint": "Choose one or more photos, or press one of the examples.",
}


async def answer_form(request: Request, service: Service) -> dict[str, Any]:
    """Answer the form; returns what `identify_page` takes.

    Raises:
        Problem: the form is broken, too large or not this page's.
        Busy: there is too much to do.
    """
    form = await read_form(request)
    k = form.fields.get("k", "").strip()
    chosen: dict[str, Any] = {
        "k": min(max(int(k), 1), MAX_K) if k.isascii() and k.isdecimal() and len(k) < 4 else 5,
        "explain": form.is_on("explain"),
        "use_gps": form.is_on("use_gps"),
    }
    photos = form.photos
    for example in EXAMPLES:
        if not photos and form.fields.get("example") == str(example.number):
            photos = [(example.file, await run_in_threadpool(example_photo, example.number))]
    if not photos:
        return {**chosen, "problem": NOTHING, "code": 400}
    request.state.photos = len(photos)
    said = await service.predict(photos, **chosen, neighbours=True)
    echo = sum(len(data) for _, data in photos) <= ECHO
    results = [
        shown(result, data if echo else b"", use_gps=chosen["use_gps"])
        for result, (_, data) in zip(said, photos, strict=True)
    ]
    return {**chosen, "results": results, "status": spoken(results)}


def shown(result: dict[str, Any], data: bytes, *, use_gps: bool = False) -> dict[str, Any]:
    """Add what the template needs: picture, JSON, the distance to the camera."""
    values: dict[str, Any] = {
        "error": None, "heatmap": None, "neighbours": None, "picture": picture(data),
        "camera_text": None, "json": as_json(result),
    }  # fmt: skip
    values |= result
    if values["error"] is None and use_gps:
        metres = result["predictions"][0].get("distance_m")
        if metres is not None:
            values["camera_text"] = f"Taken {say_distance(metres)} from there, says the camera."
        elif not result.get("camera"):
            values["camera_text"] = "The photo does not say where it was taken."
    return values


def picture(data: bytes) -> str | None:
    """Return an upload as a data URI, where a browser draws its kind."""
    for start, mark, kind in _DRAWN:
        if data[start : start + len(mark)] == mark:
            return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
    return None


def spoken(results: list[dict[str, Any]]) -> str:
    """Say the results in a line, for the status."""
    if len(results) == 1:
        (only,) = results
        if only["error"]:
            return "This photo can't be used."
        if not only["known"]:
            return "I don't know this place."
        best = only["predictions"][0]
        return f"{best['name']}, {percent(best['score'])}."
    known = sum(bool(one.get("known")) for one in results)
    return f"{len(results)} photos, {known} recognised."
