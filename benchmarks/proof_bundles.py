"""Change bundles at random: each must be refused with a `BundleError`, or work.

    python benchmarks/proof_bundles.py --bundles 1000

Some changes are to the file's bytes. Others are to what is inside, after which hashes and
ZIP are made right again, so that they reach the checks behind. A bundle that is accepted
must predict, or refuse with a `BundleError`. Every batch runs in a process of its own:
a crash of ONNX Runtime counts as a crash of ours.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import multiprocessing
import random
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

import waymark
from waymark.bundle.format import encode
from waymark.bundle.tiny import tiny_bundle
from waymark.errors import BundleError

Members = dict[str, bytes]
BATCH = 50
ODD_NUMBERS = (0, -1, 1e308, 2**63, 2**31, -0.5, 3, None, True, "1", [], {}, "\x00", 1e-320)
ODD_NAMES = ("../evil", "/etc/passwd", "a.pkl", "model.onnx.data", "bundle.json/", "C:\\x", "\x01")


def flip_bytes(data: bytes, rng: random.Random) -> bytes:
    """Set a few bytes to others."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 2, 8, 64))):
        out[rng.randrange(len(out))] = rng.randrange(256)
    return bytes(out)


def cut(data: bytes, rng: random.Random) -> bytes:
    """Drop the end, the beginning, or a stretch in the middle."""
    a, b = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return rng.choice((data[:a], data[a:], data[:a] + data[b:]))


def insert(data: bytes, rng: random.Random) -> bytes:
    """Put random bytes, or a copy of its own, somewhere."""
    at = rng.randrange(len(data) + 1)
    start = rng.randrange(len(data))
    extra = rng.choice((rng.randbytes(rng.randrange(1, 200)), data[start : start + 300]))
    return data[:at] + extra + data[at:]


BYTES: tuple[Callable[[bytes, random.Random], bytes], ...] = (flip_bytes, cut, insert)


def change_member(members: Members, rng: random.Random) -> None:
    """Change the bytes of one member."""
    name = rng.choice(sorted(members))
    members[name] = rng.choice(BYTES)(members[name] or b"x", rng)


def change_value(members: Members, rng: random.Random) -> None:
    """Put an odd value somewhere in bundle.json, or take one away."""
    values = json.loads(members["bundle.json"])
    at: Any = values
    while True:
        key = rng.choice(list(at) if isinstance(at, dict) else range(len(at)))
        inside = at[key]
        if isinstance(inside, dict | list) and inside and rng.random() < 0.8:
            at = inside
            continue
        break
    if rng.random() < 0.3:
        del at[key]
    else:
        at[key] = rng.choice(ODD_NUMBERS)
    members["bundle.json"] = json.dumps(values).encode()


def swap_member(members: Members, rng: random.Random) -> None:
    """Give a member another's content, or leave it out, or add one that should not be."""
    name, other = rng.choice(sorted(members)), rng.choice(sorted(members))
    kind = rng.randrange(3)
    if kind == 0:
        members[name] = members[other]
    elif kind == 1:
        del members[name]
    else:
        members[rng.choice(ODD_NAMES)] = b"x"


def change_header(members: Members, rng: random.Random) -> None:
    """Change the JSON at the head of a safetensors file: offsets, shapes and types."""
    data = members["statistics.safetensors"]
    size = int.from_bytes(data[:8], "little")
    head = bytearray(data[8 : 8 + size])
    digits = [i for i, byte in enumerate(head) if chr(byte).isdigit()]
    for _ in range(rng.choice((1, 2, 4))):
        head[rng.choice(digits)] = ord(rng.choice("0123456789"))
    members["statistics.safetensors"] = data[:8] + bytes(head) + data[8 + size :]


INSIDE = (change_member, change_value, swap_member, change_header)


def mutate(good: bytes, rng: random.Random) -> bytes:
    """Return a changed bundle: its bytes, or its members with everything else made right."""
    if rng.random() < 0.3:
        return rng.choice(BYTES)(good, rng)
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for _ in range(rng.choice((1, 1, 2))):
        if "statistics.safetensors" in members and "bundle.json" in members:
            change = rng.choice(INSIDE)
            try:
                change(members, rng)
            except (ValueError, IndexError):  # an earlier change left nothing to work on
                continue
    _mend_hashes(members)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", rng.choice((0, 8))) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name that is there twice
        for name, data in members.items():
            archive.writestr(name, data)
        if rng.random() < 0.05:
            archive.writestr(rng.choice(sorted(members)), b"twice")
    return out.getvalue()


def _mend_hashes(members: Members) -> None:
    try:
        values = json.loads(members["bundle.json"])
        values["sha256"] = {
            name: hashlib.sha256(data).hexdigest()
            for name, data in members.items()
            if name != "bundle.json"
        }
        members["bundle.json"] = json.dumps(values).encode()
    except (KeyError, ValueError, TypeError):
        return


def photo() -> bytes:
    """Return a small photo as PNG."""
    out = io.BytesIO()
    Image.linear_gradient("L").resize((80, 60)).convert("RGB").save(out, "PNG")
    return out.getvalue()


def try_bundle(file: Path, data: bytes, shown: bytes) -> str:
    """Say what became of a bundle: `works`, or the first words of the error.

    Anything but a prediction or a `BundleError` is raised: that is a fault of waymark's.
    """
    file.write_bytes(data)
    try:
        prediction = waymark.load(file).predict(shown)
    except BundleError as error:
        if "\n" in str(error) or len(str(error)) < 20:
            raise ValueError(f"a poor message: {error!r}") from error
        return "refused"
    json.dumps(prediction.to_dict(), allow_nan=False)
    return "works"


def try_many(numbers: range) -> Counter[str]:
    """Try one bundle for each seed in `numbers`."""
    good = [encode(tiny_bundle()), encode(tiny_bundle(4, features=8, categories=2, negatives=0))]
    shown, results = photo(), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        for number in numbers:
            rng = random.Random(number)
            data = mutate(rng.choice(good), rng)
            try:
                results[try_bundle(Path(folder) / "x.waymark", data, shown)] += 1
            except Exception as error:
                raise RuntimeError(f"seed {number}: {type(error).__name__}: {error}") from error
    return results


def main() -> None:
    """Try all, and print how many were refused and how many work."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundles", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    started = time.perf_counter()
    results = Counter[str]()
    spawn = multiprocessing.get_context("spawn")
    first, last = args.seed, args.seed + args.bundles
    for start in range(first, last, BATCH):
        numbers = range(start, min(start + BATCH, last))
        with spawn.Pool(1) as pool:
            # A crash would leave the pool waiting for ever: hence the limit.
            results += pool.apply_async(try_many, (numbers,)).get(timeout=120)
    seconds = time.perf_counter() - started
    print(f"{args.bundles} changed bundles in {seconds:.0f} s, none crashed")
    for what, number in results.most_common():
        print(f"  {what:8} {number}")


if __name__ == "__main__":
    main()
