"""What is left to do: the parts of a place, less those whose results are there.

In:  a place with photos, a place with results.
Out: waves of parts that are to do. Results of what the place does not hold any more are
     removed on the way, before the parts that take their place are begun.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from operator import attrgetter

from waymark.dataset.index import Skipped
from waymark.scale.listing import NAMELESS, Part, list_parts
from waymark.scale.place import Place
from waymark.scale.place_files import remove, remove_if_empty
from waymark.scale.report import Tally
from waymark.scale.results import Kept, list_results, number_of, written

WAVE = 1000
"""Parts that are planned at a time: what the driver keeps in memory."""


def plan(place: Place, out: Place, tally: Tally, *, part_photos: int) -> Iterator[list[Part]]:
    """Yield the parts that are to do, `WAVE` at a time.

    Args:
        place: where photos are.
        out: where results are, if there are any.
        tally: counts parts, those that are done, and what could not be looked into. Of a place
            without any part nothing is removed.
        part_photos: photos of a part, at most.

    Raises:
        ConfigError: the place may not be listed.
        RunError: the results cannot be listed, or stale ones not removed.
    """
    with written(out):
        there = list_results(out)
    wave: list[Part] = []
    stale: list[str] = []
    found = _counted(list_parts(place, part_photos=part_photos), tally)
    for folder, parts in groupby(found, attrgetter("folder")):
        files = _by_number(there.pop(folder, []))
        for part in parts:
            kept, others = _sorted_out(files.pop(part.number, []), part)
            stale += (f"{folder}/{name}" for name in others)
            if kept is not None and not kept.unfetched:
                tally.add_earlier(kept)
                continue
            tally.listed += len(part.names)
            wave.append(part if kept is None else replace(part, again=True))
            if len(wave) == WAVE:
                with written(out):
                    remove(out, stale)
                yield wave
                wave, stale = [], []
        stale += (f"{folder}/{name}" for names in files.values() for name in names)
    if not tally.parts:
        return  # a disk that is not mounted looks like this: all that is known of it stays
    # what could not be looked into may have photos in any folder that was not seen
    gone = there if all(row.reason == NAMELESS for row in tally.skipped) else {}
    stale += (f"{folder}/{name}" for folder, names in gone.items() for name in names)
    with written(out):
        remove(out, stale)
        for folder in filter(None, gone):
            remove_if_empty(out, folder)
    if wave:
        yield wave


def _counted(found: Iterator[Part | Skipped], tally: Tally) -> Iterator[Part]:
    """Yield the parts; count them and the rest."""
    for each in found:
        if isinstance(each, Skipped):
            tally.skipped.append(each)
        else:
            tally.parts += 1
            yield each


def _by_number(names: list[str]) -> dict[int | None, list[str]]:
    """Group files by the part that they are of."""
    files: dict[int | None, list[str]] = {}
    for name in names:
        files.setdefault(number_of(name), []).append(name)
    return files


def _sorted_out(names: list[str], part: Part) -> tuple[Kept | None, list[str]]:
    """Return the file with the most of a part's rows as they are now, and the other files."""
    known = filter(None, map(Kept.named, names))
    current = [kept for kept in known if kept.listing == part.listing]
    best = min(current, key=attrgetter("unfetched"), default=None)
    return best, [name for name in names if best is None or name != best.name]
