"""Open HEIC photos in a process of their own.

libheif, or its binding, crashes on some files with a few bytes of their header changed,
which ends the whole process. No `try` catches that, so HEIC is
decoded by a helper process; when it dies, one photo is unreadable and the next one gets a
new helper. Helpers are kept for the next photo and end with the program.

The helper is this very file, run as a script: it imports Pillow and pi_heif only.

    request:  length, max. pixels, whether pixels are wanted; the file
    answer:   length of a JSON object; the object; EXIF; pixels
"""

from __future__ import annotations

import atexit
import json
import os
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from typing import IO, Any, NamedTuple

_REQUEST = struct.Struct("<QQ?")
_ANSWER = struct.Struct("<I")
_SECONDS = 60.0  # the largest photo accepted takes a few


class Heif(NamedTuple):
    """What a HEIC file holds.

    Attributes:
        mode: Pillow's name of the pixel layout.
        size: width and height in pixels, upright.
        exif: its EXIF block; empty if none.
        pixels: rows of `mode`, empty if only the header was wanted.
    """

    mode: str
    size: tuple[int, int]
    exif: bytes
    pixels: bytes


def read_heif(data: bytes, *, max_pixels: int, pixels: bool) -> Heif:
    """Read a HEIC file.

    Args:
        data: the file.
        max_pixels: pixels are not decoded where width times height is over it.
        pixels: whether to decode, or to read the header only.

    Raises:
        ValueError: in the decoder's words, if it refuses the file.
        MemoryError: if there is not enough for it.
        OSError: if the decoder crashed on it, or took longer than a minute.
    """
    helper = _idle.pop() if _idle else _Helper()
    try:
        said, exif, rows = helper.ask(data, max_pixels, pixels)
    except BaseException:
        helper.end()  # its pipes may hold half an answer
        raise
    _idle.append(helper)
    if said.get("memory"):
        raise MemoryError(said["error"])
    if "error" in said:
        raise ValueError(said["error"])
    return Heif(said["mode"], tuple(said["size"]), exif, rows)


class _Helper:
    """One helper process; used by one thread at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def ask(self, data: bytes, max_pixels: int, pixels: bool) -> tuple[Any, bytes, bytes]:
        """Send a file; return what is said of it, its EXIF and its pixels."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise OSError("the decoder has no pipes")
        limit = threading.Timer(_SECONDS, self._process.kill)
        limit.daemon = True
        limit.start()
        try:
            stdin.write(_REQUEST.pack(len(data), max_pixels, pixels))
            stdin.write(data)
            stdin.flush()
            said = json.loads(_exactly(stdout, *_ANSWER.unpack(_exactly(stdout, _ANSWER.size))))
            exif = _exactly(stdout, said.get("exif", 0))
            return said, exif, _exactly(stdout, said.get("pixels", 0))
        except (EOFError, BrokenPipeError) as error:
            raise OSError("its decoder crashed on it") from error
        finally:
            limit.cancel()

    def end(self) -> None:
        """Stop the process and close its pipes."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what was still to be written goes nowhere
                    pipe.close()
        self._process.wait()


def _exactly(stream: IO[bytes], count: int) -> bytes:
    """Read so many bytes.

    Raises:
        EOFError: if the stream ends before.
    """
    found = stream.read(count)
    if len(found) < count:
        raise EOFError
    return found


_idle: list[_Helper] = []
_others: list[_Helper] = []


def _end_all() -> None:
    while _idle:
        _idle.pop().end()


def _after_fork() -> None:
    """Leave the helpers to the parent process: two may not talk to one."""
    _others.extend(_idle)
    _idle.clear()


atexit.register(_end_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _serve() -> None:
    """Answer requests until there are no more: the helper's own side."""
    from io import BytesIO

    from pi_heif import HeifImageFile

    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while head := requests.read(_REQUEST.size):
        length, max_pixels, wanted = _REQUEST.unpack(head)
        said: dict[str, Any]
        exif = rows = b""
        try:
            image = HeifImageFile(BytesIO(_exactly(requests, length)))
            exif = image.info.get("exif") or b""
            said = {"size": image.size, "exif": len(exif)}
            if wanted and image.size[0] * image.size[1] <= max_pixels:
                image.load()
                rows = image.tobytes()
            said |= {"mode": image.mode, "pixels": len(rows)}
        except MemoryError as error:
            said, exif, rows = {"error": str(error), "memory": True}, b"", b""
        except Exception as error:  # decoders raise anything at all on hostile files
            said, exif, rows = {"error": str(error) or type(error).__name__}, b"", b""
        text = json.dumps(said).encode()
        for part in (_ANSWER.pack(len(text)), text, exif, rows):
            answers.write(part)
        answers.flush()


if __name__ == "__main__":
    _serve()
