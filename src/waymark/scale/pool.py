"""Have parts done by a pool of Ray Data's actors.

In:  parts, and what is to be done with them.
Out: their results are written; what was done is counted.

An actor loads the bundle once and does one part after the other. Whatever goes wrong in it
comes back as words: an actor that dies of an exception would be started again and again.
"""

from __future__ import annotations

import json
import logging
import os
import re
from dataclasses import asdict, dataclass, field
from typing import Any

from waymark.bundle.format import decode
from waymark.errors import BundleError, RunError, WaymarkError
from waymark.progress import Progress
from waymark.scale.listing import Part
from waymark.scale.place import Place
from waymark.scale.place_files import read_bytes
from waymark.scale.report import Tally
from waymark.scale.results import BUNDLE, Kept, begun, write_part, written
from waymark.version import __version__

TRIES = 4
"""How often a part is begun in a run: one that kills its workers is left for the next."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be done with each part.

    Attributes:
        place: where photos are.
        out: where results go, and the bundle is.
        bundle: SHA-256 of its file.
        k: guesses a photo.
        options: of the recogniser.
        run: tells this run from others.
        version: of the waymark that plans.
    """

    place: Place
    out: Place
    bundle: str
    k: int
    options: dict[str, Any] = field(default_factory=dict)
    run: str
    version: str = __version__


def run_wave(
    ray: Any, parts: list[Part], job: Job, tally: Tally, *, workers: int, tell: Progress
) -> None:
    """Have parts done by actors, and count what they did.

    Args:
        ray: with a cluster behind it.
        parts: what is to do.
        job: how.
        tally: what to count in.
        workers: actors, one a core.
        tell: is told of photos recognised.

    Raises:
        RunError: the cluster, the place or that of the results is of no use any more.
    """
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    # from all corners of the place at once: no server of a store is asked by all workers, and
    # one prefix that is not handed out does not pass for all of them
    mixed = sorted(parts, key=lambda part: part.listing)
    rows = [{"part": json.dumps(asdict(part))} for part in mixed]
    dataset = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
        Tagger,
        fn_constructor_args=(job,),
        compute=ray.data.ActorPoolStrategy(size=min(workers, len(rows))),
        num_cpus=1,  # Ray Data starts a killed actor again, and gives it its parts again
    )
    tally.unfinished += len(parts)
    try:
        for row in dataset.iter_rows():
            _count(json.loads(row["said"]), job, tally)
            tell(tally.photos, tally.listed, "tagging photos")
    except WaymarkError:
        raise
    except Exception as error:  # Ray's errors have no common ancestor
        raise RunError(
            f"the cluster failed ({_reason(error)}); what is done is kept. See that all of its "
            f"machines run and have waymark {__version__} installed, and run the same command "
            "again."
        ) from error


def _count(said: dict[str, Any], job: Job, tally: Tally) -> None:
    """Count what an actor says of a part."""
    if "stopped" in said:
        raise RunError(said["stopped"])
    if "given_up" in said:
        return
    tally.unfinished -= 1
    tally.add(Kept(**said["kept"]), other=said["other"])
    if tally.is_dark:
        raise RunError(
            f"{job.place.shown!a} hands out nothing: none of the first {tally.photos:,} photos "
            f"could be read ({said['why']}). See that every machine of the cluster reaches it, "
            "and run the same command again."
        )


class Tagger:
    """An actor of the pool: a recogniser that does one part after the other."""

    def __init__(self, job: Job) -> None:
        """Load the bundle; where that fails, each part will be told why."""
        os.environ["OPENBLAS_NUM_THREADS"] = "1"
        self._job, self._stopped = job, ""
        try:
            self._recogniser = _load(job)
        except Exception as error:  # told, whatever it is
            self._stopped = _words(error)

    def __call__(self, row: dict[str, Any]) -> dict[str, str]:
        """Do a part; say what was done, or why nothing more can be."""
        if self._stopped:
            return {"said": json.dumps({"stopped": self._stopped})}
        fields = json.loads(row["part"])
        part = Part(**{**fields, "names": tuple(fields["names"]), "sizes": tuple(fields["sizes"])})
        try:
            with written(self._job.out):
                said = self._do(part)
        except RunError as error:
            said = {"stopped": str(error)}
        return {"said": json.dumps(said)}

    def _do(self, part: Part) -> dict[str, Any]:
        from waymark.scale.recognise import recognise

        job = self._job
        tries = begun(job.out, part, run=job.run)
        if tries > TRIES:
            return {"given_up": True}
        found = recognise(self._recogniser, job.place, part, k=job.k)
        again = part.again or tries > 1
        kept = write_part(job.out, part, found, again=again, run=job.run)
        return {"kept": asdict(kept), "other": found.other, "why": found.why}


def _load(job: Job) -> Any:
    from waymark.recognise.recogniser import Recogniser

    if job.version != __version__:
        raise RunError(
            f"a worker has waymark {__version__}, and {job.version} is what runs the command; "
            "install the same on all machines of the cluster."
        )
    with written(job.out):
        bundle = decode(read_bytes(job.out, BUNDLE), BUNDLE)
    if bundle.sha256 != job.bundle:
        raise BundleError(
            f"{BUNDLE} in {job.out.shown!a} is not the bundle of this run; run the same command "
            "again, which writes it anew."
        )
    return Recogniser(bundle, **job.options)


def _words(error: Exception) -> str:
    """Say why a worker cannot begin."""
    if isinstance(error, WaymarkError):
        return str(error)
    return f"a worker cannot begin ({_reason(error)}); see that it has what this machine has."


def _reason(error: Exception) -> str:
    """Return the line of an error that says most: Ray's have a hundred."""
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return (named or lines or [type(error).__name__])[-1][:200]
