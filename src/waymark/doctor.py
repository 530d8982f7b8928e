"""Is everything here that waymark needs, and does it work? `waymark doctor` shows it.

A check is a function that returns or yields `Check` records and never raises; what is
installed is imported in a process of its own, so that a broken package cannot take the
doctor down with it.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

EXTRA = re.compile(r"""extra\s*==\s*["']([\w-]+)["']""")
FLOOR = re.compile(r"^([\w.-]+)(?:\[[^\]]*\])?\s*>=\s*([\d.]+)")
MODULES = {"pillow": "PIL", "scikit-learn": "sklearn", "python-multipart": "python_multipart"}
USER_EXTRAS = ("train", "tensorboard", "parquet")
DEEP = ("torch", "torchvision", "timm", "accelerate")  # imported together, by check_torch
IMPORT_SECONDS = 180
LOW_DISK = 2 * 1024**3  # bytes; a full set-up with torch takes several times this


@dataclass(frozen=True)
class Check:
    """One thing looked at.

    Attributes:
        name: what was looked at.
        state: `ok`; `absent`: optional and not installed; `broken`.
        found: a version, a size, or what is wrong.
        fix: a command or an advice, empty where there is nothing to do.
    """

    name: str
    state: Literal["ok", "absent", "broken"]
    found: str
    fix: str = ""


def examine() -> Iterator[Check]:
    """Yield every check, in the order in which to mend things."""
    yield from check_python()
    yield from check_packages()
    yield from check_torch()
    yield check_runtime()
    yield check_world()
    yield from check_folders()


def check_python() -> Iterator[Check]:
    """Name the interpreter and the machine."""
    new_enough = sys.version_info >= (3, 11)
    yield Check(
        "python",
        "ok" if new_enough else "broken",
        f"{platform.python_version()} at {sys.executable}",
        "" if new_enough else "waymark needs Python 3.11 or newer",
    )
    yield Check("platform", "ok", f"{platform.platform()}, {os.cpu_count()} cores")


def check_packages() -> Iterator[Check]:
    """Compare what waymark's own metadata asks for with what is installed and imports."""
    try:
        asked = metadata.requires("waymark") or []
        yield Check("waymark", "ok", metadata.version("waymark"))
    except metadata.PackageNotFoundError:
        fix = "run `pip install -e .` in the checkout"
        yield Check("waymark", "broken", "runs from a folder but is not installed", fix)
        return
    wanted = [requirement for text in asked if (requirement := _requirement(text))]
    light = [name for name, _, _ in wanted if _version(name) and name not in DEEP]
    failures = import_failures([_module(name) for name in light])
    for name, floor, extra in wanted:
        version = _version(name)
        install = f"pip install 'waymark[{extra}]'" if extra else f"pip install '{name}>={floor}'"
        label = f"{name} ({extra})" if extra else name
        if version is None:
            yield Check(label, "absent" if extra else "broken", "not installed", install)
        elif _numbers(version) < _numbers(floor):
            upgrade = f"pip install --upgrade '{name}>={floor}'"
            yield Check(label, "broken", f"{version}, older than {floor}", upgrade)
        elif failure := failures.get(_module(name)):
            again = f"pip install --force-reinstall '{name}>={floor}'"
            yield Check(label, "broken", f"{version} does not import: {failure}", again)
        else:
            yield Check(label, "ok", version)


def check_torch() -> Iterator[Check]:
    """Say whether the packages of deep training import together, where any is there."""
    present = [name for name in DEEP if _version(name)]
    if not present:
        return
    failures = import_failures(present)
    if not failures:
        yield Check("deep training", "ok", f"{', '.join(present)} import together")
        return
    yield explain_torch("; ".join(f"{name}: {why}" for name, why in failures.items()))


def explain_torch(why: str) -> Check:
    """Say what to do about torch, torchvision or timm that does not import."""
    if "torchvision::nms" in why:
        return Check(
            "deep training",
            "broken",
            "torch and torchvision are not of the same build (operator torchvision::nms)",
            "take both from one index: pip install --force-reinstall torch torchvision",
        )
    return Check(
        "deep training",
        "broken",
        f"does not import: {why}",
        "pip install --force-reinstall 'waymark[train]'",
    )


def check_runtime() -> Check:
    """List the devices that ONNX Runtime can use."""
    code = "import onnxruntime as o; print(', '.join(o.get_available_providers()))"
    done = _python(code)
    if done.returncode:
        fix = "pip install --force-reinstall onnxruntime"
        return Check("onnx runtime", "broken", _last_line(done.stderr), fix)
    return Check("onnx runtime", "ok", done.stdout.strip())


def check_world() -> Check:
    """Load the world bundle, and let it name a rendered sample."""
    try:
        from waymark import load
        from waymark.bundle.format import find_bundle
        from waymark.samples import SAMPLES, render

        path = find_bundle("world")
        recogniser = load(path)
        best = recogniser.predict(render(SAMPLES[0], seed=0), k=1).predictions[0]
    except Exception as error:  # the doctor reports whatever is wrong
        return Check(
            "world bundle",
            "broken",
            " ".join(str(error).split()) or type(error).__name__,
            "restore the file with `git checkout -- src/waymark/bundle`, or reinstall waymark",
        )
    size = path.stat().st_size / 1e6
    named = f"predicts ({best.name} for a rendered sample)"
    return Check("world bundle", "ok", f"{recogniser.bundle.short_hash}, {size:.1f} MB; {named}")


def check_folders() -> Iterator[Check]:
    """Say whether the cache and data folders can be written, and how much room there is."""
    for name, variable, usual in (
        ("cache folder", "XDG_CACHE_HOME", ".cache"),
        ("data folder", "XDG_DATA_HOME", ".local/share"),
    ):
        folder = Path(os.environ.get(variable) or Path.home() / usual) / "waymark"
        yield check_folder(name, folder, variable)
    free = shutil.disk_usage(Path.cwd()).free
    low = free < LOW_DISK
    fix = f"free some room: less than {LOW_DISK / 1e9:.0f} GB are left here" if low else ""
    yield Check("disk", "ok", f"{free / 1e9:.1f} GB free in {Path.cwd()}", fix)


def check_folder(name: str, folder: Path, variable: str) -> Check:
    """Try to write in `folder`, or in the nearest folder above that exists; leave no trace."""
    from tempfile import TemporaryFile

    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        with TemporaryFile(dir=there):
            pass
    except OSError as error:
        fix = f"make {there} writable, or set {variable} to a folder that is"
        return Check(name, "broken", f"{folder}: {error.strerror}", fix)
    return Check(name, "ok", str(folder))


def import_failures(modules: list[str]) -> dict[str, str]:
    """Import each module in another process; return the reason of each that fails."""
    code = (
        "import importlib, json, sys\n"
        "failures = {}\n"
        "for name in sys.argv[1:]:\n"
        "    try:\n"
        "        importlib.import_module(name)\n"
        "    except BaseException as error:\n"
        "        failures[name] = f'{type(error).__name__}: {error}'\n"
        "print('\\n' + json.dumps(failures))\n"
    )
    done = _python(code, *modules)
    if done.returncode == 0:
        failures: dict[str, str] = json.loads(_last_line(done.stdout))
        return {name: " ".join(why.split()) for name, why in failures.items()}
    if len(modules) == 1:
        return {modules[0]: f"crashed with {done.returncode}: {_last_line(done.stderr)}"}
    return {name: why for each in modules for name, why in import_failures([each]).items()}


def _python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in another process, quietly."""
    command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=IMPORT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"over {IMPORT_SECONDS} s")


def _requirement(text: str) -> tuple[str, str, str] | None:
    """Read `name>=floor; extra == "x"` as (name, floor, extra); None if for developers."""
    match, extra = FLOOR.match(text), EXTRA.search(text)
    if match is None or (extra and extra[1] not in USER_EXTRAS):
        return None
    return match[1].lower(), match[2], extra[1] if extra else ""


def _module(name: str) -> str:
    """Return the module that a package is imported as."""
    return MODULES.get(name, name.replace("-", "_"))


def _version(name: str) -> str | None:
    """Return the installed version of a package, None where there is none."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: 2.15.0+cpu is (2, 15, 0)."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def _last_line(text: str) -> str:
    """Return the last line that says something."""
    return next((line for line in reversed(text.splitlines()) if line.strip()), "no output")
