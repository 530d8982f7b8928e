"""Hostile uploads, one function a kind: what `proof_serve.py` and the tests send.

Each takes a source of chance, and gives the bytes that go over the socket and how they are
sent. All of it is made here; nothing is fetched.
"""

from __future__ import annotations

import io
import json
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image

HOST = "127.0.0.1"
PREDICT = "/api/v1/predict"
HEIC = sorted((Path(__file__).parent.parent / "tests" / "photos").glob("*.heic"))
BODY_TYPES = ("image/jpeg", "image/png", "image/webp", "application/octet-stream", "image/x")


@dataclass(frozen=True, kw_only=True)
class Attack:
    """What is sent, and how.

    Attributes:
        data: all bytes.
        cut: how many of them are sent before the connection is dropped; None sends all.
        reset: whether it is dropped without a goodbye.
        pause: seconds between two pieces of `piece` bytes; 0 sends as fast as it goes.
        piece: bytes.
        patience: seconds to wait for an answer.
    """

    data: bytes
    cut: int | None = None
    reset: bool = False
    pause: float = 0.0
    piece: int = 1 << 30
    patience: float = 60.0


def request(
    body: bytes, kind: str = "image/jpeg", *, path: str = PREDICT, extra: str = ""
) -> bytes:
    """Return a POST whose connection ends with its answer."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: {kind}\r\n{extra}"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("latin-1") + body


@cache
def photo(kind: str, side: int = 200) -> bytes:
    """Return a photo of a format, of noise."""
    noise = random.Random(0).randbytes(side * side * 3)
    image = Image.frombytes("RGB", (side, side), noise)
    file = io.BytesIO()
    if kind == "GIF":
        image = image.convert("P")
    image.save(file, kind)
    return file.getvalue()


KINDS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF")


def truncated(rng: random.Random) -> Attack:
    """A photo that ends too early."""
    data = photo(rng.choice(KINDS))
    return Attack(data=request(data[: rng.randrange(len(data))], rng.choice(BODY_TYPES)))


def flipped(rng: random.Random) -> Attack:
    """A photo with a few bytes changed, mostly where its header is."""
    data = bytearray(photo(rng.choice(KINDS)))
    for _ in range(rng.randint(1, 12)):
        data[rng.randrange(min(len(data), rng.choice((40, 400, 10**6))))] = rng.randrange(256)
    return Attack(data=request(bytes(data)))


def bent_heic(rng: random.Random) -> Attack:
    """A HEIC with bytes of its header changed: some of them crash libheif."""
    data = bytearray(rng.choice(HEIC).read_bytes())
    for _ in range(rng.randint(1, 6)):
        data[rng.randrange(min(len(data), 1000))] = rng.choice((0, 1, 127, 128, 255))
    return Attack(data=request(bytes(data), "image/heic"))


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@cache
def png_bomb(width: int, height: int, depth: int = 8, colour: int = 0) -> bytes:
    """Return a PNG of few bytes and many pixels."""
    channels = {0: 1, 2: 3, 6: 4}[colour]
    row = bytes(1 + width * channels * depth // 8)
    packer, rows = zlib.compressobj(9), b""
    if width * height <= 70_000_000:
        rows = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", rows), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def bomb(rng: random.Random) -> Attack:
    """A few kilobytes that say they are many megapixels, and now and then are."""
    if rng.random() < 0.1:
        side = rng.randint(3_000, 7_900)
        return Attack(data=request(png_bomb(side, side, *rng.choice(((8, 0), (8, 6), (16, 2))))))
    side = rng.choice((8_200, 30_000, 2**31 - 1))
    small = bytearray(photo("JPEG"))
    at = small.find(b"\xff\xc0")
    small[at + 5 : at + 9] = struct.pack(">HH", min(side, 65_535), min(side, 65_535))
    gif = bytearray(photo("GIF"))
    gif[6:10] = struct.pack("<HH", min(side, 65_535), min(side, 65_535))
    bmp = bytearray(photo("BMP"))
    bmp[18:26] = struct.pack("<ii", side, side)
    made = (png_bomb(side, side), bytes(small), bytes(gif), bytes(bmp), text_bomb(), scan_bomb())
    return Attack(data=request(rng.choice(made), rng.choice(BODY_TYPES)))


@cache
def text_bomb() -> bytes:
    """Return a PNG whose text is a thousand times as long as its file."""
    text = chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(30_000_000), 9))
    data = photo("PNG")
    return data[:33] + 4 * text + data[33:]


@cache
def scan_bomb() -> bytes:
    """Return a progressive JPEG that wants its pixels gone over again and again."""
    file = io.BytesIO()
    Image.new("RGB", (3000, 3000)).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    at = data.rfind(b"\xff\xda")
    return data[:at] + data[at:-2] * 3000 + data[-2:]


def polyglot(rng: random.Random) -> Attack:
    """A photo that is something else, too."""
    script = b"<script>alert(document.domain)</script>"
    tail = rng.choice((script, b"PK\x03\x04" + bytes(100), b"%PDF-1.7\n", b"\x7fELF", b"MZ" * 50))
    made = (
        photo("JPEG") + tail,
        photo("GIF") + b"/*" + tail + b"*/=1;alert(1)",
        b"GIF89a/*" + bytes(20) + b"*/=alert(1)//",
        photo("PNG")[:-12] + chunk(b"tEXt", b"Comment\0" + tail) + photo("PNG")[-12:],
        tail + photo("JPEG"),
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"\xff\xd8\xff" + tail * 100,
    )
    return Attack(data=request(rng.choice(made), rng.choice(BODY_TYPES)))


def wrong_type(rng: random.Random) -> Attack:
    """Bytes that are no photo, under all sorts of names."""
    body = rng.choice((b"", b"{}", b"\0" * 10_000, rng.randbytes(rng.randrange(20_000)), b"<html>"))
    kind = rng.choice(
        (*BODY_TYPES, "text/html", "application/json", "", "a/b" * 500, "multipart/form-data")
    )
    path = rng.choice((PREDICT, "/", "/v1/images:annotate", "/login", f"{PREDICT}?k=%00&k=x"))
    return Attack(data=request(body, kind, path=path))


def broken_form(rng: random.Random) -> Attack:
    """A form that no browser would send."""
    name = rng.choice(
        (
            "a.jpg",
            "../../../etc/passwd",
            "<script>alert(1)</script>",
            "\u202egpj.exe",
            "%00",
            "a" * 3000,
        )
    )
    part = (
        f'--x\r\nContent-Disposition: form-data; name="photos"; filename="{name}"\r\n'
        f"Content-Type: image/jpeg\r\n\r\n"
    ).encode()
    end = b"\r\n--x--\r\n"
    data = photo("JPEG")
    made = (
        part + data + end,
        part + data,
        (part + b"x\r\n") * rng.choice((40, 400)) + end,
        part * 200 + end,
        b"--x\r\n" + b"Header: " + b"a" * 100_000,
        b"--x\r\n" + b"H: a\r\n" * 5_000 + b"\r\nbody" + end,
        b"--x\r\nContent-Disposition: form-data\r\n\r\nbody" + end,
        b"--x\r\nContent-Disposition: form-data; name*=utf-8''photos; filename=\"\r\n\r\n" + end,
        b"\r\n" * 50_000,
        b"--" * 50_000,
        part + rng.randbytes(5_000) + end,
    )
    boundary = rng.choice(("x", "x", "x", "", "y", '"x', "x" * 300))
    kind = f"multipart/form-data; boundary={boundary}"
    return Attack(data=request(rng.choice(made), kind, path=rng.choice((PREDICT, "/"))))


def broken_json(rng: random.Random) -> Attack:
    """What Google's clients would not send."""
    made = (
        "[" * 100_000,
        '{"requests":' * 50_000,
        json.dumps({"requests": [{"features": [{"type": 2}], "image": {"content": "A" * 7}}] * 40}),
        json.dumps({"requests": [{"features": [{"type": 10**300}], "image": {}}]}),
        '{"requests": [{"features": [{"type": 2, "maxResults": 1e999}]}]}',
        '{"requests": [NaN, Infinity, -1]}',
        '{"requests": [{"image": {"source": {"imageUri": "file:///etc/passwd"}}}]}',
        '\ufeff{"requests": []}',
        '{"requests": [{"features": [{"type": 2}], "image": {"content": "\\ud800"}}]}',
        "9" * 10_000,
    )
    body = rng.choice(made).encode("utf-8", "surrogatepass")
    return Attack(data=request(body, "application/json", path="/v1/images:annotate"))


def bad_http(rng: random.Random) -> Attack:
    """A request that is none, or is two."""
    line = f"POST {PREDICT} HTTP/1.1\r\nHost: {HOST}\r\n".encode()
    made = (
        line + b"X: " + b"a" * rng.choice((40_000, 400_000, 4_000_000)),
        line + b"".join(b"X-%d: a\r\n" % i for i in range(20_000)) + b"\r\n",
        b"GET /" + b"a" * 300_000 + b" HTTP/1.1\r\n\r\n",
        line + b"Content-Length: -1\r\n\r\n",
        line + b"Content-Length: 99999999999999999999\r\n\r\n",
        line + b"Content-Length: 10\r\nContent-Length: 20\r\n\r\n" + b"x" * 20,
        line
        + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n",
        line + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
        line + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n",
        line
        + b"Transfer-Encoding: chunked\r\nContent-Type: image/png\r\n\r\n"
        + b"100000\r\n"
        + b"x" * (1 << 20)
        + b"\r\n0\r\n\r\n",
        b"POST " + PREDICT.encode() + b" HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00" + rng.randbytes(500),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        rng.randbytes(1_000),
        b"\0" * 1_000,
        line + b"Cookie: " + b"waymark_session=" + b"\xff" * 500 + b"\r\n\r\n",
        line + b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n" + rng.randbytes(100),
        b"GET /static/../../../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    )
    patience = 40.0 if rng.random() < 0.1 else 2.0  # some of them never get an answer
    return Attack(data=rng.choice(made), patience=patience)


def slow(rng: random.Random) -> Attack:
    """A few bytes now and then, for seconds; then no more."""
    data = request(photo("JPEG"))
    cut = rng.choice((rng.randrange(60), 200))
    return Attack(data=data, cut=cut, pause=rng.uniform(0.05, 0.2), piece=rng.randint(2, 20))


def hung_up(rng: random.Random) -> Attack:
    """A connection that is dropped in the middle, or before its answer."""
    data = request(photo(rng.choice(KINDS), 400))
    return Attack(data=data, cut=rng.randrange(len(data) + 1), reset=rng.random() < 0.5)


ATTACKS: tuple[tuple[Callable[[random.Random], Attack], int], ...] = (
    (truncated, 20),  # with how often each comes
    (flipped, 20),
    (bent_heic, 10),
    (bomb, 10),
    (polyglot, 10),
    (wrong_type, 10),
    (broken_form, 10),
    (broken_json, 5),
    (bad_http, 10),
    (slow, 5),
    (hung_up, 10),
)
