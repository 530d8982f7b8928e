"""Tag the photos of a folder or of an object store on a cluster, part by part.

In:  an address, a folder for the results, a bundle.
Out: a `ScaleReport`; rows as Parquet, see `results`.

Ray Data hands parts (`listing`) to a pool of actors. An actor loads the bundle once and
does whole parts: it reads the photos, recognises them, writes the rows and then the part's
marker. So photos never travel between processes, memory does not
grow with the number of photos, and a part whose worker was killed is simply done again,
into the same file: nothing is lost and nothing twice.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from waymark.bundle.format import decode, find_bundle, read_bundle
from waymark.dataset.index import Skipped
from waymark.errors import ConfigError, RunError
from waymark.photo import cores
from waymark.progress import Progress, silent
from waymark.scale.cluster import cluster
from waymark.scale.listing import PART_PHOTOS, Part, list_parts
from waymark.scale.place import Place, find_place
from waymark.scale.results import (
    begin,
    begun,
    is_done,
    prune,
    read_bundle_file,
    sweep,
    write_part,
)

if TYPE_CHECKING:
    from waymark.recognise.recogniser import Recogniser

WAVE = 1000
"""Parts that are planned at a time: what the driver keeps in memory."""
TRIES = 4
"""How often a part is begun in a run: one that kills its workers is left for the next."""


@dataclass(frozen=True, kw_only=True)
class ScaleReport:
    """What a run did.

    Attributes:
        photos: rows written, now and by earlier runs.
        recognised: rows that this run wrote.
        failed: rows with an error.
        unfetched: of these, photos that the store did not hand out; run again for them.
        parts: of the place.
        unfinished: parts whose workers were killed again and again; run again for them.
        skipped: what of the place could not be looked into, and why.
        seconds: how long recognising took, without the start of a cluster.
    """

    photos: int = 0
    recognised: int = 0
    failed: int = 0
    unfetched: int = 0
    parts: int = 0
    unfinished: int = 0
    skipped: tuple[Skipped, ...] = ()
    seconds: float = 0.0


def tag_at_scale(
    where: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    bundle: str | os.PathLike[str] = "world",
    k: int = 5,
    unknown_threshold: float | None = None,
    workers: int | None = None,
    part_photos: int = PART_PHOTOS,
    filesystem: Any = None,
    progress: Progress = silent,
) -> ScaleReport:
    """Tag all photos of a place; parts that are done already are not touched.

    Args:
        where: a folder, or an address such as s3://bucket/prefix. Every machine of the
            cluster must reach it.
        out: folder or address for the results.
        bundle: name or path of a bundle; only this machine must have it.
        k: guesses a photo.
        unknown_threshold: 0 to 1, instead of the bundle's own.
        workers: actors, one a core; None is all cores of the cluster.
        part_photos: photos of a part: what one worker does, and may lose, at a time.
        filesystem: see `place.find_place`; for `where` only.
        progress: is told of photos recognised.

    Raises:
        MissingExtra: Ray or pyarrow is not installed.
        ConfigError: an option, an address or the cluster is impossible.
        BundleError: the bundle cannot be used.
        RunError: `out` holds other results, or cannot be written.
    """
    if k < 1 or (workers is not None and workers < 1):
        raise ConfigError(f"k is {k} and workers {workers}; both start at 1.")
    place, target = find_place(where, filesystem=filesystem), find_place(out)
    loaded = read_bundle(file := find_bundle(bundle))
    options = {"unknown_threshold": unknown_threshold}
    _recogniser(loaded, options)  # an impossible option is said before anything is started
    about = {"of": place.shown if not place.local else place.path, "bundle": loaded.sha256}
    try:
        data = file.read_bytes()
        begin(target, {**about, "k": k, "part_photos": part_photos, **options}, data)
    except OSError as error:
        raise _unwritable(target, error) from error
    tally = _Tally()
    waves = _waves(place, target, part_photos, tally)
    first = next(waves, None)  # nothing to do: no cluster is started
    if first is not None:
        with cluster(workers or cores()) as ray:
            settings = (place, target, k, options, secrets.token_hex(8))
            size = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
            started = time.monotonic()
            while first is not None:
                _run_wave(ray, first, settings, size, tally, tell=progress)
                sweep(target, {part.folder for part in first})
                first = next(waves, None)
            tally.seconds = time.monotonic() - started
    return tally.report()


class _Tally:
    """Counts of a run."""

    def __init__(self) -> None:
        self.earlier = self.photos = self.failed = self.unfetched = 0
        self.parts = self.listed = self.unfinished = 0
        self.skipped: list[Skipped] = []
        self.seconds = 0.0

    def add(self, said: dict[str, Any], *, now: bool = True) -> None:
        if now:
            self.photos += said["photos"]
        else:
            self.earlier += said["photos"]
        self.failed += said["failed"]
        self.unfetched += said["unfetched"]

    def report(self) -> ScaleReport:
        return ScaleReport(
            photos=self.earlier + self.photos,
            recognised=self.photos,
            failed=self.failed,
            unfetched=self.unfetched,
            parts=self.parts,
            unfinished=self.unfinished,
            skipped=tuple(self.skipped),
            seconds=self.seconds,
        )


def _waves(place: Place, out: Place, part_photos: int, tally: _Tally) -> Iterator[list[Part]]:
    """Yield the parts that are to do, `WAVE` at a time; count those that are done."""
    wave: list[Part] = []
    last: Part | None = None
    for part in list_parts(place, part_photos=part_photos):
        if isinstance(part, Skipped):
            tally.skipped.append(part)
            continue
        if last is not None and last.folder != part.folder:
            prune(out, last.folder, last.number + 1)
        last = part
        tally.parts += 1
        done = is_done(out, part)
        if done is not None:
            tally.add(done, now=False)
            continue
        tally.listed += len(part.names)
        wave.append(part)
        if len(wave) == WAVE:
            yield wave
            wave = []
    if last is not None:
        prune(out, last.folder, last.number + 1)
    if wave:
        yield wave


def _run_wave(
    ray: Any,
    parts: list[Part],
    settings: tuple[Any, ...],
    size: int,
    tally: _Tally,
    *,
    tell: Progress,
) -> None:
    """Have a wave done by `size` actors; count what they say."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    rows = [{"part": json.dumps(asdict(part))} for part in parts]
    dataset = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
        Tagger,
        fn_constructor_args=settings,
        compute=ray.data.ActorPoolStrategy(size=min(size, len(rows))),
        num_cpus=1,  # Ray Data starts a killed actor again, and gives it its parts again
    )
    finished = 0
    for row in dataset.iter_rows():
        said = json.loads(row["said"])
        if "stopped" in said:
            raise RunError(said["stopped"])
        if "given_up" in said:
            continue
        finished += 1
        tally.add(said)
        tell(tally.photos, tally.listed, "tagging photos")
    tally.unfinished += len(parts) - finished


class Tagger:
    """An actor of the pool: a recogniser that does one part after the other."""

    def __init__(self, place: Place, out: Place, k: int, options: dict[str, Any], run: str) -> None:
        """Load the bundle.

        Args:
            place: where photos are.
            out: where results go, and the bundle is.
            k: guesses a photo.
            options: of the recogniser.
            run: tells this run from others.
        """
        os.environ["OPENBLAS_NUM_THREADS"] = "1"
        self._recogniser = _recogniser(decode(read_bundle_file(out)), options)
        self._place, self._out, self._k, self._run = place, out, k, run

    def __call__(self, row: dict[str, Any]) -> dict[str, str]:
        """Do a part; say what its marker says, or why nothing more can be done."""
        from waymark.scale.recognise import recognise

        fields = json.loads(row["part"])
        part = Part(**{**fields, "names": tuple(fields["names"]), "sizes": tuple(fields["sizes"])})
        try:
            if begun(self._out, part, self._run) > TRIES:
                return {"said": '{"given_up": true}'}
            found = recognise(self._recogniser, self._place, part, k=self._k)
            said = write_part(self._out, part, found)
        except OSError as error:
            said = {"stopped": str(_unwritable(self._out, error))}
        return {"said": json.dumps(said)}


def _recogniser(bundle: Any, options: dict[str, Any]) -> Recogniser:
    from waymark.recognise.recogniser import Recogniser

    return Recogniser(bundle, **options)


def _unwritable(out: Place, error: OSError) -> RunError:
    reason = error.strerror or " ".join(str(error).split())[:200]
    return RunError(
        f"{out.shown!a} cannot be written ({reason}); what is done is kept. Make room or "
        "name another --out, and run the same command again."
    )
