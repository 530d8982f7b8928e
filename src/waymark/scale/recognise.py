"""Recognise the photos of a part: the same rows as `waymark predict --json`, byte for byte.

In:  a recogniser, a place, a part of it.
Out: rows: one a photo, in order; a photo that cannot be read is a row with an error.

Photos of a folder are opened as everywhere in waymark. Those of an object store are fetched
a few ahead, so that the network is never waited for twice, and are never written to a disk.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from waymark.errors import UnopenedPhoto
from waymark.photo import LIMITS, sniff
from waymark.recognise.prediction import PhotoFailure
from waymark.scale.listing import Part, named_like_photo

if TYPE_CHECKING:
    from waymark.recognise.recogniser import Recogniser
    from waymark.scale.place import Place

AHEAD = 8
"""Photos that are fetched at the same time, and kept until they are decoded."""
_HEAD = 32
_BYTES = "this photo"  # what `photo` calls bytes
_OTHER = "other"  # neither a photo nor named like one: no row
_UNFETCHED = "cannot be fetched"


@dataclass(frozen=True, kw_only=True)
class Recognised:
    """The rows of a part.

    Attributes:
        rows: one a photo; keys as `COLUMNS` of `results`.
        failed: rows with an error.
        unfetched: of these, photos that were not handed out: worth another run.
        why: what kept the last of these.
        other: files that turned out to be no photos, and were not named like one.
    """

    rows: list[dict[str, Any]]
    failed: int
    unfetched: int
    why: str
    other: int


def recognise(
    recogniser: Recogniser, place: Place, part: Part, *, k: int = 5, workers: int = 1
) -> Recognised:
    """Recognise the photos of a part.

    Args:
        recogniser: what recognises.
        place: where the part is.
        part: which photos.
        k: guesses a photo.
        workers: threads that decode, and as many for the network.
    """
    notes: dict[int, str] = {}  # index of a photo: why its bytes are not there
    opened = [place.child(name) for name in part.names] if place.local else []
    sources: Iterator[Any] = iter(opened) if place.local else _fetched(place, part, notes)
    rows: list[dict[str, Any]] = []
    failed = unfetched = other = 0
    why = ""
    for index, said in enumerate(recogniser.predict_many(sources, k, workers=workers)):
        note = notes.pop(index, "")
        if note == _OTHER:
            other += 1
            continue
        photo = place.name(part.names[index])
        if not isinstance(said, PhotoFailure):
            rows.append(_row(replace(said, photo=photo).to_dict()))
            continue
        failed += 1
        # a file whose size the system does not tell (a broken link) is not worth another run:
        # the listing changes when that does
        unopened = isinstance(said.error, UnopenedPhoto) and part.sizes[index] >= 0
        called = _shown(opened[index]) if place.local else _BYTES
        reason = note or str(said.error).removeprefix(f"{called}: ")
        if unopened or note.startswith(_UNFETCHED):
            unfetched, why = unfetched + 1, reason
        rows.append(_row({"photo": photo, "error": f"{_shown(photo)}: {reason}"}))
    return Recognised(rows=rows, failed=failed, unfetched=unfetched, why=why, other=other)


def _shown(photo: str) -> str:
    """Return what errors call a photo."""
    return photo if photo.isprintable() else repr(photo)


def _row(said: dict[str, Any]) -> dict[str, Any]:
    """Return the row of what `predict --json` prints of a photo."""
    best = said["predictions"][0] if said.get("predictions") else {}
    return {
        "photo": _text(said["photo"]),
        "known": said.get("known"),
        "unknown_score": said.get("unknown_score"),
        **{key: best.get(key) for key in ("landmark", "name", "score", "place", "country")},
        **{key: best.get(key) for key in ("category", "lat", "lon", "wikidata")},
        "error": None if "error" not in said else _text(said["error"]),
        "json": json.dumps(said, allow_nan=False),
    }


def _text(text: str) -> str:
    """Return text that Parquet can hold: bytes that are no text are shown as `?`."""
    return os.fsencode(text).decode("utf-8", "replace")


def _fetched(place: Place, part: Part, notes: dict[int, str]) -> Iterator[bytes]:
    """Yield the bytes of each photo; b"" and a note where there is nothing to decode."""
    jobs = zip(part.names, part.sizes, strict=True)
    for index, (name, got) in enumerate(_ahead(lambda job: _fetch(place, *job), jobs)):
        if isinstance(got, str):
            notes[index] = got
            yield b""
        elif sniff(got[:_HEAD]) is None and not named_like_photo(name):
            notes[index] = _OTHER
            yield b""
        else:
            yield got


def _fetch(place: Place, name: str, size: int) -> tuple[str, bytes | str]:
    """Return a photo's name and its bytes, or why there are none."""
    large = size > LIMITS.max_bytes
    try:
        with place.filesystem.open_input_stream(place.child(name), compression=None) as stream:
            data = bytes(stream.read(_HEAD if large else LIMITS.max_bytes + 1))
    except OSError as error:
        reason = " ".join(str(error).split())[:200]
        return name, f"{_UNFETCHED} ({reason}). Run the same command again."
    if large and (named_like_photo(name) or sniff(data) is not None):
        return name, (
            f"{size:,} bytes; at most {LIMITS.max_bytes:,} are accepted. "
            "Save the photo smaller, or raise limits.max_bytes."
        )
    return name, data


def _ahead(work: Callable[[Any], Any], jobs: Iterator[Any]) -> Iterator[Any]:
    """Map `work` over `jobs` in threads, `AHEAD` of them before the caller."""
    with ThreadPoolExecutor(AHEAD, thread_name_prefix="waymark-fetch") as pool:
        waiting: deque[Future[Any]] = deque(pool.submit(work, job) for job in islice(jobs, AHEAD))
        try:
            while waiting:
                done = waiting.popleft().result()
                waiting.extend(pool.submit(work, job) for job in islice(jobs, 1))
                yield done
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
