"""Teach while serving: a draft of photos becomes a bundle, and the service uses it at once.

In:  uploads, with a landmark each; and presses of buttons.
Out: what the Teach page shows; bundles in a folder of the server's own.

All of it belongs to the event loop; what takes long runs in one thread, one thing at a
time. A bundle is always the draft's photos taught to the bundle that was in use when the
draft was empty: teaching again after a correction counts no photo twice. The bundle that
the server was started with is never written to.
"""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Literal

from waymark.bundle.format import read_bundle
from waymark.errors import PhotoError, WaymarkError
from waymark.gazetteer import Landmark
from waymark.recognise.recogniser import Recogniser
from waymark.serve.logs import LOGGER
from waymark.serve.neighbours import Neighbours
from waymark.serve.problems import Problem
from waymark.serve.service import Service, clean, describe
from waymark.serve.teach_bundle import Version, like, taught, taught_folder, unwritable
from waymark.serve.teach_check import jpegs, looks_known, remarks
from waymark.serve.teach_draft import LANDMARKS, MOST, REFUSED, Draft, Group, Remark
from waymark.serve.teach_names import Names

_PAUSE_S = 0.2  # before photos are checked, for more may be on their way
_log = logging.getLogger(LOGGER)


class Teacher:
    """One draft, and what came of it.

    Attributes:
        draft: photos that are there to be taught.
        version: the bundle in use.
        busy: what it is at.
        progress: (stage, steps done, steps in all; 0 is unknown).
        error: why the last teaching failed.
        revision: changes whenever anything did.
        earlier: bundles taught before the server was started, the newest first.
    """

    def __init__(self, service: Service, *, folder: Path | None = None) -> None:
        """Make one.

        Args:
            service: whose recogniser is taught.
            folder: where bundles go; that of the settings where None.
        """
        self.service = service
        self.folder = folder or service.settings.teach_dir or taught_folder()
        self.draft = Draft(self.folder)
        taught_before = sorted(self.folder.glob("taught-*.waymark"), reverse=True)
        used = service.bundle_file and service.bundle_file.resolve()
        self.earlier = [file for file in taught_before if file.resolve() != used]
        self._first = self._base = service.recogniser
        self.version = Version(file=service.bundle_file, bundle=self._first.bundle.short_hash)
        self._base_version = self.version
        self.names = Names(self._first.bundle.manifest.landmarks)
        self.busy: Literal["", "checking", "teaching"] = ""
        self.progress: tuple[str, int, int] = ("", 0, 0)
        self.error: dict[str, str | None] | None = None
        self.revision = 0
        self._coming = 0  # photos that are being decoded
        self._unchecked = False
        self._taught: object = None
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = ThreadPoolExecutor(1, "waymark-teach")
        if self.earlier:
            _log.info(
                "taught bundles of earlier are not in use",
                extra={
                    "fields": {"use": f"waymark serve --allow-teach --bundle {self.earlier[0]}"}
                },
            )

    def close(self) -> None:
        """Forget the photos, and give up what is under way."""
        self._stopping = True
        self._thread.shutdown(wait=True, cancel_futures=True)
        self.draft.forget()

    # What comes in.

    async def add(
        self,
        landmark: Landmark | None,
        photos: list[tuple[str, bytes]],
        *,
        corrected: bool = False,
    ) -> Group:
        """Put photos into the draft.

        Args:
            landmark: what they show; None for nothing of note.
            photos: (name, bytes of the file) each; those that cannot be used are listed.
            corrected: whether an answer of Identify was wrong about them.

        Raises:
            Problem: there is no room in the draft.
            Busy: there is too much to do.
        """
        self.service.check_room(len(photos))
        known = landmark is not None and self._base_knows(landmark)
        group = self._room_for(landmark, len(photos), known=known)
        self._expect(group, left := len(photos))
        try:
            for name, data in photos:
                await self._add_one(group, clean(name), data, corrected=corrected)
                self._expect(group, -1)
                left -= 1
        finally:
            self._expect(group, -left)
            self.draft.tidy(group)
            self._changed(check=bool(photos))
        return group

    def _expect(self, group: Group, more: int) -> None:
        self._coming += more
        group.coming += more

    async def _add_one(self, group: Group, name: str, data: bytes, *, corrected: bool) -> None:
        try:
            decoded = await self.service.decode(data, picture=True)
        except PhotoError as error:
            said = describe(error)
            kind = "truncated" if said["code"] == "truncated-photo" else "unreadable"
            group.refused = [
                *group.refused,
                (name, Remark(kind=kind, reason=said["hint"] or str(error))),
            ]
            group.refused = group.refused[-REFUSED:]
            return
        if decoded.picture is None:
            raise Problem(500, "internal", "the decoder gave no picture.", "Try again.")
        prediction = await self.service.look(decoded.views)
        data, thumb = await asyncio.to_thread(jpegs, decoded.picture)
        if not self.draft.has(group):
            return  # it was forgotten in the meantime
        if corrected and self.draft.correct(group, data):
            return
        looks = None if corrected else looks_known(prediction, group.landmark)
        try:
            self.draft.add(group, data, name=name, thumb=thumb, corrected=corrected, looks=looks)
        except OSError as error:
            raise unwritable(error) from error

    def _room_for(self, landmark: Landmark | None, count: int, *, known: bool) -> Group:
        most = self.service.settings.teach_photos
        if len(self.draft) + self._coming + count > most:
            raise _conflict(
                f"the draft has {len(self.draft)} photos; {most} is the most.",
                "Teach what is there, then forget those photos.",
            )
        group = self.draft.group_of(landmark, known=known)
        if len(group.photos) + group.coming + count > MOST:
            raise _conflict(
                f"{count} photos are too many: there are {len(group.photos) + group.coming} of "
                f"this landmark and {MOST} is the most.",
                "Leave some out; more hardly help.",
            )
        if len(self.draft.groups) > LANDMARKS:
            del self.draft.groups[group.key]
            raise _conflict(f"{LANDMARKS} landmarks is the most.", "Teach those first.")
        return group

    def choose(self, photo: str, *, use: bool) -> None:
        """Use a photo, or leave it out.

        Raises:
            Problem: there is no such photo.
        """
        found = self.draft.find(photo)
        if found is None:
            raise Problem(
                404, "not-found", "that photo is not in the draft.", "Load the page again."
            )
        found.choice = use
        self._changed()

    def remove(self, key: str) -> None:
        """Forget the photos of a landmark.

        Raises:
            Problem: it is being taught.
        """
        self._idle()
        self.draft.remove(key)
        if not (self.draft or self._coming):  # what was taught stays taught
            self._rest_on(self.service.recogniser, self.version)
        self._changed(check=True)

    def forget(self) -> None:
        """Forget all photos of the draft; what was taught stays taught.

        Raises:
            Problem: they are being taught.
        """
        self._idle()
        self.draft.forget()
        self._rest_on(self.service.recogniser, self.version)
        self._changed()

    # What data check says.

    def _changed(self, *, check: bool = False) -> None:
        self.revision += 1
        self._unchecked |= check
        if self._unchecked and not self.busy and not self._stopping:
            self._begin(self._check())

    def _begin(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _check(self) -> None:
        if self.busy:
            return
        self.busy = "checking"
        try:
            while self._unchecked and self.busy == "checking":
                await asyncio.sleep(_PAUSE_S)
                if self._coming:
                    continue
                self._unchecked = False
                self.progress = ("checking the photos", 0, 0)
                await self._check_once()
                self.revision += 1
        finally:
            if self.busy == "checking":
                self.busy = ""
            self.revision += 1

    async def _check_once(self) -> None:
        groups = self.draft.groups.values()
        everything = {photo.id: photo for group in groups for photo in group.photos.values()}
        if not everything:
            return
        dataset = self.draft.dataset(groups, left_out=True)
        try:
            said = await self._run(remarks, dataset, self._base.bundle, self._note)
        except Exception as error:  # photos may have been forgotten; and it only advises
            self.progress = (f"the photos could not be checked ({type(error).__name__})", 0, 0)
            _log.warning("check failed", exc_info=error)
            return
        for name, photo in everything.items():
            photo.found = said.get(name, ())

    # Teaching.

    def start(self) -> None:
        """Teach the draft, in the background.

        Raises:
            Problem: something is being taught already, or there is nothing to teach.
        """
        self._idle()
        groups = [group for group in self.draft.groups.values() if group.ready]
        if not any(group.landmark for group in groups):
            raise _conflict(
                "there is nothing to teach yet.",
                "Give at least 5 photos of a new landmark, or 1 of one that I know.",
            )
        if self.is_taught:
            raise _conflict("all of this is taught already.", "Give more photos, or undo.")
        self.busy, self.error, self.progress = "teaching", None, ("starting", 0, 0)
        self.revision += 1
        self._begin(self._teach(groups))

    async def _teach(self, groups: list[Group]) -> None:
        began = time.perf_counter()
        learnt = tuple(group.landmark.name for group in groups if group.landmark)
        mark = self.mark()
        try:
            dataset = self.draft.dataset(groups)
            make = partial(
                taught, self._base, dataset, self.folder, parent=self._base_version.file,
                progress=self._note,
            )  # fmt: skip
            file, figures, recogniser, neighbours = await self._run(make)
            self.version = Version(
                file=file,
                bundle=recogniser.bundle.short_hash,
                before=self.version,
                learnt=learnt,
                figures=figures,
                seconds=time.perf_counter() - began,
            )
            self._use(recogniser, neighbours)
            self._taught = mark
        except asyncio.CancelledError:
            raise
        except Exception as error:
            _log.error("teaching failed", exc_info=error)
            self.error = (
                error.error
                if isinstance(error, Problem)
                else describe(error)
                if isinstance(error, WaymarkError)
                else unwritable(error).error
                if isinstance(error, OSError)
                else {"code": "internal", "message": "teaching failed.", "hint": "See the log."}
            )
        finally:
            self.busy = ""
            self._changed()

    async def undo(self) -> None:
        """Go back to the bundle that was in use before; no file is touched.

        Raises:
            Problem: there is none, it cannot be read, or something is being taught.
        """
        self._idle()
        before = self.version.before
        if before is None:
            raise _conflict("there is nothing to undo.", "The bundle in use is the first.")
        self.busy, self.progress = "teaching", ("going back", 0, 0)
        try:
            recogniser, neighbours = await self._run(self._load, before)
            self.version, self.error, self._taught = before, None, None
            self._use(recogniser, neighbours)
            if self._is_above(self._base_version):
                self._rest_on(recogniser, before)
        finally:
            self.busy = ""
            self._changed()

    def _load(self, version: Version) -> tuple[Recogniser, Neighbours | None]:
        """Return what recognised with a version; runs in the thread."""
        kept = {id(self._base_version): self._base}
        try:
            recogniser = self._first if version.before is None else kept.get(id(version))
            recogniser = recogniser or like(self._first, read_bundle(version.file or ""))
        except (WaymarkError, OSError):
            raise _conflict("that bundle's file is gone or damaged.", "Put it back.") from None
        return recogniser, Neighbours.beside(version.file, recogniser.bundle)

    def _is_above(self, version: Version) -> bool:
        """Say whether a version is none of those that led to the one in use."""
        at: Version | None = self.version
        while at is not None and at is not version:
            at = at.before
        return at is None

    def _use(self, recogniser: Recogniser, neighbours: Neighbours | None) -> None:
        self.service.use(recogniser)
        self.service.bundle_file, self.service.neighbours = self.version.file, neighbours

    def _rest_on(self, recogniser: Recogniser, version: Version) -> None:
        """Teach to this from now on."""
        self._base, self._base_version = recogniser, version
        self.names = Names(recogniser.bundle.manifest.landmarks)
        for group in self.draft.groups.values():
            group.known = group.landmark is not None and self._base_knows(group.landmark)

    def _base_knows(self, landmark: Landmark) -> bool:
        return self.names.is_known(landmark.id)

    def _idle(self) -> None:
        if self.busy == "teaching":
            raise _conflict("I am learning just now.", "Wait until that is done.", "teaching")

    async def _run(self, work: Any, *values: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *values)

    def _note(self, done: int, total: int, what: str) -> None:
        if self._stopping:
            raise WaymarkError("the server is stopping.")
        self.progress = (what, done, total)

    @property
    def taught_file(self) -> Path | None:
        """The bundle in use, if it was taught since the server was started."""
        return None if self.version.before is None else self.version.file

    @property
    def is_taught(self) -> bool:
        """Whether all of the draft that can be taught is in the bundle in use."""
        return self._taught is not None and self._taught == self.mark()

    def mark(self) -> object:
        """Return what differs as soon as another bundle would come of the draft."""
        groups = [group for group in self.draft.groups.values() if group.ready]
        return [(group.key, group.landmark, [p.id for p in group.used]) for group in groups]


def _conflict(message: str, hint: str, code: str = "not-now") -> Problem:
    return Problem(409, code, message, hint)
