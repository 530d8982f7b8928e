"""Google Landmarks v2: the photos of some landmarks, without its 500 GB.

In:  names of landmarks, or of kinds of landmark; the dataset's index tables and tars.
Out: `Find` records with author, licence and page.

The tables are fetched once and only what is wanted is kept of them. Which tar holds a photo
no table says; where the tars lie in the order of photo ids (the first photo of each is
looked at), only those that can hold a wanted one are fetched, else all, one by one. A tar is
checked against its MD5, read, and deleted; one tar is all that ever lies on the disk.

Source: https://github.com/cvdfoundation/google-landmark (layout), Weyand et al. 2020,
https://arxiv.org/abs/2004.01804
"""

from __future__ import annotations

import csv
import json
import re
import tarfile
import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from hashlib import md5, sha256
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

from waymark.curate.answer import FetchFailed
from waymark.curate.licence import refusal
from waymark.curate.sources import Desk, Find
from waymark.errors import CollectError, ConfigError, UnknownName

BASE = "https://s3.amazonaws.com/google-landmark"
TARS = 500
_MAX_TABLE = _MAX_TAR = 8 << 30  # bytes
_PEEK = 1 << 14  # bytes: headers of folders, and of the first photo
_PHOTO = re.compile(r"(?:^|/)([0-9a-f]{16})\.jpg$")
_TABLES = {
    "train.csv": {"id", "landmark_id"},
    "train_attribution.csv": {"id", "url", "author", "license"},
    "train_label_to_category.csv": {"landmark_id", "category"},
    "train_label_to_hierarchical.csv": {
        *("landmark_id", "category", "supercategory", "hierarchical_label"),
    },
}
_Record = dict[str, str]  # of a photo: label, category, url, page, author, licence


@dataclass(frozen=True, kw_only=True)
class Gldv2:
    """What is wanted from the training part of Google Landmarks v2.

    Attributes:
        landmarks: names as Wikimedia Commons' categories have them ("Eiffel Tower"), or
            numbers of the dataset; `NAME=label` gives a label of one's own.
        categories: kinds of landmark, as in the dataset's hierarchy ("bridge").
        licences: families of licences that are wanted; empty: any.
        base: where the dataset is.
        tars: how many tars there are.
    """

    landmarks: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    licences: frozenset[str] = frozenset()
    base: str = BASE
    tars: int = TARS

    def __post_init__(self) -> None:
        if not (self.landmarks or self.categories):
            raise ConfigError("give --landmark or --category, at least once.")

    @property
    def source(self) -> str:
        """What the manifest's column `source` says."""
        return "Google Landmarks v2"

    def find(self, desk: Desk) -> Iterator[Find]:
        """Yield the wanted photos, tar by tar, as long as more are wanted.

        Raises:
            CollectError: the tables cannot be had.
            UnknownName: no landmark, or no kind of landmark, of that name.
        """
        work = desk.work / "gldv2"
        work.mkdir(exist_ok=True)
        photos = self._photos(work, desk)
        desk.expected = len(photos)
        refused = {
            name: reason
            for name, record in photos.items()
            if (reason := refusal(record["licence"], self.licences))
        }
        yield from (_found(name, photos[name], refused=why) for name, why in refused.items())
        firsts = self._firsts(work, desk)
        done = _done(work / "read.txt")
        tried: set[int] = set()  # tars that could not be had in this run
        while True:
            open_ = [
                name
                for name, record in photos.items()
                if name not in refused
                and not desk.taken(_key(name))
                and desk.wants(record["label"])
            ]
            number = _next_tar(open_, firsts, done, tried, self.tars)
            if number is None:
                break
            tar = self._tar(number, work, desk)
            if tar is None:
                tried.add(number)
                continue
            yield from _photos_of(tar, {name: photos[name] for name in open_})
            done.setdefault(number, set()).update(open_)
            _write_done(work / "read.txt", done)
            tar.unlink()
        for name in [] if tried else open_:
            desk.trouble(_key(name), "in none of the tars that were read", True)
        for left in work.glob("images_*"):
            left.unlink()

    def _photos(self, work: Path, desk: Desk) -> dict[str, _Record]:
        """Return id -> record of the wanted photos; read from the tables once."""
        wish = json.dumps([self.base, self.landmarks, self.categories])
        plan = work / f"plan-{sha256(wish.encode()).hexdigest()[:16]}.json"
        if plan.exists():
            photos: dict[str, _Record] = json.loads(plan.read_text("utf-8"))
            return photos
        landmarks = self._landmarks(work, desk)
        photos = {}
        for row in self._table("train.csv", work, desk):
            if row["landmark_id"] in landmarks:
                photos[row["id"]] = {**landmarks[row["landmark_id"]], "url": row.get("url", "")}
        for row in self._table("train_attribution.csv", work, desk):
            if row["id"] in photos:
                photos[row["id"]] |= {
                    "page": row.get("url", ""),
                    "author": row.get("author", ""),
                    "licence": row.get("license", ""),
                }
        for record in photos.values():
            record.setdefault("licence", "")
        fresh = plan.with_suffix(".new")
        fresh.write_text(json.dumps(photos), encoding="utf-8")
        fresh.replace(plan)
        for table in work.glob("*.csv"):
            table.unlink()
        return photos

    def _landmarks(self, work: Path, desk: Desk) -> dict[str, _Record]:
        """Return landmark id -> label and category of what is wanted."""
        found: dict[str, _Record] = {}
        wanted = dict(_wish(text) for text in self.landmarks)
        if wanted:
            names: dict[str, str] = {}
            met = set()
            for row in self._table("train_label_to_category.csv", work, desk):
                name = _title(row["category"])
                names[_folded(name)] = name
                for key in {_folded(name), row["landmark_id"]} & set(wanted):
                    met.add(key)
                    found[row["landmark_id"]] = {"label": wanted[key] or _label(name)}
            _all_met(set(wanted) - met, names, "landmark")
        kinds = {_folded(name): name for name in self.categories}
        if kinds:
            names, met = {}, set()
            for row in self._table("train_label_to_hierarchical.csv", work, desk):
                mine = {_folded(row[c]): row[c] for c in ("supercategory", "hierarchical_label")}
                names |= mine
                for key in set(mine) & set(kinds):
                    met.add(key)
                    record = {"label": _label(_title(row["category"])), "category": kinds[key]}
                    found[row["landmark_id"]] = record | found.get(row["landmark_id"], {})
            _all_met(set(kinds) - met, names, "category")
        return found

    def _table(self, name: str, work: Path, desk: Desk) -> Iterator[dict[str, str]]:
        """Yield the rows of one of the dataset's tables, fetched if it is not here yet."""
        file, url = work / name, f"{self.base}/metadata/{name}"
        try:
            if not file.exists():
                desk.web.download(
                    url, file, max_bytes=_MAX_TABLE, progress=desk.progress, what=f"{name}, MB"
                )
            with file.open(encoding="utf-8", errors="replace", newline="") as lines:
                table = csv.DictReader(lines)
                absent = _TABLES[name] - set(table.fieldnames or ())
                if absent:
                    raise KeyError(", ".join(sorted(absent)))
                for number, row in enumerate(table, start=1):
                    if None not in row.values() and None not in row:
                        yield row
                    if number % 200_000 == 0:
                        desk.progress(number, 0, f"reading {name}")
        except FetchFailed as error:
            raise CollectError(f"{url}: {error}. Run the same command again later.") from error
        except (csv.Error, KeyError) as error:
            file.unlink(missing_ok=True)
            raise CollectError(f"{url} is not the table that is expected: {error}.") from error

    def _firsts(self, work: Path, desk: Desk) -> Sequence[str]:
        """Return the id of each tar's first photo if these are in order, else nothing."""
        kept = work / f"firsts-{sha256(self.base.encode()).hexdigest()[:8]}.json"
        found: list[str] = json.loads(kept.read_text("utf-8")) if kept.exists() else []
        while len(found) < self.tars:
            try:
                head = desk.web.get(self._address(len(found)), first=_PEEK).body
            except FetchFailed as error:
                raise CollectError(
                    f"{self._address(len(found))}: {error}. Run the same command again later."
                ) from error
            found.append(_first_id(head))
            kept.write_text(json.dumps(found), encoding="utf-8")
            desk.progress(len(found), self.tars, "looking into tars")
        ascending = all(found) and all(a < b for a, b in pairwise(found))
        return found if ascending else ()

    def _tar(self, number: int, work: Path, desk: Desk) -> Path | None:
        """Fetch a tar and check its MD5; None, and a note, where it cannot be trusted."""
        url, file = self._address(number), work / f"images_{number:03}.tar"
        try:
            said = desk.web.get(f"{self.base}/md5sum/train/md5.images_{number:03}.txt").body
            if not file.exists():
                desk.web.download(
                    url, file, max_bytes=_MAX_TAR, progress=desk.progress, what=f"{file.name}, MB"
                )
        except FetchFailed as error:
            desk.trouble(url, str(error), True)
            return None
        checked = md5(usedforsecurity=False)
        with file.open("rb") as data:
            while piece := data.read(1 << 20):
                checked.update(piece)
        expected = said.decode("ascii", "replace").split()[:1]
        if [checked.hexdigest()] == [word.lower() for word in expected]:
            return file
        file.unlink()
        desk.trouble(url, f"its MD5 is {checked.hexdigest()}, not {' '.join(expected)!r}", True)
        return None

    def _address(self, number: int) -> str:
        return f"{self.base}/train/images_{number:03}.tar"


def _next_tar(
    wanted: Sequence[str],
    firsts: Sequence[str],
    done: Mapping[int, set[str]],
    tried: Container[int],
    tars: int,
) -> int | None:
    """Choose the tar that should hold most of what is wanted and was not looked for there.

    A photo is looked for where the order of ids says, then in the tars beside it (the
    first photo of a tar need not have its smallest id); without an order, everywhere.
    """
    if not firsts:
        left = set(wanted)
        return next((n for n in range(tars) if n not in tried and left - done.get(n, set())), None)
    votes: Counter[int] = Counter()
    for name in wanted:
        at = bisect_right(firsts, name) - 1
        for number in (max(at, 0), at + 1, at - 1):
            if 0 <= number < tars and number not in tried and name not in done.get(number, ()):
                votes[number] += 1
                break
    return min(votes, key=lambda number: (-votes[number], number)) if votes else None


def _photos_of(tar: Path, wanted: Mapping[str, _Record]) -> Iterator[Find]:
    """Yield the wanted photos of a tar."""
    try:
        with tarfile.open(tar) as archive:
            for member in archive:
                match = _PHOTO.search(member.name)
                if match and member.isreg() and match[1] in wanted:
                    read = partial(_read, archive, member)
                    yield _found(match[1], wanted[match[1]], read=read)
    except (tarfile.TarError, EOFError) as error:
        raise CollectError(f"{tar} is damaged ({error}); delete it and run again.") from error


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo, most: int) -> bytes:
    try:
        file = archive.extractfile(member)
        return file.read(most + 1) if file else b""
    except (tarfile.TarError, EOFError, OSError) as error:
        raise FetchFailed(f"damaged in its tar ({error})", again=True) from error


def _found(name: str, record: _Record, **more: object) -> Find:
    return Find(
        name=_key(name),
        label=record["label"],
        title=name,
        url=record.get("url", ""),
        page=record.get("page") or record.get("url") or None,
        author=record.get("author") or None,
        licence=record.get("licence") or None,
        category=record.get("category"),
        **more,  # type: ignore[arg-type]
    )


def _first_id(head: bytes) -> str:
    """Return the id of the first photo of a tar, of which the beginning is here."""
    with suppress(tarfile.TarError, EOFError), tarfile.open(fileobj=BytesIO(head)) as archive:
        for member in archive:
            if match := _PHOTO.search(member.name):
                return match[1]
    return ""


def _done(file: Path) -> dict[int, set[str]]:
    """Read which photos were looked for in which tars."""
    lines = file.read_text("ascii").splitlines() if file.exists() else []
    return {int(number): set(names) for number, *names in map(str.split, lines) if number}


def _write_done(file: Path, done: Mapping[int, set[str]]) -> None:
    fresh = file.with_suffix(".new")
    lines = [" ".join([str(number), *sorted(names)]) for number, names in sorted(done.items())]
    fresh.write_text("\n".join(lines) + "\n", "ascii")
    fresh.replace(file)


def _key(name: str) -> str:
    return f"gldv2:train/{name}"


def _title(category: str) -> str:
    """Return the name in `http://commons.wikimedia.org/wiki/Category:Eiffel_Tower`."""
    return unquote(category).rpartition("Category:")[2].replace("_", " ").strip()


def _wish(text: str) -> tuple[str, str]:
    """Split `Eiffel Tower=eiffel` into what to look for and the label."""
    name, _, label = text.partition("=")
    return _folded(_title(name)), label.strip()


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().replace("_", " ").split())


def _label(name: str) -> str:
    """Return a label such as `eiffel_tower`; letters of any script stay."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    kept = "".join(c for c in plain if not unicodedata.combining(c))
    return re.sub(r"[^\w]+", "_", unicodedata.normalize("NFC", kept)).strip("_") or "landmark"


def _all_met(absent: set[str], names: Mapping[str, str], what: str) -> None:
    if absent:
        near = [names[key] for name in absent for key in get_close_matches(name, names, n=2)]
        hint = f"; did you mean {', '.join(near)}?" if near else "."
        raise UnknownName(
            f"Google Landmarks v2 has no {what} named {', '.join(sorted(absent))}{hint} Names are "
            "those of Wikimedia Commons' categories."
        )
