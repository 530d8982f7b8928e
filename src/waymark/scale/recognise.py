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

from waymark.photo import LIMITS, is_photo, sniff
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


@dataclass(frozen=True, kw_only=True)
class Recognised:
    """The rows of a part.

    Attributes:
        rows: one a photo; keys as `COLUMNS` of `results`.
        failed: rows with an error.
        unfetched: of these, photos that the store did not hand out: worth another run.
        other: files that turned out to be no photos, and were not named like one.
    """

    rows: list[dict[str, Any]]
    failed: int
    unfetched: int
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
    names = part.names
    if place.local:
        names = tuple(n for n in names if named_like_photo(n) or is_photo(place.child(n)))
        sources: Iterator[Any] = (place.name(name) for name in names)
    else:
        sources = _fetched(place, part, notes)
    rows: list[dict[str, Any]] = []
    other, failed = len(part.names) - len(names), 0
    for index, said in enumerate(recogniser.predict_many(sources, k, workers=workers)):
        note = notes.pop(index, "")
        if note == _OTHER:
            other += 1
            continue
        photo = place.name(names[index])
        failed += isinstance(said, PhotoFailure)
        rows.append(_row(_named(said, photo, note)))
    unfetched = sum(row.pop("unfetched") for row in rows)
    return Recognised(rows=rows, failed=failed, unfetched=unfetched, other=other)


def _named(said: Any, photo: str, note: str) -> dict[str, Any]:
    """Return what `predict --json` prints of a photo, under its own name."""
    shown = photo if photo.isprintable() else repr(photo)
    unfetched = False
    if isinstance(said, PhotoFailure):
        text = str(said.error)
        if note:
            text, unfetched = f"{shown}: {note}", note.startswith("cannot be fetched")
        elif text.startswith(f"{_BYTES}: "):
            text = shown + text.removeprefix(_BYTES)
        found: dict[str, Any] = {"photo": photo, "error": text}
    else:
        found = replace(said, photo=photo).to_dict()
    return {"unfetched": unfetched, "said": found}


def _row(named: dict[str, Any]) -> dict[str, Any]:
    said = named["said"]
    best = said["predictions"][0] if said.get("predictions") else {}
    return {
        "unfetched": named["unfetched"],
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
    if size > LIMITS.max_bytes:
        return name, (
            f"{size:,} bytes; at most {LIMITS.max_bytes:,} are accepted. "
            "Save the photo smaller, or raise limits.max_bytes."
        )
    try:
        with place.filesystem.open_input_stream(place.child(name), compression=None) as stream:
            return name, bytes(stream.read(LIMITS.max_bytes + 1))
    except OSError as error:
        reason = " ".join(str(error).split())[:200]
        return name, f"cannot be fetched ({reason}). Run the same command again."


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
