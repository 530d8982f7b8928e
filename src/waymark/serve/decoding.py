"""Decode uploads in processes of their own, which hostile files may crash, fill or stall.

In:  the bytes of an upload.
Out: what the network sees of it, and what else was asked for; or a `PhotoError`.

A decoder that dies or takes too long costs its own photo an error and nothing else: the
next photo gets a new process. One that died while it waited costs nothing.
See `decoder` for the other side.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from json import loads
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from waymark.errors import PhotoError, PhotoTooLarge, TruncatedPhoto, UnreadablePhoto
from waymark.serve.decoder import (
    FACTS,
    LENGTH,
    PICTURE,
    PICTURE_SIDE,
    REQUEST,
    SMALL,
    Setup,
)

if TYPE_CHECKING:
    from PIL.Image import Image

LIGHT = 16_000_000  # pixels; what is larger waits its turn, so that memory stays bounded
_RECYCLE = 10_000  # photos, after which a process makes place for a fresh one
_START_S = 60.0
_MAX_ANSWER = 2**20  # bytes of a JSON object
_BASE_MEMORY, _PIXEL_MEMORY = 640 * 2**20, 16  # bytes: without a photo, and for each pixel
_ERRORS: dict[str, type[PhotoError]] = {
    error.code: error for error in (UnreadablePhoto, TruncatedPhoto, PhotoTooLarge)
}


class Large(Exception):
    """A photo of more than `LIGHT` pixels, from who would rather wait than have it decoded."""


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """What a decoder made of an upload.

    Attributes:
        views: (V, 3, size, size) float32.
        size: width and height of the upright photo, pixels; None if not asked.
        gps: where the camera was: degrees north, degrees east; None if not asked or not told.
        picture: an RGB image of at most `PICTURE_SIDE` px; None if not asked.
    """

    views: NDArray[np.float32]
    size: tuple[int, int] | None = None
    gps: tuple[float, float] | None = None
    picture: Image | None = None


class Decoders:
    """A few decoder processes; `decode` may be called from as many threads as there are."""

    def __init__(self, setup: Setup, *, max_pixels: int, seconds: float) -> None:
        """Prepare; processes are started as they are needed.

        Args:
            setup: what each process is told.
            max_pixels: width times height to accept.
            seconds: how long one photo may take.
        """
        self.setup = setup
        self._max_pixels = max_pixels
        self._seconds = seconds
        self._idle: list[_Process] = []
        self._all: set[_Process] = set()
        self._lock = threading.Lock()
        self._heavy = threading.Lock()
        self._closed = False

    def decode(
        self,
        data: bytes,
        *,
        facts: bool = False,
        picture: bool = False,
        small: bool = False,
        large: bool = True,
    ) -> Decoded:
        """Decode one upload.

        Args:
            data: the file.
            facts: whether to read its size, and where the camera was.
            picture: whether to return a picture to draw on.
            small: whether to return a small picture, and nothing else.
            large: whether to wait until no other large photo is decoded, if it is one.

        Raises:
            PhotoError: if it cannot be read.
            Large: if it is large, and `large` is not set.
        """
        flags = FACTS * facts | PICTURE * picture | SMALL * small
        light = min(LIGHT, self._max_pixels)
        try:
            return self._ask(data, light, flags)
        except PhotoTooLarge:
            if light == self._max_pixels:
                raise
        if not large:
            raise Large
        with self._heavy:
            return self._ask(data, self._max_pixels, flags)

    def warm(self, count: int) -> None:
        """Start so many processes, so that the first photos need not wait."""
        started = [self._take() for _ in range(count)]
        for process in started:
            process.ready()
        with self._lock:
            self._idle += started

    def close(self) -> None:
        """End all processes, and whatever they are at."""
        with self._lock:
            self._closed = True
            ended, self._all, self._idle = self._all, set(), []
        for process in ended:
            process.end()

    @property
    def pids(self) -> list[int]:
        """The processes there are."""
        with self._lock:
            return [process.pid for process in self._all]

    def _take(self) -> _Process:
        with self._lock:
            while self._idle:
                process = self._idle.pop()
                if process.alive:
                    return process
                self._all.discard(process)
                process.end()
            if self._closed:
                raise UnreadablePhoto("this photo: the server is stopping. Try again later.")
            process = _Process(self.setup)
            self._all.add(process)
            return process

    def _drop(self, process: _Process) -> None:
        with self._lock:
            self._all.discard(process)
        process.end()

    def _ask(self, data: bytes, max_pixels: int, flags: int) -> Decoded:
        process = self._take()
        try:
            try:
                said, parts = process.ask(data, max_pixels, flags, self._seconds)
            except Unbegun:  # it had not seen the photo: another may
                gone, process = process, self._take()
                self._drop(gone)
                said, parts = process.ask(data, max_pixels, flags, self._seconds)
        except TimeoutError:
            self._drop(process)
            raise UnreadablePhoto(
                f"this photo: decoding it took longer than {self._seconds:g} s. "
                "Save it anew with a photo program."
            ) from None
        except (OSError, EOFError, ValueError):
            self._drop(process)
            raise UnreadablePhoto(
                "this photo: its decoder crashed on it. Save it anew with a photo program."
            ) from None
        except BaseException:
            self._drop(process)
            raise
        if process.done >= _RECYCLE:
            self._drop(process)
        else:
            with self._lock:
                self._idle.append(process)
        if "error" in said:
            raise _ERRORS.get(said["code"], UnreadablePhoto)(said["error"])
        return _decoded(said, parts)


def setup_for(recogniser: Any, *, max_pixels: int) -> Setup:
    """Return what decoders of a recogniser's photos are told."""
    return Setup(
        preprocess=recogniser.preprocess,
        tta=recogniser.tta,
        allow_truncated=recogniser.allow_truncated,
        max_memory=_BASE_MEMORY + _PIXEL_MEMORY * max_pixels,
    )


def _decoded(said: dict[str, Any], parts: list[bytearray]) -> Decoded:
    import PIL.Image

    views = np.frombuffer(parts[0], np.float32).reshape(said["views"] or (0, 3, 1, 1))
    picture = None
    if len(parts) > 1:
        picture = PIL.Image.frombytes("RGB", tuple(said["picture"]), bytes(parts[1]))
    gps, size = said.get("gps"), said.get("size")
    return Decoded(
        views=views,
        size=size and (int(size[0]), int(size[1])),
        gps=gps and (float(gps[0]), float(gps[1])),
        picture=picture,
    )


class Unbegun(OSError):
    """A decoder that was gone before it was asked."""


class _Process:
    """One decoder; used by one thread at a time."""

    def __init__(self, setup: Setup) -> None:
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                end.setsockopt(socket.SOL_SOCKET, option, 2**20)
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        environment.pop("WAYMARK_TOKEN", None)
        self._side = setup.preprocess.size
        self._views = 4 if setup.tta else 1
        self._link = ours
        self._started = False
        self.done = 0
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "waymark.serve.decoder", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,  # Ctrl-C is the server's; and it dies with its helpers
            )
        text = setup.to_json()
        ours.sendall(LENGTH.pack(len(text)) + text)

    @property
    def pid(self) -> int:
        """Its process id, which is its group's, too."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs, as far as can be told."""
        return self._process.poll() is None

    def ready(self) -> None:
        """Wait until it has started."""
        if not self._started:
            self._read(LENGTH.size, time.monotonic() + _START_S)
            self._started = True

    def ask(
        self, data: bytes, max_pixels: int, flags: int, seconds: float
    ) -> tuple[dict[str, Any], list[bytearray]]:
        """Send a file; return what is said of it, and its arrays.

        Raises:
            TimeoutError: if it takes longer than `seconds`.
            Unbegun: if the process was no more before it got the photo.
            OSError, EOFError, ValueError: if the process is no more, or talks nonsense.
        """
        self.ready()
        self.done += 1
        deadline = time.monotonic() + seconds
        self._link.settimeout(seconds)
        try:
            self._link.sendall(REQUEST.pack(len(data), max_pixels, flags))
        except BrokenPipeError as error:
            raise Unbegun from error
        self._link.sendall(data)
        (length,) = LENGTH.unpack(self._read(LENGTH.size, deadline))
        if length > _MAX_ANSWER:
            raise ValueError("an answer that is too long")
        said = loads(self._read(length, deadline))
        if "error" in said:
            return said, []
        views = 0 if flags & SMALL else self._views
        if not flags & SMALL and said["views"] != [views, 3, self._side, self._side]:
            raise ValueError("views of another shape")
        parts = [self._read(4 * views * 3 * self._side**2, deadline)]
        if flags & (PICTURE | SMALL):
            width, height = said["picture"]
            if not (0 < width <= PICTURE_SIDE and 0 < height <= PICTURE_SIDE):
                raise ValueError("a picture of another size")
            parts.append(self._read(3 * width * height, deadline))
        return said, parts

    def end(self) -> None:
        """Kill it and its helpers."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._link.close()
        self._process.wait()

    def _read(self, count: int, deadline: float) -> bytearray:
        data = bytearray(count)
        view = memoryview(data)
        while view:
            self._link.settimeout(max(0.001, deadline - time.monotonic()))
            got = self._link.recv_into(view)
            if not got:
                raise EOFError
            view = view[got:]
        return data
