"""What is to be written into sidecars: planned, shown, and nothing touched.

In:  tagged photos, how they are to be written, and the journal of what was written before.
Out: a `Change` for each photo.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from waymark.errors import ConfigError, SidecarError
from waymark.library.embed_file import photo_digest
from waymark.library.journal import Journal, Row
from waymark.library.journal_chain import Outdated, is_made, outdated, outdated_inside
from waymark.library.journal_owner import last_write
from waymark.library.sidecar import merge, take_back
from waymark.library.sidecar_embedded import embedded_facts, embedded_tags, embeds_position
from waymark.library.sidecar_file import Folder, Style, read_file, refuse_readonly
from waymark.library.sidecar_forms import TAGS
from waymark.library.sidecar_mark import Language, Mark, mark_of
from waymark.library.sidecar_parse import Packet
from waymark.library.sidecar_read import has_position, is_estimate, spared, texts
from waymark.library.sidecar_text import decode_sidecar
from waymark.library.store import below
from waymark.library.tagged import State, Tagged
from waymark.library.write_change import Change, left

Paths = Collection[str | os.PathLike[str]] | None


@dataclass(frozen=True, kw_only=True)
class WriteOptions:
    """What is written, and how.

    Attributes:
        min_score: least confidence of a photo that nobody looked at yet; None leaves those out.
        gps: estimate a position where photo and sidecar have none.
        style: name of a new sidecar: `photo.jpg.xmp`, or Adobe's `photo.xmp`.
        language: of the landmark's name in keywords.
    """

    min_score: float | None = None
    gps: bool = False
    style: Style = "default"
    language: Language = "english"

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if self.min_score is not None and not 0 <= self.min_score <= 1:
            raise ConfigError(
                f"--min-score is {self.min_score:g}; it must be from 0 to 1, such as 0.9."
            )
        if self.style not in ("default", "adobe"):
            raise ConfigError(f"sidecar style is {self.style!r}; use default or adobe.")
        if self.language not in ("english", "local"):
            raise ConfigError(f"language is {self.language!r}; use english or local.")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def is_wanted(tagged: Tagged, options: WriteOptions) -> bool:
    """Say whether a photo is to be written: a person said so, or it is sure enough."""
    return _is_wanted(tagged.state, tagged.confidence, options)


def _is_wanted(state: State, confidence: float, options: WriteOptions) -> bool:
    if state in ("approved", "corrected"):
        return True
    return state == "new" and options.min_score is not None and confidence >= options.min_score


def plan_changes(
    tagged: Iterable[Tagged],
    paths: Paths,
    options: WriteOptions,
    journal: Journal,
) -> Iterator[Change]:
    """Yield all that a write does: what photos are to say, and then what none says any more.

    A sidecar is changed once, also where one photo of a pair takes it over from the other.

    Args:
        tagged: as in `plan_writes`.
        paths: as in `plan_withdrawals`: where these photos are.
        options: which of them, and how.
        journal: of what was written before; it is only read.
    """
    files: dict[Path, Path] = {}
    for change in plan_writes(tagged, options, journal):
        if change.action != "left":
            files[change.photo] = change.file
        yield change
    yield from plan_withdrawals(paths, options, journal, files=files)
    yield from unheld_photos(paths, options, journal)


def plan_writes(
    tagged: Iterable[Tagged], options: WriteOptions, journal: Journal
) -> Iterator[Change]:
    """Yield what is to be done for each photo that is to be written; touch nothing.

    Args:
        tagged: photos; best all of a folder one after another.
        options: which of them, and how.
        journal: of what was written before; it is only read.
    """
    folder, names, planned = None, Folder(()), dict[Path, str | None]()
    for one in tagged:
        if not is_wanted(one, options):
            continue
        parent = Path(os.path.realpath(one.path.parent))
        photo = parent / one.path.name
        if parent != folder:
            try:
                folder, names = parent, Folder(entry.name for entry in parent.iterdir())
            except OSError as error:
                folder = None
                yield left(photo, photo, error)
                continue
            planned = {}
        change = _plan(one, photo, names, options, journal)
        landmark = _fact(change.mark, "Landmark")
        if change.file in planned and change.action != "left":
            if planned[change.file] == landmark:  # a RAW and its JPEG
                change = Change(photo=photo, file=change.file, action="same")
            else:
                change = left(photo, change.file, "is the sidecar of another photo, too")
        if change.action in ("create", "change") and (reason := why_changed(photo, one)):
            change = left(photo, change.file, f"its photo {reason}")
        if change.action != "left":
            planned[change.file] = landmark
        yield change


def _plan(
    tagged: Tagged, photo: Path, names: Folder, options: WriteOptions, journal: Journal
) -> Change:
    """Plan the sidecar of one photo."""
    if not photo.is_file():
        return left(photo, photo, "is not there any more; run `waymark tag` again")
    found = names.sidecars(photo)
    file = found[0] if found else names.new_sidecar(photo, options.style)
    mark = mark_of(tagged, language=options.language, gps=options.gps)
    content = bytes.fromhex(tagged.sha256)
    try:
        before = read_file(file)
        if before is not None:
            refuse_readonly(file)
        last = last_write(file, before, content, journal)
        if before is None or last is None:
            mark = replace(mark, refused=_refused_before(last or journal.live(file), content))
        mark = still_estimated(mark, last, tagged, options)
        if mark.estimate and embeds_position(photo):
            mark = replace(mark, estimate=None)
        for other in found[1:] if mark.estimate else ():
            try:
                data = read_file(other)
                known = data is not None and has_position(Packet(decode_sidecar(data).text))
            except (SidecarError, OSError) as error:
                return left(photo, other, error)
            mark = replace(mark, estimate=None) if known else mark
        if before is None or not Packet(decode_sidecar(before).text).has(TAGS):
            mark = replace(mark, mirrored=embedded_tags(photo))
        after, mark, added, notes = remarked(before, mark, last)
    except (SidecarError, OSError) as error:
        return left(photo, file, error)
    return Change(
        photo=photo,
        file=file,
        action="create" if before is None else "same" if after == before else "change",
        before=before,
        after=after,
        mark=mark,
        added=added,
        notes=notes,
        sha256=content,
        last=last,
    )


def plan_withdrawals(
    paths: Paths,
    options: WriteOptions,
    journal: Journal,
    *,
    files: Mapping[Path, Path] = MappingProxyType({}),
) -> Iterator[Change]:
    """Yield the sidecars that say of their photos what neither waymark nor its owner says now.

    The owner rejected the tag, or said that it is no landmark; or another bundle, or the
    neighbours, make something else of the photo, and that is not written. What waymark wrote
    goes from such a sidecar; and from one that its photo has left for another, as programs read
    that first, or as it may now be another photo's.

    Args:
        paths: folders and photos; None is all of the library.
        options: what is to be written: such photos are `plan_writes`'.
        journal: of what was written before; it is only read.
        files: by photo, the sidecar that `plan_writes` has for it.
    """
    folder, names, planned = None, Folder(()), set(files.values())
    for one in outdated(journal, _condition(paths)):
        parent = Path(os.path.realpath(one.photo.parent))
        photo = parent / one.photo.name
        if _is_wanted(one.state, one.confidence, options) and photo not in files:
            continue
        if parent != folder:
            folder, names = parent, _folder(parent)
        for file in dict.fromkeys((*names.sidecars(photo), *one.files)):
            change = None if file in planned else _plan_withdrawal(one, photo, file, journal)
            if change is not None:
                planned.add(file)
                yield change


def _folder(path: Path) -> Folder:
    """Return the names in a folder, none where it is not there or cannot be read."""
    try:
        return Folder(entry.name for entry in path.iterdir())
    except OSError:
        return Folder(())


def _plan_withdrawal(said: Outdated, photo: Path, file: Path, journal: Journal) -> Change | None:
    """Plan that a sidecar says of a photo no more what is not held; None where it does not."""
    try:
        data = read_file(file)
        if data is None:
            return None
        row = last_write(file, data, said.sha256, journal)
        if row is None or not row.mark.facts or not said.denies(_fact(row.mark, "Landmark")):
            return None
        if row.photo != photo and row.photo_sha256 not in (None, said.sha256):
            return None  # of the other half of a RAW+JPEG pair
        refuse_readonly(file)
        cleared = take_back(data, row.added)
    except (SidecarError, OSError) as error:
        return left(photo, file, error)
    gone = cleared.empty and is_made(journal, row)
    return Change(
        photo=photo,
        file=file,
        action="remove" if gone else "change",
        before=data,
        after=None if gone else cleared.data,
        mark=Mark(refused=_refused_now(data, row)),
        notes=cleared.notes,
        sha256=said.sha256,
        last=row,
    )


def unheld_photos(
    paths: Paths, options: WriteOptions, journal: Journal, *, kept: bool = True
) -> Iterator[Change]:
    """Yield the photos that say inside what is not held any more: only an undo takes it out.

    Args:
        paths: folders and photos; None is all of the library.
        options: what is to be written.
        journal: of what was written before; it is only read.
        kept: also photos that are to be written, as another landmark's.
    """
    for row, state, confidence in outdated_inside(journal, _condition(paths)):
        if not kept and _is_wanted(state, confidence, options):
            continue
        said = embedded_facts(row.file).get("Landmark")
        if said == _fact(row.mark, "Landmark") or photo_digest(row.file) == row.after_sha256:
            yield left(
                row.photo,
                row.file,
                f"says inside what is not held any more; take it back by `waymark undo "
                f"{row.write_id}`",
            )


def _condition(paths: Paths) -> tuple[str, list[bytes]]:
    """Return an SQL condition on photos, with its arguments."""
    return ("1", []) if paths is None else below(paths)


def why_changed(photo: Path, tagged: Tagged) -> str | None:
    """Return why a photo is no longer the one that was tagged; None where it is."""
    try:
        facts = photo.stat()
        if tagged.stamp == (facts.st_size, facts.st_mtime_ns, facts.st_ino):
            return None
        with photo.open("rb") as file:
            same = hashlib.file_digest(file, "sha256").hexdigest() == tagged.sha256
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    return None if same else "was changed since it was tagged; run `waymark tag` again"


def still_estimated(mark: Mark, last: Row | None, tagged: Tagged, options: WriteOptions) -> Mark:
    """Return a mark with the estimate of the last write: it was asked for once."""
    if last is None or options.gps or tagged.gps is not None:
        return mark
    if _fact(last.mark, "Landmark") != _fact(mark, "Landmark"):
        return mark
    return replace(mark, estimate=last.added.estimate)


def remarked(
    before: bytes | None, mark: Mark, last: Row | None
) -> tuple[bytes, Mark, Mark, tuple[str, ...]]:
    """Return a sidecar with a mark in it, in place of what an earlier write said otherwise.

    What the earlier write added and somebody took out since is not added again.

    Args:
        before: the sidecar now; None where there is none.
        mark: what it is to say.
        last: the write whose additions are in it.

    Returns:
        The sidecar's bytes, the mark with what is not wanted any more noted, everything in it
        that waymark added, and notes on what stays.
    """
    if before is None or last is None:
        said = Mark(refused=mark.refused)
        merged = merge(before, spared(before, said, mark) if mark.refused else mark)
        return merged.data, mark, merged.added, merged.notes
    if _says_no_more(mark, last.mark):
        mark = replace(mark, facts=last.mark.facts)  # not written anew for the time alone
    packet, estimate = Packet(decode_sidecar(before).text), last.added.estimate
    if estimate and has_position(packet) and not is_estimate(packet, estimate):
        mark = replace(mark, estimate=None)  # somebody knows better; the remark on it goes
    there = set(texts(packet, TAGS))
    hidden = tuple(tag for tag in last.added.mirrored if tag in there)
    wanted = replace(spared(before, last.mark, mark), refused=_refused_now(before, last))
    said = replace(mark, refused=wanted.refused)
    if last.added.is_within(mark):
        merged = merge(before, wanted)
        return merged.data, said, last.added.joined(merged.added), merged.notes
    cleared = take_back(before, last.added)
    base = None if cleared.empty and last.before is None else cleared.data
    merged = merge(base, replace(wanted, mirrored=hidden))
    kept = tuple(dict.fromkeys((*hidden, *merged.added.mirrored)))
    # facts that somebody changed are written anew: they are waymark's
    notes = tuple(note for note in cleared.notes if not note.startswith("waymark:"))
    return merged.data, said, replace(merged.added, mirrored=kept), (*notes, *merged.notes)


def _refused_now(data: bytes, last: Row) -> tuple[str, ...]:
    """Return the keywords that somebody took out of a sidecar since a write, and earlier."""
    there = frozenset(texts(Packet(decode_sidecar(data).text), TAGS))
    taken_out = [tag for tag in last.added.mirrored if tag not in there]
    return tuple(dict.fromkeys((*spared(data, last.mark, Mark()).refused, *taken_out)))


def _refused_before(row: Row | None, photo_sha256: bytes) -> tuple[str, ...]:
    """Return what had been taken out of a sidecar when waymark withdrew from it."""
    if row is None or row.mark.facts or row.photo_sha256 != photo_sha256:
        return ()
    return row.mark.refused


def _says_no_more(mark: Mark, last: Mark) -> bool:
    """Say whether a mark differs from an earlier one by the time of tagging alone."""
    new, old = (dict(each.facts) | {"TaggedAt": ""} for each in (mark, last))
    return new == old


def _fact(mark: Mark, name: str) -> str | None:
    return dict(mark.facts).get(name)
