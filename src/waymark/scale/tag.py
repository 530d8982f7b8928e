"""Tag the photos of a folder or of an object store on a cluster, part by part.

In:  an address, a folder for the results, a bundle.
Out: a `ScaleReport`; rows as Parquet, see `results`.

Ray Data hands parts (`listing`) that are to do (`plan`) to a pool of actors (`pool`). An actor
does whole parts: it reads the photos, recognises them and writes the rows. So photos never
travel between processes, memory does not grow with the number of photos, and a part whose
worker was killed is simply done again: nothing is lost and nothing twice.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from typing import Any

from waymark.bundle.format import find_bundle, read_bundle
from waymark.errors import ConfigError
from waymark.photo import cores
from waymark.progress import Progress, silent
from waymark.recognise.recogniser import Recogniser
from waymark.scale.cluster import cluster
from waymark.scale.listing import PART_PHOTOS, Part
from waymark.scale.place import Place, find_place
from waymark.scale.place_files import write_file
from waymark.scale.plan import plan
from waymark.scale.pool import Job, run_wave
from waymark.scale.report import ScaleReport, Tally
from waymark.scale.results import BUNDLE, agree, claim, find_results, sweep, written
from waymark.version import __version__

__all__ = ["ScaleReport", "tag_at_scale"]


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
    place, out_place = find_place(where, filesystem=filesystem), find_results(out)
    loaded = read_bundle(file := find_bundle(bundle))
    options: dict[str, Any] = {"unknown_threshold": unknown_threshold}
    Recogniser(loaded, **options)  # an impossible option is said before anything is started
    about = {"of": place.of, "bundle": loaded.sha256, "k": k, "part_photos": part_photos, **options}
    with written(out_place):
        said = agree(out_place, about)
    if said is not None:  # photos keep the names that they have in the results
        place = replace(place, shown=said["shown"])
    tally, seconds = Tally(), 0.0
    waves = plan(place, out_place, tally, part_photos=part_photos)
    first = next(waves, None)
    if not tally.parts:
        raise _nothing(place, tally)
    if first is not None:  # else no cluster is started
        job = Job(
            place=place,
            out=out_place,
            bundle=loaded.sha256,
            k=k,
            options=options,
            run=secrets.token_hex(8),
        )
        with written(out_place):
            if said is None:
                claim(
                    out_place, {**about, "shown": place.shown, "waymark": __version__}, run=job.run
                )
            write_file(out_place, BUNDLE, file.read_bytes(), run=job.run)
        seconds = _run(chain([first], waves), job, tally, workers, progress)
    return tally.report(seconds)


def _run(
    waves: Iterable[list[Part]],
    job: Job,
    tally: Tally,
    workers: int | None,
    progress: Progress,
) -> float:
    """Have all waves done by one cluster; return the seconds without its start."""
    with cluster(workers or cores()) as ray:
        size = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        started = time.monotonic()
        for wave in waves:
            run_wave(ray, wave, job, tally, workers=size, tell=progress)
            with written(job.out):
                sweep(job.out, {part.folder for part in wave}, run=job.run)
        return time.monotonic() - started


def _nothing(place: Place, tally: Tally) -> ConfigError:
    """Return the error of a place without photos."""
    why = "".join(f"; {row.path!a} {row.reason}" for row in tally.skipped[:1])
    return ConfigError(f"no photos in {place.shown!a}{why}. Name a folder or prefix with some.")
