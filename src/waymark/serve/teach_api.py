"""What programs, and the page's own scripts, ask of the teacher.

In:  forms and presses, checked as all writes are.
Out: JSON: the state of the draft, names that may be meant, and the taught bundle.

There only where the server was started with `--allow-teach`.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse

from waymark.serve.api import flag, reply
from waymark.serve.problems import Problem
from waymark.serve.schemas import CHECK_BOX, CLOSED, errors
from waymark.serve.service import Service
from waymark.serve.teach import Teacher
from waymark.serve.teach_draft import Group
from waymark.serve.teach_names import MAX_NAME, with_facts
from waymark.serve.uploads import Form, read_form

_STATE: dict[int | str, dict[str, Any]] = {
    200: {"description": "How things stand.", "content": {"application/json": {}}}
}
_PHOTOS = {"type": "array", "items": {"type": "string", "format": "binary"}}
_WRITES = {**errors(400, 403, 404, 408, 409, 413, 415, 422, 503, 507), **CLOSED}


def teach_router(service: Service, teacher: Teacher) -> APIRouter:
    """Return the routes of /api/v1/teach."""
    router = APIRouter(prefix="/api/v1/teach", tags=["teach"])

    @router.get("", summary="See what waits to be taught", responses={**_STATE, **errors()})
    async def state() -> Response:
        """The draft, what is under way, and what was taught."""
        return reply(state_of(teacher))

    @router.get("/names", summary="Find landmarks by name", responses={**_STATE, **errors(422)})
    async def names(q: str = "") -> Response:
        """Landmarks of the bundle, of the gazetteer and of the draft that may be meant."""
        taught = teacher.draft.landmarks
        found = await run_in_threadpool(teacher.names.search, q[:MAX_NAME], taught)
        return reply(
            {
                "names": [
                    {
                        **{key: getattr(one, key) for key in _FACTS},
                        "landmark": one.id,
                        "known": teacher.names.is_known(one.id),
                    }
                    for one in found
                ]
            }
        )

    @router.get("/bundle", summary="Download what was taught", responses=errors(404))
    async def bundle() -> Response:
        """The bundle in use, if it was taught since the server was started."""
        file = teacher.taught_file
        if file is None or not file.is_file():
            hint = "POST /api/v1/teach/start teaches what is given."
            raise Problem(404, "not-found", "nothing has been taught yet.", hint)
        return FileResponse(file, media_type="application/octet-stream", filename=file.name)

    @router.post(
        "/photos",
        summary="Give photos of a landmark",
        responses={**_STATE, **_WRITES},
        openapi_extra=_body(
            ["name"], photos=_PHOTOS, **{name: {"type": "string"} for name in ("name", *_FIELDS)}
        ),
    )
    async def photos(request: Request) -> Response:
        """Put photos into the draft, or change what is said of a landmark in it."""
        form = await read_form(request)
        group = await take_photos(teacher, request, form)
        return reply({"landmark": group_of(group), "draft": len(teacher.draft)})

    @router.post(
        "/corrections",
        summary="Say what a photo really shows",
        responses={**_STATE, **_WRITES},
        openapi_extra=_body(
            ["photos"],
            photos=_PHOTOS,
            landmark={"type": "string", "description": "Its id or name."},
            nothing={**CHECK_BOX, "description": "It is no landmark."},
        ),
    )
    async def corrections(request: Request) -> Response:
        """Put a photo that was answered wrongly into the draft of the landmark that it shows."""
        form = await read_form(request)
        if not form.photos:
            raise Problem(422, "no-photo", "no photo came.", "Send it in the field `photos`.")
        landmark = None
        if not flag("nothing", form.fields.get("nothing", "")):
            landmark = teacher.names.find(form.fields.get("landmark", ""), teacher.draft.landmarks)
        group = await teacher.add(landmark, form.photos, corrected=True)
        return reply({"landmark": group_of(group), "draft": len(teacher.draft)})

    @router.post(
        "/choices",
        summary="Use a photo, or leave it out",
        responses={**_STATE, **_WRITES},
        openapi_extra=_body(["photo"], photo={"type": "string"}, use=CHECK_BOX),
    )
    async def choices(request: Request) -> Response:
        """Decide about a photo of the draft."""
        form = await read_form(request)
        use = flag("use", form.fields.get("use", ""))
        teacher.choose(form.fields.get("photo", ""), use=use)
        return reply(state_of(teacher))

    @router.post("/start", status_code=202, summary="Teach the draft", responses=_started())
    async def start(request: Request) -> Response:
        """Begin to teach; GET /api/v1/teach tells how it goes."""
        await read_press(request)
        teacher.start()
        answer = reply(state_of(teacher))
        answer.status_code = 202
        return answer

    @router.post("/undo", summary="Go back one bundle", responses={**_STATE, **_WRITES})
    async def undo(request: Request) -> Response:
        """Use the bundle that was in use before; nothing is deleted."""
        await read_press(request)
        await teacher.undo()
        return reply(state_of(teacher))

    @router.post("/forget", summary="Forget all photos", responses={**_STATE, **_WRITES})
    async def forget(request: Request) -> Response:
        """Delete the photos of the draft; what was taught stays taught."""
        await read_press(request)
        teacher.forget()
        return reply(state_of(teacher))

    del service
    return router


_FACTS = ("name", "local_name", "place", "country", "category", "lat", "lon")
_FIELDS = ("place", "country", "category", "lat", "lon")


async def take_photos(teacher: Teacher, request: Request, form: Form) -> Group:
    """Put what a form holds into the draft.

    Raises:
        Problem: the landmark has no name, a fact cannot be right, or there is no room.
        Busy: there is too much to do.
    """
    landmark = teacher.names.find(form.fields.get("name", ""), teacher.draft.landmarks)
    waiting = {one.id: one for one in teacher.draft.landmarks}
    landmark = with_facts(waiting.get(landmark.id, landmark), form.fields, teacher.names.kinds)
    if not form.photos and landmark.id not in waiting:
        raise Problem(422, "no-photo", "no photo came.", "Choose 5 to 50 photos of the landmark.")
    request.state.photos = len(form.photos)
    return await teacher.add(landmark, form.photos)


async def read_press(request: Request) -> Form:
    """Read the form of a press of a button; a program may send none at all."""
    headers = request.headers
    if "content-type" not in headers and headers.get("content-length", "0") == "0":
        return Form()
    return await read_form(request)


def state_of(teacher: Teacher) -> dict[str, Any]:
    """Return all that the page shows."""
    stage, done, total = teacher.progress
    version = teacher.version
    return {
        "revision": teacher.revision,
        "busy": teacher.busy or None,
        "progress": {"stage": stage, "done": done, "total": total} if teacher.busy else None,
        "error": teacher.error,
        "draft": [group_of(group) for group in teacher.draft.groups.values()],
        "photos": len(teacher.draft),
        "taught": teacher.is_taught,
        "bundle": version.bundle,
        "learnt": list(version.learnt),
        "figures": version.figures,
        "seconds": round(version.seconds, 1),
        "undo": version.before is not None,
    }


def group_of(group: Group) -> dict[str, Any]:
    """Return what is known of a group of photos."""
    one = group.landmark
    return {
        "key": group.key,
        "landmark": one and one.id,
        **{key: one and getattr(one, key) for key in _FACTS},
        "known": group.known,
        "used": len(group.used),
        "least": group.least,
        "lacking": max(0, group.least - len(group.used)),
        "corrected": sum(photo.corrected for photo in group.photos.values()),
        "photos": [
            {
                "photo": photo.id,
                "name": photo.name,
                "src": f"/teach/photos/{photo.id}.jpg",
                "used": photo.used,
                "corrected": photo.corrected,
                "remarks": [{"kind": one.kind, "reason": one.reason} for one in photo.remarks],
            }
            for photo in group.photos.values()
        ],
        "refused": [
            {"name": name, "kind": why.kind, "reason": why.reason} for name, why in group.refused
        ],
    }


def _body(required: list[str], **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "required": required, "properties": properties}
    return {
        "requestBody": {
            "required": True,
            "content": {"multipart/form-data": {"schema": schema}},
        }
    }


def _started() -> dict[int | str, dict[str, Any]]:
    return {202: {**_STATE[200], "description": "It has begun."}, **_WRITES}
