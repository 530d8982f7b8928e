"""The process that decodes uploads: bytes in, what the network sees out, and nothing else.

In:  on a socket, a first message that says how, then requests; see `Setup` and `REQUEST`.
Out: on the same socket, for each request the length of a JSON object, the object, and the
     arrays that it announces.

Whatever a file does to its decoder, it does here: this process may use only so much
memory, writes no file (nor a core dump with the photo in it), and is killed by `decoding`
when it takes too long. It ends when its socket is closed.

    python -m waymark.serve.decoder FD
"""

from __future__ import annotations

import json
import socket
import struct
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from waymark.preprocess import Preprocess

if TYPE_CHECKING:
    from PIL.Image import Image

REQUEST = struct.Struct("<QQBxxx")  # bytes of the file, most pixels, flags
LENGTH = struct.Struct("<I")  # of a JSON object
# flags: size and place of the photo are wanted; a picture of it is; a small one, and no views
FACTS, PICTURE, SMALL = 1, 2, 4
PICTURE_SIDE, SMALL_SIDE = 1024, 400  # px


@dataclass(frozen=True, kw_only=True)
class Setup:
    """How photos are to be prepared, and the most memory to use.

    Attributes:
        preprocess: of the bundle.
        tta: whether four views of a photo are made, or one.
        allow_truncated: whether to make do with a part of a photo.
        max_memory: bytes of address space.
    """

    preprocess: Preprocess
    tta: bool
    allow_truncated: bool
    max_memory: int

    def to_json(self) -> bytes:
        """Return the first message."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Setup:
        """Read what `to_json` wrote."""
        values = json.loads(text)
        return cls(**{**values, "preprocess": Preprocess.from_dict(values["preprocess"])})


def exactly(link: socket.socket, count: int) -> bytearray:
    """Read so many bytes.

    Raises:
        EOFError: if the other side has closed.
    """
    data = bytearray(count)
    view = memoryview(data)
    while view:
        got = link.recv_into(view)
        if not got:
            raise EOFError
        view = view[got:]
    return data


def confine(max_memory: int) -> None:
    """Give up, for good, what decoding a photo never needs."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    most = max_memory if hard == resource.RLIM_INFINITY else min(max_memory, hard)
    with suppress(ValueError, OSError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def answer(data: bytes, max_pixels: int, flags: int, setup: Setup) -> tuple[Any, list[bytes]]:
    """Return what is said of a file, and the arrays: its views, perhaps its picture.

    Args:
        data: the file.
        max_pixels: width times height to accept.
        flags: `FACTS`, `PICTURE`, `SMALL`.
        setup: how to prepare it.
    """
    from waymark.errors import PhotoError
    from waymark.photo import Limits, read_facts, read_photo
    from waymark.recognise.views import photo_views

    limits = Limits(max_bytes=max(1, len(data)), max_pixels=max_pixels)

    def read(min_side: int) -> Image:
        cut = setup.allow_truncated
        return read_photo(data, min_side=min_side, allow_truncated=cut, limits=limits)

    try:
        if flags & SMALL:
            small = read(SMALL_SIDE)
            small.thumbnail((SMALL_SIDE, SMALL_SIDE), reducing_gap=2.0)
            return {"views": None, "picture": small.size}, [small.tobytes()]
        facts = read_facts(data, limits=limits) if flags & FACTS else None
        views = photo_views(read(setup.preprocess.min_side), setup.preprocess, tta=setup.tta)
        said: dict[str, Any] = {"views": views.shape}
        parts = [views.tobytes()]
        if facts:
            said |= {"gps": facts.gps, "size": (facts.width, facts.height)}
        if flags & PICTURE:  # read anew: a JPEG is decoded larger for it, which changes views
            picture = read(PICTURE_SIDE)
            picture.thumbnail((PICTURE_SIDE, PICTURE_SIDE), reducing_gap=2.0)
            said["picture"] = picture.size
            parts.append(picture.tobytes())
    except PhotoError as error:
        return {"code": error.code, "error": str(error)}, []
    except MemoryError:
        text = "this photo: more than the memory kept for decoding. Save the photo smaller."
        return {"code": "photo-too-large", "error": text}, []
    return said, parts


def serve(link: socket.socket) -> None:
    """Answer requests until the other side closes."""
    setup = Setup.from_json(bytes(exactly(link, *LENGTH.unpack(exactly(link, LENGTH.size)))))
    from waymark import photo_decode  # noqa: F401  # Pillow, before memory is scarce

    confine(setup.max_memory)
    link.sendall(LENGTH.pack(0))  # ready
    while True:
        length, max_pixels, flags = REQUEST.unpack(exactly(link, REQUEST.size))
        said, parts = answer(bytes(exactly(link, length)), max_pixels, flags, setup)
        text = json.dumps(said).encode()
        link.sendall(LENGTH.pack(len(text)) + text)
        for part in parts:
            link.sendall(part)


if __name__ == "__main__":
    with suppress(EOFError, ConnectionError), socket.socket(fileno=int(sys.argv[1])) as given:
        serve(given)
