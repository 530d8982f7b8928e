"""What is being taught: photos by landmark, in a folder that only this server looks into.

In:  pictures that were decoded already, and what is said of them.
Out: a `Dataset` to check and to teach.

Photos are kept as fresh JPEGs of at most 1,024 px, without EXIF and under made-up names,
until they are forgotten or the server stops. A folder that a killed server left behind is
removed by the next.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from waymark.bundle.statistics import MIN_CENTROID
from waymark.dataset.index import Dataset, Photo
from waymark.gazetteer import Landmark

LEAST, MOST = 5, 50  # photos of a landmark: at least, of a new one; at most, of any
LANDMARKS = 100
REFUSED = 20  # uploads of a landmark that cannot be used, and are listed
NOTHING = "nothing"  # key of the photos that show no landmark
_LOCK = "in-use"
_STALE_S = 3600.0  # after which nobody is still writing a half-written bundle


@dataclass(frozen=True, kw_only=True)
class Remark:
    """What is to be said of a photo.

    Attributes:
        kind: of `curate.finding.KINDS`, or `looks-known`.
        reason: in words.
        drop: whether it had better be left out.
    """

    kind: str
    reason: str
    drop: bool = False


@dataclass(kw_only=True)
class DraftPhoto:
    """One photo.

    Attributes:
        id: made up; the file's name without its suffix.
        name: what the upload was called; only shown.
        file: where it is.
        thumb: a small JPEG of it.
        digest: of the JPEG that is kept: the same photo has the same.
        corrected: whether it came from Identify, to correct an answer.
        looks: what the bundle took it for, as a remark; or None.
        found: what `data check` says of it.
        choice: whether somebody said to use it; None where nobody said anything.
    """

    id: str
    name: str
    file: Path
    thumb: bytes
    digest: bytes
    corrected: bool = False
    looks: Remark | None = None
    found: tuple[Remark, ...] = ()
    choice: bool | None = None

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """All that is to be said of it."""
        return self.found if self.looks is None else (*self.found, self.looks)

    @property
    def used(self) -> bool:
        """Whether it is learnt from."""
        if self.choice is not None:
            return self.choice
        return self.corrected or not any(remark.drop for remark in self.found)


@dataclass(kw_only=True)
class Group:
    """The photos of a landmark, or of none.

    Attributes:
        key: made up; names the group in forms.
        landmark: what they show; None for photos of no landmark.
        known: whether the bundle that is taught knows it already.
        photos: by id, in the order they came.
        refused: (name, why) of uploads that cannot be used.
        coming: photos that are being decoded.
    """

    key: str
    landmark: Landmark | None
    known: bool
    photos: dict[str, DraftPhoto] = field(default_factory=dict)
    refused: list[tuple[str, Remark]] = field(default_factory=list)
    coming: int = 0

    @property
    def used(self) -> list[DraftPhoto]:
        """The photos that are learnt from."""
        return [photo for photo in self.photos.values() if photo.used]

    @property
    def least(self) -> int:
        """How many photos it takes to learn from them."""
        if self.landmark is None:
            return MIN_CENTROID
        return 1 if self.known else LEAST

    @property
    def ready(self) -> bool:
        """Whether there are enough photos."""
        return len(self.used) >= self.least


class Draft:
    """All groups; belongs to the event loop."""

    def __init__(self, parent: Path) -> None:
        """Make one; its folder is made when the first photo comes.

        Args:
            parent: where its folder is made; leftovers of others there are removed.
        """
        self._parent = parent
        self.folder: Path | None = None
        self._lock: IO[bytes] | None = None
        self.groups: dict[str, Group] = {}
        remove_leftovers(parent)

    def __len__(self) -> int:
        return sum(len(group.photos) for group in self.groups.values())

    @property
    def landmarks(self) -> list[Landmark]:
        """The landmarks that have a group."""
        return [group.landmark for group in self.groups.values() if group.landmark]

    def group_of(self, landmark: Landmark | None, *, known: bool) -> Group:
        """Return the group of a landmark, made where there is none; its facts are the new ones."""
        for group in self.groups.values():
            if group.landmark is landmark or (
                landmark and group.landmark and landmark.id == group.landmark.id
            ):
                group.landmark = landmark
                return group
        key = NOTHING if landmark is None else secrets.token_hex(6)
        self.groups[key] = Group(key=key, landmark=landmark, known=known)
        return self.groups[key]

    def add(self, group: Group, data: bytes, **facts: Any) -> DraftPhoto:
        """Keep a photo.

        Args:
            group: whose it is.
            data: a JPEG of our own making.
            facts: the other fields of `DraftPhoto`.

        Raises:
            OSError: it cannot be written; nothing is left of it.
        """
        folder = self._open()
        name = secrets.token_hex(12)
        file = folder / f"{name}.jpg"
        try:
            file.touch(mode=0o600, exist_ok=False)
            file.write_bytes(data)
        except OSError:
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
            raise
        photo = DraftPhoto(id=name, file=file, digest=_digest(data), **facts)
        group.photos[name] = photo
        return photo

    def correct(self, group: Group, data: bytes) -> bool:
        """Move a photo that is in the draft already to where it belongs; say whether there is one.

        So the last correction of a photo is the one that counts, and counts once.

        Args:
            group: whose it is.
            data: a JPEG of our own making.
        """
        digest = _digest(data)
        same = [
            (of, photo)
            for of in self.groups.values()
            for photo in of.photos.values()
            if photo.digest == digest
        ]
        if not same:
            return False
        same.sort(key=lambda pair: pair[0] is not group)
        (of, photo), *copies = same
        for _, copy in copies:
            copy.choice = False
        del of.photos[photo.id]
        photo.corrected, photo.choice, photo.looks = True, None, None
        group.photos[photo.id] = photo
        self.tidy(of)
        return True

    def tidy(self, group: Group) -> None:
        """Take away a group that nothing is in, nor on its way to."""
        if self.has(group) and not (group.photos or group.refused or group.coming):
            del self.groups[group.key]

    def has(self, group: Group) -> bool:
        """Say whether a group is still there."""
        return self.groups.get(group.key) is group

    def find(self, photo: str) -> DraftPhoto | None:
        """Return the photo of an id."""
        return next((g.photos[photo] for g in self.groups.values() if photo in g.photos), None)

    def remove(self, key: str) -> None:
        """Forget the photos of a group."""
        group = self.groups.pop(key, None)
        for photo in () if group is None else group.photos.values():
            photo.file.unlink(missing_ok=True)

    def forget(self) -> None:
        """Forget all photos, and remove their folder."""
        self.groups.clear()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()
        self.folder = self._lock = None

    def dataset(self, groups: Iterable[Group], *, left_out: bool = False) -> Dataset:
        """Return the photos of some groups as a dataset.

        Args:
            groups: whose photos.
            left_out: whether also those that are not used.
        """
        of = [(g, list(g.photos.values()) if left_out else g.used) for g in groups]
        return Dataset(
            root=self.folder or self._parent,
            name="photos given on the Teach page",
            photos=tuple(
                Photo(path=photo.file, label=group.landmark.id)
                for group, photos in of
                if group.landmark
                for photo in photos
            ),
            negatives=tuple(
                photo.file for group, photos in of if group.landmark is None for photo in photos
            ),
            landmarks={g.landmark.id: g.landmark for g, photos in of if g.landmark and photos},
        )

    def _open(self) -> Path:
        if self.folder is None:
            self._parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder = Path(tempfile.mkdtemp(prefix="draft-", dir=self._parent))
            self._lock = (self.folder / _LOCK).open("wb")
            _take(self._lock)
        return self.folder


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def remove_leftovers(parent: Path) -> None:
    """Remove the folders of drafts whose servers are no more, and bundles half written."""
    for file in (*parent.glob(".taught-*.waymark.*"), *parent.glob("taught-*.safetensors.part")):
        with contextlib.suppress(OSError):
            if file.lstat().st_mtime < time.time() - _STALE_S:
                file.unlink()
    for folder in parent.glob("draft-*/"):
        with contextlib.suppress(OSError):
            with (folder / _LOCK).open("rb+") as lock:
                free = _take(lock)
            if free and not folder.is_symlink():
                shutil.rmtree(folder, ignore_errors=True)


def _take(lock: IO[bytes]) -> bool:
    """Lock a file until it is closed; say whether nobody else has it."""
    try:
        import fcntl
    except ImportError:  # Windows: leftovers stay until somebody removes them
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
