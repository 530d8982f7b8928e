"""Thumbnails of the library's photos, made as they are asked for, and kept nowhere on disk.

In:  the number of a photo in the library.
Out: a JPEG, upright and without EXIF. Never the file itself.

Photos are decoded where uploads are: in processes that a hostile file may crash. A file that
is not, or not any more, where the library says is answered as missing.
"""

from __future__ import annotations

import asyncio
import io
import os
import stat
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from waymark.errors import PhotoError
from waymark.library.raw import raw_kind, read_preview
from waymark.library.store import Store
from waymark.photo import LIMITS
from waymark.photo_exif import read_exif
from waymark.serve.library_rows import content_of
from waymark.serve.library_shelf import Shelf
from waymark.serve.problems import Problem
from waymark.serve.service import Service

if TYPE_CHECKING:
    from PIL.Image import Image

_KEPT = 48 * 2**20  # bytes of JPEGs in memory
_AT_ONCE = 4  # files in memory; what people wait for on Identify goes first
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}


@dataclass(frozen=True, kw_only=True)
class Thumb:
    """A picture to answer with.

    Attributes:
        jpeg: the picture.
        tag: changes when the file does.
    """

    jpeg: bytes
    tag: str


def thumbs_router(service: Service, shelf: Shelf) -> APIRouter:
    """Return the routes of the pictures: small ones for the grid, large ones for the review."""
    router = APIRouter(include_in_schema=False)
    thumbs = Thumbs(service, shelf)

    @router.get("/library/thumbs/{number}")
    async def thumb(number: int, request: Request, content: str = "") -> Response:
        return await _picture(request, thumbs, number, content, small=True)

    @router.get("/library/pictures/{number}")
    async def picture(number: int, request: Request, content: str = "") -> Response:
        return await _picture(request, thumbs, number, content, small=False)

    return router


class Thumbs:
    """Makes thumbnails; a few at a time, and remembers the last ones."""

    def __init__(self, service: Service, shelf: Shelf) -> None:
        self._service = service
        self._shelf = shelf
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._made: OrderedDict[tuple[int, bool], Thumb] = OrderedDict()
        self._bytes = 0

    async def get(
        self, number: int, content: str = "", *, small: bool, known: str = ""
    ) -> Thumb | None:
        """Return a picture of a photo; None where the caller has the one of tag `known`.

        Args:
            number: of the photo.
            content: which content is meant (`library_rows.content_of`); "" is any.
            small: a thumbnail.
            known: the tag of what the caller has.

        Raises:
            Problem: no such photo, or its file is gone, is another now, or cannot be read.
            Busy: the library is busy.
        """
        path, digest = await self._shelf.read(lambda store: _where(store, number))
        if content not in ("", content_of(digest)):
            raise _changed()
        tag = await run_in_threadpool(_tag, path, small=small)
        if known == tag:
            return None
        made = self._made.get((number, small))
        if made is not None and made.tag == tag:
            self._made.move_to_end((number, small))
            return made
        async with self._turn:
            data = await run_in_threadpool(_load, path, digest)
            made = Thumb(jpeg=await self._draw(data, path, small=small), tag=tag)
        self._keep((number, small), made)
        return made

    async def _draw(self, data: bytes, path: bytes, *, small: bool) -> bytes:
        turn = 1
        name = os.fsdecode(os.path.basename(path))  # noqa: PTH119  # bytes
        if raw_kind(data[:64], name) is not None:
            data, turn = await run_in_threadpool(_preview, data)
        try:
            decoded = await self._service.decode(data, picture=not small, small=small)
        except PhotoError as error:
            raise _unreadable() from error
        if decoded.picture is None:
            raise _unreadable()
        return await run_in_threadpool(_jpeg, decoded.picture, turn)

    def _keep(self, key: tuple[int, bool], made: Thumb) -> None:
        former = self._made.pop(key, None)
        self._bytes += len(made.jpeg) - (len(former.jpeg) if former else 0)
        self._made[key] = made
        while self._bytes > _KEPT:
            self._bytes -= len(self._made.popitem(last=False)[1].jpeg)


async def _picture(
    request: Request, thumbs: Thumbs, number: int, content: str, *, small: bool
) -> Response:
    if abs(number) >= 2**63:
        raise Problem(404, "not-found", "the library has no such photo.", None)
    known = request.headers.get("if-none-match", "")
    made = await thumbs.get(number, content, small=small, known=known)
    headers = {"ETag": known if made is None else made.tag, "Cache-Control": "private, max-age=300"}
    if made is None:
        return Response(status_code=304, headers=headers)
    return Response(made.jpeg, media_type="image/jpeg", headers=headers)


def _where(store: Store, number: int) -> tuple[bytes, bytes | None]:
    """Return where a photo of the library is, and the hash of what was tagged."""
    row = store.connection.execute(
        "SELECT path, sha256 FROM photo WHERE id = ?", [number]
    ).fetchone()
    if row is None:
        raise Problem(404, "not-found", "the library has no such photo.", "Load the page again.")
    return bytes(row[0]), row[1]


def _tag(path: bytes, *, small: bool) -> str:
    try:
        facts = os.stat(path)  # noqa: PTH116  # bytes
    except (OSError, ValueError):
        raise _gone() from None
    size = "s" if small else "l"
    text = f"{facts.st_mtime_ns}-{facts.st_size}-{facts.st_ino}-{size}"
    return f'"{sha256(text.encode()).hexdigest()[:20]}"'


def _load(path: bytes, digest: bytes | None) -> bytes:
    """Read a regular file; only what was tagged.

    A photo may have been replaced since, by another or by a link to something else: what is
    shown is the very content that the tag, and what a person says, is of.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode) or facts.st_size > LIMITS.max_bytes:
                raise _unreadable()
            data = file.read(LIMITS.max_bytes + 1)
    except (OSError, ValueError):
        raise _gone() from None
    if digest is None:
        raise _unreadable()
    if sha256(data).digest() != digest:
        raise _changed()
    return data


def _preview(data: bytes) -> tuple[bytes, int]:
    """Return the JPEG in a RAW file, and how it must be turned (as EXIF numbers it)."""
    preview = read_preview(data)
    if preview.jpeg is None:
        raise _unreadable()
    at = preview.jpeg.find(b"Exif\0\0", 0, 4096)
    own = at >= 0 and read_exif(preview.jpeg[at:]).orientation != 1
    return preview.jpeg, 1 if own else preview.orientation


def _jpeg(picture: Image, turn: int) -> bytes:
    from PIL.Image import Transpose

    if turn in _TURNS:
        picture = picture.transpose(Transpose[_TURNS[turn]])
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=82)
    return file.getvalue()


def _gone() -> Problem:
    return Problem(
        404, "gone", "the photo is not where the library says.", "`waymark tag` finds it again."
    )


def _changed() -> Problem:
    return Problem(
        409, "changed", "the photo has changed since it was tagged.", "`waymark tag` looks again."
    )


def _unreadable() -> Problem:
    return Problem(422, "unreadable-photo", "the photo cannot be read.", "Open it elsewhere.")
