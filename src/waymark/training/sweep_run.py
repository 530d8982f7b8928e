"""Run a sweep: each training in a process of its own, several at once, and resumable.

SWEEP/  sweep.toml (as it was given)  sweep.json (how far it is)
        NN-name/ (a run folder)  NN-name.toml (its recipe)  NN-name.log (what it said)
        leaderboard.csv  leaderboard.html

A crash, or a kill for want of memory, costs one run. One lock for the whole folder is held
by the sweep and inherited by the trainings it started, so that whatever is killed, no two
processes ever write into one run.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from waymark.dataset.index import Dataset, printable
from waymark.errors import ConfigError, WaymarkError
from waymark.evaluation.compare import Leaderboard, leaderboard, read_runs
from waymark.photo import cores
from waymark.progress import Progress, silent
from waymark.training.sweep import Planned, Sweep
from waymark.training.sweep_state import Shared, State, check_folder, check_same, locked

MEMORY_A_RUN = 3 * 10**9
"""Bytes that a training is taken to need, where the number of jobs is not given."""

_PROGRAM = (sys.executable, "-P", "-m", "waymark.training.sweep_child")
_GRACE = 20.0  # seconds for a training to end after Ctrl-C
_POLL = 0.05  # seconds
_SAID = 300  # characters of a failure

Happening = Literal["begun", "resumed", "finished", "failed"]
Tell = Callable[[Planned, Happening, str], None]


@dataclass(kw_only=True)
class _Child:
    """A training under way."""

    run: Planned
    process: subprocess.Popen[bytes]
    log: Path
    said_before: int  # bytes of the log that are of earlier attempts


@dataclass(frozen=True, kw_only=True)
class _Work:
    """What beginning and ending a run takes."""

    out: Path
    shared: Shared
    state: State
    jobs: int
    lock: int
    progress: Progress
    tell: Tell


def run_sweep(
    sweep: Sweep,
    shared: Shared,
    *,
    out: Path,
    jobs: int | None = None,
    progress: Progress = silent,
    tell: Tell = lambda run, happening, said: None,  # noqa: ARG005 (tells nobody)
) -> Leaderboard:
    """Do all runs that are not done yet, and write the leaderboard.

    A run that fails does not stop the others; it is tried again when the sweep is. Ctrl-C
    stops the trainings and leaves everything to be resumed by the same call.

    Args:
        sweep: what to run.
        shared: the dataset, and whatever else all runs share.
        out: the sweep's folder; new, empty, or that of the same sweep.
        jobs: trainings at once; None is what cores and memory allow (`fitting_jobs`).
        progress: told how many runs have ended.
        tell: told of each run that begins or ends, and of a failure's last words.

    Raises:
        ConfigError: if `jobs` is below 1, or `weights` are not there.
        RunError: if `out` holds something else, runs of another recipe, or is in use.
        DatasetError: if the dataset cannot be read.
    """
    if jobs is not None and jobs < 1:
        raise ConfigError(f"jobs is {jobs}; it must be at least 1.")
    if shared.weights is not None and not shared.weights.is_file():
        raise ConfigError(
            f"cannot read the weights {shared.weights}: there is no such file. "
            "--weights takes a .safetensors file."
        )
    jobs = jobs or fitting_jobs(cores(), available_memory(), gpu_memory())
    check_folder(out)
    out.mkdir(parents=True, exist_ok=True)
    with locked(out) as lock:
        check_same(out, sweep, shared)
        state = State(out, sweep, shared, threads=max(1, cores() // jobs))
        state.save()
        (out / "sweep.toml").write_text(sweep.text, encoding="utf-8")
        for run in sweep.runs:
            (out / f"{run.folder}.toml").write_text(run.recipe.to_toml(), encoding="utf-8")
        work = _Work(
            out=out,
            shared=shared,
            state=state,
            jobs=jobs,
            lock=lock,
            progress=progress,
            tell=tell,
        )
        _run_all(work, sweep.runs)
        return _ranked(out)


def check_runs(sweep: Sweep, dataset: Dataset, weights: Path | None) -> None:
    """Refuse, before the first run starts, what one of them would be refused for.

    Raises:
        WaymarkError: as `train` would raise it before it begins, with the run's name.
    """
    from waymark.training.run import check_training

    for run in sweep.runs:
        try:
            check_training(dataset, run.recipe, weights)
        except WaymarkError as error:
            raise type(error)(f"run {run.name!r}: {error}") from error


def fitting_jobs(cores: int, memory: int, gpu: int | None) -> int:
    """Return how many trainings to run at once: one for two cores, and for 3 GB of free memory.

    Args:
        cores: that this process may use.
        memory: free bytes.
        gpu: free bytes of the GPU; None where there is none.
    """
    smallest = memory if gpu is None else min(memory, gpu)
    return max(1, min(cores // 2, smallest // MEMORY_A_RUN))


def gpu_memory() -> int | None:
    """Return the free bytes of the first NVIDIA GPU; None where none is found."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    asked = [program, "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True).stdout
        return int(said.split()[0]) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def available_memory() -> int:
    """Return the bytes that new processes may use: free memory, or what the cgroup leaves."""
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
        group = Path("/sys/fs/cgroup")
        limit = (group / "memory.max").read_text(encoding="ascii").strip()
        if limit != "max":
            used = int((group / "memory.current").read_text(encoding="ascii"))
            free = min(free, int(limit) - used)
    except (OSError, ValueError, IndexError):
        pass  # no Linux, or no such cgroup: what is known so far stands
    return max(0, free)


def _run_all(work: _Work, runs: Sequence[Planned]) -> None:
    waiting = [run for run in reversed(runs) if not _is_finished(work, run)]
    ended = len(runs) - len(waiting)
    active: list[_Child] = []
    work.progress(ended, len(runs), "runs")
    try:
        while waiting or active:
            while waiting and len(active) < work.jobs:
                active.append(_begin(work, waiting.pop()))
            time.sleep(_POLL)
            for child in [child for child in active if child.process.poll() is not None]:
                active.remove(child)
                fault = _fault(work, child)
                work.state.end(child.run, fault)
                ended += 1
                work.tell(child.run, "failed" if fault else "finished", fault)
                work.progress(ended, len(runs), "runs")
    finally:
        _stop(active)


def _begin(work: _Work, run: Planned) -> _Child:
    """Start a training, from its checkpoint where there is one."""
    out, shared = work.out, work.shared
    folder = out / run.folder
    resumed = (folder / "checkpoint" / "last.pt").is_file()
    if folder.exists() and not resumed:
        shutil.rmtree(folder)  # killed before the first checkpoint: there is nothing to keep
    words = ["train", str(shared.dataset), "--recipe", str(out / f"{run.folder}.toml")]
    words += ["--out", str(folder), "--terms", shared.terms]
    words += ["--resume"] if resumed else []
    linear = run.recipe.kind == "linear"
    options = {
        "levels": shared.levels,
        "negatives": shared.negatives,
        "landmarks": shared.landmarks,
        "bundle": shared.bundle if linear else None,
        "weights": None if linear else shared.weights,
    }
    for name, value in options.items():
        words += [] if value is None else [f"--{name}", str(value)]
    log = out / f"{run.folder}.log"
    work.tell(run, "resumed" if resumed else "begun", "")
    with log.open("ab") as stream:
        said_before = stream.tell()
        process = subprocess.Popen(
            [*_PROGRAM, str(os.getpid()), *words],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            env={"OMP_NUM_THREADS": str(work.state.threads), **os.environ},
            pass_fds=(work.lock,),
            start_new_session=True,  # Ctrl-C on the terminal is the sweep's to hand on
        )
    return _Child(run=run, process=process, log=log, said_before=said_before)


def _is_finished(work: _Work, run: Planned) -> bool:
    """Say whether a run has ended well, and what it made is still there."""
    return work.state.runs[run.folder]["finished"] and not _missing(work.out / run.folder)


def _missing(folder: Path) -> list[str]:
    return [name for name in ("metrics.json", "model.waymark") if not (folder / name).is_file()]


def _fault(work: _Work, child: _Child) -> str:
    """Return in one line why a training that has ended failed; nothing if it did not."""
    code = child.process.returncode
    if code == 0:
        missing = _missing(work.out / child.run.folder)
        return f"it left no {' and no '.join(missing)}" if missing else ""
    if code == -signal.SIGKILL:
        return "killed (SIGKILL): out of memory, or by somebody; fewer --jobs need less"
    if code < 0:
        return f"killed ({signal.Signals(-code).name})"
    with child.log.open("rb") as stream:
        stream.seek(child.said_before)
        lines = stream.read().decode("utf-8", "replace").strip().splitlines()
    last = lines[-1].strip().removeprefix("error: ") if lines else f"it ended with code {code}"
    return "".join(c if c.isprintable() else "?" for c in last)[:_SAID]


def _stop(children: Sequence[_Child]) -> None:
    """Interrupt what still runs; kill what does not end."""
    for child in children:
        child.process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + _GRACE
    for child in children:
        try:
            child.process.wait(max(0.0, deadline - time.monotonic()))
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            deadline = 0.0  # a second Ctrl-C: wait for nobody else
        finally:
            if child.process.poll() is None:
                os.killpg(child.process.pid, signal.SIGKILL)  # its loaders too
                child.process.wait()


def _ranked(out: Path) -> Leaderboard:
    """Write and return the leaderboard of a sweep's folder."""
    from waymark.evaluation.compare_page import write_csv, write_html

    board = leaderboard(read_runs([out]))
    write_csv(out / "leaderboard.csv", board)
    write_html(out / "leaderboard.html", board, title=f"Sweep {printable(out.name)}")
    return board
