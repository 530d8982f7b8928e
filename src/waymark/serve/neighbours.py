"""The training photos that are most like a photo, where they are on this machine.

In:  the index beside a bundle's file, and an embedding.
Out: label, likeness and a number for each; a thumbnail by that number.

A number is made of the path with a key that nobody else has, and only paths that were given
out can be asked for: no path comes from, or goes to, a caller.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from fastapi import APIRouter, Response
from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool

from waymark.bundle.format import Bundle
from waymark.errors import PhotoError
from waymark.training.index import PhotoIndex, read_index

if TYPE_CHECKING:
    from PIL.Image import Image

    from waymark.serve.service import Service

SHOWN = 6
THUMB = 240  # px: the longer side
_LOOKED_AT = 4 * SHOWN  # for some may be gone
_AT_ONCE = 2  # files in memory; what people wait for on Identify goes first


class Neighbours:
    """The index of one bundle."""

    def __init__(self, index: PhotoIndex, bundle: Bundle) -> None:
        self._index = index
        self._names = {one.id: one.name for one in bundle.manifest.landmarks}
        self._key = secrets.token_bytes(32)
        self._given: dict[str, Path] = {}

    @classmethod
    def beside(cls, file: Path | None, bundle: Bundle) -> Neighbours | None:
        """Return the neighbours that the index beside a bundle's file has; None without one."""
        index = None if file is None else read_index(file, bundle)
        return cls(index, bundle) if index else None

    def near(self, embedding: NDArray[np.float32]) -> list[dict[str, Any]]:
        """Return the nearest photos that are still there, the nearest first.

        Args:
            embedding: (D,) of a photo.

        Returns:
            For each `src` (an address in this app), `label` (a name) and `similarity`, 0 to 1.
        """
        found: list[dict[str, Any]] = []
        for near in self._index.nearest(embedding, _LOOKED_AT):
            if len(found) < SHOWN and near.path.is_file():
                number = self._number(near.path)
                self._given[number] = near.path
                found.append(
                    {
                        "src": f"/neighbours/{number}.jpg",
                        "label": self._names.get(near.label, near.label),
                        "similarity": round(max(0.0, near.similarity), 4),
                    }
                )
        return found

    def path(self, number: str) -> Path | None:
        """Return the photo of a number that was given out."""
        return self._given.get(number)

    def _number(self, path: Path) -> str:
        return hashlib.blake2b(str(path).encode("utf-8", "surrogateescape"), key=self._key,
                               digest_size=16).hexdigest()  # fmt: skip


def neighbours_router(service: Service) -> APIRouter:
    """Return the route of the thumbnails."""
    router = APIRouter(include_in_schema=False)
    turn = asyncio.Semaphore(_AT_ONCE)

    @router.get("/neighbours/{name}")
    async def thumbnail(name: str) -> Response:
        near = service.neighbours
        path = near and near.path(name.removesuffix(".jpg"))
        if not path:
            return Response(status_code=404)
        async with turn:
            try:
                data = await run_in_threadpool(_read, path, service.settings.max_body)
                picture = (await service.decode(data, small=True)).picture
            except (OSError, ValueError, PhotoError):
                return Response(status_code=404)
        if picture is None:
            return Response(status_code=404)
        return Response(await run_in_threadpool(_jpeg, picture), media_type="image/jpeg")

    return router


def _read(path: Path, most: int) -> bytes:
    """Read a regular file: what is one no more (a pipe, say) would keep the thread for good."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > most:
            raise OSError("no photo, or too large")
        return file.read(most)


def _jpeg(picture: Image) -> bytes:
    picture.thumbnail((THUMB, THUMB))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=80)
    return file.getvalue()
